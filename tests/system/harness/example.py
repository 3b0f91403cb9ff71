"""An example of conf/examples in a folder of its own, where the ports that it names are a test's."""
import re
import shutil

from harness.shown import Shell, commands_of_comment
from harness.teleport import ROOT

EXAMPLES = ROOT / "conf/examples"
SERVED = re.compile(r"\b(?:listen|server)\s+(?:\S*:)?(\d+)\b")


class Example:
    """The files of an example, and a shell beside them."""

    def __init__(self, server, name):
        self.name = name
        self.server = server
        self.home = server.prefix
        folder = self.home / "conf/examples"
        shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.path = folder / f"{name}.conf"
        found = SERVED.findall(re.sub("#.*", "", self.path.read_text()))
        self.ports = {port: str(server.port(f"$PORT{number}"))
                      for number, port in enumerate(dict.fromkeys(found))}
        for path in folder.glob(f"{name}.*"):
            path.write_text(self.fill(path.read_text()))
        self.commands = commands_of_comment(self.path.read_text())
        self.shell = Shell(self.home, server.environment)

    def fill(self, text):
        for port, own in self.ports.items():
            text = re.sub(rf"\b{port}\b", own, text)
        return text

    def run_all(self):
        self.shell.run_all(self.commands)

    def ask(self, command):
        """What a command prints, whose ports are those of the example."""
        return self.shell.output(self.fill(command))

    def end(self):
        self.shell.end_all()
        self.shell.output(f"teleport -p . -c conf/examples/{self.name}.conf -s stop")

"""Commands that a page or an example shows, with what it says that they print: run, and compared.

A command begins with "$ "; what follows it is its output, up to an empty line or the next command:

    $ tp pull /math/add '[1,2,3]'
    6

What is shown is a shape: a number stands for any number, "…" for anything (alone on its line: for
any lines), and some spaces for some spaces.  Everything else is as it stands.
"""
import os
import re
import shlex
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness.teleport import BINARY
from harness.wait import PATIENCE_SECONDS, wait_until

PROMPT = "$ "
ANY = "…"
NUMBER = r"\d+(?:\.\d+)?"
SPACES = r"[ \t]+"
PAUSE_SECONDS = 0.5         # between two runs of a command: some of them are counted by limits


@dataclass
class Shown:
    """A command and the lines that it is said to print; without any it may print what it likes."""
    command: str
    lines: list = field(default_factory=list)


def commands_of(text):
    """All that a text without indentation shows."""
    found = []
    current = None
    for line in text.splitlines():
        if current is not None and current.command.endswith("\\") and not current.lines:
            current.command += "\n" + line
        elif line.startswith(PROMPT):
            current = Shown(line[len(PROMPT):])
            found.append(current)
        elif line.strip() == "":
            current = None
        elif current is not None:
            current.lines.append(line)
    return found


def commands_of_comment(text):
    """What the comment that a file begins with shows."""
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(re.sub(r"^# {0,3}", "", line))
    return commands_of("\n".join(head))


def sections_of(text):
    """What each section of a page shows: {heading: commands}, without those that show nothing."""
    found = {}
    heading = ""
    is_code = False
    block = []
    for line in text.splitlines():
        if line.startswith("```"):
            if is_code:
                found.setdefault(heading, []).extend(commands_of("\n".join(block)))
            is_code, block = not is_code, []
        elif is_code:
            block.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return {heading: commands for heading, commands in found.items() if commands}


def shape_of(lines):
    """The expression that output of such lines matches."""
    pattern = ""
    for line in lines:
        if line.strip() == ANY:
            pattern += r"(?:.*\n)*?"
            continue
        made = "".join(r"[ \t]*.*" if word == ANY else SPACES + shape_of_word(word)
                       for word in line.split()).removeprefix(SPACES)
        pattern += rf"[ \t]*{made}[ \t]*\n"
    return re.compile(pattern + r"\n*")


def shape_of_word(word):
    return ".*".join(NUMBER.join(re.escape(text) for text in re.split(NUMBER, part))
                     for part in word.split(ANY))


def is_of_shape(lines, output):
    ended = output if output.endswith("\n") else output + "\n"
    return shape_of(lines).fullmatch(ended) is not None


class Shell:
    """Runs what is shown, in a folder, with the programs under test; each until it is as shown."""

    def __init__(self, folder, environment):
        self.folder = Path(folder)
        self.environment = {name: value for name, value in environment.items()
                            if name not in ("TELEPORT_ADDRESS", "TELEPORT_CONTROL")}
        programs = self.folder.parent / "programs"
        programs.mkdir(exist_ok=True)
        for name in ("teleport", "tp"):
            (programs / name).unlink(missing_ok=True)
            (programs / name).symlink_to(Path(BINARY).resolve().parent / name)
        self.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        self.environment["NO_COLOR"] = "1"
        self.exports = []
        self.started = []

    def run_all(self, commands):
        for shown in commands:
            self.run(shown)

    def run(self, shown):
        """Returns what it has printed, once that is of the shape that is shown."""
        command = shown.command.strip()
        if command.startswith("export "):
            self.exports.append(command)
            return ""
        if command.endswith("&"):
            self.start(command[:-1])
            return ""
        outputs = []

        def is_as_shown():
            outputs.append(self.output(command))
            return not shown.lines or is_of_shape(shown.lines, outputs[-1])

        try:
            wait_until(is_as_shown, f"$ {command}", pause_seconds=PAUSE_SECONDS)
        except AssertionError:
            raise AssertionError(
                f"$ {command}\nis shown to print\n" + "\n".join(shown.lines)
                + f"\nbut prints\n{outputs[-1]}\n{self._said()}") from None
        return outputs[-1]

    def _script(self, command):
        return "\n".join(["set -e", *self.exports, command])

    def output(self, command):
        """What a command prints, and behind it what it says on standard error."""
        ended = subprocess.run(["/bin/sh", "-c", self._script(command)], cwd=self.folder,
                               env=self.environment, stdin=subprocess.DEVNULL, check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               timeout=2 * PATIENCE_SECONDS)
        output = ended.stdout.decode()
        is_open_line = output != "" and ended.stderr != b"" and not output.endswith("\n")
        return output + ("\n" if is_open_line else "") + ended.stderr.decode()

    def start(self, command):
        output = self.folder.parent / f"shown{len(self.started)}"
        with open(output, "wb") as file:
            process = subprocess.Popen(["/bin/sh", "-c", self._script(command)], cwd=self.folder,
                                       env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=file, start_new_session=True)
        process.output = output
        self.started.append(process)

    def printed_by(self, number):
        """What the command that was started as this one has printed so far."""
        return self.started[number].output.read_text()

    def end(self, number):
        """Ends what was started as this one, and all that it has started."""
        process = self.started[number]
        try:
            os.killpg(process.pid, signal.SIGTERM)
            os.killpg(process.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
        process.wait(PATIENCE_SECONDS)

    def end_all(self):
        for number in range(len(self.started)):
            self.end(number)

    def _said(self):
        return "\n".join(f"{shlex.join(process.args[2:])}\n{process.output.read_text()}"
                         for process in self.started)

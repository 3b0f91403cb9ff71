"""tp, the command-line client, as tests run it."""
import os
import re
import subprocess
from pathlib import Path

from harness.teleport import BINARY
from harness.wait import PATIENCE_SECONDS, wait_until

TP = str(Path(BINARY).parent / "tp")


class Tp:
    """Runs of tp, and what every one of them is asked: no sanitizer has a word to say."""

    def __init__(self, home):
        self.home = home
        self.reports = home / "tp-reports"
        self.reports.mkdir()
        self.started = []
        self.environment = {name: value for name, value in os.environ.items()
                            if name not in ("TELEPORT_ADDRESS", "TELEPORT_CONTROL", "NO_COLOR")}
        for name in ("ASAN", "UBSAN"):
            given = os.environ.get(f"{name}_OPTIONS", "")
            self.environment[f"{name}_OPTIONS"] = \
                f"{given}:log_path={self.reports}/{name.lower()}".lstrip(":")

    def run(self, *arguments, stdin=b"", environment=None):
        """(exit code, standard output, standard error)."""
        ended = subprocess.run([TP, *map(str, arguments)], input=stdin, check=False,
                               env={**self.environment, **(environment or {})},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               timeout=2 * PATIENCE_SECONDS)
        return ended.returncode, ended.stdout, ended.stderr.decode()

    def start(self, *arguments, **options):
        """One that goes on until it is told to end; its standard error is in a file."""
        errors = self.home / f"tp-errors{len(self.started)}"
        with open(errors, "wb") as file:
            process = subprocess.Popen([TP, *map(str, arguments)], env=self.environment,
                                       stdin=subprocess.DEVNULL, stderr=file,
                                       **{"stdout": subprocess.PIPE, **options})
        process.errors = errors
        self.started.append(process)
        return process

    def listen_at(self, command, *arguments, **options):
        """A tp that listens at a port the system has chosen: the process, and the port."""
        process = self.start(command, "--listen", "127.0.0.1:0", *arguments, **options)
        found = wait_until(lambda: re.search(r"port (\d+)", process.errors.read_text())
                           or process.poll() is not None, "tp listens")
        assert found is not True, process.errors.read_text()
        return process, int(found.group(1))

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for report in self.reports.iterdir():
            raise AssertionError(f"a sanitizer reported:\n{report.read_text()}")

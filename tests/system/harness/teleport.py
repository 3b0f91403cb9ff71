"""The server under test: started, asked, steered, ended, and looked over at its end."""
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

from harness import procfs
from harness.client import Connection, reserve_port
from harness.wait import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).resolve().parents[3]
BINARY = os.environ.get("TELEPORT_BINARY", str(ROOT / "objs/teleport"))
HOME_VARIABLE = "TELEPORT_TEST_HOME"

# A line of the error log: TIME [LEVEL] PID ID: DETAILS
LOG_LINE = re.compile(r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) \[(?P<level>[a-z]+)\] "
                      r"(?P<pid>\d+) (?P<id>[a-z-]+): (?P<details>.*)$")

PREAMBLE = "daemon off;\nerror_log logs/error.log info;\n"


def is_sanitized():
    """Whether the binary was built with sanitizers: its memory then says nothing."""
    told = subprocess.run([BINARY, "-V"], stdout=subprocess.PIPE, text=True, check=True)
    return "--with-sanitizers" in told.stdout


class Teleport:
    """One server with a prefix of its own.

    In a configuration $PORT, $PORT2 … stand for free ports, the same in every text of
    this server.  Unless a text sets daemon or error_log itself, the server stays in the
    foreground and logs from the level info on.
    """

    def __init__(self, home, conf):
        self.home = Path(home)
        self.prefix = self.home / "prefix"
        self.conf_path = self.prefix / "conf/teleport.conf"
        self.reports = self.home / "reports"
        self.faults = self.home / "faults/points"
        for folder in (self.prefix / "logs", self.conf_path.parent, self.reports,
                       self.faults.parent):
            folder.mkdir(parents=True)
        self.faults.write_text("")
        self.binary = BINARY
        self.process = None
        self.exit_code = 0
        self.connections = []
        self._holders = {}
        self._alerts_awaited = set()
        self._files_allowed = set()
        self._shapes = None
        self.write_conf(conf)

    # The configuration

    def port(self, name="$PORT"):
        if name not in self._holders:
            self._holders[name] = reserve_port()
        return self._holders[name].getsockname()[1]

    def fill(self, text):
        return re.sub(r"\$PORT\d*", lambda found: str(self.port(found.group())), text)

    def write_conf(self, text, preamble=None):
        if preamble is None:
            preamble = "".join(line + "\n" for line in PREAMBLE.splitlines()
                               if not re.search(rf"^{line.split()[0]}\s", text, re.MULTILINE))
        self.conf_path.write_text(self.fill(preamble + text))

    # Starting and ending

    @property
    def environment(self):
        """The sanitizers' reports of this server go to a directory of its own."""
        own = dict(os.environ)
        own[HOME_VARIABLE] = str(self.home)
        own["TELEPORT_FAULTS"] = str(self.faults)
        for name in ("ASAN", "UBSAN"):
            given = own.get(f"{name}_OPTIONS", "")
            own[f"{name}_OPTIONS"] = f"{given}:log_path={self.reports}/{name.lower()}".lstrip(":")
        return own

    def run(self, *arguments, conf=True):
        """Runs the program to its end; returns (exit code, standard output, standard error)."""
        words = [self.binary, "-p", str(self.prefix)]
        if conf:
            words += ["-c", str(self.conf_path)]
        ended = subprocess.run(words + [str(word) for word in arguments], env=self.environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        return ended.returncode, ended.stdout, ended.stderr

    def start(self, *arguments, is_ready=None):
        """Starts in the foreground; returns when all workers serve, or when `is_ready()`."""
        self.exit_code = 0
        with open(self.home / "output", "ab") as output:
            self.process = subprocess.Popen(
                [self.binary, "-p", str(self.prefix), "-c", str(self.conf_path), *arguments],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_until(lambda: self.process.poll() is not None or (is_ready or self.is_serving)(),
                   "the server is ready")
        assert self.process.poll() is None, f"the server did not start:\n{self.output()}"
        if is_ready is None:
            self._shapes = self._read_shapes()
        return self

    def is_serving(self):
        """Whether every worker of the configuration in force is there and runs."""
        try:
            status = self.status()
        except OSError:
            return False
        return status["workers"] != [] and all(worker["state"] == "running"
                                               for worker in status["workers"])

    @property
    def pid(self):
        return int((self.prefix / "logs/teleport.pid").read_text())

    def signal(self, number, pid=None):
        os.kill(pid or self.process.pid, number)

    def wait_for_end(self, exit_code=0):
        """Waits until the server has ended, which somebody has told it to."""
        self.exit_code = exit_code
        self.process.wait(PATIENCE_SECONDS)

    def stop(self):
        """A fast stop, then everything that is asked of every test."""
        if self.process is not None and self.process.poll() is None:
            self.check_descriptors()
            self.signal(signal.SIGTERM)
            self.process.wait(PATIENCE_SECONDS)
        self.check_end()

    # Asking and steering

    @property
    def control_path(self):
        return self.prefix / "logs/teleport.control"

    def ask(self, command):
        """A command over the control socket; returns (the verdict, the text before it)."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_SECONDS)
            client.connect(str(self.control_path))
            client.sendall(command.encode() + b"\n")
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        text, _, verdict = answer.rstrip("\n").rpartition("\n")
        return verdict, text

    def status(self):
        verdict, text = self.ask("status")
        if verdict != "ok":
            raise ConnectionError("the server ended before it answered")
        return json.loads(text)

    def reload(self):
        """teleport -s reload: returns (exit code, what it printed)."""
        code, output, errors = self.run("-s", "reload")
        return code, output + errors

    def total(self, counter):
        return self.status()["totals"][counter]

    def workers(self):
        """What the status says of each worker, by slot."""
        return {worker["slot"]: worker for worker in self.status()["workers"]}

    def worker_pids(self):
        return {slot: worker["pid"] for slot, worker in self.workers().items()}

    def wait_for_workers(self, count):
        """Waits until so many workers are there and run."""
        wait_until(lambda: [worker["state"] for worker in self.workers().values()]
                   == ["running"] * count, f"{count} workers run")

    def wait_for_replacement(self, slot, pid):
        """Waits until another process than `pid` runs in the slot; returns its id."""
        def replacement():
            worker = self.workers().get(slot)
            return worker and worker["pid"] != pid and worker["state"] == "running" \
                and worker["pid"]

        return wait_until(replacement, f"worker {slot} is replaced")

    # Faults

    def arm(self, *lines):
        """Arms fault points, as os/fault.h describes them; without any, none is armed."""
        armed = self.faults.with_suffix(".new")
        armed.write_text("".join(line + "\n" for line in lines))
        for claim in self.faults.parent.glob("*.claimed"):
            claim.unlink()
        armed.rename(self.faults)

    def was_struck(self, point):
        """Whether a point armed with `once` has struck."""
        return (self.faults.parent / f"{point}.claimed").exists()

    # Connections

    def connect(self, port="$PORT", **options):
        """Opens a connection that is closed at the end of the test."""
        if "path" in options:
            connection = Connection(**options)
        else:
            connection = Connection(self.port(port), **options)
        self.connections.append(connection)
        return connection

    def hold(self, count, port="$PORT", **options):
        """Opens connections and waits until the workers have them."""
        accepted = self.total("sessions_accepted")
        held = [self.connect(port, **options) for _ in range(count)]
        wait_until(lambda: self.total("sessions_accepted") >= accepted + count,
                   f"{count} connections are accepted")
        return held

    def hold_everywhere(self, count, port="$PORT"):
        """As hold(), and more until each worker has a session: on a loaded machine one may come
        late to all of them."""
        held = self.hold(count, port)

        def is_everywhere():
            if all(worker["sessions"] > 0 for worker in self.workers().values()):
                return True
            held.extend(self.hold(1, port))
            return False

        wait_until(is_everywhere, "each worker has a session")
        return held

    def is_read(self, connections):
        """Whether a byte sent on each of these connections reaches a worker."""
        before = self.total("bytes_received")
        for connection in connections:
            connection.send()
        wait_until(lambda: self.total("bytes_received") >= before + len(connections),
                   f"{len(connections)} bytes are read")
        return True

    def let_go(self):
        """Closes every connection and waits until no session is left."""
        while self.connections:
            self.connections.pop().close()
        wait_until(lambda: self.total("sessions") == 0, "all sessions end")

    def disconnect(self):
        """A reload takes all upstreams away, and with them the sessions to them."""
        if self.process is not None and self.process.poll() is None:
            head = self.conf_path.read_text().partition("peer")[0]
            self.write_conf(head + "peer { server { listen 127.0.0.1:$PORT; } }", preamble="")
            assert self.ask("reload")[0] == "ok"

    # Logs and output

    def log(self, name="logs/error.log"):
        path = self.prefix / name
        return path.read_text() if path.exists() else ""

    def log_lines(self, log_id, name="logs/error.log"):
        """The lines with this id: dicts of time, level, pid, id and details."""
        found = (LOG_LINE.match(line) for line in self.log(name).splitlines())
        return [line.groupdict() for line in found if line and line["id"] == log_id]

    def wait_for_log(self, log_id, containing="", name="logs/error.log", count=1):
        """Waits for `count` lines with this id and text; returns the last of them."""
        def matching():
            return [line for line in self.log_lines(log_id, name)
                    if containing in line["details"]]

        wait_until(lambda: len(matching()) >= count, f"{log_id} {containing} is logged")
        return matching()[-1]

    def output(self):
        return (self.home / "output").read_text()

    def expect_alert(self, log_id):
        """This test makes the server log an alert, which must come."""
        self._alerts_awaited.add(log_id)

    def allow_file(self, name):
        """This file below the prefix may be there at the end."""
        self._files_allowed.add(str(name))

    # What is asked of every test

    def check_descriptors(self):
        """Nothing is open that was not open at the start, once all connections are gone."""
        if self._shapes is None or not self._is_whole():
            return
        self.let_go()
        master_before, worker_before = self._shapes

        def leaks():
            status = self.status()
            master, workers = self._read_shapes_by_slot()
            found = _difference("master", master, master_before,
                                len(status["workers"]) + _listening(status, self.conf_path))
            for slot, shape in workers.items():
                found += _difference(f"worker {slot}", shape, worker_before,
                                     2 * len(workers) + _listening(status, self.conf_path))
            return found

        try:
            wait_until(lambda: not leaks(), seconds=5)
        except AssertionError:
            raise AssertionError(f"descriptors are left open: {leaks()}") from None

    def check_end(self):
        if self.process is not None:
            assert self.process.poll() == self.exit_code, self.output() + self.log()
        for connection in self.connections:
            connection.close()
        for holder in self._holders.values():
            holder.close()
        reports = [path.read_text() for path in sorted(self.reports.iterdir())]
        assert not reports, "\n".join(reports)
        wait_until(lambda: not procfs.processes_with(HOME_VARIABLE, self.home),
                   "no process is left")
        self._check_alerts()
        self._check_files()

    def _check_alerts(self):
        logs = [self.log(path.relative_to(self.prefix))
                for path in (self.prefix / "logs").glob("*.log*")]
        logs.append(self.output() if (self.home / "output").exists() else "")
        alerts = [line for text in logs for line in text.splitlines() if "[alert]" in line]
        ids = {found["id"] if (found := LOG_LINE.match(line)) else line for line in alerts}
        assert ids == self._alerts_awaited, f"alerts: {alerts}"

    def _check_files(self):
        left = {str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*")
                if not path.is_dir()}
        unexpected = {name for name in left
                      if not re.match(r"conf/|logs/[^/]*\.log(\.\d+)?$", name)}
        assert unexpected <= self._files_allowed, f"files are left over: {unexpected}"

    def die(self):
        """Master and workers at once, so that none of them has time to say that another is gone."""
        pids = [*self.worker_pids().values(), self.process.pid]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, number)
        self.wait_for_end(-signal.SIGKILL)

    def kill_all(self):
        """When a test has failed nothing of it may stay."""
        for pid in procfs.processes_with(HOME_VARIABLE, self.home):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.process is not None:
            self.process.wait(PATIENCE_SECONDS)

    def _is_whole(self):
        return self.is_serving() and procfs.is_alive(self.process.pid)

    def _read_shapes(self):
        master, workers = self._read_shapes_by_slot()
        status = self.status()
        listening = _listening(status, self.conf_path)
        master["socket"] -= len(status["workers"]) + listening
        worker = workers[min(workers)]
        worker["socket"] -= listening
        return master, worker

    def _read_shapes_by_slot(self):
        pids = self.worker_pids()
        return (_shape(procfs.descriptors(self.process.pid)),
                {slot: _shape(procfs.descriptors(pid)) for slot, pid in pids.items()})


def _shape(kinds):
    """Logs may come and go with the configuration: each is open so many times."""
    shape = {}
    for name, count in kinds.items():
        if name.removesuffix(" (deleted)").endswith(".log"):
            shape["log"] = max(shape.get("log", 0), count)
        else:
            shape[name] = count
    shape.setdefault("socket", 0)
    return shape


def _listening(status, conf_path):
    """How many listening sockets the configuration in force has."""
    each = len(status["workers"]) if "reuseport" in conf_path.read_text() else 1
    return each * len(status["listens"])


def _difference(who, shape, before, socket_room):
    """What is open more often than before; `socket_room` sockets may be.

    A thread pool opens an eventfd when it is first used, and keeps it."""
    room = {"socket": socket_room, "anon_inode:[eventfd]": 1}
    return [f"{who} has {count} of {name}, had {before.get(name, 0)}"
            for name, count in shape.items()
            if count > before.get(name, 0) + room.get(name, 0)]

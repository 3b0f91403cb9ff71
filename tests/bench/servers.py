"""The two servers that are measured: teleport with one worker, and the bare echo."""
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS_MAX = 30

PROCESSORS = sorted(os.sched_getaffinity(0))
MEASURED_ON = PROCESSORS[-1:]
LOADED_ON = PROCESSORS[:-1] or PROCESSORS

CONF = """
worker_processes 1;
error_log logs/error.log notice;
pid logs/teleport.pid;
events {{ worker_connections 16384; }}
peer {{
    {access_log}
    {tls}
    {more}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        pull /echo {{ {echo}; }}
        pull /sum  {{ sum; }}
    }}
}}
"""


def leave_a_processor():
    """From here on this process, and what it starts, leave one to the server that is measured."""
    os.sched_setaffinity(0, LOADED_ON)


class Server:
    """Something that listens at an address of this machine, and the process that answers there."""

    credentials = {}  # what a load's environment has to say to be let in

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.process = None

    def start(self, *command):
        self.process = subprocess.Popen(command)
        end = time.monotonic() + START_SECONDS_MAX
        while not self.is_ready():
            if time.monotonic() > end or self.process.poll() is not None:
                self.stop()
                raise RuntimeError(f"it did not start: {' '.join(command)}")
            time.sleep(0.02)

    def is_ready(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def have_processor(self, is_measured=True):
        """Its process runs where nobody else does, or with the load."""
        os.sched_setaffinity(self.pid, MEASURED_ON if is_measured else LOADED_ON)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(START_SECONDS_MAX)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class BareEcho(Server):
    """Writes back what it reads: one process, which knows nothing of Teleport."""

    name = "bare echo"

    def __init__(self, objs):
        super().__init__()
        self.start(str(objs / "tests/bench/rawecho"), str(self.port))

    @property
    def pid(self):
        return self.process.pid


class Teleport(Server):
    """A master with one worker, in a folder of its own; `wrapper` may be a valgrind."""

    name = "teleport"

    def __init__(self, objs, folder, wrapper=(), has_tls=False, more="", echo="echo"):
        """With `has_tls` its port takes both, TLS and none; `more` are directives of the peer, and
        `echo` is what answers /echo."""
        super().__init__()
        self.program = str(objs / "teleport")
        self.has_access_log = has_directive(self.program, "access_log")
        for name in ("conf", "logs"):
            (folder / name).mkdir(parents=True)
        (folder / "conf/teleport.conf").write_text(CONF.format(
            port=self.port,
            access_log="access_log logs/access.log;" if self.has_access_log else "",
            tls=make_certificate(folder / "conf") if has_tls else "", more=more,
            echo=echo))
        if "auth " in more:
            self.credentials = make_token(objs, folder / "conf/tokens")
        self.start(*wrapper, self.program, "-p", f"{folder}/", "-c", "conf/teleport.conf",
                   "-g", "daemon off;")

    def is_ready(self):
        """The master listens before it has a worker."""
        return super().is_ready() and bool(self.children())

    @property
    def pid(self):
        """The worker's."""
        return self.children()[0]

    def children(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(word) for word in Path(path).read_text().split()]


def make_token(objs, path):
    """A file with the hash of a secret, and what says that secret."""
    hashed = subprocess.run([str(objs / "tp"), "hash", "--id", "bench"], input=b"secret",
                            stdout=subprocess.PIPE, check=True).stdout
    path.write_bytes(hashed)
    return {"TELEPORT_CREDENTIALS": "bench:secret"}


def make_certificate(folder):
    """The directives of one that is its own authority."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", str(key), "-out", str(certificate)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return f"ssl_certificate {certificate}; ssl_certificate_key {key};"


def has_directive(program, name):
    manual = subprocess.run([program, "-h", "directives"], check=True, stdout=subprocess.PIPE)
    return f"### {name}\n" in manual.stdout.decode()


def resident_bytes(pid):
    """Exact, unlike VmRSS, which lags behind by some pages."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+) kB", text, re.M).group(1)) * 1024

"""What Linux tells of a process: descriptors, memory, limits, time."""
import ctypes
import os
import socket
from collections import Counter
from pathlib import Path

PIDFD_GETFD = 438   # the system call's number on every architecture; Python has no name for it
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    """What each descriptor of a process stands for, counted; sockets are all alike."""
    kinds = Counter()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(entry.path)
        except FileNotFoundError:
            continue
        kinds["socket" if target.startswith("socket:") else target] += 1
    return kinds


def borrow_connection(pid, port):
    """A copy of a descriptor of the process: its end of a TCP connection to this port.

    Where the system does not let us look into the process the result is None."""
    pid_fd = os.pidfd_open(pid)
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            if not os.readlink(entry.path).startswith("socket:"):
                continue
            copy = ctypes.CDLL(None).syscall(PIDFD_GETFD, pid_fd, int(entry.name), 0)
            if copy == -1:
                return None
            borrowed = socket.socket(fileno=copy)
            if _is_connection_to(borrowed, port):
                return borrowed
            borrowed.close()
    finally:
        os.close(pid_fd)
    raise AssertionError(f"the process has no connection to port {port}")


def _is_connection_to(candidate, port):
    try:
        candidate.getpeername()
    except OSError:
        return False
    return candidate.family == socket.AF_INET and candidate.getsockname()[1] == port


def memory_maps(pid):
    """How often each file or memory object is mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return Counter(line.split(None, 5)[5] for line in lines if len(line.split(None, 5)) == 6)


def zone_maps(pid):
    """How often each shared memory object is mapped."""
    return Counter({name: count for name, count in memory_maps(pid).items() if "memfd:" in name})


def status_fields(pid):
    """The lines of /proc/PID/status by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def resident_bytes(pid):
    return int(status_fields(pid)["VmRSS"].split()[0]) * 1024


def descriptor_limit(pid):
    """The soft and the hard limit of open files."""
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max open files"):
            return tuple(int(word) for word in line.split()[3:5])
    raise AssertionError("no limit of open files")


def _stat_fields(pid):
    """The fields of /proc/PID/stat behind the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid):
    fields = _stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _state(pid):
    """The letter of its state; "X" when there is no such process."""
    try:
        return _stat_fields(pid)[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def is_alive(pid):
    """Whether the process runs; a zombie does not."""
    return _state(pid) not in ("Z", "X")


def is_stopped(pid):
    """Whether a signal has stopped the process."""
    return _state(pid) == "T"


def title(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()


def processes_with(variable, value):
    """The living processes that were started with this environment variable."""
    wanted = f"{variable}={value}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            environment = Path(entry.path, "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in environment and is_alive(int(entry.name)):
            found.append(int(entry.name))
    return found

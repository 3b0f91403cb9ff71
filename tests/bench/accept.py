"""Measures how fast connections are accepted and closed, and how long a reload takes.

Usage: accept.py TELEPORT.  Both ends run on this machine and share its processors, and the
client is Python: the figures compare one commit with another, no more.
"""
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 5
IN_FLIGHT = 200
HELD = 1000
RELOADS = 50
START_SECONDS_MAX = 10

CONF = """
worker_processes {workers};
error_log logs/error.log notice;
pid logs/teleport.pid;
events {{ worker_connections 16384; }}
peer {{ server {{ listen 127.0.0.1:{port} backlog=4096; }} }}
"""


class Server:
    """One teleport in a directory of its own."""

    def __init__(self, program, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        self.program = program
        self.folder = folder
        (folder / "conf").mkdir()
        (folder / "logs").mkdir()
        conf = CONF.format(workers=os.cpu_count(), port=self.address[1])
        (folder / "conf" / "teleport.conf").write_text(conf)
        self.steer("-g", "daemon off;", wait=False)

    def steer(self, *words, wait=True):
        command = [self.program, "-p", str(self.folder) + "/", "-c", "conf/teleport.conf", *words]
        if wait:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        else:
            self.process = subprocess.Popen(command)

    def wait_until_it_listens(self):
        end = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                socket.create_connection(self.address).close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(START_SECONDS_MAX)


def measure_accepts(address):
    """Each connection says it is done; the server's end of it is the answer."""
    selector = selectors.DefaultSelector()
    done = 0

    def begin():
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(address)
        selector.register(client, selectors.EVENT_WRITE)

    for _ in range(IN_FLIGHT):
        begin()
    start = time.monotonic()
    while time.monotonic() < start + SECONDS:
        for key, events in selector.select(1):
            client = key.fileobj
            if events & selectors.EVENT_WRITE:
                client.shutdown(socket.SHUT_WR)
                selector.modify(client, selectors.EVENT_READ)
            elif not client.recv(1):
                selector.unregister(client)
                client.close()
                done += 1
                begin()
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    return done / (time.monotonic() - start)


def measure_reloads(server):
    """Milliseconds of `-s reload`, verdict included, while connections are held."""
    held = [socket.create_connection(server.address) for _ in range(HELD)]
    times = []
    for _ in range(RELOADS):
        start = time.monotonic()
        server.steer("-s", "reload")
        times.append((time.monotonic() - start) * 1000)
    closed = sum(1 for client in held if is_closed(client))
    for client in held:
        client.close()
    return times, closed


def is_closed(client):
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = Server(sys.argv[1], Path(folder))
        try:
            server.wait_until_it_listens()
            print(f"accepts: {measure_accepts(server.address):.0f} a second, "
                  f"{os.cpu_count()} workers, {IN_FLIGHT} connections at a time")
            times, closed = measure_reloads(server)
            print(f"reload:  {statistics.median(times):.1f} ms (median of {RELOADS}; "
                  f"the slowest {max(times):.1f} ms), {HELD} connections held, {closed} closed")
        finally:
            server.stop()


if __name__ == "__main__":
    main()

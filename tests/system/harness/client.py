"""Connections to a server, and whether it still holds them."""
import socket
import threading
import time


class Connection:
    """A connection that is held until it is closed here or by the server."""

    def __init__(self, port=None, host="127.0.0.1", source=None, path=None, seconds=10):
        if path is not None:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(seconds)
            self.socket.connect(str(path))
        else:
            self.socket = socket.create_connection((host, port), timeout=seconds,
                                                   source_address=source and (source, 0))
        self.socket.setblocking(False)

    def is_open(self):
        """Whether the server has neither closed nor reset it."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    def send(self, data=b"."):
        self.socket.send(data)

    def close(self):
        self.socket.close()


def is_refused(port, host="127.0.0.1"):
    try:
        Connection(port, host=host, seconds=2).close()
    except ConnectionRefusedError:
        return True
    return False


def reserve_port():
    """A socket that keeps a port from everybody but a server, which binds with SO_REUSEADDR.

    It never listens, and it became reusable only once it had the port alone."""
    holder = socket.socket()
    holder.bind(("0.0.0.0", 0))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return holder


class Connector:
    """Connects again and again in the background and counts how that ends."""

    def __init__(self, port, pause_seconds=0.002):
        self.port = port
        self.pause_seconds = pause_seconds
        self.count = 0
        self.failures = []
        self._is_wanted = True
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_wanted = False
        self._thread.join()

    def _run(self):
        while self._is_wanted:
            try:
                Connection(self.port).close()
                self.count += 1
            except OSError as error:
                self.failures.append(error)
            time.sleep(self.pause_seconds)

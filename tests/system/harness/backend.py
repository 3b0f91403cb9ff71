"""An HTTP backend that does what a path asks of it: each way in which one may answer, or not."""
import socket
import threading
import time
from dataclasses import dataclass

from .http import chunked
from .wait import PATIENCE_SECONDS


@dataclass
class Request:
    """What came: its first line, its fields as they stand, its body, and on which connection."""
    line: str
    fields: list
    body: bytes
    connection: int

    @property
    def path(self):
        return self.line.split(" ")[1]

    def get(self, name):
        """The value of the one field of that name; None where there is none."""
        values = [value for known, value in self.fields if known.lower() == name.lower()]
        assert len(values) < 2, f"{name} stands {len(values)} times"
        return values[0] if values else None


def answer(first="200 OK", body=b"", *fields):
    lines = [f"HTTP/1.1 {first}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines + ["", ""]).encode() + body


class Backend:
    """Each connection has a thread; the last part of a path says how it is answered."""

    def __init__(self, name="b"):
        self.name = name
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = []
        self.answers = {}  # the last part of a path -> what a request gets
        self.connections = []
        self.ended = []  # numbers of connections
        self.released = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        """Nobody can connect any more, and who is there is cut off."""
        self.released.set()
        for one in [self.listener, *self.connections]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection, len(self.connections)),
                             daemon=True).start()

    def _serve(self, connection, number):
        stream = connection.makefile("rb")
        try:
            while request := self._read(stream, number):
                self.asked.append(request)
                if not self._answer(connection, request):
                    break
        except OSError:
            pass
        finally:
            connection.close()
            stream.close()
            self.ended.append(number)

    @staticmethod
    def _read(stream, number):
        line = stream.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return None
        fields = []
        while field := stream.readline().decode("latin-1").rstrip("\r\n"):
            fields.append(tuple(field.split(": ", 1)))
        request = Request(line, fields, b"", number)
        request.body = stream.read(int(request.get("Content-Length") or 0))
        return request

    def _answer(self, connection, request):
        """False: the connection ends."""
        what = request.path.partition("?")[0].rpartition("/")[2]
        json = "Content-Type: application/json"
        if what in self.answers:
            connection.sendall(self.answers[what](request))
        elif what == "echo":
            connection.sendall(answer("200 OK", request.body,
                                      f"Content-Type: {request.get('Content-Type')}",
                                      "Date: Mon, 01 Jan 2024 00:00:00 GMT", "Server: backend",
                                      "X-Answer: yes", "Connection: keep-alive",
                                      *[f"Content-Encoding: {coding}" for coding in
                                        [request.get("Content-Encoding")] if coding]))
        elif what == "last":
            connection.sendall(answer("200 OK", b'"last"', json, "Connection: close"))
            return False
        elif what == "chunked":
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + json.encode()
                               + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"[1,", b"2]"))
        elif what == "slow":
            time.sleep(0.3)
            connection.sendall(answer("200 OK", b'"slow"', json))
        elif what == "never":
            self.released.wait(PATIENCE_SECONDS)
            return False
        elif what == "dies":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return False
        elif what == "garbage":
            connection.sendall(b"SSH-2.0-backend\r\n\r\n")
            return False
        elif what == "busy":
            connection.sendall(answer("503 Busy", b'"come later"', json))
        elif what == "own":
            connection.sendall(answer("500 Oops", b'{"code":1001,"msg":"no such sum"}', json))
        elif what == "none":
            connection.sendall(answer("404 Not Found", b"<p>nothing here</p>",
                                      "Content-Type: text/html; charset=utf-8"))
        else:
            connection.sendall(answer("200 OK", f'"{self.name}"'.encode(), json))
        return True

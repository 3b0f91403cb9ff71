"""HTTP as it is on the wire, without a library: what one would say about it must not be taken
from one that mends it."""
import socket
from dataclasses import dataclass, field

from .wait import PATIENCE_SECONDS


@dataclass
class Response:
    code: int = 0
    reason: str = ""
    fields: list = field(default_factory=list)
    body: bytes = b""

    def get(self, name):
        """The value of the one field of that name; None where there is none."""
        values = [value for known, value in self.fields if known.lower() == name.lower()]
        assert len(values) < 2, f"{name} stands {len(values)} times"
        return values[0] if values else None


def request(method="GET", target="/", body=None, host="test", **fields):
    """A request as bytes; a field's name is written with _ for -."""
    lines = [f"{method} {target} HTTP/1.1"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode("latin-1") + (body or b"")


def chunked(*pieces, trailer=b""):
    """A body in chunks."""
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) \
        + b"0\r\n" + trailer + b"\r\n"


class Browser:
    """A connection, and a strict reader of what comes."""

    def __init__(self, server, port="$PORT", connected=None):
        self.socket = connected or socket.create_connection(
            ("127.0.0.1", server.port(port)), timeout=PATIENCE_SECONDS)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        server.connections.append(self)

    def send(self, *pieces):
        self.socket.sendall(b"".join(pieces))

    def ask(self, method="GET", target="/", body=None, **fields):
        self.send(request(method, target, body, **fields))
        return self.receive(is_head=method == "HEAD")

    def receive(self, is_head=False):
        """The next response."""
        lines = self._take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, code, reason = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        response = Response(int(code), reason)
        for line in lines[1:]:
            name, colon, value = line.partition(": ")
            assert colon and name == name.strip() and value == value.strip(), repr(line)
            response.fields.append((name, value))
        if not is_head and response.code >= 200 and response.code not in (204, 304):
            response.body = self._take(int(response.get("Content-Length")))
        return response

    def receive_all(self):
        """All responses until the server closes the connection; no request was a HEAD."""
        self._fill_to_end()
        responses = []
        while self.rest:
            responses.append(self.receive())
        return responses

    def is_ended(self):
        """Whether the server has closed the connection, with nothing else to say."""
        self._fill_to_end()
        return self.rest == b""

    def end_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def _take_until(self, end):
        while end not in self.rest:
            self._fill()
        taken, _, self.rest = self.rest.partition(end)
        return taken

    def _take(self, count):
        while len(self.rest) < count:
            self._fill()
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def _fill(self):
        data = self.socket.recv(65536)
        assert data, f"the server closed the connection after {self.rest!r}"
        self.rest += data

    def _fill_to_end(self):
        while data := self.socket.recv(65536):
            self.rest += data

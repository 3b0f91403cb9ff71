"""WebSocket from outside: handshakes, frames and messages, without the server's code.

It writes what a test wants, however wrong, and reads strictly.
"""
import base64
import hashlib
import json
import os
import socket
from dataclasses import dataclass, field

from harness.wait import PATIENCE_SECONDS

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PULL, REPLY, PUSH, AUTH_CALL, AUTH_REPLY = 1, 2, 3, 4, 5
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def mask_bytes(data, mask):
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def frame(opcode, data=b"", final=True, mask=b"\x12\x34\x56\x78", reserved=0, length=None):
    """One frame; without a mask if that is None.  `length` says how many bytes it is said in."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    bit = 0 if mask is None else 0x80
    if length is None:
        length = 1 if len(data) < 126 else 2 if len(data) < 65536 else 8
    head = bytes([first, bit | (len(data) if length == 1 else 126 if length == 2 else 127)])
    head += b"" if length == 1 else len(data).to_bytes(length, "big")
    return head + (data if mask is None else mask + mask_bytes(data, mask))


def close_frame(code=None, reason=b"", **options):
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason, **options)


def message(uri="", body=None, type=PULL, seq=1, codec=106, meta="", pipe=(), status=None):
    """The JSON form, as one who writes correct JSON has it."""
    fields = {"seq": seq, "mtype": type, "serviceMethod": uri, "meta": meta,
              "bodyCodec": codec if body is not None else 0,
              "body": "" if body is None else body, "xferPipe": list(pipe)}
    if status is not None:
        fields["status"] = status
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass
class Frame:
    opcode: int
    data: bytes
    final: bool = True


@dataclass
class Closed:
    """How the server closed: what its close frame said, and what came before it."""
    code: int | None
    reason: str
    frames: list = field(default_factory=list)


class WebSocketCaller:
    """A connection of WebSocket, from the handshake on unless it is not wanted.

    `server` may be None: then `port` is a number, and of anybody who listens.
    """

    def __init__(self, server, port="$PORT", handshake=True, **request):
        number = port if server is None else server.port(port)
        self.socket = socket.create_connection(("127.0.0.1", number), timeout=PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = f"127.0.0.1:{number}"
        self.key = base64.b64encode(os.urandom(16))
        self.rest = b""
        self.seq = 0
        self.protocol = None
        if server is not None:
            server.connections.append(self)
        if handshake:
            self.send(self.request(**request))
            self.protocol = self.receive_handshake().get("sec-websocket-protocol")

    # The handshake

    def request(self, path="/", protocols=(), origin=None, **changed):
        """The bytes that ask for WebSocket; a header given as None is left out."""
        fields = {"Host": self.host, "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Key": self.key.decode(), "Sec-WebSocket-Version": "13"}
        if protocols:
            fields["Sec-WebSocket-Protocol"] = ", ".join(protocols)
        if origin is not None:
            fields["Origin"] = origin
        line = changed.pop("line", f"GET {path} HTTP/1.1")
        fields.update({name.replace("_", "-"): value for name, value in changed.items()})
        lines = [line] + [f"{name}: {value}" for name, value in fields.items()
                          if value is not None]
        return "\r\n".join(lines + ["", ""]).encode()

    def receive_head(self):
        """(status code, fields) of the response; what is behind it stays."""
        while b"\r\n\r\n" not in self.rest:
            data = self.socket.recv(65536)
            assert data, f"the server closed the connection after {self.rest}"
            self.rest += data
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in fields
            fields[name.lower()] = value
        assert first.startswith("HTTP/1.1 ")
        return int(first.split()[1]), fields

    def receive_handshake(self):
        code, fields = self.receive_head()
        assert code == 101
        assert fields["upgrade"].lower() == "websocket"
        assert fields["connection"].lower() == "upgrade"
        assert fields["sec-websocket-accept"].encode() == accept_of(self.key)
        assert "sec-websocket-extensions" not in fields
        return fields

    def receive_refusal(self):
        """(code, fields, body) of an answer that ends the connection."""
        code, fields = self.receive_head()
        while len(self.rest) < int(fields["content-length"]):
            data = self.socket.recv(65536)
            assert data
            self.rest += data
        assert self.socket.recv(1) == b"", "the connection stays"
        return code, fields, json.loads(self.rest)

    # Frames

    def send(self, *what):
        self.socket.sendall(b"".join(what))

    def send_text(self, data):
        self.send(frame(TEXT, data))

    def receive_exactly(self, count):
        while len(self.rest) < count:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"the server closed the connection; left: {self.rest!r}")
            self.rest += data
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def receive_frame(self):
        first, second = self.receive_exactly(2)
        assert first & 0x70 == 0 and second & 0x80 == 0
        length = second & 0x7f
        if length >= 126:
            count = 2 if length == 126 else 8
            length = int.from_bytes(self.receive_exactly(count), "big")
            assert length > (125 if count == 2 else 65535)
        data = self.receive_exactly(length)
        found = Frame(first & 15, data, first & 0x80 != 0)
        assert found.opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
        if found.opcode == TEXT:
            data.decode("utf-8")
        return found

    def receive_closed(self):
        """All frames up to the close frame, which has to be the last bytes there are."""
        frames = []
        while (found := self.receive_frame()).opcode != CLOSE:
            frames.append(found)
        try:
            rest = self.rest + self.socket.recv(1)
        except ConnectionResetError:
            rest = self.rest
        assert rest == b"", "something came behind the close frame"
        code = int.from_bytes(found.data[:2], "big") if found.data else None
        return Closed(code, found.data[2:].decode(), frames)

    # Messages

    def receive_json(self, opcode=TEXT):
        found = self.receive_frame()
        assert (found.opcode, found.final) == (opcode, True), found
        return json.loads(found.data)

    def pull(self, uri, body=None, **fields):
        """Asks in JSON, and returns the next message."""
        self.seq += 1
        self.send_text(message(uri, body, seq=self.seq, **fields))
        return self.receive_json()

    def is_well(self):
        self.seq += 1
        self.send_text(message("/echo", '"well"', seq=self.seq))
        reply = self.receive_json()
        return (reply["seq"], reply["mtype"], reply["body"]) == (self.seq, REPLY, '"well"')

    def close(self):
        self.socket.close()

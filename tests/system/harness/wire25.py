"""Teleport 2.5 as its own implementation speaks it: packets to bytes and back, and a caller.

Nothing here is shared with the server, so that a mistake would have to be made twice.
"""
import json
import random
import selectors
import socket
import struct
import threading
import zlib
from dataclasses import dataclass, field

from harness.wait import PATIENCE_SECONDS

PULL, REPLY, PUSH = 1, 2, 3
JSON, PROTOBUF, PLAIN = b"j", b"p", b"s"

GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")
GZIP_SYNC_FLUSH = bytes.fromhex("000000ffff")

# The fields of a header in their order: name, number in protobuf, whether it is a text.
FIELDS = [("seq", 1, False), ("type", 2, False), ("uri", 3, True), ("gzip", 4, False),
          ("status_code", 5, False), ("status", 6, True)]


@dataclass
class Packet:
    """A packet; `body` is what stands behind the codec byte, None without that byte."""
    type: int = PULL
    seq: int = 0
    uri: str = ""
    body: bytes | None = None
    codec: bytes = JSON
    header_codec: bytes = PROTOBUF
    gzip: int = 0
    status_code: int = 0
    status: str = ""

    def encode(self):
        if self.header_codec == JSON:
            header = json_header(self)
        else:
            header = protobuf_header(self)
        return frame(self.header_codec + header,
                     b"" if self.body is None else self.codec + self.body)

    def outcome(self):
        return self.status_code, self.status


def frame(header, body=b""):
    """Both with their codec bytes."""
    return struct.pack(">I", len(header)) + header + struct.pack(">I", len(body)) + body


def json_header(packet):
    fields = {name: getattr(packet, name) for name, _, _ in FIELDS if getattr(packet, name)}
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def protobuf_header(packet):
    return b"".join(protobuf_field(number, getattr(packet, name))
                    for name, number, _ in FIELDS if getattr(packet, name))


def protobuf_field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Reader:
    """Takes packets off the bytes it is fed."""

    def __init__(self):
        self.rest = bytearray()

    def feed(self, data):
        """Returns the packets that are whole now."""
        self.rest += data
        packets, begin = [], 0
        while (end := self._end_of_packet(begin)) is not None:
            packets.append(decode(bytes(self.rest[begin:end])))
            begin = end
        del self.rest[:begin]
        return packets

    def _end_of_packet(self, begin):
        body_at = self._end_of_part(begin)
        return None if body_at is None else self._end_of_part(body_at)

    def _end_of_part(self, begin):
        if len(self.rest) < begin + 4:
            return None
        end = begin + 4 + int.from_bytes(self.rest[begin:begin + 4], "big")
        return end if len(self.rest) >= end else None


def decode(data):
    """One whole packet."""
    header_len = int.from_bytes(data[:4], "big")
    header, body = data[4:4 + header_len], data[8 + header_len:]
    assert len(body) == int.from_bytes(data[4 + header_len:8 + header_len], "big")
    fields = json.loads(header[1:]) if header[:1] == JSON else protobuf_fields(header[1:])
    assert header[:1] in (JSON, PROTOBUF)
    return Packet(header_codec=header[:1], body=body[1:] if body else None,
                  codec=body[:1], **{"type": 0, **fields})


def protobuf_fields(data):
    names = {number: (name, is_text) for name, number, is_text in FIELDS}
    fields, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        name, is_text = names[key >> 3]
        assert key & 7 == (2 if is_text else 0)
        value, at = read_varint(data, at)
        if is_text:
            at += value
            value = data[at - value:at].decode()
        elif name != "seq":
            value = value - (1 << 64) if value >> 63 else value
        fields[name] = value
    assert at == len(data)
    return fields


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def go_gzip(data, level=5):
    """As Go sends it: no final block, no CRC, no length."""
    return GZIP_HEADER + raw_deflate(data, level, zlib.Z_SYNC_FLUSH)


def whole_gzip(data, level=5, crc=None, length=None):
    """A complete stream, or one whose trailer lies."""
    trailer = struct.pack("<II", zlib.crc32(data) if crc is None else crc,
                          len(data) if length is None else length)
    return GZIP_HEADER + raw_deflate(data, level, zlib.Z_FINISH) + trailer


def raw_deflate(data, level, end):
    strategy = zlib.Z_HUFFMAN_ONLY if level == -2 else zlib.Z_DEFAULT_STRATEGY
    deflater = zlib.compressobj(max(level, -1), zlib.DEFLATED, -15, 8, strategy)
    return deflater.compress(data) + deflater.flush(end)


def gunzip(data):
    """The content of a complete stream: header, CRC and length are checked."""
    inflater = zlib.decompressobj(31)
    content = inflater.decompress(data)
    assert inflater.eof and not inflater.unused_data, "the gzip stream is not complete"
    return content


class Caller:
    """One end of a session with a server."""

    def __init__(self, server, port="$PORT", source=None, receive_room=None, connected=None):
        """`connected` is a socket of a connection that there is already."""
        self.socket = connected or socket.socket()
        if receive_room is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_room)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.settimeout(PATIENCE_SECONDS)
        if connected is None:
            self.socket.connect(("127.0.0.1", server.port(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = Reader()
        self._packets = []
        server.connections.append(self)

    def send(self, *what):
        """Bytes or packets, with one write."""
        self.socket.sendall(b"".join(one.encode() if isinstance(one, Packet) else one
                                     for one in what))

    def send_bytewise(self, data):
        for byte in data:
            self.socket.sendall(bytes([byte]))

    def receive(self):
        """The next packet."""
        while not self._packets:
            data = self.socket.recv(65536)
            assert data, "the server closed the connection"
            self._packets += self._reader.feed(data)
        return self._packets.pop(0)

    def receive_many(self, count):
        return [self.receive() for _ in range(count)]

    def receive_bytes(self, count):
        """So many bytes as they are."""
        assert not self._packets and not self._reader.rest
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece, f"the server closed the connection after {data.hex(' ')}"
            data += piece
        return data

    def feed(self, data):
        """Bytes that somebody else has received; returns the packets that are whole now."""
        return self._reader.feed(data)

    def pull(self, uri, body=None, **fields):
        """Asks, and returns the next packet, whatever it is."""
        self.send(Packet(uri=uri, body=body, **fields))
        return self.receive()

    def is_well(self):
        """Whether the session answers, and with nothing before this answer."""
        reply = self.pull("/echo", b'"well"', seq=987654)
        return (reply.seq, reply.status_code, reply.body) == (987654, 200, b'"well"')

    def end_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def receive_rest(self):
        """The packets until the server closes the connection."""
        packets, self._packets = self._packets, []
        try:
            while data := self.socket.recv(65536):
                packets += self._reader.feed(data)
        except ConnectionResetError:
            # What the server has not read makes its close a reset.
            pass
        assert not self._reader.rest, f"half a packet: {self._reader.rest.hex(' ')}"
        return packets

    def reset(self):
        """Ends the connection so that nothing can be answered on it any more."""
        if self.socket.fileno() != -1:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def close(self):
        self.socket.close()


@dataclass
class LoadSession:
    """One session of a load: what it has asked, and what came."""
    caller: Caller
    pending: dict = field(default_factory=dict)
    next_seq: int = 0
    unsent: bytes = b""
    answers: int = 0
    is_broken: bool = False


class Load:
    """Sessions that pull all the time, in a thread of their own.

    Each reply is given to `check(session, pull, reply)`, whose assertion fails the load.
    What is sent is cut anywhere: the server seldom sees a whole number of packets.
    """

    def __init__(self, server, count, make_pull, check, depth=8, port="$PORT"):
        self.sessions = [LoadSession(Caller(server, port)) for _ in range(count)]
        self.make_pull = make_pull
        self.check = check
        self.depth = depth
        self.failures = []
        self._chance = random.Random(count)
        self._is_wanted = True
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        for session in self.sessions:
            session.caller.socket.setblocking(False)
            self._selector.register(session.caller.socket, selectors.EVENT_READ, session)
            self._ask(session)
        self._thread.start()
        return self

    def __exit__(self, *_):
        """Waits until all that was asked is answered."""
        self._is_wanted = False
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), f"pulls stay unanswered: {self.pending_count()}"
        for session in self.sessions:
            session.caller.socket.settimeout(PATIENCE_SECONDS)

    @property
    def answers(self):
        return sum(session.answers for session in self.sessions)

    @property
    def broken(self):
        return [session for session in self.sessions if session.is_broken]

    def pending_count(self):
        return sum(len(session.pending) for session in self.sessions if not session.is_broken)

    def _run(self):
        while self._is_wanted or self.pending_count() > 0:
            for key, _ in self._selector.select(0.05):
                try:
                    self._receive(key.data)
                except AssertionError as failure:
                    self.failures.append(failure)
                    self._give_up(key.data)

    def _receive(self, session):
        try:
            data = session.caller.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self._give_up(session)
            return
        for reply in session.caller.feed(data):
            pull = session.pending.pop(reply.seq, None)
            assert pull is not None, f"nobody asked for {reply}"
            session.answers += 1
            self.check(session, pull, reply)
        self._ask(session)

    def _ask(self, session):
        """Fills up what is pending, and lets the last packet be cut as long as more will come."""
        data = session.unsent
        while self._is_wanted and len(session.pending) < self.depth:
            pull = self.make_pull(session.next_seq)
            session.pending[session.next_seq] = pull
            session.next_seq += 1
            data += pull.encode()
        cut = self._chance.randrange(20) if self._is_wanted and len(session.pending) > 1 else 0
        try:
            session.caller.socket.sendall(data[:len(data) - cut])
        except (BrokenPipeError, ConnectionResetError):
            self._give_up(session)
        session.unsent = data[len(data) - cut:]

    def _give_up(self, session):
        session.is_broken = True
        self._selector.unregister(session.caller.socket)

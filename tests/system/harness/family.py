"""Teleport 6 and 7: raw, JSON and protobuf packets to bytes and back, and a caller.

Nothing here is shared with the server, so that a mistake would have to be made twice.
"""
import gzip
import hashlib
import json
import socket
import struct
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus

from harness.wait import PATIENCE_SECONDS

CALL, REPLY, PUSH, AUTH_CALL, AUTH_REPLY = 1, 2, 3, 4, 5
PROTOCOLS = ["raw", "json", "protobuf"]

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

# The fields of the JSON and protobuf forms: name here, name there, number in protobuf.
FIELDS = [("seq", "seq", 1), ("type", "mtype", 2), ("method", "serviceMethod", 3),
          ("status", "status", 4), ("meta", "meta", 5), ("codec", "bodyCodec", 6),
          ("body", "body", 7)]


@dataclass
class Packet:
    """A packet; `status` and `meta` are the texts that travel."""
    type: int = CALL
    seq: int = 1
    method: str = ""
    status: str = "code=0"
    meta: str = ""
    codec: int = ord("j")
    body: bytes = b""
    filters: bytes = b""

    def encode(self, protocol="raw"):
        payload = {"raw": raw_payload, "json": json_payload,
                   "protobuf": protobuf_payload}[protocol](self)
        return frame(protocol, payload, self.filters)

    def outcome(self):
        """Code, text and cause of the status; 0 is OK."""
        pairs = dict(pair.partition("=")[::2] for pair in self.status.split("&") if pair)
        return (int(pairs.get("code", 0)), unquote_plus(pairs.get("msg", "")),
                unquote_plus(pairs.get("cause", "")))


def frame(protocol, payload, filters=b""):
    """The payload with its filters applied, the last one first."""
    for one in reversed(filters):
        payload = gzip.compress(payload, mtime=0) if one == ord("g") else payload + md5(payload)
    rest = bytes([len(filters)]) + filters + payload
    return struct.pack(">I", len(rest) + (4 if protocol == "raw" else 0)) + rest


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).digest()


def raw_payload(packet):
    def text(data, length):
        data = data.encode() if isinstance(data, str) else data
        return struct.pack(length, len(data)) + data

    return (text(base36(packet.seq), ">B") + bytes([packet.type]) + text(packet.method, ">B")
            + text(packet.status, ">H") + text(packet.meta, ">H") + bytes([packet.codec])
            + packet.body)


def json_payload(packet):
    """As the original writes it: in the body quotes are escaped, and nothing else."""
    fields = {name: getattr(packet, own) for own, name, _ in FIELDS if own != "body"}
    head = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    return head[:-1] + b',"body":"' + packet.body.replace(b'"', b'\\"') + b'"}'


def protobuf_payload(packet):
    out = b""
    for own, _, number in FIELDS:
        value = getattr(packet, own)
        if isinstance(value, int):
            out += (varint(number << 3) + varint(value)) if value else b""
        elif value:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def base36(number):
    text = DIGITS[number % 36] if number >= 0 else "-" + base36(-number)
    return text if abs(number) < 36 or number < 0 else base36(number // 36) + text


def pairs(*rows):
    """Metadata, escaped: pairs("k", "v"), ("k", "w")."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in rows)


def decode(protocol, data):
    """One whole packet; its filters are undone, and checked."""
    size = struct.unpack(">I", data[:4])[0] + (0 if protocol == "raw" else 4)
    assert size == len(data)
    filters, payload = data[5:5 + data[4]], data[5 + data[4]:]
    for one in filters:
        if one == ord("g"):
            payload = gzip.decompress(payload)
        else:
            payload, tag = payload[:-16], payload[-16:]
            assert md5(payload) == tag, "the sum is another one"
    fields = {"raw": raw_fields, "json": json_fields, "protobuf": protobuf_fields}
    return Packet(filters=filters, **fields[protocol](payload))


def raw_fields(payload):
    at = 0

    def take(count):
        nonlocal at
        at += count
        assert at <= len(payload)
        return payload[at - count:at]

    seq = int(take(take(1)[0]), 36)
    kind = take(1)[0]
    method = take(take(1)[0]).decode()
    status = take(int.from_bytes(take(2), "big")).decode()
    meta = take(int.from_bytes(take(2), "big")).decode()
    return {"seq": seq, "type": kind, "method": method, "status": status, "meta": meta,
            "codec": take(1)[0], "body": payload[at:]}


def json_fields(payload):
    """Correct JSON is demanded."""
    fields = json.loads(payload)
    assert list(fields) == [name for _, name, _ in FIELDS]
    values = {own: fields[name] for own, name, _ in FIELDS}
    return {**values, "body": values["body"].encode()}


def protobuf_fields(payload):
    names = {number: own for own, _, number in FIELDS}
    values = {"seq": 0, "type": 0, "method": b"", "status": b"", "meta": b"", "codec": 0,
              "body": b""}
    at = 0
    while at < len(payload):
        key, at = read_varint(payload, at)
        value, at = read_varint(payload, at)
        if key & 7 == 2:
            at += value
            value = payload[at - value:at]
        elif value >> 63:
            value -= 1 << 64
        values[names[key >> 3]] = value
    assert at == len(payload)
    return {own: value.decode() if own in ("method", "status", "meta") else value
            for own, value in values.items()}


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


class Caller:
    """One end of a session, whoever connected."""

    def __init__(self, server, protocol="raw", port="$PORT", connected=None):
        """`connected` is a socket of a connection that there is already."""
        self.protocol = protocol
        self.socket = connected or socket.create_connection(("127.0.0.1", server.port(port)))
        self.socket.settimeout(PATIENCE_SECONDS)
        self._rest = b""
        server.connections.append(self)

    def send(self, *what):
        """Bytes or packets, with one write."""
        self.socket.sendall(b"".join(
            one.encode(self.protocol) if isinstance(one, Packet) else one for one in what))

    def receive(self):
        """The next packet."""
        while (end := self._end()) is None:
            data = self.socket.recv(65536)
            assert data, "the server closed the connection"
            self._rest += data
        packet, self._rest = decode(self.protocol, self._rest[:end]), self._rest[end:]
        return packet

    def call(self, method, body=b"", **fields):
        """Asks, and returns the next packet, whatever it is."""
        self.send(Packet(method=method, body=body, **fields))
        return self.receive()

    def is_closed(self):
        """Whether the server closes the connection, without another byte."""
        try:
            return not self._rest and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()

    def _end(self):
        if len(self._rest) < 4:
            return None
        size = int.from_bytes(self._rest[:4], "big") + (0 if self.protocol == "raw" else 4)
        return size if len(self._rest) >= size else None

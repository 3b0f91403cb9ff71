"""Handlers whose bodies are messages of protobuf-c (teleport/protobuf.h)."""
import pytest

from harness.wire25 import JSON, PLAIN, PROTOBUF, Caller

CONF = """
worker_processes 1;
peer {
    packet_limit 64k;
    server {
        listen 127.0.0.1:$PORT;
        pull /sum { message_sum; }
    }
}
"""

ONE_TO_THREE = b"\x0a\x03\x01\x02\x03"  # numbers, packed
NOTE = b"\x12\x00"  # an empty note


@pytest.fixture(name="server")
def server_with_messages(build, make_server):
    objs, _ = build
    server = make_server(CONF)
    server.binary = str(objs / "teleport")
    return server.start()


@pytest.mark.parametrize("body, answer", [
    (ONE_TO_THREE, b"\x08\x06"),
    (b"", b""),
    (ONE_TO_THREE + NOTE * 2, b"\x08\x06\x10\x02"),
    (b"\x08\x05\x08\x06", b"\x08\x0b"),  # not packed
    (b"\x0a\x0a" + b"\xff" * 9 + b"\x01", b"\x08" + b"\xff" * 9 + b"\x01"),  # -1
    (ONE_TO_THREE + b"\x7a\x01x", b"\x08\x06"),  # a field that nobody knows
])
def test_a_message_is_read_and_answered(server, body, answer):
    reply = Caller(server).pull("/sum", body, codec=PROTOBUF)
    assert (reply.status_code, reply.codec, reply.body) == (200, PROTOBUF, answer)


def test_one_that_names_no_codec_is_taken_for_a_message(server):
    assert Caller(server).pull("/sum").status_code == 200


@pytest.mark.parametrize("codec", [JSON, PLAIN])
def test_a_body_of_another_codec_is_refused_and_the_session_stays(server, codec):
    caller = Caller(server)
    assert caller.pull("/sum", b"[1]", codec=codec).status_code == 415
    assert caller.pull("/sum", ONE_TO_THREE, codec=PROTOBUF).status_code == 200


@pytest.mark.parametrize("body", [
    b"\x0a\x05\x01",  # shorter than it says
    b"\x0a\xff\xff\xff\xff\x0f",  # 4 GB
    b"\x08",
    b"\x0b\x0b",
    b"\xff" * 40,
])
def test_what_is_no_message_is_refused_and_the_session_stays(server, body):
    caller = Caller(server)
    assert caller.pull("/sum", body, codec=PROTOBUF).status_code == 400
    assert caller.pull("/sum", ONE_TO_THREE, codec=PROTOBUF).status_code == 200


def test_a_small_body_is_no_huge_message(server):
    """Each empty note is two bytes on the wire and a struct in memory."""
    caller = Caller(server)
    assert caller.pull("/sum", NOTE * 500, codec=PROTOBUF).body == b"\x10\xf4\x03"
    assert caller.pull("/sum", NOTE * 30000, codec=PROTOBUF).status_code == 413
    assert caller.pull("/sum", ONE_TO_THREE, codec=PROTOBUF).status_code == 200

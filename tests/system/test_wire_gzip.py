"""Bodies that are deflated: as Go sends them, as others do, and as nobody should."""
import random
import struct
import zlib

import pytest

from harness import procfs
from harness.wire25 import (GZIP_HEADER, GZIP_SYNC_FLUSH, JSON, PLAIN, PUSH, Caller, Packet,
                            go_gzip, gunzip, raw_deflate, whole_gzip)

CONF = """
worker_processes 1;
peer {
    gzip_min 0;
    json_values 1000000;
    pull /echo { echo; }
    pull /math/add { sum; }
    pull /long { return 200 "LONG"; }
    pull /empty { empty; }
    push /added { sum; }
    server { listen 127.0.0.1:$PORT; }
    server { listen 127.0.0.1:$PORT2; gzip_min 1k; packet_limit 10k; }
}
""".replace("LONG", "0123456789" * 100)

LEVELS = [-2, -1, 1, 5, 9]
NUMBERS = b"[" + b",".join(b"%d" % number for number in range(2000)) + b"]"
TOTAL = b"1999000"


@pytest.fixture(name="server")
def wire_server(start_server):
    return start_server(CONF)


@pytest.fixture(name="caller")
def caller_of_the_server(server):
    return Caller(server)


def final_block_only(data):
    return GZIP_HEADER + raw_deflate(data, 5, zlib.Z_FINISH)


def with_optional_fields(data):
    """Every field that a gzip header may have."""
    head = bytes.fromhex("1f8b081f00000000 00ff") + struct.pack("<H", 4) + b"xtra"
    head += b"name\0comment\0"
    head += struct.pack("<H", zlib.crc32(head) & 0xffff)
    return head + raw_deflate(data, 5, zlib.Z_FINISH) + struct.pack("<II", zlib.crc32(data),
                                                                    len(data))


def flushed_twice(data):
    deflater = zlib.compressobj(5, zlib.DEFLATED, -15)
    half = len(data) // 2
    return (GZIP_HEADER + deflater.compress(data[:half]) + deflater.flush(zlib.Z_SYNC_FLUSH)
            + deflater.compress(data[half:]) + deflater.flush(zlib.Z_SYNC_FLUSH))


STREAMS = [go_gzip, whole_gzip, final_block_only, with_optional_fields, flushed_twice]


def test_the_example_is_what_go_sends():
    assert go_gzip(b'{"a":1}', 5).hex() == "1f8b08000000000000ff" "aa564a54b232ac05" "000000ffff"


# Untouched


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("stream", STREAMS)
def test_echo_passes_a_deflated_body_untouched(caller, stream, level):
    body = stream(b'{"a":1}')
    reply = caller.pull("/echo", body, gzip=level)
    assert (reply.outcome(), reply.gzip, reply.body) == ((200, "OK"), level, body)


def test_echo_does_not_look_into_a_body_that_is_no_gzip_stream(caller):
    reply = caller.pull("/echo", b"no stream at all", gzip=5)
    assert (reply.outcome(), reply.gzip, reply.body) == ((200, "OK"), 5, b"no stream at all")


# Inflated


@pytest.mark.parametrize("stream", STREAMS)
def test_a_sum_of_a_deflated_body(caller, stream):
    reply = caller.pull("/math/add", stream(NUMBERS), gzip=5)
    assert (reply.outcome(), reply.codec) == ((200, "OK"), JSON)
    assert reply.body == TOTAL and reply.gzip == 0, "deflated it would have grown"


@pytest.mark.parametrize("level", LEVELS)
def test_a_sum_of_a_body_deflated_at_any_level(caller, level):
    for stream in (go_gzip, whole_gzip):
        assert caller.pull("/math/add", stream(NUMBERS, level), gzip=level).body == TOTAL


def test_a_deflated_body_one_byte_at_a_time(caller):
    caller.send_bytewise(Packet(uri="/math/add", body=go_gzip(b"[1,2,3]"), gzip=5).encode())
    assert caller.receive().body == b"6"


def test_a_deflated_body_in_many_pieces(caller):
    body = go_gzip(b"[" + b",".join(b"%d" % random.Random(number).getrandbits(40)
                                    for number in range(40000)) + b"]")
    assert len(body) > 150000
    total = sum(random.Random(number).getrandbits(40) for number in range(40000))
    packet = Packet(uri="/math/add", body=body, gzip=5).encode()
    for begin in range(0, len(packet), 7919):
        caller.send(packet[begin:begin + 7919])
    assert caller.receive().body == b"%d" % total


@pytest.mark.parametrize("body", [b"", GZIP_HEADER + GZIP_SYNC_FLUSH, whole_gzip(b"")],
                         ids=["plain", "flushed", "complete"])
def test_an_empty_body_with_gzip_set_is_empty(caller, body):
    assert caller.pull("/math/add", body, gzip=5).outcome() == (400, "an empty body is not JSON")
    assert caller.pull("/echo", body, gzip=5, codec=PLAIN).body == body
    assert caller.is_well()


def test_gzip_set_and_no_body_at_all_is_empty(caller):
    assert caller.pull("/math/add", gzip=5).outcome() == (400, "an empty body is not JSON")
    assert caller.pull("/empty", gzip=5).outcome() == (200, "OK")
    assert caller.pull("/echo", gzip=5).body is None
    assert caller.is_well()


BROKEN = {
    "wrong-crc": whole_gzip(NUMBERS, crc=1),
    "wrong-length": whole_gzip(NUMBERS, length=1),
    "half-a-trailer": whole_gzip(NUMBERS)[:-4],
    "data-after-the-trailer": whole_gzip(NUMBERS) + b"x",
    "a-second-stream": 2 * whole_gzip(b"[1]"),
    "data-after-the-flush": go_gzip(NUMBERS) + b"\xff",
    "cut": go_gzip(NUMBERS)[:-20],
    "cut-before-the-flush-ends": go_gzip(NUMBERS)[:-1],
    "broken-block": GZIP_HEADER + b"\xff" * 20,
    "header-only": GZIP_HEADER,
    "half-a-header": GZIP_HEADER[:5],
    "another-method": b"\x1f\x8b\x07" + go_gzip(NUMBERS)[3:],
    "no-magic": b"\x1f\x8c" + go_gzip(NUMBERS)[2:],
    "reserved-flags": b"\x1f\x8b\x08\xe0" + go_gzip(NUMBERS)[4:],
    "name-without-end": b"\x1f\x8b\x08\x08" + GZIP_HEADER[4:] + b"name",
    "zlib-not-gzip": zlib.compress(NUMBERS),
    "not-deflated": NUMBERS,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_stream_is_a_bad_body_and_the_session_stays(caller, body):
    reply = caller.pull("/math/add", body, gzip=5)
    assert (reply.status_code, reply.gzip, reply.body) == (400, 0, None)
    assert caller.is_well()
    assert caller.pull("/math/add", go_gzip(NUMBERS), gzip=5).body == TOTAL


def test_a_push_with_a_broken_stream_is_not_answered(caller):
    caller.send(Packet(type=PUSH, uri="/added", body=BROKEN["cut"], gzip=5))
    assert caller.is_well()


def test_a_bomb_is_413_and_not_inflated_further(server, caller, sanitized):
    bomb = go_gzip(bytes(200 << 20), 9)
    assert len(bomb) < 1 << 20
    pid = server.worker_pids()[0]
    assert caller.pull("/math/add", go_gzip(NUMBERS), gzip=5).body == TOTAL
    before = procfs.resident_bytes(pid)
    for _ in range(5):
        reply = caller.pull("/math/add", bomb, gzip=9)
        assert (reply.outcome(), reply.body) == ((413, "Too Large"), None)
    assert caller.is_well()
    if not sanitized:
        assert procfs.resident_bytes(pid) - before < 8 << 20


@pytest.mark.parametrize("size,code", [(10240, 200), (10241, 413)])
def test_a_body_may_be_as_large_as_a_packet_when_inflated(server, size, code):
    caller = Caller(server, "$PORT2")
    numbers = b"[1" + b" " * (size - 3) + b"]"
    assert caller.pull("/math/add", go_gzip(numbers), gzip=5).status_code == code
    assert caller.is_well()


# Deflated


@pytest.mark.parametrize("level", LEVELS)
def test_a_reply_is_deflated_with_the_level_of_its_pull(caller, level):
    reply = caller.pull("/long", go_gzip(b"[1]", level), gzip=level)
    assert (reply.gzip, reply.codec) == (level, PLAIN)
    assert gunzip(reply.body) == b"0123456789" * 100
    assert len(reply.body) < 1000


def test_a_better_level_makes_a_reply_smaller(caller):
    sizes = {level: len(caller.pull("/long", b"", gzip=level).body) for level in (-2, 1, 9)}
    assert sizes[9] <= sizes[1] < sizes[-2]


def test_a_reply_to_a_plain_pull_is_plain(caller):
    reply = caller.pull("/long", b"[1]")
    assert (reply.gzip, reply.body) == (0, b"0123456789" * 100)


def test_a_reply_below_gzip_min_is_plain_and_says_so(server):
    reply = Caller(server, "$PORT2").pull("/long", go_gzip(b"[1]"), gzip=5)
    assert (reply.gzip, reply.body) == (0, b"0123456789" * 100)


def test_a_reply_without_a_body_has_no_level(caller):
    reply = caller.pull("/empty", go_gzip(b"[1]"), gzip=5)
    assert (reply.gzip, reply.body) == (0, None)


def test_bodies_stay_whole_when_levels_and_codecs_alternate(caller):
    for turn in range(100):
        level = LEVELS[turn % len(LEVELS)]
        numbers = b"[%d,%d]" % (turn, turn)
        assert caller.pull("/math/add", go_gzip(numbers, level), gzip=level).body == b"%d" % (
            2 * turn)
        assert gunzip(caller.pull("/long", b"", gzip=level).body) == b"0123456789" * 100
        echoed = go_gzip(b"plain %d" % turn, level)
        assert caller.pull("/echo", echoed, gzip=level, codec=PLAIN).body == echoed


@pytest.mark.parametrize("level", [10, -3, 1000, -2147483648])
def test_a_level_out_of_range_is_passed_by_echo_and_deflates_nothing(caller, level):
    body = go_gzip(b"[1,2]")
    reply = caller.pull("/echo", body, gzip=level)
    assert (reply.gzip, reply.body) == (level, body)
    assert caller.pull("/math/add", body, gzip=level).body == b"3"
    reply = caller.pull("/long", body, gzip=level)
    assert (reply.gzip, reply.body) == (0, b"0123456789" * 100)

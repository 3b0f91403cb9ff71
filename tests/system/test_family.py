"""Teleport 6 and 7: raw, JSON and protobuf packets, guessed or named, in both roles."""
import gzip
import json
import pathlib
import socket
import subprocess

import pytest

from harness import family
from harness.family import (AUTH_CALL, AUTH_REPLY, CALL, PROTOCOLS, PUSH, REPLY, Caller, Packet,
                            frame, pairs, raw_payload)
from harness.wait import PATIENCE_SECONDS
from harness import wire25

CONF = """
worker_processes 1;
error_log logs/error.log info;
peer {
    packet_limit 100k;
    redial 10ms max=50ms;
    pull /home/echo { echo; }
    pull /math/add { sum; }
    pull /fails { return 1001 "no luck & more"; }
    pull /meta { return 200 "$meta_k2|$meta_none|$meta_X_Real_IP|$meta_x_session_id"; }
    pull /query { return 200 "$arg_x"; }
    pull /who { return 200 "$protocol"; }
    pull /slow { sleep 300ms; }
    pull /system/id { session_id $arg_id; }
    push /told { empty; }
    server { listen 127.0.0.1:$PORT; pull /control/* { control; } }
    server { listen 127.0.0.1:$PORT1 protocol=raw; }
    server { listen 127.0.0.1:$PORT2 protocol=json; }
    server { listen 127.0.0.1:$PORT3 protocol=protobuf; }
    DIALS
}
"""

NAMED = {"raw": "$PORT1", "json": "$PORT2", "protobuf": "$PORT3"}
SPOKEN = [(protocol, how) for protocol in PROTOCOLS for how in ("guessed", "named")]

# As they stand in the documentation of the wire.
CALL_OF_THE_WIRE = bytes.fromhex("00000025 00 0131 01 0a2f686f6d652f6563686f 0006636f64653d30"
                                 "0000 6a 7b2261223a317d")
REPLY_OF_THE_WIRE = bytes.fromhex("0000001b 00 0131 02 00 0006636f64653d30 0000 6a"
                                  "7b2261223a317d")


@pytest.fixture(name="server", scope="function")
def server_of_the_family(start_server):
    return start_server(CONF.replace("DIALS", ""))


@pytest.fixture(name="caller", params=SPOKEN, ids=lambda spoken: "-".join(spoken))
def caller_of_each_protocol(server, request):
    protocol, how = request.param
    return Caller(server, protocol, "$PORT" if how == "guessed" else NAMED[protocol])


def is_well(caller):
    reply = caller.call("/home/echo", b'"well"', seq=9876)
    return (reply.type, reply.seq, reply.outcome()[0], reply.body) == (REPLY, 9876, 0, b'"well"')


def test_the_examples_of_the_wire(server):
    caller = Caller(server)
    caller.send(CALL_OF_THE_WIRE)
    assert caller.socket.recv(100) == REPLY_OF_THE_WIRE
    assert Packet(method="/home/echo", body=b'{"a":1}').encode() == CALL_OF_THE_WIRE


def test_a_call_is_answered(caller):
    reply = caller.call("/math/add", b"[1,2,3]", seq=7)
    assert (reply.type, reply.seq, reply.method, reply.status) == (REPLY, 7, "", "code=0")
    assert (reply.codec, reply.body, reply.meta) == (ord("j"), b"6", "")
    assert caller.call("/who").body.decode() == caller.protocol


@pytest.mark.parametrize("seq", [0, 1, 35, 36, 2**31 - 1, -1])
def test_any_seq_comes_back(caller, seq):
    assert caller.call("/home/echo", b"1", seq=seq).seq == seq


def test_statuses_are_mapped(caller):
    assert caller.call("/nowhere").outcome()[:2] == (404, "Not Found")
    reply = caller.call("/fails")
    assert reply.status.startswith("code=1001&msg=no%20luck%20%26%20more&cause=")
    assert reply.outcome()[:2] == (1001, "no luck & more")
    bad = caller.call("/math/add", b"{")
    assert bad.outcome()[0] == 400 and bad.outcome()[1], bad.status
    assert is_well(caller)


def test_an_unknown_codec_passes_through(caller):
    reply = caller.call("/home/echo", b"<a>1</a>", codec=ord("x"))
    assert (reply.codec, reply.body) == (ord("x"), b"<a>1</a>")
    assert caller.call("/math/add", b"<a>1</a>", codec=ord("x")).outcome()[0] == 415


def test_a_push_is_not_answered(caller):
    caller.send(Packet(type=PUSH, method="/told", body=b"1"),
                Packet(type=PUSH, method="/nowhere", body=b"1"))
    assert is_well(caller)


def test_metadata_with_repeated_names(caller):
    meta = pairs(("k1", "v"), ("k2", "a b&c"), ("k2", "second"))
    assert caller.call("/meta", meta=meta).body == b"a b&c|||"


def test_nobody_says_of_himself_what_a_gateway_would_say(caller):
    meta = pairs(("X-Real-IP", "1.2.3.4"), ("k2", "v"), ("x-session-id", "mine"))
    assert caller.call("/meta", meta=meta).body == b"v|||"


def test_a_codec_that_is_none_is_refused(caller):
    reply = caller.call("/home/echo", b"1", meta="X-Accept-Body-Codec=json", seq=5)
    assert (reply.seq, reply.outcome()[0]) == (5, 400)
    assert (reply.meta, reply.body) == ("", b"")
    assert is_well(caller)


def test_a_query_in_the_service_method(caller):
    assert caller.call("/query?x=a%20b").body == b"a b"


def test_auth_is_granted_where_none_is_configured(caller):
    caller.send(Packet(type=AUTH_CALL, seq=3, codec=ord("s"), body=b"token"))
    reply = caller.receive()
    assert (reply.type, reply.seq, reply.status) == (AUTH_REPLY, 3, "code=0")
    assert is_well(caller)


def test_replies_overtake(caller):
    caller.send(Packet(method="/slow", seq=1), Packet(method="/home/echo", seq=2, body=b"2"))
    assert [caller.receive().seq, caller.receive().seq] == [2, 1]


# Filters


@pytest.mark.parametrize("filters", [b"g", b"m", b"gm", b"mg", b"gmgmgmgm"])
def test_a_reply_has_the_filters_of_its_call(caller, filters):
    for body in (b"", b"1", b"[" + b"1," * 20000 + b"1]"):
        reply = caller.call("/home/echo", body, filters=filters)
        assert (reply.filters, reply.outcome()[0], reply.body) == (filters, 0, body)
    assert caller.call("/math/add", b"[1,2]", filters=filters).body == b"3"
    assert caller.call("/home/echo", b"1").filters == b""


@pytest.mark.parametrize("filters", [b"g", b"m", b"gm"])
def test_filtered_first_bytes_tell_the_protocol(server, filters):
    for protocol in PROTOCOLS:
        caller = Caller(server, protocol)
        packet = Packet(method="/who", filters=filters).encode(protocol)
        for byte in packet:
            caller.socket.sendall(bytes([byte]))
        assert caller.receive().body.decode() == protocol


def test_a_sum_that_does_not_match_ends_the_session(server, caller):
    other = Caller(server)
    packet = bytearray(Packet(method="/home/echo", filters=b"m").encode(caller.protocol))
    packet[-1] ^= 1
    caller.send(bytes(packet))
    assert caller.is_closed()
    server.wait_for_log("session-closed", "reason=protocol-error")
    assert is_well(other)


def test_an_unknown_filter_ends_the_session(caller):
    assert is_well(caller)
    packet = bytearray(Packet(method="/home/echo", filters=b"m").encode(caller.protocol))
    packet[5] = ord("z")
    caller.send(bytes(packet))
    assert caller.is_closed()


def test_a_bomb_ends_the_session(server, caller):
    assert is_well(caller)
    caller.send(Packet(method="/home/echo", filters=b"g", body=b"0" * 200_000))
    assert caller.is_closed()
    server.wait_for_log("session-closed", "reason=packet-too-large")


# Limits and broken packets


def test_exactly_the_limit_passes(caller):
    packet = Packet(method="/home/echo", codec=ord("s"), body=b"b" * 100_000)
    packet.body += b"b" * (100 * 1024 - len(packet.encode(caller.protocol)))
    caller.send(packet)
    assert caller.receive().body == packet.body
    packet.body += b"b"
    # The lengths alone say it.
    caller.send(packet.encode(caller.protocol)[:5])
    assert caller.is_closed()


BROKEN = {
    "raw": [frame("raw", b"\x00"), frame("raw", b"\x01!\x01\x00\x00\x00\x00\x00\x00"),
            b"\x00\x00\x00\x04", frame("raw", raw_payload(Packet())[:5])],
    "json": [frame("json", b"{"), frame("json", b'{"seq":"1"}'), frame("json", b"[]"),
             b"\x00\x00\x00\x00"],
    "protobuf": [frame("protobuf", b"\x08"), frame("protobuf", b"\x0a\x01x"),
                 frame("protobuf", b"\x3a\x05ab"), b"\x00\x00\x00\x00"],
}


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_broken_packet_ends_its_session_alone(server, protocol, number):
    caller, other = Caller(server, protocol, NAMED[protocol]), Caller(server, protocol)
    assert is_well(caller)
    caller.send(Packet(method="/home/echo", seq=1), BROKEN[protocol][number])
    # What came before it is still answered.
    assert caller.receive().seq == 1
    assert caller.is_closed()
    server.wait_for_log("session-closed", "reason=protocol-error")
    assert is_well(other)


def test_an_unknown_type_ends_the_session(caller):
    assert is_well(caller)
    caller.send(Packet(type=9, method="/home/echo"))
    assert caller.is_closed()


# What the original's writer does not escape


@pytest.mark.parametrize("body", [b'{"a":"line\nbreak"}', b'"say \\"hi\\""', b'"\\d"',
                                  b'"\xff\x00"'])
def test_json_that_the_original_writes(server, body):
    caller = Caller(server, "json")
    caller.send(Packet(method="/home/echo", body=body, codec=ord("s")))
    data = caller.socket.recv(65536)
    if b"\xff" in body:
        # No JSON can say it; all the same nothing is lost.
        assert b"\xff\\u0000" in data
    else:
        assert family.decode("json", data).body == body


def test_json_of_others(server):
    caller = Caller(server, "json")
    text = json.dumps({"body": "[1,\u00e9]", "SERVICEMETHOD": "/home/echo", "extra": [{"a": None}],
                       "bodyCodec": 106, "mtype": CALL, "seq": 3}, indent=2)
    caller.send(frame("json", text.encode()))
    reply = caller.receive()
    assert (reply.seq, reply.body) == (3, "[1,\u00e9]".encode())


# One port for all, and who was there before


def test_all_speak_on_one_port(server):
    callers = [Caller(server, protocol) for protocol in PROTOCOLS]
    old = wire25.Caller(server)
    for caller in callers:
        assert is_well(caller)
    assert old.pull("/home/echo", b"1").status_code == 200


def test_the_wrong_protocol_on_a_named_port_is_refused(server):
    caller = Caller(server, "json", NAMED["protobuf"])
    caller.send(Packet(method="/home/echo"))
    assert caller.is_closed()


# What the server says of its own accord


def operate(server, action, **members):
    """The reply of a control route, asked with Teleport 2.5."""
    return wire25.Caller(server).pull(f"/control/{action}", json.dumps(members).encode())


def test_a_session_is_pushed_to(server, caller):
    assert caller.call("/system/id?id=lamp").outcome()[0] == 0
    reply = operate(server, "push", id="lamp", uri="/light/on", body={"level": 7})
    assert reply.status_code == 200, reply
    push = caller.receive()
    assert (push.type, push.method, push.status) == (PUSH, "/light/on", "code=0")
    assert (push.codec, json.loads(push.body)) == (ord("j"), {"level": 7})


def test_a_session_is_pulled(server, caller):
    assert caller.call("/system/id?id=lamp").outcome()[0] == 0
    asker = wire25.Caller(server)
    for status, outcome in (("code=0", 200), ("code=1001&msg=No%20light&cause=dark", 1001),
                            ("", 200)):
        body = json.dumps({"id": "lamp", "uri": "/light/state", "body": 1}).encode()
        asker.send(wire25.Packet(uri="/control/pull", body=body))
        call = caller.receive()
        assert (call.type, call.method, call.body) == (CALL, "/light/state", b"1")
        caller.send(Packet(type=REPLY, seq=call.seq, status=status, body=b'"off"'))
        reply = asker.receive()
        assert reply.status_code == outcome
        assert reply.status == ("OK" if outcome == 200 else "No light")


def test_a_reply_without_a_readable_status_ends_the_session(server):
    caller = Caller(server)
    assert caller.call("/system/id?id=lamp").outcome()[0] == 0
    asker = wire25.Caller(server)
    asker.send(wire25.Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/x","body":1}'))
    caller.send(Packet(type=REPLY, seq=caller.receive().seq, status="code=fine"))
    assert caller.is_closed()
    assert asker.receive().status_code == 502


def test_a_uri_that_raw_cannot_say_is_refused(server):
    caller = Caller(server)
    assert caller.call("/system/id?id=lamp").outcome()[0] == 0
    assert operate(server, "push", id="lamp", uri="/" + "x" * 255, body=1).status_code == 413
    assert operate(server, "push", id="lamp", uri="/" + "x" * 254, body=1).status_code == 200
    assert caller.receive().method == "/" + "x" * 254
    assert is_well(caller)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_client_speaks_it(server, protocol):
    tp = pathlib.Path(server.binary).parent / "tp"
    address = f"{protocol}://127.0.0.1:{server.port()}"

    def run(*arguments):
        return subprocess.run([tp, "pull", address, *arguments], capture_output=True,
                              timeout=PATIENCE_SECONDS, check=False)

    assert run("/math/add", "[1,2]").stdout.strip() == b"3"
    assert run("/who").stdout.strip().decode() == protocol
    assert run("/home/echo", json.dumps("x" * 5000), "--gzip", "5").stdout.strip() \
        == json.dumps("x" * 5000).encode()
    failed = run("/fails")
    assert failed.returncode == 1 and b"no luck & more" in failed.stderr


# The server as the one that connects


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_is_dialed_may_call(make_server, protocol):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)
        dial = f"dial {protocol}://127.0.0.1:{listener.getsockname()[1]} {{ }}"
        server = make_server(CONF.replace("DIALS", dial))
        server.start()
        connection, _ = listener.accept()
        backend = Caller(server, protocol, connected=connection)
        assert is_well(backend)
        assert backend.call("/who").body.decode() == protocol
        # It knows whom it dialed: what such a gateway says of its client counts.
        meta = pairs(("X-Real-IP", "1.2.3.4"))
        assert backend.call("/meta", meta=meta).body == b"||1.2.3.4|"
        server.write_conf(CONF.replace("DIALS", ""))
        assert server.ask("reload")[0] == "ok"
        assert backend.is_closed()


def test_gzip_is_a_whole_stream(server):
    """So that readers that want its end find it."""
    caller = Caller(server)
    caller.send(Packet(method="/home/echo", body=b"1" * 100, filters=b"g"))
    data = caller.socket.recv(65536)
    assert gzip.decompress(data[6:]).endswith(b"1" * 100)

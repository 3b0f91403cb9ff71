"""Replies and errors of Teleport 2.5, line by line."""
import random

import pytest

from harness.wire25 import (JSON, PLAIN, PROTOBUF, PUSH, REPLY, Caller, Packet, frame,
                            protobuf_field)

CONF = """
worker_processes 1;
peer {
    pull /echo { echo; }
    pull /math/add { sum; }
    pull /hello { return 200 "hi there"; }
    pull /fail { return 1001 "no such sum"; }
    pull /busy { return 429; }
    pull /unfit { return 422 "unfit" '{"why":"x < 1"}' codec=json; }
    pull /terse { return 503 "" "come back, $arg_who"; }
    pull /made { return 200 "Made" "one"; }
    pull /empty { empty; }
    pull /sleep/0 { sleep 1ms; }
    pull /sleep/1 { sleep 50ms; }
    pull /sleep/2 { sleep 150ms; }
    pull /ordered/* { ordered on; sleep 1ms; }
    push /taken { empty; }
    push /echoed { echo; }
    push /added { sum; }
    push /failed { return 500 "never told"; }
    server { listen 127.0.0.1:$PORT; }
    server {
        listen 127.0.0.1:$PORT2;
        pull /slow { sleep 300ms; }
        max_pending_pulls 3;
    }
}
"""


@pytest.fixture(name="server")
def wire_server(start_server):
    return start_server(CONF)


@pytest.fixture(name="caller")
def caller_of_the_server(server):
    return Caller(server)


def close_reason(server):
    return server.wait_for_log("session-closed")["details"].rpartition("reason=")[2]


# Codecs of a reply


def test_the_body_codec_is_that_of_the_pull_unless_the_handler_chose_one(caller):
    assert caller.pull("/echo", b"x", codec=PLAIN).codec == PLAIN
    assert caller.pull("/math/add", b"[1]", codec=JSON).codec == JSON
    reply = caller.pull("/hello", b"x", codec=JSON)
    assert (reply.codec, reply.body) == (PLAIN, b"hi there")


def test_where_the_pull_named_no_body_codec_the_default_is_taken(caller):
    """The default is JSON, which an absent body is not."""
    assert caller.pull("/math/add").outcome() == (400, "an empty body is not JSON")


@pytest.mark.parametrize("codec", [b"\0", b"x", b"\xff", b"p"])
def test_an_unknown_body_codec_is_415_for_a_handler_that_decodes(caller, codec):
    reply = caller.pull("/math/add", b"[1,2]", codec=codec, seq=9)
    assert (reply.seq, reply.status_code, reply.body) == (9, 415, None)
    assert caller.is_well()


@pytest.mark.parametrize("codec", [b"\0", b"x", b"\xff", b"p"])
def test_an_unknown_body_codec_passes_untouched_where_nothing_is_decoded(caller, codec):
    reply = caller.pull("/echo", b"\0\1\xff", codec=codec)
    assert (reply.outcome(), reply.codec, reply.body) == ((200, "OK"), codec, b"\0\1\xff")
    assert caller.pull("/empty", b"\0", codec=codec).outcome() == (200, "OK")


# Errors


@pytest.mark.parametrize("codec", [JSON, PROTOBUF])
def test_no_such_route_is_404_with_no_body_and_the_session_stays(caller, codec):
    packet = Packet(uri="/nowhere?a", seq=5, body=b"[1]", header_codec=codec)
    reply = Packet(type=REPLY, uri="/nowhere?a", seq=5, header_codec=codec, status_code=404,
                   status="Not Found")
    caller.send(packet)
    assert caller.receive_bytes(len(reply.encode())) == reply.encode()
    assert caller.is_well()


def test_a_handlers_error_is_its_code_and_text_with_no_body(caller):
    reply = Packet(type=REPLY, uri="/fail", seq=5, status_code=1001, status="no such sum")
    caller.send(Packet(uri="/fail", seq=5, body=b"[1]"))
    assert caller.receive_bytes(len(reply.encode())) == reply.encode()
    assert caller.pull("/busy").outcome() == (429, "Too Many Requests")
    assert caller.is_well()


@pytest.mark.parametrize("header_codec", [JSON, PROTOBUF])
def test_an_error_may_have_a_body_and_both_travel(caller, header_codec):
    reply = Packet(type=REPLY, uri="/unfit", seq=5, status_code=422, status="unfit",
                   header_codec=header_codec, codec=JSON, body=b'{"why":"x < 1"}')
    caller.send(Packet(uri="/unfit", seq=5, body=b"x", codec=PLAIN, header_codec=header_codec))
    assert caller.receive_bytes(len(reply.encode())) == reply.encode()

    terse = caller.pull("/terse?who=ann")
    assert (terse.outcome(), terse.codec, terse.body) == ((503, "Service Unavailable"), PLAIN,
                                                          b"come back, ann")
    made = caller.pull("/made")
    assert (made.outcome(), made.codec, made.body) == ((200, "Made"), PLAIN, b"one")
    assert caller.is_well()


@pytest.mark.parametrize("body", [b"", b"[1,", b"{", b"[1]x", b"\xff", b"[01]", b'{"a":1}',
                                  b'["1"]'])
def test_a_body_that_cannot_be_decoded_is_400_with_the_reason_and_the_session_stays(caller, body):
    reply = caller.pull("/math/add", body, seq=6)
    assert (reply.seq, reply.status_code, reply.body) == (6, 400, None)
    assert reply.status not in ("", "Bad Request")
    assert caller.is_well()


def test_a_push_is_never_answered(caller):
    for uri in ("/taken", "/echoed", "/added", "/failed", "/nowhere", "/%zz", "/echo"):
        caller.send(Packet(type=PUSH, uri=uri, body=b"[1", seq=3))
    assert caller.is_well()


def test_a_pull_does_not_reach_the_route_of_a_push(caller):
    assert caller.pull("/taken").outcome() == (404, "Not Found")


def test_a_reply_nobody_waits_for_is_ignored(caller):
    caller.send(Packet(type=REPLY, uri="/echo", seq=1, body=b"1", status_code=200, status="OK"))
    caller.send(Packet(type=REPLY, uri="/echo", seq=1, header_codec=JSON, status_code=-7))
    assert caller.is_well()


@pytest.mark.parametrize("type_number", [0, 4, 5, 100, -1])
@pytest.mark.parametrize("codec", [JSON, PROTOBUF])
def test_another_packet_type_closes_when_what_came_before_it_is_answered(server, codec,
                                                                         type_number):
    caller = Caller(server)
    caller.send(Packet(uri="/sleep/1", seq=1), Packet(uri="/echo", seq=2),
                Packet(type=type_number, uri="/echo", seq=3, header_codec=codec),
                Packet(uri="/echo", seq=4))
    assert [reply.seq for reply in caller.receive_rest()] == [2, 1]
    assert close_reason(server) == "unsupported-type"


def test_an_empty_header_has_type_0_and_closes(server):
    caller = Caller(server)
    caller.send(frame(PROTOBUF))
    assert caller.receive_rest() == []
    assert close_reason(server) == "unsupported-type"


# Half-close


def test_what_was_received_whole_is_answered_after_a_half_close(server):
    caller = Caller(server)
    caller.send(Packet(uri="/echo", seq=1), Packet(uri="/sleep/1", seq=2),
                Packet(uri="/sleep/2", seq=3), Packet(uri="/echo", seq=4))
    caller.end_sending()
    assert [reply.seq for reply in caller.receive_rest()] == [1, 4, 2, 3]
    assert close_reason(server) == "peer-closed"


def test_many_packets_before_a_half_close_are_all_answered(server):
    caller = Caller(server)
    caller.send(*[Packet(uri="/echo", seq=seq) for seq in range(3000)])
    caller.end_sending()
    assert [reply.seq for reply in caller.receive_rest()] == list(range(3000))


def test_a_half_close_with_more_pulls_than_may_be_pending(server):
    caller = Caller(server, "$PORT2")
    caller.send(*[Packet(uri="/slow", seq=seq) for seq in range(7)])
    caller.end_sending()
    assert [reply.seq for reply in caller.receive_rest()] == list(range(7))


def test_half_a_packet_before_a_half_close_is_dropped(server):
    caller = Caller(server)
    caller.send(Packet(uri="/echo", seq=1), Packet(uri="/echo", seq=2).encode()[:-1])
    caller.end_sending()
    assert [reply.seq for reply in caller.receive_rest()] == [1]
    assert close_reason(server) == "peer-closed"


# Order and seq


def test_two_pulls_of_one_seq_are_both_answered(caller):
    caller.send(Packet(uri="/echo", seq=5, body=b"1"), Packet(uri="/echo", seq=5, body=b"2"))
    assert [(reply.seq, reply.body) for reply in caller.receive_many(2)] == [(5, b"1"), (5, b"2")]
    caller.send(Packet(uri="/sleep/1", seq=5, body=b"1"), Packet(uri="/echo", seq=5, body=b"2"))
    assert [(reply.seq, reply.body) for reply in caller.receive_many(2)] == [(5, b"2"), (5, b"1")]


def test_replies_come_when_they_are_ready_in_any_order(caller):
    caller.send(Packet(uri="/sleep/2", seq=1, body=b"a"), Packet(uri="/sleep/1", seq=2, body=b"b"),
                Packet(uri="/echo", seq=3, body=b"c"))
    assert [(reply.seq, reply.uri, reply.body) for reply in caller.receive_many(3)] == [
        (3, "/echo", b"c"), (2, "/sleep/1", b"b"), (1, "/sleep/2", b"a")]


def test_every_pull_of_a_crowd_is_answered_once_and_with_its_own_body(caller):
    chance = random.Random(25)
    pulls = {seq: Packet(uri=chance.choice(["/echo", "/sleep/0", "/sleep/1"]), seq=seq,
                         body=b"%d" % seq * chance.randrange(1, 300),
                         header_codec=chance.choice([JSON, PROTOBUF])) for seq in range(2000)}
    caller.send(*pulls.values())
    for _ in range(len(pulls)):
        reply = caller.receive()
        pull = pulls.pop(reply.seq)
        assert (reply.uri, reply.body, reply.header_codec) == (pull.uri, pull.body,
                                                               pull.header_codec)
    assert caller.is_well()


def test_an_ordered_route_answers_in_the_order_of_the_pulls(caller):
    caller.send(*[Packet(uri="/ordered/x", seq=seq) for seq in range(500)])
    assert [reply.seq for reply in caller.receive_many(500)] == list(range(500))


# Bodies


@pytest.mark.parametrize("size", [0, 1, 16, 4095, 4096, 16384, 65535, 65536, 300000])
def test_a_body_of_any_size_comes_back_whole(caller, size):
    body = random.Random(size).randbytes(size)
    reply = caller.pull("/echo", body, codec=PLAIN)
    assert (reply.outcome(), reply.codec, reply.body) == ((200, "OK"), PLAIN, body)


def test_an_empty_reply_has_no_body(caller):
    assert caller.pull("/empty", b"[1]").body is None


@pytest.mark.parametrize("numbers,total", [
    (b"[]", b"0"), (b"[1,2,3]", b"6"), (b" [ 1 , -2 ] ", b"-1"),
    (b"[9007199254740993]", b"9007199254740993"),
    (b"[9223372036854775807,-1]", b"9223372036854775806"), (b"[1.5,1]", b"2.5"),
])
def test_sums(caller, numbers, total):
    assert caller.pull("/math/add", numbers).body == total


def test_a_header_field_for_replies_in_a_pull_says_nothing(caller):
    fields = [protobuf_field(2, 1), protobuf_field(3, "/echo"), protobuf_field(5, 404),
              protobuf_field(6, "Not Found")]
    caller.send(frame(PROTOBUF + b"".join(fields)))
    assert caller.receive().outcome() == (200, "OK")


def test_a_handler_that_takes_too_long_is_answered_for(start_server):
    server = start_server("""
worker_processes 1;
peer {
    exchange_timeout 100ms;
    server {
        listen 127.0.0.1:$PORT;
        pull /late { sleep 1h; }
        pull /soon { sleep 10ms; }
    }
}
""")
    caller = Caller(server)
    assert caller.pull("/soon", b"1").status_code == 200
    reply = caller.pull("/late", b"1")
    assert (reply.status_code, reply.status, reply.body) == (504, "Gateway Timeout", None)
    assert caller.pull("/soon", b"2").status_code == 200

"""Packets of Teleport 2.5: lengths, headers in both codecs, and how they arrive."""
import pytest

from harness.wire25 import (JSON, PLAIN, PROTOBUF, PULL, REPLY, Caller, Packet, frame, json_header,
                            protobuf_field, protobuf_header, varint)

CONF = """
worker_processes 1;
peer {
    server {
        listen 127.0.0.1:$PORT;
        listen 127.0.0.1:$PORT3 protocol=teleport;
        pull /echo { echo; }
        pull /math/add { sum; }
        pull /any/* { empty; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        packet_limit 1000;
        pull /echo { echo; }
    }
}
"""

PROTOBUF_PULL = bytes.fromhex(
    "00000010 70 0807 1001 1a09 2f6d6174682f616464  00000006 6a 5b312c325d")
PROTOBUF_REPLY = bytes.fromhex(
    "00000017 70 0807 1002 1a09 2f6d6174682f616464 28c801 32024f4b  00000002 6a 33")
JSON_PULL = (bytes.fromhex("00000025") + b'j{"seq":7,"type":1,"uri":"/math/add"}'
             + bytes.fromhex("00000006") + b"j[1,2]")
JSON_REPLY = (bytes.fromhex("00000045")
              + b'j{"seq":7,"type":2,"uri":"/math/add","status_code":200,"status":"OK"}'
              + bytes.fromhex("00000002") + b"j3")
EXAMPLES = [pytest.param(PROTOBUF_PULL, PROTOBUF_REPLY, id="protobuf"),
            pytest.param(JSON_PULL, JSON_REPLY, id="json")]


@pytest.fixture(name="server")
def wire_server(start_server):
    return start_server(CONF)


def refusal(server):
    """The one line that says why input was refused, once the session has been closed for it."""
    server.wait_for_log("session-closed")
    lines = server.log_lines("input-refused")
    assert len(lines) == 1 and len(server.log_lines("session-closed")) == 1
    return lines[0]["details"]


# The examples


@pytest.mark.parametrize("pull,reply", EXAMPLES)
def test_the_examples_are_answered_byte_for_byte(server, pull, reply):
    caller = Caller(server)
    caller.send(pull)
    assert caller.receive_bytes(len(reply)) == reply
    assert caller.is_well()


def test_this_harness_encodes_the_examples_to_those_bytes():
    pull = Packet(seq=7, uri="/math/add", body=b"[1,2]")
    assert pull.encode() == PROTOBUF_PULL
    pull.header_codec = JSON
    assert pull.encode() == JSON_PULL


@pytest.mark.parametrize("pull,reply", EXAMPLES)
def test_a_packet_fed_one_byte_at_a_time_gets_the_same_answer(server, pull, reply):
    caller = Caller(server)
    caller.send_bytewise(pull + pull)
    assert caller.receive_bytes(2 * len(reply)) == 2 * reply
    assert caller.is_well()


@pytest.mark.parametrize("pull,reply", EXAMPLES)
def test_a_thousand_packets_in_one_write_get_the_same_answers(server, pull, reply):
    caller = Caller(server)
    caller.send(1000 * pull)
    assert caller.receive_bytes(1000 * len(reply)) == 1000 * reply
    assert caller.is_well()


@pytest.mark.parametrize("pull,reply", EXAMPLES)
def test_a_packet_cut_anywhere_gets_the_same_answer(server, pull, reply):
    caller = Caller(server)
    for cut in range(1, len(pull)):
        caller.send(pull + pull[:cut])
        assert caller.receive_bytes(len(reply)) == reply
        caller.send(pull[cut:])
        assert caller.receive_bytes(len(reply)) == reply


# Lengths


def test_a_body_length_of_0_is_no_body_and_no_codec_byte(server):
    caller = Caller(server)
    reply = caller.pull("/echo")
    assert (reply.outcome(), reply.body) == ((200, "OK"), None)


def test_a_body_length_of_1_is_an_empty_body_with_its_codec(server):
    caller = Caller(server)
    reply = caller.pull("/echo", b"", codec=PLAIN)
    assert (reply.outcome(), reply.body, reply.codec) == ((200, "OK"), b"", PLAIN)


def packet_of(size):
    packet = Packet(uri="/echo", body=b"")
    packet.body = b"x" * (size - len(packet.encode()))
    assert len(packet.encode()) == size
    return packet


def test_exactly_the_packet_limit_passes(server):
    caller = Caller(server, "$PORT2")
    packet = packet_of(1000)
    caller.send(packet)
    assert caller.receive().body == packet.body
    assert caller.is_well()


def test_one_more_than_the_packet_limit_closes_as_soon_as_the_lengths_say_so(server):
    caller = Caller(server, "$PORT2")
    packet = packet_of(1001)
    caller.send(packet.encode()[:-len(packet.body) - 1])
    assert caller.receive_rest() == []
    assert "reason=packet-too-large" in refusal(server)


def test_a_header_at_the_packet_limit_passes_and_one_more_closes_at_once(server):
    caller = Caller(server, "$PORT2")
    uri = "/echo?" + "q" * (1000 - 8 - 1 - len(protobuf_header(Packet(uri="/echo?"))) - 1)
    packet = Packet(uri=uri)
    assert len(packet.encode()) == 1000
    caller.send(packet)
    assert caller.receive().outcome() == (200, "OK")

    caller.send((1000 - 8 + 1).to_bytes(4, "big"))
    assert caller.receive_rest() == []
    assert "reason=packet-too-large" in refusal(server)


@pytest.mark.parametrize("length", [0x40000000, 0x7fffffff, 0x80000000, 0xffffffff])
@pytest.mark.parametrize("part", ["header", "body"])
def test_a_huge_length_closes_without_memory_being_taken(server, part, length):
    caller = Caller(server)
    front = b"" if part == "header" else frame(PROTOBUF + protobuf_header(Packet(uri="/x")))[:-4]
    caller.send(front + length.to_bytes(4, "big"))
    assert caller.receive_rest() == []
    assert "reason=packet-too-large" in refusal(server)


# Headers


def test_a_header_length_of_0_closes(server):
    caller = Caller(server)
    caller.send(bytes(4))
    assert caller.receive_rest() == []
    assert "reason=protocol-error" in refusal(server)


@pytest.mark.parametrize("codec", [b"\0", b"s", b"x", b"P", b"\xff"])
def test_an_unknown_header_codec_closes(server, codec):
    """Where nothing is guessed: a zero there could be a later protocol's."""
    caller = Caller(server, "$PORT3")
    caller.send((10).to_bytes(4, "big") + codec)
    assert caller.receive_rest() == []
    assert "reason=protocol-error" in refusal(server)


MALFORMED_PROTOBUF = {
    "cut-varint": "08 ff",
    "endless-varint": "08 ffffffffffffffffffffff01",
    "text-beyond-the-end": "1a 05 2f78",
    "huge-text": "1a ffffffff0f 2f78",
    "field-number-0": "00 01",
    "wire-type-6": "0e 01",
    "end-of-no-group": "7c",
    "group-without-end": "7b 08 01",
    "cut-fixed64": "79 0102030405",
    "cut-fixed32": "7d 010203",
}


@pytest.mark.parametrize("header", MALFORMED_PROTOBUF.values(), ids=MALFORMED_PROTOBUF.keys())
def test_a_malformed_protobuf_header_closes(server, header):
    caller = Caller(server)
    caller.send(frame(PROTOBUF + bytes.fromhex("1001" + header)))
    assert caller.receive_rest() == []
    assert "reason=protocol-error" in refusal(server)


MALFORMED_JSON = [
    b"", b" ", b"{", b"[]", b"7", b"null x", b'{"seq":7', b'{"seq":7}}', b'{"seq" 7}',
    b'{"seq":7,}', b'{seq:7}', b'{"seq":7 "type":1}', b'{"uri":"/x}', b'{"uri":"\\x"}', b'{"uri":"\\u12"}',
    b'{"uri":"a\nb"}', b'{"seq":07}', b'{"seq":+7}', b'{"seq":0x7}', b'{"x":tru}', b'{"x":[1,}',
]


@pytest.mark.parametrize("header", MALFORMED_JSON)
def test_a_malformed_json_header_closes(server, header):
    caller = Caller(server)
    caller.send(frame(JSON + header))
    assert caller.receive_rest() == []
    assert "reason=protocol-error" in refusal(server)


@pytest.mark.parametrize("header", [b'{"seq":"7"}', b'{"seq":-1}', b'{"seq":1.5}', b'{"type":"1"}',
                                    b'{"uri":7}', b'{"gzip":true}', b'{"status_code":[]}',
                                    b'{"status":{}}', b'{"seq":18446744073709551616}',
                                    b'{"type":2147483648}'])
def test_a_json_header_whose_field_has_the_wrong_type_closes(server, header):
    caller = Caller(server)
    caller.send(frame(JSON + header))
    assert caller.receive_rest() == []
    assert "reason=protocol-error" in refusal(server)


def test_nothing_after_a_broken_header_is_trusted(server):
    caller = Caller(server)
    caller.send(Packet(uri="/echo", seq=1), frame(JSON + b"{"), Packet(uri="/echo", seq=2))
    assert [reply.seq for reply in caller.receive_rest()] == [1]
    assert "reason=protocol-error" in refusal(server)


def test_the_header_codec_of_a_reply_is_that_of_its_pull(server):
    caller = Caller(server)
    for codec in (JSON, PROTOBUF, JSON, JSON, PROTOBUF):
        assert caller.pull("/echo", b"1", header_codec=codec).header_codec == codec
        assert caller.pull("/nowhere", b"1", header_codec=codec).header_codec == codec


@pytest.mark.parametrize("seq", [0, 1, 127, 128, 2**31, 2**32, 2**53 + 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("codec", [JSON, PROTOBUF])
def test_every_seq_comes_back_as_it_was(server, codec, seq):
    packet = Packet(uri="/echo", seq=seq, header_codec=codec)
    reply = Packet(type=REPLY, uri="/echo", seq=seq, header_codec=codec, status_code=200,
                   status="OK").encode()
    caller = Caller(server)
    caller.send(packet)
    assert caller.receive_bytes(len(reply)) == reply


def test_zero_values_are_left_out(server):
    caller = Caller(server)
    caller.send(Packet(uri="/any/thing", header_codec=JSON))
    reply = frame(JSON + b'{"type":2,"uri":"/any/thing","status_code":200,"status":"OK"}')
    assert caller.receive_bytes(len(reply)) == reply


UNKNOWN_FIELDS = {
    "varint": protobuf_field(7, 5),
    "text": protobuf_field(100, "abc"),
    "fixed64": varint(8 << 3 | 1) + bytes(8),
    "fixed32": varint(9 << 3 | 5) + bytes(4),
    "group": varint(15 << 3 | 3) + protobuf_field(1, 9) + varint(15 << 3 | 4),
    "group-in-group": (varint(15 << 3 | 3) + varint(16 << 3 | 3) + protobuf_field(3, "x")
                       + varint(16 << 3 | 4) + varint(15 << 3 | 4)),
    "largest-number": protobuf_field(2**29 - 1, 1),
}


@pytest.mark.parametrize("unknown", UNKNOWN_FIELDS.values(), ids=UNKNOWN_FIELDS.keys())
def test_unknown_fields_of_a_protobuf_header_are_skipped(server, unknown):
    caller = Caller(server)
    caller.send(frame(PROTOBUF + unknown + bytes.fromhex("0807") + unknown
                      + bytes.fromhex("1001 1a05 2f6563686f") + unknown))
    assert (caller.receive().seq, caller.is_well()) == (7, True)


def test_the_order_of_a_protobuf_header_is_free_and_the_last_of_a_field_wins(server):
    caller = Caller(server)
    fields = [protobuf_field(3, "/nowhere"), protobuf_field(1, 1), protobuf_field(2, PULL),
              protobuf_field(3, "/echo"), protobuf_field(1, 7)]
    caller.send(frame(PROTOBUF + b"".join(fields)))
    reply = caller.receive()
    assert (reply.seq, reply.uri, reply.status_code) == (7, "/echo", 200)


@pytest.mark.parametrize("gzip", [varint(-2), varint(0xfffffffe)], ids=["ten-bytes", "five-bytes"])
def test_a_negative_int32_may_have_ten_bytes_or_five(server, gzip):
    caller = Caller(server)
    caller.send(frame(PROTOBUF + protobuf_field(2, PULL) + protobuf_field(3, "/echo")
                      + varint(4 << 3) + gzip, b"jx"))
    reply = caller.receive()
    assert (reply.gzip, reply.body) == (-2, b"x")


JSON_LENIENCIES = {
    "upper-case-names": b'{"SEQ":7,"Type":1,"URI":"/echo"}',
    "unknown-names": b'{"x":{"seq":[1,{"y":null}]},"seq":7,"type":1,"uri":"/echo","z":-1.5e+3}',
    "last-duplicate-wins": b'{"seq":1,"uri":"/nowhere","seq":7,"type":1,"uri":"/echo"}',
    "null-is-not-set": b'{"gzip":null,"status":null,"seq":7,"type":1,"uri":"/echo"}',
    "white-space": b' {\t"seq" :\n7 , "type":1,"uri"\r: "/echo" } ',
    "escapes": b'{"seq":7,"type":1,"uri":"\\/\\u0065cho"}',
}


@pytest.mark.parametrize("header", JSON_LENIENCIES.values(), ids=JSON_LENIENCIES.keys())
def test_what_a_json_header_may_look_like(server, header):
    caller = Caller(server)
    caller.send(frame(JSON + header))
    reply = caller.receive()
    assert (reply.seq, reply.uri, reply.outcome()) == (7, "/echo", (200, "OK"))


def test_html_characters_and_line_separators_are_escaped_as_go_does(server):
    uri = "/any/<a>&b\u2028\u2029\"\\é\U0001f600"
    caller = Caller(server)
    packet = Packet(uri=uri, header_codec=JSON)
    caller.send(packet)
    reply = Packet(type=REPLY, uri=uri, header_codec=JSON, status_code=200, status="OK")
    assert rb"\u003ca\u003e\u0026b\u2028\u2029" in json_header(reply)
    assert caller.receive_bytes(len(reply.encode())) == reply.encode()


def test_invalid_utf8_of_a_json_header_becomes_the_replacement_character(server):
    caller = Caller(server)
    caller.send(frame(JSON + b'{"type":1,"uri":"/any/\xff\xc3","seq":1}'))
    reply = caller.receive()
    assert (reply.status_code, reply.uri) == (200, "/any/\ufffd\ufffd")


def test_a_reply_repeats_the_uri_whole(server):
    caller = Caller(server)
    uri = "/any/%41?a=1&b=%zz#end"
    for codec in (JSON, PROTOBUF):
        assert caller.pull(uri, header_codec=codec).uri == uri

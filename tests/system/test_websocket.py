"""WebSocket: the handshake, frames in the manner of Autobahn's suite, and how sessions end."""
import json
import os
import subprocess

import pytest

from harness.teleport import BINARY as PROGRAM
from harness.wait import wait_until
from harness.websocket import (AUTH_CALL, AUTH_REPLY, BINARY, CLOSE, CONTINUATION, PING, PONG,
                               PUSH, REPLY, TEXT, Frame, WebSocketCaller, close_frame, frame,
                               mask_bytes, message)
from harness.wire25 import Caller

CONF = """
worker_processes 1;
peer {
    pull /echo { echo; }
    pull /math/add { sum; }
    pull /slow { sleep 300ms; }
    push /drop { empty; }
    server { listen 127.0.0.1:$PORT protocol=websocket; }
    server { listen 127.0.0.1:$PORT2 protocol=websocket; packet_limit 1000; }
    server { listen 127.0.0.1:$PORT3 protocol=websocket; allow_origin https://a.example:8443; }
    server { listen 127.0.0.1:$PORT4 protocol=websocket; allow_origin *; }
}
"""


@pytest.fixture(name="server")
def websocket_server(start_server):
    return start_server(CONF)


@pytest.fixture(name="caller")
def connected_caller(server):
    return WebSocketCaller(server)


def refusal(server):
    """The one line that says why input was refused; the server waits a while for us to go."""
    for connection in server.connections:
        connection.close()
    server.wait_for_log("session-closed")
    lines = server.log_lines("input-refused")
    assert len(lines) == 1
    return lines[0]["details"]


ECHO = message("/echo", '"hello"')
ECHOED = {"seq": 1, "mtype": REPLY, "serviceMethod": "", "meta": "", "bodyCodec": 106,
          "body": '"hello"', "xferPipe": []}


# The handshake


def test_the_example_of_rfc_6455_is_accepted_byte_for_byte(server):
    caller = WebSocketCaller(server, handshake=False)
    caller.send(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                b"Sec-WebSocket-Protocol: chat, teleport.json\r\nSec-WebSocket-Version: 13\r\n\r\n")
    answer = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
              b"Sec-WebSocket-Protocol: teleport.json\r\n\r\n")
    assert caller.receive_exactly(len(answer)) == answer
    assert caller.is_well()


@pytest.mark.parametrize("offered,chosen", [
    ((), None), (("teleport.json",), "teleport.json"), (("teleport.protobuf",), "teleport.protobuf"),
    (("chat", "teleport.protobuf", "teleport.json"), "teleport.protobuf"), (("chat", "soap"), None),
    (("Teleport.JSON",), None),
])
def test_the_first_sub_protocol_that_is_known_is_chosen(server, offered, chosen):
    caller = WebSocketCaller(server, protocols=offered)
    assert caller.protocol == chosen
    assert caller.is_well()


FINE_REQUESTS = {
    "words-in-other-cases": {"Upgrade": "WebSocket", "Connection": "UPGRADE"},
    "lists": {"Upgrade": "h2c, websocket", "Connection": "keep-alive, Upgrade"},
    "extensions-are-not-agreed-on": {"Sec_WebSocket_Extensions": "permessage-deflate"},
    "any-path": {"path": "/a/b?c=d"},
    "length-0": {"Content_Length": "0"},
    "own-origin": {},
}


@pytest.mark.parametrize("request_", FINE_REQUESTS.values(), ids=FINE_REQUESTS.keys())
def test_handshakes_that_are_accepted(server, request_):
    caller = WebSocketCaller(server, handshake=False)
    caller.send(caller.request(**request_))
    caller.receive_handshake()
    assert caller.is_well()


def test_a_handshake_may_come_byte_by_byte_and_with_frames_behind_it(server):
    caller = WebSocketCaller(server, handshake=False)
    for byte in caller.request():
        caller.send(bytes([byte]))
    caller.receive_handshake()
    assert caller.is_well()

    other = WebSocketCaller(server, handshake=False)
    other.send(other.request(), frame(TEXT, ECHO), frame(PING, b"1"))
    other.receive_handshake()
    frames = [other.receive_frame(), other.receive_frame()]
    assert {found.opcode for found in frames} == {TEXT, PONG}


REFUSED_REQUESTS = {
    "no-upgrade": ({"Upgrade": None}, 426),
    "another-upgrade": ({"Upgrade": "h2c"}, 426),
    "no-connection": ({"Connection": "keep-alive"}, 426),
    "no-version": ({"Sec_WebSocket_Version": None}, 426),
    "an-old-version": ({"Sec_WebSocket_Version": "8"}, 426),
    "no-key": ({"Sec_WebSocket_Key": None}, 400),
    "an-empty-key": ({"Sec_WebSocket_Key": ""}, 400),
    "a-short-key": ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZQ=="}, 400),
    "a-long-key": ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZXh4eHg="}, 400),
    "a-key-that-is-no-base64": ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZ!=="}, 400),
    "a-key-with-bits-left-over": ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZR=="}, 400),
    "post": ({"line": "POST / HTTP/1.1"}, 405),
    "http-1.0": ({"line": "GET / HTTP/1.0"}, 405),
    "no-host": ({"Host": None}, 400),
    "a-body": ({"Content_Length": "3"}, 400),
    "a-chunked-body": ({"Transfer_Encoding": "chunked"}, 400),
    "another-origin": ({"origin": "http://evil.example"}, 403),
    "origin-null": ({"origin": "null"}, 403),
    "a-folded-line": ({"X_Folded": "a\r\n b"}, 400),
}


@pytest.mark.parametrize("request_,code", REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS.keys())
def test_handshakes_that_are_refused(server, request_, code):
    caller = WebSocketCaller(server, handshake=False)
    caller.send(caller.request(**request_))
    found, fields, body = caller.receive_refusal()
    assert (found, body["code"], fields["connection"]) == (code, code, "close")
    assert body["msg"]
    assert (code == 426) == (fields.get("sec-websocket-version") == "13")
    assert "reason=protocol-error" in refusal(server)


@pytest.mark.parametrize("port,origin,is_allowed", [
    ("$PORT", "http://HOST", True), ("$PORT", "https://HOST", True), ("$PORT", "http://x.HOST", False),
    ("$PORT3", "https://a.example:8443", True), ("$PORT3", "https://a.example", False),
    ("$PORT3", "http://a.example:8443", False), ("$PORT3", "http://HOST", True),
    ("$PORT3", "null", False), ("$PORT4", "null", True), ("$PORT4", "http://evil.example", True),
])
def test_pages_of_which_origins_are_let_in(server, port, origin, is_allowed):
    caller = WebSocketCaller(server, port, handshake=False)
    caller.send(caller.request(origin=origin.replace("HOST", caller.host)))
    if is_allowed:
        caller.receive_handshake()
        assert caller.is_well()
    else:
        assert caller.receive_refusal()[0] == 403


def test_a_handshake_that_is_too_long_is_refused(server):
    caller = WebSocketCaller(server, handshake=False)
    caller.send(b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 17000)
    code, _, _ = caller.receive_refusal()
    assert code == 431


GUESSED = """
worker_processes 1;
peer { server { listen 127.0.0.1:$PORT; pull /echo { echo; } pull /math/add { sum; } } }
"""


@pytest.mark.parametrize("step", [None, 1, 7])
def test_a_port_that_guesses_tells_websocket_by_its_handshake(start_server, step):
    server = start_server(GUESSED)
    caller = WebSocketCaller(server, handshake=False)
    request = caller.request(origin=f"http://{caller.host}")
    for at in range(0, len(request), step or len(request)):
        caller.send(request[at:at + (step or len(request))])
    caller.receive_handshake()
    assert caller.is_well()
    caller.send(close_frame(1000))
    assert caller.receive_closed().code == 1000


def test_http_may_become_websocket_after_some_requests(start_server):
    server = start_server(GUESSED)
    caller = WebSocketCaller(server, handshake=False)
    caller.send(b"POST /math/add HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Content-Length: 5\r\n\r\n[1,2]")
    code, fields = caller.receive_head()
    assert (code, caller.receive_exactly(int(fields["content-length"])).strip()) == (200, b"3")
    caller.send(caller.request(), frame(TEXT, ECHO))
    caller.receive_handshake()
    assert caller.receive_json() == ECHOED


def test_a_page_of_another_origin_is_refused_on_a_port_that_guesses(start_server):
    caller = WebSocketCaller(start_server(GUESSED), handshake=False)
    caller.send(caller.request(origin="http://evil.example"))
    assert caller.receive_head()[0] == 403


# Messages


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_json_is_answered_in_kind(caller, opcode):
    caller.send(frame(opcode, ECHO))
    assert caller.receive_json(opcode) == ECHOED


def test_the_examples_of_the_wire_document_to_the_byte(caller):
    pull = (b'{"seq":1,"mtype":1,"serviceMethod":"/echo","meta":"","bodyCodec":106,'
            b'"body":"{\\"a\\":1}","xferPipe":[]}')
    caller.send(frame(BINARY, pull))
    reply = pull.replace(b'"mtype":1', b'"mtype":2').replace(b"/echo", b"")
    assert caller.receive_frame() == Frame(BINARY, reply)


def test_an_error_says_its_status(caller):
    reply = caller.pull("/nowhere", "1")
    assert (reply["status"], reply["body"]) == ("code=404&msg=Not%20Found&cause=", "")


def protobuf_message(uri, body, seq=7, kind=1):
    texts = b"".join(bytes([number << 3 | 2, len(text)]) + text
                     for number, text in ((3, uri), (6, body)) if text)
    return bytes([1 << 3, seq, 2 << 3, kind]) + texts + bytes([5 << 3, 106])


def test_protobuf_is_answered_in_protobuf(caller):
    caller.send(frame(BINARY, protobuf_message(b"/math/add", b"[1,2]")))
    assert caller.receive_frame() == Frame(
        BINARY, bytes.fromhex("0807 1002 286a 3201") + b"3")
    caller.send(frame(BINARY, protobuf_message(b"/x", b"")))
    assert caller.receive_frame() == Frame(
        BINARY, bytes.fromhex("0807 1002 421f") + b"code=404&msg=Not%20Found&cause=")


@pytest.mark.parametrize("data", [
    b"", b"x", b"[]", b"{", b'{"seq":"7"}', b'{"seq":1.5}', b'{"bodyCodec":256}', b'{"bodyCodec":-1}',
    b'{"xferPipe":7}', b'{"xferPipe":[1', b'{"xferPipe":[1,]}', b'{"xferPipe":[256]}',
    b'{"xferPipe":[-1]}', b'{"xferPipe":[1,2,3,4,5,6,7,8,9]}', b'{"body":7}',
])
def test_a_text_that_is_no_packet_closes_with_1007(server, caller, data):
    caller.send(frame(TEXT, data))
    closed = caller.receive_closed()
    assert (closed.code, closed.frames) == (1007, [])
    assert "reason=protocol-error" in refusal(server)


@pytest.mark.parametrize("data", [b"\x08", b"\x09\x01", b"\x1a\x05/x", b"\x7a", b"\x0b"])
def test_protobuf_that_is_no_packet_closes_with_1007(caller, data):
    caller.send(frame(BINARY, data))
    assert caller.receive_closed().code == 1007


def test_a_packet_of_no_known_type_closes_with_1003(caller):
    caller.send_text(message("/echo", type=9))
    assert caller.receive_closed().code == 1003


def test_a_push_is_not_answered(caller):
    caller.send_text(message("/drop", "1", type=PUSH))
    assert caller.is_well()


def test_metadata_with_repeated_names_and_a_query_arrive(start_server):
    server = start_server("""
        peer { server { listen 127.0.0.1:$PORT protocol=websocket;
               pull /meta { return 200 "$arg_a $meta_k $meta_q"; } } }""")
    reply = WebSocketCaller(server).pull("/meta?a=1", meta="k=a%20b&q=1&q=2")
    assert (reply.get("status"), reply["body"]) == (None, "1 a b 1")


@pytest.mark.parametrize("pipe", [[109], [103], [103, 109], [109, 103]])
def test_filters_that_no_text_can_have_travel_in_binary(caller, pipe):
    """What comes back is what this end sent: the same filters, so nothing has to be undone."""
    import gzip
    import hashlib
    filtered = b'"filtered"'
    for one in reversed(pipe):
        filtered = (gzip.compress(filtered) if one == 103
                    else filtered + hashlib.md5(filtered).digest())
    escaped = b"".join(b"\\u%04x" % byte if byte < 0x20 else b"\\" + bytes([byte])
                       if byte in b'"\\' else bytes([byte]) for byte in filtered)
    head, tail = message("/echo", "*", pipe=pipe).split(b"*")
    caller.send(frame(BINARY, head + escaped + tail))
    found = caller.receive_frame()
    assert found.opcode == BINARY
    assert b'"xferPipe":' + json.dumps(pipe, separators=(",", ":")).encode() in found.data
    assert b"status" not in found.data


def test_an_unknown_or_broken_filter_refuses_that_packet_alone(caller):
    assert "code=415" in caller.pull("/echo", "1", pipe=[120])["status"]
    assert "code=400" in caller.pull("/echo", "1", pipe=[103])["status"]
    assert "code=400" in caller.pull("/echo", "1", pipe=[109])["status"]
    assert caller.is_well()


def test_a_body_that_is_not_utf8_leaves_in_binary(caller):
    head, tail = message("/echo", "*", codec=115).split(b"*")
    caller.send(frame(BINARY, head + b"\xff\xfe" + tail))
    found = caller.receive_frame()
    assert (found.opcode, b'"body":"\xff\xfe"' in found.data) == (BINARY, True)


def test_where_no_auth_is_configured_everybody_is_let_in(caller):
    reply = caller.pull("", '"token"', type=AUTH_CALL)
    assert (reply["mtype"], reply["seq"], reply.get("status")) == (AUTH_REPLY, 1, None)


# Frames: lengths (Autobahn 1)


@pytest.mark.parametrize("size", [0, 1, 45, 46, 47, 48, 49, 50, 65456, 65457, 65500, 300000])
@pytest.mark.parametrize("step", [None, 997])
def test_bodies_of_any_length_come_back(caller, size, step):
    """Around the lengths at which the frame's own length gets longer."""
    data = frame(TEXT, message("/echo", "x" * size, codec=115))
    for at in range(0, len(data), step or len(data)):
        caller.send(data[at:at + (step or len(data))])
    assert caller.receive_json()["body"] == "x" * size


def test_a_message_may_come_byte_by_byte(caller):
    for byte in frame(TEXT, ECHO) + frame(PING, b"p"):
        caller.send(bytes([byte]))
    found = {caller.receive_frame().opcode, caller.receive_frame().opcode}
    assert found == {TEXT, PONG}, "a pong may overtake a reply"


# Frames: pings and pongs (Autobahn 2)


@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(0x80, 0xfd)), b"x" * 125])
def test_a_ping_is_answered_with_what_it_carries(caller, data):
    caller.send(frame(PING, data))
    assert caller.receive_frame() == Frame(PONG, data)


def test_ten_pings_get_ten_pongs_in_their_order(caller):
    caller.send(*[frame(PING, b"%d" % i) for i in range(10)])
    assert [caller.receive_frame().data for _ in range(10)] == [b"%d" % i for i in range(10)]


def test_pongs_that_nobody_asked_for_are_ignored(caller):
    caller.send(frame(PONG), frame(PONG, b"x" * 125))
    assert caller.is_well()


# Frames: what must not be (Autobahn 3, 4, 5)


BROKEN_FRAMES = {
    "reserved-bit-1": frame(TEXT, ECHO, reserved=4),
    "reserved-bit-2": frame(TEXT, ECHO, reserved=2),
    "reserved-bit-3": frame(PING, b"", reserved=1),
    "all-reserved-bits": frame(BINARY, ECHO, reserved=7),
    **{f"opcode-{code}": frame(code, ECHO) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "no-mask": frame(TEXT, ECHO, mask=None),
    "ping-without-mask": frame(PING, b"", mask=None),
    "ping-of-126-bytes": frame(PING, b"x" * 126),
    "close-of-126-bytes": frame(CLOSE, b"\x03\xe8" + b"x" * 124),
    "fragmented-ping": frame(PING, b"x", final=False),
    "fragmented-close": frame(CLOSE, b"\x03\xe8", final=False),
    "length-of-5-in-two-bytes": frame(TEXT, b"hello", length=2),
    "length-of-5-in-eight-bytes": frame(TEXT, b"hello", length=8),
    "length-of-126-in-eight-bytes": frame(TEXT, b"x" * 126, length=8),
    "negative-length": bytes([0x81, 0xff]) + b"\xff" * 8 + b"mask",
    "nothing-to-go-on-with": frame(CONTINUATION, b"x"),
    "nothing-to-go-on-with-unfinished": frame(CONTINUATION, b"x", final=False),
    "text-in-a-text": frame(TEXT, b"{", final=False) + frame(TEXT, b"}"),
    "binary-in-a-text": frame(TEXT, b"{", final=False) + frame(BINARY, b"}"),
}


@pytest.mark.parametrize("data", BROKEN_FRAMES.values(), ids=BROKEN_FRAMES.keys())
def test_a_broken_frame_closes_with_1002(server, caller, data):
    caller.send(frame(TEXT, ECHO), data, frame(PING, b"never read"))
    closed = caller.receive_closed()
    assert closed.code == 1002
    assert [found.opcode for found in closed.frames] == [TEXT], "what came before is answered"
    assert "reason=protocol-error" in refusal(server)


@pytest.mark.parametrize("first", [b"\xc1", b"\x83", b"\x89\xfe", b"\x81\x00"])
def test_what_is_broken_is_not_waited_for(caller, first):
    """One or two bytes tell: the rest of the frame never comes."""
    caller.send(first)
    assert caller.receive_closed().code == 1002


# Fragments (Autobahn 5)


def test_a_message_in_fragments_is_one_packet(caller):
    for count in (2, 3, len(ECHO)):
        size = -(-len(ECHO) // count)
        pieces = [ECHO[at:at + size] for at in range(0, len(ECHO), size)]
        caller.send(*[frame(CONTINUATION if i else TEXT, piece, final=i == len(pieces) - 1)
                      for i, piece in enumerate(pieces)])
        assert caller.receive_json() == ECHOED


def test_empty_fragments_are_fragments(caller):
    caller.send(frame(TEXT, b"", final=False), frame(CONTINUATION, ECHO, final=False),
                *[frame(CONTINUATION, b"", final=False)] * 1000, frame(CONTINUATION, b""))
    assert caller.receive_json() == ECHOED


def test_pings_between_fragments_are_answered_at_once(caller):
    caller.send(frame(TEXT, ECHO[:10], final=False), frame(PING, b"1"))
    assert caller.receive_frame() == Frame(PONG, b"1")
    caller.send(frame(CONTINUATION, ECHO[10:20], final=False), frame(PING, b"2"))
    assert caller.receive_frame() == Frame(PONG, b"2")
    caller.send(frame(CONTINUATION, ECHO[20:]))
    assert caller.receive_json() == ECHOED


def test_a_close_between_fragments_closes(caller):
    caller.send(frame(TEXT, ECHO[:10], final=False), close_frame(1000))
    assert caller.receive_closed().code == 1000


def test_many_fragments_of_a_large_message(caller):
    data = message("/echo", "y" * 200000, codec=115)
    pieces = [data[at:at + 100] for at in range(0, len(data), 100)]
    caller.send(*[frame(CONTINUATION if i else TEXT, piece, final=i == len(pieces) - 1)
                  for i, piece in enumerate(pieces)])
    assert caller.receive_json()["body"] == "y" * 200000


# UTF-8 (Autobahn 6)


def text_with(raw):
    head, tail = message("/echo", "*", codec=115).split(b"*")
    return head + raw + tail


GOOD_TEXTS = ["κόσμε", "\x7f", "\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff",
              "\ud7ff", "\ue000", "\ufffd", "\ufffe", "Hello-µ@ßöäüàá-UTF-8!!", "\u0000"[:0]]
BAD_TEXTS = ["80", "bf", "80bf", "c0af", "c080", "c1bf", "e0809f", "e09fbf", "eda080", "edbfbf",
             "eda080edb080", "f0808080", "f08fbfbf", "f4908080", "f5808080", "f7bfbfbf", "f888808080",
             "fc8480808080", "fe", "ff", "cebae1bdb9cf83cebcceb5eda080656469746564", "c3", "e282",
             "f09f98", "c328", "e28228", "f09f9828"]


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_texts_in_utf8_come_back_cut_anywhere(caller, text):
    data = text_with(text.encode())
    for cut in range(data.index(text.encode()), data.index(text.encode()) + len(text.encode()) + 1):
        caller.send(frame(TEXT, data[:cut], final=False), frame(CONTINUATION, data[cut:]))
        assert caller.receive_json()["body"] == text


@pytest.mark.parametrize("raw", BAD_TEXTS)
def test_texts_that_are_not_utf8_close_with_1007(server, caller, raw):
    caller.send(frame(TEXT, text_with(bytes.fromhex(raw))))
    assert caller.receive_closed().code == 1007
    assert "not UTF-8" in refusal(server)


def test_a_bad_fragment_closes_before_its_message_is_whole(caller):
    caller.send(frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xf4", final=False),
                frame(CONTINUATION, b"\x90", final=False))
    assert caller.receive_closed().code == 1007


def test_half_a_character_at_the_end_closes_with_1007(caller):
    caller.send(frame(TEXT, b"\xce\xba\xe1", final=False), frame(CONTINUATION, b""))
    assert caller.receive_closed().code == 1007


def test_binary_need_not_be_utf8(caller):
    caller.send(frame(BINARY, protobuf_message(b"/echo", b"\xff\xfe")))
    assert caller.receive_frame().data.endswith(b"\x32\x02\xff\xfe")


# Closing (Autobahn 7)


def test_a_close_is_answered_with_its_code(caller):
    caller.send(close_frame(1000, b"done"))
    closed = caller.receive_closed()
    assert (closed.code, closed.reason) == (1000, "")


def test_a_close_without_a_code_is_answered_without_one(caller):
    caller.send(close_frame())
    assert caller.receive_closed().code is None


def test_nothing_behind_a_close_is_read(caller):
    caller.send(close_frame(1000), frame(PING, b"x"), frame(TEXT, ECHO), close_frame(1001))
    closed = caller.receive_closed()
    assert (closed.code, closed.frames) == (1000, [])


def test_what_is_open_is_answered_before_the_close(caller):
    caller.send(frame(TEXT, message("/slow", '"late"')), close_frame(1000))
    closed = caller.receive_closed()
    assert closed.code == 1000
    assert [json.loads(found.data)["body"] for found in closed.frames] == ['"late"']


GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
              4000, 4999]
BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", GOOD_CODES)
def test_codes_that_may_be_said_come_back(caller, code):
    caller.send(close_frame(code))
    assert caller.receive_closed().code == code


@pytest.mark.parametrize("code", BAD_CODES)
def test_codes_that_may_not_be_said_are_1002(caller, code):
    caller.send(close_frame(code))
    assert caller.receive_closed().code == 1002


def test_half_a_code_is_1002(caller):
    caller.send(frame(CLOSE, b"\x03"))
    assert caller.receive_closed().code == 1002


def test_a_reason_is_utf8_and_has_at_most_123_bytes(server, caller):
    caller.send(close_frame(1000, b"x" * 123))
    assert caller.receive_closed().code == 1000
    other = WebSocketCaller(server)
    other.send(close_frame(1000, b"\xce\xba\xed\xa0\x80"))
    assert other.receive_closed().code == 1002


def test_who_ends_without_a_close_frame_is_told_goodbye(caller):
    caller.socket.shutdown(1)
    closed = caller.receive_closed()
    assert (closed.code, closed.reason) == (1000, "peer-closed")


def test_a_server_that_stops_says_1001(server, caller):
    assert caller.is_well()
    server.signal(3)
    closed = caller.receive_closed()
    assert (closed.code, closed.reason) == (1001, "shutdown")
    server.wait_for_end()


# Limits (Autobahn 9)


def limited(size):
    data = message("/echo", "", codec=115)
    return message("/echo", "x" * (size - len(data)), codec=115)


def test_exactly_the_packet_limit_passes(server):
    caller = WebSocketCaller(server, "$PORT2")
    caller.send(frame(TEXT, limited(1000)))
    assert "status" not in caller.receive_json()
    caller.send(frame(TEXT, limited(1000)[:500], final=False),
                frame(CONTINUATION, limited(1000)[500:]))
    assert "status" not in caller.receive_json()


def test_one_more_closes_with_1009_as_soon_as_the_length_says_so(server):
    caller = WebSocketCaller(server, "$PORT2")
    caller.send(frame(TEXT, limited(1001))[:8])
    assert caller.receive_closed().code == 1009
    assert "reason=packet-too-large" in refusal(server)


def test_fragments_are_limited_together(server):
    caller = WebSocketCaller(server, "$PORT2")
    caller.send(frame(TEXT, b"x" * 900, final=False), frame(CONTINUATION, b"x" * 101, final=False))
    assert caller.receive_closed().code == 1009


@pytest.mark.parametrize("length", [2**31, 2**32, 2**62])
def test_a_huge_length_takes_no_memory(caller, length):
    caller.send(bytes([0x82, 0xff]) + length.to_bytes(8, "big"))
    assert caller.receive_closed().code == 1009


def test_fragments_that_never_end_are_timed_out(start_server):
    server = start_server("""
        peer { server { listen 127.0.0.1:$PORT protocol=websocket; packet_timeout 300ms; } }""")
    caller = WebSocketCaller(server)
    caller.send(frame(TEXT, b"{", final=False))
    server.wait_for_log("session-closed", "reason=packet-timeout")


def test_other_sessions_notice_nothing(server, caller):
    for data in BROKEN_FRAMES.values():
        WebSocketCaller(server).send(data)
    wait_until(lambda: server.total("sessions") == 1, "the broken sessions are closed")
    assert caller.is_well()


def test_masks_of_any_bytes(caller):
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\x01\x7f\xfe"):
        caller.send(frame(TEXT, ECHO, mask=mask))
        assert caller.receive_json() == ECHOED
    assert mask_bytes(b"\1\2\3\4\5", b"\1\1\1\1") == b"\0\3\2\5\4"


# The other role


@pytest.mark.parametrize("form", ["json", "protobuf"])
def test_an_end_that_dials_asks_and_is_asked(start_server, form):
    """One server dials the other, which asks it through the session that it has accepted."""
    conf = f"""
        worker_processes 1;
        peer {{
            websocket_form {form};
            pull /who {{ return 200 "$protocol $header_codec $meta_k"; }}
            dial ws://127.0.0.1:$PORT/some/path {{ redial 50ms; }}
            server {{ listen 127.0.0.1:$PORT; }}
            server {{ listen 127.0.0.1:$PORT2; pull /control/* {{ control; }} }}
        }}"""
    server = start_server(conf)
    operator = Caller(server, "$PORT2")

    def listed():
        reply = operator.pull("/control/sessions", b"{}")
        assert reply.outcome() == (200, "OK")
        sessions = json.loads(reply.body)
        return [one["number"] for one in sessions["sessions"]]

    asked = wait_until(lambda: [number for number in listed()
                                if operator.pull("/control/pull", json.dumps(
                                    {"number": number, "uri": "/who"}).encode()).status_code == 200],
                       "the dialed session answers")
    reply = operator.pull("/control/pull", json.dumps({"number": asked[0], "uri": "/who"}).encode())
    assert reply.body == f"websocket {form} ".encode()
    server.write_conf("".join(line for line in conf.splitlines(True) if " dial " not in line))
    assert server.reload()[0] == 0


def test_tp_speaks_it_too(server):
    port = server.port("$PORT")
    ended = subprocess.run([os.path.join(os.path.dirname(PROGRAM), "tp"), "pull",
                            f"ws://127.0.0.1:{port}/x", "/math/add", "[1,2]"],
                           stdout=subprocess.PIPE, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "3")

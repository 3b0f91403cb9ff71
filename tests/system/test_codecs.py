"""Codecs: what handlers are given of a body, and in which codec their answer leaves."""
import gzip
import socket
import struct

import pytest

from harness.wait import PATIENCE_SECONDS
from harness.wire25 import JSON, PLAIN, PROTOBUF, Caller, gunzip, go_gzip

FORM = b"f"
XML = b"x"

CONF = """
worker_processes 1;
peer {
    form_pairs 20;
    json_depth 10;
    json_values 50;
    gzip_min 10;
    pull /value   { mirror value; }
    pull /form    { mirror value; body_codec form; }
    pull /nested  { mirror nested; }
    pull /text    { mirror string; }
    pull /proto   { mirror protobuf; }
    pull /echo    { echo; }
    pull /page    { return 200 "<a/>" codec=xml; }
    pull /plain   { return 200 "LONG"; }
    pull /never   { return 200 "LONG"; reply_gzip off; }
    pull /most    { return 200 "LONG"; reply_gzip 9; }
    pull /large   { return 200 "LONG"; gzip_min 1k; }
    server { listen 127.0.0.1:$PORT; }
    server { listen 127.0.0.1:$PORT2; body_codec form; reply_gzip 1; }
}
""".replace("LONG", "0123456789" * 20)


@pytest.fixture(name="server")
def server_with_a_mirror(build, make_server):
    objs, _ = build
    server = make_server(CONF)
    server.binary = str(objs / "teleport")
    return server.start()


def pull(server, uri, body, codec=JSON, **options):
    return Caller(server).pull(uri, body, codec=codec, **options)


def ask_for_codec(server, uri, body, codec, wanted):
    """A CALL of protocol raw with metadata that names a codec; returns the REPLY's codec and body."""
    metadata = b"X-Accept-Body-Codec=%d" % ord(wanted)
    payload = (b"\x011\x01" + bytes([len(uri)]) + uri.encode() + struct.pack(">H", 0)
               + struct.pack(">H", len(metadata)) + metadata + codec + body)
    with socket.create_connection(("127.0.0.1", server.port()), PATIENCE_SECONDS) as connection:
        connection.sendall(struct.pack(">IB", len(payload) + 5, 0) + payload)
        stream = connection.makefile("rb")
        size, filters = struct.unpack(">IB", stream.read(5))
        reply = stream.read(size - 5)
    assert filters == 0 and reply[:4] == b"\x011\x02\0", reply
    rest = reply[4:]
    for _ in ("status", "metadata"):
        rest = rest[2 + struct.unpack(">H", rest[:2])[0]:]
    return rest[:1], rest[1:]


def test_a_reply_is_in_the_codec_that_its_call_wants(server):
    value = b'{"a":"1","b":"2"}'

    assert ask_for_codec(server, "/value", value, JSON, FORM) == (FORM, b"a=1&b=2")
    assert ask_for_codec(server, "/value", b"a=1&b=2", FORM, JSON) == (JSON, value)
    assert ask_for_codec(server, "/nested", b"a=1", FORM, FORM)[0] == JSON, "a form cannot say it"
    assert ask_for_codec(server, "/value", value, JSON, PLAIN) == (JSON, value), "it has no values"
    assert ask_for_codec(server, "/value", value, JSON, b"!") == (JSON, value), "there is no such"
    assert ask_for_codec(server, "/echo", value, JSON, FORM) == (JSON, value), "bytes stay"


def test_a_form_is_a_value(server):
    reply = pull(server, "/value", b"name=Ann+Lee&tag=a&tag=%62&empty", FORM)

    assert reply.outcome() == (200, "OK")
    assert (reply.codec, reply.body) == (FORM, b"name=Ann%20Lee&tag=a&tag=b&empty=")


def test_a_value_that_the_codec_of_the_pull_cannot_say_is_said_in_the_default_one(server):
    reply = pull(server, "/nested", b"a=1", FORM)

    assert reply.outcome() == (200, "OK")
    assert (reply.codec, reply.body) == (JSON, b'{"in":{"in":{"a":"1"}}}')


def test_a_body_without_a_codec_has_that_of_its_route_or_of_its_server(server):
    assert pull(server, "/value", None).outcome() == (400, "an empty body is not JSON")
    for reply in (pull(server, "/form", None),
                  Caller(server, "$PORT2").pull("/value", None)):
        assert (reply.outcome(), reply.codec, reply.body) == ((200, "OK"), FORM, b"")


@pytest.mark.parametrize("body, outcome", [
    (b"a=%", (400, "the form has % without two hexadecimal digits")),
    (b"a=%00", (400, "the form has a NUL")),
    (b"&".join([b"a"] * 21), (413, "Too Large")),
])
def test_what_is_no_form_is_refused(server, body, outcome):
    caller = Caller(server)

    assert caller.pull("/value", body, codec=FORM).outcome() == outcome
    assert caller.pull("/value", b"1").body == b"1", "the session goes on"


@pytest.mark.parametrize("body, outcome", [
    (b"[" * 11 + b"]" * 11, (413, "Too Large")),
    (b"[" + b",".join([b"1"] * 50) + b"]", (413, "Too Large")),
    (b"1" * 64, (413, "Too Large")),
    (b"1e999", (400, "a JSON number is too large for a double")),
    (b"[" * 100000, (413, "Too Large")),
])
def test_hostile_json_is_refused(server, body, outcome):
    assert pull(server, "/value", body).outcome() == outcome


@pytest.mark.parametrize("codec", [PLAIN, PROTOBUF, XML, b"!"])
def test_a_codec_without_values_is_415_where_a_value_is_wanted(server, codec):
    assert pull(server, "/value", b"x", codec).outcome() == (415, "Unsupported Codec")


@pytest.mark.parametrize("uri, codec", [("/text", PLAIN), ("/proto", PROTOBUF)])
def test_bytes_are_given_to_those_who_want_their_codec(server, uri, codec):
    text = b"hello " * 10

    assert pull(server, uri, text, codec).body == text
    assert pull(server, uri, None).body == b""
    assert gzip.decompress(pull(server, uri, gzip.compress(text), codec, gzip=5).body) == text
    assert pull(server, uri, b"no stream", codec, gzip=5).outcome()[0] == 400
    for other in {JSON, PLAIN, PROTOBUF, FORM} - {codec}:
        assert pull(server, uri, b"x", other).outcome() == (415, "Unsupported Codec")


@pytest.mark.parametrize("codec", [FORM, XML, b"t", b"!", b"\xff"])
def test_what_nobody_reads_passes_untouched(server, codec):
    body = bytes(range(256))
    reply = pull(server, "/echo", body, codec)

    assert (reply.outcome(), reply.codec, reply.body) == ((200, "OK"), codec, body)


def test_a_text_of_the_configuration_has_any_codec(server):
    reply = pull(server, "/page", None)

    assert (reply.codec, reply.body) == (XML, b"<a/>")


def test_a_route_says_how_much_its_replies_are_deflated(server):
    text = b"0123456789" * 20

    for uri, level in (("/plain", 5), ("/most", 9)):
        reply = pull(server, uri, go_gzip(b"1"), gzip=5)
        assert (reply.gzip, gunzip(reply.body)) == (level, text)
    for uri in ("/never", "/large"):
        reply = pull(server, uri, go_gzip(b"1"), gzip=5)
        assert (reply.gzip, reply.body) == (0, text)
    assert pull(server, "/most", b"1").gzip == 0, "the PULL does not want it deflated"
    reply = Caller(server, "$PORT2").pull("/plain", go_gzip(b"1"), gzip=5)
    assert reply.gzip == 1, "a route of the peer has what the server says"


def test_a_codec_may_be_named_by_its_letter(make_server):
    server = make_server("peer { body_codec M; server { listen 127.0.0.1:$PORT; "
                         "body_codec string; } }")
    assert server.run("-t")[0] == 0

    server = make_server("peer { body_codec jso; server { listen 127.0.0.1:$PORT; } }")
    code, _, errors = server.run("-t")
    assert code == 1
    assert "takes a codec: json | protobuf | plain | form | xml | thrift" in errors

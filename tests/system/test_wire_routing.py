"""Which handler a uri leads to."""
import pytest

from harness.wire25 import JSON, PROTOBUF, Caller, frame, protobuf_field

CONF = """
worker_processes 1;
peer {
    pull /echo { echo; }
    pull /both { return 200 "peer"; }
    pull /peer/only { return 200 "peer only"; }
    server {
        listen 127.0.0.1:$PORT;
        pull /both { return 200 "server"; }
        pull /math/add { return 200 "exact"; }
        pull /math/* { return 200 "prefix"; }
        pull /math/deep/* { return 200 "longer prefix"; }
        pull /group/home/test_abc { return 200 "home"; }
        pull "/with space" { return 200 "space"; }
        pull /a//b { return 200 "double slash"; }
        pull /a/../b { return 200 "dots"; }
        pull /end/ { return 200 "end with slash"; }
        pull /end { return 200 "end"; }
        pull / { return 200 "root"; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull * { return 200 "any"; }
        pull /known { return 200 "known"; }
        pull /below/* { return 200 "below"; }
    }
}
"""


@pytest.fixture(name="server")
def wire_server(start_server):
    return start_server(CONF)


def answer(caller, uri, header_codec=PROTOBUF):
    """The text of a 200, the status of anything else; the session must have stayed."""
    reply = caller.pull(uri, header_codec=header_codec)
    assert reply.uri == uri
    assert caller.is_well()
    return reply.body.decode() if reply.status_code == 200 else reply.status_code


ROUTES = [
    # Exact beats the longest prefix.
    ("/math/add", "exact"), ("/math/sub", "prefix"), ("/math/deep/sea", "longer prefix"),
    ("/math/deep/sea/bed", "longer prefix"), ("/math/deep", "prefix"), ("/math/add/", "prefix"),
    # A prefix matches below it, not itself.
    ("/math", 404), ("/mathematics", 404),
    # Case matters.
    ("/Math/add", 404), ("/ECHO", 404), ("/group/home/test_abc", "home"),
    ("/group/home/testAbc", 404),
    # The path ends before the query and the fragment.
    ("/math/add?a=1", "exact"), ("/math/add?", "exact"), ("/math/add#part", "exact"),
    ("/math/add?a#b", "exact"), ("/math/add#b?a", "exact"), ("/math/add?a=/../?b", "exact"),
    ("/?a", "root"), ("/", "root"),
    # A bad escape in the query is of that pair only.
    ("/math/add?%zz=1&b=%4", "exact"), ("/math/add?%00", "exact"), ("/math/add#%zz", "exact"),
    # The path is percent-decoded.
    ("/math/%61dd", "exact"), ("/%6d%61%74%68/%61%64%64", "exact"), ("/math%2fadd", "exact"),
    ("/math%2Fadd", "exact"), ("/with%20space", "space"), ("/with space", "space"),
    ("/math/add%3Fa=1", "prefix"), ("/math/%C3%A9", "prefix"), ("/math/a+b", "prefix"),
    # Nothing is cleaned.
    ("/a//b", "double slash"), ("/a/b", 404), ("/a/../b", "dots"), ("/b", 404), ("//math/add", 404),
    ("/math//add", "prefix"), ("/math/./add", "prefix"), ("/end", "end"),
    ("/end/", "end with slash"), ("/end//", 404),
    # Scheme and host of an absolute uri are ignored.
    ("tp://example.org/math/add", "exact"), ("http://[::1]:9090/math/add?a=1", "exact"),
    ("tp://u:p@h:1/math/%61dd", "exact"), ("tp://example.org/", "root"),
    # What is no path leads nowhere.
    ("", 404), ("math/add", 404), ("tp://example.org", 404), ("?a=1", 404), ("*", 404),
    ("/math/*", "prefix"),
    # A bad escape or a control character in the path is a bad uri.
    ("/%", 400), ("/%4", 400), ("/%zz", 400), ("/%4g", 400), ("/math/%", 400), ("/%%41", 400),
    ("/math/%00", 400), ("/math/%0a", 400), ("/math/%1f", 400), ("/math/%7f", 400),
    ("/math/\x01", 400), ("/math/\x7f", 400), ("/math/a\tb", 400), ("/math/a\nb?c", 400),
    ("tp://h/%zz", 400),
    # A server's route beats the peer's of the same uri.
    ("/both", "server"), ("/peer/only", "peer only"),
]


def test_where_uris_lead(server):
    caller = Caller(server)
    wrong = [(uri, codec, got, wanted) for uri, wanted in ROUTES for codec in (PROTOBUF, JSON)
             if (got := answer(caller, uri, codec)) != wanted]
    assert wrong == []


def test_the_star_takes_what_nothing_else_does(server):
    caller = Caller(server, "$PORT2")
    for uri, wanted in [("/known", "known"), ("/below/x", "below"), ("/below", "any"), ("", "any"),
                        ("nothing at all", "any"), ("/", "any"), ("/%zz", 400)]:
        assert answer(caller, uri) == wanted, uri


def test_a_bad_uri_says_so(server):
    reply = Caller(server).pull("/%zz", b"[1]")
    assert (reply.outcome(), reply.body) == ((400, "Bad URI"), None)


def test_a_path_of_bytes_that_are_no_text_leads_to_its_prefix(server):
    caller = Caller(server)
    header = protobuf_field(2, 1) + protobuf_field(3, b"/math/\xff\xfe")
    reply = frame(PROTOBUF + protobuf_field(2, 2) + protobuf_field(3, b"/math/\xff\xfe")
                  + protobuf_field(5, 200) + protobuf_field(6, "OK"), b"sprefix")
    caller.send(frame(PROTOBUF + header))
    assert caller.receive_bytes(len(reply)) == reply


def test_a_path_as_long_as_a_packet_may_be(server):
    caller = Caller(server)
    assert answer(caller, "/math/" + "x" * 1000000) == "prefix"
    assert answer(caller, "/math/" + "%41" * 300000) == "prefix"
    assert answer(caller, "/math/add?" + "x" * 1000000) == "exact"

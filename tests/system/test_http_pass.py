"""`http_pass`: what an HTTP backend is asked, and what its answers become."""
import gzip
import time
import zlib

import pytest

from harness import family
from harness.backend import Backend
from harness.http import Browser
from harness.wait import wait_until
from harness.wire25 import PLAIN, PUSH, Caller, Packet, go_gzip

FRONT = """
worker_processes 1;
peer {
    IN_PEER
    server {
        listen 127.0.0.1:$PORT;
        pull /api/* { http_pass URL/v1; IN_ROUTE }
        pull * { http_pass URL; IN_ROUTE }
        push * { http_pass URL/told; }
    }
}
"""


@pytest.fixture(name="backend")
def one_backend():
    backend = Backend()
    yield backend
    backend.close()


@pytest.fixture(name="other")
def another_backend():
    backend = Backend("other")
    yield backend
    backend.close()


@pytest.fixture(name="front")
def a_front(make_server):
    started = []

    def start(url, in_route="", in_peer=""):
        text = FRONT.replace("URL", url).replace("IN_ROUTE", in_route)
        started.append(make_server(text.replace("IN_PEER", in_peer)).start())
        return started[-1]

    yield start
    for server in started:
        server.disconnect()


def upstream_of(*backends, inside=""):
    servers = "".join(f"server {backend.url}; " for backend in backends)
    return f"upstream web {{ {servers} {inside} }}"


def test_a_pull_is_a_post(backend, front):
    reply = Caller(front(backend.url)).pull("/api/math/echo?x=1", b"[1,2]")

    assert (reply.outcome(), reply.codec, reply.body) == ((200, "OK"), b"j", b"[1,2]")
    asked = backend.asked[0]
    assert asked.line == "POST /v1/api/math/echo?x=1 HTTP/1.1"
    assert asked.body == b"[1,2]"
    assert asked.get("Host") == f"127.0.0.1:{backend.port}"
    assert asked.get("Content-Type") == "application/json"
    assert asked.get("X-Real-IP") == "127.0.0.1"
    assert asked.get("X-Session-Id") is None


def test_who_has_an_id_is_named(backend, make_server):
    server = make_server(f"""peer {{ server {{ listen 127.0.0.1:$PORT;
        pull /i/* {{ session_id $arg_id; }} pull * {{ http_pass {backend.url}; }} }} }}""").start()
    caller = Caller(server)

    assert caller.pull("/i/am?id=lamp%207").status_code == 200
    caller.pull("/x")
    assert backend.asked[0].get("X-Session-Id") == "lamp 7"


def test_a_uri_is_taken_without_its_host(backend, front):
    caller = Caller(front(backend.url))

    for uri in ("tp://elsewhere/api/x?y=/../z", "/api/a b/%C3%A9#part", "//x", "a/b"):
        assert caller.pull(uri).status_code == 200
    assert [asked.path for asked in backend.asked] == [
        "/v1/api/x?y=/../z", "/v1/api/a%20b/%C3%A9", "//x", "/a/b"]


@pytest.mark.parametrize("uri", ["/api/../admin", "/api/%2e%2E/admin", "/api/x/..", "/api/./x",
                                 "/api/%2f..%2fadmin", "/api/..\\admin", "a/../b://h/x"])
def test_a_path_does_not_climb(backend, front, uri):
    reply = Caller(front(backend.url)).pull(uri)

    climbs = not uri.startswith("a")
    assert reply.status_code == (400 if climbs else 200)
    assert [asked.path for asked in backend.asked] == ([] if climbs else ["/x"])


def test_a_connection_is_kept(backend, front):
    caller = Caller(front(backend.url))

    for _ in range(20):
        assert caller.pull("/echo", b"1").body == b"1"
    assert {asked.connection for asked in backend.asked} == {1}


def test_one_that_closes_after_each_is_asked_anew(backend, front):
    caller = Caller(front(backend.url))

    for _ in range(20):
        assert caller.pull("/last").outcome() == (200, "OK")
    assert len({asked.connection for asked in backend.asked}) == 20


def test_a_connection_ends_when_it_has_nothing_to_do(backend, front):
    caller = Caller(front("http://web", in_peer=upstream_of(backend, inside="keepalive 50ms;")))

    assert caller.pull("/x").status_code == 200
    wait_until(lambda: backend.ended, "the connection ends")
    assert caller.pull("/x").status_code == 200
    assert [asked.connection for asked in backend.asked] == [1, 2]


def test_slow_ones_hold_nobody_up(backend, front):
    caller = Caller(front(backend.url))
    begun = time.monotonic()

    caller.send(*[Packet(seq=seq, uri="/slow") for seq in range(10)], Packet(seq=10, uri="/x"))
    replies = caller.receive_many(11)
    assert replies[0].seq == 10
    assert {reply.body for reply in replies[1:]} == {b'"slow"'}
    assert time.monotonic() - begun < 2.5


def test_too_late_is_504_and_its_answer_nobody_elses(backend, front):
    caller = Caller(front(backend.url, in_route="proxy_timeout 100ms;"))

    assert caller.pull("/slow").status_code == 504
    assert [caller.pull("/echo", b"1").body for _ in range(5)] == [b"1"] * 5
    assert backend.asked[1].connection != backend.asked[0].connection


@pytest.mark.parametrize("uri", ["/dies", "/garbage"])
def test_one_that_dies_in_the_middle_is_502(backend, front, uri):
    caller = Caller(front(backend.url))

    assert caller.pull(uri).status_code == 502
    assert caller.pull("/x").status_code == 200
    assert len([asked for asked in backend.asked if asked.path == uri]) == 1


def test_what_may_be_done_again_is_asked_elsewhere(backend, other, front):
    caller = Caller(front("http://web", "idempotent on; proxy_next_upstream error 503;",
                          upstream_of(backend, other)))
    backend.name = other.name

    # Both are busy, both die: the second one's answer is what the caller gets.
    assert caller.pull("/busy").outcome() == (503, "Busy")
    assert caller.pull("/dies").status_code == 502
    assert len(backend.asked) == len(other.asked) == 2


def test_who_cannot_be_had_is_503(backend, front):
    backend.close()

    assert Caller(front(backend.url)).pull("/x").status_code == 503


def test_others_take_over(backend, other, front):
    caller = Caller(front("http://web", in_peer=upstream_of(backend, other)))

    bodies = {caller.pull("/x").body for _ in range(10)}
    assert bodies == {b'"b"', b'"other"'}
    backend.close()
    assert [caller.pull("/x").body for _ in range(10)] == [b'"other"'] * 10


def test_answers_become_replies(backend, front):
    caller = Caller(front(backend.url))

    assert caller.pull("/chunked").body == b"[1,2]"
    busy = caller.pull("/busy")
    assert (busy.outcome(), busy.body) == ((503, "Busy"), b'"come later"')
    assert caller.pull("/own").outcome() == (1001, "no such sum")
    none = caller.pull("/none")
    assert (none.outcome(), none.body) == ((404, "Not Found"), b"<p>nothing here</p>")


def test_codecs_cross(backend, front):
    caller = Caller(front(backend.url))

    for codec, mime in ((b"j", "application/json"), (b"p", "application/x-protobuf"),
                        (b"s", "text/plain"), (b"f", "application/x-www-form-urlencoded")):
        reply = caller.pull("/echo", b"x=1", codec=codec)
        assert (reply.codec, reply.body) == (codec, b"x=1")
        assert backend.asked[-1].get("Content-Type").partition(";")[0] == mime


def test_a_deflated_body_crosses_as_it_is(backend, front):
    body = b"teleport" * 1000
    reply = Caller(front(backend.url)).pull("/echo", go_gzip(body), gzip=5)

    assert (reply.gzip, zlib.decompressobj(31).decompress(reply.body)) == (5, body)
    assert backend.asked[0].get("Content-Encoding") == "gzip"
    assert len(backend.asked[0].body) < 1000


@pytest.mark.parametrize("size", [0, 1, 4096, 1000000])
def test_bodies_of_all_sizes(backend, front, size):
    body = bytes(i % 251 for i in range(size))

    assert Caller(front(backend.url)).pull("/echo", body, codec=PLAIN).body in (body, body or None)


def test_a_push_is_a_post_too(backend, front):
    server = front(backend.url)
    caller = Caller(server)

    caller.send(Packet(type=PUSH, uri="/x", body=b"1"), Packet(type=PUSH, uri="/dies", body=b"2"))
    wait_until(lambda: len(backend.asked) == 2, "both have come")
    assert {(asked.path, asked.body) for asked in backend.asked} == {
        ("/told/x", b"1"), ("/told/dies", b"2")}
    assert caller.pull("/echo", b"3").body == b"3"


def test_an_http_caller(backend, front):
    browser = Browser(front(backend.url))
    response = browser.ask("POST", "/api/echo", b"[1]", Content_Type="application/json",
                           X_Trace="7", Connection="X-Hop", X_Hop="1", TE="trailers",
                           X_Real_IP="6.6.6.6", X_Session_Id="root", Cookie="a=b")

    assert (response.code, response.body) == (200, b"[1]")
    names = [name.lower() for name, _ in response.fields]
    assert len(names) == len(set(names))
    assert response.get("X-Answer") == "yes"
    assert response.get("Content-Length") == "3"
    assert response.get("Connection") is None
    asked = backend.asked[0]
    names = [name.lower() for name, _ in asked.fields]
    assert len(names) == len(set(names))
    assert asked.get("X-Trace") == "7"
    assert asked.get("Cookie") == "a=b"
    assert asked.get("X-Real-IP") == "127.0.0.1"
    assert {"te", "x-hop", "x-session-id", "connection"}.isdisjoint(names)
    assert asked.get("Host") == f"127.0.0.1:{backend.port}"


def test_an_http_caller_gets_what_was_answered(backend, front):
    browser = Browser(front(backend.url))

    response = browser.ask("GET", "/none")
    assert (response.code, response.body) == (404, b"<p>nothing here</p>")
    assert response.get("Content-Type") == "text/html; charset=utf-8"
    assert browser.ask("GET", "/busy").code == 503
    assert (browser.ask("GET", "/own").code, browser.ask("GET", "/dies").code) == (500, 502)


def test_a_raw_caller(backend, front):
    caller = family.Caller(front(backend.url))
    reply = caller.call("/echo", b"[1]", meta=b"X-Trace=a%20b&x-real-ip=6.6.6.6")

    assert (reply.outcome()[0], reply.body) == (0, b"[1]")
    assert "X-Answer=yes" in reply.meta
    assert "Content-Length" not in reply.meta and "Connection" not in reply.meta
    assert backend.asked[0].get("X-Trace") == "a b"
    assert backend.asked[0].get("X-Real-IP") == "127.0.0.1"


def test_a_deflated_raw_packet(backend, front):
    body = b'"' + b"teleport" * 1000 + b'"'
    reply = family.Caller(front(backend.url)).call("/echo", body, filters=b"g")

    assert reply.body == body
    assert gzip.decompress(backend.asked[0].body) == body


def test_who_this_end_is_goes_before_who_a_customer_is(backend, front, tmp_path):
    (tmp_path / "secret").write_text("front:s3cret\n")
    server = front("http://web", in_peer=upstream_of(
        backend, inside=f"credentials file={tmp_path}/secret;"))
    Browser(server).ask("GET", "/x", Authorization="Bearer customer")

    assert backend.asked[0].get("Authorization") == "Basic ZnJvbnQ6czNjcmV0"


def test_a_customers_authorization_passes_otherwise(backend, front):
    Browser(front(backend.url)).ask("GET", "/x", Authorization="Bearer customer")

    assert backend.asked[0].get("Authorization") == "Bearer customer"


def test_over_tls(make_server, certificates):
    back = make_server(f"""peer {{ server {{ listen 127.0.0.1:$PORT ssl;
        {certificates.directives()} pull /v1/x {{ return 200 "safe"; }} }} }}""").start()
    front = make_server(f"""peer {{ upstream web {{ server https://127.0.0.1:{back.port()};
        ssl_trusted_certificate {certificates.path("authority")}; }}
        server {{ listen 127.0.0.1:$PORT; pull * {{ http_pass https://web/v1/; }} }} }}""").start()

    assert Caller(front).pull("/x").body == b"safe"


WRONG = [
    ("http_pass;", "http_pass"),
    ("http_pass 127.0.0.1:1;", "a URL begins with http:// or https://"),
    ("http_pass http://;", "no upstream"),
    ("http_pass http://nobody!/x;", "no upstream"),
    ("http_pass https://127.0.0.1:1;", "https:// needs the name of an upstream block"),
    ("http_pass https://web;", "speaks no TLS, the URL does"),
    ("http_pass http://other;", "server 127.0.0.1:2 of the upstream speaks no HTTP"),
    ("http_pass http://web/x?y;", "without query"),
    ("http_pass http://web; echo;", "handler"),
]


@pytest.mark.parametrize("text, words", WRONG, ids=[text for text, _ in WRONG])
def test_mistakes_are_told(make_server, text, words):
    server = make_server(f"""peer {{ upstream web {{ server http://127.0.0.1:1; }}
        upstream other {{ server 127.0.0.1:2; }}
        server {{ listen 127.0.0.1:$PORT; pull /x {{ {text} }} }} }}""")
    code, _, told = server.run("-t")

    assert (code, words in told) == (1, True), told

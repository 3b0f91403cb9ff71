"""`auth pull`: a backend says who somebody is."""
import json
import time

import pytest

from harness import family
from harness.backend import Backend, answer
from harness.http import Browser, request
from harness.wait import wait_until
from harness.wire25 import PLAIN, Caller, Packet

AUTH_CALL = 4

CONF = """
worker_processes 1;
peer {
    access_log logs/access.log flush=10ms;
    IN_PEER
    server {
        listen 127.0.0.1:$PORT;
        auth pull BACKEND /v1/check TTL;
        IN_SERVER
        pull /who { return 200 "$auth_id,$auth_method,$auth_claim_role"; }
        pull /admin { require claim role=admin; return 200 "yes"; }
        pull /echo { echo; }
    }
}
"""


@pytest.fixture(name="backend")
def a_backend():
    """Whoever says NAME:secret is NAME; other paths are answered as its docstring says."""
    backend = Backend()
    backend.told = {}

    def check(request):
        name, _, secret = request.body.decode().partition(":")
        if secret != "s3cret":
            return answer("401 Unauthorized")
        told = {"id": name, "vars": {"role": ["cook", "admin" if name == "ann" else "guest"]},
                **backend.told}
        return answer("200 OK", json.dumps(told).encode(), "Content-Type: application/json")

    backend.answers["check"] = check
    yield backend
    backend.close()


@pytest.fixture(name="start")
def a_server(make_server, backend):
    started = []

    def start(url=None, in_server="", ttl="", in_peer=""):
        started.append(make_server(
            "error_log logs/error.log debug;\n"
            + CONF.replace("BACKEND", url or backend.url).replace("IN_SERVER", in_server)
            .replace("TTL", ttl).replace("IN_PEER", in_peer)).start())
        return started[-1]

    yield start
    for server in started:
        server.disconnect()
        for log in server.prefix.glob("logs/*.log"):
            assert "s3cret" not in log.read_text()


def let_in(server, credential=b"ann:s3cret"):
    """A session, and the code of its first answer."""
    caller = Caller(server)
    return caller, caller.pull("/auth", credential, codec=PLAIN).status_code


def test_who_is_known_comes_in(backend, start):
    caller, code = let_in(start())

    assert code == 200
    assert caller.pull("/who").body == b"ann,pull,cook"
    assert caller.pull("/admin").body == b"yes"
    asked = backend.asked[0]
    assert (asked.line, asked.body) == ("POST /v1/check HTTP/1.1", b"ann:s3cret")
    assert asked.get("Content-Type").startswith("text/plain")


def test_who_is_not_does_not(backend, start):
    server = start()

    for credential in (b"ann:wrong", b"nonsense"):
        caller, code = let_in(server, credential)
        assert code == 401
        assert caller.receive_rest() == []
    server.wait_for_log("auth-failed", "outcome=wrong", count=2)
    assert len(backend.asked) == 2


def test_a_family_session(start):
    caller = family.Caller(start(), "json")

    caller.send(family.Packet(type=AUTH_CALL, method="", body=b"bob:s3cret", codec=ord("s")))
    assert caller.receive().outcome()[0] == 0
    assert caller.call("/who").body == b"bob,pull,cook"
    assert caller.call("/admin").outcome()[0] == 403


def test_each_request_over_http(backend, start):
    server = start()
    browser = Browser(server)

    for _ in range(5):
        assert browser.ask("GET", "/who", Authorization="Basic YW5uOnMzY3JldA==").body \
            == b"ann,pull,cook"
    assert len(backend.asked) == 1  # the others were known
    assert browser.ask("GET", "/who", Authorization="Bearer bad").code == 401
    assert browser.ask("GET", "/who").code == 401
    assert len(backend.asked) == 2


def test_who_waits_for_it_too_long_is_counted_though_no_route_is_known(backend, start):
    backend.answers["check"] = lambda _: b"" if backend.released.wait() else None
    server = start(in_server="exchange_timeout 100ms;")

    assert Browser(server).ask("GET", "/who", Authorization="Basic YW5uOnMzY3JldA==").code == 504
    left = Browser(server)
    left.send(request("GET", "/who", Authorization="Basic Ym9iOnMzY3JldA=="))
    wait_until(lambda: len(backend.asked) == 2, "both are asked for")
    left.close()

    def none_is_missing():
        row = next(row for row in server.status()["routes"] if row["uri"] == "-")
        return row["exchanges"] == 2 and row

    row = wait_until(none_is_missing, "both are counted")
    assert (row["errors"], row["in_flight"], row["duration"]["count"]) == (2, 0, 2)
    assert row["duration"]["max_us"] >= 90_000


def test_nothing_is_known_for_longer_than_it_counts(backend, start):
    backend.told = {"ttl": 0.2}
    browser = Browser(start())
    ask = {"Authorization": "Basic YW5uOnMzY3JldA=="}

    assert browser.ask("GET", "/who", **ask).code == 200
    wait_until(lambda: browser.ask("GET", "/who", **ask).code == 200 and len(backend.asked) > 1,
               "it is asked again")


@pytest.mark.parametrize("cache, count", [("auth_cache 0s;", 12),
                                          ("auth_cache 60s; auth_cache_entries 4;", 1)])
def test_what_is_known_is_not_asked_again(backend, start, cache, count):
    browser = Browser(start(in_server=f"auth_limit off; {cache}"))

    for i in range(12):
        browser.ask("GET", "/who", Authorization="Basic YW5uOnMzY3JldA==")
        browser.ask("GET", "/who", Authorization=f"Bearer {i}")
    anns = [asked for asked in backend.asked if asked.body == b"ann:s3cret"]
    assert len(anns) == count


def slowly(backend, seconds=0.5):
    check = backend.answers["check"]

    def slow_check(request):
        time.sleep(seconds)
        return check(request)

    backend.answers["check"] = slow_check


@pytest.mark.parametrize("cache", ["", "auth_cache 0s;"])
@pytest.mark.parametrize("credential, code", [(b"ann:s3cret", 200), (b"ann:wrong", 401)])
def test_who_comes_several_times_at_once_is_asked_for_once(backend, start, cache, credential,
                                                           code):
    server = start(in_server=f"auth_limit off; auth_sets_id off; {cache}")
    slowly(backend)
    callers = [Caller(server) for _ in range(30)]
    for caller in callers:
        caller.send(Packet(uri="/auth", body=credential, codec=PLAIN))
    gone, callers = callers[:5], callers[5:]
    for caller in gone[1:]:
        caller.close()
    assert [caller.receive().status_code for caller in callers] == [code] * 25
    assert len(backend.asked) == 1
    other = Caller(server)
    other.send(Packet(uri="/auth", body=b"bob:s3cret", codec=PLAIN))
    assert other.receive().status_code == 200 and len(backend.asked) == 2


def test_each_of_them_is_a_wrong_attempt(backend, start):
    server = start(in_server="auth_limit 10/1m;")
    slowly(backend, 0.2)
    callers = [Caller(server) for _ in range(8)]
    for caller in callers:
        caller.send(Packet(uri="/auth", body=b"ann:wrong", codec=PLAIN))
    assert {caller.receive().status_code for caller in callers} == {401}
    codes = [let_in(server, b"ann:wrong")[1] for _ in range(4)]
    assert codes == [401, 401, 429, 429] and len(backend.asked) == 1


@pytest.mark.parametrize("refusals, count", [("", 1), ("auth_refusals 0s;", 5)])
def test_what_was_refused_is_refused_for_a_while(backend, start, refusals, count):
    server = start(in_server=f"auth_limit off; {refusals}")
    for _ in range(5):
        assert let_in(server, b"ann:wrong")[1] == 401
    assert len(backend.asked) == count
    assert let_in(server)[1] == 200


def test_what_was_refused_is_asked_for_again(backend, start):
    server = start(in_server="auth_limit off; auth_refusals 100ms;")
    assert let_in(server, b"ann:wrong")[1] == 401
    check = backend.answers["check"]
    backend.answers["check"] = lambda request: check(request) if b"wrong" not in request.body \
        else answer("200 OK", b'{"id":"ann"}', "Content-Type: application/json")
    wait_until(lambda: let_in(server, b"ann:wrong")[1] == 200, "it is asked for again")


def test_a_session_ends_with_its_ttl(backend, start):
    backend.told = {"ttl": 0.2}
    server = start()
    caller, code = let_in(server)

    assert code == 200
    assert [packet.uri.partition("?")[0] for packet in caller.receive_rest()] == ["/system/closed"]
    server.wait_for_log("session-closed", "auth-expired")


def test_a_session_is_renewed(backend, start):
    server = start(in_server="auth_renew on; auth_cache 0s;", ttl="ttl=10m")
    caller, _ = let_in(server)

    assert caller.pull("/auth", b"ann:s3cret", codec=PLAIN).status_code == 200
    assert caller.pull("/auth", b"bob:s3cret", codec=PLAIN).status_code == 409
    assert caller.pull("/auth", b"ann:wrong", codec=PLAIN).status_code == 401
    assert caller.is_well()
    assert len(backend.asked) == 4


ANSWERS = {
    "busy": answer("503 Busy"),
    "not found": answer("404 Not Found"),
    "error": answer("500 Oops"),
    "no JSON": answer("200 OK", b"ann"),
    "a list": answer("200 OK", b"[]"),
    "no id": answer("200 OK", b'{"vars":{}}'),
    "an empty id": answer("200 OK", b'{"id":""}'),
    "a long id": answer("200 OK", b'{"id":"%s"}' % (b"x" * 300)),
    "two ids": answer("200 OK", b'{"id":"ann","id":"bob"}'),
    "odd vars": answer("200 OK", b'{"id":"ann","vars":7}'),
    "long vars": answer("200 OK", b'{"id":"ann","vars":{"a":"%s"}}' % (b"x" * 5000)),
    "an odd ttl": answer("200 OK", b'{"id":"ann","ttl":"1h"}'),
    "no ttl": answer("200 OK", b'{"id":"ann","ttl":0}'),
    "a long answer": answer("200 OK", b'{"id":"ann","x":"%s"}' % (b"x" * 20000)),
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_another_answer_lets_nobody_in(backend, start, name):
    backend.answers["check"] = lambda _: ANSWERS[name]
    server = start(in_server="auth_limit 2/1m; auth_timeout 500ms;")

    if name == "half":
        caller = Browser(server)
        assert caller.ask("GET", "/who", Authorization="Bearer x").code == 503
        return
    for _ in range(3):  # which is no wrong attempt
        assert let_in(server)[1] == 503
    server.wait_for_log("auth-failed", "outcome=unanswered", count=3)


def test_a_backend_that_is_not_there_lets_nobody_in(backend, start):
    backend.close()

    assert let_in(start())[1] == 503


def test_wrong_attempts_are_limited(backend, start):
    server = start(in_server="auth_limit 3/1m;")

    assert [let_in(server, b"ann:%d" % i)[1] for i in range(5)] == [401, 401, 401, 429, 429]
    assert len(backend.asked) == 3


def test_who_is_in_a_file_is_not_asked_for(backend, start, make_server, tmp_path):
    (tmp_path / "tokens").write_text("")
    server = start(in_server=f"auth token file={tmp_path}/tokens;")

    # Those that look like "id:secret" are the file's.
    assert let_in(server, b"ann:s3cret")[1] == 401
    assert backend.asked == []
    backend.answers["check"] = lambda _: answer("200 OK", b'{"id":"bearer"}')
    caller, code = let_in(server, b"opaque")
    assert (code, caller.pull("/who").body) == (200, b"bearer,pull,")


def test_a_backend_that_speaks_teleport(make_server, start):
    back = make_server("""peer { server { listen 127.0.0.1:$PORT;
        pull /v1/check { return 200 "" "{\\"id\\":\\"eve\\",\\"vars\\":{\\"role\\":\\"admin\\"}}"; } } }
        """.replace('200 ""', "200")).start()
    server = start(f"127.0.0.1:{back.port()}")

    wait_until(lambda: let_in(server)[1] == 200, "it is connected")
    caller, _ = let_in(server)
    assert caller.pull("/who").body == b"eve,pull,admin"


def test_an_upstream_of_several(backend, start):
    server = start("checkers", in_peer=f"""upstream checkers {{ server http://127.0.0.1:1;
        server {backend.url}; }}""")

    assert [let_in(server)[1] for _ in range(4)] == [200] * 4


def test_many_at_once(backend, start):
    server = start(in_server="auth_limit off; auth_cache 0s;")
    callers = [Caller(server) for _ in range(50)]

    for number, caller in enumerate(callers):
        caller.send(Packet(uri="/auth", body=b"n%d:s3cret" % number, codec=PLAIN))
    assert [caller.receive().status_code for caller in callers] == [200] * 50


WRONG = [
    ("auth pull;", "wants the name of an upstream and a uri"),
    ("auth pull 127.0.0.1:1;", "wants the name of an upstream and a uri"),
    ("auth pull 127.0.0.1:1 check;", "wants the name of an upstream and a uri"),
    ("auth pull nobody /check;", 'no upstream "nobody"'),
    ("auth pull 127.0.0.1:1 /x file=y;", '"pull" has no "file="'),
    ("auth pull 127.0.0.1:1 /x; auth pull 127.0.0.1:2 /x;", 'there is one "pull" only'),
    ("auth certificate 127.0.0.1:1;", '"certificate" has no "127.0.0.1:1"'),
    ("auth pull 127.0.0.1:1 /x; satisfy all;", "wants a certificate"),
]


@pytest.mark.parametrize("text, words", WRONG, ids=[text for text, _ in WRONG])
def test_mistakes_are_told(make_server, text, words):
    server = make_server(f"""peer {{ server {{ listen 127.0.0.1:$PORT; {text}
        pull /x {{ echo; }} }} }}""")
    code, _, told = server.run("-t")

    assert (code, words in told) == (1, True), told

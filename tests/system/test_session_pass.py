"""`session_pass`: a backend reaches the sessions of clients."""
import base64
import hashlib
import hmac
import json
import threading
import zlib

import pytest

from harness import family
from harness.http import Browser
from harness.wire25 import PLAIN, PUSH, REPLY, Caller, Packet, whole_gzip

CONF = """
worker_processes 2;
peer {
    IN_PEER
    server {
        listen 127.0.0.1:$PORT;
        pull /i { session_id $arg_id; }
        pull /echo { echo; }
        IN_SERVER
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /session/* { session_pass; IN_ROUTE }
        push /session/* { session_pass; }
        pull /exact { session_pass; }
    }
}
"""


@pytest.fixture(name="server")
def a_server(make_server):
    def start(in_route="", in_peer="", in_server=""):
        return make_server(CONF.replace("IN_PEER", in_peer).replace("IN_ROUTE", in_route)
                           .replace("IN_SERVER", in_server)).start()
    return start


def client(server, name="lamp", protocol=None):
    """A session that has this id."""
    if protocol is None:
        caller = Caller(server)
        assert caller.pull(f"/i?id={name}").status_code == 200
    else:
        caller = family.Caller(server, protocol)
        assert caller.call(f"/i?id={name}").outcome()[0] == 0
    return caller


def asked(backend, uri, device, answer, **fields):
    """What the device is asked, and what the backend gets for its answer."""
    backend.send(Packet(uri=uri, seq=77, **fields))
    pull = device.receive()
    device.send(Packet(type=REPLY, seq=pull.seq, uri=pull.uri, **answer))
    return pull, backend.receive()


def test_a_session_is_asked_and_its_answer_comes_back(server):
    teleport = server()
    lamp = client(teleport)
    backends = [Caller(teleport, "$PORT2") for _ in range(8)]

    for backend in backends:  # of both workers
        pull, reply = asked(backend, "/session/lamp/light/on?x=%201&y#z", lamp,
                            {"status_code": 200, "status": "OK", "body": b'"done"'}, body=b"[7]")
        assert (pull.uri, pull.body, pull.codec) == ("/light/on?x=%201&y", b"[7]", b"j")
        assert (reply.seq, reply.outcome(), reply.body) == (77, (200, "OK"), b'"done"')


def test_its_status_and_codec_come_back(server):
    teleport = server()
    _, reply = asked(Caller(teleport, "$PORT2"), "/session/lamp/x", client(teleport),
                     {"status_code": 1001, "status": "too dark", "body": b"x=1", "codec": b"f"})

    assert (reply.outcome(), reply.codec, reply.body) == ((1001, "too dark"), b"f", b"x=1")


@pytest.mark.parametrize("written, name", [
    ("a%2Fb", "a%2Fb"), ("%6Camp", "lamp"), ("l+amp", "l%2Bamp"), ("%C3%A9", "%C3%A9")])
def test_an_id_is_decoded(server, written, name):
    teleport = server()
    pull, _ = asked(Caller(teleport, "$PORT2"), f"/sess%69on/{written}/x/y", client(teleport, name),
                    {"status_code": 200})

    assert pull.uri == "/x/y"


def inflated(data):
    return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data)


def test_a_level_of_gzip_that_is_none_is_answered_as_any(server):
    teleport = server()
    lamp = client(teleport)
    text = json.dumps("x" * 5000).encode()

    for level in (100, 256, -5) * 4:  # to backends of both workers
        pull, reply = asked(Caller(teleport, "$PORT2"), "/session/lamp/x", lamp,
                            {"status_code": 200, "body": whole_gzip(text), "gzip": level},
                            body=whole_gzip(text), gzip=level)
        for packet in (pull, reply):
            assert (inflated(packet.body) if packet.gzip != 0 else packet.body) == text
        assert pull.gzip != 0


def test_metadata_crosses_both_ways(server):
    teleport = server()
    lamp = client(teleport, protocol="raw")
    browser = Browser(teleport, "$PORT2")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(browser.ask(
        "POST", "/session/lamp/x", b"1", X_Trace="a b", Authorization="Bearer backend",
        Cookie="a=b", Content_Type="application/json")))
    thread.start()
    call = lamp.receive()
    lamp.send(family.Packet(type=2, seq=call.seq, status="code=0", meta="X-Light=on%20now",
                            codec=ord("j"), body=b"2"))
    thread.join()

    assert (call.method, call.body, "X-Trace=a%20b" in call.meta) == ("/x", b"1", True)
    assert "backend" not in call.meta and "ookie" not in call.meta
    assert (answers[0].code, answers[0].body, answers[0].get("X-Light")) == (200, b"2", "on now")


def test_a_push_reaches_it(server):
    teleport = server()
    lamp = client(teleport)

    Caller(teleport, "$PORT2").send(Packet(type=PUSH, uri="/session/lamp/news", body=b'"x"'))
    push = lamp.receive()
    assert (push.type, push.uri, push.body) == (PUSH, "/news", b'"x"')


def test_nobody_of_that_id_is_404(server):
    teleport = server()
    backend = Caller(teleport, "$PORT2")

    assert backend.pull("/session/nobody/x").status_code == 404
    assert backend.pull(f"/session/{'x' * 100}/x").status_code == 404
    lamp = client(teleport)
    lamp.close()
    assert Browser(teleport, "$PORT2").ask("GET", "/session/nobody/x").body == \
        b'{"code":404,"msg":"Not Found","cause":"no session has this id"}'


@pytest.mark.parametrize("uri", ["/session/lamp", "/session/lamp?x=/y", "/session//x", "/exact"])
def test_what_names_no_session_and_uri_is_400(server, uri):
    assert Caller(server(), "$PORT2").pull(uri).status_code == 400


def test_who_does_not_answer_in_time_is_504(server):
    teleport = server(in_route="session_pass_timeout 50ms;")
    lamp = client(teleport)

    assert Caller(teleport, "$PORT2").pull("/session/lamp/x").status_code == 504
    lamp.receive()


def test_a_session_that_ends_is_502(server):
    teleport = server()
    lamp = client(teleport)
    backend = Caller(teleport, "$PORT2")

    backend.send(Packet(uri="/session/lamp/x"))
    lamp.receive()
    lamp.close()
    assert backend.receive().status_code == 502


def test_no_more_are_under_way_than_may_be(server):
    teleport = server(in_route="session_pass_pulls 2;")
    lamp = client(teleport)
    backend = Caller(teleport, "$PORT2")

    backend.send(*[Packet(uri="/session/lamp/x", seq=i) for i in range(3)])
    assert (backend.receive().outcome()) == (503, "Service Unavailable")
    for pull in lamp.receive_many(2):
        lamp.send(Packet(type=REPLY, seq=pull.seq, status_code=200))
    assert [reply.status_code for reply in backend.receive_many(2)] == [200, 200]


def test_a_backend_that_has_gone_harms_nobody(server):
    teleport = server()
    lamp = client(teleport)
    backend = Caller(teleport, "$PORT2")

    backend.send(Packet(uri="/session/lamp/x"))
    pull = lamp.receive()
    backend.close()
    lamp.send(Packet(type=REPLY, seq=pull.seq, status_code=200))
    assert lamp.is_well()


def test_a_reload_leaves_what_is_under_way(server):
    teleport = server()
    lamp = client(teleport)
    backend = Caller(teleport, "$PORT2")

    backend.send(Packet(uri="/session/lamp/x"))
    pull = lamp.receive()
    teleport.write_conf(teleport.conf_path.read_text().replace("pull /exact { session_pass; }", ""),
                        preamble="")
    assert teleport.ask("reload")[0] == "ok"
    lamp.send(Packet(type=REPLY, seq=pull.seq, status_code=200))
    assert backend.receive().status_code == 200


def jwt(claims, key):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = part(b'{"alg":"HS256"}') + b"." + part(json.dumps(claims).encode())
    return signed + b"." + part(hmac.new(key, signed, hashlib.sha256).digest())


def test_only_who_may_reaches_one(make_server, tmp_path):
    key = b"a key of thirty-two bytes or more"
    (tmp_path / "key").write_bytes(key)
    teleport = make_server(CONF.replace("IN_PEER", "").replace("IN_SERVER", "").replace(
        "IN_ROUTE", "require claim role=backend;").replace(
        "listen 127.0.0.1:$PORT2;",
        f"listen 127.0.0.1:$PORT2; auth jwt key={tmp_path}/key alg=HS256;")).start()
    lamp = client(teleport)
    backends = {}

    for role in ("backend", "guest"):
        backends[role] = Caller(teleport, "$PORT2")
        proof = jwt({"sub": role, "role": role}, key)
        assert backends[role].pull("/auth", proof, codec=PLAIN).status_code == 200
    assert backends["guest"].pull("/session/lamp/x").status_code == 403
    _, reply = asked(backends["backend"], "/session/lamp/x", lamp, {"status_code": 200})
    assert reply.status_code == 200


WRONG = [
    ("pull /x/* { session_pass 7; }", "session_pass"),
    ("pull /x/* { session_pass; echo; }", "handler"),
    ("session_pass;", "session_pass"),
    ("session_pass_timeout 0;", "session_pass_timeout"),
    ("session_pass_pulls none;", "session_pass_pulls"),
]


@pytest.mark.parametrize("text, words", WRONG, ids=[text for text, _ in WRONG])
def test_mistakes_are_told(make_server, text, words):
    server = make_server(f"peer {{ server {{ listen 127.0.0.1:$PORT; {text} }} }}")
    code, _, told = server.run("-t")

    assert (code, words in told) == (1, True), told

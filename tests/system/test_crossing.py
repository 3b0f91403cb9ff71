"""What crosses from one protocol to another when it is passed on: bodies, codecs, gzip, metadata,
statuses."""
import gzip
import zlib

import pytest

from harness import family
from harness.http import Browser
from harness.wait import wait_until
from harness.wire25 import PLAIN, Caller, go_gzip

BODY = b'"' + b"teleport" * 1000 + b'"'

BACK = """
worker_processes 1;
peer {
    access_log logs/access.log format="$bytes_received" flush=10ms;
    server {
        listen 127.0.0.1:$PORT;
        pull /echo { echo; }
        pull /sum { sum; }
        pull /own { return 1001 "no such sum"; }
        pull /seen { return 200 "$meta_x_trace|$meta_x_real_ip|$meta_x_session_id"; }
    }
}
"""


@pytest.fixture(name="front")
def a_front(make_server):
    """A front whose backend is asked in this protocol; the backend is `front.back`."""
    started = []

    def start(protocol, route=""):
        back = make_server(BACK).start()
        front = make_server(f"""
            worker_processes 1;
            peer {{ server {{ listen 127.0.0.1:$PORT;
                pull * {{ proxy_pass {protocol}127.0.0.1:{back.port()}; {route} }} }} }}""").start()
        front.back = back
        started.append(front)
        return front

    yield start
    for front in started:
        front.disconnect()


BACKENDS = ["", "raw://", "json://", "protobuf://", "ws://", "http://"]
FAMILY = ["raw", "json", "protobuf"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_body_and_its_codec_cross(front, backend):
    server = front(backend)

    reply = Caller(server).pull("/sum", b"[1,2]")
    assert (reply.outcome(), reply.codec, reply.body) == ((200, "OK"), b"j", b"3")
    for protocol in FAMILY:
        answer = family.Caller(server, protocol).call("/sum", b"[1,2]")
        assert (answer.outcome()[0], answer.codec, answer.body) == (0, ord("j"), b"3")
    response = Browser(server).ask("POST", "/sum", b"[1,2]", Content_Type="application/json")
    assert (response.code, response.body, response.get("Content-Type")) == (
        200, b"3", "application/json")


@pytest.mark.parametrize("backend", BACKENDS)
def test_statuses_cross(front, backend):
    server = front(backend)

    assert Caller(server).pull("/own").outcome() == (1001, "no such sum")
    assert Caller(server).pull("/nowhere").outcome() == (404, "Not Found")
    assert family.Caller(server).call("/own").outcome()[:2] == (1001, "no such sum")
    response = Browser(server).ask("GET", "/own")
    assert (response.code, response.body) == (500, b'{"code":1001,"msg":"no such sum"}')


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_deflated_body_of_teleport_crosses(front, backend):
    server = front(backend)
    reply = Caller(server).pull("/echo", go_gzip(BODY), gzip=5)

    assert reply.gzip == 5
    assert zlib.decompressobj(31).decompress(reply.body) == BODY


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("protocol", FAMILY)
def test_a_filter_crosses(front, backend, protocol):
    reply = family.Caller(front(backend), protocol).call("/echo", BODY, filters=b"g")

    assert (reply.filters, reply.body) == (b"g", BODY)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_deflated_request_crosses(front, backend):
    response = Browser(front(backend)).ask("POST", "/echo", gzip.compress(BODY),
                                           Content_Type="application/json",
                                           Content_Encoding="gzip", Accept_Encoding="gzip")

    assert response.get("Content-Encoding") == "gzip"
    assert gzip.decompress(response.body) == BODY


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_was_deflated_is_sent_so(front, backend):
    server = front(backend)
    log = server.back.prefix / "logs/access.log"

    Caller(server).pull("/echo", go_gzip(BODY), gzip=5)
    family.Caller(server).call("/echo", BODY, filters=b"g")
    lines = wait_until(lambda: log.exists() and len(log.read_text().split()) == 2
                       and log.read_text().split(), "both are logged")
    assert [int(line) < 1000 for line in lines] == [True, True], lines


@pytest.mark.parametrize("backend", BACKENDS)
def test_metadata_crosses_where_there_is_any(front, backend):
    server = front(backend)
    meta = b"X-Trace=a%20b&X-Real-IP=6.6.6.6&x_session_id=root"
    # Nobody who connects may say for whom it speaks: a Teleport backend does not believe the front.
    seen = b"||" if backend == "" else b"a b||"

    assert family.Caller(server).call("/seen", meta=meta).body == seen
    assert Browser(server).ask("GET", "/seen", X_Trace="a b", X_Real_IP="6.6.6.6",
                               X_Session_Id="root").body == seen


def test_plain_bytes_cross(front):
    body = bytes(range(256)) * 4
    server = front("http://")

    assert Caller(server).pull("/echo", body, codec=PLAIN).body == body
    assert family.Caller(server).call("/echo", body, codec=ord("s")).body == body

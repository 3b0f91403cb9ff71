"""HTTP: what curl, browsers and later Teleports get, and what becomes of a hostile client."""
import gzip
import json
import socket
import subprocess

import pytest

from harness.http import Browser, chunked, request
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import Caller

CONF = """
worker_processes 1;
error_log logs/error.log info;
peer {
    access_log logs/access.log flush=10ms format="$type $seq $uri $status $protocol $meta_user_agent";
    packet_limit 64k;
    http_header_limit 2k;
    http_header_fields 20;
    pull /echo { echo; }
    pull /math/add { sum; }
    pull /hello { return 200 "hi $arg_who from $meta_user_agent"; }
    pull /ip { return 200 "[$meta_x_real_ip$meta_x_session_id]"; }
    pull /small { echo; reply_gzip 9; }
    pull /plain { echo; reply_gzip off; }
    pull /trace { return 200 "$meta_x_trace"; }
    pull /fail { return 1001 "no such sum"; }
    pull /busy { return 429; }
    pull /page { return 404 "" "<p>nothing</p>"; }
    pull /gone { return 204; }
    pull /slow { sleep 100ms; }
    pull /later { sleep 10ms; }
    server { listen 127.0.0.1:$PORT; }
    server { listen 127.0.0.1:$PORT2; allow_origin https://a.example; }
    server { listen 127.0.0.1:$PORT3 protocol=http; packet_timeout 200ms; }
}
"""


@pytest.fixture(name="server")
def http_server(start_server):
    return start_server(CONF)


@pytest.fixture(name="browser")
def browser_of_the_server(server):
    return Browser(server)


def curl(*arguments):
    """(what it printed, its exit code)."""
    ended = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_SECONDS), *arguments],
                           check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return ended.stdout, ended.returncode


def url(server, path, port="$PORT"):
    return f"http://127.0.0.1:{server.port(port)}{path}"


# curl knows nothing of Teleport


def test_curl_adds_up(server):
    add = url(server, "/math/add")
    assert curl("--json", "[1,2]", add) == (b"3", 0)
    assert curl("-H", "Content-Type: application/json", "-d", "[1,2]", add) == (b"3", 0)
    assert curl("-H", "Content-Type: application/json", "-H", "Transfer-Encoding: chunked",
                "-d", "[1,2]", add) == (b"3", 0)
    assert curl("--http1.0", "--json", "[1,2]", add) == (b"3", 0)
    assert curl("--http2", "--json", "[1,2]", add) == (b"3", 0)


def test_curl_gets_and_looks(server):
    assert curl("-A", "me", url(server, "/hello?who=ann")) == (b"hi ann from me", 0)
    head, code = curl("-I", "-A", "me", url(server, "/hello?who=ann"))
    assert code == 0
    assert b"HTTP/1.1 200 OK\r\n" in head and b"Content-Length: 14\r\n" in head


def test_curl_sees_statuses(server):
    body, code = curl("-w", " %{http_code} %{content_type}", url(server, "/fail"))
    assert (body, code) == (b'{"code":1001,"msg":"no such sum"} 500 application/json', 0)
    assert curl("-f", url(server, "/nowhere"))[1] == 22
    assert curl("-w", " %{http_code}", url(server, "/page")) == (b"<p>nothing</p> 404", 0)


def test_curl_keeps_the_connection(server):
    body, _ = curl("-w", " %{num_connects} ", *[url(server, "/hello?who=x")] * 3, "-A", "me")
    assert body == b"hi x from me 1 hi x from me 0 hi x from me 0 "


def test_curl_waits_to_be_asked_for_a_large_body(server, tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 60000)
    body, code = curl("-H", "Expect: 100-continue", "--data-binary", f"@{tmp_path}/large", "-v",
                      "-o", str(tmp_path / "out"), url(server, "/echo"))
    assert code == 0
    assert b"< HTTP/1.1 100 Continue" in body
    assert (tmp_path / "out").read_bytes() == b"x" * 60000


def test_curl_is_told_that_a_body_is_too_large(server, tmp_path):
    """It is still sending then: the answer must not be lost to a reset."""
    (tmp_path / "large").write_bytes(b"x" * 10000000)
    for expect in ("Expect:", "Expect: 100-continue"):
        for coding in ("X-A: 1", "Transfer-Encoding: chunked"):
            body, _ = curl("-w", " %{http_code}", "-H", expect, "-H", coding, "--data-binary",
                           f"@{tmp_path}/large", url(server, "/echo"))
            assert body.endswith(b" 413"), (expect, coding)


def test_curl_takes_and_sends_deflated_bodies(server, tmp_path):
    text = json.dumps("x" * 5000).encode()
    (tmp_path / "text").write_bytes(text)
    (tmp_path / "deflated").write_bytes(gzip.compress(text))
    assert curl("--compressed", "--json", f"@{tmp_path}/text",
                url(server, "/echo", "$PORT2"))[0] == text
    head, _ = curl("--compressed", "-D", "-", "-o", str(tmp_path / "out"), "--json",
                   f"@{tmp_path}/text", url(server, "/echo", "$PORT2"))
    assert b"Content-Encoding: gzip\r\n" in head and b"gzip-1" in head
    assert b"gzip-9" in curl("--compressed", "-D", "-", "-o", str(tmp_path / "out"), "--json",
                             f"@{tmp_path}/text", url(server, "/small"))[0]
    assert b"gzip" not in curl("--compressed", "-D", "-", "-o", str(tmp_path / "out"), "--json",
                               f"@{tmp_path}/text", url(server, "/plain"))[0]
    deflated = ("--json", "@" + str(tmp_path / "deflated"), "-H", "Content-Encoding: gzip")
    assert curl(*deflated, url(server, "/echo"))[0] == text, "who takes no gzip gets none"
    (tmp_path / "sum").write_bytes(gzip.compress(b"[1,2]"))
    assert curl("--json", f"@{tmp_path}/sum", "-H", "Content-Encoding: gzip",
                url(server, "/math/add"))[0] == b"3"


# One connection


def test_requests_share_a_connection(browser):
    for number in range(3):
        assert browser.ask("POST", "/echo", str(number).encode()).body == str(number).encode()
    assert browser.ask("HEAD", "/echo").code == 200
    assert browser.ask("GET", "/fail").code == 500
    assert browser.ask("GET", "/gone").code == 204
    assert browser.ask("PUT", "/echo", b"x").code == 405
    assert browser.ask("POST", "/echo", b"last", Connection="close").get("Connection") == "close"
    assert browser.is_ended()


def test_pipelined_requests_are_answered_in_their_order(browser):
    browser.send(request("GET", "/slow"), request("POST", "/echo", b"2"), request("GET", "/later"),
                 request("BREW", "/x"), request("POST", "/echo", b"5"), b"broken\r\n\r\n")
    responses = browser.receive_all()
    assert [response.code for response in responses] == [200, 200, 200, 501, 200, 400]
    assert [responses[1].body, responses[4].body] == [b"2", b"5"]


def test_bytes_may_come_one_by_one(browser):
    data = request("POST", "/echo", Transfer_Encoding="chunked") + chunked(b"ab", b"c")
    for byte in data + b"\r\n" + data:
        browser.send(bytes([byte]))
    assert [browser.receive().body, browser.receive().body] == [b"abc", b"abc"]


def test_many_small_chunks_are_one_body(browser):
    browser.send(request("POST", "/echo", Transfer_Encoding="chunked"),
                 chunked(*[b"%04d" % number for number in range(1000)], trailer=b"X-A: b\r\n"))
    assert browser.receive().body == b"".join(b"%04d" % number for number in range(1000))


def test_what_was_asked_is_answered_though_the_client_sends_no_more(server, browser):
    browser.send(request("GET", "/slow"), request("POST", "/echo", b"x"))
    browser.end_sending()
    assert [response.code for response in browser.receive_all()] == [200, 200]
    assert server.wait_for_log("session-closed")["details"].endswith("reason=peer-closed")


def test_a_request_that_does_not_end_is_not_waited_for(server):
    browser = Browser(server, "$PORT3")
    browser.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    assert browser.is_ended()
    assert "reason=packet-timeout" in server.wait_for_log("session-closed")["details"]


def test_a_port_of_all_tongues_serves_both(server):
    assert Browser(server).ask("POST", "/echo", b"x").body == b"x"
    assert Caller(server).is_well()


# Who is asked, and how


def test_forms_and_codecs(browser):
    reply = browser.ask("POST", "/echo", b"a=b", Content_Type="application/x-www-form-urlencoded")
    assert (reply.get("Content-Type"), reply.body) == ("application/x-www-form-urlencoded", b"a=b")
    reply = browser.ask("POST", "/echo", b"\0\1", Content_Type="application/x-protobuf")
    assert (reply.get("Content-Type"), reply.body) == ("application/x-protobuf", b"\0\1")
    assert browser.ask("POST", "/math/add", b"[1,2]", Content_Type="text/plain").code == 415
    assert browser.ask("POST", "/math/add", b"[1,", Content_Type="application/json").code == 400


def test_a_client_does_not_say_who_it_is(browser):
    reply = browser.ask("GET", "/ip", X_Real_IP="10.0.0.1", X_Session_Id="7", x_real_ip="10.0.0.2")
    assert reply.body == b"[]"
    # As a template spells it, which is how some gateways would pass it on.
    browser.send(b"GET /ip HTTP/1.1\r\nHost: a\r\nX_Real_IP: 10.0.0.3\r\nx_Session-ID: 8\r\n\r\n")
    assert browser.receive().body == b"[]"


def test_metadata_is_what_the_headers_say(browser, server):
    assert browser.ask("GET", "/trace", x_tRACE="a b&c").body == b"a b&c"
    browser.ask("GET", "/hello", User_Agent="tester")
    wait_until(lambda: "PULL 2 /hello 200 http tester" in server.log("logs/access.log"))


def test_later_teleports_get_what_they_know(browser):
    """Without a Host, as they send it."""
    reply = browser.ask("POST", "/math/add", b"[1,2]", host=None, X_Seq=41, X_Mtype=1,
                        Content_Type="application/json")
    assert (reply.code, reply.get("X-Seq"), reply.get("X-Mtype"), reply.body) == (200, "41", "2", b"3")
    reply = browser.ask("POST", "/fail", b"[1,2]", host=None, X_Seq=42, X_Mtype=1)
    assert (reply.code, reply.reason) == (299, "Business Error")
    assert json.loads(reply.body) == {"code": 1001, "msg": "no such sum"}
    assert reply.get("X-Seq") == "42"
    body = json.dumps("x" * 1000).encode()
    reply = browser.ask("POST", "/echo", gzip.compress(body), host=None, X_Seq=43, X_Mtype=1,
                        Content_Type="application/json", Content_Encoding="gzip",
                        X_Content_Encoding="gzip-3")
    assert (reply.get("Content-Encoding"), reply.get("X-Content-Encoding")) == ("gzip", "gzip-3")
    assert gzip.decompress(reply.body) == body


def test_options_and_pages_of_other_origins(server):
    browser = Browser(server, "$PORT2")
    reply = browser.ask("OPTIONS", "/echo", Origin="https://a.example",
                        Access_Control_Request_Method="POST",
                        Access_Control_Request_Headers="content-type, x-trace")
    assert (reply.code, reply.get("Access-Control-Allow-Origin")) == (204, "https://a.example")
    assert reply.get("Access-Control-Allow-Methods") == "GET, HEAD, POST, OPTIONS"
    assert reply.get("Access-Control-Allow-Headers") == "*, Authorization"
    assert reply.get("Vary") == "Origin"
    reply = browser.ask("POST", "/echo", b"x", Origin="https://a.example")
    assert (reply.body, reply.get("Access-Control-Allow-Origin")) == (b"x", "https://a.example")
    assert browser.ask("POST", "/echo", b"x", Origin="https://evil.example").code == 403
    assert browser.ask("OPTIONS", "/echo", Origin="https://evil.example").code == 403
    own = browser.ask("POST", "/echo", b"x", host="b.example", Origin="https://b.example")
    assert (own.code, own.get("Access-Control-Allow-Origin")) == (200, None)
    assert browser.ask("POST", "/echo", b"x").code == 200


def test_a_change_of_allowed_origins_reaches_open_connections(server):
    browser = Browser(server, "$PORT2")
    assert browser.ask("GET", "/hello", Origin="https://b.example").code == 403
    server.write_conf(CONF.replace("a.example", "b.example"))
    assert server.reload()[0] == 0
    wait_until(lambda: browser.ask("GET", "/hello", Origin="https://b.example").code == 200,
               "the session has moved on")
    assert browser.ask("GET", "/hello", Origin="https://a.example").code == 403


# Hostile clients: each line is a way to make two readers of one connection disagree

SMUGGLED = request("GET", "/hello?who=smuggled")

HOSTILE = {
    "two lengths": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                         b"Content-Length: 60\r\n\r\n"),
    "the same length twice": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                                   b"Content-Length: 0\r\n\r\n"),
    "a list of lengths": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n"),
    "length and chunks": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunks and length": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                               b"Content-Length: 5\r\n\r\n0\r\n\r\n"),
    "a length with a sign": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n"),
    "a hexadecimal length": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n"),
    "an endless length": (413, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                               b"Content-Length: 18446744073709551616\r\n\r\n"),
    "chunks after gzip": (501, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                               b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "chunked twice": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunked and something": (501, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                                   b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    "chunked with a tab in front": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                                         b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
    "a space before the colon": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                                      b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    "chunks in HTTP/1.0": (400, b"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\n"
                                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "bare LF": (400, b"GET /hello HTTP/1.1\nHost: a\n\n"),
    "one bare LF": (400, b"GET /hello HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    "bare CR": (400, b"GET /hello HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
    "a folded line": (400, b"GET /hello HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
    "a folded first line": (400, b"GET /hello HTTP/1.1\r\n Host: a\r\n\r\n"),
    "a line without a colon": (400, b"GET /hello HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"),
    "a zero byte": (400, b"GET /hello HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
    "no host": (400, b"GET /hello HTTP/1.1\r\n\r\n"),
    "two hosts": (400, b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "a bad host": (400, b"GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "two spaces": (400, b"GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a space in the target": (400, b"GET /hello there HTTP/1.1\r\nHost: a\r\n\r\n"),
    "another version": (505, b"GET /hello HTTP/2.0\r\nHost: a\r\n\r\n"),
    "no version": (400, b"GET /hello\r\n\r\n"),
    "a bad chunk size": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                              b"\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk size": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                                   b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk that is longer": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                                    b"Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"),
    "a chunk line with LF": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                                  b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
    "a bad trailer": (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                           b"\r\n0\r\nX y\r\n\r\n"),
    "a huge chunk": (413, b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                          b"\r\nffffffff\r\n"),
    "a long head": (431, b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 3000 + b"\r\n\r\n"),
    "a long target": (431, b"GET /" + b"y" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "many fields": (431, b"GET /hello HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 30 + b"\r\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_is_refused_and_nothing_behind_it_is_read(server, name):
    code, data = HOSTILE[name]
    other = Browser(server)
    assert other.ask("POST", "/echo", b"x").code == 200
    browser = Browser(server)
    browser.send(request("POST", "/echo", b"first"), data, SMUGGLED)
    responses = browser.receive_all()
    assert [response.code for response in responses] == [200, code], responses
    assert responses[1].get("Connection") == "close"
    assert json.loads(responses[1].body)["code"] == code
    assert other.ask("POST", "/echo", b"x").code == 200, "nothing changes for others"


def test_http_2_is_closed_with_a_reason(server):
    browser = Browser(server)
    browser.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert browser.is_ended()
    assert "HTTP/2 is not spoken here" in server.wait_for_log("input-refused")["details"]


def test_what_is_no_http_is_refused_where_nothing_is_guessed(server):
    browser = Browser(server, "$PORT3")
    browser.send(b"\x00\x00\x00\x10pgarbage\r\n\r\n")
    assert [response.code for response in browser.receive_all()] == [400]


def test_a_reset_in_the_middle_harms_nobody(server):
    for data in (b"G", b"GET / HT", request("POST", "/echo", b"x" * 100)[:-50],
                 request("POST", "/echo", Transfer_Encoding="chunked") + b"5\r\nhe",
                 request("GET", "/slow")):
        browser = Browser(server)
        browser.send(data)
        browser.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        browser.close()
    assert Browser(server).ask("POST", "/echo", b"x").body == b"x"


# Reload and restart


def test_a_reload_in_the_middle_of_a_request(server, browser):
    data = request("POST", "/echo", b"x" * 1000)
    browser.send(data[:500])
    server.write_conf(CONF.replace("no such sum", "changed"))
    assert server.reload()[0] == 0
    browser.send(data[500:])
    assert browser.receive().body == b"x" * 1000
    assert b"changed" in browser.ask("GET", "/fail").body


# What is asked behind a request waits for its answer

UPGRADE = (b"GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
LARGE = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"


def read_until(connection, end):
    heard = b""
    while not heard.endswith(end):
        more = connection.recv(65536)
        assert more, heard
        heard += more
    return heard


@pytest.mark.parametrize("path", ["/echo", "/slow"])
def test_an_upgrade_behind_a_request_waits_for_its_answer(server, path):
    first = f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi".encode()
    with socket.create_connection(("127.0.0.1", server.port())) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(first + UPGRADE)
        heard = read_until(connection, b"\r\n\r\n")

    assert heard.startswith(b"HTTP/1.1 200 ")
    assert heard.count(b"HTTP/1.1 ") == 2 and b"HTTP/1.1 101 " in heard


@pytest.mark.parametrize("path", ["/echo", "/slow"])
def test_who_waits_to_be_asked_is_asked_after_the_answer_before(server, path):
    first = f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi".encode()
    with socket.create_connection(("127.0.0.1", server.port())) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(first + LARGE)
        heard = read_until(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        assert heard.startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"body")
        assert read_until(connection, b"body").startswith(b"HTTP/1.1 200 ")

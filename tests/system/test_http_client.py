"""Who dials HTTP: what is asked of a server of any make, and what its answers mean."""
import gzip
import json
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from harness.http import chunked
from harness.teleport import BINARY
from harness.wait import PATIENCE_SECONDS

TP = str(Path(BINARY).parent / "tp")


class Server:
    """Answers one connection with what it was told, and keeps what it was asked."""

    def __init__(self, *answers, closes=False):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked = []
        self.thread = threading.Thread(target=self._run, args=(answers, closes), daemon=True)
        self.thread.start()

    def _run(self, answers, closes):
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(PATIENCE_SECONDS)
            for answer in answers:
                self.asked.append(self._read(connection))
                for piece in answer if isinstance(answer, list) else [answer]:
                    connection.sendall(piece)
            while not closes and connection.recv(65536):
                pass

    @staticmethod
    def _read(connection):
        """A request whose body has a length; returns (its lines, the body)."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = int(next(line for line in lines if line.startswith("Content-Length"))[16:])
        while len(body) < length:
            body += connection.recv(65536)
        return lines, body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.thread.join(PATIENCE_SECONDS)


def tp_pull(address, *arguments):
    """(exit code, the answer as --json tells it)."""
    ended = subprocess.run([TP, "pull", "--json", "-t", "10s", address, *arguments], check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return ended.returncode, json.loads(ended.stdout or b"null")


def answer_of(*answers, closes=False):
    with Server(*answers, closes=closes) as server:
        code, told = tp_pull(f"http://{server.address}", "/x", "[1,2]")
        return code, told


def response(first="200 OK", body=b"", *fields):
    lines = [f"HTTP/1.1 {first}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines + ["", ""]).encode() + body


JSON = "Content-Type: application/json"


def test_a_pull_is_a_post():
    with Server(response("200 OK", b"3", JSON)) as server:
        assert tp_pull(f"http://{server.address}/api/", "/math/add?x=1 2", "[1,2]")[1]["body"] == 3
    lines, body = server.asked[0]
    assert lines[0] == "POST /api/math/add?x=1%202 HTTP/1.1"
    assert f"Host: {server.address}" in lines
    assert {"X-Mtype: 1", JSON, "Content-Length: 5"} < set(lines)
    assert body == b"[1,2]"


def test_a_deflated_body_is_said_to_be():
    with Server(response("200 OK", gzip.compress(b"3"), JSON, "Content-Encoding: gzip")) as server:
        assert tp_pull(f"http://{server.address}", "/x", '"' + "x" * 1000 + '"', "--gzip",
                       "5")[1]["body"] == 3
    lines, body = server.asked[0]
    assert {"Content-Encoding: gzip", "X-Content-Encoding: gzip-5",
            "Accept-Encoding: gzip"} < set(lines)
    assert gzip.decompress(body) == b'"' + b"x" * 1000 + b'"'


ANSWERS = {
    "success": ([response("200 OK", b"[1]", JSON)], 200, [1]),
    "another success": ([response("201 Created", b"[1]", JSON)], 200, [1]),
    "no content": ([b"HTTP/1.1 204 No Content\r\n\r\n"], 200, ""),
    "chunks": ([b"HTTP/1.1 200 OK\r\n" + JSON.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
                + chunked(b"[", b"1]")], 200, [1]),
    "hints before": ([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                      + response("200 OK", b"[1]", JSON)], 200, [1]),
    "a business error": ([response("299 Business Error",
                                   b'{"code":1001,"msg":"no","cause":"why"}', JSON)], 1001, ""),
    "an error in JSON": ([response("500 Oops", b'{"code":1002,"msg":"no"}', JSON)], 1002, ""),
    "an error of others": ([response("404 Not Found", b'"gone"', JSON)], 404, "gone"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_an_answer_means(name):
    answers, status, body = ANSWERS[name]
    code, told = answer_of(*answers)
    assert (code, told["status"]) == (0 if status == 200 else 1, status)
    assert told.get("body") == body


def test_a_body_may_end_with_the_connection():
    with_length = b"HTTP/1.0 200 OK\r\n" + JSON.encode() + b"\r\n\r\n[1]"
    code, told = answer_of([with_length[:20], with_length[20:]], closes=True)
    assert (code, told["body"]) == (0, [1])


BROKEN = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n3",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_loses_the_connection(name):
    code, told = answer_of(BROKEN[name], closes=True)
    assert (code, told["body"]) == (5, "")


def test_our_own_server_is_asked_as_any_other(start_server):
    server = start_server("""
peer {
    server {
        listen 127.0.0.1:$PORT;
        pull /math/add { sum; }
        pull /fail { return 1001 "no such sum"; }
    }
}
""")
    address = f"http://127.0.0.1:{server.port()}"
    assert tp_pull(address, "/math/add", "[1,2]")[1]["body"] == 3
    code, told = tp_pull(address, "/fail")
    assert (code, told["status"], told["text"]) == (1, 1001, "no such sum")
    assert tp_pull(address, "/nowhere")[1]["status"] == 404

"""A protocol of somebody's own: the example of docs/modules.md, built from outside the tree."""
import re
import socket

import pytest

from harness.build import MODULES, ROOT
from harness.wait import PATIENCE_SECONDS
from harness.wire25 import Caller

CONF = """
worker_processes 1;
peer {
    packet_limit 1k;
    pull /math/add { sum; }
    pull /echo     { echo; }
    pull /slow     { sleep 100ms; }
    pull /lines    { return 200 "a\\nb"; }
    pull /wrong    { return 1001 "too bad"; }
    push *         { empty; }
    server { listen 127.0.0.1:$PORT; }
    server { listen 127.0.0.1:$PORT2 protocol=line; }
}
"""


@pytest.fixture(name="server")
def server_with_lines(build, make_server):
    objs, _ = build
    server = make_server(CONF)
    server.binary = str(objs / "teleport")
    return server.start()


def say(server, data, port="$PORT"):
    """All that is answered to these bytes until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", server.port(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


@pytest.mark.parametrize("port", ["$PORT", "$PORT2"])
@pytest.mark.parametrize("line, answer", [
    (b"?7 /math/add [1,2,3]\n", b"=7 200 6\n"),
    (b"?0 /math/add [1,2,3]\r\n", b"=0 200 6\n"),
    (b"?18446744073709551615 /echo a  b\n", b"=18446744073709551615 200 a  b\n"),
    (b"?1 /echo\n", b"=1 200 \n"),
    (b"?1 /echo \n", b"=1 200 \n"),
    (b"?1 /lines\n", b"=1 200 a b\n"),
    (b"?1 /wrong\n", b"=1 1001 too bad\n"),
    (b"?1 /none\n", b"=1 404 Not Found\n"),
    (b"?1\n", b"=1 404 Not Found\n"),
    (b"!1 /anything 5\n?2 /echo x\n", b"=2 200 x\n"),
    (b"=1 200 nobody has asked\n?2 /echo x\n", b"=2 200 x\n"),
    (b"?1 /slow a\n?2 /echo b\n", b"=2 200 b\n=1 200 a\n"),
])
def test_what_is_asked_is_answered(server, port, line, answer):
    assert say(server, line, port) == answer


@pytest.mark.parametrize("line, reason", [
    (b"?\n", "protocol-error"),
    (b"?x /echo\n", "protocol-error"),
    (b"?18446744073709551616 /echo\n", "protocol-error"),
    (b"=1\n", "protocol-error"),
    (b"=1 2147483648 x\n", "protocol-error"),
    (b"?1 /echo x\n\n", "protocol-error"),
    (b"?1 /echo " + b"x" * 1024 + b"\n", "packet-too-large"),
    (b"?1 /echo " + b"x" * 1024, "packet-too-large"),
])
def test_what_is_no_packet_ends_the_session(server, line, reason):
    answer = say(server, line + b"?2 /echo never\n")

    assert b"never" not in answer
    server.wait_for_log("session-closed", f"reason={reason}")


def test_a_line_in_pieces(server):
    with socket.create_connection(("127.0.0.1", server.port()), PATIENCE_SECONDS) as connection:
        for byte in b"?1 /math/add [1,2]\n":
            connection.sendall(bytes([byte]))
        assert connection.recv(100) == b"=1 200 3\n"


def test_others_are_served_beside_it(server):
    assert Caller(server).pull("/math/add", b"[1,2]").body == b"3"


def test_a_dialed_session_speaks_it_too(build, make_server):
    objs, _ = build
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = make_server("""
            worker_processes 1;
            peer {
                pull /math/add { sum; }
                dial 127.0.0.1:%d protocol=line { redial 1s; }
            }
        """ % listener.getsockname()[1])
        server.binary = str(objs / "teleport")
        server.start(is_ready=lambda: True)
        listener.settimeout(PATIENCE_SECONDS)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.sendall(b"?5 /math/add [1,2]\n")
            assert connection.recv(100) == b"=5 200 3\n"


def test_the_manual_shows_what_is_tested():
    source = (MODULES / "line/line.c").read_text()
    manual = (ROOT / "docs/modules.md").read_text()
    chapter = manual.partition("## A protocol of your own")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```c\n(.*?)^```$", chapter, re.M | re.S)

    assert len(blocks) == 4
    for block in blocks:
        assert block in source, block

"""proxy_protocol: who has really connected, said by whom that is trusted, and by nobody else."""
import struct

import pytest

from harness.certificates import SecureCaller
from harness.wait import wait_until
from harness.wire25 import Caller, Packet

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
TEXT = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
TEXT6 = b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n"


def binary(source=(192, 0, 2, 9), port=4242, command=0x21, extension=b""):
    body = bytes(source) + bytes([198, 51, 100, 7]) + struct.pack(">HH", port, 443) + extension
    return SIGNATURE + bytes([command, 0x11]) + struct.pack(">H", len(body)) + body


def conf(more="", listen="proxy_protocol", trusted="proxy_protocol_from 127.0.0.1;"):
    return ("worker_processes 1;\npeer { pull /echo { echo; } "
            'pull /who { return 200 "$remote|$connection_addr"; } '
            f"server {{ listen 127.0.0.1:$PORT {listen}; {trusted} {more} }} }}\n")


def who(server, header, **options):
    caller = Caller(server, **options)
    caller.send(header, Packet(uri="/who"))
    return caller.receive().body.decode()


@pytest.mark.parametrize("header, remote", [
    (TEXT, "192.0.2.1:56324"), (TEXT6, "[2001:db8::7]:56324"), (binary(), "192.0.2.9:4242"),
    (binary(extension=b"\x04\x00\x10" + bytes(16)), "192.0.2.9:4242")])
def test_the_header_says_who_has_connected(start_server, header, remote):
    server = start_server(conf())

    assert who(server, header) == f"{remote}|127.0.0.1"


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", binary(command=0x20)])
def test_a_proxy_may_speak_for_itself(start_server, header):
    server = start_server(conf())

    remote, connection = who(server, header).split("|")
    assert remote.startswith("127.0.0.1:") and connection == "127.0.0.1"


def test_the_header_byte_by_byte(start_server):
    server = start_server(conf())

    for header in (TEXT, binary()):
        caller = Caller(server)
        caller.send_bytewise(header + Packet(uri="/echo", body=b"1").encode())
        assert caller.receive().body == b"1" and caller.is_well()


@pytest.mark.parametrize("begin", [
    Packet(uri="/echo", body=b"1").encode(), b"GET / HTTP/1.1\r\n\r\n",
    b"PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n", b"PROXY " + bytes(200), binary(command=0x31)])
def test_nothing_else_may_come_first(start_server, begin):
    server = start_server(conf())
    caller = Caller(server)

    caller.send(begin)
    assert caller.receive_rest() == []
    assert "reason=proxy-header" in server.wait_for_log("session-closed")["details"]


def test_nobody_else_may_connect(start_server):
    server = start_server(conf(trusted="proxy_protocol_from 127.0.0.7; "
                                       "proxy_protocol_from 10.0.0.0/8;"))
    caller = Caller(server)

    assert caller.receive_rest() == []
    assert "reason=proxy-untrusted" in server.wait_for_log("session-closed")["details"]
    assert who(server, TEXT, source="127.0.0.7").startswith("192.0.2.1:")


def test_rules_are_about_who_has_connected(start_server):
    server = start_server(conf(more="deny 192.0.2.1;"))
    caller = Caller(server)

    caller.send(TEXT)
    assert caller.receive_rest() == []
    assert "remote=192.0.2.1:" in server.wait_for_log("access-denied")["details"]
    assert who(server, binary()).startswith("192.0.2.9:")


def test_who_asks_whether_it_listens_is_not_heard_of(start_server):
    server = start_server(conf())
    Caller(server).close()

    assert "reason=peer-closed" in server.wait_for_log("session-closed")["details"]


def test_the_header_has_its_time(start_server):
    server = start_server(conf(more="ssl_handshake_timeout 100ms;"))
    caller = Caller(server)

    caller.send(TEXT[:10])
    assert caller.receive_rest() == []
    assert "reason=handshake-timeout" in server.wait_for_log("session-closed")["details"]


@pytest.mark.parametrize("listen", ["proxy_protocol ssl", "proxy_protocol"])
def test_the_header_stands_before_tls(start_server, certificates, listen):
    server = start_server(conf(listen=listen, more=certificates.directives()))
    caller = SecureCaller(server, certificates.context(), before=TEXT)

    assert caller.pull("/who").body == b"192.0.2.1:56324|127.0.0.1"
    assert caller.is_well()


def test_a_reload_in_the_middle_of_the_header(start_server):
    server = start_server(conf())
    caller = Caller(server)
    caller.send(TEXT[:20])
    wait_until(lambda: server.status()["totals"]["sessions_accepted"] == 1, "it is accepted")

    assert server.reload()[0] == 0
    caller.send(TEXT[20:])
    assert caller.is_well()


def test_somebody_has_to_be_trusted(make_server):
    code, _, told = make_server(conf(trusted="")).run("-t")

    assert code == 1
    assert "proxy_protocol_from has to say whose header is trusted" in told

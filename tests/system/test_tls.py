"""TLS: who may connect and how, what passes, and what a reload changes."""
import contextlib
import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from harness.certificates import SecureCaller, secure_socket
from harness.teleport import BINARY
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import Caller, Packet, Reader

TP = str(Path(BINARY).parent / "tp")

ROUTES = """
    pull /echo { echo; }
    pull /tls { return 200 "$ssl_protocol|$ssl_cipher|$ssl_client_s_dn"; }
    push * { empty; }
"""


def conf(certificates, listen="listen 127.0.0.1:$PORT ssl;", more="", workers=1):
    return (f"worker_processes {workers};\n"
            f"peer {{ {ROUTES} server {{ {listen} {certificates.directives()} {more} }} }}\n")


def stop_dialing(server):
    """So that all sessions can end."""
    server.write_conf("peer { server { listen 127.0.0.1:$PORT; } }\n")
    assert server.reload()[0] == 0


@pytest.mark.parametrize("highest, version", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
                                              (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_a_session_over_tls(start_server, certificates, highest, version):
    server = start_server(conf(certificates))
    caller = SecureCaller(server, certificates.context(highest=highest))

    assert caller.is_well()
    told, cipher, subject = caller.pull("/tls").body.decode().split("|")
    assert (told, cipher, subject) == (version, caller.socket.cipher()[0], "")
    large = b'"' + bytes(b"abcdefghij" * 80_000) + b'"'
    assert caller.pull("/echo", large).body == large


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_versions_that_are_broken_are_not_spoken(start_server, certificates, version):
    server = start_server(conf(certificates))
    context = certificates.context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion[version]
    context.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        secure_socket(server, context)
    assert "reason=tls-failed" in server.wait_for_log("session-closed")["details"]


def test_who_speaks_no_tls_is_refused_where_it_is_asked_for(start_server, certificates):
    server = start_server(conf(certificates))
    caller = Caller(server)

    caller.send(Packet(uri="/echo", body=b"1"))
    assert caller.receive_rest() == []
    assert "reason=tls-required" in server.wait_for_log("session-closed")["details"]


def test_one_port_takes_both(start_server, certificates):
    server = start_server(conf(certificates, listen="listen 127.0.0.1:$PORT;"))
    plain = Caller(server)
    secure = SecureCaller(server, certificates.context())

    assert plain.is_well() and secure.is_well()
    assert plain.pull("/tls").body == b"||"
    assert secure.pull("/tls").body.startswith(b"TLSv1.3|")
    half = Caller(server)
    half.send(b"\x16")
    half.send(b"\x03")
    half.close()
    assert plain.is_well()


def test_http_inside_of_tls(start_server, certificates):
    server = start_server(conf(certificates, listen="listen 127.0.0.1:$PORT;"))
    connection = http.client.HTTPSConnection("localhost", server.port(), timeout=20,
                                             context=certificates.context())

    for body in (b"[1,2]", b"x" * 300_000):
        connection.request("POST", "/echo", body=body, headers={"Content-Type": "text/plain"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, body)
    connection.close()


def test_many_packets_at_once_and_byte_by_byte(start_server, certificates):
    server = start_server(conf(certificates))
    caller = SecureCaller(server, certificates.context())
    pulls = [Packet(uri="/echo", body=b'"%d"' % seq, seq=seq) for seq in range(1, 501)]

    caller.send(*pulls)
    assert [reply.seq for reply in caller.receive_many(500)] == list(range(1, 501))
    caller.send_bytewise(Packet(uri="/echo", body=b'"slow"', seq=7).encode())
    assert caller.receive().body == b'"slow"'


def test_a_handshake_byte_by_byte(start_server, certificates):
    server = start_server(conf(certificates))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    connection = socket.create_connection(("127.0.0.1", server.port()), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.connections.append(connection)

    def send():
        for byte in outgoing.read():
            connection.sendall(bytes([byte]))

    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            send()
            incoming.write(connection.recv(65536))
    send()
    tls.write(Packet(uri="/echo", body=b"1").encode())
    send()
    while True:
        try:
            assert tls.read(65536)
            break
        except ssl.SSLWantReadError:
            incoming.write(connection.recv(65536))


@pytest.mark.parametrize("verify, shows, is_in", [
    ("off", None, True), ("optional", None, True), ("optional", "client", True),
    ("optional", "stranger", False), ("on", None, False), ("on", "client", True),
    ("on", "stranger", False)])
def test_clients_show_certificates(start_server, certificates, verify, shows, is_in):
    server = start_server(conf(certificates, more=f"ssl_verify_client {verify}; "
                               f"ssl_client_certificate {certificates.path('authority')};"))
    context = certificates.context(shows=shows)

    if not is_in:
        # In TLS 1.3 the client has done with the handshake before it is refused.
        with pytest.raises((ssl.SSLError, ConnectionResetError, AssertionError)):
            SecureCaller(server, context).pull("/tls")
        assert "reason=tls-failed" in server.wait_for_log("session-closed")["details"]
        return
    subject = SecureCaller(server, context).pull("/tls").body.decode().split("|")[2]
    assert subject == ("CN=client,O=Tests" if shows and verify != "off" else "")


def test_the_name_chooses_the_certificate(start_server, certificates):
    server = start_server(conf(certificates, more=certificates.directives("other")))
    context = certificates.context()

    for name in ("localhost", "gateway.example", "other.example"):
        assert SecureCaller(server, context, name=name).is_well()
    with pytest.raises(ssl.SSLCertVerificationError):
        secure_socket(server, context, name="nobody.example")


def test_alpn(start_server, certificates):
    server = start_server(conf(certificates, more="ssl_alpn teleport; ssl_alpn http/1.1;"))
    context = certificates.context()

    assert SecureCaller(server, context).is_well()
    context.set_alpn_protocols(["http/1.1", "teleport"])
    caller = SecureCaller(server, context)
    assert caller.socket.selected_alpn_protocol() == "teleport" and caller.is_well()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        secure_socket(server, context)


def test_a_handshake_has_its_time(start_server, certificates):
    server = start_server(conf(certificates, more="ssl_handshake_timeout 100ms;"))
    silent = Caller(server)
    begun = Caller(server)
    begun.send(b"\x16\x03\x01\x02\x00\x01")

    assert silent.receive_rest() == [] and begun.receive_rest() == []
    server.wait_for_log("session-closed", count=2)
    assert all("reason=handshake-timeout" in line["details"]
               for line in server.log_lines("session-closed"))


def test_hooks_come_behind_the_handshake(start_server, certificates):
    server = start_server(conf(certificates, more="deny all;"))

    with pytest.raises((ssl.SSLError, ConnectionResetError, AssertionError)):
        SecureCaller(server, certificates.context()).pull("/echo", b"1")
    assert "reason=refused" in server.wait_for_log("session-closed")["details"]


def test_the_end_is_said(start_server, certificates):
    server = start_server(conf(certificates))
    caller = SecureCaller(server, certificates.context())
    caller.socket.suppress_ragged_eofs = False

    caller.send(Packet(uri="/echo", body=b"1", seq=1), Packet(uri="/echo", body=b"2", seq=2))
    assert len(caller.receive_many(2)) == 2
    # Ours is answered by the server's, and what was asked before that is answered first.
    caller.send(Packet(uri="/echo", body=b"3", seq=3))
    assert caller.receive().body == b"3"
    caller.socket.unwrap()
    assert "reason=peer-closed" in server.wait_for_log("session-closed")["details"]


def test_the_server_says_the_end(start_server, certificates):
    server = start_server(conf(certificates))
    caller = SecureCaller(server, certificates.context())
    caller.socket.suppress_ragged_eofs = False
    assert caller.is_well()

    server.ask("quit")
    assert caller.receive_rest() == []
    server.wait_for_end()


def test_what_was_changed_on_the_way_ends_the_session(start_server, certificates):
    server = start_server(conf(certificates))
    caller = SecureCaller(server, certificates.context())
    assert caller.is_well()
    plain = socket.socket(fileno=os.dup(caller.socket.fileno()))

    plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        caller.socket.recv(1)
    plain.close()
    assert "reason=tls-failed" in server.wait_for_log("session-closed")["details"]
    assert "bad record mac" in server.wait_for_log("input-refused")["details"]


def test_who_does_not_read_is_not_read_from(start_server, certificates):
    server = start_server(conf(certificates, more="send_queue 64k;"))
    caller = SecureCaller(server, certificates.context())
    body = b'"' + b"x" * 60_000 + b'"'
    caller.socket.settimeout(0.5)
    sent = 0

    try:
        for sent in range(1000):
            caller.send(Packet(uri="/echo", body=body, seq=sent))
        raise AssertionError("the server takes without an end")
    except (TimeoutError, ssl.SSLWantWriteError):
        pass
    caller.socket.settimeout(10)
    assert sent > 0
    replies = caller.receive_many(sent // 2)
    assert all(reply.body == body for reply in replies)


def test_new_certificates_for_new_sessions(start_server, certificates):
    server = start_server(conf(certificates))
    old = SecureCaller(server, certificates.context())
    assert old.is_well()

    server.write_conf(conf(certificates).replace("server.", "other."))
    code, _ = server.reload()
    assert code == 0
    assert old.is_well()
    new = SecureCaller(server, certificates.context(), name="other.example")
    assert new.is_well() and old.is_well()
    with pytest.raises(ssl.SSLCertVerificationError):
        secure_socket(server, certificates.context(), name="gateway.example")


def test_a_reload_says_what_is_wrong_with_a_file(start_server, certificates):
    server = start_server(conf(certificates))
    caller = SecureCaller(server, certificates.context())

    server.write_conf(conf(certificates).replace("server.key", "other.key"))
    code, told = server.reload()
    assert code == 1
    assert "other.key: the key does not belong to the certificate" in told
    server.write_conf(conf(certificates).replace("server.pem", "none.pem"))
    code, told = server.reload()
    assert code == 1 and "none.pem: No such file or directory" in told
    assert caller.is_well()


def test_an_expired_certificate_is_a_warning(make_server, certificates):
    certificates.make("expired", "authority", names="DNS:localhost", days=-1)
    server = make_server(conf(certificates).replace("server.", "expired."))

    code, _, told = server.run("-t")
    assert code == 0
    assert "expired.pem: the certificate has expired" in told and "warning" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the user of workers")
def test_workers_need_not_be_allowed_to_read_the_key(make_server, certificates):
    server = make_server("user nobody;\n" + conf(certificates))
    os.chmod(certificates.path("server", "key"), stat.S_IRUSR)
    server.start()
    first = SecureCaller(server, certificates.context())

    assert first.is_well()
    assert server.reload()[0] == 0
    assert SecureCaller(server, certificates.context()).is_well() and first.is_well()


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_are_good_for_every_worker_and_after_a_reload(start_server, certificates, highest):
    server = start_server(conf(certificates, workers=3))
    context = certificates.context(highest=highest)

    def comes_back(session):
        caller = SecureCaller(server, context, session=session)
        assert caller.is_well()
        was_resumed, session = caller.socket.session_reused, caller.socket.session
        return was_resumed, session

    was_resumed, session = comes_back(None)
    assert not was_resumed
    for _ in range(9):
        was_resumed, _ = comes_back(session)
        assert was_resumed
    assert server.reload()[0] == 0
    assert comes_back(session)[0]


def test_without_tickets_each_begins_anew(start_server, certificates):
    server = start_server(conf(certificates, more="ssl_session_tickets off;"))
    context = certificates.context(highest=ssl.TLSVersion.TLSv1_2)
    first = SecureCaller(server, context)
    assert first.is_well()

    second = SecureCaller(server, context, session=first.socket.session)
    assert second.is_well() and not second.socket.session_reused


def test_a_dial_over_tls(start_server, certificates):
    server = start_server(conf(certificates, more=f"ssl_verify_client on; "
                               f"ssl_client_certificate {certificates.path('authority')};"))
    dialing = start_server(
        "worker_processes 1;\npeer { server { listen 127.0.0.1:$PORT; pull * { control; } } "
        f"dial localhost:{server.port()} ssl {{ "
        f"ssl_trusted_certificate {certificates.path('authority')}; "
        f"{certificates.directives('client')} }} }}\n")
    operator = Caller(dialing)

    def ask(action, **members):
        return operator.pull(f"/control/{action}", json.dumps(members).encode()).body.decode()

    def dialed():
        return [row["number"] for row in json.loads(ask("sessions"))["sessions"]
                if "dial" in row and row["state"] == "open"]

    number = wait_until(dialed, "the dialed session is open")[0]
    answer = ask("pull", number=number, uri="/tls")
    assert answer.startswith("TLSv1.3|") and answer.endswith("|CN=client,O=Tests")
    stop_dialing(dialing)


@pytest.mark.parametrize("says, why", [
    ("", "unable to get local issuer certificate"),
    ("ssl_trusted_certificate {authority}; ssl_name nobody.example;", "mismatch")])
def test_a_dial_trusts_nobody_else(start_server, make_server, certificates, says, why):
    server = start_server(conf(certificates))
    says = says.format(authority=certificates.path("authority"))
    dialing = make_server("worker_processes 1;\npeer { server { listen 127.0.0.1:$PORT; } "
                          f"dial tls://localhost:{server.port()} {{ {says} redial 50ms; }} }}\n")
    dialing.start()
    assert why in dialing.wait_for_log("input-refused")["details"]
    assert "reason=tls-failed" in dialing.wait_for_log("session-lost", count=2)["details"]
    stop_dialing(dialing)


def test_tp_over_tls(start_server, certificates):
    server = start_server(conf(certificates, more=f"ssl_verify_client optional; "
                               f"ssl_client_certificate {certificates.path('authority')};"))
    address = f"tls://localhost:{server.port()}"

    def run(*options):
        ended = subprocess.run([TP, "pull", *map(str, options), address, "/tls"], check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               timeout=60)
        return ended.returncode, ended.stdout, ended.stderr

    authority = ("--ca", certificates.path("authority"))
    assert run(*authority)[1].startswith("TLSv1.3|")
    assert run("--insecure")[0] == 0
    assert run(*authority, "--server-name", "gateway.example")[0] == 0
    code, _, told = run(*authority, "--server-name", "nobody.example")
    assert code == 3 and "hostname mismatch" in told
    code, _, told = run()
    assert code == 3 and "unable to get local issuer certificate" in told
    shown = run(*authority, "--cert", certificates.path("client"),
                "--key", certificates.path("client", "key"))
    assert shown[1].rstrip().endswith("|CN=client,O=Tests")
    code, _, told = run("--ca", certificates.path("client", "key"))
    assert code != 0 and "there is no certificate in it" in told


@pytest.mark.parametrize("scheme", ["wss", "https"])
def test_tp_speaks_other_protocols_over_tls(start_server, certificates, scheme):
    server = start_server(conf(certificates))
    ended = subprocess.run([TP, "pull", "--ca", str(certificates.path("authority")),
                            f"{scheme}://localhost:{server.port()}", "/tls"], check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)

    assert ended.returncode == 0 and ended.stdout.startswith("TLSv1.3|"), ended.stderr


def test_what_came_before_the_end_is_answered(start_server, certificates):
    """More than a turn takes, and the end of it all, with one write."""
    count = 700
    server = start_server(conf(certificates))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", server.port())) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        shake_hands(tls, incoming, outgoing, connection)
        tls.write(b"".join(Packet(uri="/echo", seq=seq, body=b"1").encode()
                           for seq in range(count)))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        connection.sendall(outgoing.read())
        reader, replies = Reader(), []
        while data := connection.recv(65536):
            incoming.write(data)
            with contextlib.suppress(ssl.SSLError):
                while plain := tls.read(65536):
                    replies += reader.feed(plain)

    assert [one.seq for one in replies] == list(range(count))


def shake_hands(tls, incoming, outgoing, connection):
    while True:
        try:
            tls.do_handshake()
            connection.sendall(outgoing.read())
            return
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_an_answer_that_is_cut_off_is_none(tp, certificates, says_goodbye):
    """Without a length the end says where a body ends, and anybody can cut a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path("server"), certificates.path("server", "key"))

    def serve(listener):
        plain, _ = listener.accept()
        secure = context.wrap_socket(plain, server_side=True)
        secure.recv(65536)
        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\npart")
        if says_goodbye:
            with contextlib.suppress(OSError):
                secure.unwrap()
        secure.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        code, output, _ = tp.run("pull", f"https://localhost:{listener.getsockname()[1]}", "/x",
                                 "--ca", certificates.path("authority"))
        server.join()

    assert (code == 0, output) == ((True, b"part") if says_goodbye else (False, b""))

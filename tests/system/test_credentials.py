"""Credentials that tp, a dial and a WebSocket handshake present, over every protocol."""
import base64
import re
import socket

import pytest

from harness.certificates import Certificates
from harness.tp import Tp
from harness.wait import PATIENCE_SECONDS
from harness.wire25 import PULL, Packet, Reader

SECRET = "correct-horse"
CONF = """
worker_processes 1;
error_log logs/error.log debug;
peer {
    log_body on;
    access_log logs/access.log format="$remote $type $uri $status $auth_id $meta_authorization";
    server {
        listen 127.0.0.1:$PORT1;
        listen 127.0.0.1:$PORT2 ssl;
        CERTIFICATE
        auth token file=TOKENS;
        pull /who { return 200 "$auth_id"; }
    }
}
"""
PLAIN = ["", "raw://", "json://", "protobuf://", "ws://", "http://"]
SEALED = ["tls://", "wss://", "https://"]


@pytest.fixture(name="certificates", scope="module")
def certificates_of_the_file(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="tp")
def tp_without_credentials(tmp_path):
    runs = Tp(tmp_path)
    runs.environment.pop("TELEPORT_CREDENTIALS", None)
    yield runs
    runs.end_all()


@pytest.fixture(name="server")
def server_that_knows_the_lamp(make_server, certificates, tp, tmp_path):
    code, line, errors = tp.run("hash", "--id", "lamp", "--cost", "10", stdin=SECRET.encode())
    assert code == 0, errors
    tokens = tmp_path / "tokens"
    tokens.write_bytes(line)
    server = make_server(CONF.replace("TOKENS", str(tokens))
                         .replace("CERTIFICATE", certificates.directives()))
    server.start()
    return server


def credentials(tmp_path, content=f"lamp:{SECRET}\n"):
    path = tmp_path / "credentials"
    path.write_text(content)
    return path


def address(server, scheme):
    return f"{scheme}127.0.0.1:{server.port('$PORT2' if scheme in SEALED else '$PORT1')}"


def ask(tp, server, scheme, *options, environment=None):
    return tp.run("pull", *options, "--insecure", address(server, scheme), "/who",
                  environment=environment)


def assert_no_secret(server):
    for log in server.home.glob("logs/*.log"):
        text = log.read_text()
        assert SECRET not in text
        assert base64.b64encode(f"lamp:{SECRET}".encode()).decode() not in text


@pytest.mark.parametrize("scheme", PLAIN + SEALED)
def test_tp_is_let_in_with_credentials(server, tp, tmp_path, scheme):
    code, output, errors = ask(tp, server, scheme, "--credentials", credentials(tmp_path))

    assert (code, output) == (0, b"lamp"), errors
    assert_no_secret(server)


@pytest.mark.parametrize("scheme", PLAIN + SEALED)
def test_tp_is_told_that_they_are_wrong(server, tp, tmp_path, scheme):
    path = credentials(tmp_path, "lamp:wrong-horse")
    code, output, errors = ask(tp, server, scheme, "--credentials", path)

    assert (code, output) == (7, b"")
    assert "401 Unauthorized" in errors
    assert "wrong-horse" not in errors


def test_tp_that_tries_again_says_why(server, tp, tmp_path):
    arguments = ("serve", address(server, ""), "*", "--echo", "--redial", "1", "--credentials",
                 str(credentials(tmp_path, "lamp:wrong-horse")))
    code, _, errors = tp.run(*arguments)

    assert code != 0 and "credentials-refused" in errors and "401" in errors
    assert "credentials-refused" not in tp.run(*arguments, "--quiet")[2]


def test_the_environment_says_them_too(server, tp, tmp_path):
    right, wrong = f"lamp:{SECRET}", "lamp:wrong"

    assert ask(tp, server, "", environment={"TELEPORT_CREDENTIALS": right})[0] == 0
    assert ask(tp, server, "", environment={"TELEPORT_CREDENTIALS": wrong})[0] == 7
    assert ask(tp, server, "", "--credentials", credentials(tmp_path),
               environment={"TELEPORT_CREDENTIALS": wrong})[0] == 0


def test_a_file_that_is_not_there_is_named(server, tp):
    code, _, errors = ask(tp, server, "", "--credentials", "/nowhere/at/all")

    assert code == 6
    assert "cannot read /nowhere/at/all" in errors


def test_an_empty_file_is_nothing_to_say(server, tp, tmp_path):
    code, _, errors = ask(tp, server, "", "--credentials", credentials(tmp_path, "\n"))

    assert code == 3
    assert "the credentials cannot be said" in errors


DIALER = """
worker_processes 1;
error_log logs/error.log debug;
peer {
    log_body on;
    redial 50ms max=200ms;
    dial ADDRESS { credentials file=CREDENTIALS; EXTRA }
    pull /here { return 200 "here"; }
    server { listen 127.0.0.1:$PORT3; }
}
"""


def dialer(make_server, target, path, extra=""):
    server = make_server(DIALER.replace("ADDRESS", target).replace("CREDENTIALS", str(path))
                         .replace("EXTRA", extra))
    server.start()
    return server


@pytest.mark.parametrize("scheme", [one for one in PLAIN if one != "http://"] + ["tls://"])
def test_a_dial_is_let_in_when_its_file_is_right(make_server, server, tmp_path, scheme):
    path = credentials(tmp_path, "lamp:wrong")
    target, extra = address(server, scheme), ""
    if scheme == "tls://":
        target, extra = target[len(scheme):] + " ssl", "ssl_verify off;"
    dials = dialer(make_server, target, path, extra)

    dials.wait_for_log("credentials-refused", "status=401", count=2)
    dials.wait_for_log("session-lost", "reason=auth-failed")
    credentials(tmp_path)
    server.wait_for_log("auth-ok")
    assert_no_secret(server)
    assert_no_secret(dials)
    # So that all sessions can end.
    dials.write_conf("worker_processes 1; peer { server { listen 127.0.0.1:$PORT3; } }")
    assert dials.ask("reload")[0] == "ok"


class Other:
    """Another end that a server dials, which answers its first packet as it likes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_SECONDS)
        self.port = self.listener.getsockname()[1]

    def meet(self):
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE_SECONDS)
        reader, packets = Reader(), []
        while not packets:
            packets += reader.feed(connection.recv(65536))
        return connection, packets


@pytest.fixture(name="other")
def other_end():
    other = Other()
    yield other
    other.listener.close()


def test_over_teleport_they_are_the_body_of_the_first_pull(make_server, other, tmp_path):
    dials = dialer(make_server, f"127.0.0.1:{other.port}", credentials(tmp_path),
                   "auth_uri /door; redial 1ms times=1;")
    for _ in range(2):
        connection, packets = other.meet()
        assert [(one.type, one.uri, one.codec, one.body) for one in packets] \
            == [(PULL, "/door", b"s", f"lamp:{SECRET}".encode())]
        connection.sendall(Packet(type=2, seq=packets[0].seq, uri="/door", status_code=403,
                                  status='No\x1b[2J "you"\n').encode())
        connection.recv(1)
        connection.close()

    dials.wait_for_log("session-closed", "reason=auth-failed")
    dials.wait_for_log("credentials-refused", 'status=403 text="No?[2J ?you??"', count=2)
    assert_no_secret(dials)


def test_what_the_other_end_asks_waits_until_it_has_let_us_in(make_server, other, tmp_path):
    dials = dialer(make_server, f"127.0.0.1:{other.port}", credentials(tmp_path), "redial off;")
    connection, packets = other.meet()
    connection.sendall(Packet(uri="/here", seq=5).encode())
    connection.sendall(Packet(type=2, seq=packets[0].seq, uri="/auth", status_code=200).encode())
    reply = Reader().feed(connection.recv(65536))

    assert [(one.seq, one.body) for one in reply] == [(5, b"here")]
    connection.close()
    dials.wait_for_log("session-closed", "reason=peer-closed")


@pytest.mark.parametrize("line, words", [
    ("credentials file=a env=B;", "not from both"),
    ("credentials env=A=B;", 'no variable of the environment has a "="'),
    ("credentials nonsense;", '"credentials" has no argument "nonsense"'),
    ("auth_uri here;", 'a uri begins with "/"'),
])
def test_mistakes_are_told(make_server, line, words):
    text = DIALER.replace("ADDRESS", "127.0.0.1:1").replace("credentials file=CREDENTIALS;", line)
    exit_code, _, messages = make_server(text.replace("EXTRA", "")).run("-t")

    assert exit_code == 1
    assert words in messages


def test_the_dump_shows_where_they_are_and_not_what(make_server, tmp_path):
    path = credentials(tmp_path)
    text = DIALER.replace("ADDRESS", "127.0.0.1:1").replace("CREDENTIALS", str(path))
    exit_code, output, _ = make_server(text.replace("EXTRA", "")).run("-T")

    assert exit_code == 0
    assert str(path) in output
    assert SECRET not in output


HANDSHAKE = ("GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
             "{fields}\r\n")


def shake(server, target="/", fields=""):
    connection = socket.create_connection(("127.0.0.1", server.port("$PORT1")))
    connection.settimeout(PATIENCE_SECONDS)
    connection.sendall(HANDSHAKE.format(target=target, fields=fields).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, rest = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return connection, rest


RIGHT = f"lamp:{SECRET}"
WAYS = [(f"/?access_token={RIGHT.replace(':', '%3A')}", ""),
        ("/", f"Authorization: Bearer {RIGHT}\r\n"),
        ("/", f"Authorization: Basic {base64.b64encode(RIGHT.encode()).decode()}\r\n")]


@pytest.mark.parametrize("target, fields", WAYS)
def test_a_handshake_that_says_who_asks_lets_in_without_a_word(server, target, fields):
    connection, rest = shake(server, target, fields)
    text = (b'{"seq":1,"mtype":1,"serviceMethod":"/who","meta":"","bodyCodec":115,"body":""}')
    connection.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
    while len(rest) < 2 or len(rest) < 2 + rest[1]:
        rest += connection.recv(65536)

    assert re.search(rb'"body":"lamp"', rest)
    connection.close()
    server.wait_for_log("session-closed")
    assert_no_secret(server)


@pytest.mark.parametrize("target, fields", [
    ("/?access_token=lamp%3Awrong", ""),
    ("/", "Authorization: Bearer lamp:wrong\r\n"),
    ("/?access_token=", ""),
])
def test_a_handshake_that_says_it_wrong_is_closed_with_1008(server, target, fields):
    connection, rest = shake(server, target, fields)
    while len(rest) < 16:
        more = connection.recv(65536)
        assert more, rest
        rest += more

    assert rest == b"\x88\x0e\x03\xf0Unauthorized"
    connection.close()

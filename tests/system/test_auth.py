"""auth and require: who is there, over every protocol, and what becomes of who is not."""
import base64
import hashlib
import hmac
import json
import os
import socket
import threading
import time

import pytest

from harness import family, procfs, wire25
from harness.certificates import secure_socket
from harness.http import Browser
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.websocket import WebSocketCaller, frame, message

AUTH_CALL = 4
FLOOD_BYTES = 64 << 20  # many times what the buffers of a connection take
SECRET = "key-of-thirty-two-bytes-or-more-x"
PROTOCOLS = ["teleport", "raw", "json", "protobuf", "http", "websocket"]
SESSIONS = [one for one in PROTOCOLS if one != "http"]
ROUTES = """
    pull /echo   { echo; }
    pull /who    { return 200 "$auth_id,$auth_method,$auth_claim_role,$session_id"; }
    pull /admin  { require claim role=admin; return 200 "yes"; }
    pull /member { require id; return 200 "yes"; }
    pull *       { return 200 "any"; }
    push *       { empty; }
"""


# Who is in the file: cheap hashes, made here and not by the server's own hand.

def hash_of(secret, cost=10):
    salt = os.urandom(16)
    made = hashlib.scrypt(secret.encode(), salt=salt, n=1 << cost, r=8, p=1, dklen=32,
                          maxmem=1 << 29)
    bare = [base64.b64encode(one).rstrip(b"=").decode() for one in (salt, made)]
    return f"$scrypt$ln={cost},r=8,p=1${bare[0]}${bare[1]}"


def line(name, claims="", secret=None, cost=10):
    return f"{name}:{hash_of(secret or 'secret-' + name, cost)} {claims}\n"


def jwt(claims, key=SECRET, header=None):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = b".".join(part(json.dumps(one).encode())
                       for one in (header or {"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + part(hmac.new(key.encode(), signed, hashlib.sha256).digest())).decode()


def write_files(server, tokens=None, key=SECRET):
    folder = server.prefix / "conf"
    (folder / "tokens").write_text(tokens or line("ann", "role=admin role=cook") + line("bob"))
    (folder / "key").write_text(key)


METHODS = "auth token file=conf/tokens; auth jwt key=conf/key alg=HS256;"


def conf(more="", certificates=None, workers=2, methods=METHODS, top="", routes=ROUTES, peer=""):
    secure = (f"listen 127.0.0.1:$PORT2 ssl; {certificates.directives()}" if certificates else "")
    return (f"worker_processes {workers};\n{top}\n"
            f"peer {{ {peer} server {{ listen 127.0.0.1:$PORT; {secure} {methods} {more} {routes} }} }}\n")


@pytest.fixture(name="start")
def start_with_files(make_server):
    def start(text, **files):
        server = make_server(text)
        write_files(server, **files)
        server.start()
        return server
    return start


class Guest:
    """Somebody who wants in, over whatever protocol."""

    def __init__(self, server, protocol, context=None, connected=None):
        self.protocol = protocol
        self.credential = None
        if context:
            connected = secure_socket(server, context, port="$PORT2")
        if protocol == "teleport":
            self.caller = wire25.Caller(server, connected=connected)
        elif protocol == "http":
            self.caller = Browser(server, connected=connected)
        elif protocol == "websocket":
            self.caller = websocket(server, connected)
        else:
            self.caller = family.Caller(server, protocol, connected=connected)

    def present(self, credential):
        """Returns the code of the answer."""
        self.credential = credential
        if self.protocol == "http":
            return self.ask("/echo")[0]
        self.send(credential)
        return self.receive()[0]

    def send(self, credential):
        """The same without waiting; not over HTTP."""
        if self.protocol == "teleport":
            self.caller.send(wire25.Packet(uri="/auth", seq=1, codec=wire25.PLAIN,
                                           body=credential.encode()))
        elif self.protocol == "websocket":
            self.caller.send_text(message("", credential, type=AUTH_CALL, codec=ord("s")))
        else:
            self.caller.send(family.Packet(type=AUTH_CALL, codec=ord("s"),
                                           body=credential.encode()))

    def ask(self, uri):
        """Returns the code and the body."""
        if self.protocol == "http":
            fields = {"Authorization": f"Bearer {self.credential}"} if self.credential else {}
            answer = self.caller.ask(target=uri, **fields)
            return answer.code, answer.body.decode()
        if self.protocol == "teleport":
            self.caller.send(wire25.Packet(uri=uri, seq=7))
        elif self.protocol == "websocket":
            self.caller.send_text(message(uri, "1", seq=7))
        else:
            self.caller.send(family.Packet(method=uri, seq=7))
        return self.receive()

    def push(self, uri):
        if self.protocol == "http":
            self.caller.send(b"POST %s HTTP/1.1\r\nHost: x\r\nX-Mtype: 3\r\nContent-Length: 0\r\n\r\n"
                             % uri.encode())
        elif self.protocol == "teleport":
            self.caller.send(wire25.Packet(type=wire25.PUSH, uri=uri))
        elif self.protocol == "websocket":
            self.caller.send_text(message(uri, "1", type=3))
        else:
            self.caller.send(family.Packet(type=3, method=uri))

    def receive(self):
        if self.protocol == "teleport":
            answer = self.caller.receive()
            return answer.status_code, (answer.body or b"").decode()
        if self.protocol == "websocket":
            answer = self.caller.receive_json()
            return code_of(answer.get("status", "code=0")), answer.get("body", "")
        answer = self.caller.receive()
        return code_of(answer.status), answer.body.decode()

    def is_closed(self):
        try:
            while self.caller.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True


def code_of(status):
    code = dict(pair.partition("=")[::2] for pair in status.split("&")).get("code", "0")
    return int(code) or 200


def websocket(server, connected):
    if connected is None:
        return WebSocketCaller(server)
    caller = WebSocketCaller.__new__(WebSocketCaller)
    caller.socket, caller.host, caller.rest, caller.seq = connected, "localhost", b"", 0
    caller.key = base64.b64encode(os.urandom(16))
    server.connections.append(caller)
    caller.send(caller.request())
    caller.receive_handshake()
    return caller


def meter(server, name, label=""):
    return sum(row["total"] for row in server.status()["meters"]
               if row["name"] == name and row.get("outcome", "") == label)


@pytest.fixture(name="context", params=["plain", "tls"])
def plain_or_tls(request, certificates):
    return certificates.context() if request.param == "tls" else None


# ---- The table ----

@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_table(start, certificates, context, protocol):
    """Right, wrong, unknown id, expired, none: on one server, each as it should be."""
    server = start(conf("auth_limit off;", certificates))
    now = int(time.time())
    rows = [
        ("ann:secret-ann", 200, "ann,token,admin"),
        (jwt({"sub": "ann", "exp": now + 60, "role": "cook"}), 200, "ann,jwt,cook"),
        ("ann:secret-bob", 401, None),
        ("eve:secret-ann", 401, None),
        (jwt({"sub": "ann", "exp": now - 60}), 401, None),
        (jwt({"sub": "ann"}, key=SECRET + "y"), 401, None),
        (jwt({"sub": "ann"}, header={"alg": "none"}), 401, None),
        ("garbage", 401, None),
    ]
    for credential, code, who in rows:
        guest = Guest(server, protocol, context)
        assert guest.present(credential) == code, credential
        if code == 200:
            session_id = "" if protocol == "http" else "ann"
            assert guest.ask("/who") == (200, f"{who},{session_id}")
            assert guest.ask("/echo")[0] == 200
        elif protocol != "http":
            assert guest.is_closed(), credential
        guest.caller.close()

    guest = Guest(server, protocol, context)
    assert guest.ask("/who")[0] == 401
    if protocol != "http":
        assert guest.is_closed()
        assert "reason=auth-failed" in server.wait_for_log("session-closed", "auth-failed")["details"]


@pytest.mark.parametrize("protocol", SESSIONS)
def test_too_late(start, certificates, context, protocol):
    server = start(conf("auth_timeout 300ms;", certificates))
    guest = Guest(server, protocol, context)

    assert guest.is_closed()

    server.wait_for_log("session-closed", "reason=auth-timeout")


@pytest.mark.parametrize("protocol", SESSIONS)
def test_it_expires_unless_it_is_renewed(start, certificates, context, protocol):
    server = start(conf("auth_renew on;", certificates))
    now = time.time()
    stays, goes = (Guest(server, protocol, context) for _ in range(2))
    short = {"exp": int(now) + 2}

    assert stays.present(jwt({"sub": "stays", **short})) == 200
    assert goes.present(jwt({"sub": "goes", **short})) == 200
    assert stays.present(jwt({"sub": "stays", "exp": int(now) + 600})) == 200
    assert goes.present(jwt({"sub": "stays", "exp": int(now) + 600})) == 409
    assert goes.is_closed()
    assert 0 < time.time() - now < 4
    server.wait_for_log("session-closed", "reason=auth-expired")
    assert stays.ask("/who") == (200, "stays,jwt,,stays")


def test_without_auth_renew_a_session_is_what_it_is(start):
    server = start(conf())
    guest = Guest(server, "raw")

    assert guest.present("ann:secret-ann") == 200
    assert guest.present("ann:secret-ann") == 409
    assert guest.ask("/who") == (200, "ann,token,admin,ann")


@pytest.mark.parametrize("uri, code", [
    ("/auth", 409), ("/auth?again", 409), ("/auth#again", 409), ("/%61uth", 409), ("/aut%68", 409),
    ("tp://host/auth", 409), ("/author", 200), ("/aut", 200), ("/auth/", 200), ("/au%2574", 200),
])
def test_credentials_of_a_live_session_are_known_by_the_path(start, uri, code):
    server = start(conf())
    guest = Guest(server, "teleport")

    assert guest.present("ann:secret-ann") == 200
    assert guest.ask("/who")[0] == 200
    assert guest.ask(uri)[0] == code
    assert guest.ask("/who")[0] == 200


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_revoking_ends_sessions(start, certificates, context, protocol):
    server = start(conf("", certificates))
    goes, stays = (Guest(server, protocol, context) for _ in range(2))

    assert goes.present("ann:secret-ann") == 200
    assert stays.present("bob:secret-bob") == 200
    path = server.prefix / "conf/tokens"
    begun = time.monotonic()
    path.write_text(path.read_text().splitlines()[1] + "\n")
    if protocol == "http":
        wait_until(lambda: goes.ask("/echo")[0] == 401, "the line is gone")
    else:
        assert goes.is_closed()
        server.wait_for_log("session-closed", "reason=auth-revoked")
    assert time.monotonic() - begun < 3
    assert stays.ask("/echo")[0] == 200


# ---- The file ----

def test_a_file_that_is_broken_changes_nothing(start):
    server = start(conf())
    path = server.prefix / "conf/tokens"
    server.wait_for_log("worker-started", count=2)
    time_before = path.stat().st_mtime_ns

    path.write_text(path.read_text() + "nonsense\n")
    assert path.stat().st_mtime_ns != time_before

    assert "tokens:3:9:" in server.wait_for_log("auth-file-unusable", count=2)["details"]
    assert Guest(server, "raw").present("ann:secret-ann") == 200
    path.write_text(line("eve"))
    server.wait_for_log("auth-file-read", "tokens=1", count=2)
    assert Guest(server, "raw").present("eve:secret-eve") == 200
    assert Guest(server, "raw").present("ann:secret-ann") == 401


def test_a_reload_that_takes_a_method_away_revokes(start):
    server = start(conf())
    by_token, by_jwt = Guest(server, "raw"), Guest(server, "raw")
    assert by_token.present("ann:secret-ann") == 200
    assert by_jwt.present(jwt({"sub": "bob"})) == 200

    server.write_conf(conf(methods="auth token file=conf/tokens;"))
    assert server.reload()[0] == 0

    assert by_jwt.is_closed()
    assert by_token.ask("/echo")[0] == 200


def test_a_reload_that_asks_who_is_there_asks_those_who_are(start):
    other = f"server {{ listen 127.0.0.1:$PORT3; {METHODS} }}"
    server = start(conf(methods="", peer=other))
    guest = Guest(server, "raw")
    assert guest.ask("/echo")[0] == 200

    server.write_conf(conf(peer=other))
    assert server.reload()[0] == 0

    wait_until(lambda: guest.ask("/echo")[0] == 401, "the session has moved")
    assert guest.present("ann:secret-ann") == 200
    assert guest.ask("/who") == (200, "ann,token,admin,ann")


@pytest.mark.parametrize("protocol", SESSIONS)
def test_a_reload_that_asks_who_is_there_does_not_wait_for_ever(start, protocol):
    """Else who says nothing would be pushed to as long as it likes."""
    other = f"server {{ listen 127.0.0.1:$PORT3; {METHODS} }}"
    server = start(conf(methods="", peer=other))
    says, silent = (Guest(server, protocol) for _ in range(2))
    assert says.ask("/echo")[0] == 200
    assert silent.ask("/echo")[0] == 200

    server.write_conf(conf("auth_timeout 2s;", peer=other))
    assert server.reload()[0] == 0
    wait_until(lambda: says.ask("/echo")[0] == 401, "the session has moved")
    assert says.present("ann:secret-ann") == 200

    assert silent.is_closed()
    server.wait_for_log("session-closed", "reason=auth-timeout")
    assert says.ask("/who") == (200, "ann,token,admin,ann")


def test_another_key_revokes(start):
    methods = "auth jwt key=conf/key alg=HS256;"
    server = start(conf(methods=methods))
    guest = Guest(server, "raw")
    assert guest.present(jwt({"sub": "ann"})) == 200

    write_files(server, key=SECRET + "y")
    assert server.reload()[0] == 0

    assert guest.is_closed()
    server.wait_for_log("session-closed", "reason=auth-revoked")
    assert Guest(server, "raw").present(jwt({"sub": "ann"}, key=SECRET + "y")) == 200


# ---- What nobody learns ----

@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_unknown_id_and_wrong_secret_are_the_same(start, protocol):
    server = start(conf("auth_limit off; auth_cache 0s;"))
    seen = []
    for credential in ("ann:nonsense", "eve:nonsense"):
        before = meter(server, "auth_hashes")
        guest = Guest(server, protocol)
        if protocol == "http":
            guest.caller.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                              b"Authorization: Bearer %s\r\n\r\n" % credential.encode())
        else:
            guest.send(credential)
        data = b""
        while piece := guest.caller.socket.recv(65536):
            data += piece
        seen.append(data)
        assert meter(server, "auth_hashes") - before == 1
    assert seen[0] == seen[1]
    before = meter(server, "auth_hashes")
    for credential in ("", "ann", "ann:", ":secret"):
        assert Guest(server, protocol).present(credential) == 401
    assert meter(server, "auth_hashes") == before


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_credentials_nothing_is_reached(start, protocol):
    server = start(conf("access_log logs/access.log;"))
    for uri in ("/echo", "/who", "/admin", "/member", "/nothing", "/", "*", "/auth/", "/AUTH",
                "/auth%2f", "//auth", "/echo?/auth"):
        guest = Guest(server, protocol)
        assert guest.ask(uri)[0] in (400, 401), uri
        guest.caller.close()
        guest = Guest(server, protocol)
        guest.push(uri)
        if protocol == "http":
            assert guest.caller.receive().code in (299, 400, 401, 501)
        else:
            assert guest.is_closed()
        guest.caller.close()
    assert meter(server, "auth_attempts", "good") == 0


def test_an_upgrade_behind_a_request_is_guarded(start):
    """The request proves itself, or not; the WebSocket that comes after it has to, too."""
    server = start(conf("auth_timeout 1s;"))
    for first in (None, "ann:secret-ann"):
        browser = Guest(server, "http")
        browser.credential = first
        assert browser.ask("/who")[0] == (200 if first else 401)
        guest = Guest.__new__(Guest)
        guest.protocol, guest.caller = "websocket", websocket(server, browser.caller.socket)
        assert guest.ask("/echo")[0] == 401
        assert guest.is_closed()
    browser = Guest(server, "http")
    assert browser.ask("/who")[0] == 401
    silent = websocket(server, browser.caller.socket)
    guest.caller = silent
    assert guest.is_closed()
    server.wait_for_log("session-closed", containing="reason=auth-timeout")
    browser = Guest(server, "http")
    assert browser.ask("/who")[0] == 401
    guest.caller = websocket(server, browser.caller.socket)
    assert guest.present("ann:secret-ann") == 200
    assert guest.ask("/who")[1].startswith("ann,token")


def test_what_comes_behind_504_lets_nobody_in(start):
    server = start(conf("exchange_timeout 50ms; auth_cache 0s;", workers=1),
                   tokens=line("slow", cost=17))
    guest = Guest(server, "raw")

    assert guest.present("slow:secret-slow") == 504
    assert guest.ask("/echo")[0] == 401
    assert guest.is_closed()


def test_it_stops_while_secrets_are_looked_at(start):
    server = start(conf("auth_cache 0s; auth_limit off;"))
    guests = [Guest(server, protocol) for protocol in ("teleport", "raw", "http") * 6]
    for guest in guests:
        if guest.protocol == "http":
            guest.caller.send(b"GET /echo HTTP/1.1\r\nHost: x\r\n"
                              b"Authorization: Bearer ann:wrong\r\n\r\n")
        else:
            guest.send("ann:wrong")
    wait_until(lambda: meter(server, "auth_hashes") > 0, "secrets are being looked at")
    server.stop()


def test_other_types_of_packets_reach_nothing(start):
    server = start(conf("auth_timeout 500ms;"))
    for kind in (2, 5, 6, 255):
        guest = Guest(server, "raw")
        guest.caller.send(family.Packet(type=kind, method="/echo", body=b"ann:secret-ann"))
        assert guest.is_closed()
    for kind in (2, 4, 9):
        guest = Guest(server, "teleport")
        guest.caller.send(wire25.Packet(type=kind, uri="/auth", body=b"ann:secret-ann"))
        assert guest.is_closed()
    assert meter(server, "auth_attempts", "good") == 0


def test_what_is_too_large_before_that_ends_the_session(start):
    server = start(conf("auth_packet_limit 1k;"))
    guest = Guest(server, "raw")
    guest.send("ann:" + "x" * 1100)

    assert guest.is_closed()

    server.wait_for_log("session-closed", "reason=packet-too-large")
    assert meter(server, "auth_hashes") == 0


# What is answered before anybody is let in.
FLOODS = {
    "http": b"PUT /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw": family.Packet(method="/x", meta="X-Accept-Body-Codec=none", body=b"1").encode("raw"),
    "websocket": frame(9),
}


@pytest.mark.parametrize("protocol", FLOODS)
def test_who_takes_no_answers_is_not_listened_to_any_more(start, sanitized, protocol):
    server = start(conf("auth_timeout 1m; send_queue 256k;", workers=1))
    guest = Guest(server, protocol).caller.socket
    before = procfs.resident_bytes(server.worker_pids()[0])
    flood = FLOODS[protocol] * 10_000
    guest.settimeout(1)

    with pytest.raises(TimeoutError):
        for _ in range(FLOOD_BYTES // len(flood)):
            guest.sendall(flood)
    # What was freed is kept for a while under the sanitizers.
    after = procfs.resident_bytes(server.worker_pids()[0])
    assert sanitized or after - before < FLOOD_BYTES // 4


def test_deflated_credentials_are_none(start):
    server = start(conf())
    guest = Guest(server, "teleport")

    guest.caller.send(wire25.Packet(uri="/auth", seq=1, codec=wire25.PLAIN, gzip=5,
                                    body=wire25.whole_gzip(b"ann:secret-ann")))
    assert guest.receive()[0] == 401
    assert guest.is_closed()


def test_credentials_stand_in_no_log(start):
    shown = ("$uri $query $meta_Authorization $meta_authorization $auth_id $auth_method "
             "$auth_claim_role $session_id $remote_addr $status")
    server = start(conf(f'log_body on; access_log logs/access.log format="{shown}"; auth_renew on; '
                        "auth_limit off;", top="error_log logs/error.log debug;"))
    token = jwt({"sub": "ann", "exp": int(time.time()) + 60})
    for protocol in PROTOCOLS:
        for credential in ("ann:secret-ann", "ann:wrong-secret", token):
            guest = Guest(server, protocol)
            if guest.present(credential) == 200:
                guest.present(credential)
                assert guest.ask("/echo")[0] == 200
            guest.caller.close()
    server.stop()
    for path in (server.prefix / "logs").iterdir():
        text = path.read_text(errors="replace") if path.is_file() else ""
        for secret in ("secret-ann", "wrong-secret", token, token.split(".")[2],
                       base64.b64encode(b"ann:secret-ann").decode()):
            assert secret not in text, path


# ---- Limits ----

def test_a_flood_of_wrong_ones_costs_as_many_hashes_as_it_may(start):
    """And somebody at another address comes in all the while."""
    server = start(conf("auth_limit 10/1h; auth_cache 0s;"), tokens=line("ann") + line("bob", cost=13))
    stop = threading.Event()
    sent = []

    def flood():
        while not stop.is_set():
            caller = socket.create_connection(("127.0.0.1", server.port()), PATIENCE_SECONDS)
            caller.sendall(family.Packet(type=AUTH_CALL, body=b"ann:wrong").encode())
            sent.append(caller)
            time.sleep(0.001)

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    elapsed = []
    try:
        wait_until(lambda: len(sent) > 300, "the flood is there")
        for _ in range(3):
            begun = time.monotonic()
            honest = wire25.Caller(server, source="127.0.0.2")
            assert honest.pull("/auth", b"bob:secret-bob", codec=wire25.PLAIN).status_code == 200
            elapsed.append(time.monotonic() - begun)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert min(elapsed) < 1, elapsed
    wait_until(lambda: meter(server, "auth_attempts", "limited")
               + meter(server, "auth_attempts", "wrong") == len(sent), "all are answered")
    assert meter(server, "auth_hashes") == 10 + len(elapsed)
    assert meter(server, "auth_attempts", "wrong") == 10
    for caller in sent:
        caller.close()
    assert Guest(server, "raw").present("ann:wrong") == 429
    assert "remote=127.0.0.1:" in server.wait_for_log("auth-limited")["details"]


def test_clients_of_a_unix_socket_do_not_lock_each_other_out(start):
    server = start(conf("listen unix:logs/here.socket; auth_limit 2/1h;"))

    def guest():
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(PATIENCE_SECONDS)
        connected.connect(str(server.prefix / "logs/here.socket"))
        return Guest(server, "raw", connected=connected)

    assert [guest().present("ann:wrong") for _ in range(4)] == [401] * 4
    assert guest().present("ann:secret-ann") == 200


def test_right_ones_do_not_count(start):
    """More at once than may be wrong: they wait for each other."""
    server = start(conf("auth_limit 2/1h; auth_cache 0s; auth_sets_id off;"))
    guests = [Guest(server, "raw") for _ in range(20)]
    for guest in guests:
        guest.send("ann:secret-ann")

    assert [guest.receive()[0] for guest in guests] == [200] * len(guests)
    assert meter(server, "auth_hashes") == len(guests)


def test_a_flood_does_not_keep_who_is_revoked(start):
    """Looks at the file go by the same queue as hashes."""
    server = start(conf("auth_limit off; auth_cache 0s; auth_sets_id off; auth_timeout 60s;",
                        workers=1), tokens=line("ann") + line("slow", cost=14))
    path = server.prefix / "conf/tokens"
    goes = Guest(server, "raw")
    assert goes.present("ann:secret-ann") == 200

    flood = [Guest(server, "raw") for _ in range(150)]
    for one in flood:
        one.send("slow:secret-slow")
    path.write_text(path.read_text().splitlines()[1] + "\n")
    assert goes.is_closed()

    assert meter(server, "auth_hashes") < len(flood)
    server.wait_for_log("session-closed", "reason=auth-revoked")


def test_tokens_under_way_do_not_keep_out_jwts(start):
    server = start(conf("auth_limit 2/1h; auth_cache 0s;", workers=1),
                   tokens=line("slow", cost=17))
    slow = [Guest(server, "raw") for _ in range(3)]
    for one in slow:
        one.send("slow:secret-slow")
    wait_until(lambda: meter(server, "auth_hashes") >= 2, "hashes are under way")

    assert Guest(server, "raw").present(jwt({"sub": "ann"})) == 200
    assert meter(server, "auth_attempts", "limited") == 0
    assert [one.receive()[0] for one in slow].count(200) >= 1


def test_the_window_ends(start):
    server = start(conf("auth_limit 1/1s;"))

    assert Guest(server, "raw").present("ann:wrong") == 401
    assert Guest(server, "raw").present("ann:secret-ann") == 429
    wait_until(lambda: Guest(server, "raw").present("ann:secret-ann") == 200, "a new window")


def test_a_request_that_was_right_costs_no_second_hash(start):
    server = start(conf(workers=1))
    guest = Guest(server, "http")

    for _ in range(10):
        assert guest.present("ann:secret-ann") == 200

    assert meter(server, "auth_hashes") == 1
    assert meter(server, "auth_cached") == 9


# ---- HTTP ----

def test_http_says_how_to_come_in(start):
    browser = Browser(start(conf()))

    answer = browser.ask(target="/who")
    assert (answer.code, answer.get("WWW-Authenticate")) == (401, "Bearer")
    answer = browser.ask(target="/who", Upgrade_Insecure_Requests="1")
    assert answer.code == 401
    assert [value for name, value in answer.fields if name == "WWW-Authenticate"] \
        == ["Bearer", 'Basic realm="teleport", charset="UTF-8"']
    basic = base64.b64encode(b"ann:secret-ann").decode()
    assert browser.ask(target="/who", Authorization=f"Basic {basic}").code == 200
    assert browser.ask(target="/who", Authorization="bearer ann:secret-ann").code == 200
    for wrong in ("Basic !", "Basic YW5u", "Digest x", "Bearer", "Bearer "):
        assert browser.ask(target="/who", Authorization=wrong.strip()).code == 401, wrong


# ---- Ids ----

@pytest.mark.parametrize("conflict, code", [("close-old", 200), ("refuse-new", 409)])
def test_two_sessions_of_one_id(start, conflict, code):
    server = start(conf(peer=f"id_conflict {conflict};"))
    first, second = Guest(server, "raw"), Guest(server, "raw")

    assert first.present("ann:secret-ann") == 200
    assert second.present("ann:secret-ann") == code
    assert (first if code == 200 else second).is_closed()


def test_auth_sets_id_off(start):
    guest = Guest(start(conf("auth_sets_id off;")), "raw")

    assert guest.present("ann:secret-ann") == 200
    assert guest.ask("/who") == (200, "ann,token,admin,")


def test_the_uri_may_be_another(start):
    server = start(conf("auth_uri /login;"))
    caller = wire25.Caller(server)

    assert caller.pull("/login", b'"ann:secret-ann"').status_code == 200
    assert wire25.Caller(server).pull("/auth", b"ann:secret-ann").status_code == 401


# ---- Certificates ----

def secure_conf(certificates, more, methods):
    return conf(f"ssl_client_certificate {certificates.path('authority')}; "
                f"ssl_verify_client optional; {more}", certificates, methods=methods)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("which, who", [("", "CN=client,O=Tests"), ("id=cn", "client")])
def test_a_certificate_is_enough(start, certificates, protocol, which, who):
    server = start(secure_conf(certificates, "", f"auth certificate {which};"))
    guest = Guest(server, protocol, certificates.context(shows="client"))

    session_id = "" if protocol == "http" else who
    assert guest.ask("/who") == (200, f"{who},certificate,,{session_id}")
    stranger = Guest(server, protocol, certificates.context())
    assert stranger.ask("/who")[0] == 401


def test_an_alternative_name(start, certificates):
    certificates.make("named", "authority", names="DNS:device-7.example,DNS:other")
    server = start(secure_conf(certificates, "", "auth certificate id=san;"))
    guest = Guest(server, "raw", certificates.context(shows="named"))
    nameless = Guest(server, "raw", certificates.context(shows="client"))

    assert guest.ask("/who")[1].startswith("device-7.example,certificate,")
    assert nameless.ask("/who")[0] == 401


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_both_are_needed(start, certificates, protocol):
    server = start(secure_conf(certificates, "satisfy all;",
                               "auth certificate; auth token file=conf/tokens;"))
    good = Guest(server, protocol, certificates.context(shows="client"))
    no_token = Guest(server, protocol, certificates.context(shows="client"))
    no_certificate = Guest(server, protocol, certificates.context())

    assert good.present("ann:secret-ann") == 200
    assert good.ask("/who")[1].startswith("ann,token,admin,")
    assert no_token.ask("/who")[0] == 401
    assert no_certificate.present("ann:secret-ann") == 401


def test_a_reload_that_wants_both_revokes(start, certificates):
    methods = "auth certificate; auth token file=conf/tokens;"
    server = start(secure_conf(certificates, "", methods))
    by_certificate = Guest(server, "raw", certificates.context(shows="client"))
    by_token = Guest(server, "raw", certificates.context())
    assert by_certificate.ask("/who")[0] == 200
    assert by_token.present("ann:secret-ann") == 200

    server.write_conf(secure_conf(certificates, "satisfy all;", methods))
    assert server.reload()[0] == 0

    assert by_certificate.is_closed()
    assert by_token.is_closed()
    server.wait_for_log("session-closed", "reason=auth-revoked", count=2)


def test_either_is_enough(start, certificates):
    server = start(secure_conf(certificates, "", "auth certificate; auth token file=conf/tokens;"))

    assert Guest(server, "raw", certificates.context(shows="client")).ask("/who")[0] == 200
    assert Guest(server, "raw", certificates.context()).present("ann:secret-ann") == 200


# ---- require ----

@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_require(start, protocol):
    server = start(conf())
    ann, bob = Guest(server, protocol), Guest(server, protocol)
    assert ann.present("ann:secret-ann") == 200
    assert bob.present("bob:secret-bob") == 200

    assert ann.ask("/admin") == (200, "yes")
    assert bob.ask("/admin")[0] == 403
    assert bob.ask("/member") == (200, "yes")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_require_where_nobody_is_known(start, protocol):
    server = start(conf(methods=""))
    guest = Guest(server, protocol)

    assert guest.ask("/member")[0] == 401
    assert guest.ask("/echo")[0] == 200


def test_require_inside_of_require(start):
    server = start(conf("require claim role;",
                        routes="pull /open { require nothing; echo; } pull * { echo; }"))
    bob, ann = Guest(server, "raw"), Guest(server, "raw")
    assert bob.present("bob:secret-bob") == 200
    assert ann.present("ann:secret-ann") == 200

    assert (bob.ask("/open")[0], bob.ask("/other")[0]) == (200, 403)
    assert ann.ask("/other")[0] == 200


# ---- Mistakes ----

@pytest.mark.parametrize("methods, words", [
    ("auth token;", '"token" wants "file="'),
    ("auth token file=conf/nothing;", "cannot read"),
    ("auth token file=conf/tokens alg=RS256;", '"token" has no "alg="'),
    ("auth jwt key=conf/key;", '"jwt" wants "key=" and "alg="'),
    ("auth jwt key=conf/key alg=none;", "HS256"),
    ("auth jwt key=conf/key alg=RS256;", "there is no public key in it"),
    ("auth jwt key=conf/short alg=HS256;", "at least 32 bytes"),
    ("auth certificate id=name;", "subject, cn or san"),
    ("auth off; auth certificate;", '"off" stands alone'),
    ("auth certificate; satisfy all;", '"all" wants a certificate and'),
    ("auth token file=conf/broken;", "broken:2:5: behind the id stands a hash such as"),
    ("auth token file=conf/double;", "double:2:1: a line before has the same id"),
    ("auth magic;", "magic"),
    ("auth_limit 10;", "a number and a time such as 10/1m"),
    ("auth_limit 0/1m;", "a number and a time such as 10/1m"),
    ("auth_limit 5/1w;", "a number and a time such as 10/1m"),
    ("auth_uri auth;", 'a uri begins with "/"'),
    ("satisfy some;", "satisfy"),
    ("auth_timeout 1ms;", "auth_timeout"),
    ("auth_packet_limit 1;", "auth_packet_limit"),
    ("auth_renew maybe;", "auth_renew"),
    ("auth_sets_id 1;", "auth_sets_id"),
    ("auth_limit_addresses 1;", "auth_limit_addresses"),
    ("auth_cache 2h;", "auth_cache"),
    ("auth_cache_entries 1;", "auth_cache_entries"),
    ("require claim;", '"claim" wants'),
    ("require id x;", '"id" stands alone'),
    ("require nothing; require id;", '"nothing" stands alone'),
    ("require luck;", "luck"),
])
def test_mistakes(make_server, methods, words):
    server = make_server(conf(methods=methods))
    write_files(server)
    same = line("ann")
    (server.prefix / "conf/short").write_text("short")
    (server.prefix / "conf/broken").write_text(line("ann") + "bob:nonsense\n")
    (server.prefix / "conf/double").write_text(same + same)

    code, output, errors = server.run("-t")

    assert code == 1
    assert words in output + errors


# ---- tp hash ----

def is_hash_of(text, secret, cost):
    kind, parameters, salt, made = text.split("$")[1:]
    bare = [base64.b64decode(one + "=" * (-len(one) % 4)) for one in (salt, made)]
    return (kind, parameters) == ("scrypt", f"ln={cost},r=8,p=1") and bare[1] == hashlib.scrypt(
        secret, salt=bare[0], n=1 << cost, r=8, p=1, maxmem=1 << 28, dklen=len(bare[1]))


def test_tp_hash_makes_what_a_file_has(tp, start):
    code, output, errors = tp.run("hash", "--id", "zoe", "--cost", 10, stdin=b"open sesame\r\n")
    assert (code, errors) == (0, "")
    assert is_hash_of(output.decode().removeprefix("zoe:").rstrip("\n"), b"open sesame", 10)
    assert tp.run("hash", "--id", "zoe", "--cost", 10, stdin=b"open sesame\r\n")[1] != output

    server = start(conf(), tokens=output.decode())
    assert Guest(server, "raw").present("zoe:open sesame") == 200

    code, output, _ = tp.run("hash", stdin=b"x")
    assert code == 0 and is_hash_of(output.decode().rstrip("\n"), b"x", 15)


@pytest.mark.parametrize("arguments, stdin, words", [
    ([], b"", "there is no secret"),
    ([], b"\n", "there is no secret"),
    ([], b"x" * 1025, "at most 1024 bytes"),
    (["--id", "a:b"], b"x", "neither white space nor a colon"),
    (["--id", ""], b"x", ""),
    (["--cost", "9"], b"x", "cost"),
    (["--cost", "19"], b"x", "cost"),
    (["secret"], b"x", ""),
])
def test_tp_hash_refuses(tp, arguments, stdin, words):
    code, output, errors = tp.run("hash", *arguments, stdin=stdin)

    assert (code, output) == (2, b"")
    assert words in errors

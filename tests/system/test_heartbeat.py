"""Heartbeats: who sends them and when, who answers, who is taken for dead, and how a reload
changes that; over every protocol, in both roles."""
import base64
import hashlib
import hmac
import json
import socket
import struct
import time

import pytest

from harness import family, websocket
from harness.build import configure
from harness.certificates import SecureCaller
from harness.http import Browser
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.websocket import WebSocketCaller
from harness.wire25 import JSON, PROTOBUF, PULL, PUSH, REPLY, Caller, Packet

CONF = """
worker_processes 1;
error_log logs/error.log info;
peer {
    access_log logs/access.log format="$type $uri $status $session_rtt";
    HEARTBEAT
    server {
        listen 127.0.0.1:$PORT;
        pull /echo { echo; }
        pull /slow { sleep 1500ms; }
        MORE
    }
}
"""

FAST = "heartbeat 200ms timeout=700ms;"
PATIENT = "heartbeat 200ms timeout=5s;"  # where nobody is to be taken for dead
MARGIN = 1.0  # a dead session is closed within its time and this much


def conf(heartbeat="", more=""):
    return CONF.replace("HEARTBEAT", heartbeat).replace("MORE", more)


class Plain:
    """An end of Teleport 2.5, as the tests below use all of them."""

    def __init__(self, server, caller=None, header_codec=PROTOBUF):
        self.caller = caller or Caller(server)
        self.header_codec = header_codec

    @property
    def socket(self):
        return self.caller.socket

    def beat(self, kind, word):
        uri = "/heartbeat" if word is None else f"/heartbeat?hb_={word}"
        self.caller.send(Packet(type=kind, seq=5, uri=uri, header_codec=self.header_codec))

    def answer_code(self):
        packet = self.caller.receive()
        assert packet.type == REPLY and not packet.body
        return packet.status_code

    def receive_beat(self):
        """(type, what it says of its interval)."""
        self.last = self.caller.receive()
        uri, _, query = self.last.uri.partition("?hb_=")
        assert uri == "/heartbeat" and not self.last.body
        return self.last.type, query

    def answer(self, code=200):
        self.caller.send(Packet(type=REPLY, seq=self.last.seq, uri=self.last.uri,
                                status_code=code, status="OK" if code == 200 else "Not Found",
                                header_codec=self.header_codec))

    def say_something(self):
        self.caller.send(Packet(type=PUSH, uri="/nobody/listens"))


class Family(Plain):
    """An end of Teleport 6 and 7."""

    def __init__(self, server, protocol, connected=None):
        super().__init__(server, family.Caller(server, protocol, connected=connected))

    def beat(self, kind, word):
        meta = "" if word is None else f"hb_={word}"
        self.caller.send(family.Packet(type=1 if kind == PULL else 3, seq=5, method="/heartbeat",
                                       meta=meta, status=""))

    def answer_code(self):
        packet = self.caller.receive()
        assert packet.type == family.REPLY and not packet.body
        return packet.outcome()[0] or 200

    def receive_beat(self):
        self.last = self.caller.receive()
        assert self.last.method == "/heartbeat" and not self.last.body
        kind = {family.CALL: PULL, family.PUSH: PUSH}[self.last.type]
        return kind, self.last.meta.removeprefix("hb_=")

    def answer(self, code=200):
        status = "code=0" if code == 200 else f"code={code}&msg=Not%20Found&cause="
        self.caller.send(family.Packet(type=family.REPLY, seq=self.last.seq, status=status))

    def say_something(self):
        self.caller.send(family.Packet(type=family.PUSH, method="/nobody/listens"))


class Web(Plain):
    """An end of WebSocket that does what a browser does for its page."""

    def __init__(self, server):
        super().__init__(server, WebSocketCaller(server))

    def beat(self, kind, word):
        meta = "" if word is None else f"hb_={word}"
        self.caller.send_text(websocket.message("/heartbeat", type=kind, seq=5, meta=meta))

    def answer_code(self):
        fields = self.caller.receive_json()
        assert fields["mtype"] == websocket.REPLY and fields["body"] == ""
        status = dict(pair.partition("=")[::2] for pair in fields.get("status", "").split("&"))
        return int(status.get("code", 0)) or 200

    def receive_beat(self):
        """A PULL to a browser is a ping, which needs no page to be answered."""
        frame = self.caller.receive_frame()
        if frame.opcode == websocket.PING:
            self.last = frame.data
            return PULL, None
        fields = json.loads(frame.data)
        assert fields["serviceMethod"] == "/heartbeat"
        return fields["mtype"], fields["meta"].removeprefix("hb_=")

    def answer(self, code=200):
        self.caller.send(websocket.frame(websocket.PONG, self.last))

    def say_something(self):
        self.caller.send(websocket.frame(websocket.PONG, b""))


ENDS = {
    "protobuf-headers": Plain,
    "json-headers": lambda server: Plain(server, header_codec=JSON),
    "raw": lambda server: Family(server, "raw"),
    "json": lambda server: Family(server, "json"),
    "protobuf": lambda server: Family(server, "protobuf"),
    "websocket": Web,
}


@pytest.fixture(name="make_end", params=ENDS)
def an_end_of_a_protocol(request):
    """Makes one that the server knows the protocol of."""
    def make(server):
        end = ENDS[request.param](server)
        if request.param != "websocket":
            end.say_something()
        return end

    return make


def is_closed_within(end, server, seconds):
    """Whether it is closed for want of heartbeats, not much sooner and not later."""
    began = time.monotonic()
    end.socket.settimeout(seconds + MARGIN)
    try:
        while end.socket.recv(65536):
            pass
    except ConnectionResetError:
        pass
    took = time.monotonic() - began
    server.wait_for_log("session-closed", "reason=heartbeat-timeout")
    return took <= seconds + MARGIN


# Ours

def test_a_silent_session_is_asked_and_stays(start_server, make_end):
    server = start_server(conf(PATIENT))
    end = make_end(server)
    began = time.monotonic()

    for _ in range(8):
        kind, word = end.receive_beat()
        assert kind == PULL and word in (None, "1")
        end.answer()
    assert 8 * 0.15 < time.monotonic() - began
    assert server.log_lines("session-closed") == []


def test_any_answer_is_a_sign_of_life(start_server):
    server = start_server(conf(FAST))
    end = Plain(server)
    began = time.monotonic()

    while time.monotonic() < began + 1.5:
        end.receive_beat()
        end.answer(404)
    assert server.log_lines("session-closed") == []


def test_who_answers_nothing_is_taken_for_dead(start_server, make_end):
    server = start_server(conf(FAST))
    end = make_end(server)

    assert end.receive_beat()[0] == PULL
    assert is_closed_within(end, server, 0.7)


def test_who_has_never_said_anything_is_asked_and_taken_for_dead(start_server):
    """It is taken for one of protocol_default, as by every packet of ours."""
    server = start_server(conf(FAST))
    end = Plain(server)

    assert end.receive_beat() == (PULL, "1")
    assert is_closed_within(end, server, 0.7)


def test_while_a_pull_is_unanswered_others_are_told(start_server):
    """An end that answers no PULL does not get one after another."""
    server = start_server(conf("heartbeat 100ms timeout=5s;"))
    end = Plain(server)
    kinds = []

    for _ in range(4):
        kinds.append(end.receive_beat()[0])
        end.say_something()
    assert kinds == [PULL, PUSH, PUSH, PUSH]
    assert server.log_lines("session-closed") == []


def test_busy_sessions_have_no_heartbeats(start_server):
    server = start_server(conf("heartbeat 600ms timeout=5s;"))
    caller = Caller(server)
    began = time.monotonic()

    while time.monotonic() < began + 2:
        assert caller.is_well()
        time.sleep(0.02)


def test_an_end_that_counts_on_heartbeats_hears_them_though_it_talks(start_server):
    """It has been told an interval, so silence of ours would be a sign of death."""
    server = start_server(conf("heartbeat 200ms timeout=5s mode=push;"))
    end = Plain(server)

    assert end.receive_beat() == (PUSH, "1")
    began = time.monotonic()
    for _ in range(5):
        end.socket.settimeout(0.05)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert time.monotonic() < deadline
            end.say_something()
            try:
                end.receive_beat()
                break
            except TimeoutError:
                pass
    assert time.monotonic() - began < 5 * 0.2 + MARGIN


def test_bytes_of_an_unfinished_packet_are_signs_of_life(start_server):
    server = start_server(conf(FAST))
    end = Plain(server)
    end.caller.send(struct.pack(">I", 40) + b"p")
    began = time.monotonic()

    while time.monotonic() < began + 1.5:
        end.caller.send(b"\x08")  # fewer than the header has
        time.sleep(0.05)
    assert server.log_lines("session-closed") == []


def test_pushes_close_only_who_has_sent_heartbeats(start_server, make_end):
    server = start_server(conf("heartbeat 200ms timeout=700ms mode=push;"))
    silent, beating = make_end(server), make_end(server)
    beating.beat(PUSH, 1)

    assert silent.receive_beat() == (PUSH, "1")
    assert is_closed_within(beating, server, 2)
    assert len(server.log_lines("session-closed")) == 1
    assert silent.receive_beat() == (PUSH, "1")


def test_heartbeats_over_tls(start_server, certificates):
    server = start_server(conf(FAST, f"listen 127.0.0.1:$PORT2 ssl; {certificates.directives()}"))
    end = Plain(server, SecureCaller(server, certificates.context(), port="$PORT2"))

    for _ in range(5):
        assert end.receive_beat() == (PULL, "1")
        end.answer()
    assert is_closed_within(end, server, 0.7)


def test_the_way_is_measured(start_server, make_end):
    server = start_server(conf(FAST))
    end = make_end(server)
    for _ in range(3):
        end.receive_beat()
        time.sleep(0.05)
        end.answer()
    if isinstance(end, Web):
        end.caller.pull("/echo", '"a"')
    elif isinstance(end, Family):
        end.caller.call("/echo", b'"a"')
    else:
        end.caller.pull("/echo", b'"a"')
    line = wait_until(lambda: [line for line in server.log("logs/access.log").splitlines()
                               if " /echo " in line])[0]

    assert 0.04 < float(line.split()[-1]) < 1


# Theirs

@pytest.mark.parametrize("heartbeat", ["", FAST, "heartbeat answer;"])
def test_heartbeats_are_answered(start_server, make_end, heartbeat):
    server = start_server(conf(heartbeat))
    end = make_end(server)

    end.beat(PULL, 30)
    assert end.answer_code() == 200
    end.beat(PULL, None)  # only the first has to say it
    assert end.answer_code() == 200


@pytest.mark.parametrize("word", [None, "", "0", "-1", "x", "1.5", "86401", "99999999999"])
def test_a_wrong_interval_is_refused(start_server, make_end, word):
    server = start_server(conf())
    end = make_end(server)

    end.beat(PULL, word)
    assert end.answer_code() == 400
    end.beat(PULL, 86400)
    assert end.answer_code() == 200


@pytest.mark.parametrize("kind", [PULL, PUSH])
def test_who_stops_sending_them_is_taken_for_dead(start_server, make_end, kind):
    server = start_server(conf())
    end = make_end(server)
    end.beat(kind, 1)

    assert is_closed_within(end, server, 2)


def test_who_sends_none_may_be_silent(start_server):
    server = start_server(conf())
    silent, beating = Plain(server), Plain(server)
    silent.say_something()
    beating.beat(PULL, 1)

    assert beating.answer_code() == 200
    assert is_closed_within(beating, server, 2)
    assert len(server.log_lines("session-closed")) == 1


def test_whoever_waits_for_an_answer_has_to_show_life_all_the_same(start_server):
    server = start_server(conf())
    end = Plain(server)
    end.beat(PULL, 1)
    assert end.answer_code() == 200
    end.caller.send(*[Packet(seq=at, uri="/slow") for at in range(3)])

    assert is_closed_within(end, server, 2)


def test_off_neither_sends_nor_answers(start_server):
    server = start_server(conf("heartbeat off;"))
    end = Plain(server)

    end.beat(PULL, 1)
    assert end.answer_code() == 404
    end.socket.settimeout(2.5)
    with pytest.raises(TimeoutError):
        end.caller.receive()


def test_a_route_of_that_uri_wins_and_others_do_not(start_server):
    server = start_server(conf("", "pull * { return 299 all; } push * { empty; }"))
    end = Plain(server)
    end.beat(PULL, 30)
    assert end.answer_code() == 200

    server = start_server(conf("", "pull /heartbeat { return 299 mine; }"))
    end = Plain(server)
    end.beat(PULL, 30)
    assert end.caller.receive().status_code == 299


def test_http_has_none(start_server):
    server = start_server(conf(FAST, "pull /heart/* { return 200 below; } pull * { return 200 mine; }"))
    caller = Browser(server)

    assert caller.ask("GET", "/heartbeat?hb_=1").body == b"mine"
    time.sleep(0.5)
    assert caller.ask("GET", "/heartbeat").body == b"mine"


def test_they_are_logged_where_that_is_wanted(start_server):
    server = start_server(conf("heartbeat_log on;"))
    end = Plain(server)
    end.beat(PULL, 30)
    end.answer_code()
    wait_until(lambda: "PULL /heartbeat?hb_=30 200" in server.log("logs/access.log"))

    quiet = start_server(conf(""))
    end = Plain(quiet)
    end.beat(PULL, 30)
    end.answer_code()
    end.caller.pull("/echo", b"1")
    wait_until(lambda: "/echo" in quiet.log("logs/access.log"))
    assert "/heartbeat" not in quiet.log("logs/access.log")


# Beside other modules

def make_token(key, claims):
    """A JWT that is signed with HS256."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
             for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(key, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")])


def test_who_has_not_proved_who_it_is_has_none(make_server):
    server = make_server(conf(FAST + "auth jwt key=conf/key alg=HS256; auth_timeout 1s;"))
    key = b"a key of 32 bytes, or even longer"
    (server.prefix / "conf/key").write_bytes(key)
    server.start()
    silent, beating, known = Plain(server), Plain(server), Plain(server)

    beating.beat(PULL, 1)
    assert beating.caller.receive().status_code == 401
    token = make_token(key, {"sub": "ann", "exp": int(time.time()) + 60})
    assert known.caller.pull("/auth", token).status_code == 200
    assert known.receive_beat() == (PULL, "1")
    assert silent.socket.recv(1) == b"", "it was sent something"
    server.wait_for_log("session-closed", "reason=auth-timeout")


def test_limits_do_not_count_them(start_server):
    server = start_server(conf("limit_rate 1r/m zone=few burst=1;", "pull * { return 404; }"))
    end = Plain(server)

    for _ in range(20):
        end.beat(PULL, 30)
        assert end.answer_code() == 200


# Dialed sessions

class Backend:
    """Listens where the server dials to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_SECONDS)
        self.port = self.listener.getsockname()[1]

    def accept(self, server, protocol):
        connected, _ = self.listener.accept()
        if protocol == "teleport":
            return Plain(server, Caller(server, connected=connected))
        return Family(server, protocol, connected=connected)


@pytest.mark.parametrize("protocol", ["teleport", "raw"])
def test_dialed_sessions_have_heartbeats_and_come_back(start_server, protocol):
    backend = Backend()
    server = start_server(conf(FAST + f"dial {protocol}://127.0.0.1:{backend.port} "
                                      "{ redial 10ms max=20ms; }"))
    end = backend.accept(server, protocol)

    for _ in range(4):
        assert end.receive_beat() == (PULL, "1")
        end.answer()
    end.beat(PULL, 30)
    assert end.answer_code() == 200
    began = time.monotonic()
    again = backend.accept(server, protocol)
    assert time.monotonic() - began < 0.7 + MARGIN
    assert "reason=heartbeat-timeout" in server.wait_for_log("session-lost")["details"]
    assert again.receive_beat() == (PULL, "1")
    server.write_conf(conf())
    assert server.reload()[0] == 0


# Reload

def test_a_reload_begins_changes_and_ends_them(start_server):
    server = start_server(conf())
    end = Plain(server)
    end.say_something()

    server.write_conf(conf("heartbeat 200ms timeout=5s;"))
    assert server.reload()[0] == 0
    assert end.receive_beat() == (PULL, "1")
    end.answer()

    server.write_conf(conf("heartbeat 1500ms timeout=5s mode=push;"))
    assert server.reload()[0] == 0
    # Some of the former kind may have come while it was taken over.
    while (beat := end.receive_beat()) == (PULL, "1"):
        end.answer()
    assert beat == (PUSH, "2")

    server.write_conf(conf("heartbeat off;"))
    assert server.reload()[0] == 0
    end.socket.settimeout(2)
    with pytest.raises(TimeoutError):
        for _ in range(2):
            end.caller.receive()
    end.beat(PULL, 3)
    assert end.answer_code() == 404


# The directive

@pytest.mark.parametrize("text, message", [
    ("heartbeat;", "heartbeat"),
    ("heartbeat 10ms;", "between 100ms and 1d"),
    ("heartbeat 2d;", "between 100ms and 1d"),
    ("heartbeat sometimes;", "a duration such as"),
    ("heartbeat 30s timeout=30s;", "timeout has to be longer than the interval"),
    ("heartbeat answer timeout=30s;", "without an interval there is no timeout"),
    ("heartbeat off timeout=30s;", "without an interval there is no timeout"),
    ("heartbeat 30s mode=both;", "mode"),
    ("heartbeat 30s 40s;", "heartbeat"),
    ("heartbeat_log maybe;", '"on" or "off"'),
])
def test_wrong_directives(make_server, text, message):
    server = make_server(conf(text))
    code, _, errors = server.run("-t")

    assert code == 1
    assert message in errors and "conf:7:" in errors


def test_on_a_route_it_has_no_place(make_server):
    code, _, errors = make_server(conf("", "pull /a { heartbeat 30s; echo; }")).run("-t")

    assert code == 1 and "heartbeat" in errors


def test_the_effective_values(make_server):
    code, output, _ = make_server(conf("heartbeat 30s;")).run("-T")

    assert code == 0
    assert "heartbeat" in output and "30s" in output


# Programs

def test_a_program_answers_them(start_server, tp):
    """tp, which is one with the library, that nobody has told anything."""
    server = start_server(conf(FAST))
    listening = tp.start("listen", f"127.0.0.1:{server.port()}")

    time.sleep(1.5)  # twice the time in which a dead one is closed
    assert listening.poll() is None
    assert server.log_lines("session-closed") == []
    Plain(server).receive_beat()  # so that is what it was sent, too


def test_a_program_sends_them_and_comes_back(make_server, tp):
    """tp takes a server for dead that has vanished without a word."""
    server = make_server(conf())
    backend = Backend()
    tp.start("listen", f"127.0.0.1:{backend.port}", "--heartbeat", "200ms")
    end = backend.accept(server, "teleport")

    for _ in range(3):
        assert end.receive_beat() == (PULL, "1")
        end.answer(404)
    again = backend.accept(server, "teleport")
    assert again.receive_beat() == (PULL, "1")


def test_a_wrong_interval_of_tp(tp):
    code, _, errors = tp.run("listen", "--heartbeat", "20ms")

    assert code == 2
    assert "at least 100ms" in errors


# Without it

def test_without_the_module_it_is_a_uri_like_any_other(tmp_path):
    configured = configure(f"--objs={tmp_path}/objs", "--without-heartbeat")
    assert configured.returncode == 0, configured.stdout
    for generated in ("modules.c", "library.c"):
        assert "tp_module_heartbeat" not in (tmp_path / "objs" / generated).read_text()

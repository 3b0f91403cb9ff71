"""Who reads more slowly than he is sent to: what waits is bounded, and nobody else suffers."""
import json
import re
import socket
import threading

import pytest

from harness import family, procfs
from harness.wait import wait_until
from harness.websocket import WebSocketCaller
from harness.wire25 import Caller, Packet

KB = 1024
BOUND = 64 * KB
PUSHES = 600
BODY_BYTES = 2000
URIS = 10
FULL = (503, "a queue on the way is full")

CONF = """
worker_processes WORKERS;
worker_watch off;
peer {
    send_queue 64k on_full=POLICY;
    server {
        listen 127.0.0.1:$PORT rcvbuf=32k sndbuf=32k;
        pull /system/id { session_id $arg_id; }
        pull /echo { echo; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        send_queue 8m;
        pull /control/* { control; }
    }
}
"""


def start(start_server, policy, workers=1):
    return start_server(CONF.replace("POLICY", policy).replace("WORKERS", str(workers)))


class Operator(Caller):
    def __init__(self, server):
        super().__init__(server, "$PORT2")

    def ask(self, action, **members):
        return self.pull(f"/control/{action}", json.dumps(members).encode())

    def row(self, name):
        """The session of this id; None when there is none."""
        rows = json.loads(self.ask("sessions", id_prefix=name).body)["sessions"]
        return rows[0] if rows else None

    def push_all(self, name, count=PUSHES):
        """Numbered PUSHes to uris in turn; returns the numbers of those that were taken."""
        self.send(*(Packet(uri="/control/push", seq=number, body=json.dumps({
            "id": name, "uri": f"/news?of={number % URIS}",
            "text": f"{number:06d}" + "x" * BODY_BYTES}).encode()) for number in range(count)))
        outcomes = {reply.seq: reply.outcome() for reply in self.receive_many(count)}
        assert set(outcomes.values()) <= {(200, "OK"), FULL, (404, "no such session"),
                                          (409, "the session has ended")}
        return [number for number in range(count) if outcomes[number] == (200, "OK")]


class Slow25:
    """A session of Teleport 2.5 that reads when it is told to."""

    def __init__(self, server, name):
        self.caller = Caller(server, receive_room=16 * KB)
        self.socket = self.caller.socket
        assert self.caller.pull(f"/system/id?id={name}").outcome() == (200, "OK")

    def next(self):
        packet = self.caller.receive()
        return packet.uri, packet.body[:6]


class SlowRaw:
    def __init__(self, server, name):
        self.caller = family.Caller(server)
        self.socket = self.caller.socket
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KB)
        assert self.caller.call(f"/system/id?id={name}").outcome()[0] == 0

    def next(self):
        packet = self.caller.receive()
        return packet.method, packet.body[:6]


class SlowWebSocket:
    def __init__(self, server, name):
        self.caller = WebSocketCaller(server)
        self.socket = self.caller.socket
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KB)
        assert "code" not in self.caller.pull(f"/system/id?id={name}").get("status", "")

    def next(self):
        packet = self.caller.receive_json()
        return packet["serviceMethod"], packet["body"][:6].encode()


TONGUES = [Slow25, SlowRaw, SlowWebSocket]


def read_all(server, slow, name):
    """All that was sent to it, in order: reads until nothing waits, and the last there is."""
    operator = Operator(server)
    found = []

    def read():
        while not found or found[-1][0] != "/end":
            found.append(slow.next())

    reader = threading.Thread(target=read)
    reader.start()
    wait_until(lambda: operator.row(name)["queued_bytes"] == 0, "all has left")
    assert operator.ask("push", id=name, uri="/end", text="the end").outcome() == (200, "OK")
    reader.join()
    return [(uri, int(body)) for uri, body in found[:-1]]


def details(server):
    lines = [line["details"] for line in server.log_lines("slow-consumer")]
    return [dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line)) for line in lines]


@pytest.mark.parametrize("tongue", TONGUES)
def test_drop_new_refuses_what_finds_no_room(start_server, tongue):
    server = start(start_server, "drop-new")
    slow = tongue(server, "lamp")
    operator = Operator(server)
    taken = operator.push_all("lamp")
    assert 0 < operator.row("lamp")["queued_bytes"] <= BOUND
    assert len(taken) < PUSHES
    assert [number for _, number in read_all(server, slow, "lamp")] == taken
    wait_until(lambda: server.total("packets_refused") == PUSHES - len(taken))
    assert server.total("pushes_dropped") == 0


@pytest.mark.parametrize("tongue", TONGUES)
def test_drop_old_makes_room_with_the_oldest(start_server, tongue):
    server = start(start_server, "drop-old")
    slow = tongue(server, "lamp")
    operator = Operator(server)
    assert operator.push_all("lamp") == list(range(PUSHES))
    assert 0 < operator.row("lamp")["queued_bytes"] <= BOUND
    arrived = [number for _, number in read_all(server, slow, "lamp")]
    assert arrived == sorted(arrived) and arrived[0] == 0 and arrived[-1] == PUSHES - 1
    newest = arrived[-10:]
    assert newest == list(range(PUSHES - 10, PUSHES))
    wait_until(lambda: server.total("pushes_dropped") == PUSHES - len(arrived))
    assert len(arrived) < PUSHES and server.total("packets_refused") == 0


@pytest.mark.parametrize("tongue", TONGUES)
def test_latest_by_uri_keeps_the_newest_of_each(start_server, tongue):
    server = start(start_server, "latest-by-uri")
    slow = tongue(server, "lamp")
    operator = Operator(server)
    assert operator.push_all("lamp") == list(range(PUSHES))
    assert 0 < operator.row("lamp")["queued_bytes"] <= BOUND
    arrived = read_all(server, slow, "lamp")
    for uri in range(URIS):
        numbers = [number for name, number in arrived if name == f"/news?of={uri}"]
        assert numbers == sorted(numbers)
        assert numbers[-1] == max(range(uri, PUSHES, URIS))
    wait_until(lambda: server.total("pushes_replaced") == PUSHES - len(arrived))
    assert len(arrived) < PUSHES and server.total("packets_refused") == 0


@pytest.mark.parametrize("tongue", TONGUES)
def test_close_ends_the_session(start_server, tongue):
    server = start(start_server, "close")
    slow = tongue(server, "lamp")
    operator = Operator(server)
    taken = operator.push_all("lamp")
    assert operator.row("lamp") is None
    assert taken == list(range(len(taken))) and 0 < len(taken) < PUSHES
    assert server.wait_for_log("session-closed", "reason=queue-full")
    assert [line["done"] for line in details(server)] == ["closed"]
    wait_until(lambda: server.total("slow_sessions_closed") == 1)
    assert server.total("slow_sessions") == 0
    slow.socket.close()


@pytest.mark.parametrize("policy", ["drop-new", "drop-old", "latest-by-uri", "close"])
def test_one_of_a_hundred_who_never_reads_costs_the_others_nothing(start_server, policy, sanitized):
    server = start(start_server, policy)
    never = Slow25(server, "never")
    others = [Slow25(server, f"other-{i}") for i in range(100)]
    operator = Operator(server)
    pid = server.worker_pids()[0]
    for turn in range(10):
        if turn == 1:
            before = procfs.resident_bytes(pid)
        operator.push_all("never", 100)
        request = [Packet(uri="/control/push", seq=i, body=json.dumps({
            "id": f"other-{i}", "uri": f"/{turn}", "text": "000001"}).encode())
            for i in range(100)]
        operator.send(*request)
        assert {reply.outcome() for reply in operator.receive_many(100)} == {(200, "OK")}
        row = operator.row("never")
        assert row["queued_bytes"] <= BOUND if policy != "close" else row is None
    for other in others:
        assert [other.next()[0] for _ in range(10)] == [f"/{turn}" for turn in range(10)]
    if not sanitized:
        assert procfs.resident_bytes(pid) - before < KB * KB
    assert {line["id"] for line in details(server)} == {'"never"'}
    never.socket.close()


@pytest.mark.parametrize("policy", ["drop-old", "latest-by-uri", "close"])
def test_pushes_from_another_worker_find_the_same_rule(start_server, policy):
    server = start(start_server, policy, workers=2)
    slow = Slow25(server, "lamp")
    operator = next(one for one in iter(lambda: Operator(server), None)
                    if is_of_another_worker(one))
    taken = operator.push_all("lamp")
    if policy == "close":
        assert operator.row("lamp") is None and len(taken) < PUSHES
        return
    assert taken == list(range(PUSHES))
    assert operator.row("lamp")["queued_bytes"] <= BOUND
    assert max(number for _, number in read_all(server, slow, "lamp")) == PUSHES - 1


def is_of_another_worker(operator):
    rows = json.loads(operator.ask("sessions").body)["sessions"]
    own = "127.0.0.1:%d" % operator.socket.getsockname()[1]
    lamp = next(row["worker"] for row in rows if row.get("id") == "lamp")
    return next(row["worker"] for row in rows if row["remote"] == own) != lamp


@pytest.mark.parametrize("policy", ["drop-new", "drop-old", "latest-by-uri"])
def test_replies_leave_also_from_a_full_queue(start_server, policy):
    server = start(start_server, policy)
    slow = Slow25(server, "lamp")
    Operator(server).push_all("lamp")
    slow.caller.send(*(Packet(uri="/echo", seq=seq, body=b'"000000"') for seq in range(1, 21)))
    found = []
    while found.count("/echo") < 20:
        found.append(slow.caller.receive().uri)
    assert found.count("/echo") == 20


@pytest.mark.parametrize("policy", ["drop-new", "drop-old", "latest-by-uri"])
def test_who_is_closed_is_told_though_the_queue_is_full(start_server, policy):
    server = start(start_server, policy)
    slow = Slow25(server, "lamp")
    operator = Operator(server)
    operator.push_all("lamp")
    assert operator.ask("close", id="lamp").outcome() == (200, "OK")
    uris = [packet.uri for packet in slow.caller.receive_rest()]
    assert uris[-1].startswith("/system/closed?reason=kicked")


def test_a_slow_one_is_named_in_the_log_with_what_was_done(start_server):
    server = start(start_server, "drop-old")
    slow = Slow25(server, "lamp")
    port = slow.socket.getsockname()[1]
    Operator(server).push_all("lamp")
    line, = details(server)
    assert line["id"] == '"lamp"' and line["remote"] == f"127.0.0.1:{port}"
    assert 0 < int(line["queued_bytes"]) <= BOUND
    assert int(line["oldest_ms"]) >= 0
    assert line["done"] == "dropped" and int(line["dropped"]) > 0
    wait_until(lambda: server.total("slow_sessions") == 1)
    read_all(server, slow, "lamp")
    wait_until(lambda: server.total("slow_sessions") == 0)
    slow.socket.close()
    # What was done since the line before is said when it ends; the counters agree.
    said = sum(int(line["dropped"]) for line in wait_until(
        lambda: len(details(server)) == 2 and details(server)))
    assert said == server.total("pushes_dropped")
    assert details(server)[1]["done"] == "ended"


def test_a_reload_changes_the_rule_for_what_waits(start_server):
    server = start(start_server, "drop-new")
    slow = Slow25(server, "lamp")
    operator = Operator(server)
    assert len(operator.push_all("lamp")) < PUSHES
    server.write_conf(CONF.replace("POLICY", "latest-by-uri").replace("WORKERS", "1"))
    server.reload()
    assert operator.push_all("lamp") == list(range(PUSHES))
    arrived = read_all(server, slow, "lamp")
    assert {number for _, number in arrived[-URIS:]} == set(range(PUSHES - URIS, PUSHES))


@pytest.mark.parametrize("text, message", [
    ("send_queue;", "lacks the argument"),
    ("send_queue 10;", "1k"),
    ("send_queue 1m on_full=drop;", "drop-new"),
    ("send_queue 1m on_full;", "on_full"),
    ("send_queue 1m 2m;", "2m"),
    ("send_queue on_full=close;", "lacks the argument"),
    ("max_pending_pulls 0;", "1000000"),
    ("max_pending_pulls many;", "number"),
    ("max_sent_pulls 0;", "1000000"),
])
def test_what_makes_no_sense_is_explained(start_server, text, message):
    server = start_server("peer { server { listen 127.0.0.1:$PORT; } }")
    server.write_conf("peer { server { listen 127.0.0.1:$PORT; %s } }" % text)
    code, _, errors = server.run("-t")
    assert code == 1
    assert text.split()[0].rstrip(";") in errors and message in errors, errors

"""Sessions of any worker, in an operator's hands: listed, pushed to, pulled from, closed."""
import json
import os
import signal
import socket
import struct

from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import PUSH, REPLY, Caller, Packet

CONF = """
worker_processes 2;
worker_watch off;
peer {
    %s
    server {
        listen 127.0.0.1:$PORT;
        pull /system/id { session_id $arg_id; }
        pull /echo { echo; }
        pull /slow { sleep 1h; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /control/* { control; }
        pull /echo { echo; }
    }
}
"""
NO_SUCH = (404, "no such session")
ENDED = (409, "the session has ended")


def start(start_server, directives=""):
    return start_server(CONF % directives)


class Operator(Caller):
    """A session that may use the control routes."""

    def __init__(self, server):
        super().__init__(server, "$PORT2")

    def ask(self, action, **members):
        return self.pull(f"/control/{action}", json.dumps(members).encode())

    def page(self, **members):
        reply = self.ask("sessions", **members)
        assert reply.outcome() == (200, "OK"), reply
        return json.loads(reply.body)

    def sessions(self, **members):
        """All sessions, page by page."""
        rows, cursor = [], 0
        while cursor is not None:
            page = self.page(cursor=cursor, **members)
            rows += page["sessions"]
            cursor = page.get("cursor")
        return rows

    def session(self, name):
        found = self.sessions(id_prefix=name)
        assert len(found) == 1
        return found[0]


def named(server, name):
    """A session that has this id."""
    caller = Caller(server)
    reply = caller.pull(f"/system/id?id={name}")
    assert reply.outcome() == (200, "OK")
    return caller


def reset(caller):
    """Ends the connection so that nothing can be answered on it any more."""
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()


def operators(server):
    """An operator's session in each worker."""
    found = {}
    spare = []

    def one_more():
        operator = Operator(server)
        slot = next(row["worker"] for row in operator.sessions()
                    if row["remote"] == "127.0.0.1:%d" % operator.socket.getsockname()[1])
        if slot in found:
            spare.append(operator)
        found.setdefault(slot, operator)
        return len(found) == 2

    wait_until(one_more, "an operator in each worker")
    return found


def test_a_session_is_pushed_to_by_id_and_by_number_from_each_worker(start_server):
    server = start(start_server)
    lamp = named(server, "lamp")
    number = Operator(server).session("lamp")["number"]

    for operator in operators(server).values():
        assert operator.ask("push", id="lamp", uri="/on", body={"level": 7}).outcome() == (200, "OK")
        pushed = lamp.receive()
        assert (pushed.type, pushed.uri, pushed.body) == (PUSH, "/on", b'{"level":7}')

        assert operator.ask("push", number=number, uri="/off", text="now").outcome() == (200, "OK")
        pushed = lamp.receive()
        assert (pushed.type, pushed.uri, pushed.codec, pushed.body) == (PUSH, "/off", b"s", b"now")


def test_a_thousand_sessions_are_pushed_to_by_id_from_the_other_worker(start_server):
    server = start(start_server)
    operator_of = operators(server)
    devices = {f"device-{i}": named(server, f"device-{i}") for i in range(1000)}
    slot_of = {row["id"]: row["worker"] for row in operator_of[0].sessions(id_prefix="device-")}

    # Each worker has some hundreds of them, and each is pushed to by the operator of the other.
    assert len(slot_of) == 1000 and min(list(slot_of.values()).count(slot) for slot in (0, 1)) > 300
    for turn in range(3):
        for name, slot in slot_of.items():
            operator_of[1 - slot].send(Packet(
                uri="/control/push",
                body=json.dumps({"id": name, "uri": f"/{turn}", "body": turn}).encode()))
    for slot, operator in operator_of.items():
        for _ in range(3 * list(slot_of.values()).count(1 - slot)):
            assert operator.receive().outcome() == (200, "OK")
    for name, device in devices.items():
        pushed = device.receive_many(3)
        assert [packet.uri for packet in pushed] == ["/0", "/1", "/2"], name
        assert [packet.body for packet in pushed] == [b"0", b"1", b"2"], name
    assert server.total("remote_failures") == 0


def test_who_pushes_to_a_worker_that_dies_learns_that_it_is_gone(start_server):
    server = start(start_server)
    operator = operators(server)[0]
    names = [f"device-{i}" for i in range(200)]
    devices = {name: named(server, name) for name in names}
    slot_of = {row["id"]: row["worker"] for row in operator.sessions(id_prefix="device-")}
    lost = [name for name in names if slot_of[name] == 1]
    kept = [name for name in names if slot_of[name] == 0]
    assert len(lost) > 50 and len(kept) > 50
    pid = server.worker_pids()[1]

    # A push that arrives tells that the workers are connected; the next ones wait in the queue.
    assert operator.ask("push", id=lost[0], uri="/hello").outcome() == (200, "OK")
    assert devices[lost[0]].receive().uri == "/hello"
    os.kill(pid, signal.SIGSTOP)
    for seq, name in enumerate(names, 1):
        operator.send(Packet(uri="/control/push", seq=seq,
                             body=json.dumps({"id": name, "uri": "/in-between"}).encode()))
    outcomes = {}
    while len(outcomes) < len(kept):
        reply = operator.receive()
        outcomes[names[reply.seq - 1]] = reply.outcome()
    assert outcomes == {name: (200, "OK") for name in kept}
    os.kill(pid, signal.SIGKILL)
    for _ in lost:
        reply = operator.receive()
        outcomes[names[reply.seq - 1]] = reply.outcome()

    assert {outcomes[name] for name in lost} == {ENDED}
    for name in kept:
        assert devices[name].receive().uri == "/in-between"
    server.wait_for_replacement(1, pid)
    for name in lost[:5]:
        assert operator.ask("push", id=name, uri="/after").outcome() == NO_SUCH
        devices[name].close()
        devices[name] = named(server, name)
        assert operator.ask("push", id=name, uri="/again").outcome() == (200, "OK")
        assert devices[name].receive().uri == "/again"
    assert {row["id"] for row in operator.sessions(id_prefix="device-")} \
        == set(kept) | set(lost[:5])


def test_a_pull_from_a_worker_that_dies_ends(start_server):
    server = start(start_server)
    operator_of = operators(server)
    lamp = named(server, "lamp")
    slot = operator_of[0].session("lamp")["worker"]
    operator = operator_of[1 - slot]
    pid = server.worker_pids()[slot]

    operator.send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/state"}'))
    assert lamp.receive().uri == "/state"
    os.kill(pid, signal.SIGKILL)

    assert operator.receive().outcome() == ENDED
    server.wait_for_replacement(slot, pid)


def test_the_other_ends_reply_is_the_reply(start_server):
    server = start(start_server)
    lamp = named(server, "lamp")

    for operator in operators(server).values():
        operator.send(Packet(uri="/control/pull", seq=5, body=json.dumps(
            {"id": "lamp", "uri": "/state?of=all", "body": [1, 18446744073709551615]}).encode()))
        asked = lamp.receive()
        assert (asked.uri, asked.body) == ("/state?of=all", b"[1,18446744073709551615]")
        lamp.send(Packet(type=REPLY, seq=asked.seq, uri=asked.uri, status_code=1001,
                         status="it is dark", codec=b"s", body=b"\x00\xff"))
        reply = operator.receive()
        assert (reply.seq, reply.uri) == (5, "/control/pull")
        assert reply.outcome() == (1001, "it is dark")
        assert (reply.codec, reply.body) == (b"s", b"\x00\xff")


def test_a_pull_ends_with_its_session_or_its_time(start_server):
    server = start(start_server)

    for slot, operator in operators(server).items():
        lamp = named(server, f"lamp{slot}")
        reply = operator.ask("pull", id=f"lamp{slot}", uri="/state", timeout=0.05)
        assert reply.outcome() == (504, "Gateway Timeout")
        assert lamp.receive().uri == "/state"
        operator.send(Packet(uri="/control/pull",
                             body=json.dumps({"id": f"lamp{slot}", "uri": "/more"}).encode()))
        assert lamp.receive().uri == "/more"
        lamp.close()
        assert operator.receive().outcome() == (502, "the session ended before it answered")


def test_an_operator_may_leave_before_the_answer(start_server):
    server = start(start_server)
    lamp = named(server, "lamp")

    for operator in operators(server).values():
        operator.send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/state"}'))
        asked = lamp.receive()
        name = "remote=127.0.0.1:%d " % operator.socket.getsockname()[1]
        reset(operator)
        wait_until(lambda gone=name: any(gone in line["details"]
                                         for line in server.log_lines("session-closed")))
        lamp.send(Packet(type=REPLY, seq=asked.seq, status_code=200, status="OK"))
    assert lamp.is_well()


def test_a_session_is_told_why_it_is_closed(start_server):
    server = start(start_server)

    for slot, operator in operators(server).items():
        lamp = named(server, f"lamp{slot}")
        assert operator.ask("close", id=f"lamp{slot}", reason='a "reason" \\ and\n more',
                            redial=True).outcome() == (200, "OK")
        told = lamp.receive()
        assert (told.type, told.uri) == (PUSH, "/system/closed?reason=kicked&redial=1")
        assert json.loads(told.body) == {"reason": 'a "reason" \\ and\n more', "redial": True}
        assert lamp.receive_rest() == []

        lamp = named(server, f"lamp{slot}")
        number = operator.session(f"lamp{slot}")["number"]
        assert operator.ask("close", number=number).outcome() == (200, "OK")
        told = lamp.receive()
        assert told.uri == "/system/closed?reason=kicked&redial=0"
        assert json.loads(told.body) == {"reason": "kicked", "redial": False}
        assert lamp.receive_rest() == []
        assert operator.ask("close", number=number).outcome() == NO_SUCH
    assert len([line for line in server.log_lines("session-closed")
                if "reason=kicked" in line["details"]]) == 4


def test_a_session_that_is_closed_finishes_what_is_in_flight(start_server):
    server = start(start_server)
    lamp = named(server, "lamp")
    operator = Operator(server)
    for one in operators(server).values():
        one.send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/state"}'))
    asked = lamp.receive_many(2)

    assert operator.ask("close", id="lamp").outcome() == (200, "OK")
    assert lamp.receive().uri == "/system/closed?reason=kicked&redial=0"
    assert operator.ask("push", id="lamp", uri="/late").outcome() == ENDED
    assert operator.ask("close", id="lamp").outcome() == ENDED
    for pull in asked:
        lamp.send(Packet(type=REPLY, seq=pull.seq, status_code=200, status="OK"))
    assert lamp.receive_rest() == []


def test_a_row_says_what_is_known_of_a_session(start_server):
    server = start(start_server)
    lamp = named(server, "lamp")
    lamp.send(Packet(uri="/slow", seq=2), Packet(uri="/slow", seq=3))
    lamp.is_well()

    for operator in operators(server).values():
        operator.send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/state"}'))
        lamp.receive()
    row = Operator(server).session("lamp")

    assert row.pop("number") > 0
    assert 0 <= row.pop("age") < PATIENCE_SECONDS
    assert row.pop("worker") in (0, 1)
    assert row.pop("queued_bytes") == 0 and row.pop("queued_age") == 0
    assert row == {"id": "lamp", "remote": "127.0.0.1:%d" % lamp.socket.getsockname()[1],
                   "listen": "127.0.0.1:%d" % server.port(), "protocol": "teleport", "state": "open", "in_flight": 2,
                   "asked": 2, "packets_received": 4, "packets_sent": 4, "bytes_received": 100,
                   "bytes_sent": 116}
    reset(lamp)


def test_sessions_are_filtered(start_server):
    server = start(start_server)
    for name in ("lamp-1", "lamp-2", "door-1"):
        named(server, name)
    Caller(server)
    Caller(server, source="127.0.0.9")
    operator = Operator(server)
    wait_until(lambda: len(operator.sessions()) == 6)

    def ids(**members):
        return sorted(row.get("id", "") for row in operator.sessions(**members))

    assert ids(id_prefix="lamp-") == ["lamp-1", "lamp-2"]
    assert ids(id_prefix="lamp-2") == ["lamp-2"]
    assert ids(id_prefix="lamp-3") == []
    assert ids(listen="127.0.0.1:%d" % server.port("$PORT2")) == [""]
    assert ids(listen="127.0.0.1:%d" % server.port()) == ["", "", "door-1", "lamp-1", "lamp-2"]
    assert ids(address="127.0.0.9") == [""]
    assert ids(address="::1") == ids(address="unix:") == []
    assert ids(address="127.0.0.1", id_prefix="d") == ["door-1"]


def test_pages_show_each_session_that_stays_exactly_once(start_server):
    server = start(start_server)
    operator = Operator(server)
    stayers = [named(server, f"stays-{i}") for i in range(300)]
    comers = [named(server, f"goes-{i}") for i in range(100)]
    seen, cursor, page_count = [], 0, 0

    while cursor is not None:
        page = operator.page(cursor=cursor, limit=7)
        assert len(page["sessions"]) <= 7
        seen += [row["id"] for row in page["sessions"] if "id" in row]
        cursor = page.get("cursor")
        page_count += 1
        if comers:
            comers.pop().close()
        named(server, f"comes-{page_count}")

    assert len(stayers) == 300 and page_count >= 300 // 7
    assert sorted(name for name in seen if name.startswith("stays-")) \
        == sorted(f"stays-{i}" for i in range(300))
    assert len(seen) == len(set(seen))


def test_mistakes_are_named(start_server):
    server = start(start_server)
    named(server, "lamp")
    operator = Operator(server)

    def why(action, **members):
        reply = operator.ask(action, **members)
        assert reply.status_code == 400, reply
        return reply.status

    assert operator.pull("/control/nothing").outcome() \
        == (404, "no such request: sessions, inflight, stats, push, pull, close, trace or untrace")
    assert operator.pull("/control/push", b"[]").outcome() == (400, "the request is no object")
    assert operator.pull("/control/push", b"{").status_code == 400
    assert why("push", id="lamp", url="/x") == 'unknown member "url"'
    assert why("push", uri="/x") == 'either "number" or "id" says which session'
    assert why("push", id="lamp", number=1, uri="/x") \
        == 'either "number" or "id" says which session'
    assert why("push", id="", uri="/x") == '"id" is a text'
    assert why("push", id=7, uri="/x") == '"id" is a text'
    assert why("push", number="7", uri="/x") == '"number" is a session\'s number'
    assert why("push", number=0, uri="/x") == '"number" is a session\'s number'
    assert why("push", id="lamp") == '"uri" is a text that begins with a slash'
    assert why("push", id="lamp", uri="x") == '"uri" is a text that begins with a slash'
    assert why("push", id="lamp", uri="/x", body=1, text="1") \
        == '"body" and "text" exclude each other'
    assert why("push", id="lamp", uri="/x", text=1) == '"text" is a text'
    assert why("push", id="lamp", uri="/x", gzip=10) == '"gzip" is a level from -2 to 9'
    assert why("push", id="lamp", uri="/x", timeout=1) == 'unknown member "timeout"'
    for timeout in (0, -1, 3601, "1"):
        assert why("pull", id="lamp", uri="/x", timeout=timeout) \
            == '"timeout" is a number of seconds, from 0.001 to 3600'
    assert why("close", id="lamp", redial="yes") == '"redial" is true or false'
    assert why("close", id="lamp", reason="r" * 201).startswith("a member that must be a text")
    assert why("sessions", limit=0) == '"limit" is a number from 1 to 1000'
    assert why("sessions", limit=1001) == '"limit" is a number from 1 to 1000'
    assert why("sessions", cursor=-1) == '"cursor" is the number that the page before has given'
    assert why("sessions", address="127.0.0.1:80") \
        == '"address" is an IPv4 or IPv6 address without port, or "unix:"'
    for action in ("push", "pull"):
        assert operator.ask(action, id="nobody", uri="/x").outcome() == NO_SUCH
        assert operator.ask(action, number=10**15, uri="/x").outcome() == NO_SUCH
        assert operator.ask(action, number=2**62, uri="/x").outcome() == NO_SUCH
        assert operator.ask(action, id="x" * 65, uri="/x").outcome() == NO_SUCH
    assert operator.page(cursor=2**62) == {"sessions": []}


def test_large_bodies_travel_between_workers(start_server):
    server = start(start_server)
    text = "x" * 900_000
    lamp = named(server, "lamp")

    for operator in operators(server).values():
        operator.send(Packet(uri="/control/pull",
                             body=json.dumps({"id": "lamp", "uri": "/big", "text": text}).encode()))
        asked = lamp.receive()
        assert asked.body == text.encode()
        lamp.send(Packet(type=REPLY, seq=asked.seq, status_code=200, status="OK",
                         body=text.encode(), codec=b"s"))
        assert operator.receive().body == text.encode()


def test_what_is_too_large_for_the_bus_is_refused(start_server):
    server = start_server("bus_queue 64k;\n" + CONF % "")
    operator_of = operators(server)
    lamp = named(server, "lamp")
    slot = operator_of[0].session("lamp")["worker"]
    too_large = (413, "too large for packet_limit or bus_queue")

    assert operator_of[1 - slot].ask("push", id="lamp", uri="/x", text="x" * 70_000).outcome() \
        == too_large
    assert operator_of[slot].ask("push", id="lamp", uri="/x", text="x" * 70_000).outcome() \
        == (200, "OK")
    assert len(lamp.receive().body) == 70_000
    operator_of[1 - slot].send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/big"}'))
    asked = lamp.receive()
    lamp.send(Packet(type=REPLY, seq=asked.seq, status_code=200, status="OK", body=b"x" * 70_000))
    # It was asked and has answered: another code than that of what has never been there.
    assert operator_of[1 - slot].receive().outcome() \
        == (502, "the reply is too large for bus_queue, or that is full")


def test_a_reply_without_a_status_is_one_from_each_worker(start_server):
    server = start(start_server)
    lamp = named(server, "lamp")

    for operator in operators(server).values():
        operator.send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/dark"}'))
        lamp.send(Packet(type=REPLY, seq=lamp.receive().seq, status_code=0, body=b"1"))
        assert operator.receive().outcome()[0] == 502


def test_a_session_that_does_not_read_is_full(start_server):
    server = start(start_server, "send_queue 100k;")
    lamp = named(server, "lamp")

    for operator in operators(server).values():
        outcomes = []
        while not outcomes or outcomes[-1] == (200, "OK"):
            reply = operator.ask("push", id="lamp", uri="/x", text="x" * 50_000)
            outcomes.append(reply.outcome())
        assert outcomes[-1] == (503, "a queue on the way is full")
    while lamp.receive().body:
        if Operator(server).session("lamp")["queued_bytes"] == 0:
            break


def test_a_worker_that_stands_still_is_full_and_then_late(start_server):
    server = start_server("bus_queue 64k;\n" + CONF % "")
    operator_of = operators(server)
    lamp = named(server, "lamp")
    slot = operator_of[0].session("lamp")["worker"]
    operator = operator_of[1 - slot]
    request = json.dumps({"id": "lamp", "uri": "/x", "text": "x" * 50_000}).encode()
    assert operator.ask("push", id="lamp", uri="/hello").outcome() == (200, "OK")

    os.kill(server.worker_pids()[slot], signal.SIGSTOP)
    # What the sockets take first is no matter: in the end there is no room.
    operator.send(*(Packet(uri="/control/push", seq=seq, body=request) for seq in range(1, 101)))
    replies = operator.receive_many(100)
    os.kill(server.worker_pids()[slot], signal.SIGCONT)

    outcomes = [reply.outcome() for reply in replies]
    full = outcomes.count((503, "a queue on the way is full"))
    late = outcomes.count((504, "its worker has not answered in time"))
    assert full > 0 and late > 0 and full + late == 100
    # Late does not mean lost, and an answer that comes after all is no harm.
    assert lamp.receive().uri == "/hello"
    for _ in range(late):
        assert len(lamp.receive().body) == 50_000
    assert operator.ask("push", id="lamp", uri="/bye").outcome() == (200, "OK")
    assert lamp.receive().uri == "/bye"


def test_a_newer_session_takes_an_id_from_an_older_one(start_server):
    server = start(start_server)
    operator = Operator(server)
    lamp = named(server, "lamp")
    slots = set()

    def takes_it():
        nonlocal lamp
        newer = named(server, "lamp")
        told = lamp.receive()
        assert told.uri == "/system/closed?reason=id-taken&redial=0"
        assert json.loads(told.body) == {"reason": "id-taken", "redial": False}
        assert lamp.receive_rest() == []
        lamp = newer
        slots.add(operator.session("lamp")["worker"])
        assert operator.ask("push", id="lamp", uri="/x").outcome() == (200, "OK")
        assert lamp.receive().uri == "/x"
        Caller(server)
        return slots == {0, 1}

    # Both workers have the newer one now and then.
    for _ in range(20):
        takes_it()
    wait_until(takes_it, "either worker has had the newer one")


def test_a_newer_session_is_refused_an_id(start_server):
    server = start(start_server, "id_conflict refuse-new;")
    lamp = named(server, "lamp")
    others = [Caller(server) for _ in range(10)]

    for other in others:
        assert other.pull("/system/id?id=lamp").outcome() \
            == (409, "another session has this id")
        assert other.is_well()
    lamp.close()
    wait_until(lambda: others[0].pull("/system/id?id=lamp").outcome() == (200, "OK"))
    assert others[1].pull("/system/id?id=lamp").status_code == 409


def test_an_id_must_be_one(start_server):
    server = start(start_server)
    caller = Caller(server)
    bad = (400, "an id has 1 to 64 bytes and no control characters")

    assert caller.pull("/system/id").outcome() == bad
    assert caller.pull("/system/id?id=").outcome() == bad
    assert caller.pull("/system/id?id=" + "x" * 65).outcome() == bad
    assert caller.pull("/system/id?id=a%0ab").outcome() == bad
    assert caller.pull("/system/id?id=" + "x" * 64).outcome() == (200, "OK")
    assert Operator(server).session("x")["id"] == "x" * 64


def test_sessions_beyond_the_directory_are_served_and_have_no_id(start_server):
    server = start_server("session_directory 1;\n" + CONF % "")
    callers = [Caller(server) for _ in range(200)]
    wait_until(lambda: server.total("sessions") == 200)

    assert server.total("directory_full") > 0
    outcomes = {caller.pull("/system/id?id=%d" % i).outcome() for i, caller in enumerate(callers)}
    assert (503, "the session directory is full") in outcomes
    assert (200, "OK") in outcomes
    assert all(caller.is_well() for caller in callers)
    # Once for each worker, not for each session.
    assert 1 <= len(server.log_lines("directory-full")) <= 2


def test_a_reload_does_not_disturb(start_server):
    server = start(start_server)
    operator_of = operators(server)
    lamp = named(server, "lamp")

    for _ in range(5):
        assert server.reload()[0] == 0
        for operator in operator_of.values():
            assert operator.ask("push", id="lamp", uri="/x").outcome() == (200, "OK")
            assert lamp.receive().uri == "/x"
    assert operator_of[0].session("lamp")["state"] == "open"


def test_a_pull_may_wait_while_its_worker_stops(start_server):
    server = start(start_server)
    lamp = named(server, "lamp")
    for operator in operators(server).values():
        operator.send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/state"}'))
        lamp.receive()
    # The harness sees to it that both workers end at once, and leave nothing behind.


def test_an_id_can_be_logged_and_answered(start_server):
    server = start_server(CONF.replace("pull /echo { echo; }",
                                       'pull /echo { echo; } '
                                       'pull /me { return 200 "$session_id"; }', 1)
                          % 'access_log logs/access.log format="$path $session_id";')
    caller = Caller(server)

    assert caller.pull("/me").body == b""
    assert caller.pull("/system/id?id=ann").status_code == 200
    assert caller.pull("/me").body == b"ann"
    server.ask("reopen")
    wait_until(lambda: "/me ann\n" in server.log("logs/access.log"), "the line is written")
    assert "/me -\n" in server.log("logs/access.log")


def test_a_dialed_session_is_one_like_others(start_server):
    server = start(start_server, "dial 127.0.0.1:$PORT { }")
    operator_of = operators(server)

    def dialed():
        return [row for row in operator_of[0].sessions()
                if "dial" in row and row["state"] == "open"]

    row = wait_until(dialed, "the dialed session is open")[0]
    assert "listen" not in row and str(server.port()) in row["dial"]
    for operator in operator_of.values():
        # It is the other end that answers, which is this server again.
        reply = operator.ask("pull", number=row["number"], uri="/echo", body=[7])
        assert (reply.outcome(), reply.body) == ((200, "OK"), b"[7]")
    assert operator_of[0].ask("close", number=row["number"]).outcome() == (200, "OK")
    wait_until(lambda: not dialed())


def test_another_size_of_the_directory_waits_for_a_restart(start_server):
    server = start_server("session_directory 1000;\n" + CONF % "")
    lamp = named(server, "lamp")
    server.write_conf("session_directory 2000;\n" + CONF % "")

    code, output = server.reload()

    assert code == 0 and "session_directory: waits for" in output
    assert Operator(server).ask("push", id="lamp", uri="/x").outcome() == (200, "OK")
    assert lamp.receive().uri == "/x"


def test_every_request_ends_once_however_many_workers_die(start_server):
    server = start_server((CONF % "").replace("worker_processes 2", "worker_processes 3"))
    operator = Operator(server)
    at_home = operator.page()["sessions"][0]["worker"]
    names = [f"device-{i}" for i in range(60)]
    devices = {name: named(server, name) for name in names}
    seqs = {}

    def ask(action, name):
        seqs[len(seqs) + 1] = None
        operator.send(Packet(uri=f"/control/{action}", seq=len(seqs), body=json.dumps(
            {"id": name, "uri": "/x"} if action != "sessions" else {"limit": 1000}).encode()))

    for turn in range(8):
        slot = [slot for slot in range(3) if slot != at_home][turn % 2]
        pid = server.worker_pids()[slot]
        for name in names:
            ask("push", name)
            ask("pull", name)
        ask("sessions", "")
        os.kill(pid, signal.SIGKILL)
        for name in names:
            ask("push", name)
        server.wait_for_replacement(slot, pid)
        for name in names[turn::8]:
            devices[name].close()
            devices[name] = named(server, name)
    for device in devices.values():
        device.close()
    for _ in range(len(seqs)):
        reply = operator.receive()
        assert seqs.pop(reply.seq) is None
        assert reply.status_code in (200, 404, 409, 502, 503, 504), reply
    # A pull of its own comes back next: nothing was answered twice.
    assert operator.pull("/echo", b"1", seq=10**6).seq == 10**6

"""/control/trace: exchanges shown as they end, what of them is shown, and whom that can hurt."""
import base64
import json
import os
import signal
import socket
import time
from urllib.parse import quote

import pytest

from harness import family
from harness.http import Browser, request
from harness.wait import wait_until
from harness.websocket import WebSocketCaller, message
from harness.wire25 import PUSH, Caller, Packet, go_gzip
from test_auth import jwt, write_files
from test_control import reset

CONF = """
worker_processes WORKERS;
peer {
    IN_PEER
    UPSTREAM
    server {
        listen 127.0.0.1:$PORT;
        pull /system/id { session_id $arg_id; }
        pull /echo { echo; }
        pull /math/* { sum; }
        pull /slow { sleep 300ms; }
        pull /busy { return 503 "busy"; }
        PASSING
        push /told { empty; }
        MORE
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /control/* { control; CONTROL }
        pull /echo { echo; }
    }
    server {
        listen 127.0.0.1:$PORT3;
        pull /passed/slow { sleep 200ms; }
        pull * { echo; }
    }
}
"""
STALE_SECONDS = 7  # a second more than a trace may be left alone, and one to see that
STAGES = ("read", "wait", "handler", "order", "queue")


def conf(workers=1, control="control_trace bodies;", more="", peer="", passes=False):
    upstream = "upstream back { server 127.0.0.1:$PORT3; }" if passes else ""
    passing = "pull /passed/* { proxy_pass back; }" if passes else ""
    return (CONF.replace("WORKERS", str(workers)).replace("CONTROL", control).replace("MORE", more)
            .replace("IN_PEER", peer).replace("UPSTREAM", upstream).replace("PASSING", passing))


class Tracer(Caller):
    """A session that is shown what happens."""

    def __init__(self, server, begins=True, port="$PORT2", receive_room=None, **wanted):
        super().__init__(server, port, receive_room=receive_room)
        if begins:
            reply = self.begin(**wanted)
            assert reply.outcome() == (200, "OK"), reply

    def begin(self, **wanted):
        return self.pull("/control/trace", json.dumps(wanted).encode())

    def end(self):
        self.send(Packet(uri="/control/untrace", seq=77))
        while (packet := self.receive()).seq != 77 or packet.type == PUSH:
            pass
        return packet

    def next(self):
        packet = self.receive()
        assert (packet.type, packet.uri) == (PUSH, "/control/traced"), packet
        return json.loads(packet.body)

    def next_of(self, uri):
        """What was asked of this path; others are skipped."""
        while (event := self.next()).get("uri", "").partition("?")[0] != uri:
            assert "end" not in event, event
        return event


def seen_by(server, tracer, ask):
    """The next event, asking until the worker that has been asked has heard of the trace."""
    tracer.socket.settimeout(0.05)
    try:
        for _ in range(400):
            ask()
            try:
                return tracer.next()
            except TimeoutError:
                pass
    finally:
        tracer.socket.settimeout(20)
    raise AssertionError("nothing was shown")


def test_a_pull_is_shown_with_what_it_was_and_where_its_time_went(start_server):
    server = start_server(conf())
    tracer = Tracer(server, uri="/math/*", bodies=True)
    caller = Caller(server)
    caller.pull("/system/id?id=ann")

    caller.pull("/math/add?x=1", b"[1,2,3]", seq=(1 << 62) + 1)
    event = tracer.next()

    assert (event["type"], event["asked_by"], event["seq"]) == ("PULL", "them", (1 << 62) + 1)
    assert (event["uri"], event["route"], event["id"]) == ("/math/add?x=1", "/math/*", "ann")
    assert (event["status"], event["text"], event["worker"]) == (200, "OK", 0)
    assert event["remote"] == "127.0.0.1:%d" % caller.socket.getsockname()[1]
    assert (event["source"], event["protocol"]) == (f"127.0.0.1:{server.port()}", "teleport")
    assert abs(event["time"] - time.time()) < 10 and event["number"] > 0
    request, reply = event["request"], event["reply"]
    assert (request["header_codec"], request["body_codec"], request["body_bytes"]) == ("p", "j", 7)
    assert request["body"] == {"form": "json", "text": "[1, 2, 3]"}
    assert reply["body"] == {"form": "json", "text": "6"} and reply["body_bytes"] == 1
    assert request["wire_bytes"] == 4 + 4 + 1 + 7 + len(
        Packet(uri="/math/add?x=1", seq=(1 << 62) + 1).encode()) - 8
    assert set(event["ms"]) == {*STAGES, "total"}
    assert sum(event["ms"][stage] for stage in STAGES) == pytest.approx(event["ms"]["total"], abs=.1)


@pytest.mark.parametrize("named, shown", [("l%c3%a4mp", "lämp"), ("lamp%ff", "lamp\\xff")])
def test_an_id_that_is_no_text_is_shown_escaped(start_server, named, shown):
    server = start_server(conf())
    caller = Caller(server)
    assert caller.pull(f"/system/id?id={named}").status_code == 200
    tracer = Tracer(server)

    event = seen_by(server, tracer, lambda: caller.pull("/echo"))
    assert event["id"] == shown


def test_without_bodies_none_is_shown(start_server):
    server = start_server(conf())
    tracer = Tracer(server)
    Caller(server).pull("/echo", b'"not to be seen"')

    event = tracer.next()
    assert "body" not in event["request"] and "body" not in event["reply"]
    assert "not to be seen" not in json.dumps(event)


def ask_all(server):
    """Two sessions, one of which has an id, and each route."""
    ann, bob = Caller(server), Caller(server, source="127.0.0.9")
    assert ann.pull("/system/id?id=ann").status_code == 200
    for caller in (ann, bob):
        caller.send(*[Packet(uri=uri, body=b"1") for uri in
                      ("/echo", "/math/add", "/math%2fadd", "/busy", "/none", "/math", "/slow")])
        caller.receive_many(7)
        caller.send(Packet(type=PUSH, uri="/told", body=b"1"))
    return ann, bob


def uris(events):
    return sorted(event["uri"] for event in events)


FILTERS = [
    ({"uri": "/echo"}, ["/echo"] * 2),
    ({"uri": "/math/*"}, ["/math%2fadd"] * 2 + ["/math/add"] * 2),
    ({"uri": "/math/add"}, ["/math%2fadd"] * 2 + ["/math/add"] * 2),
    ({"uri": "/told"}, ["/told"] * 2),
    ({"status": 404}, ["/math", "/math", "/none", "/none"]),
    ({"status": "404"}, ["/math", "/math", "/none", "/none"]),
    ({"status": "5xx"}, ["/busy"] * 2),
    ({"status": "2xx", "uri": "/echo"}, ["/echo"] * 2),
    ({"status": "5xx", "uri": "/echo"}, []),
    ({"slower": 0.25}, ["/slow"] * 2),
    ({"address": "127.0.0.9", "uri": "/echo"}, ["/echo"]),
    ({"address": "127.0.0.9", "status": 404}, ["/math", "/none"]),
    ({"address": "::1"}, []),
    ({"address": "unix:"}, []),
    ({"id": "ann", "uri": "/echo"}, ["/echo"]),
    ({"id": "nobody"}, []),
    ({"number": 1 << 60}, []),
]


@pytest.mark.parametrize("rows", [FILTERS[:9], FILTERS[9:]], ids=["some", "others"])
def test_only_what_matches_is_shown(start_server, rows):
    server = start_server(conf())
    tracers = [Tracer(server, **wanted) for wanted, _ in rows]
    ask_all(server)

    for tracer, (wanted, expected) in zip(tracers, rows):
        events = [tracer.next() for _ in expected]
        assert uris(events) == sorted(expected), wanted
        # Nothing else has been shown.
        assert tracer.pull("/control/untrace").outcome() == (200, "OK")


def test_one_session_by_its_number(start_server):
    server = start_server(conf())
    operator = Caller(server, "$PORT2")
    ann, bob = Caller(server), Caller(server)
    ann.is_well(), bob.is_well()
    rows = json.loads(operator.pull("/control/sessions", b"{}").body)["sessions"]
    number = next(row["number"] for row in rows
                  if row["remote"] == "127.0.0.1:%d" % ann.socket.getsockname()[1])

    tracer = Tracer(server, number=number)
    bob.pull("/echo?bob"), ann.pull("/echo?ann"), bob.pull("/echo?bob"), ann.pull("/busy?ann")
    assert [tracer.next()["uri"] for _ in range(2)] == ["/echo?ann", "/busy?ann"]
    tracer.end()


def test_what_the_server_asks_and_tells_is_shown_too(start_server):
    server = start_server(conf())
    operator = Caller(server, "$PORT2")
    lamp = Caller(server)
    lamp.pull("/system/id?id=lamp")
    tracer = Tracer(server, id="lamp", bodies=True)

    operator.pull("/control/push", b'{"id":"lamp","uri":"/on","body":{"level":7}}')
    assert lamp.receive().uri == "/on"
    told = tracer.next()
    operator.send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/state","text":"how?"}'))
    asked = lamp.receive()
    time.sleep(0.05)
    lamp.send(Packet(type=2, seq=asked.seq, uri=asked.uri, body=b"[1]", status_code=200))
    operator.receive()
    answered = tracer.next()

    assert (told["asked_by"], told["type"], told["uri"]) == ("us", "PUSH", "/on")
    assert told["request"]["body"]["text"] == '{\n      "level": 7\n    }' and "reply" not in told
    assert set(told["ms"]) == {"wait", "queue", "total"}
    assert (answered["asked_by"], answered["type"], answered["status"]) == ("us", "PULL", 200)
    assert answered["request"]["body"] == {"form": "text", "text": "how?"}
    assert answered["reply"]["body"] == {"form": "json", "text": "[1]"}
    assert set(answered["ms"]) == {"wait", "queue", "answer", "total"}
    assert 50 <= answered["ms"]["answer"] <= answered["ms"]["total"]


# Where the time goes

def test_time_of_a_handler(start_server):
    server = start_server(conf())
    tracer = Tracer(server)
    Caller(server).pull("/slow")

    ms = tracer.next()["ms"]
    assert 290 <= ms["handler"] <= ms["total"] < 290 + 5000
    assert ms["wait"] < 100 and ms["read"] < 100 and ms["order"] < 100


def test_time_of_reading(start_server):
    server = start_server(conf())
    tracer = Tracer(server)
    caller = Caller(server)
    assert caller.is_well()
    data = Packet(uri="/echo?late", body=b"1" * 100).encode()
    caller.send(data[:20])
    time.sleep(0.3)
    caller.send(data[20:])
    caller.receive()

    tracer.next()
    ms = tracer.next()["ms"]
    assert 100 <= ms["read"] <= ms["total"] and ms["handler"] < 100


def test_time_of_an_upstream(start_server):
    server = start_server(conf(passes=True))
    caller = Caller(server)
    wait_until(lambda: caller.pull("/passed/now").status_code == 200, "the upstream is there")
    tracer = Tracer(server, uri="/passed/slow", bodies=True)
    caller.pull("/passed/slow", b"[7]")

    events = {event.get("route", event["asked_by"]): event for event in
              (tracer.next() for _ in range(3))}
    front, link, back = events["/passed/*"], events["us"], events["/passed/slow"]
    assert 190 <= front["ms"]["upstream"] <= front["ms"]["handler"] <= front["ms"]["total"]
    assert 190 <= link["ms"]["answer"] and 190 <= back["ms"]["handler"]
    assert "upstream" not in back["ms"]
    for event in (front, link, back):
        assert event["request"]["body"]["text"] == "[7]"
        assert event["reply"]["body_bytes"] == back["reply"]["body_bytes"]

    # So that all sessions can end.
    server.write_conf(conf())
    assert server.ask("reload")[0] == "ok"


def test_time_of_waiting_for_those_before(start_server):
    server = start_server(conf())
    tracer = Tracer(server)
    browser = Browser(server)
    browser.send(request(target="/slow"), request(target="/echo"))
    assert [browser.receive().code for _ in range(2)] == [200, 200]

    slow, echo = tracer.next(), tracer.next()
    assert (slow["uri"], echo["uri"], echo["protocol"]) == ("/slow", "/echo", "http")
    assert slow["ms"]["handler"] >= 290 and slow["ms"]["order"] < 100
    assert echo["ms"]["order"] >= 200 and echo["ms"]["handler"] < 100


def test_time_in_the_send_queue_of_a_slow_reader(start_server):
    server = start_server(conf(peer="send_queue 64m; packet_limit 8m;"))
    tracer = Tracer(server, uri="/echo")
    caller = Caller(server, receive_room=4096)
    body = b'"' + b"x" * 3_000_000 + b'"'
    caller.send(Packet(uri="/echo", body=body, seq=1), Packet(uri="/echo", body=body, seq=2),
                Packet(uri="/echo", body=b"3", seq=3))
    time.sleep(0.3)
    caller.receive_many(3)

    ms = {event["seq"]: event["ms"] for event in (tracer.next() for _ in range(3))}
    assert ms[3]["queue"] >= 200 and ms[3]["handler"] < 200


def test_one_that_is_never_answered_is_shown_when_its_session_ends(start_server):
    server = start_server(conf())
    tracer = Tracer(server)
    caller = Caller(server)
    caller.send(Packet(uri="/slow"), Packet(uri="/echo"))
    caller.receive()
    reset(caller)

    event = tracer.next_of("/slow")
    assert event["status"] == 101 and "reply" not in event


# Workers, reloads, deaths

def slots_shown(server, tracer, want):
    """Asks on new sessions until what was shown has come from all of these workers."""
    seen = set()

    def asked():
        caller = Caller(server)
        event = seen_by(server, tracer, lambda: caller.pull("/echo"))
        seen.add(event["worker"])
        return want <= seen

    wait_until(asked, f"events of {want}")


def test_all_workers_show_theirs_and_a_reload_changes_nothing(start_server):
    server = start_server(conf(workers=2))
    tracer = Tracer(server, uri="/echo")
    slots_shown(server, tracer, {0, 1})

    for _ in range(3):
        server.write_conf(conf(workers=2, more="pull /another { echo; }"))
        assert server.ask("reload")[0] == "ok"
        slots_shown(server, tracer, {0, 1})
    assert tracer.end().outcome() == (200, "OK")


def worker_of(server, caller):
    rows = json.loads(caller.pull("/control/sessions", b"{}").body)["sessions"]
    return next(row["worker"] for row in rows
                if row["remote"] == "127.0.0.1:%d" % caller.socket.getsockname()[1])


def test_a_worker_that_dies_is_followed_by_one_that_knows(start_server):
    server = start_server(conf(workers=2, more="", peer=""))
    tracer = Tracer(server, begins=False)
    other = 1 - worker_of(server, tracer)
    assert tracer.begin(uri="/echo").outcome() == (200, "OK")
    slots_shown(server, tracer, {0, 1})

    pid = server.worker_pids()[other]
    os.kill(pid, signal.SIGKILL)
    server.wait_for_replacement(other, pid)
    slots_shown(server, tracer, {0, 1})


def test_it_goes_on_where_its_worker_stood_still_for_longer_than_it_counts(start_server):
    server = start_server(conf(workers=2))
    tracer = Tracer(server, begins=False)
    slot = worker_of(server, tracer)
    assert tracer.begin(uri="/echo").outcome() == (200, "OK")
    slots_shown(server, tracer, {0, 1})

    pid = server.worker_pids()[slot]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(STALE_SECONDS)  # the other one takes it for a dead worker's
    os.kill(pid, signal.SIGCONT)
    slots_shown(server, tracer, {0, 1})
    assert tracer.end().outcome() == (200, "OK")


def test_a_trace_ends_with_its_session_and_its_worker(start_server):
    server = start_server(conf(workers=2))
    tracers = [Tracer(server) for _ in range(16)]
    late = Tracer(server, begins=False)
    assert late.begin().outcome() == (503, "16 traces are under way, and more there may not be")
    for tracer in tracers[1:]:
        tracer.close()
    wait_until(lambda: late.begin().status_code in (200, 409), "there is room again")
    assert late.begin().outcome() == (409, "this session has a trace already")
    late.end()
    tracers[0].end()


def test_traces_of_workers_that_died_make_room(start_server):
    server = start_server(conf(workers=2))
    for tracer in [Tracer(server) for _ in range(16)]:
        server.connections.remove(tracer)
    for slot, pid in server.worker_pids().items():
        os.kill(pid, signal.SIGKILL)
        server.wait_for_replacement(slot, pid)
    tracer = Tracer(server, begins=False)
    wait_until(lambda: tracer.begin(uri="/echo").status_code == 200, "there is room")
    slots_shown(server, tracer, {0, 1})


# Ends

def test_it_ends_after_so_many(start_server):
    server = start_server(conf())
    tracer = Tracer(server, uri="/echo", count=3)
    caller = Caller(server)
    caller.send(*[Packet(uri="/echo", seq=i) for i in range(10)])
    caller.receive_many(10)

    assert [tracer.next()["seq"] for _ in range(3)] == [0, 1, 2]
    assert tracer.next()["end"] == "count"
    assert tracer.pull("/control/untrace").outcome() == (404, "this session has no trace")


def test_it_ends_after_so_many_of_two_workers(start_server):
    server = start_server(conf(workers=2))
    tracer = Tracer(server, uri="/echo", count=40)
    callers = [Caller(server) for _ in range(8)]
    events = []

    def read_on():
        for caller in callers:
            caller.pull("/echo")
        tracer.socket.settimeout(0.1)
        try:
            while "end" not in (event := tracer.next()):
                events.append(event)
            return True
        except TimeoutError:
            return False

    wait_until(read_on, "the end")
    assert len(events) == 40


def test_it_ends_in_time(start_server):
    server = start_server(conf())
    begun = time.monotonic()
    tracer = Tracer(server, seconds=0.3)
    assert tracer.next()["end"] == "time"
    assert 0.25 < time.monotonic() - begun < 5
    assert tracer.begin().outcome() == (200, "OK")
    tracer.end()


def test_a_reload_that_forbids_it_ends_it(start_server):
    server = start_server(conf(workers=2))
    tracer = Tracer(server, uri="/none")
    server.write_conf(conf(workers=2, control="control_trace off;"))
    assert server.ask("reload")[0] == "ok"
    assert tracer.next()["end"] == "configuration"
    assert tracer.begin().outcome() == (403, "traces are not allowed (control_trace)")


MISTAKES = [
    ({"bodies": 1}, '"bodies" is true or false'),
    ({"count": 0}, '"count" is a number from 1 to 1000000000'),
    ({"seconds": 1e9}, '"seconds" is a number of seconds, from 0.001 to 86400'),
    ({"slower": "x"}, '"slower" is a number of seconds, from 0.001 to 86400'),
    ({"status": "6yx"}, '"status" is a status such as 404, or a class such as "5xx"'),
    ({"status": -1}, '"status" is a status such as 404, or a class such as "5xx"'),
    ({"uri": "x"}, '"uri" is a path, one with /* at its end for all below it, or *'),
    ({"number": 0}, '"number" is a session\'s number'),
    ({"id": "x" * 65}, "a member that must be a text is none, or is too long"),
    ({"address": "x"}, '"address" is an IPv4 or IPv6 address without port, or "unix:"'),
    ({"color": 1}, 'unknown member "color"'),
]


def test_what_is_wrong_is_said(start_server):
    tracer = Tracer(start_server(conf()), begins=False)
    for wanted, why in MISTAKES:
        assert tracer.begin(**wanted).outcome() == (400, why)


def test_bodies_only_where_they_are_allowed(start_server):
    server = start_server(conf(control=""))
    tracer = Tracer(server, begins=False)
    assert tracer.begin(bodies=True).outcome() == (403, "bodies are not allowed (control_trace)")
    assert tracer.begin().outcome() == (200, "OK")
    tracer.end()


def test_over_http_nobody_can_be_told(start_server):
    server = start_server(conf())
    reply = Browser(server, "$PORT2").ask("POST", "/control/trace")
    assert reply.code == 501, reply


# Bodies

def test_bodies_are_shown_as_the_log_shows_them(start_server):
    server = start_server(conf(control="control_trace bodies; control_trace_body 64;"))
    tracer = Tracer(server, uri="/echo", bodies=True)
    caller = Caller(server)

    def shown(body, **fields):
        caller.pull("/echo", body, **fields)
        event = tracer.next()
        assert event["request"].get("body") == event["reply"].get("body")
        return event["request"].get("body")

    assert shown(b'{"a":[1,2]}') == {"form": "json", "text": '{\n      "a": [1, 2]\n    }'}
    assert shown(b"one\x1b[2Jtwo\n", codec=b"s") == {"form": "text", "text": "one\\x1b[2Jtwo\\x0a"}
    assert shown(b"\x00\xff", codec=b"p") == {"form": "hex", "text": "00ff"}
    assert shown(b"x" * 100, codec=b"s") == {"form": "text", "text": "x" * 64, "more": 36}
    assert shown(go_gzip(b"[1]"), gzip=5)["text"] == "[1]"
    assert shown(b"broken", gzip=5, codec=b"s")["text"] == "broken"
    assert shown(b"") is None
    large = os.urandom(20_000)
    caller.pull("/echo", go_gzip(large), gzip=5, codec=b"s")
    assert tracer.next()["request"].get("body_hidden") is True


# Its own news, and readers that do not read

def test_no_trace_shows_what_traces_say(start_server):
    server = start_server(conf())
    one, two = Tracer(server, bodies=True), Tracer(server)
    Caller(server).pull("/echo", b"1")

    for tracer in (one, two):
        shown = [tracer.next_of("/echo")]
        tracer.send(Packet(uri="/echo?last", seq=5))
        while "last" not in shown[-1]["uri"]:
            packet = tracer.receive()
            if packet.type == PUSH:
                shown.append(json.loads(packet.body))
        assert all(event["uri"] in ("/echo", "/echo?last", "/control/trace") for event in shown)


def memory_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reader_that_never_reads_hurts_nobody(start_server, sanitized, workers):
    server = start_server(conf(workers=workers, peer="send_queue 64k; write_timeout 1h;",
                               control="control_trace bodies; control_trace_rate 100000;"))
    tracer = Tracer(server, begins=False, receive_room=65536)
    assert tracer.begin(uri="/echo", bodies=True).outcome() == (200, "OK")
    callers = [Caller(server) for _ in range(4)]
    body = b'"' + b"x" * 500 + b'"'

    def ask(rounds):
        begun = time.monotonic()
        for _ in range(rounds):
            for caller in callers:
                caller.send(*[Packet(uri="/echo", body=body, seq=i) for i in range(50)])
            for caller in callers:
                assert all(reply.body == body for reply in caller.receive_many(50))
        return rounds * 200 / (time.monotonic() - begun)

    def queued():
        rows = json.loads(callers[0].pull("/control/sessions", b"{}").body)["sessions"]
        return next(row["queued_bytes"] for row in rows
                    if row["remote"] == "127.0.0.1:%d" % tracer.socket.getsockname()[1])

    callers[0] = Caller(server, "$PORT2")
    wait_until(lambda: ask(5) and queued() > 60_000, "its queue is full")
    before = [memory_of(pid) for pid in server.worker_pids().values()]
    rate = ask(40)
    after = [memory_of(pid) for pid in server.worker_pids().values()]
    assert rate > (200 if sanitized else 2000) and queued() < 80_000
    if not sanitized:
        assert sum(after) - sum(before) < 4096, f"{before} KB, {after} KB"

    # Who begins to read learns how much it has not seen.
    lost = 0
    while lost < 1000:
        callers[0].pull("/echo", body)
        lost += tracer.next().get("lost", 0)


def test_the_rate_is_kept_and_what_is_beyond_is_counted(start_server):
    server = start_server(conf(control="control_trace_rate 10;"))
    tracer = Tracer(server, uri="/echo")
    caller = Caller(server)
    caller.send(*[Packet(uri="/echo", seq=i) for i in range(100)])
    caller.receive_many(100)
    time.sleep(1.1)
    caller.pull("/echo", seq=1000)

    events = [tracer.next()]
    while events[-1]["seq"] != 1000:
        events.append(tracer.next())
    assert 11 <= len(events) <= 31
    assert sum(event.get("lost", 0) for event in events) == 101 - len(events)


def test_no_more_exchanges_are_watched_than_there_may_be(start_server):
    server = start_server(conf(peer="max_pending_pulls 2000;"))
    tracer = Tracer(server, status=101)
    callers = [Caller(server) for _ in range(2)]
    for caller in callers:
        caller.send(*[Packet(uri="/slow", seq=i) for i in range(900)])
    for caller in callers:
        caller.receive_many(900)
    callers[0].send(Packet(uri="/slow"), Packet(uri="/echo"))
    callers[0].receive()
    reset(callers[0])
    assert tracer.next()["lost"] == 1800 - 1024


def test_who_is_not_there_any_more_is_not_watched_for(start_server):
    server = start_server(conf(workers=2))
    tracer = Tracer(server)
    tracer.close()
    wait_until(lambda: all(Tracer(server).end() for _ in range(2)), "others can")


# Credentials

SECRETS = ["secret-ann", "wrong-secret", "s3cr3t-cookie", "hidden-token", "ann:secret"]
AUTH = """
        server {
            listen 127.0.0.1:$PORT4;
            auth token file=conf/tokens; auth jwt key=conf/key alg=HS256; auth_renew on;
            auth_limit 100/1s; read_timeout 10s;
            gateway_from all;
            pull * { echo; }
            push * { empty; }
        }
        server {
            listen 127.0.0.1:$PORT5;
            auth pull BACKEND /check;
            auth_uri /let/me/in;
            pull * { echo; }
        }
"""


BACKEND = """
worker_processes 1;
peer {
    server {
        listen 127.0.0.1:$PORT;
        pull /check { return 200 "" '{"id":"ann","vars":{"x":"hidden-token"}}' codec=json; }
    }
}
"""


def test_credentials_are_never_shown(make_server):
    backend = make_server(BACKEND).start()
    server = make_server(conf(control="control_trace bodies; control_trace_rate 10000;").rstrip()[:-1]
                         + AUTH.replace("BACKEND", f"127.0.0.1:{backend.port()}") + "}")
    write_files(server)
    server.start()
    tracer = Tracer(server, bodies=True)
    token = jwt({"sub": "ann", "exp": int(time.time()) + 100})
    right, wrong = "ann:secret-ann", "ann:wrong-secret"
    basic = base64.b64encode(right.encode()).decode()

    for said in (right, wrong, token, token + "x", json.dumps(right), json.dumps(wrong)):
        # Teleport 2.5, twice, for auth_renew, and in the wrong place
        caller = Caller(server, "$PORT4")
        caller.send(Packet(uri="/auth", body=said.encode(), codec=b"s"),
                    Packet(uri="/auth", body=said.encode(), codec=b"j"),
                    Packet(uri="/echo?after", body=b"1"))
        caller.end_sending()
        caller.receive_rest()
        caller = Caller(server, "$PORT4")
        caller.send(Packet(uri="/elsewhere", body=said.encode(), codec=b"s"))
        caller.receive_rest()
        caller = Caller(server, "$PORT5")
        caller.send(Packet(uri="/let/me/in", body=said.encode(), codec=b"s"), Packet(uri="/echo?after"))
        caller.end_sending()
        caller.receive_rest()

        # AUTH_CALL of the later protocols
        for protocol in ("raw", "json", "protobuf"):
            other = family.Caller(server, protocol, "$PORT4")
            other.send(family.Packet(type=4, body=said.encode(), codec=ord("s")))
            other.receive()

        # HTTP and WebSocket
        for header in (f"Bearer {said}", f"Basic {base64.b64encode(said.encode()).decode()}"):
            for port in ("$PORT4", "$PORT"):
                Browser(server, port).ask(target="/echo?after", Authorization=header,
                                          Proxy_Authorization=header, Cookie="id=s3cr3t-cookie",
                                          X_Api_Key="hidden-token")
        for uri in (f"/echo?access_token={quote(said)}&after", f"/echo?x=1&my_Token={quote(said)}",
                    f"/echo?a=1;token={quote(said)}#access_token={quote(said)}"):
            Browser(server).ask(target=uri.partition("#")[0])
            Caller(server).pull(uri, b"1")

        target = f"/?access_token={quote(said)}"
        for caller in (WebSocketCaller(server, "$PORT4", handshake=False),
                       WebSocketCaller(server, "$PORT", handshake=False)):
            caller.send(caller.request(target=target), message("/echo?after", "1"))
        caller = WebSocketCaller(server, "$PORT4")
        caller.send_text(message("", said, type=4, codec=ord("s")))
        caller.receive_json()

    # What is seen by now is all there is.
    Caller(server).pull("/echo?the-end")
    shown = []
    while not shown or "the-end" not in shown[-1]:
        shown.append(tracer.receive().body.decode())
    text = "\n".join(shown)
    found = [secret for secret in (*SECRETS, token, token.split(".")[2], basic, quote(right))
             if secret in text]
    assert not found, [line for line in shown if any(one in line for one in found)][:3]
    assert "AUTH_CALL" in text and "/auth" in text and "/let/me/in" in text and "/check" in text
    assert "body_hidden" in text and "(hidden)" in text and "after" in text
    server.write_conf(conf())
    assert server.ask("reload")[0] == "ok"

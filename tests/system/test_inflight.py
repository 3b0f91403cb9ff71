"""What is in flight, in all workers, and what each exchange waits for."""
import json
import os
import re
import signal
import socket

import pytest

from harness.backend import Backend
from harness.wait import wait_until
from harness.wire25 import PLAIN, REPLY, Caller, Packet

BODY_BYTES = 200_000
LATE_SECONDS = 20

CONF = """
worker_processes WORKERS;
worker_watch off;
peer {
    exchange_timeout 2h;
    IN_PEER
    server {
        listen 127.0.0.1:$PORT rcvbuf=32k sndbuf=32k;
        send_queue 1m;
        pull /system/id { session_id $arg_id; }
        pull /echo { echo; }
        pull /slow { sleep 1h; }
        pull /other/slow { sleep 1h; }
        IN_SERVER
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /control/* { control; }
        pull /session/* { session_pass; }
    }
}
"""


@pytest.fixture(name="start")
def a_server(make_server):
    started = []

    def start(in_server="", in_peer="", workers=1):
        started.append(make_server(
            CONF.replace("WORKERS", str(workers)).replace("IN_SERVER", in_server)
            .replace("IN_PEER", in_peer)).start())
        return started[-1]

    yield start
    for server in started:
        # What is in flight would hold up the end of their sessions.
        for caller in server.connections:
            caller.reset()
        if re.search("dial |upstream|http_pass|proxy_pass|auth pull", server.conf_path.read_text()):
            server.disconnect()


@pytest.fixture(name="backend")
def a_backend():
    backend = Backend()
    yield backend
    backend.close()


class Operator(Caller):
    def __init__(self, server):
        super().__init__(server, "$PORT2")

    def ask(self, action="inflight", **members):
        reply = self.pull(f"/control/{action}", json.dumps(members).encode())
        return json.loads(reply.body) if reply.outcome() == (200, "OK") else reply.outcome()

    def rows(self, count=1, **members):
        """The exchanges in flight, once there are so many."""
        def enough():
            page = self.ask(**members)
            return len(page["exchanges"]) == count and page["exchanges"]

        return wait_until(enough, f"{count} in flight")

    def row(self, **members):
        return self.rows(**members)[0]


def named(server, name):
    caller = Caller(server)
    assert caller.pull(f"/system/id?id={name}").status_code == 200
    return caller


def who(caller):
    return "127.0.0.1:%d" % caller.socket.getsockname()[1]


def test_nothing_is_in_flight_but_the_question_which_is_left_out(start):
    server = start()
    named(server, "lamp")

    assert Operator(server).ask() == {"exchanges": [], "count": 0}


def test_a_handler_that_sleeps_waits_for_a_time(start):
    server = start()
    lamp = named(server, "lamp")
    lamp.send(Packet(uri="/slow?why=me", seq=7))
    row = Operator(server).row()

    assert 3500 < row.pop("left") <= 3600 and 0 <= row.pop("age") < 60
    assert row.pop("number") > 0
    assert row == {"id": "lamp", "remote": who(lamp), "listen": f"127.0.0.1:{server.port('$PORT')}",
                   "worker": 0, "type": "pull", "by": "them", "seq": 7, "uri": "/slow?why=me",
                   "route": "/slow", "waits_for": "timer", "module": "sleep"}


def test_what_is_asked_of_a_session_waits_for_it_at_both_ends(start):
    server = start()
    lamp = named(server, "lamp")
    asker = Caller(server, "$PORT2")
    asker.send(Packet(uri="/session/lamp/state", seq=3))
    asked = lamp.receive()
    theirs, ours = Operator(server).rows(2)

    assert (theirs["waits_for"], theirs["awaited"], theirs["module"]) == (
        "session", "lamp", "session_pass")
    assert (theirs["by"], theirs["uri"], theirs["remote"]) == (
        "them", "/session/lamp/state", who(asker))
    assert (ours["waits_for"], ours["by"], ours["uri"], ours["id"], ours["seq"]) == (
        "reply", "us", "/state", "lamp", asked.seq)
    assert "module" not in ours and 0 < ours["left"] <= 30

    lamp.send(Packet(type=REPLY, seq=asked.seq, uri=asked.uri, status_code=200,
                     body=b"1"))
    assert asker.receive().body == b"1"
    assert Operator(server).ask()["count"] == 0


def test_a_handler_that_says_nothing_is_named(start):
    server = start()
    lamp = named(server, "lamp")
    asker = Operator(server)
    asker.send(Packet(uri="/control/pull", body=b'{"id":"lamp","uri":"/state"}'))
    lamp.receive()
    row = Operator(server).rows(2)[0]

    assert (row["waits_for"], row["module"], row["uri"]) == ("handler", "control", "/control/pull")


def test_what_was_passed_on_waits_for_a_server_of_its_upstream(start, backend):
    server = start("pull /math/* { http_pass http://math/; }",
                   f"upstream math {{ server http://127.0.0.1:{backend.port}; }}")
    caller = Caller(server)
    caller.send(Packet(uri="/math/never"))
    wait_until(lambda: backend.asked, "the backend was asked")
    theirs = Operator(server).rows(2)[0]

    assert (theirs["waits_for"], theirs["awaited"], theirs["address"], theirs["tries"]) == (
        "upstream", "math", f"http://127.0.0.1:{backend.port}", 1)
    assert theirs["module"] == "http_pass"


def test_what_no_server_could_be_had_for_waits_for_one(start):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        port = silent.getsockname()[1]
        full = [socket.socket() for _ in range(8)]
        for one in full:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        # Who connects now waits: the queue of connections is full.
        server = start("pull /math/* { proxy_pass math; }",
                       f"upstream math {{ server 127.0.0.1:{port}; }}")
        Caller(server).send(Packet(uri="/math/add"))
        rows = Operator(server).rows(1, uri="/math/")
        for one in full:
            one.close()

    assert (rows[0]["waits_for"], rows[0]["awaited"], rows[0]["module"]) == (
        "upstream", "math", "proxy")


def test_a_hook_that_said_later_is_named_with_its_point(start):
    server = start("limit_rate 1r/m zone=slow burst=1 delay=1m;")
    caller = Caller(server)
    caller.send(*(Packet(uri="/echo", seq=seq) for seq in (1, 2)))
    row = Operator(server).row()

    assert (row["waits_for"], row["module"], row["seq"]) == ("hook", "limit", 2)
    assert row["hook"] == "post_read_pull_header"


def test_what_a_hook_still_has_when_its_time_is_over_is_shown(start):
    server = start("exchange_timeout 100ms; limit_rate 1r/m zone=slow burst=1 delay=1m;")
    caller = Caller(server)
    caller.send(*(Packet(uri="/echo", seq=seq) for seq in (1, 2)))

    assert [caller.receive().outcome()[0] for _ in range(2)] == [200, 504]
    operator = Operator(server)
    row = operator.row()
    assert (row["waits_for"], row["uri"]) == ("nothing", "/echo")
    assert operator.row(number=row["number"])["seq"] == row["seq"] == 2
    assert operator.ask(number=row["number"] + 1)["count"] == 0
    assert "hook" not in row and row.get("module") != "echo"


def test_those_a_hook_has_for_too_long_are_answered_with_their_own_uris(start):
    server = start("exchange_timeout 200ms; limit_rate 1r/s zone=slow burst=1 delay=1m;")
    caller = Caller(server)
    uris = [f"/echo?number={number}&" + "x" * 300 for number in range(40)]
    caller.send(*(Packet(uri=uri, seq=seq) for seq, uri in enumerate(uris)))
    replies = caller.receive_many(len(uris))

    assert [reply.outcome()[0] for reply in replies] == [200] + [504] * (len(uris) - 1)
    assert {reply.seq: reply.uri for reply in replies} == dict(enumerate(uris))


@pytest.mark.parametrize("uri, shown", [
    ("/slow?access_token=s3cret&why=me", "/slow?access_token=(hidden)&why=me"),
    ("http://ann:s3cret@example.com/slow", "http://(hidden)@example.com/slow"),
    ("/slow?password=s3cret&" + "x" * 300 + "&a=b", "/slow?password=(hidden)&" + "x" * 250)])
def test_what_lets_somebody_in_is_not_shown(start, uri, shown):
    server = start()
    Caller(server).send(Packet(uri=uri))

    assert Operator(server).row()["uri"] == shown


def test_what_is_not_shown_cannot_be_asked_for(start):
    server = start()
    Caller(server).send(Packet(uri="/slow?access_token=s3cret"))
    operator = Operator(server)

    assert len(operator.rows(1, uri="/slow")) == 1
    assert operator.ask(uri="/slow?access_token=s")["count"] == 0


def test_in_an_ordered_route_replies_wait_for_earlier_ones(start, backend):
    server = start(f"pull /math/* {{ ordered on; http_pass {backend.url}/; }}")
    caller = Caller(server)
    caller.send(Packet(uri="/math/never", seq=1), Packet(uri="/math/ok", seq=2))
    operator = Operator(server)
    wait_until(lambda: any(row["waits_for"] == "order" for row in operator.ask()["exchanges"]),
               "the second is answered")
    rows = [row for row in operator.ask()["exchanges"] if row["by"] == "them"]

    assert [(row["seq"], row["waits_for"]) for row in rows] == [(1, "upstream"), (2, "order")]


def test_replies_wait_until_the_other_end_has_taken_what_comes_before(start):
    server = start()
    caller = Caller(server, receive_room=16 * 1024)
    caller.send(*(Packet(uri="/echo", seq=seq, body=b"x" * BODY_BYTES, codec=PLAIN)
                  for seq in range(4)))
    operator = Operator(server)
    wait_until(lambda: any(row["waits_for"] == "queue" for row in operator.ask()["exchanges"]),
               "a reply waits to be sent")

    assert [reply.seq for reply in caller.receive_many(4)] == [0, 1, 2, 3]
    assert operator.ask()["count"] == 0


def test_what_is_asked_of_a_session_that_is_not_let_in_yet_waits_for_that(start, backend):
    server = start(f"auth pull {backend.url} /never;")
    caller = Caller(server)
    caller.send(Packet(uri="/auth", seq=1, body=b"ann:s3cret", codec=PLAIN))
    wait_until(lambda: backend.asked, "the backend was asked")
    number = own_number(server, caller)
    Operator(server).send(Packet(uri="/control/pull", body=json.dumps(
        {"number": number, "uri": "/who"}).encode()))
    rows = Operator(server).rows(2, number=number)

    assert [(row["uri"], row["by"], row["waits_for"], row.get("module")) for row in rows] == [
        ("/auth", "them", "handler", "auth"), ("/who", "us", "greeting", None)]
    assert "s3cret" not in json.dumps(Operator(server).ask())


def own_number(server, caller):
    return next(row["number"] for row in Operator(server).ask("sessions")["sessions"]
                if row["remote"] == who(caller))


def test_what_is_sent_over_a_connection_that_is_not_there_waits_for_it(start):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    server = start(in_peer=f"redial 1s max=1s; dial 127.0.0.1:{port} {{}}")
    operator = Operator(server)
    number = wait_until(lambda: next((row["number"] for row in operator.ask("sessions")["sessions"]
                                      if "dial" in row), None), "the dialed session")
    Operator(server).send(Packet(uri="/control/pull", body=json.dumps(
        {"number": number, "uri": "/there", "timeout": 600}).encode()))
    row = operator.row(number=number)

    assert (row["waits_for"], row["by"], row["uri"]) == ("connection", "us", "/there")
    assert row["dial"].endswith(str(port)) and "listen" not in row


def test_what_its_session_has_left_is_still_its_handlers(start):
    server = start()
    lamp = named(server, "lamp")
    asker = Caller(server, "$PORT2")
    asker.send(Packet(uri="/session/lamp/state", seq=3))
    lamp.receive()
    asker.reset()
    row = next(row for row in wait_until(
        lambda: [row for row in Operator(server).ask()["exchanges"]
                 if row["waits_for"] == "nothing"], "nobody waits for it"))

    assert (row["module"], row["uri"], row["by"]) == ("session_pass", "/session/lamp/state", "them")


def test_of_many_the_oldest_come_and_all_are_counted(start):
    server = start(workers=2)
    callers = [Caller(server) for _ in range(30)]
    for turn, caller in enumerate(callers):
        caller.send(*(Packet(uri=f"/slow?turn={turn}", seq=seq) for seq in range(10)))
    operator = Operator(server)
    wait_until(lambda: operator.ask()["count"] == 300, "all are in flight")
    oldest = operator.ask(limit=45)
    everything = operator.ask(limit=1000)["exchanges"]

    assert oldest["count"] == 300 and "silent" not in oldest
    assert len(everything) == 300
    ages = [row["age"] for row in everything]
    assert ages == sorted(ages, reverse=True)
    assert {row["worker"] for row in everything} == {0, 1}
    key = lambda row: (row["number"], row["seq"])  # noqa: E731
    assert len({key(row) for row in everything}) == 300
    assert [key(row) for row in oldest["exchanges"]] == [key(row) for row in everything[:45]]


def test_rows_are_chosen_by_session_uri_and_age(start):
    server = start(workers=2)
    lamp, lock = named(server, "lamp"), named(server, "lock")
    lamp.send(Packet(uri="/slow?of=lamp"), Packet(uri="/other/slow"))
    lock.send(Packet(uri="/slow?of=lock"))
    operator = Operator(server)
    operator.rows(3)

    assert {row["id"] for row in operator.ask(id="lamp")["exchanges"]} == {"lamp"}
    number = operator.ask(id="lock")["exchanges"][0]["number"]
    assert [row["uri"] for row in operator.ask(number=number)["exchanges"]] == ["/slow?of=lock"]
    assert {row["id"] for row in operator.ask(uri="/slow")["exchanges"]} == {"lamp", "lock"}
    assert operator.ask(uri="/nowhere") == {"exchanges": [], "count": 0}
    assert operator.ask(older=3600)["count"] == 0
    wait_until(lambda: operator.ask(older=0.05)["count"] == 3, "they are old enough")


@pytest.mark.parametrize("members, outcome", [
    ({"id": "nobody"}, (404, "no such session")),
    ({"number": 1 << 50}, (404, "no such session")),
    ({"id": "a", "number": 1}, (400, 'either "number" or "id" says which session')),
    ({"limit": 0}, (400, '"limit" is a number from 1 to 1000')),
    ({"limit": 1001}, (400, '"limit" is a number from 1 to 1000')),
    ({"older": "1s"}, (400, '"older" is a number of seconds, from 0 to 1000000')),
    ({"older": -1}, (400, '"older" is a number of seconds, from 0 to 1000000')),
    ({"uri": "/" * 257}, (400, "a member that must be a text is none, or is too long")),
    ({"cursor": 1}, (400, 'unknown member "cursor"')),
])
def test_a_wrong_question_is_refused(start, members, outcome):
    assert Operator(start()).ask(**members) == outcome


def test_long_and_broken_uris_are_told_cut_and_readable(start):
    server = start("pull /any/* { sleep 1h; }")
    caller = Caller(server)
    caller.send(Packet(uri="/any/" + "u" * 5000, header_codec=b"p"))
    row = Operator(server).row()

    assert row["uri"] == ("/any/" + "u" * 5000)[:256]
    assert row["route"] == "/any/*"


def test_a_worker_that_hangs_is_named_and_the_others_are_told(start):
    server = start(workers=2)
    callers = [Caller(server) for _ in range(20)]
    for caller in callers:
        caller.send(Packet(uri="/slow"))
    operator = Operator(server)
    operator.rows(20)
    own = next(row["worker"] for row in operator.ask("sessions")["sessions"]
               if row["remote"] == who(operator))
    pid = server.worker_pids()[1 - own]
    os.kill(pid, signal.SIGSTOP)
    operator.socket.settimeout(LATE_SECONDS)
    try:
        page = operator.ask()
    finally:
        os.kill(pid, signal.SIGCONT)

    assert page["silent"] == [1 - own]
    assert 0 < page["count"] < 20 and {row["worker"] for row in page["exchanges"]} == {own}
    wait_until(lambda: operator.ask()["count"] == 20, "the other worker answers again")


def test_of_a_worker_that_dies_nothing_is_in_flight(start):
    server = start(workers=2)
    callers = [Caller(server) for _ in range(20)]
    for caller in callers:
        caller.send(Packet(uri="/slow"))
    operator = Operator(server)
    rows = operator.rows(20)
    own = next(row["worker"] for row in operator.ask("sessions")["sessions"]
               if row["remote"] == who(operator))
    pid = server.worker_pids()[1 - own]
    os.kill(pid, signal.SIGKILL)
    server.wait_for_replacement(1 - own, pid)
    page = wait_until(lambda: (page := operator.ask()) and "silent" not in page and page,
                      "both answer")

    assert page["count"] == len([row for row in rows if row["worker"] == own])


def test_a_reload_amid_the_walk_loses_and_doubles_nothing(start):
    server = start(workers=2)
    callers = [Caller(server) for _ in range(200)]
    for caller in callers:
        caller.send(Packet(uri="/slow"))
    operator = Operator(server)
    operator.rows(200, limit=1000)
    for _ in range(3):
        server.signal(signal.SIGHUP)
        for _ in range(20):
            page = operator.ask(limit=1000)
            rows = [(row["number"], row["seq"]) for row in page["exchanges"]]
            assert page["count"] == 200 and len(set(rows)) == 200


# ---- tp inflight ----


def control_of(server):
    return f"127.0.0.1:{server.port('$PORT2')}"


def test_tp_lists_them_with_what_they_wait_for(start, tp):
    server = start()
    lamp = named(server, "lamp")
    lamp.send(Packet(uri="/slow", seq=7))
    Operator(server).row()
    code, out, errors = tp.run("inflight", control_of(server))
    title, row = out.decode().splitlines()

    assert code == 0 and errors == "tp: 1 in flight, 1 shown\n"
    assert title.split() == ["AGE", "SESSION", "REMOTE", "TYPE", "SEQ", "URI", "SERVER", "WORKER",
                             "WAITS", "FOR"]
    assert row.split()[1:] == ["lamp", who(lamp), "pull", "7", "/slow",
                               f"127.0.0.1:{server.port('$PORT')}", "0", "timer", "(sleep),",
                               row.split()[-2], "left"]


def test_tp_gives_programs_json(start, tp):
    server = start()
    lamp = named(server, "lamp")
    lamp.send(*(Packet(uri="/slow", seq=seq) for seq in range(3)))
    Operator(server).rows(3)
    code, out, errors = tp.run("inflight", control_of(server), "--json", "--limit", "2")
    rows = [json.loads(line) for line in out.decode().splitlines()]

    assert (code, errors) == (0, "")
    assert [(row["seq"], row["waits_for"]) for row in rows] == [(0, "timer"), (1, "timer")]


@pytest.mark.parametrize("options, count", [
    (("--id", "lamp"), 2), (("--id", "lock"), 1), (("--uri", "/slow"), 2),
    (("--older", "1h"), 0), (("--session", "NUMBER"), 2),
])
def test_tp_chooses(start, tp, options, count):
    server = start()
    lamp, lock = named(server, "lamp"), named(server, "lock")
    lamp.send(Packet(uri="/slow"), Packet(uri="/other/slow"))
    lock.send(Packet(uri="/slow"))
    Operator(server).rows(3)
    number = str(own_number(server, lamp))
    code, out, _ = tp.run("inflight", control_of(server), "--json",
                          *(number if option == "NUMBER" else option for option in options))

    assert code == 0 and len(out.splitlines()) == count


def test_tp_shows_nothing_that_a_terminal_would_obey(start, tp):
    server = start("pull /any/* { sleep 1h; }")
    Caller(server).send(Packet(uri="/any/\x1b[2J%0a\u202e"))
    Caller(server).send(Packet(uri="/slow"))
    Operator(server).row(uri="/slow")
    _, out, _ = tp.run("inflight", control_of(server))

    assert b"\x1b" not in out and "\u202e" not in out.decode()


def test_tp_says_what_is_wrong(start, tp):
    server = start()

    assert tp.run("inflight", control_of(server), "--id", "nobody") == (
        1, b"", "tp: /control/inflight: 404 no such session\n")
    code, _, errors = tp.run("inflight", control_of(server), "--id", "a", "--session", "1")
    assert code == 2 and "exclude each other" in errors
    code, _, errors = tp.run("inflight", f"127.0.0.1:{server.port('$PORT')}")
    assert code == 1 and "404" in errors

"""Pulls across reloads, graceful ends and the death of a worker: each is answered, once."""
import signal
import time
from collections import Counter

import pytest

from harness import procfs
from harness.wait import wait_until
from harness.wire25 import Caller, Load, Packet

CONF = """
worker_processes 2;
worker_shutdown_timeout 3s;
peer {
    pull /version { return 200 "VERSION"; }
    pull /echo { echo; }
    pull /sleep { sleep 20ms; }
    pull /long/sleep { sleep 700ms; }
    server { listen 127.0.0.1:$PORT; }
}
"""


def conf(version, **replaced):
    text = CONF.replace("VERSION", str(version))
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text


def reload(server, text):
    server.write_conf(text)
    verdict, report = server.ask("reload")
    assert verdict == "ok", report


def wait_for_version(caller, version):
    """A reload is told before the last session has come to it."""
    wait_until(lambda: caller.pull("/version").body == b"%d" % version, "the new one answers")


def resident_bytes(pids):
    return [procfs.resident_bytes(pid) for pid in pids.values()]


def close_reasons(server):
    return Counter(line["details"].rpartition("reason=")[2]
                   for line in server.log_lines("session-closed"))


def make_pull(seq):
    """Every eighth pull is answered late."""
    if seq % 8 == 7:
        return Packet(uri="/sleep", seq=seq, body=b"%d" % seq)
    return Packet(uri="/version?%d" % seq, seq=seq)


class Versions:
    """Checks replies against the versions that may be in force, and never goes back."""

    def __init__(self):
        self.newest = 1
        self.seen = {}

    def check(self, session, pull, reply):
        assert (reply.uri, reply.outcome()) == (pull.uri, (200, "OK"))
        if pull.uri == "/sleep":
            assert reply.body == pull.body
            return
        version = int(reply.body)
        assert self.seen.get(id(session), 1) <= version <= self.newest
        self.seen[id(session)] = version


# Reload


def test_two_hundred_reloads_under_load_answer_every_pull_once_and_rightly(start_server, sanitized):
    server = start_server(conf(1))
    pids = server.worker_pids()
    zones = [procfs.zone_maps(pid) for pid in pids.values()]
    versions = Versions()
    begun = time.monotonic()
    with Load(server, 50, make_pull, versions.check) as load:
        wait_until(lambda: load.answers > 1000, "the load runs")
        before = resident_bytes(pids)
        for number in range(2, 202):
            versions.newest = number
            reload(server, conf(number))
            time.sleep(max(0, begun + number * 0.09 - time.monotonic()))
        took = time.monotonic() - begun

    assert load.failures == [] and load.broken == []
    assert close_reasons(server) == {}
    assert load.pending_count() == 0
    assert load.answers > 50 * 200
    assert server.worker_pids() == pids
    for session in load.sessions:
        session.caller.send(session.unsent)
        assert session.caller.pull("/version").body == b"201"
    if not sanitized:
        assert took < 20
        assert sum(resident_bytes(pids)) - sum(before) < 8 << 20
    server.let_go()
    assert [procfs.zone_maps(pid) for pid in pids.values()] == zones


def test_an_exchange_in_flight_is_answered_by_the_configuration_it_began_with(start_server):
    server = start_server(conf(1))
    callers = [Caller(server) for _ in range(10)]
    for caller in callers:
        caller.send(Packet(uri="/long/sleep", seq=1, body=b"old"))
        assert caller.pull("/version", seq=2).body == b"1"
    reload(server, conf(2, **{"pull /long/sleep { sleep 700ms; }": ""}))
    for caller in callers:
        wait_for_version(caller, 2)
        assert caller.pull("/long/sleep", seq=3).outcome() == (404, "Not Found")
    for caller in callers:
        reply = caller.receive()
        assert (reply.seq, reply.outcome(), reply.body) == (1, (200, "OK"), b"old")
    assert close_reasons(server) == {}


def test_half_a_packet_survives_a_reload(start_server):
    server = start_server(conf(1))
    caller = Caller(server)
    packet = Packet(uri="/version", seq=1).encode()
    caller.send(packet[:11])
    assert Caller(server).is_well()
    reload(server, conf(2))
    caller.send(packet[11:])
    assert caller.receive().body in (b"1", b"2")
    wait_for_version(caller, 2)


def test_a_session_whose_listen_is_gone_is_answered_and_then_closed(start_server):
    server = start_server(conf(1))
    caller = Caller(server)
    assert caller.pull("/version").body == b"1"
    caller.send(Packet(uri="/long/sleep", seq=1, body=b"last"), Packet(uri="/echo", seq=2))
    assert caller.receive().seq == 2
    reload(server, conf(2, **{"$PORT;": "$PORT2;"}))
    assert [(reply.seq, reply.body) for reply in caller.receive_rest()] == [(1, b"last")]
    assert close_reasons(server) == {"listen-removed": 1}
    assert Caller(server, "$PORT2").pull("/version").body == b"2"


def test_new_limits_are_for_sessions_that_are_open(start_server):
    server = start_server(conf(1))
    caller = Caller(server)
    body = b"x" * 5000
    assert caller.pull("/echo", body).body == body
    reload(server, conf(2, **{"server {": "server { packet_limit 1k; read_timeout 600ms;"}))
    wait_for_version(caller, 2)
    caller.send(Packet(uri="/echo", body=body))
    assert caller.receive_rest() == []
    caller.close()  # It lingers until then.
    server.wait_for_log("session-closed")
    assert close_reasons(server) == {"packet-too-large": 1}
    assert Caller(server).receive_rest() == []
    assert close_reasons(server) == {"packet-too-large": 1, "read-timeout": 1}


def test_a_new_read_timeout_holds_for_one_who_is_silent_already(start_server):
    server = start_server(conf(1))
    caller = Caller(server)
    assert caller.is_well()
    reload(server, conf(2, **{"server {": "server { read_timeout 300ms;"}))
    assert caller.receive_rest() == []
    assert close_reasons(server) == {"read-timeout": 1}


# Graceful ends


def test_a_graceful_stop_answers_what_is_in_flight_first(start_server):
    server = start_server(conf(1))
    callers = [Caller(server) for _ in range(20)]
    idle = Caller(server)
    for caller in callers:
        caller.send(Packet(uri="/long/sleep", seq=1, body=b"in flight"))
        assert caller.is_well()
    server.signal(signal.SIGQUIT)
    assert idle.receive_rest() == []
    for caller in callers:
        assert [reply.body for reply in caller.receive_rest()] == [b"in flight"]
    server.wait_for_end()
    assert close_reasons(server) == {"shutdown": 21}


def test_a_graceful_stop_under_load_answers_what_was_received_and_cuts_no_reply(start_server):
    server = start_server(conf(1))
    versions = Versions()
    with Load(server, 20, make_pull, versions.check) as load:
        wait_until(lambda: load.answers > 2000, "the load runs")
        server.signal(signal.SIGQUIT)
        server.wait_for_end()
    assert load.failures == []
    assert len(load.broken) == 20
    assert close_reasons(server) == {"shutdown": 20}


def test_a_graceful_stop_waits_no_longer_than_its_time_out(start_server):
    server = start_server(conf(1, **{"700ms": "1h", "timeout 3s": "timeout 500ms"}))
    caller = Caller(server)
    caller.send(Packet(uri="/long/sleep"))
    assert caller.is_well()
    begun = time.monotonic()
    server.signal(signal.SIGQUIT)
    assert caller.receive_rest() == []
    server.wait_for_end()
    assert 0.3 < time.monotonic() - begun < 5


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_or_more_workers_after_a_reload_answer_what_is_in_flight(start_server, count):
    server = start_server(conf(1))
    callers = [Caller(server) for _ in range(20)]
    for caller in callers:
        caller.send(Packet(uri="/long/sleep", seq=1, body=b"in flight"))
        assert caller.is_well()
    reload(server, conf(2, **{"worker_processes 2": f"worker_processes {count}"}))
    for caller in callers:
        assert caller.receive().body == b"in flight"
        wait_for_version(caller, 2)
    server.let_go()
    wait_until(lambda: len(server.workers()) == count, "the workers are as many as wanted")
    assert Caller(server).pull("/version").body == b"2"


# A worker dies


def test_a_killed_worker_takes_no_other_sessions_with_it(start_server):
    server = start_server(conf(1))
    versions = Versions()
    with Load(server, 60, make_pull, versions.check) as load:
        wait_until(lambda: load.answers > 3000, "the load runs")
        victim = server.workers()[0]
        assert 0 < victim["sessions"] < 60
        answers = {id(session): session.answers for session in load.sessions}
        server.signal(signal.SIGKILL, victim["pid"])
        wait_until(lambda: len(load.broken) == victim["sessions"], "its sessions break")
        wait_until(lambda: all(session.answers > answers[id(session)] + 100
                               for session in load.sessions if not session.is_broken),
                   "the others go on")
        wait_until(lambda: server.is_serving() and server.worker_pids()[0] != victim["pid"],
                   "it is replaced")
    assert load.failures == []
    assert len(load.broken) == victim["sessions"]
    assert close_reasons(server) == {}
    assert Caller(server).pull("/version").body == b"1"

"""What workers share: counters, gauges, the lease, and the watch that holds it."""
import os
import signal

from harness import procfs
from harness.wait import wait_until

CONF = """
worker_processes 3;
worker_watch 100ms;
peer { server { listen 127.0.0.1:$PORT; } }
"""


def lease_of(server):
    """The watch's lease once it is held."""
    return wait_until(lambda: server.status()["leases"], "the lease is held")[0]


def kill_and_wait(server, slot):
    """Kills the worker of the slot and waits for its replacement."""
    pid = server.worker_pids()[slot]
    os.kill(pid, signal.SIGKILL)
    server.wait_for_replacement(slot, pid)


def lasting(totals):
    """The totals that only grow."""
    return {name: value for name, value in totals.items()
            if name not in ("sessions", "timers", "loop_turn_max_us")}


def assert_not_less(after, before):
    assert {name: value for name, value in after.items() if value < before[name]} == {}


def test_counters_survive_the_death_of_their_worker(start_server):
    server = start_server(CONF)
    server.is_read(server.hold(30))
    before = lasting(server.status()["totals"])

    for slot in range(3):
        kill_and_wait(server, slot)

    after = lasting(server.status()["totals"])
    assert_not_less(after, before)
    assert after["sessions_accepted"] == 30
    assert after["bytes_received"] == 30
    assert after["worker_starts"] == before["worker_starts"] + 3


def test_counters_survive_reloads(start_server):
    server = start_server(CONF)
    server.is_read(server.hold(30))
    before = lasting(server.status()["totals"])

    for _ in range(10):
        assert server.ask("reload")[0] == "ok"
        now = lasting(server.status()["totals"])
        assert_not_less(now, before)
        before = now

    assert before["sessions_accepted"] == 30
    assert server.total("sessions") == 30


def test_the_gauges_of_a_dead_worker_are_zeroed(start_server):
    server = start_server(CONF)
    held = server.hold_everywhere(30)
    dead_sessions = server.workers()[1]["sessions"]

    kill_and_wait(server, 1)

    assert server.workers()[1]["sessions"] == 0
    assert server.total("sessions") == len(held) - dead_sessions


def test_sessions_are_numbered_without_repeats(start_server):
    server = start_server(CONF)
    server.hold(20)
    kill_and_wait(server, 0)
    server.hold(20)
    assert server.reload()[0] == 0
    server.hold(20)
    server.let_go()
    wait_until(lambda: server.total("sessions") == 0)

    numbers = [line["details"].split()[0] for line in server.log_lines("session-closed")]
    assert len(numbers) == len(set(numbers)) >= 40


def test_one_worker_holds_the_lease(start_server):
    server = start_server(CONF)

    lease = lease_of(server)

    assert lease["name"] == "worker-watch"
    assert server.worker_pids()[lease["slot"]] == lease["pid"]
    assert len(server.status()["leases"]) == 1


def test_the_lease_stays_where_it_is_over_reloads(start_server):
    server = start_server(CONF)
    before = lease_of(server)

    for _ in range(20):
        assert server.ask("reload")[0] == "ok"

    assert server.status()["leases"] == [before]


def test_the_lease_moves_within_a_second_when_its_holder_dies(start_server):
    server = start_server(CONF)
    before = lease_of(server)

    os.kill(before["pid"], signal.SIGKILL)

    def moved():
        leases = server.status()["leases"]
        return leases and leases[0]["pid"] != before["pid"] and leases[0]

    after = wait_until(moved, "another worker holds the lease", seconds=1)
    assert after["epoch"] > before["epoch"]
    server.wait_for_log("watch-gained", count=2)


def test_the_lease_moves_when_its_holder_becomes_surplus(start_server):
    server = start_server(CONF)
    wait_until(lambda: lease_of(server))
    for slot in range(2):       # until the one that a shrinking takes away has it
        if lease_of(server)["slot"] != 2:
            kill_and_wait(server, lease_of(server)["slot"])
    server.write_conf(CONF.replace("worker_processes 3", "worker_processes 1"))

    assert server.reload()[0] == 0

    wait_until(lambda: set(server.workers()) == {0} and lease_of(server)["slot"] == 0,
               "the worker that is left has the lease")


def test_a_worker_that_stands_still_is_named_and_missed_no_longer(start_server):
    server = start_server(CONF)
    holder = lease_of(server)["slot"]
    slot = next(slot for slot in range(3) if slot != holder)
    pid = server.worker_pids()[slot]

    server.signal(signal.SIGSTOP, pid=pid)
    server.wait_for_log("worker-silent", f"slot={slot} ")
    assert server.worker_pids()[slot] == pid

    server.signal(signal.SIGCONT, pid=pid)
    server.wait_for_log("worker-answers", f"slot={slot}")
    assert len(server.log_lines("worker-silent")) == 1


def test_the_watch_moves_on_when_the_watcher_stands_still(start_server):
    server = start_server(CONF)
    holder = lease_of(server)

    server.signal(signal.SIGSTOP, pid=holder["pid"])
    server.wait_for_log("worker-silent", f"slot={holder['slot']} ")
    assert lease_of(server)["slot"] != holder["slot"]

    server.signal(signal.SIGCONT, pid=holder["pid"])
    server.wait_for_log("watch-lost")
    server.wait_for_log("worker-answers", f"slot={holder['slot']}")


def test_the_watch_can_be_turned_off_and_on(start_server):
    server = start_server(CONF)
    lease_of(server)
    server.write_conf(CONF.replace("worker_watch 100ms", "worker_watch off"))

    assert server.reload()[0] == 0
    wait_until(lambda: server.status()["leases"] == [], "nobody watches")

    server.write_conf(CONF)
    assert server.reload()[0] == 0
    lease_of(server)


def test_a_reload_leaves_no_mappings_behind(start_server):
    """A worker has zones twice: its configuration's, and its own for what outlives that."""
    server = start_server(CONF)
    pids = [server.process.pid, *server.worker_pids().values()]
    before = {pid: procfs.zone_maps(pid) for pid in pids}
    assert max(before[pids[0]].values()) == 1
    assert all(max(before[pid].values()) <= 2 for pid in pids)
    assert server.reload()[0] == 0

    for pid in pids:
        wait_until(lambda: procfs.zone_maps(pid) == before[pid], "old mappings are gone")

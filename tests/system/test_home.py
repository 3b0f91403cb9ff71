"""What a module has of its worker (teleport/home.h), shown by the module chores."""
import json
import os
import re
import signal

import pytest

from harness.wait import wait_until
from harness.wire25 import PLAIN, Caller

CONF = """
worker_processes 3;
peer {
    server {
        listen 127.0.0.1:$PORT;
        pull /watched  { chores echo-watched; }
        pull /tell     { chores tell; }
        pull /told     { chores told; }
        pull /lease    { chores lease; chores_lease sweep; }
    }
}
"""


@pytest.fixture(name="server")
def server_with_chores(build, make_server):
    objs, _ = build
    server = make_server(CONF)
    server.binary = str(objs / "teleport")
    return server.start()


def ask(caller, uri, body=None):
    reply = caller.pull(uri, body)
    assert reply.status_code == 200, reply
    return json.loads(reply.body)


def callers_everywhere(server):
    """A caller with a session of each worker, by the worker's slot."""
    callers = {}

    def are_everywhere():
        caller = Caller(server)
        callers.setdefault(ask(caller, "/told")["slot"], caller)
        return len(callers) == len(server.workers())

    wait_until(are_everywhere, "each worker has a session")
    return callers


def wait_until_told(caller, count):
    return wait_until(lambda: (told := ask(caller, "/told"))["count"] >= count and told,
                      f"it was told {count} times")


def test_a_descriptor_is_watched(server):
    caller = Caller(server)
    for text in (b"one", b"two"):
        reply = caller.pull("/watched", text)
        assert (reply.status_code, reply.codec, reply.body) == (200, PLAIN, text)


def test_what_a_module_tells_reaches_it_in_all_other_workers(server):
    callers = callers_everywhere(server)

    assert ask(callers[1], "/tell", b"hello") == {"slot": 1, "result": "ok"}

    for slot in (0, 2):
        assert wait_until_told(callers[slot], 1) == {"slot": slot, "count": 1, "by": 1,
                                                     "told": "hello", "len": 5}
    assert ask(callers[1], "/told")["count"] == 0


def test_what_one_worker_tells_comes_in_order_and_once(server):
    callers = callers_everywhere(server)

    for number in range(100):
        ask(callers[0], "/tell", b"%d" % number)
    told = wait_until_told(callers[2], 100)

    assert (told["count"], told["told"]) == (100, "99")


@pytest.mark.parametrize("length, result", [(0, "ok"), (4096, "ok"), (4097, "too-large")])
def test_what_is_told_is_small(server, length, result):
    callers = callers_everywhere(server)

    assert ask(callers[0], "/tell", b"x" * length)["result"] == result

    if result == "ok":
        assert wait_until_told(callers[1], 1)["len"] == length
    else:
        ask(callers[0], "/tell", b"after")
        assert wait_until_told(callers[1], 1)["told"] == "after"


def test_the_successor_of_a_dead_worker_is_told_too(server):
    callers = callers_everywhere(server)
    ask(callers[0], "/tell", b"before")
    wait_until_told(callers[1], 1)
    pid = server.worker_pids()[1]

    os.kill(pid, signal.SIGKILL)
    server.wait_for_replacement(1, pid)
    caller = callers_everywhere(server)[1]

    assert ask(caller, "/told")["count"] == 0
    # Until it has heard of the death, the teller writes to the one that is gone.
    wait_until(lambda: ask(callers[0], "/tell", b"after") and ask(caller, "/told")["count"] >= 1)
    assert ask(caller, "/told")["told"] == "after"


def test_telling_and_data_outlive_reloads(server):
    callers = callers_everywhere(server)
    ask(callers[0], "/tell", b"before")
    wait_until_told(callers[1], 1)

    for _ in range(3):
        assert server.ask("reload")[0] == "ok"
    ask(callers[0], "/tell", b"after")

    assert wait_until_told(callers[1], 2)["told"] == "after"


def lease_of(server, name="module/sweep"):
    """The lease of this name, as the status shows it; None while nobody holds it."""
    return next((lease for lease in server.status()["leases"] if lease["name"] == name), None)


def wait_for_lease(server, *, seconds=10, is_wanted=lambda lease: True):
    return wait_until(lambda: (lease := lease_of(server)) and is_wanted(lease) and lease,
                      "the lease is held as wanted", seconds=seconds)


def test_one_worker_has_a_job(server):
    holder = wait_for_lease(server)["slot"]
    callers = callers_everywhere(server)

    wait_until(lambda: ask(callers[holder], "/lease")["held"], "its holder knows")

    for slot, caller in callers.items():
        assert ask(caller, "/lease") == {"slot": slot, "held": slot == holder,
                                         "gained": int(slot == holder), "lost": 0}


def test_another_has_the_job_at_once_when_its_worker_dies(server):
    before = wait_for_lease(server)

    os.kill(before["pid"], signal.SIGKILL)

    after = wait_for_lease(server, seconds=1,
                           is_wanted=lambda lease: lease["pid"] != before["pid"])
    assert after["epoch"] > before["epoch"]
    server.wait_for_log("chores-gained", f"slot={after['slot']}")


def test_another_has_the_job_at_once_when_its_worker_drains(server):
    # Until the worker that shrinking takes away has it.
    while wait_for_lease(server)["slot"] != 2:
        before = wait_for_lease(server)
        os.kill(before["pid"], signal.SIGKILL)
        server.wait_for_replacement(before["slot"], before["pid"])
        wait_for_lease(server, is_wanted=lambda lease: lease["pid"] != before["pid"])
    holder = callers_everywhere(server)[2]      # whose session keeps the worker
    wait_until(lambda: ask(holder, "/lease")["held"], "its holder knows")
    server.write_conf(re.sub("worker_processes 3", "worker_processes 2", CONF))

    assert server.reload()[0] == 0

    wait_for_lease(server, seconds=1, is_wanted=lambda lease: lease["slot"] != 2)
    assert not ask(holder, "/lease")["held"]
    server.wait_for_log("chores-lost", "slot=2")


def test_a_reload_leaves_the_job_where_it_is(server):
    before = wait_for_lease(server)
    caller = callers_everywhere(server)[before["slot"]]

    for _ in range(3):
        assert server.ask("reload")[0] == "ok"
        wait_until(lambda: ask(caller, "/lease") == {"slot": before["slot"], "held": True,
                                                     "gained": 1, "lost": 0},
                   "the newest configuration has the job")

    assert lease_of(server) == before


def test_a_reload_that_fails_gives_the_job_back(server):
    before = wait_for_lease(server)
    caller = callers_everywhere(server)[before["slot"]]
    wait_until(lambda: ask(caller, "/lease")["held"], "its holder knows")
    server.arm("reload-switch fail once")

    assert server.ask("reload")[0] == "failed"

    wait_until(lambda: ask(caller, "/lease")["held"], "the configuration that stays has the job")
    assert lease_of(server) == before


def test_a_job_that_nobody_wants_any_more_is_given_up(server):
    wait_for_lease(server)
    server.write_conf(CONF.replace("chores_lease sweep;", ""))

    assert server.reload()[0] == 0

    wait_until(lambda: lease_of(server) is None, "nobody holds it")


def test_a_lease_with_a_name_too_long_does_not_start(server):
    server.write_conf(CONF.replace("sweep", "x" * 49))

    code, output = server.reload()

    assert code == 1
    assert "chores" in output

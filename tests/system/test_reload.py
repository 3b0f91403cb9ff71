"""Reload in place: nobody is dropped, all workers switch or none, and the verdict is told."""
import signal
import socket
import subprocess
import threading
from collections import Counter

import pytest

from harness import procfs
from harness.client import Connector, is_refused
from harness.wait import wait_until

CONF = """
worker_processes 2;
peer { server { listen 127.0.0.1:$PORT; } }
"""

GROWTH_MAX_BYTES = 1024 * 1024


def workers_conf(count, **values):
    """CONF with so many workers, and directives of main in front."""
    lines = "".join(f"{name} {value};\n" for name, value in values.items())
    return lines + CONF.replace("worker_processes 2", f"worker_processes {count}")


def generations(server):
    return {worker["generation"] for worker in server.workers().values()}


def close_reasons(server):
    """How many sessions ended for each reason."""
    lines = server.log_lines("session-closed")
    return Counter(line["details"].rpartition("reason=")[2] for line in lines)


def assert_all_open(connections):
    assert all(connection.is_open() for connection in connections)


def footprint(pid):
    """Descriptors and maps of a process: what a leak would add to."""
    return procfs.descriptors(pid), procfs.zone_maps(pid)


def assert_footprints(pids, before):
    """Sessions let the old configuration go in the turns after a reload has been answered."""
    def footprints():
        return {name: footprint(pid) for name, pid in pids.items()}

    try:
        wait_until(lambda: footprints() == before, seconds=5)
    except AssertionError:
        assert footprints() == before


# Often


def test_two_hundred_reloads_drop_nobody_and_leave_nothing(start_server):
    server = start_server(workers_conf(2))
    held = server.hold(200)
    pids = {**server.worker_pids(), "master": server.process.pid}
    before = {name: footprint(pid) for name, pid in pids.items()}

    with Connector(server.port()) as connector:
        for _ in range(200):
            verdict, report = server.ask("reload")
            assert verdict == "ok", report

    assert connector.failures == []
    assert connector.count > 0
    assert_all_open(held)
    assert {**server.worker_pids(), "master": server.process.pid} == pids
    assert server.status()["reloads"] == 200
    wait_until(lambda: server.total("sessions") == len(held), "the connector's sessions end")
    # Before a byte is sent: a session in the middle of a packet keeps the former configuration.
    assert_footprints(pids, before)
    assert server.is_read(held)


def test_a_thousand_reloads_cost_no_memory(start_server, sanitized):
    server = start_server(workers_conf(2))
    pids = {**server.worker_pids(), "master": server.process.pid}
    held = server.hold(20)
    before = {name: footprint(pid) for name, pid in pids.items()}
    for _ in range(20):     # until every allocator has what it needs
        assert server.ask("reload")[0] == "ok"
    resident = {name: procfs.resident_bytes(pid) for name, pid in pids.items()}

    for _ in range(200 if sanitized else 1000):
        assert server.ask("reload")[0] == "ok"

    assert_footprints(pids, before)
    growth = {name: procfs.resident_bytes(pid) - resident[name] for name, pid in pids.items()}
    print(f"grown by {growth} bytes")
    # A sanitizer keeps what is freed, so there memory says nothing.
    assert sanitized or max(growth.values()) < GROWTH_MAX_BYTES
    assert_all_open(held)


# What a reload changes


def test_every_worker_has_the_new_configuration_when_reload_returns(start_server):
    server = start_server(CONF)

    code, report = server.reload()

    assert (code, report) == (0, "")
    assert generations(server) == {2}
    assert server.status()["generation"] == 2


def test_an_added_listen_accepts_when_reload_returns(start_server):
    server = start_server(CONF)
    held = server.hold(4)
    server.write_conf(CONF.replace(
        "} }", "} server { listen 127.0.0.1:$PORT2; } }"))

    assert server.reload()[0] == 0

    assert server.is_read(server.hold(4, port="$PORT2"))
    assert server.is_read(held)


def test_a_changed_pid_file_waits_for_a_restart(start_server):
    server = start_server(CONF)
    somebody_elses = server.prefix / "logs/other.pid"
    somebody_elses.write_text("1\n")
    server.write_conf("pid logs/other.pid;\n" + CONF)

    assert server.ask("reload")[0] == "ok"
    server.signal(signal.SIGQUIT)
    server.wait_for_end()

    assert somebody_elses.read_text() == "1\n"
    assert not (server.prefix / "logs/teleport.pid").exists()
    somebody_elses.unlink()


def test_a_removed_listen_closes_its_sessions_and_no_others(start_server):
    server = start_server(CONF.replace("} }", "} server { listen 127.0.0.1:$PORT2; } }"))
    staying = server.hold(10)
    leaving = server.hold(10, port="$PORT2")
    server.write_conf(CONF)

    assert server.reload()[0] == 0

    wait_until(lambda: not any(connection.is_open() for connection in leaving),
               "the sessions of the removed listen are closed")
    assert close_reasons(server) == {"listen-removed": 10}
    assert server.is_read(staying)
    assert is_refused(server.port("$PORT2"))
    assert server.status()["listens"] == [f"127.0.0.1:{server.port()}"]


def test_a_listen_may_go_and_come_back_at_once(start_server):
    server = start_server(CONF)
    held = server.hold(4)
    both = CONF.replace("} }", "} server { listen 127.0.0.1:$PORT2; listen unix:logs/a.socket; } }")

    for _ in range(30):
        server.write_conf(both)
        assert server.ask("reload") == ("ok", "")
        server.connect("$PORT2")
        server.connect(path=server.prefix / "logs/a.socket")
        server.write_conf(CONF)
        assert server.ask("reload") == ("ok", "")
        assert is_refused(server.port("$PORT2"))

    assert_all_open(held)


def test_what_a_failed_reload_opened_is_gone(start_server):
    server = start_server(CONF)
    pids = {**server.worker_pids(), "master": server.process.pid}
    before = {name: footprint(pid) for name, pid in pids.items()}
    server.write_conf(CONF.replace("} }", """}
        server { listen 127.0.0.1:$PORT2; listen unix:logs/a.socket; error_log logs/a.log; }
    }"""))

    for point in ("reload-prepare", "reload-switch"):
        server.arm(f"{point} fail once")
        assert server.ask("reload")[0] == "failed"
        assert is_refused(server.port("$PORT2"))
        assert not (server.prefix / "logs/a.socket").exists()

    server.arm()
    assert_footprints(pids, before)
    assert server.ask("reload") == ("ok", "")


def test_fewer_reuseport_sockets_keep_their_sessions(start_server):
    reuseport = workers_conf(3).replace("$PORT;", "$PORT reuseport;")
    server = start_server(reuseport)
    held = server.hold(30)
    server.write_conf(reuseport.replace("worker_processes 3", "worker_processes 1"))

    assert server.reload()[0] == 0

    assert server.is_read(held + server.hold(5))


def test_a_listen_may_move_to_another_server(start_server):
    server = start_server("""
worker_processes 2;
peer {
    server { listen 127.0.0.1:$PORT; listen 127.0.0.1:$PORT2; }
}
""")
    held = server.hold(10) + server.hold(10, port="$PORT2")
    server.write_conf("""
worker_processes 2;
peer {
    server { listen 127.0.0.1:$PORT; }
    server { listen 127.0.0.1:$PORT2; error_log logs/second.log info; }
}
""")

    assert server.reload()[0] == 0

    assert server.is_read(held)
    server.let_go()
    wait_until(lambda: len(server.log_lines("session-closed", "logs/second.log")) == 10,
               "moved sessions end in their new server's log")


def test_a_backlog_changes_in_place(start_server):
    server = start_server(CONF.replace("$PORT;", "$PORT backlog=64;"))
    held = server.hold(2)
    server.write_conf(CONF.replace("$PORT;", "$PORT backlog=7;"))

    assert server.reload()[0] == 0

    listening = subprocess.run(["ss", "-Hltn", f"sport = :{server.port()}"],
                               stdout=subprocess.PIPE, text=True, check=True).stdout
    assert listening.split()[2] == "7"
    assert server.is_read(held)


def test_log_files_come_and_go(start_server):
    server = start_server(CONF)
    server.write_conf(CONF.replace("peer {", "peer { error_log logs/peer.log info;"))

    assert server.reload()[0] == 0
    server.hold(1)
    server.let_go()
    server.wait_for_log("session-closed", name="logs/peer.log")

    server.write_conf(CONF)
    assert server.reload()[0] == 0
    log = str(server.prefix / "logs/peer.log")
    for pid in [server.process.pid, *server.worker_pids().values()]:
        wait_until(lambda: log not in procfs.descriptors(pid), "the log is closed everywhere")


def test_included_files_are_read_again(start_server):
    server = start_server("include workers.d/*.conf;\npeer { server { listen 127.0.0.1:$PORT; } }")
    folder = server.conf_path.parent / "workers.d"
    folder.mkdir()
    (folder / "count.conf").write_text("worker_processes 3;\n")

    assert server.reload()[0] == 0

    server.wait_for_workers(3)


@pytest.mark.parametrize("change", ["daemon on;", "worker_rlimit_nofile 1000;"])
def test_a_directive_that_cannot_change_in_place_is_told(start_server, change):
    server = start_server(CONF)
    server.write_conf(change + CONF)

    code, report = server.reload()

    assert code == 0
    assert f"{change.split()[0]}: waits for" in report


# Workers come and go


def test_more_workers_start(start_server):
    server = start_server(workers_conf(1))
    held = server.hold(10)
    pids = server.worker_pids()
    server.write_conf(workers_conf(4))

    assert server.reload()[0] == 0
    server.wait_for_workers(4)

    assert server.worker_pids()[0] == pids[0]
    assert server.is_read(held)
    server.hold_everywhere(20)


def test_surplus_workers_without_sessions_leave(start_server):
    server = start_server(workers_conf(4))
    server.write_conf(workers_conf(1))

    assert server.reload()[0] == 0

    wait_until(lambda: set(server.workers()) == {0}, "one worker is left")
    assert server.log_lines("worker-died") == []


def test_a_surplus_worker_lives_as_long_as_its_sessions(start_server):
    server = start_server(workers_conf(2))
    held = server.hold_everywhere(10)
    server.write_conf(workers_conf(1))

    assert server.reload()[0] == 0

    assert server.workers()[1]["state"] == "draining"
    assert server.is_read(held)
    for connection in held:
        connection.close()
    wait_until(lambda: set(server.workers()) == {0}, "the surplus worker leaves")
    assert server.log_lines("worker-died") == []


def test_a_draining_worker_serves_again_when_it_is_wanted(start_server):
    server = start_server(workers_conf(2))
    held = server.hold_everywhere(10)
    pids = server.worker_pids()
    server.write_conf(workers_conf(1))
    assert server.reload()[0] == 0
    assert server.workers()[1]["state"] == "draining"

    server.write_conf(workers_conf(2))
    assert server.reload()[0] == 0

    assert server.is_serving()
    assert server.worker_pids() == pids
    assert server.is_read(held)
    before = server.workers()[1]["sessions"]

    def takes_more():
        server.hold(1)
        return server.workers()[1]["sessions"] > before

    wait_until(takes_more, "the worker accepts again")


def test_shrinking_and_growing_in_quick_turns_always_succeeds(start_server):
    server = start_server(workers_conf(3))
    held = server.hold(1)

    for turn in range(40):
        server.write_conf(workers_conf(3 if turn % 2 else 1))
        verdict, report = server.ask("reload")
        assert verdict == "ok", report

    server.wait_for_workers(3)
    assert server.log_lines("worker-died") == []
    assert_all_open(held)


# What goes wrong


def assert_a_later_reload_works(server, held):
    """The old cycle has served on; with what was wrong put right a reload succeeds."""
    assert_all_open(held)
    wait_until(server.is_serving)
    generation = server.status()["generation"]
    assert generations(server) == {generation}
    server.write_conf(CONF.replace("} }", "} server { listen 127.0.0.1:$PORT3; } }"))
    code, report = server.reload()
    assert code == 0, report
    assert server.status()["generation"] > generation
    assert generations(server) == {server.status()["generation"]}
    survivors = [connection for connection in held if connection.is_open()]
    assert server.is_read(survivors + server.hold(4) + server.hold(4, port="$PORT3"))


def test_a_file_with_mistakes_changes_nothing(start_server):
    server = start_server(CONF)
    held = server.hold(20)
    server.write_conf("worker_procesess 3;\n" + CONF)

    code, report = server.reload()

    assert code == 1
    assert 'did you mean "worker_processes"' in report
    assert "teleport.conf:3:1: error:" in report
    [failure] = server.log_lines("reload-failed")
    assert failure["details"].endswith(
        ':3:1: error: unknown directive "worker_procesess" in "main", while reloading')
    assert failure["details"].startswith(f"generation=2 why={server.conf_path}:3:1")
    status = server.status()
    assert (status["generation"], status["reloads"], status["reloads_failed"]) == (1, 0, 1)
    assert status["is_reloading"] is False
    assert_a_later_reload_works(server, held)


def test_an_address_in_use_changes_nothing(start_server):
    server = start_server(CONF)
    held = server.hold(20)
    server.write_conf(CONF.replace(
        "} }", "} server { listen 127.0.0.1:$PORT2; listen 127.0.0.1:$PORT3; } }"))
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", server.port("$PORT3")))
        taken.listen()

        code, report = server.reload()

    assert code == 1
    assert f"cannot listen on 127.0.0.1:{server.port('$PORT3')}" in report
    assert "teleport.conf:5" in report
    assert is_refused(server.port("$PORT2"))
    assert_a_later_reload_works(server, held)


def test_a_log_that_cannot_be_opened_changes_nothing(start_server):
    server = start_server(CONF)
    held = server.hold(20)
    server.write_conf("error_log nowhere/error.log;\n" + CONF)

    code, report = server.reload()

    assert code == 1
    assert "cannot open the log" in report and "nowhere/error.log" in report
    assert_a_later_reload_works(server, held)


def test_reuseport_cannot_change_while_the_socket_is_open(start_server):
    server = start_server(CONF)
    held = server.hold(20)
    server.write_conf(CONF.replace("$PORT;", "$PORT reuseport;"))

    code, report = server.reload()

    assert code == 1
    assert "reuseport" in report and "restart" in report
    assert_a_later_reload_works(server, held)


def test_a_zone_that_cannot_be_mapped_changes_nothing(start_server):
    server = start_server(CONF)
    held = server.hold(20)

    server.arm("zone-map fail once")
    code, report = server.reload()
    server.arm()

    assert code == 1
    assert "cannot map a zone" in report
    assert_a_later_reload_works(server, held)


@pytest.mark.parametrize("point, doing", [
    ("reload-prepare", "preparing"),
    ("reload-switch", "switching"),
])
def test_a_worker_that_dies_in_a_reload_changes_nothing(start_server, point, doing):
    server = start_server(CONF)
    held = server.hold(20)
    sessions = {worker["pid"]: worker["sessions"] for worker in server.workers().values()}

    server.arm(f"{point} die once")
    code, report = server.reload()
    server.arm()

    assert code == 1
    assert f"died while {doing}" in report and "signal 9" in report
    assert server.status()["generation"] == 1
    wait_until(server.is_serving)
    [dead] = set(sessions) - set(server.worker_pids().values())
    survivors = [connection for connection in held if connection.is_open()]
    assert len(survivors) == len(held) - sessions[dead]
    assert server.is_read(survivors)
    assert_a_later_reload_works(server, survivors)


@pytest.mark.parametrize("point", ["reload-prepare", "reload-switch"])
def test_a_worker_that_refuses_changes_nothing(start_server, point):
    server = start_server(CONF)
    held = server.hold(20)
    pids = server.worker_pids()

    server.arm(f"{point} fail once")
    code, report = server.reload()
    server.arm()

    assert code == 1
    assert "cannot take the configuration over" in report
    assert server.worker_pids() == pids
    assert server.is_read(held)
    assert_a_later_reload_works(server, held)


@pytest.mark.parametrize("point", ["reload-prepare", "reload-switch"])
def test_a_worker_that_hangs_is_not_waited_for_longer_than_allowed(start_server, point):
    server = start_server("reload_timeout 300ms;\n" + CONF)
    held = server.hold(20)
    pids = server.worker_pids()

    server.arm(f"{point} hang once")
    code, report = server.reload()
    server.arm()

    assert code == 1
    assert "did not answer in time" in report
    assert server.worker_pids() == pids
    assert_all_open(held)
    hung = int(report.partition("worker ")[2].split()[0])
    sessions = server.workers()[hung]["sessions"]
    server.signal(signal.SIGKILL, pid=pids[hung])
    server.wait_for_replacement(hung, pids[hung])
    survivors = [connection for connection in held if connection.is_open()]
    assert len(survivors) == len(held) - sessions
    assert_a_later_reload_works(server, survivors)


# Several at once


def test_reloads_asked_for_at_once_are_all_answered(start_server):
    server = start_server(CONF)
    verdicts = []
    threads = [threading.Thread(target=lambda: verdicts.append(server.ask("reload")))
               for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert verdicts == [("ok", "")] * 8
    assert 2 <= server.status()["generation"] <= 9


def test_a_reload_asked_for_during_one_reads_the_file_again(start_server):
    server = start_server("reload_timeout 500ms;\n" + CONF)
    server.arm("reload-prepare hang once")
    first = threading.Thread(target=server.ask, args=("reload",))
    first.start()
    wait_until(lambda: server.was_struck("reload-prepare"), "the first reload is under way")
    pids = server.worker_pids()
    second = []
    asked = threading.Thread(target=lambda: second.append(server.ask("reload")))
    asked.start()
    server.write_conf("worker_procesess 3;\n" + CONF)

    first.join()
    asked.join()

    assert second[0][0] == "failed" and "worker_procesess" in second[0][1]
    for pid in pids.values():
        server.signal(signal.SIGKILL, pid=pid)
    for slot, pid in pids.items():
        server.wait_for_replacement(slot, pid)


def test_workers_get_the_text_that_the_master_read(start_server):
    server = start_server("reload_timeout 10s;\n" + CONF)
    server.write_conf(CONF.replace("} }", "} server { listen 127.0.0.1:$PORT2; } }"))
    pids = server.worker_pids()
    # While the workers stand still the file changes; what the master has read counts.
    for pid in pids.values():
        server.signal(signal.SIGSTOP, pid=pid)
    answer = []
    asked = threading.Thread(target=lambda: answer.append(server.ask("reload")))
    asked.start()
    wait_until(lambda: server.status()["is_reloading"], "the master has begun")
    server.write_conf("worker_procesess 3;\n" + CONF)

    for pid in pids.values():
        server.signal(signal.SIGCONT, pid=pid)
    asked.join()

    assert answer == [("ok", "")]
    assert server.is_read(server.hold(4, port="$PORT2"))


def test_a_reload_while_the_server_stops_is_refused(start_server):
    server = start_server(CONF)
    for pid in server.worker_pids().values():
        server.signal(signal.SIGSTOP, pid=pid)
    server.signal(signal.SIGTERM)
    server.wait_for_log("signal", "signal=TERM")

    assert server.ask("reload") == ("failed", "the server is stopping")

    server.wait_for_end()


def test_a_stop_ends_a_reload_that_is_under_way(start_server):
    server = start_server(CONF)
    server.arm("reload-prepare hang once")
    answer = []
    asked = threading.Thread(target=lambda: answer.append(server.ask("reload")))
    asked.start()
    wait_until(lambda: server.was_struck("reload-prepare"), "the reload is under way")

    server.signal(signal.SIGTERM)
    server.wait_for_end()
    asked.join()

    assert answer[0][0] == "failed" and "was told to stop" in answer[0][1]


def test_workers_end_when_their_master_dies_in_a_reload(start_server):
    server = start_server(CONF)
    server.expect_alert("master-gone")
    pids = server.worker_pids()
    stopped = pids[0]
    # One worker stands still, so that the other one stays in the middle.
    server.signal(signal.SIGSTOP, pid=stopped)
    asked = threading.Thread(target=server.ask, args=("reload",))
    asked.start()
    wait_until(lambda: server.status()["is_reloading"], "the reload is under way")

    server.process.kill()
    server.wait_for_end(exit_code=-signal.SIGKILL)
    wait_until(lambda: not procfs.is_alive(pids[1]), "the worker that waits ends")
    server.signal(signal.SIGCONT, pid=stopped)

    wait_until(lambda: not procfs.is_alive(stopped), "the other one ends, too")
    asked.join()
    for name in ("logs/teleport.pid", "logs/teleport.control"):
        (server.prefix / name).unlink()

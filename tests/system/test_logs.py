"""The error log: its lines, levels, files, and how they are rotated."""
import re
import signal
import time

import pytest

from harness.wait import wait_until
from harness.wire25 import Caller, Packet

ONE_SERVER = "peer { server { listen 127.0.0.1:$PORT; } }\n"

LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "
                  r"\[(debug|info|notice|warn|error|alert)\] \d+ [a-z]+(-[a-z]+)*: .+$")


def conf(log="", rest=ONE_SERVER):
    return f"worker_processes 1;\n{log}\n{rest}"


def use(server, **options):
    """A session that begins and ends: it is logged with the level info."""
    closed = server.total("sessions_closed")
    server.hold(1, **options)
    server.let_go()
    wait_until(lambda: server.total("sessions_closed") > closed, "the session is counted")


def test_every_line_has_the_same_form(start_server):
    server = start_server(conf("error_log logs/error.log debug;"))
    use(server)
    server.reload()
    server.write_conf("nonsense;\n")
    server.reload()
    server.write_conf(conf("error_log logs/error.log debug;"))

    lines = server.log().splitlines()
    assert len(lines) > 5
    assert [line for line in lines if not LINE.match(line)] == []


def test_a_line_tells_level_process_and_id(start_server):
    server = start_server(conf())

    [line] = server.log_lines("started")

    assert line["level"] == "notice"
    assert int(line["pid"]) == server.process.pid
    assert "workers=1" in line["details"]


def test_a_closed_session_tells_who_where_and_why(start_server):
    server = start_server(conf())
    source = server.hold(1, source="127.0.0.9")[0].socket.getsockname()
    server.let_go()

    details = server.wait_for_log("session-closed")["details"]

    assert details == (f"number=1 remote={source[0]}:{source[1]} "
                       f"listen=127.0.0.1:{server.port()} reason=peer-closed")


@pytest.mark.parametrize("level, is_there", [
    ("debug", {"debug", "info", "notice"}),
    ("info", {"info", "notice"}),
    ("notice", {"notice"}),
    ("error", set()),
])
def test_a_level_leaves_out_what_is_below_it(start_server, level, is_there):
    server = start_server(conf(f"error_log logs/error.log {level};"))
    use(server)
    assert server.reload()[0] == 0
    use(server)
    server.stop()

    found = {LINE.match(line)[1] for line in server.log().splitlines()}

    assert found == is_there


def test_a_reload_changes_the_level(start_server):
    server = start_server(conf("error_log logs/error.log notice;"))
    use(server)
    assert server.log_lines("session-closed") == []
    server.write_conf(conf("error_log logs/error.log info;"))

    assert server.reload()[0] == 0
    use(server)

    server.wait_for_log("session-closed")


def test_servers_may_have_logs_of_their_own(start_server):
    server = start_server(conf(rest="""
peer {
    server { listen 127.0.0.1:$PORT; }
    server { listen 127.0.0.1:$PORT2; error_log logs/second.log info; }
}
"""))
    use(server, port="$PORT2")
    use(server)

    assert len(server.log_lines("session-closed")) == 1
    assert len(server.log_lines("session-closed", "logs/second.log")) == 1
    assert f"listen=127.0.0.1:{server.port('$PORT2')} " in server.log("logs/second.log")
    assert server.log_lines("started", "logs/second.log") == []


def test_a_log_may_be_standard_error(start_server):
    server = start_server(conf("error_log stderr info;"))
    use(server)

    assert "started: " in server.output()
    assert "session-closed: " in server.output()
    assert server.log() == ""


@pytest.mark.parametrize("how", ["signal", "command"])
def test_logs_are_rotated_without_losing_a_line(start_server, how):
    server = start_server(conf(rest="""
peer {
    error_log logs/peer.log info;
    server { listen 127.0.0.1:$PORT; }
}
"""))
    use(server)
    names = ("error.log", "peer.log")
    for name in names:
        path = server.prefix / "logs" / name
        path.rename(path.with_name(f"{name}.1"))

    if how == "signal":
        server.signal(signal.SIGUSR1)
    else:
        assert server.run("-s", "reopen") == (0, "", "")
    wait_until(lambda: all((server.prefix / "logs" / name).exists() for name in names),
               "there are new files")
    use(server)

    # A worker has the new file as soon as it has read the master's word.
    wait_until(lambda: _count(server, "session-closed: ", "peer.log", "peer.log.1") == 2,
               "both sessions are logged")
    use(server)
    wait_until(lambda: _count(server, "session-closed: ", "peer.log") >= 1,
               "the worker writes to the new file")
    server.stop()
    assert "stopped: " in server.log()
    assert "started: " in server.log("logs/error.log.1")
    assert "stopped: " not in server.log("logs/error.log.1")


def test_what_goes_on_by_an_older_configuration_writes_to_the_new_file(start_server):
    text = conf(rest="""
peer {
    access_log logs/access.log flush=10ms;
    server { listen 127.0.0.1:$PORT; pull /slow { sleep 2s; } }
}
""")
    server = start_server(text)
    caller = Caller(server)
    caller.send(Packet(uri="/slow", seq=7))
    time.sleep(0.2)
    for _ in range(2):
        server.reload()
    path = server.prefix / "logs/access.log"
    path.rename(path.with_name("access.log.1"))
    assert server.run("-s", "reopen") == (0, "", "")
    wait_until(path.exists, "there is a new file")

    assert caller.receive().status_code == 200
    wait_until(lambda: "/slow" in path.read_text(), "the new file has the line")


def _count(server, words, *names):
    return sum(server.log(f"logs/{name}").count(words) for name in names)


def test_a_log_that_cannot_be_reopened_is_told_and_written_on(start_server):
    server = start_server(conf())
    folder = server.prefix / "logs"
    moved = server.prefix / "conf/logs"
    folder.rename(moved)
    moved_control = moved / "teleport.control"

    server.signal(signal.SIGUSR1)
    moved_log = moved / "error.log"
    wait_until(lambda: "log-reopen-failed: " in moved_log.read_text(), "the failure is logged")

    assert (f"log-reopen-failed: log={folder}/error.log why=No such file or directory\n"
            in moved_log.read_text())
    assert moved_control.exists()
    moved.rename(folder)
    use(server)


def test_a_log_in_a_folder_that_is_not_there_keeps_the_server_from_starting(make_server):
    server = make_server(conf("error_log nowhere/error.log;"))

    code, _, errors = server.run()

    assert code == 1
    assert "cannot open the log" in errors and "nowhere/error.log" in errors
    assert f"this makes it: mkdir -p {server.prefix}/nowhere\n" in errors

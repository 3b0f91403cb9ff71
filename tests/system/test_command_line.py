"""The command line: every option, what is wrong with wrong ones, starting and steering."""
import json
import os
import socket

import pytest

from harness import procfs
from harness.wait import wait_until

CONF = """
worker_processes 1;
peer { server { listen 127.0.0.1:$PORT; } }
"""

WRONG = "worker_procesess 1;\n" + CONF


def test_v_prints_the_version(make_server):
    code, output, _ = make_server(CONF).run("-v")

    assert code == 0
    assert output.startswith("teleport ") and output.count("\n") == 1


def test_capital_v_prints_how_it_was_built(make_server):
    code, output, _ = make_server(CONF).run("-V")

    assert code == 0
    assert "built by " in output and "configure arguments:" in output


def test_h_lists_every_option_and_command(make_server):
    code, output, _ = make_server(CONF).run("-h")

    assert code == 0
    for letter in "cpgtTqsvVh":
        assert f"\n  -{letter} " in output
    for command in ("stop", "quit", "reopen", "reload", "status"):
        assert f"\n  {command} " in output


@pytest.mark.parametrize("topic, words", [
    ("directives", "### worker_processes"),
    ("logs", "`worker-died`"),
    ("counters", "`sessions_accepted`"),
    ("reasons", "`listen-removed`"),
    ("awaiting", "`upstream`"),
    ("worker_processes", "How many workers serve"),
    ("allow", "Lets connections from a network in"),
    ("reload-failed", "reload-failed (log message)\nA reload failed, for the reason given"),
    ("sessions_accepted", "sessions_accepted (counter, in sessions)\nConnections accepted."),
    ("peer-closed", "peer-closed (reason of session-closed)\nThe other end closed"),
    ("$uri", "$uri (variable of an exchange)\nThe uri of the packet"),
    ("arg_user", "$arg_NAME (variable of an exchange)\n"),
    ("pid", "    Syntax: pid PATH;"),
    ("pid", "\n\n$pid (variable of an exchange)\n"),
])
def test_h_explains_a_topic(make_server, topic, words):
    code, output, _ = make_server(CONF).run("-h", topic)

    assert code == 0
    assert words in output


def test_h_of_a_handler_has_no_default(make_server):
    code, output, _ = make_server(CONF).run("-h", "sleep")

    assert code == 0
    assert "Syntax: sleep TIME;" in output and "Default" not in output


def test_h_of_a_slip_suggests_what_was_meant(make_server):
    code, output, errors = make_server(CONF).run("-h", "worker_proceses")

    assert code == 1
    assert output == ""
    assert "worker_processes" in errors


@pytest.mark.parametrize("arguments, complaint", [
    (["-x"], "there is no option -x"),
    (["-tx"], "there is no option -x"),
    (["start"], 'unexpected argument "start"'),
    (["-s"], "-s needs a value"),
    (["-s", "restart"], '-s has no command "restart"'),
    (["-g"], "-g needs a value"),
    (["-"], 'unexpected argument "-"'),
])
def test_a_wrong_option_is_named(make_server, arguments, complaint):
    code, output, errors = make_server(CONF).run(*arguments)

    assert code == 1
    assert output == ""
    assert complaint in errors
    assert "teleport -h shows the options" in errors


def test_a_value_may_follow_its_letter_directly(make_server):
    server = make_server(CONF)

    assert server.run(f"-c{server.conf_path}", "-tq", conf=False)[0] == 0


def test_t_says_that_a_file_is_right(make_server):
    server = make_server(CONF)

    code, output, errors = server.run("-t")

    assert code == 0
    assert output == ""
    assert f"{server.conf_path} is right" in errors


def test_t_says_which_directives_a_reload_cannot_apply(make_server):
    server = make_server("worker_rlimit_nofile 4096;\n" + CONF)

    errors = server.run("-t")[2]

    assert "worker_rlimit_nofile" in errors and "worker_processes" not in errors


def test_t_with_q_is_silent_about_a_right_file(make_server):
    assert make_server(CONF).run("-t", "-q") == (0, "", "")


def test_t_with_q_still_tells_mistakes(make_server):
    code, _, errors = make_server(WRONG).run("-t", "-q")

    assert code == 1
    assert "worker_procesess" in errors


def test_t_of_a_missing_file_names_it(make_server):
    server = make_server(CONF)

    code, _, errors = server.run("-t", "-c", "conf/nowhere.conf")

    assert code == 1
    assert "conf/nowhere.conf" in errors


def test_t_opens_nothing(make_server):
    server = make_server(CONF)
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", server.port()))
    taken.listen()

    with taken:
        assert server.run("-t")[0] == 0

    assert list((server.prefix / "logs").iterdir()) == []


def test_dump_loads_again_to_the_same(make_server):
    server = make_server("""
worker_processes 3;
worker_shutdown_timeout 90s;
events { worker_connections 100; }
peer {
    tcp_nodelay off;
    deny all;
    server { listen 127.0.0.1:$PORT backlog=17 so_keepalive=60:10:5; allow 127.0.0.0/8; }
    server { listen unix:logs/second.socket; error_log logs/second.log warn; }
}
""")
    code, first, _ = server.run("-T")
    assert code == 0
    for effective in ("worker_processes", "backlog=17", "so_keepalive=60:10:5", "tcp_nodelay"):
        assert effective in first

    server.conf_path.write_text(first)
    code, second, _ = server.run("-T")

    assert code == 0
    assert _without_origins(second) == _without_origins(first)


def _without_origins(dump):
    return [line.partition("#")[0].rstrip() for line in dump.splitlines()
            if not line.lstrip().startswith("#")]


def test_dump_tells_where_a_value_comes_from(make_server):
    server = make_server(CONF)

    lines = server.run("-T")[1].splitlines()

    assert any("worker_processes" in line and "teleport.conf:4" in line for line in lines)
    assert any("reload_timeout" in line and "default" in line for line in lines)


def test_dump_of_a_wrong_file_prints_only_mistakes(make_server):
    code, output, errors = make_server(WRONG).run("-T")

    assert code == 1
    assert output == ""
    assert 'did you mean "worker_processes"' in errors


def test_g_puts_directives_in_front(make_server):
    server = make_server("peer { server { listen 127.0.0.1:$PORT; } }").start(
        "-g", "worker_processes 2;")

    assert len(server.status()["workers"]) == 2


def test_g_is_checked_like_the_file(make_server):
    code, _, errors = make_server(CONF).run("-t", "-g", "worker_prcesses 2;")

    assert code == 1
    assert "worker_prcesses" in errors and "did you mean" in errors


def test_p_is_where_relative_paths_begin(start_server):
    server = start_server(CONF)

    assert (server.prefix / "logs/teleport.pid").exists()
    assert (server.prefix / "logs/error.log").exists()


def test_status_is_json_of_what_runs(start_server):
    server = start_server(CONF)

    code, output, errors = server.run("-s", "status")

    assert code == 0 and errors == ""
    status = json.loads(output)
    assert status["pid"] == server.process.pid
    assert status["listens"] == [f"127.0.0.1:{server.port()}"]
    assert [worker["slot"] for worker in status["workers"]] == [0]
    assert status["master_rss_bytes"] > 0
    own_connection = 1
    open_now = sum(procfs.descriptors(server.process.pid).values())
    assert status["master_descriptors"] == open_now + own_connection


@pytest.mark.parametrize("command", ["status", "reload", "reopen", "stop", "quit"])
def test_a_command_to_no_server_says_so(make_server, command):
    server = make_server(CONF)

    code, output, errors = server.run("-s", command)

    assert code == 1
    assert output == ""
    assert f"no server answers at {server.control_path}" in errors


def test_a_command_reaches_the_server_despite_a_broken_file(start_server):
    server = start_server(CONF)
    server.write_conf(WRONG)

    code, output, _ = server.run("-s", "status")

    assert code == 0
    assert json.loads(output)["pid"] == server.process.pid


@pytest.mark.parametrize("command", ["stop", "quit"])
def test_when_the_command_returns_the_server_has_ended(start_server, command):
    server = start_server(CONF)

    code, output, errors = server.run("-s", command)

    assert (code, output, errors) == (0, "", "")
    assert not server.control_path.exists()
    assert not (server.prefix / "logs/teleport.pid").exists()
    server.wait_for_end()


def test_a_server_can_start_as_soon_as_stop_has_returned(start_server):
    server = start_server(CONF)

    for _ in range(5):
        assert server.run("-s", "stop")[0] == 0
        first = server.process
        server.start()
        assert first.wait(10) == 0


def test_a_second_start_with_the_pid_file_is_refused(start_server):
    server = start_server(CONF)
    own_pid = server.pid

    code, _, errors = server.run()

    assert code == 1
    assert "another teleport runs with the pid file" in errors
    assert server.pid == own_pid
    assert server.is_serving()


def test_the_control_socket_is_for_its_owner_only(start_server):
    server = start_server(CONF)

    assert os.stat(server.control_path).st_mode & 0o777 == 0o600


def test_the_control_socket_refuses_what_is_no_command(start_server):
    server = start_server(CONF)

    assert server.ask("dance") == ("failed", "there is no such command")
    assert server.is_serving()


def test_a_daemon_returns_when_it_is_ready(make_server):
    server = make_server("daemon on;\n" + CONF)

    code, output, errors = server.run()

    assert (code, output, errors) == (0, "", "")
    pid = server.pid
    assert server.status()["pid"] == pid
    server.connect()
    assert procfs.status_fields(pid)["PPid"] != str(os.getpid())
    assert server.run("-s", "stop")[0] == 0
    wait_until(lambda: not procfs.is_alive(pid), "the daemon has ended")


def test_a_daemon_that_cannot_start_says_why(make_server):
    server = make_server("daemon on;\n" + CONF)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", server.port()))
        taken.listen()

        code, _, errors = server.run()

    assert code == 1
    assert f"cannot listen on 127.0.0.1:{server.port()}" in errors
    assert "in use" in errors


def test_a_server_with_a_wrong_file_does_not_start(make_server):
    code, _, errors = make_server(WRONG).run()

    assert code == 1
    assert 'did you mean "worker_processes"' in errors


@pytest.mark.parametrize("main, complaint", [
    ("pid nowhere/teleport.pid;", "cannot write the pid file"),
    ("error_log nowhere/error.log;", "cannot open the log"),
    (f"pid logs/{'x' * 120}.pid;", "cannot open the control socket"),
])
def test_what_keeps_a_server_from_starting_is_told(make_server, main, complaint):
    server = make_server(main + "\n" + CONF)

    code, _, errors = server.run()

    assert code == 1
    assert complaint in errors


def test_long_options_that_everybody_tries(make_server):
    server = make_server("")
    assert server.run("--help")[:2] == server.run("-h")[:2]
    assert server.run("--version") == server.run("-v")


def test_an_unknown_topic_is_told(make_server):
    code, output, errors = make_server("").run("-h", "read_timout")
    assert (code, output) == (1, "")
    assert 'did you mean "read_timeout"?' in errors


def test_s_says_where_it_looked_and_finds_the_server_by_its_old_pid_file(start_server):
    server = start_server(CONF)
    server.write_conf("pid logs/new.pid;\n" + CONF)

    code, output, errors = server.run("-s", "status")

    assert (code, output) == (1, "")
    assert f"no server answers at {server.prefix}/logs/new.control: " in errors
    assert f"beside the pid file {server.prefix}/logs/new.pid (pid: {server.conf_path}:3:1)" in errors
    assert '-g "pid FILE;"' in errors
    code, output, _ = server.run("-g", "pid logs/teleport.pid;", "-s", "status")
    assert code == 0 and f'"pid": {server.process.pid}' in output

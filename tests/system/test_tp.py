"""tp, the command-line client: each command, its exit codes, pipes, and terminals."""
import base64
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness.client import reserve_port
from harness.tp import TP
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import PULL, PUSH, REPLY, Caller, Packet, Reader

CONF = """
worker_processes 1;
peer {
    server {
        listen 127.0.0.1:$PORT;
        listen unix:logs/tp.sock;
        pull /echo { echo; }
        pull /sum { sum; }
        pull /slow { sleep 2s; }
        pull /hello { return 200 "Hello."; }
        push * { empty; }
    }
}
"""


class Peer:
    """Another end that the test plays itself: it listens, and each connection is played by
    `play(connection)` in a thread."""

    def __init__(self, play):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.play = play
        self.failures = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE_SECONDS)
                try:
                    self.play(connection)
                except OSError:
                    pass
                except AssertionError as failure:
                    self.failures.append(failure)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.failures


def receive_packets(connection, count):
    reader, packets = Reader(), []
    while len(packets) < count:
        data = connection.recv(65536)
        assert data, "tp closed the connection"
        packets += reader.feed(data)
    return packets


def send_back(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


class AtPort:
    """What Caller needs of a server: here it is a tp that listens."""

    def __init__(self, port):
        self.number = port
        self.connections = []

    def port(self, _):
        return self.number


def address_of(server):
    return f"127.0.0.1:{server.port('$PORT')}"


# pull


def test_pull_prints_the_body_as_it_came(tp, start_server):
    server = start_server(CONF)

    assert tp.run("pull", address_of(server), "/sum", "[1,2,3]") == (0, b"6", "")
    assert tp.run("pull", address_of(server), "/echo", '{"a": [1,2]}') == \
        (0, b'{"a": [1,2]}', "")


def test_pull_over_a_unix_socket(tp, start_server):
    server = start_server(CONF)

    assert tp.run("pull", f"unix:{server.prefix}/logs/tp.sock", "/hello") == (0, b"Hello.", "")


def test_the_environment_may_name_the_address(tp, start_server):
    server = start_server(CONF)
    environment = {"TELEPORT_ADDRESS": address_of(server)}

    assert tp.run("pull", "/hello", environment=environment) == (0, b"Hello.", "")


def test_pull_of_a_name(tp, start_server):
    server = start_server(CONF)

    assert tp.run("pull", f"localhost:{server.port('$PORT')}", "/hello")[:2] == (0, b"Hello.")


def test_another_status_is_said_and_is_the_exit_code(tp, start_server):
    code, output, errors = tp.run("pull", address_of(start_server(CONF)), "/nowhere")

    assert (code, output) == (1, b"")
    assert errors == "tp: 404 Not Found\n"


def test_quiet_says_nothing(tp, start_server):
    assert tp.run("pull", address_of(start_server(CONF)), "/nowhere", "-q") == (1, b"", "")


def test_verbose_says_what_came(tp, start_server):
    errors = tp.run("pull", address_of(start_server(CONF)), "/sum", "[4]", "-v")[2]

    assert re.search(r"tp: 200 OK, 1 bytes of json, \d+\.\d+ ms", errors)


def test_a_wrong_command_line_ends_with_2_and_the_usage(tp):
    code, output, errors = tp.run("pull", "/x", "--tiemout", "5s")

    assert (code, output) == (2, b"")
    assert "did you mean --timeout" in errors and "usage: tp pull" in errors


def test_where_nobody_listens_the_exit_code_is_3(tp):
    with reserve_port() as holder:
        code, _, errors = tp.run("pull", f"127.0.0.1:{holder.getsockname()[1]}", "/x")

    assert code == 3
    assert errors.startswith("tp: cannot connect to 127.0.0.1:")


def test_an_answer_that_does_not_come_in_time_is_4(tp, start_server):
    server = start_server(CONF)

    code, output, errors = tp.run("pull", address_of(server), "/slow", "-t", "1s")

    assert (code, output) == (4, b"")
    assert "504" in errors


def test_a_connection_that_is_lost_is_5(tp):
    with Peer(lambda connection: receive_packets(connection, 1)) as peer:
        code, output, _ = tp.run("pull", peer.address, "/x")

    assert (code, output) == (5, b"")


def test_a_body_from_a_file_and_from_standard_input(tp, start_server, tmp_path):
    address = address_of(start_server(CONF))
    path = tmp_path / "body"
    path.write_bytes(bytes(range(256)) * 1000)

    assert tp.run("pull", address, "/echo", f"@{path}", "-b", "plain")[1] == path.read_bytes()
    assert tp.run("pull", address, "/echo", "-", "-b", "plain", stdin=b"piped\0")[1] == b"piped\0"


def test_a_file_that_is_not_there_is_6(tp, start_server):
    code, _, errors = tp.run("pull", address_of(start_server(CONF)), "/echo", "@/nowhere/at/all")

    assert code == 6
    assert "cannot read @/nowhere/at/all: No such file" in errors


def test_what_is_sent_is_as_the_options_say(tp):
    seen = []

    def answer(connection):
        seen.extend(receive_packets(connection, 1))
        connection.sendall(Packet(type=REPLY, seq=seen[-1].seq, uri=seen[-1].uri,
                                  status_code=200, status="OK", body=b"<x/>", codec=b"x").encode())
        connection.recv(1)

    with Peer(answer) as peer:
        assert tp.run("pull", peer.address, "/x?y=1", "a" * 1000, "--header-codec", "json",
                      "-b", "s", "-z", "9")[:2] == (0, b"<x/>")
        assert tp.run("pull", peer.address, "/x")[:2] == (0, b"<x/>")
    assert (seen[0].header_codec, seen[0].uri, seen[0].codec, seen[0].gzip, seen[0].type) == \
        (b"j", "/x?y=1", b"s", 9, PULL)
    assert (seen[1].header_codec, seen[1].codec, seen[1].gzip) == (b"p", b"j", 0)


def test_json_output_says_everything_of_an_answer(tp, start_server):
    address = address_of(start_server(CONF))

    found = json.loads(tp.run("pull", address, "/echo", '{"a":\n1}', "--json")[1])
    assert found.pop("ms") > 0
    assert found == {"status": 200, "text": "OK", "codec": "json", "body": {"a": 1}}

    code, output, _ = tp.run("pull", address, "/nowhere", "--json")
    assert code == 1 and json.loads(output)["status"] == 404

    found = json.loads(tp.run("pull", address, "/echo", "-", "-b", "plain", "--json",
                              stdin=b"\xff\xfe")[1])
    assert base64.b64decode(found["body_base64"]) == b"\xff\xfe"

    found = json.loads(tp.run("pull", address, "/echo", "no json", "--json")[1])
    assert found["body"] == "no json"


def test_pretty_lays_out_in_a_pipe_without_colours(tp, start_server):
    address = address_of(start_server(CONF))

    assert tp.run("pull", address, "/echo", '{"a":[1]}', "--pretty")[1] == \
        b'{\n  "a": [\n    1\n  ]\n}\n'


def test_output_that_cannot_be_written_is_6(tp, start_server):
    address = address_of(start_server(CONF))
    with open("/dev/full", "wb") as full:
        ended = subprocess.run([TP, "pull", address, "/hello"], env=tp.environment, stdout=full,
                               stderr=subprocess.PIPE, check=False, timeout=PATIENCE_SECONDS)

    assert ended.returncode == 6
    assert b"cannot write the output: No space left" in ended.stderr


# On a terminal


def run_on_terminal(tp, *arguments, environment=None):
    """What a terminal is told, and the exit code."""
    master, slave = pty.openpty()
    process = subprocess.Popen([TP, *map(str, arguments)], stdin=subprocess.DEVNULL,
                               stdout=slave, stderr=slave,
                               env={**tp.environment, "TERM": "xterm", **(environment or {})})
    os.close(slave)
    seen = b""
    while True:
        assert select.select([master], [], [], PATIENCE_SECONDS)[0], seen
        try:
            data = os.read(master, 65536)
        except OSError:
            break   # the other side is closed
        if not data:
            break
        seen += data
    os.close(master)
    return process.wait(PATIENCE_SECONDS), seen.replace(b"\r\n", b"\n").decode()


def test_a_terminal_sees_json_laid_out_and_coloured(tp, start_server):
    address = address_of(start_server(CONF))

    assert run_on_terminal(tp, "pull", address, "/echo", '{"a":1}') == \
        (0, '{\n  \033[34;1m"a"\033[0m: \033[36m1\033[0m\n}\n')
    plain = (0, '{\n  "a": 1\n}\n')
    assert run_on_terminal(tp, "pull", address, "/echo", '{"a":1}', "--no-color") == plain
    assert run_on_terminal(tp, "pull", address, "/echo", '{"a":1}',
                           environment={"NO_COLOR": "1"}) == plain
    assert run_on_terminal(tp, "pull", address, "/echo", '{"a":1}', "--raw") == (0, '{"a":1}')


def test_a_body_does_not_steer_a_terminal(tp, start_server, tmp_path):
    address = address_of(start_server(CONF))
    path = tmp_path / "body"
    path.write_bytes(b"\033]0;title\007\xff")

    assert run_on_terminal(tp, "pull", address, "/echo", f"@{path}", "-b", "plain")[1] == \
        "\\x1b]0;title\\x07\\xff\n"
    assert run_on_terminal(tp, "pull", address, "/echo", f"@{path}")[1] == \
        "\\x1b]0;title\\x07\\xff\n"


def test_bench_shows_its_progress_on_a_terminal(tp, start_server):
    code, seen = run_on_terminal(tp, "bench", address_of(start_server(CONF)), "/echo",
                                 "--duration", "700ms")

    assert code == 0
    assert re.search(r"\r\[#+-+\]\s+\d+ %  \d+ PULLs/s", seen)


def test_bench_shows_no_progress_elsewhere(tp, start_server):
    assert tp.run("bench", address_of(start_server(CONF)), "/echo", "--duration", "300ms")[2] == ""


# push and listen


def test_push_is_sent_whole(tp):
    seen = []

    def take(connection):
        seen.extend(receive_packets(connection, 1))

    with Peer(take) as peer:
        assert tp.run("push", peer.address, "/a", "x" * 100000) == (0, b"", "")
        wait_until(lambda: seen)
    assert (seen[0].type, seen[0].uri, len(seen[0].body)) == (PUSH, "/a", 100000)


def test_push_with_nobody_there_is_3(tp):
    with reserve_port() as holder:
        assert tp.run("push", f"127.0.0.1:{holder.getsockname()[1]}", "/x", "-q") == (3, b"", "")


def test_listen_prints_what_is_pushed_until_it_has_enough(tp):
    process, port = tp.listen_at("listen", "--count", "3")
    for number in range(3):
        assert tp.run("push", port, f"/n/{number}", f"[{number}]")[0] == 0

    assert process.communicate(timeout=PATIENCE_SECONDS)[0] == b"[0]\n[1]\n[2]\n"
    assert process.returncode == 0


def test_listen_takes_only_the_uris_it_was_given(tp):
    process, port = tp.listen_at("listen", "/a", "/b/*", "--count", "2", "--json")
    caller = Caller(AtPort(port))
    for uri in ("/x", "/b", "/a?q=1", "/b/c"):
        caller.send(Packet(type=PUSH, uri=uri, body=b'"me"'))

    lines = process.communicate(timeout=PATIENCE_SECONDS)[0].splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["uri"] for one in found] == ["/a?q=1", "/b/c"]
    assert found[0]["type"] == "push" and found[0]["body"] == "me"
    assert found[0]["remote"].startswith("127.0.0.1:") and found[0]["session"] > 0


def test_listen_dials_and_dials_again(tp):
    rounds = []

    def push_and_go(connection):
        rounds.append(1)
        connection.sendall(Packet(type=PUSH, uri="/news", body=b"%d" % len(rounds)).encode())

    with Peer(push_and_go) as peer:
        process = tp.start("listen", peer.address, "--count", "3")
        assert process.communicate(timeout=PATIENCE_SECONDS)[0] == b"1\n2\n3\n"
    assert process.returncode == 0


def test_listen_without_redial_ends_with_its_connection(tp):
    with Peer(lambda connection: connection.sendall(
            Packet(type=PUSH, uri="/news", body=b"1").encode())) as peer:
        code, output, errors = tp.run("listen", peer.address, "--redial", "0")

    assert (code, output) == (5, b"1\n")
    assert "was lost" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_listen_in_order(tp, number):
    process, port = tp.listen_at("listen")
    caller = Caller(AtPort(port))
    caller.send(Packet(type=PUSH, uri="/a", body=b"1"))
    assert process.stdout.readline() == b"1\n"
    process.send_signal(number)

    assert process.wait(PATIENCE_SECONDS) == 0
    assert caller.receive_rest() == []


def test_listen_ends_when_nobody_reads_it(tp):
    reader, writer = os.pipe()
    process, port = tp.listen_at("listen", stdout=writer)
    os.close(writer)
    os.close(reader)
    caller = Caller(AtPort(port))
    caller.send(Packet(type=PUSH, uri="/a", body=b"1"))

    assert process.wait(PATIENCE_SECONDS) == 6


# serve


def test_serve_echoes(tp):
    process, port = tp.listen_at("serve", "/a/*", "--echo")
    caller = Caller(AtPort(port))

    reply = caller.pull("/a/b", b"<x/>", codec=b"x", seq=7)
    assert (reply.seq, reply.status_code, reply.body, reply.codec) == (7, 200, b"<x/>", b"x")
    assert caller.pull("/b").status_code == 404
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=PATIENCE_SECONDS)[0].decode()
    assert process.returncode == 0
    assert re.fullmatch(r"/a/b 4 B -> 200 OK 4 B \d+\.\d+ ms\n", output)


def test_serve_answers_with_a_file_as_it_is_at_that_moment(tp, tmp_path):
    path = tmp_path / "answer"
    path.write_text("[1]")
    port = tp.listen_at("serve", "/f", "--file", path)[1]
    caller = Caller(AtPort(port))

    assert caller.pull("/f", b"1").body == b"[1]"
    path.write_text("[2,3]")
    assert caller.pull("/f", b"1").body == b"[2,3]"
    path.unlink()
    reply = caller.pull("/f", b"1")
    assert (reply.status_code, reply.status) == \
        (500, "cannot read the file: No such file or directory")


def test_serve_runs_a_command_for_each_pull(tp):
    port = tp.listen_at("serve", "*", "--exec",
                        'tr a-z A-Z; printf " %s %s" "$TELEPORT_PATH" "$TELEPORT_QUERY"')[1]
    caller = Caller(AtPort(port))
    large = b"x" * 500000

    reply = caller.pull("/a%20b?q=1", b"abc", codec=b"s")
    assert (reply.status_code, reply.body, reply.codec) == (200, b"ABC /a b q=1", b"s")
    assert caller.pull("/l", large).body == large.upper() + b" /l "


def test_a_command_that_fails_is_500_with_its_first_line(tp):
    port = tp.listen_at("serve", "/x", "--exec", "echo broken >&2; echo more >&2; exit 3")[1]
    silent = tp.listen_at("serve", "/x", "--exec", "exit 3")[1]

    reply = Caller(AtPort(port)).pull("/x", b"1")
    assert (reply.status_code, reply.status) == (500, "broken")
    assert Caller(AtPort(silent)).pull("/x", b"1").status == "exit code 3"


def test_a_command_that_takes_too_long_is_504(tp):
    port = tp.listen_at("serve", "/x", "--exec", "sleep 60", "--timeout", "100ms")[1]

    assert Caller(AtPort(port)).pull("/x", b"1").status_code == 504


def test_commands_are_bounded(tp, tmp_path):
    """Two run, one waits, the fourth is refused; when they may end, the third runs."""
    gate, started = tmp_path / "gate", tmp_path / "started"
    port = tp.listen_at("serve", "/x", "--jobs", "2", "--queue", "1", "--exec",
                        f"echo $$ >>{started}; until test -e {gate}; do sleep 0.01; done")[1]
    caller = Caller(AtPort(port))
    for seq in range(1, 5):
        caller.send(Packet(uri="/x", seq=seq, body=b"1"))

    refused = caller.receive()
    assert (refused.seq, refused.status_code) == (4, 503)
    wait_until(lambda: started.exists() and len(started.read_text().splitlines()) == 2)
    gate.touch()
    answers = caller.receive_many(3)
    assert {reply.seq for reply in answers} == {1, 2, 3}
    assert {reply.status_code for reply in answers} == {200}


def test_who_waits_gets_what_came_of_its_own_body(tp, tmp_path):
    gate = tmp_path / "gate"
    port = tp.listen_at("serve", "/x", "--jobs", "1", "--exec",
                        f"until test -e {gate}; do sleep 0.01; done; cat")[1]
    callers = [Caller(AtPort(port)) for _ in range(6)]
    bodies = [json.dumps(chr(ord("a") + number) * 300).encode() for number in range(6)]
    for caller, body in zip(callers, bodies):
        caller.send(Packet(uri="/x", seq=1, body=body))
        time.sleep(0.02)  # each comes with a read of its own
    gate.touch()

    assert [caller.receive().body for caller in callers] == bodies


def test_whose_turn_does_not_come_in_time_begins_nothing(tp, tmp_path):
    started = tmp_path / "started"
    port = tp.listen_at("serve", "/x", "--jobs", "1", "--timeout", "500ms", "--exec",
                        f"echo $$ >>{started}; sleep 20")[1]
    caller = Caller(AtPort(port))
    for seq in range(1, 4):
        caller.send(Packet(uri="/x", seq=seq, body=b"1"))

    assert {reply.status_code for reply in caller.receive_many(3)} == {504}
    assert len(started.read_text().splitlines()) == 1


def test_serve_dials_and_answers_there(tp):
    replies = []

    def ask(connection):
        connection.sendall(Packet(uri="/work", seq=3, body=b"[5]").encode())
        replies.extend(receive_packets(connection, 1))

    with Peer(ask) as peer:
        process = tp.start("serve", peer.address, "/work", "--exec", "cat", "--count", "1")
        assert process.wait(PATIENCE_SECONDS) == 0
    assert (replies[0].type, replies[0].seq, replies[0].body) == (REPLY, 3, b"[5]")


def test_serve_json(tp):
    process, port = tp.listen_at("serve", "/x", "--echo", "--json", "--count", "1")
    assert tp.run("pull", port, "/x", "[1]")[:2] == (0, b"[1]")

    found = json.loads(process.communicate(timeout=PATIENCE_SECONDS)[0])
    assert (found["uri"], found["status"], found["request_bytes"]) == ("/x", 200, 3)


# ping


def test_ping_counts_and_sums_up(tp, start_server):
    code, output, _ = tp.run("ping", address_of(start_server(CONF)), "-n", "3", "-i", "1ms")

    lines = output.decode().splitlines()
    assert code == 0
    assert re.fullmatch(r"from 127\.0\.0\.1:\d+: pull=1 status=404 time=\d+\.\d+ ms", lines[0])
    assert "3 PULLs sent, 3 answered, 0 % missing" in lines[4]
    assert re.fullmatch(r"min/mean/max/deviation = (\d+\.\d+/){3}\d+\.\d+ ms", lines[5])


def test_ping_ends_with_a_summary_when_it_is_interrupted(tp, start_server):
    process = tp.start("ping", address_of(start_server(CONF)), "/hello", "-i", "1h", "--json")
    assert json.loads(process.stdout.readline())["status"] == 200
    process.send_signal(signal.SIGINT)

    summary = json.loads(process.communicate(timeout=PATIENCE_SECONDS)[0])
    assert process.returncode == 0
    assert (summary["sent"], summary["answered"]) == (1, 1)


def test_ping_of_what_does_not_answer_is_4(tp, start_server):
    assert tp.run("ping", address_of(start_server(CONF)), "/slow", "-n", "1", "-t", "50ms",
                  "-q") == (4, b"", "")


# bench


def test_bench_tells_what_it_measured(tp, start_server):
    code, output, _ = tp.run("bench", address_of(start_server(CONF)), "/echo", "--json",
                             "--count", "500", "--sessions", "10", "--depth", "5",
                             "--threads", "3", "--size", "100")

    found = json.loads(output)
    assert code == 0
    assert (found["pulls"], found["refused"], found["lost"]) == (500, 0, 0)
    assert (found["sessions"], found["threads"], found["body_bytes"]) == (10, 3, 100)
    latency = found["latency_us"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
    assert found["pulls_per_second"] == pytest.approx(500 / found["seconds"], rel=0.01)


def test_bench_measures_as_long_as_it_is_told(tp, start_server):
    found = json.loads(tp.run("bench", address_of(start_server(CONF)), "/sum", "[1,2]", "--json",
                              "--duration", "200ms", "--warm-up", "50ms")[1])

    assert found["seconds"] == pytest.approx(0.2)
    assert found["pulls"] > 0


def test_a_rate_is_kept(tp, start_server):
    found = json.loads(tp.run("bench", address_of(start_server(CONF)), "/echo", "--json",
                              "--rate", "1000", "--depth", "100", "--duration", "500ms")[1])

    assert found["pulls"] + found["unsent"] == pytest.approx(500, abs=2)


def test_what_a_stall_kept_waiting_counts_from_when_it_was_due(tp):
    """The other end answers nothing for a while: all that was due meanwhile waited so long."""
    resumed = threading.Event()

    def stall_once(connection):
        resumed.wait(PATIENCE_SECONDS)
        send_back(connection)

    with Peer(stall_once) as peer:
        process = tp.start("bench", peer.address, "/x", "--push", "--json", "--rate", "1000",
                           "--depth", "1", "--count", "400")
        timer = threading.Timer(0.3, resumed.set)
        timer.start()
        output = process.communicate(timeout=PATIENCE_SECONDS)[0]
        timer.join()
    found = json.loads(output)
    assert found["pulls"] == 400
    # One PUSH saw the stall; in a closed loop it would be the one slow of four hundred.
    assert found["latency_us"]["p50"] > 50000


def test_bench_by_pushes_that_come_back(tp):
    with Peer(send_back) as peer:
        found = json.loads(tp.run("bench", peer.address, "/x", "--push", "--json",
                                  "--count", "200", "--depth", "8")[1])

    assert (found["pulls"], found["lost"]) == (200, 0)


def test_what_bench_was_refused_is_its_exit_code(tp, start_server):
    code, output, _ = tp.run("bench", address_of(start_server(CONF)), "/nowhere", "--json",
                             "--count", "20")

    assert code == 1
    assert json.loads(output)["refused"] == 20


def test_bench_of_nobody_is_3_and_of_one_that_leaves_5(tp):
    with reserve_port() as holder:
        assert tp.run("bench", f"127.0.0.1:{holder.getsockname()[1]}", "/x", "-q")[0] == 3
    with Peer(lambda connection: receive_packets(connection, 1)) as peer:
        assert tp.run("bench", peer.address, "/x", "--count", "5", "-q")[0] == 5


def test_an_interrupted_bench_tells_what_it_has(tp, start_server):
    process = tp.start("bench", address_of(start_server(CONF)), "/echo", "--json",
                       "--duration", "1h", "--warm-up", "0ms")
    wait_until(lambda: (Path("/proc") / str(process.pid) / "task").exists()
               and len(os.listdir(f"/proc/{process.pid}/task")) > 1, "its thread runs")
    wait_until(lambda: len(os.listdir(f"/proc/{process.pid}/fd")) > 5, "its peer is there")
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=PATIENCE_SECONDS)[0]

    assert process.returncode in (0, 6)   # 6: it was still connecting
    assert process.returncode == 6 or json.loads(output)["seconds"] < 3600


# sessions and close, against a control module that is played by tp itself


CONTROL = """
import json, os, sys
asked = json.load(sys.stdin)
with open(os.environ["ASKED"], "a") as file:
    file.write(json.dumps([os.environ["TELEPORT_PATH"], asked]) + "\\n")
if os.environ["TELEPORT_PATH"] == "/control/close":
    if asked.get("number") == 404:
        sys.exit("no such session")
    print(json.dumps({"closed": 1}))
else:
    first = int(asked.get("cursor", 0))
    page = [{"number": first + i, "id": "id %d" % (first + i), "remote": "10.0.0.1:5"}
            for i in range(2)]
    print(json.dumps({"sessions": page, **({"cursor": first + 2} if first < 4 else {})}))
"""


@pytest.fixture(name="control")
def played_control_module(tp, tmp_path):
    script = tmp_path / "control.py"
    script.write_text(CONTROL)
    asked = tmp_path / "asked"
    tp.environment["ASKED"] = str(asked)
    path = tmp_path / "control.sock"
    process = tp.start("serve", "--listen", f"unix:{path}", "/control/*", "--exec",
                       f"python3 {script}", stdout=subprocess.DEVNULL)
    wait_until(lambda: path.exists() or process.poll() is not None)
    return f"unix:{path}", lambda: [json.loads(line) for line in asked.read_text().splitlines()]


def test_sessions_puts_the_pages_together(tp, control):
    address, asked = control
    code, output, errors = tp.run("sessions", address, "--page", "2", "--remote", "10.0.0.1",
                                  "--id-prefix", "id")

    lines = output.decode().splitlines()
    assert code == 0, errors
    assert lines[0].split() == ["number", "id", "remote"]
    assert len(lines) == 7
    assert errors == "tp: 6 sessions\n"
    assert [body.get("cursor") for _, body in asked()] == [None, 2, 4]
    assert asked()[0] == ["/control/sessions", 
                          {"limit": 2, "address": "10.0.0.1", "id_prefix": "id"}]


def test_sessions_for_programs(tp, control):
    output = tp.run("sessions", control[0], "--json")[1]

    assert [json.loads(line)["number"] for line in output.splitlines()] == list(range(6))


def test_close_by_number_and_by_id(tp, control):
    address, asked = control

    assert tp.run("close", address, "17", "--reason", "go") == (0, b"", "")
    assert tp.run("close", "--id", "alice", "--may-return",
                  environment={"TELEPORT_CONTROL": address})[0] == 0
    code, _, errors = tp.run("close", address, "404")
    assert code == 1 and "no such session" in errors
    assert [body for _, body in asked()] == [
        {"number": 17, "reason": "go", "redial": False}, {"id": "alice", "redial": True},
        {"number": 404, "redial": False}]


OPERATED = """
worker_processes 2;
peer {
    server {
        listen 127.0.0.1:$PORT;
        pull /echo { echo; }
    }
    server {
        listen unix:logs/control.sock;
        pull /control/* { control; }
    }
}
"""


def test_an_operator_lists_and_closes_the_sessions_of_all_workers(tp, start_server):
    server = start_server(OPERATED)
    callers = [Caller(server) for _ in range(12)]
    assert all(caller.is_well() for caller in callers)
    tp.environment["TELEPORT_CONTROL"] = f"unix:{server.prefix}/logs/control.sock"

    def sessions():
        output = tp.run("sessions", "--page", "5", "--json")[1]
        found = [json.loads(line) for line in output.splitlines()]
        return [one for one in found if one["remote"] != "unix:"]

    found = sessions()
    assert len({one["number"] for one in found}) == len(found) == 12
    ports = {caller.socket.getsockname()[1]: caller for caller in callers}
    assert {int(one["remote"].rpartition(":")[2]) for one in found} == set(ports)
    output = tp.run("sessions")[1].decode()
    assert all(f" {one['remote']} " in output for one in found)

    assert tp.run("close", found[3]["number"], "--reason", "enough") == (0, b"", "")
    closed = ports[int(found[3]["remote"].rpartition(":")[2])]
    assert [packet.uri.partition("?")[0] for packet in closed.receive_rest()] == \
        ["/system/closed"]
    wait_until(lambda: len(sessions()) == 11)
    code, _, errors = tp.run("close", found[3]["number"])
    assert code == 1 and errors.startswith("tp: /control/close: 4")


# The manual


def test_help_lists_every_command_and_each_explains_itself(tp):
    code, output, _ = tp.run("--help")
    commands = re.findall(r"^  tp (\w+) ", output.decode(), re.MULTILINE)

    assert code == 0
    assert commands[:4] == ["pull", "push", "listen", "serve"]
    for command in commands:
        code, output, errors = tp.run(command, "--help")
        assert (code, errors) == (0, "")
        assert f"usage: tp {command}".encode() in output and b"examples:" in output
        assert tp.run("help", command)[1] == output


def test_version(tp):
    assert re.fullmatch(rb"tp \d+\.\d+\.\d+\n", tp.run("--version")[1])

"""tp trace: what people and programs see of /control/trace."""
import json
import signal

from harness.wait import wait_until
from harness.wire25 import Caller, go_gzip
from test_trace import conf


def control_of(server):
    return f"127.0.0.1:{server.port('$PORT2')}"


def test_tp_shows_blocks_for_people(start_server, tp):
    server = start_server(conf())
    process = tp.start("trace", control_of(server), "-v", "--bodies", "--count", "3",
                       "--uri", "/echo")
    wait_until(lambda: "tracing" in process.errors.read_text(), "it traces")
    caller = Caller(server)
    caller.pull("/echo?token=abc", b'{"a":{"b":1}}', seq=5)
    caller.pull("/echo", b"\x1b[2J", codec=b"s")
    caller.pull("/busy")
    caller.pull("/echo", go_gzip(b"[1]"), gzip=5)

    output = process.communicate(timeout=20)[0].decode()
    assert process.returncode == 0
    blocks = output.split("\n\n")
    assert len(blocks) == 4 and blocks[3] == ""
    lines = blocks[0].split("\n")
    assert lines[0][12:].startswith(" PULL /echo?token=(hidden) 200 OK, ")
    assert lines[0].endswith(" ms") and lines[0][2] == ":"
    assert "teleport at 127.0.0.1:" in lines[1] and "worker 0, seq 5, route /echo" in lines[1]
    assert lines[2].strip().startswith("read 0.000, wait ")
    assert lines[3] == "    in: 44 bytes, body of 13, header p, body j"
    assert lines[4:9] == ["        {", '          "a": {', '            "b": 1', "          }",
                          "        }"]
    assert "        \\x1b[2J" in blocks[1] and "\x1b" not in output
    assert "gzip 5" in blocks[2] and "        [1]" in blocks[2]


def test_tp_shows_lines_for_programs(start_server, tp):
    server = start_server(conf())
    process = tp.start("trace", control_of(server), "-v", "--json", "--status", "5xx", "--count",
                       "2")
    wait_until(lambda: "tracing" in process.errors.read_text(), "it traces")
    caller = Caller(server)
    for uri in ("/echo", "/busy", "/busy"):
        caller.pull(uri)

    lines = [json.loads(line) for line in process.communicate(timeout=20)[0].splitlines()]
    assert process.returncode == 0
    assert [line.get("status") for line in lines] == [503, 503, None]
    assert lines[2]["end"] == "count"


def test_tp_ends_when_it_is_interrupted_and_the_server_knows(start_server, tp):
    server = start_server(conf())
    running = [tp.start("trace", control_of(server), "-v") for _ in range(16)]
    for process in running:
        wait_until(lambda p=process: "tracing" in p.errors.read_text(), "it traces")
    code, _, errors = tp.run("trace", control_of(server))
    assert code == 1 and "16 traces are under way" in errors
    for process in running:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert process.returncode == 0
    code, output, _ = tp.run("trace", control_of(server), "--for", "100ms")
    assert (code, output) == (0, b"")


def test_tp_says_what_is_wrong(start_server, tp):
    server = start_server(conf(control="control_trace headers;"))
    code, _, errors = tp.run("trace", control_of(server), "--bodies")
    assert code == 1 and "403 bodies are not allowed" in errors
    code, _, errors = tp.run("trace", control_of(server), "--status", "x")
    assert code == 1 and '400 "status" is a status' in errors
    code, _, errors = tp.run("trace", "127.0.0.1:1")
    assert code == 3
    process = tp.start("trace", control_of(server), "-v")
    wait_until(lambda: "tracing" in process.errors.read_text(), "it traces")
    server.write_conf(conf(control="control_trace off;"))
    assert server.ask("reload")[0] == "ok"
    process.wait(20)
    assert process.returncode == 0
    assert "does not allow traces any more" in process.errors.read_text()


def test_tp_says_when_the_server_goes(start_server, tp):
    server = start_server(conf())
    process = tp.start("trace", control_of(server), "-v")
    wait_until(lambda: "tracing" in process.errors.read_text(), "it traces")
    server.signal(signal.SIGTERM)
    process.wait(20)
    assert process.returncode == 5
    server.wait_for_end()

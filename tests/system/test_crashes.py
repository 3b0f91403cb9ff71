"""What a faulty handler costs: an answer of 500, or its worker, which says why."""
import os
import re
import resource
import signal

import pytest

from harness.wait import wait_until
from harness.wire25 import JSON, PLAIN, PROTOBUF, PUSH, REPLY, Caller, Packet

CONF = """
worker_processes 1;
peer {
    server {
        listen 127.0.0.1:$PORT sndbuf=8k;
        pull /echo      { echo; }
        pull /silent    { faulty silent; }
        pull /pointer   { faulty pointer; }
        pull /abort     { faulty abort; }
        pull /division  { faulty division; }
        pull /stack     { faulty stack; }
        push /pointer   { faulty pointer; }
    }
}
"""


@pytest.fixture(name="server")
def faulty_server(build, make_server):
    """A server with handlers that fail, which leaves no core dump behind."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    objs, _ = build
    server = make_server(CONF)
    server.binary = str(objs / "teleport")
    yield server.start()
    resource.setrlimit(resource.RLIMIT_CORE, before)


def crash_entries(server):
    """What stands in the log of each crash: its first line and those below it."""
    entries = re.split(r"^(?=\d{4}-)", server.log(), flags=re.MULTILINE)
    return [entry.splitlines() for entry in entries if " worker-crashed: " in entry]


def expect_crash(server, count=1):
    """Waits for so many crashes and the workers after them; returns the last one's lines."""
    server.expect_alert("worker-crashed")
    server.wait_for_log("worker-died", count=count)
    wait_until(server.is_serving, "there is another worker")
    entries = crash_entries(server)
    assert len(entries) == count
    return entries[-1]


def test_a_handler_that_does_not_answer_answers_500(server):
    caller = Caller(server)

    assert caller.pull("/silent", b"1").outcome() == (500, "Internal Server Error")

    assert caller.is_well()
    assert server.log_lines("worker-died") == []


@pytest.mark.parametrize("uri, word, number", [
    ("/pointer", "SEGV address=0x0", signal.SIGSEGV),
    ("/stack", "SEGV address=0x[0-9a-f]+", signal.SIGSEGV),
    ("/abort", "ABRT", signal.SIGABRT),
    ("/division", "FPE", signal.SIGFPE),
])
def test_a_handler_that_crashes_answers_500_and_the_log_says_where(server, uri, word, number):
    caller = Caller(server)
    pid = server.worker_pids()[0]
    caller.is_well()

    codec = JSON if uri == "/pointer" else PROTOBUF
    caller.send(Packet(uri=uri + "?a=%22", seq=6, header_codec=codec))
    reply = Packet(type=REPLY, uri=uri + "?a=%22", seq=6, header_codec=codec, status_code=500,
                   status="Internal Server Error")
    assert caller.receive_bytes(len(reply.encode())) == reply.encode()
    assert caller.receive_rest() == []

    first, doing, *calls, answered = expect_crash(server)
    assert re.match(rf"[-\d]+ [\d:.]+ \[alert\] {pid} worker-crashed: slot=0 signal={word} "
                    "generation=1 sessions=1$", first)
    assert doing == f'    while faulty handled type=PULL seq=6 number=1 uri="{uri}?a=%22"'
    assert len(calls) > 5 and all(line.startswith("    in ") for line in calls)
    assert answered == "    the caller was answered 500"
    assert f"signal={int(number)} " in server.log_lines("worker-died")[0]["details"]
    assert Caller(server).is_well()


def test_what_is_shown_of_a_crash_forges_no_line(server):
    caller = Caller(server)
    uri = "/pointer?" + '"\n2026-11-22 \u2028' + "x" * 10000

    caller.send(Packet(uri=uri, seq=6))

    assert caller.receive_rest() == []
    lines = expect_crash(server)
    assert r'uri="/pointer?\x22\x0a2026-11-22 \xe2\x80\xa8xxx' in lines[1]
    assert len(lines[1]) < 1024
    assert lines[-1] == "    the caller was not answered: too-large"


def test_what_was_answered_before_it_leaves_before_it(server):
    """Of many that came at once, those that were encoded already."""
    caller = Caller(server)
    pulls = [Packet(uri="/echo", seq=seq, body=b"1") for seq in range(16)]
    caller.send(*pulls, Packet(uri="/pointer", seq=16))
    assert [reply.status_code for reply in caller.receive_many(17)] == [200] * 16 + [500]
    expect_crash(server)


def test_nothing_is_said_behind_half_a_packet(server):
    caller = Caller(server, receive_room=4096)
    body = bytes(900000)
    caller.send(Packet(uri="/echo", body=body, codec=PLAIN))
    wait_until(lambda: server.total("bytes_received") >= len(body), "the body has come")

    caller.send(Packet(uri="/pointer"))

    assert expect_crash(server)[-1] == "    the caller was not answered: in-use"


def test_a_push_that_crashes_is_not_answered(server):
    caller = Caller(server)

    caller.send(Packet(type=PUSH, uri="/pointer", seq=3))

    assert caller.receive_rest() == []
    lines = expect_crash(server)
    assert "type=PUSH seq=3" in lines[1]
    assert lines[-1].startswith("    in ")


@pytest.mark.parametrize("number, word", [(signal.SIGBUS, "BUS"), (signal.SIGILL, "ILL")])
def test_a_signal_from_outside_is_told_with_its_sender(server, number, word):
    os.kill(server.worker_pids()[0], number)

    first, *calls = expect_crash(server)
    assert f" signal={word} from_pid={os.getpid()} generation=1 sessions=0" in first
    assert all(line.startswith("    in ") for line in calls)

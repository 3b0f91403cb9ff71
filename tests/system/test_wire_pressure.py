"""Callers that do not read, do not write, or want too much; and that nobody else notices."""
import socket
import struct
import threading
import time

import pytest

from harness import procfs
from harness.wait import wait_until
from harness.wire25 import PLAIN, PUSH, Caller, Packet

KB, MB = 1024, 1024 * 1024

CONF = """
worker_processes 1;
peer {
    pull /echo { echo; }
    pull /empty { empty; }
    pull /long { return 200 "LONG"; }
    pull /sleep { sleep 200ms; }
    pull /nap { sleep 50ms; }
    pull /wait { sleep 3s; }
    server {
        listen 127.0.0.1:$PORT rcvbuf=32k sndbuf=32k;
        send_queue 64k;
    }
    server {
        listen 127.0.0.1:$PORT2 rcvbuf=32k sndbuf=32k;
        max_pending_pulls 10;
    }
}
""".replace("LONG", "long " * 2000)


@pytest.fixture(name="server")
def wire_server(start_server):
    return start_server(CONF)


def close_reasons(server):
    return [line["details"].rpartition("reason=")[2] for line in server.log_lines("session-closed")]


def send_until_stuck(caller, data, bytes_max=50 * MB, stuck_seconds=0.5):
    """Sends again and again until nothing more is taken; returns how many bytes were."""
    sent = 0
    last = time.monotonic()
    caller.socket.setblocking(False)
    while sent < bytes_max and time.monotonic() - last < stuck_seconds:
        try:
            sent += caller.socket.send(data[sent % len(data):])
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    caller.socket.settimeout(20)
    return sent


def time_of(call):
    begun = time.monotonic()
    assert call()
    return time.monotonic() - begun


# Who does not read


REQUESTS = {
    "echo": Packet(uri="/echo", body=b"x" * 10000),
    "small-echo": Packet(uri="/echo", body=b"x"),
    "no-route": Packet(uri="/nowhere"),
    "no-route-and-a-long-uri": Packet(uri="/nowhere?" + "x" * 10000),
    "empty": Packet(uri="/empty"),
    "long-replies": Packet(uri="/long"),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_who_does_not_read_is_not_read_from_and_gets_all_answers_later(server, request_, sanitized):
    honest = Caller(server)
    assert honest.is_well()
    pid = server.worker_pids()[0]
    before = procfs.resident_bytes(pid)
    lazy = Caller(server, receive_room=16 * KB)
    lazy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * KB)
    packet = request_.encode()
    sent = send_until_stuck(lazy, packet * (64 * KB // len(packet) + 1))
    assert sent < MB
    assert time_of(honest.is_well) < 1
    if not sanitized:
        assert procfs.resident_bytes(pid) - before < 4 * MB

    lazy.end_sending()
    replies = lazy.receive_rest()
    assert len(replies) == sent // len(packet)
    assert len({(reply.uri, reply.outcome(), reply.body) for reply in replies}) == 1
    assert close_reasons(server) == ["peer-closed"]


def test_a_hundred_who_do_not_read_take_bounded_memory(server, sanitized):
    honest = Caller(server)
    assert honest.is_well()
    pid = server.worker_pids()[0]
    before = procfs.resident_bytes(pid)
    pull = Packet(uri="/long").encode() * 1000
    for _ in range(100):
        lazy = Caller(server, receive_room=16 * KB)
        lazy.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                lazy.socket.send(pull)
    assert time_of(honest.is_well) < 2
    if not sanitized:
        assert procfs.resident_bytes(pid) - before < 100 * 400 * KB
    server.let_go()


def test_one_who_never_stops_asking_leaves_room_for_others(server):
    greedy, honest = Caller(server), Caller(server)
    pull = Packet(uri="/echo").encode() * 2000
    is_wanted = True

    def ask():
        while is_wanted:
            greedy.send(pull)

    def read():
        while greedy.socket.recv(MB):
            pass

    threads = [threading.Thread(target=ask), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        times = sorted(time_of(honest.is_well) for _ in range(100))
    finally:
        is_wanted = False
        threads[0].join()
        greedy.end_sending()
        threads[1].join()
    assert times[50] < 0.1 and times[-1] < 1


def test_one_who_never_stops_pushing_takes_bounded_memory(server, sanitized):
    """What is read in one turn is more than what is done in one: it must not heap up."""
    caller = Caller(server)
    assert caller.is_well()
    pid = server.worker_pids()[0]
    before = procfs.resident_bytes(pid)
    pushes = Packet(type=PUSH, uri="/x").encode() * 100000
    for _ in range(10):
        caller.send(pushes)
    growth = procfs.resident_bytes(pid) - before
    assert caller.is_well()
    if not sanitized:
        assert growth < 2 * MB


def test_not_more_pulls_than_allowed_are_pending_at_once(server):
    caller = Caller(server, "$PORT2")
    begun = time.monotonic()
    caller.send(*[Packet(uri="/sleep", seq=seq) for seq in range(30)])
    assert [reply.seq for reply in caller.receive_many(30)] == list(range(30))
    assert 0.55 < time.monotonic() - begun < 5
    assert caller.is_well()


def test_a_session_at_its_limit_of_pulls_is_not_read_from(server):
    """Pulls of the next batches stay in the kernel: the worker's count of bytes stands still."""
    caller = Caller(server, "$PORT2")
    pulls = [Packet(uri="/nap", seq=seq, body=b"x" * 1000) for seq in range(200)]
    sender = threading.Thread(target=caller.send, args=pulls)
    sender.start()
    wait_until(lambda: server.total("bytes_received") >= 10000, "the first pulls arrive")
    assert server.total("bytes_received") < 100000
    assert [reply.seq for reply in caller.receive_many(200)] == list(range(200))
    sender.join()


def stuck(server):
    """Does not read, and has asked more than is sent to it."""
    caller = Caller(server, receive_room=16 * KB)
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * KB)
    send_until_stuck(caller, Packet(uri="/long").encode() * 100)
    return caller


def half_closed(server):
    """Has said its last, and waits for an answer."""
    caller = Caller(server)
    caller.send(Packet(uri="/wait"))
    caller.end_sending()
    return caller


def at_its_limit(server):
    """Has as many pulls pending as it may, and has sent more."""
    caller = Caller(server, "$PORT2")
    caller.send(*[Packet(uri="/wait", seq=seq) for seq in range(100)])
    return caller


def within_a_packet(server):
    """Has sent some pulls and half of another."""
    caller = Caller(server)
    packet = Packet(uri="/wait", body=b"x" * 1000).encode()
    caller.send(packet * 10 + packet[:500])
    return caller


def behind_an_unknown_type(server):
    """Is not read any more, but sends on until what it asked is answered."""
    caller = Caller(server)
    caller.send(Packet(uri="/wait"), Packet(type=4), b"x" * 10000)
    return caller


STATES = [stuck, half_closed, at_its_limit, within_a_packet, behind_an_unknown_type]


@pytest.mark.parametrize("state", STATES)
def test_a_session_that_can_do_nothing_costs_no_time(server, state):
    callers = [state(server) for _ in range(5)]
    assert Caller(server).is_well()
    pid = server.worker_pids()[0]
    before = procfs.cpu_seconds(pid)
    time.sleep(1)
    assert procfs.cpu_seconds(pid) - before < 0.2
    assert close_reasons(server) == [] and len(callers) == 5


@pytest.mark.parametrize("state", STATES)
def test_callers_that_vanish_leave_nothing_behind(server, state):
    """With a reset, so that the server's next write fails; their exchanges end without them."""
    honest = Caller(server)
    for _ in range(10):
        caller = state(server)
        caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()
    wait_until(lambda: len(close_reasons(server)) == 10, "their sessions end", seconds=2)
    assert server.total("sessions") == 1
    assert honest.is_well()


# Time-outs


TIMED_CONF = """
worker_processes 1;
peer {
    pull /echo { echo; }
    pull /sleep { sleep 900ms; }
    pull /nap { sleep 450ms; }
    pull /long { return 200 "LONG"; }
    server { listen 127.0.0.1:$PORT; read_timeout 500ms; }
    server { listen 127.0.0.1:$PORT2; packet_timeout 500ms; max_pending_pulls 1; }
    server {
        listen 127.0.0.1:$PORT3 rcvbuf=32k sndbuf=32k;
        write_timeout 700ms; read_timeout 300ms; send_queue 16k;
    }
}
""".replace("LONG", "long " * 2000)


@pytest.fixture(name="timed_server")
def wire_server_with_time_outs(start_server):
    return start_server(TIMED_CONF)


def seconds_to_close(caller):
    begun = time.monotonic()
    assert caller.receive_rest() == []
    return time.monotonic() - begun


def test_read_timeout_closes_who_is_silent(timed_server):
    assert 0.4 < seconds_to_close(Caller(timed_server)) < 3
    assert close_reasons(timed_server) == ["read-timeout"]


def test_read_timeout_counts_from_the_last_byte(timed_server):
    caller = Caller(timed_server)
    for _ in range(10):
        assert caller.is_well()
        time.sleep(0.1)
    assert 0.3 < seconds_to_close(caller) < 3
    assert close_reasons(timed_server) == ["read-timeout"]


def test_read_timeout_spares_who_waits_for_an_answer(timed_server):
    caller = Caller(timed_server)
    assert caller.pull("/sleep").outcome() == (200, "OK")


def test_read_timeout_begins_anew_with_the_answer(timed_server):
    caller = Caller(timed_server)
    assert caller.pull("/nap").outcome() == (200, "OK")
    assert 0.3 < seconds_to_close(caller) < 3
    assert close_reasons(timed_server) == ["read-timeout"]


@pytest.mark.parametrize("length", [1, 3, 4, 5, 10, 24, 30])
def test_packet_timeout_closes_who_stops_within_a_packet(timed_server, length):
    caller = Caller(timed_server, "$PORT2")
    caller.send(Packet(uri="/echo", seq=1, body=b"x" * 20).encode()[:length])
    assert 0.4 < seconds_to_close(caller) < 3
    assert close_reasons(timed_server) == ["packet-timeout"]


def test_packet_timeout_closes_a_slow_drip(timed_server):
    caller = Caller(timed_server, "$PORT2")
    assert caller.is_well()
    begun = time.monotonic()
    with pytest.raises(ConnectionError):
        for byte in Packet(uri="/echo", body=b"x" * 1000).encode():
            caller.send(bytes([byte]))
            time.sleep(0.05)
    assert 0.4 < time.monotonic() - begun < 3
    assert close_reasons(timed_server) == ["packet-timeout"]


def test_packet_timeout_spares_a_stream_that_always_ends_within_a_packet(timed_server):
    caller = Caller(timed_server, "$PORT2")
    packet = Packet(uri="/echo", body=b"x" * 100).encode()
    caller.send(packet[:50])
    for _ in range(15):
        time.sleep(0.1)
        caller.send(packet[50:] + packet[:50])
        assert caller.receive().outcome() == (200, "OK")
    caller.send(packet[50:])
    assert caller.receive().outcome() == (200, "OK")
    assert close_reasons(timed_server) == []


def test_packet_timeout_spares_who_is_not_read_from(timed_server):
    """Behind a slow answer stands what the worker does not take yet."""
    caller = Caller(timed_server, "$PORT2")
    pulls = [Packet(uri="/sleep", seq=seq) for seq in range(3)]
    caller.send(*pulls, pulls[0].encode()[:10])
    assert [reply.seq for reply in caller.receive_many(3)] == [0, 1, 2]
    assert 0.3 < seconds_to_close(caller) < 3
    assert close_reasons(timed_server) == ["packet-timeout"]


def test_write_timeout_closes_who_takes_nothing(timed_server):
    """And not read_timeout: who is not read from cannot be heard."""
    caller = Caller(timed_server, "$PORT3", receive_room=8 * KB)
    caller.send(Packet(uri="/long").encode() * 200)
    wait_until(lambda: close_reasons(timed_server))
    assert close_reasons(timed_server) == ["write-timeout"]


def test_write_timeout_spares_who_takes_a_little_now_and_then(timed_server):
    caller = Caller(timed_server, "$PORT3", receive_room=8 * KB)
    pull = Packet(uri="/long")
    caller.send(pull.encode() * 40)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        caller.socket.recv(16 * KB, socket.MSG_WAITALL)
        time.sleep(0.1)
    assert close_reasons(timed_server) == []


def test_off_means_never(start_server):
    server = start_server("""
worker_processes 1;
peer { server {
    listen 127.0.0.1:$PORT; read_timeout off; packet_timeout off; write_timeout off;
    pull /echo { echo; }
} }
""")
    caller = Caller(server)
    packet = Packet(uri="/echo").encode()
    caller.send(packet[:10])
    time.sleep(0.5)
    caller.send(packet[10:])
    assert caller.receive().outcome() == (200, "OK")


# All together


def test_worker_memory_closes_with_a_reason_and_leaves_the_worker_well(start_server):
    server = start_server("""
worker_memory 2m;
worker_processes 1;
peer { server { listen 127.0.0.1:$PORT; pull /echo { echo; } } }
""")
    packet = Packet(uri="/echo", body=b"x" * 500 * KB, codec=PLAIN).encode()
    hoarders = [Caller(server) for _ in range(10)]
    for hoarder in hoarders:
        try:
            hoarder.send(packet[:-1])
        except ConnectionError:
            continue
    wait_until(lambda: close_reasons(server), "one is closed")
    assert set(close_reasons(server)) == {"no-resources"}
    assert len(close_reasons(server)) < 10
    server.let_go()
    assert Caller(server).is_well()

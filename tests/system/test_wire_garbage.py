"""Ten thousand connections with garbage: it costs little, is told once, and nobody else notices."""
import multiprocessing
import os
import random
import re
import select
import socket
import struct
import time
from collections import Counter

from harness import procfs
from harness.wait import wait_until
from harness.wire25 import JSON, PROTOBUF, Load, Packet, frame, go_gzip

CONF = """
worker_processes 1;
peer {
    pull /echo { echo; }
    pull /math/add { sum; }
    server { listen 127.0.0.1:$PORT; packet_timeout 3s; }
}
"""

PROCESSES = 4
CONNECTIONS = 10000
KINDS = 8
DRIP_PAUSE_SECONDS = 0.5
RUNS_MAX = 3
TURN_MAX_US = 20000
GROWTH_MAX_BYTES = 8 << 20


def garbage(kind, chance):
    """What one connection sends; the slow drip sends it byte by byte."""
    packet = Packet(uri="/echo", body=chance.randbytes(200)).encode()
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 2000))
    if kind == 1:
        return struct.pack(">I", chance.randrange(1 << 20, 1 << 32)) + b"p"
    if kind == 2:
        length = struct.pack(">I", chance.randrange(1 << 20, 1 << 32))
        return frame(PROTOBUF + b"\x10\1")[:-4] + length
    if kind == 3:
        return struct.pack(">I", 1 << 19) + b"j" + b" " * chance.randrange(100)
    if kind == 4:
        return packet[:chance.randrange(1, len(packet))]
    if kind == 5:
        return frame(JSON + b'{"seq":' + chance.randbytes(20))
    if kind == 6:
        broken = go_gzip(b"[1,2]")[:-3]
        return Packet(uri="/math/add", body=broken, gzip=5).encode() + frame(b"x")
    return packet


def send_garbage(port, source, seed, count):
    """A process that sends its share, and waits until the server has closed every connection."""
    chance = random.Random(seed)
    dripping = {}
    poll = select.epoll()
    open_sockets = {}
    for number in range(count):
        one = socket.socket()
        one.bind((source, 0))
        one.connect(("127.0.0.1", port))
        data = garbage(number % KINDS, chance)
        if number % KINDS == 7:
            dripping[one] = data
        else:
            one.sendall(data)
        open_sockets[one.fileno()] = one
        poll.register(one, select.EPOLLIN)
    next_drip = time.monotonic()
    while open_sockets:
        if time.monotonic() >= next_drip:
            next_drip += DRIP_PAUSE_SECONDS
            dripping = {one: rest for one, rest in dripping.items() if drip(one, rest)}
            dripping = {one: rest[1:] for one, rest in dripping.items()}
        for number, _ in poll.poll(0.1):
            if is_closed(open_sockets[number]):
                poll.unregister(number)
                dripping.pop(open_sockets[number], None)
                open_sockets.pop(number).close()


def drip(one, rest):
    try:
        one.send(rest[:1])
    except ConnectionError:
        return False
    return True


def is_closed(one):
    try:
        return one.recv(65536) == b""
    except ConnectionError:
        return True


def make_pull(seq):
    if seq % 2:
        return Packet(uri="/math/add", seq=seq, body=b"[%d,1]" % seq)
    return Packet(uri="/echo", seq=seq, body=b"%d" % (seq + 1))


def check_reply(_, pull, reply):
    assert (reply.uri, reply.outcome()) == (pull.uri, (200, "OK"))
    assert reply.body == b"%d" % (reply.seq + 1)


def prefer(pid):
    """Lets a process run when it can, where that is allowed: its turns then are its own."""
    try:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        print("turns are measured with what others do meanwhile")


def run_garbage(server, sanitized):
    """Returns the longest turn of the worker's loop in microseconds."""
    prefer(server.worker_pids()[0])
    context = multiprocessing.get_context("fork")
    senders = [context.Process(target=send_garbage, daemon=True, args=(
        server.port(), f"127.0.0.{number + 2}", number, CONNECTIONS // PROCESSES))
        for number in range(PROCESSES)]
    with Load(server, 20, make_pull, check_reply, depth=4) as load:
        wait_until(lambda: load.answers > 1000, "the load runs")
        pid = server.worker_pids()[0]
        before = procfs.resident_bytes(pid)
        answers = load.answers
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(60)
            assert sender.exitcode == 0
        wait_until(lambda: server.total("sessions") == 20, "all garbage is gone")
        growth = procfs.resident_bytes(pid) - before
        answers = load.answers - answers
    assert load.failures == [] and load.broken == []
    assert answers > 100
    check_reasons(server)
    turn_max_us = server.total("loop_turn_max_us")
    print(f"memory +{growth} bytes, longest turn {turn_max_us} us, honest answers {answers}")
    if not sanitized:
        assert growth < GROWTH_MAX_BYTES
    return turn_max_us


def check_reasons(server):
    """Each session is told of once, and the reasons are those of what was sent."""
    closed = {}
    for line in server.log_lines("session-closed"):
        number, reason = re.match(r"number=(\d+) .* reason=(\S+)$", line["details"]).groups()
        assert number not in closed, f"session {number} is closed twice"
        closed[number] = reason
    assert len(closed) == CONNECTIONS
    share = CONNECTIONS // PROCESSES // KINDS * PROCESSES
    reasons = Counter(closed.values())
    assert set(reasons) <= {"protocol-error", "packet-too-large", "packet-timeout"}
    assert reasons["packet-too-large"] >= 2 * share
    assert reasons["protocol-error"] >= 2 * share
    assert reasons["packet-timeout"] >= 3 * share
    refused = Counter(re.match(r"number=(\d+) ", line["details"]).group(1)
                      for line in server.log_lines("input-refused"))
    assert set(refused.values()) == {1}
    assert set(refused) == {number for number, reason in closed.items()
                            if reason != "packet-timeout"}


def test_garbage_on_ten_thousand_connections_costs_little(start_server, sanitized):
    """The longest turn is also a matter of who else runs here: the best of three counts."""
    turns = []
    while not turns or (turns[-1] > TURN_MAX_US and len(turns) < RUNS_MAX and not sanitized):
        server = start_server(CONF)
        turns.append(run_garbage(server, sanitized))
        server.let_go()
    assert sanitized or min(turns) <= TURN_MAX_US, turns

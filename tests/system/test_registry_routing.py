"""What was announced is found: PULLs of any session reach the members, by name and by uri."""
import json
import random
import signal
import socket
import threading
import time

import pytest

from harness import family
from harness.wait import wait_until
from harness.wire25 import PULL, PUSH, REPLY, Caller, Packet, go_gzip, whole_gzip
from test_registry import Member

WORKERS = [1, 3]
CONF = """
worker_processes %(workers)d;
worker_watch off;
peer {
    server {
        listen 127.0.0.1:$PORT2;
        registry on;
        registry_allow * by=anybody;
        registry_show anybody;
        %(backs)s
    }
    server {
        listen 127.0.0.1:$PORT;
        registry on;
        %(fronts)s
        pull /fixed { proxy_pass registry:math; }
        pull /math/* { proxy_pass registry:math; }
        push /math/* { proxy_pass registry:math; }
        pull * { proxy_pass registry; }
    }
}
"""


def conf(workers=1, fronts="", backs=""):
    return CONF % {"workers": workers, "fronts": fronts, "backs": backs}


def end_dials(server):
    """Without a registry nobody is dialed, so that all sessions can end."""
    server.write_conf("peer { server { listen 127.0.0.1:$PORT; listen 127.0.0.1:$PORT2; } }")
    assert server.reload()[0] == 0


class Backend(Member):
    """A session without a port: a thread answers what it is asked, with its name."""

    def __init__(self, server, name, service="math", uris=("/math/*",), delay=0, **members):
        super().__init__(server, "$PORT2")
        self.name = name
        self.delay = delay
        self.counts = {PULL: 0, PUSH: 0}
        self.uris = []
        self.key = self.done("register", service=service, uris=list(uris), **members)["key"]
        self.answers = []
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def packets(self):
        """All that comes, until the session ends."""
        while True:
            try:
                # The first PULLs may come before the answer that it is registered.
                packet = self.pushes.pop(0) if self.pushes else self.receive()
            except (AssertionError, OSError):
                return
            yield packet

    def run(self):
        for packet in self.packets():
            if packet.type == REPLY:
                self.answers.append(packet)
                continue
            self.counts[packet.type] += 1
            self.uris.append(packet.uri)
            if packet.type == PULL:
                time.sleep(self.delay)
                with self.lock:
                    self.send(Packet(type=REPLY, seq=packet.seq, uri=packet.uri,
                                     status_code=200, status="OK",
                                     body=json.dumps(self.name).encode()))

    def close(self):
        """The thread that reads keeps a socket alive that is only closed."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        super().close()

    def tell(self, action, **members):
        """Asks the registry while the thread reads; waits for the answer."""
        self.seq += 1
        seq = self.seq
        with self.lock:
            self.send(Packet(uri=f"/registry/{action}", seq=seq, body=json.dumps(members).encode()))
        reply = wait_until(lambda: next((one for one in self.answers if one.seq == seq), None),
                           "the registry answers")
        assert reply.outcome() == (200, "OK"), reply


def callers(server, count, workers):
    """So many, and more until each worker has one: on a loaded machine one may come late to all."""
    found = [Caller(server) for _ in range(count)]

    def are_everywhere():
        if all(worker["sessions"] > 0 for worker in server.workers().values()):
            return True
        found.append(Caller(server))
        found[-1].pull("/nothing")
        return False

    wait_until(are_everywhere, "each worker has a session")
    return found


@pytest.mark.parametrize("workers", WORKERS)
def test_members_without_a_port_are_asked_by_sessions_of_every_worker(start_server, workers):
    server = start_server(conf(workers))
    heavy, light = Backend(server, "heavy", weight=3), Backend(server, "light")
    askers = callers(server, 12, workers)
    count = 1200
    heard = {"heavy": 0, "light": 0}
    for number in range(count):
        reply = askers[number % len(askers)].pull("/math/add", b"1")
        assert reply.status_code == 200
        heard[json.loads(reply.body)] += 1
    assert (heavy.counts[PULL], light.counts[PULL]) == (heard["heavy"], heard["light"])
    assert abs(heard["heavy"] - count * 3 / 4) <= count * 0.05


def test_a_push_reaches_one_of_them(start_server):
    server = start_server(conf(3))
    backend = Backend(server, "one")
    asker = Caller(server)
    asker.send(*[Packet(type=PUSH, uri="/math/told", body=b"1") for _ in range(10)])
    wait_until(lambda: backend.counts[PUSH] == 10, "all have come")


class Mirror(Backend):
    """Answers with what it was asked, in the very bytes."""

    def run(self):
        for packet in self.packets():
            if packet.type == PULL:
                self.send(Packet(type=REPLY, seq=packet.seq, uri=packet.uri, status_code=200,
                                 status="OK", gzip=packet.gzip, codec=packet.codec,
                                 body=packet.body))


class Odd(Backend):
    """Says nothing of an outcome, or says too much for the bus."""

    def run(self):
        for packet in self.packets():
            if packet.type == PULL:
                self.counts[PULL] += 1
                is_large = packet.uri == "/math/large"
                self.send(Packet(type=REPLY, seq=packet.seq, uri=packet.uri, codec=b"s",
                                 status_code=200 if is_large else 0,
                                 body=b"x" * 70_000 if is_large else b"odd"))


def test_a_reply_without_a_status_passes_from_every_worker(start_server):
    server = start_server(conf(2))
    Odd(server, "odd")
    for caller in callers(server, 4, 2):
        reply = caller.pull("/math/odd", b"1")
        assert (reply.status_code, reply.body) == (0, b"odd")


def test_a_reply_that_cannot_cross_is_not_asked_for_again(start_server):
    server = start_server("bus_queue 64k;" + conf(2))
    odd = [Odd(server, "one"), Odd(server, "two")]
    askers, codes = [], []

    def both_are_seen():
        askers.append(Caller(server))
        codes.extend(askers[-1].pull("/math/large", b"1").status_code for _ in range(2))
        return len(set(codes)) == 2

    wait_until(both_are_seen, "somebody of the worker of a member, and of another")
    assert set(codes) == {200, 502}
    assert sum(backend.counts[PULL] for backend in odd) == len(codes)


@pytest.mark.parametrize("workers", WORKERS)
def test_bodies_pass_as_they_came_from_every_worker(start_server, workers):
    server = start_server("bus_queue 16m;" + conf(workers, "packet_limit 4m;", "packet_limit 4m;"))
    Mirror(server, "mirror")
    plain = random.Random(7).randbytes(1 << 20)
    for caller in callers(server, 6, workers):
        for packet in (Packet(gzip=5, body=whole_gzip(b"teleport" * 500), codec=b"s"),
                       Packet(gzip=9, body=go_gzip(b"[1]"), codec=b"j"),
                       # What nobody can inflate is nobody's business on the way.
                       Packet(gzip=1, body=b"no gzip at all", codec=b"x"),
                       Packet(body=plain, codec=b"s"), Packet(body=b"")):
            packet.uri = "/math/as/it/is"
            caller.send(packet)
            reply = caller.receive()
            assert reply.outcome() == (200, "OK")
            assert (reply.gzip, reply.codec, reply.body) == (packet.gzip, packet.codec, packet.body)
        assert caller.pull("/math/nothing").body is None


@pytest.mark.parametrize("workers", WORKERS)
def test_metadata_and_filters_cross_workers(start_server, workers):
    server = start_server(conf(workers))
    backend = family.Caller(server, port="$PORT2")
    backend.send(family.Packet(method="/registry/register", seq=1, body=json.dumps(
        {"service": "math", "uris": ["/math/*"]}).encode()))
    assert backend.receive().outcome()[0] in (0, 200)
    callers(server, 6, workers)
    others = []
    for _ in range(9):
        others.append(other := family.Caller(server))
        body = b'"' + b"abc" * 1000 + b'"'
        other.send(family.Packet(method="/math/x?y=1", seq=9, body=body, meta="k=v",
                                 filters=b"g"))
        asked = backend.receive()
        assert (asked.method, asked.body, asked.filters) == ("/math/x?y=1", body, b"g")
        assert asked.meta == "k=v&X-Real-IP=127.0.0.1"
        backend.send(family.Packet(type=family.REPLY, seq=asked.seq, meta="a=b", body=b"2",
                                   status="code=7&msg=seven&cause=why"))
        reply = other.receive()
        assert (reply.meta, reply.body, reply.seq) == ("a=b", b"2", 9)
        assert "code=7" in reply.status and "seven" in reply.status and "why" in reply.status


@pytest.mark.parametrize("workers", WORKERS)
def test_the_uri_says_who_is_asked(start_server, workers):
    server = start_server(conf(workers))
    Backend(server, "all", service="all", uris=["*"])
    Backend(server, "tree", service="tree", uris=["/tree/*"])
    Backend(server, "deep", service="deep", uris=["/tree/deep/*"])
    leaf = Backend(server, "leaf", service="leaf", uris=["/tree/deep/leaf", "/leaf"])
    asker = Caller(server)

    def who(uri):
        return json.loads(asker.pull(uri, b"1").body)

    for uri, name in {"/tree/deep/leaf": "leaf", "/leaf": "leaf", "/tree/deep/other": "deep",
                      "/tree/deep/leaf/x": "deep", "/tree/deep": "tree", "/tree/x": "tree",
                      "/tree/deep/": "tree", "/tree": "all", "/tree/": "all", "/": "all",
                      "/leaf?a=1": "leaf"}.items():
        assert who(uri) == name, uri
    # Who is leaving is not asked any more: the next that fits is.
    leaf.tell("deregister", service="leaf")
    assert [who(uri) for uri in ("/tree/deep/leaf", "/leaf")] == ["deep", "all"]


@pytest.mark.parametrize("workers", WORKERS)
def test_nobody_there_is_404(start_server, workers):
    server = start_server(conf(workers))
    asker = Caller(server)
    for uri in ("/fixed", "/math/add", "/other"):
        assert asker.pull(uri, b"1").status_code == 404
    backend = Backend(server, "one")
    assert asker.pull("/math/add", b"1").status_code == 200
    backend.close()
    wait_until(lambda: asker.pull("/math/add", b"1").status_code == 404, "it has gone")


class Load:
    """PULLs from several sessions, one after the other on each, until it is stopped."""

    def __init__(self, server, count, uri="/math/add"):
        self.outcomes = []
        self.is_wanted = True
        self.uri = uri
        self.threads = [threading.Thread(target=self.run, args=(Caller(server),), daemon=True)
                        for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, caller):
        seq = 0
        while self.is_wanted:
            seq += 1
            reply = caller.pull(self.uri, b"1", seq=seq)
            assert reply.seq == seq
            self.outcomes.append(reply.outcome())

    def stop(self):
        self.is_wanted = False
        for thread in self.threads:
            thread.join()
        return self.outcomes


@pytest.mark.parametrize("workers", WORKERS)
def test_draining_loses_nothing(start_server, workers):
    server = start_server(conf(workers))
    stays = Backend(server, "stays", delay=0.002)
    load = Load(server, 8)
    for number in range(5):
        leaves = Backend(server, "leaves", delay=0.002)
        wait_until(lambda one=leaves: one.counts[PULL] > 20, "it is asked")
        leaves.tell("deregister", service="math")
        # Nothing new comes once that was answered; what is in flight is finished.
        seen = leaves.counts[PULL]
        before = stays.counts[PULL]
        wait_until(lambda: stays.counts[PULL] > before + 50, "the other one is asked")
        assert leaves.counts[PULL] <= seen + 8
        settled = leaves.counts[PULL]
        before = stays.counts[PULL]
        wait_until(lambda: stays.counts[PULL] > before + 50, "the other one is asked")
        assert leaves.counts[PULL] == settled
        leaves.close()
    outcomes = load.stop()
    assert set(outcomes) == {(200, "OK")}


@pytest.mark.parametrize("workers", WORKERS)
def test_a_member_that_dies_answers_what_it_had_with_502_at_once(start_server, workers):
    server = start_server(conf(workers))
    backend = Member(server, "$PORT2")
    backend.done("register", service="math", uris=["/math/*"])
    askers = callers(server, 8, workers)
    for asker in askers:
        asker.send(Packet(uri="/math/add", seq=7, body=b"1"))
    backend.receive_many(8)
    began = time.monotonic()
    backend.close()
    for asker in askers:
        assert asker.receive().status_code == 502
    assert time.monotonic() - began < 2


def test_the_members_of_a_worker_that_dies_are_asked_no_more(start_server):
    server = start_server(conf(3, fronts="proxy_next_upstream error;"))
    backends = [Backend(server, str(number)) for number in range(24)]
    pid = server.worker_pids()[1]
    server.signal(signal.SIGKILL, pid)
    server.wait_for_replacement(1, pid)
    looker = Member(server, "$PORT2")
    wait_until(lambda: 0 < len(looker.members("math")) < 24, "theirs are gone")
    asker = Caller(server)
    assert {asker.pull("/math/add", b"1").status_code for _ in range(100)} == {200}


def test_a_member_with_an_address_is_dialed(make_server, start_server):
    backend = make_server("peer { server { listen 127.0.0.1:$PORT; pull * { echo; } } }").start()
    server = start_server(conf(3))
    address = f"127.0.0.1:{backend.port('$PORT')}"
    member = Member(server, "$PORT2")
    member.done("register", service="math", uris=["/math/*"], address=address, ttl="1m")
    for asker in callers(server, 9, 3):
        reply = asker.pull("/math/add", b"[1]")
        assert (reply.outcome(), reply.body) == ((200, "OK"), b"[1]")
    assert member.members("math")[address]["state"] == "up"
    member.done("deregister", service="math", address=address)
    assert Caller(server).pull("/math/add", b"[1]").status_code == 404
    end_dials(server)


def test_a_member_that_cannot_be_reached_is_failing(start_server):
    server = start_server(conf(1))
    member = Member(server, "$PORT2")
    member.done("register", service="math", uris=["/math/*"], address="127.0.0.1:1", ttl="1m")
    for _ in range(4):
        assert Caller(server).pull("/math/add", b"[1]").status_code in (502, 503)
    wait_until(lambda: member.members("math")["127.0.0.1:1"]["state"] == "failing", "it fails")
    end_dials(server)


@pytest.mark.parametrize("address", ["nowhere", "10.0.0.7", "sctp://10.0.0.7:1", "a:b:c:d:1"])
def test_an_address_that_is_none_is_refused(start_server, address):
    server = start_server(conf(1))
    reply = Member(server, "$PORT2").ask("register", service="math", uris=["/math/*"],
                                         address=address)
    assert reply.status_code == 400 and '"address" has to be' in reply.status


def test_max_pulls_bounds_what_waits_for_a_member(start_server):
    server = start_server(conf(1))
    backend = Member(server, "$PORT2")
    backend.done("register", service="math", uris=["/math/*"], max_pulls=2)
    asker = Caller(server)
    asker.send(*[Packet(uri="/math/add", seq=seq, body=b"1") for seq in range(4)])
    first = backend.receive_many(2)
    assert backend.pull("/registry/list", b"{}", seq=99).seq == 99
    for packet in first:
        backend.send(Packet(type=REPLY, seq=packet.seq, uri=packet.uri, status_code=200,
                            status="OK", body=b"1"))
    assert len(backend.receive_many(2)) == 2


def test_members_stay_over_reloads_under_load(start_server):
    server = start_server(conf(3))
    for number in range(3):
        Backend(server, str(number))
    load = Load(server, 6)
    for number in range(10):
        server.write_conf(conf(3, fronts=f"registry_members {1000 + number};"))
        assert server.reload()[0] == 0
    assert set(load.stop()) == {(200, "OK")}


def test_least_pending_spares_who_is_slow(start_server):
    server = start_server(conf(1, fronts="registry_balance least_pending;"))
    slow, quick = Backend(server, "slow", delay=0.05), Backend(server, "quick")
    load = Load(server, 6)
    wait_until(lambda: quick.counts[PULL] > 200, "many are answered")
    assert set(load.stop()) == {(200, "OK")}
    assert slow.counts[PULL] * 4 < quick.counts[PULL]


@pytest.mark.parametrize("route, text", [
    ("pull /x { proxy_pass registry:math; }", 'nothing can be found here without "registry on"'),
    ("pull /x { proxy_pass registry:%s; }" % ("s" * 64), "at most 63 bytes"),
    ("registry on; registry_balance hash;", "round_robin"),
])
def test_what_cannot_be_found_is_a_mistake_of_the_configuration(make_server, route, text):
    is_on = "registry on;" if "63" in text else ""
    told = make_server("peer { server { listen 127.0.0.1:$PORT; %s %s } }"
                       % (is_on, route)).run("-t")
    assert told[0] == 1 and text in told[2]

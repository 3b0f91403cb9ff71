"""`proxy_pass` and `upstream`: what is passed on, to whom, and what becomes of it when that fails."""
import gzip
import signal
import socket
import threading
import time

import pytest

from harness import family
from harness.http import Browser
from harness.wait import wait_until
from harness.wire25 import PUSH, Caller, Packet, gunzip

BACK = """
worker_processes 1;
peer {
    access_log logs/access.log format="$uri $session_number $status" flush=10ms;
    server {
        listen 127.0.0.1:$PORT;
        pull /who { return 200 "NAME"; }
        pull /echo { echo; }
        pull /sum { sum; }
        pull /slow { sleep 300ms; }
        pull /busy { return 503 "busy"; }
        pull /customer { return 200 "$arg_x $meta_x_real_ip $meta_k"; }
        push /told { empty; }
    }
}
"""

FRONT = """
worker_processes WORKERS;
peer {
    IN_PEER
    upstream back { SERVERS IN_UPSTREAM }
    server {
        listen 127.0.0.1:$PORT;
        pull * { proxy_pass back; IN_ROUTE }
        push * { proxy_pass back; }
        IN_SERVER
    }
}
"""


ALONE = "peer { server { listen 127.0.0.1:$PORT; pull /who { echo; } } }"


class Set:
    """Backends, and a front to them."""

    def __init__(self, make_server):
        self.make_server = make_server
        self.backs = []
        self.fronts = []

    def add_backs(self, count):
        for i in range(count):
            self.backs.append(self.make_server(BACK.replace("NAME", f"b{i}")).start())

    def addresses(self):
        return [f"127.0.0.1:{back.port()}" for back in self.backs]

    def front(self, options=(), workers=1, **blocks):
        servers = "".join(f"server {address} {option}; " for address, option in
                          zip(self.addresses(), list(options) + [""] * len(self.backs)))
        text = FRONT.replace("WORKERS", str(workers)).replace("SERVERS", servers)
        for name in ("in_upstream", "in_route", "in_server", "in_peer"):
            text = text.replace(name.upper(), blocks.get(name, ""))
        return self.start_front(text)

    def start_front(self, text):
        self.fronts.append(self.make_server(text).start())
        return self.fronts[-1]

    def let_backs_go(self):
        """So that all sessions can end."""
        for front in self.fronts:
            if front.is_serving():
                front.write_conf(ALONE)
                assert front.ask("reload")[0] == "ok"


@pytest.fixture(name="upstream")
def a_set_of_servers(make_server):
    servers = Set(make_server)
    yield servers
    servers.let_backs_go()


def end(back):
    """Whatever sessions it has."""
    back.signal(signal.SIGTERM)
    back.wait_for_end()


def counts_of(caller, count, uri="/who"):
    for i in range(count):
        caller.send(Packet(seq=i, uri=uri))
    bodies = [reply.body.decode() for reply in caller.receive_many(count)]
    return {body: bodies.count(body) for body in bodies}


def test_a_pull_is_passed_on_and_answered(upstream):
    upstream.add_backs(1)
    caller = Caller(upstream.front())

    assert caller.pull("/echo", b"[1]").body == b"[1]"
    assert caller.pull("/sum", b"[1,2]").body == b"3"


def test_each_has_its_turn_exactly(upstream):
    upstream.add_backs(3)
    caller = Caller(upstream.front())

    wait_until(lambda: len(counts_of(caller, 9)) == 3, "all are connected")
    assert counts_of(caller, 300) == {"b0": 100, "b1": 100, "b2": 100}


def test_weights_are_kept(upstream):
    upstream.add_backs(3)
    caller = Caller(upstream.front(["weight=5", "weight=1", "weight=3"]))

    wait_until(lambda: len(counts_of(caller, 9)) == 3, "all are connected")
    assert counts_of(caller, 900) == {"b0": 500, "b1": 100, "b2": 300}


def test_a_hash_keeps_to_one(upstream):
    upstream.add_backs(3)
    caller = Caller(upstream.front(in_upstream="hash $arg_key consistent;"))

    wait_until(lambda: len(set(caller.pull(f"/who?key={i}").body for i in range(30))) == 3,
               "all are connected")
    for key in range(20):
        assert len(counts_of(caller, 10, f"/who?key={key}")) == 1


def test_the_least_busy_is_next(upstream):
    upstream.add_backs(2)
    caller = Caller(upstream.front(in_upstream="least_pending;"))

    wait_until(lambda: len(counts_of(caller, 4)) == 2, "both are connected")
    # In one write: all of them are given to somebody before the first one is answered.
    caller.send(*[Packet(seq=1000 + i, uri="/slow") for i in range(10)],
                *[Packet(seq=i, uri="/who") for i in range(10)])
    bodies = [reply.body for reply in caller.receive_many(20)]
    assert bodies.count(b"b0") == bodies.count(b"b1") == 5


def test_a_backup_comes_in_when_no_other_is_there(upstream):
    upstream.add_backs(2)
    front = upstream.front(["", "backup"])
    caller = Caller(front)

    assert counts_of(caller, 10) == {"b0": 10}
    end(upstream.backs[0])
    wait_until(lambda: caller.pull("/who").body == b"b1", "the backup answers")


def test_who_is_down_gets_nothing(upstream):
    upstream.add_backs(2)

    assert counts_of(Caller(upstream.front(["down"])), 10) == {"b1": 10}


def test_no_more_wait_for_one_than_it_may_have(upstream):
    upstream.add_backs(1)
    caller = Caller(upstream.front(["max_pulls=2"], in_upstream="queue 1;"))

    caller.pull("/who")
    for i in range(4):
        caller.send(Packet(seq=i, uri="/slow"))
    statuses = sorted(reply.status_code for reply in caller.receive_many(4))
    assert statuses == [200, 200, 200, 503]


def test_the_session_to_a_server_is_one_for_all(upstream):
    upstream.add_backs(1)
    front = upstream.front()

    for _ in range(5):
        assert Caller(front).pull("/who").body == b"b0"
    log = (upstream.backs[0].prefix / "logs/access.log")
    wait_until(lambda: len(log.read_text().splitlines()) >= 5, "it is logged")
    assert len({line.split()[1] for line in log.read_text().splitlines()}) == 1


def test_a_push_is_passed_on(upstream):
    upstream.add_backs(1)
    caller = Caller(upstream.front())

    caller.pull("/who")
    caller.send(Packet(type=PUSH, uri="/told", body=b"news", codec=b"s"))
    log = upstream.backs[0].prefix / "logs/access.log"
    wait_until(lambda: log.exists() and "/told" in log.read_text(), "the push has come")


def test_a_deflated_body_passes_as_it_is(upstream):
    upstream.add_backs(1)
    caller = Caller(upstream.front())
    body = gzip.compress(b"teleport" * 500, 5)

    caller.send(Packet(uri="/echo", gzip=5, body=body, codec=b"s"))
    reply = caller.receive()
    assert gunzip(reply.body) == b"teleport" * 500


@pytest.mark.parametrize("size", [0, 1, 1023, 4096, 65536, 1000000])
def test_bodies_of_all_sizes(upstream, size):
    upstream.add_backs(1)
    caller = Caller(upstream.front())
    body = bytes(i % 251 for i in range(size))

    assert (caller.pull("/echo", body, codec=b"s").body or b"") == body


def test_a_large_body_is_copied_at_most_once(upstream):
    upstream.add_backs(1)
    front = upstream.front()
    caller = Caller(front)
    size, count = 1000000, 5

    caller.pull("/who")
    for _ in range(count):
        assert len(caller.pull("/echo", b"x" * size, codec=b"s").body) == size
    received = front.total("bytes_received")
    assert received > 2 * count * size
    turns = front.total("loop_turns")
    wait_until(lambda: front.total("loop_turns") > turns, "the worker has counted since")
    assert front.total("bytes_copied") <= count * size


def test_the_log_knows_what_was_asked_whatever_became_of_its_bytes(upstream):
    """So many at once that they wait in the queue, and what they were read into is used again."""
    upstream.add_backs(1)
    front = upstream.front(in_peer='access_log logs/access.log format="$path $arg_n" flush=10ms;')
    caller = Caller(front)
    asked = [f"/slow/{n}/{'x' * (n % 40)}" for n in range(400)]
    caller.send(*(Packet(uri=f"{uri}?n={n}", seq=n, body=b'"' + b"b" * 1500 + b'"')
                  for n, uri in enumerate(asked)))
    assert {caller.receive().seq for _ in asked} == set(range(len(asked)))
    wait_until(lambda: len(front.log("logs/access.log").splitlines()) == len(asked),
               "all are in the log")
    assert set(front.log("logs/access.log").splitlines()) \
        == {f"{uri} {n}" for n, uri in enumerate(asked)}


def test_statuses_pass(upstream):
    upstream.add_backs(1)
    caller = Caller(upstream.front())

    assert caller.pull("/nothing").outcome() == (404, "Not Found")
    assert caller.pull("/busy").outcome() == (503, "busy")


def test_one_that_is_not_there_is_503_at_once(make_server, upstream):
    spare = make_server(BACK)
    front = upstream.start_front(
        f"""peer {{ upstream back {{ server 127.0.0.1:{spare.port()}; }}
            server {{ listen 127.0.0.1:$PORT; pull * {{ proxy_pass back; }} }} }}""")
    begun = time.monotonic()

    assert Caller(front).pull("/who").status_code == 503
    assert time.monotonic() - begun < 5


def test_what_is_in_flight_on_one_that_dies_is_502_at_once(upstream):
    upstream.add_backs(1)
    front = upstream.front()
    caller = Caller(front)
    back = upstream.backs[0]

    caller.pull("/who")
    caller.send(Packet(seq=7, uri="/slow"))
    caller.send(Packet(seq=8, uri="/who"))
    assert caller.receive().seq == 8
    back.signal(signal.SIGKILL, pid=back.status()["workers"][0]["pid"])
    reply = caller.receive()
    assert (reply.seq, reply.status_code) == (7, 502)
    wait_until(back.is_serving, "the backend has another worker")


def test_an_idempotent_one_is_done_elsewhere(upstream):
    upstream.add_backs(2)
    front = upstream.front(["", "backup"], in_route="idempotent on;")
    caller = Caller(front)

    wait_until(lambda: caller.pull("/who").body == b"b0", "it is connected")
    caller.send(Packet(seq=7, uri="/slow"))
    caller.send(Packet(seq=8, uri="/who"))
    assert caller.receive().seq == 8
    end(upstream.backs[0])
    reply = caller.receive()
    assert (reply.seq, reply.status_code) == (7, 200)


def test_503_is_tried_elsewhere_only_when_that_is_safe(upstream):
    upstream.add_backs(1)
    other = upstream.make_server(BACK.replace('return 503 "busy"', 'return 200 "free"')).start()
    upstream.backs.append(other)
    caller = Caller(upstream.front(
        in_route="proxy_next_upstream error timeout 503;",
        in_server="pull /busy { proxy_pass back; idempotent on; proxy_next_upstream 503; }"))

    wait_until(lambda: len(counts_of(caller, 4)) == 2, "both are connected")
    assert [caller.pull("/busy").status_code for _ in range(6)] == [200] * 6


def test_too_late_is_504(upstream):
    upstream.add_backs(1)
    caller = Caller(upstream.front(in_route="proxy_timeout 50ms;"))

    caller.pull("/who")
    assert caller.pull("/slow").status_code == 504
    assert caller.pull("/who").status_code == 200


def test_one_that_fails_again_and_again_is_left_alone(upstream):
    upstream.add_backs(2)
    front = upstream.front(["max_fails=2 fail_timeout=10s", "max_fails=2 fail_timeout=10s"],
                           in_route="proxy_timeout 50ms; proxy_next_upstream off;",
                           in_upstream="hash $arg_key;")
    caller = Caller(front)
    wait_until(lambda: len(set(caller.pull(f"/who?key={i}").body for i in range(30))) == 2,
               "both are connected")
    owner = caller.pull("/who?key=1").body

    assert [caller.pull("/slow?key=1").status_code for _ in range(2)] == [504, 504]
    assert caller.pull("/who?key=1").body != owner
    assert len(front.log_lines("upstream-down")) == 1


def test_a_server_that_comes_back_is_used_again(upstream):
    upstream.add_backs(1)
    front = upstream.front()
    caller = Caller(front)

    assert caller.pull("/who").body == b"b0"
    back = upstream.backs[0]
    text = back.conf_path.read_text()
    end(back)
    wait_until(lambda: caller.pull("/who").status_code == 503, "the front knows that it has gone")
    again = upstream.make_server(BACK)
    again.conf_path.write_text(text)
    again.start()
    wait_until(lambda: caller.pull("/who").body == b"b0", "the front is connected again")


def test_a_reload_keeps_the_session_and_what_is_in_flight(upstream):
    upstream.add_backs(1)
    front = upstream.front()
    caller = Caller(front)

    caller.pull("/who")
    caller.send(Packet(seq=7, uri="/slow"))
    front.write_conf(front.conf_path.read_text().replace("push *", "push /x/*"), preamble="")
    assert front.ask("reload")[0] == "ok"
    assert (caller.receive().status_code, caller.pull("/who").body) == (200, b"b0")
    log = upstream.backs[0].prefix / "logs/access.log"
    wait_until(lambda: len(log.read_text().splitlines()) >= 3, "it is logged")
    assert len({line.split()[1] for line in log.read_text().splitlines()}) == 1


def test_a_reload_takes_a_server_out_gracefully(upstream):
    upstream.add_backs(2)
    front = upstream.front()
    caller = Caller(front)

    wait_until(lambda: len(counts_of(caller, 4)) == 2, "both are connected")
    for i in range(4):
        caller.send(Packet(seq=100 + i, uri="/slow"))
    address = upstream.addresses()[0]
    front.write_conf(front.conf_path.read_text().replace(f"server {address} ;", ""), preamble="")
    assert front.ask("reload")[0] == "ok"
    assert [reply.status_code for reply in caller.receive_many(4)] == [200] * 4
    assert counts_of(caller, 20) == {"b1": 20}


def test_an_address_needs_no_block(upstream):
    upstream.add_backs(1)
    front = upstream.front(
        in_server=f"pull /direct/* {{ proxy_pass {upstream.addresses()[0]}; }}"
                  f" pull /who {{ proxy_pass raw://{upstream.addresses()[0]}; }}")

    assert Caller(front).pull("/who").body == b"b0"
    assert Caller(front).pull("/direct/x").status_code == 404


@pytest.mark.parametrize("address, verify, is_well", [
    ("tls://127.0.0.1", "on", True), ("127.0.0.1", "off", True), ("127.0.0.2", "on", False)])
def test_a_server_over_tls(upstream, certificates, address, verify, is_well):
    back = upstream.make_server(BACK.replace(
        "listen 127.0.0.1:$PORT;", f"listen 0.0.0.0:$PORT ssl; {certificates.directives()}"))
    back.start()
    front = upstream.start_front(
        f"""peer {{ upstream back {{
                server {address}:{back.port()} {"" if "tls" in address else "ssl"};
                ssl_verify {verify}; ssl_trusted_certificate {certificates.path("authority")}; }}
            server {{ listen 127.0.0.1:$PORT; pull * {{ proxy_pass back; }} }} }}""")

    assert Caller(front).pull("/who").status_code == (200 if is_well else 503)


def test_a_front_says_who_it_is(upstream, certificates):
    back = upstream.make_server(BACK.replace(
        "listen 127.0.0.1:$PORT;",
        f"listen 127.0.0.1:$PORT ssl; {certificates.directives()} ssl_verify_client on;"
        f" ssl_client_certificate {certificates.path('authority')};"
        ' pull /subject { return 200 "$ssl_client_s_dn"; }')).start()
    front = upstream.start_front(
        f"""peer {{ upstream back {{ server 127.0.0.1:{back.port()} ssl; ssl_verify off;
                {certificates.directives("client")} }}
            server {{ listen 127.0.0.1:$PORT; pull * {{ proxy_pass back; }} }} }}""")

    assert b"CN=client" in Caller(front).pull("/subject").body


def test_what_a_customer_says_of_itself_does_not_count(upstream):
    upstream.add_backs(1)
    front = upstream.front(in_route="proxy_customer query;")

    Caller(front).pull("/customer?x=1&X-Real-IP=6.6.6.6&x%2dsession%2did=root")
    log = upstream.backs[0].prefix / "logs/access.log"
    wait_until(lambda: log.exists() and "/customer" in log.read_text(), "it is logged")
    assert "/customer?x=1&X-Real-IP=127.0.0.1 " in log.read_text()


def test_all_protocols_reach_it(upstream):
    upstream.add_backs(1)
    front = upstream.front()

    assert Browser(front).ask("POST", "/sum", b"[1,2]",
                              **{"Content-Type": "application/json"}).body == b"3"
    for protocol in ("raw", "json", "protobuf"):
        assert family.Caller(front, protocol).call("/sum", b"[1,2]").body == b"3"


def test_metadata_passes_where_both_sides_have_it(upstream):
    """…and what a customer says of itself under the names of gateways does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"raw://127.0.0.1:{listener.getsockname()[1]}"
        front = upstream.start_front(f"""worker_processes 1;
            peer {{ server {{ listen 127.0.0.1:$PORT; pull * {{ proxy_pass {address}; }} }} }}""")
        caller = family.Caller(front)
        caller.send(family.Packet(method="/x", body=b"[1]", meta="k=v&X-Real-IP=6.6.6.6&k=w"))
        connection, _ = listener.accept()
        back = family.Caller(front, connected=connection)
        asked = back.receive()
        assert asked.meta == "k=v&k=w&X-Real-IP=127.0.0.1"
        back.send(family.Packet(type=family.REPLY, seq=asked.seq, meta="a=b", body=b"[2]"))
        reply = caller.receive()
        assert (reply.meta, reply.body) == ("a=b", b"[2]")


GATEWAY = """
peer {
    server {
        listen 127.0.0.1:$PORT;
        IN_SERVER
        pull /customer { return 200 "$meta_X_Real_IP $meta_X_Session_Id"; }
        pull /i/am { session_id $arg_id; }
        pull /on { proxy_pass ON; proxy_customer metadata; }
    }
}
"""


@pytest.mark.parametrize("scheme", ["raw", "json", "http"])
@pytest.mark.parametrize("trusts, seen", [("gateway_from 127.0.0.1;", b"127.0.0.1 lamp"),
                                          ("gateway_from 10.0.0.0/8;", b" "), ("", b" ")])
def test_a_gateway_is_believed_where_it_is_trusted(upstream, scheme, trusts, seen):
    back = upstream.make_server(GATEWAY.replace("IN_SERVER", trusts).replace(
        "ON", "127.0.0.1:1")).start()
    front = upstream.start_front(GATEWAY.replace("IN_SERVER", "").replace(
        "/on ", "/customer/of ").replace("pull /customer {", "pull /mine {").replace(
            "/customer/of", "/customer").replace("ON;", f"{scheme}://127.0.0.1:{back.port()};"))
    upstream.fronts.append(back)
    caller = Caller(front)

    caller.pull("/i/am?id=lamp")
    assert caller.pull("/customer").body == seen


def test_a_gateway_wants_networks(make_server):
    code, _, told = make_server("peer { server { listen 127.0.0.1:$PORT; gateway_from home; } }"
                                ).run("-t")
    assert code == 1 and "gateway_from" in told


def test_who_fails_its_checks_is_left_alone_until_it_passes_them(upstream):
    text = BACK.replace("listen 127.0.0.1:$PORT;",
                        "listen 127.0.0.1:$PORT; pull /health { return CODE; }")
    for i in range(2):
        upstream.backs.append(upstream.make_server(
            text.replace("NAME", f"b{i}").replace("CODE", "200")).start())
    front = upstream.front(workers=2, in_upstream="health_check pull=/health interval=20ms "
                                                  "timeout=1s fails=2 passes=2;")
    callers = [Caller(front) for _ in range(6)]
    sick = upstream.backs[0]
    well = sick.conf_path.read_text()

    wait_until(lambda: all(len(counts_of(caller, 8)) == 2 for caller in callers), "both answer")
    sick.write_conf(well.replace("/health { return 200", "/health { return 500"), preamble="")
    assert sick.ask("reload")[0] == "ok"
    wait_until(lambda: all(set(counts_of(caller, 8)) == {"b1"} for caller in callers),
               "all workers leave it alone")
    sick.write_conf(well, preamble="")
    assert sick.ask("reload")[0] == "ok"
    wait_until(lambda: all(len(counts_of(caller, 8)) == 2 for caller in callers),
               "all workers use it again")
    assert {line["pid"] for line in front.log_lines("upstream-ill")} == {
        line["pid"] for line in front.log_lines("upstream-well")}


def test_a_shorter_interval_of_checks_counts_at_once(upstream):
    upstream.backs.append(upstream.make_server(BACK.replace(
        "listen 127.0.0.1:$PORT;", "listen 127.0.0.1:$PORT; pull /health { return 200; }")).start())
    front = upstream.front(workers=1, in_upstream="health_check pull=/health interval=1h;")
    log = upstream.backs[0].prefix / "logs/access.log"
    text = front.conf_path.read_text()

    front.write_conf(text.replace("interval=1h", "interval=20ms"), preamble="")
    assert front.ask("reload")[0] == "ok"
    wait_until(lambda: log.exists() and "/health " in log.read_text(), "it is checked")


def test_checks_go_on_when_their_worker_dies(upstream):
    upstream.backs.append(upstream.make_server(BACK.replace(
        "listen 127.0.0.1:$PORT;", "listen 127.0.0.1:$PORT; pull /health { return 200; }")).start())
    front = upstream.front(workers=2, in_upstream="health_check pull=/health interval=20ms;")
    log = upstream.backs[0].prefix / "logs/access.log"

    def checks():
        return log.read_text().count("/health ") if log.exists() else 0

    wait_until(lambda: checks() > 3, "it is checked")
    for worker in front.status()["workers"]:
        front.signal(signal.SIGKILL, pid=worker["pid"])
        wait_until(front.is_serving, "there is another worker")
        before = checks()
        wait_until(lambda before=before: checks() > before + 3, "it is still checked")


class Paced:
    """Asks at a steady rate over one session, and keeps what came back."""

    def __init__(self, front, uri, rate, seconds):
        self.caller = Caller(front)
        self.uri, self.rate, self.count = uri, rate, rate * seconds
        self.replies = {}
        self.threads = [threading.Thread(target=run) for run in (self._ask, self._listen)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            thread.join()

    def _ask(self):
        begun = time.monotonic()
        for seq in range(self.count):
            self.caller.send(Packet(seq=seq, uri=self.uri))
            ahead = begun + seq / self.rate - time.monotonic()
            if ahead > 0.001:
                time.sleep(ahead)

    def _listen(self):
        for _ in range(self.count):
            reply = self.caller.receive()
            self.replies.setdefault(reply.seq, []).append(reply.status_code)


def kill_and_start(back):
    back.die()
    back.start()


@pytest.mark.parametrize("idempotent", ["off", "on"])
def test_one_of_three_dies_each_second(upstream, idempotent, sanitized):
    seconds, rate = 10, 2000
    upstream.add_backs(3)
    front = upstream.front(in_route=f"idempotent {idempotent}; proxy_next_upstream error tries=5;",
                           in_peer="redial 10ms max=50ms;")
    wait_until(lambda: len(counts_of(Caller(front), 9)) == 3, "all are connected")

    with Paced(front, "/who", rate, seconds) as paced:
        for second in range(seconds):
            kill_and_start(upstream.backs[second % 3])
            time.sleep(1)

    assert len(paced.replies) == paced.count
    assert all(len(statuses) == 1 for statuses in paced.replies.values())
    errors = [statuses[0] for statuses in paced.replies.values() if statuses != [200]]
    assert set(errors) <= ({502} if idempotent == "off" else set())
    # What a server that dies has not answered yet: the slower it is, the more that is.
    assert len(errors) < paced.count / (20 if sanitized else 100)


WRONG = [
    ("upstream u { }", "this upstream has no server"),
    ("upstream u { server 127.0.0.1:1; server 127.0.0.1:1; }", "is a server of this upstream"),
    ("upstream u { server 127.0.0.1; }", "port"),
    ("upstream u { server 127.0.0.1:1 weight=0; }", "weight"),
    ("upstream u { server 127.0.0.1:1 max_fails=-1; }", "max_fails"),
    ("upstream u { server 127.0.0.1:1 fail_timeout=x; }", "fail_timeout"),
    ("upstream u { server 127.0.0.1:1 max_pulls=x; }", "max_pulls"),
    ("upstream u { server 127.0.0.1:1 protocol=morse; }", "morse"),
    ("upstream u { server raw://127.0.0.1:1 protocol=json; }", "raw"),
    ("upstream u { server 127.0.0.1:1; least_pending; hash $uri; }", "not by both"),
    ("upstream u { server 127.0.0.1:1; hash; }", "hash"),
    ("upstream u { server 127.0.0.1:1; sessions 0; }", "sessions"),
    ("upstream u { server 127.0.0.1:1; health_check interval=1s; }", "what is asked is a uri"),
    ("upstream u { server 127.0.0.1:1; health_check pull=/h fails=0; }", "fails"),
    ("upstream u { server 127.0.0.1:1; queue many; }", "queue"),
    ("upstream u { server 127.0.0.1:1; keepalive 0; }", "keepalive"),
    ("upstream u { server 127.0.0.1:1; ssl_verify off; }", "no server here speaks TLS"),
    ("upstream u { server 127.0.0.1:1; } upstream u { server 127.0.0.1:2; }", "already"),
    ("upstream a/b { server 127.0.0.1:1; }", "name"),
    ("server { listen 127.0.0.1:$PORT; pull * { proxy_pass nobody; } }", "no upstream \"nobody\""),
    ("upstream u { server 127.0.0.1:1; } "
     "server { listen 127.0.0.1:$PORT; pull * { proxy_pass http://u; } }", "without a scheme, \"u\""),
    ("server { listen 127.0.0.1:$PORT; pull * { proxy_pass tls://127.0.0.1:1; } }", "upstream block"),
    ("server { listen 127.0.0.1:$PORT; pull * { proxy_pass; } }", "proxy_pass"),
    ("proxy_timeout never;", "proxy_timeout"),
    ("proxy_next_upstream 404;", "proxy_next_upstream"),
    ("proxy_next_upstream error tries=0;", "tries"),
    ("proxy_next_upstream off error;", "off stands alone"),
    ("idempotent maybe;", "idempotent"),
    ("proxy_customer header;", "proxy_customer"),
]


@pytest.mark.parametrize("text, words", WRONG, ids=[text[:40] for text, _ in WRONG])
def test_mistakes_are_told(make_server, text, words):
    server = make_server("peer { server { listen 127.0.0.1:$PORT9; pull /x { echo; } } " + text + " }")
    code, _, told = server.run("-t")

    assert code == 1
    assert words in told

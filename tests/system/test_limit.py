"""limit_conn, limit_total and limit_rate: what is let in, and what is served, by all workers."""
import base64
import hashlib
import hmac
import json
import os
import resource
import signal
import socket
import time

import pytest

from harness.http import Browser
from harness.wait import wait_until
from harness.wire25 import PUSH, Caller, Packet

SESSIONS = 10_000
DESCRIPTORS = SESSIONS + 1000


def conf(rules, workers=1, routes="", peer_rules=""):
    return f"""
worker_processes {workers};
events {{ worker_connections 16384; }}
peer {{
    {peer_rules}
    server {{
        listen 127.0.0.1:$PORT;
        listen 127.0.0.1:$PORT2 reuseport;
        {rules}
        pull /free {{ echo; }}
        pull /echo {{ echo; }}
        push /tell {{ empty; }}
        {routes}
    }}
}}
"""


def meter(server, name, zone):
    rows = [row["total"] for row in server.status()["meters"]
            if row["name"] == name and row["zone"] == zone]
    return rows[0] if rows else None


def is_let_in(server, source="127.0.0.1", port="$PORT"):
    """A session that is let in answers; the caller that does so is returned."""
    caller = Caller(server, port, source=source)
    try:
        caller.send(Packet(uri="/free", body=b"1"))
        assert caller.receive().status_code == 200
        return caller
    except (AssertionError, ConnectionError):
        caller.close()
        return None


def codes(caller, uri, count, **fields):
    caller.send(*[Packet(uri=uri, seq=seq, body=b"1", **fields) for seq in range(count)])
    return [reply.status_code for reply in caller.receive_many(count)]


@pytest.mark.parametrize("workers", [1, 4])
def test_an_address_has_so_many_sessions_on_all_workers_together(start_server, workers):
    server = start_server(conf("limit_conn 6 zone=addr;", workers))
    held = [is_let_in(server, port="$PORT2") for _ in range(6)]

    assert all(held)
    assert not any(is_let_in(server, port="$PORT2") for _ in range(5))
    assert is_let_in(server, source="127.0.0.2", port="$PORT2")
    assert meter(server, "limit_refused", "addr") == 5
    assert "what=refused zone=addr remote=127.0.0.1:" in server.wait_for_log("limit-reached")["details"]
    assert "reason=limit-reached" in server.wait_for_log("session-closed")["details"]
    held[0].close()
    wait_until(lambda: is_let_in(server, port="$PORT2"), "there is room for one more")


def test_a_dead_workers_sessions_are_forgotten(start_server):
    server = start_server(conf("limit_conn 8 zone=addr;", 2))
    held = []

    def on_each():
        held.append(is_let_in(server, port="$PORT2"))
        return all(worker["sessions"] > 0 for worker in server.workers().values())

    wait_until(on_each, "each worker has a session")
    while len(held) < 8:
        held.append(is_let_in(server, port="$PORT2"))
    assert is_let_in(server, port="$PORT2") is None
    lost = server.workers()[0]["sessions"]
    pid = server.worker_pids()[0]
    os.kill(pid, signal.SIGKILL)
    server.wait_for_replacement(0, pid)
    server.wait_for_workers(2)

    let_in = [is_let_in(server, port="$PORT2") for _ in range(lost + 3)]
    assert sum(caller is not None for caller in let_in) == lost


def test_a_reload_counts_who_is_there_already(start_server):
    server = start_server(conf("limit_conn 3 zone=addr;"))
    held = [is_let_in(server) for _ in range(3)]

    for rules in ("limit_conn 3 zone=addr;", "limit_conn 3 zone=addr entries=50000;"):
        server.write_conf(conf(rules))
        server.reload()
        assert is_let_in(server) is None
    assert "outcome=copied" in server.wait_for_log("table-changed")["details"]
    held.pop().close()
    wait_until(lambda: is_let_in(server), "there is room for one more")


def test_a_reload_counts_by_all_rules_that_share_a_zone(start_server):
    rules = "limit_total 2 zone=main; limit_conn 100 zone=main;"
    server = start_server(conf(rules))
    held = [is_let_in(server) for _ in range(2)]

    for _ in range(2):
        assert all(held) and is_let_in(server) is None
        server.reload()
    held.pop().close()
    wait_until(lambda: is_let_in(server), "there is room for one more")


def test_ipv6_addresses_of_one_network_count_together(start_server):
    rules = "proxy_protocol_from 127.0.0.1; limit_conn 2 zone=addr;"
    server = start_server(conf(rules).replace("$PORT;", "$PORT proxy_protocol;"))

    def is_let_in_from(address):
        caller = Caller(server)
        caller.send(f"PROXY TCP6 {address} ::1 56324 443\r\n".encode(), Packet(uri="/free", body=b"1"))
        try:
            return caller.receive().status_code == 200
        except (AssertionError, ConnectionError):
            return False

    assert is_let_in_from("2001:db8:0:1::1") and is_let_in_from("2001:db8:0:1:ffff::2")
    assert not is_let_in_from("2001:db8:0:1::3")
    assert is_let_in_from("2001:db8:0:2::1")


def test_an_address_without_room_in_the_table_is_refused(start_server):
    server = start_server(conf("limit_conn 5 zone=addr entries=1;"))
    hosts = [f"127.0.0.{host}" for host in range(1, 20)]
    held = [is_let_in(server, source=host) for host in hosts]
    refused = [host for host, caller in zip(hosts, held) if caller is None]

    assert held[0] and refused
    assert meter(server, "limit_refused", "addr") == len(refused)
    assert meter(server, "limit_uncounted", "addr") == 0
    server.wait_for_log("limit-reached", "what=table-full zone=addr")
    assert is_let_in(server, source=hosts[0])
    for caller in held:
        if caller:
            caller.close()
    wait_until(lambda: is_let_in(server, source=refused[0]), "there is room for another address")


def two_servers(rules, other_rules):
    return f"""
worker_processes 1;
events {{ worker_connections 1024; }}
peer {{
    server {{ listen 127.0.0.1:$PORT; {rules} pull /free {{ echo; }} }}
    server {{ listen 127.0.0.1:$PORT2; {other_rules} pull /free {{ echo; }} }}
}}
"""


def test_a_reload_forgets_who_is_counted_no_more(start_server):
    rule = "limit_conn 3 zone=addr;"
    server = start_server(two_servers(rule, rule))
    held = [is_let_in(server), is_let_in(server), is_let_in(server, port="$PORT2")]

    assert all(held)
    assert is_let_in(server) is None
    # Those of the first server are not counted any more, whether they stay or go.
    server.write_conf(two_servers("", rule))
    server.reload()
    more = []

    def fill():
        caller = is_let_in(server, port="$PORT2")
        more.extend([caller] if caller else [])
        return len(more) == 2

    wait_until(fill, "there is room for two more")
    assert is_let_in(server, port="$PORT2") is None
    held[0].close()
    held[1].close()
    wait_until(lambda: server.total("sessions") == 3, "they have gone")
    assert is_let_in(server, port="$PORT2") is None
    # Nor is there anything left behind in a table of another size.
    server.write_conf(two_servers("", "limit_conn 3 zone=addr entries=50000;"))
    server.reload()
    held[2].close()
    wait_until(lambda: server.total("sessions") == 2, "it has gone")
    assert is_let_in(server, port="$PORT2")
    assert is_let_in(server, port="$PORT2") is None


def test_servers_have_so_many_sessions_in_all(start_server):
    server = start_server(conf("limit_total 4 zone=all;", 2))
    held = [is_let_in(server, source=f"127.0.0.{host}", port="$PORT2") for host in range(1, 5)]

    assert all(held)
    assert is_let_in(server, source="127.0.0.9") is None
    held[2].close()
    wait_until(lambda: is_let_in(server, source="127.0.0.9"), "there is room for one more")


SECRET = "key-of-thirty-two-bytes-or-more-x"
PROVED = "auth jwt key=conf/key alg=HS256; auth_sets_id off;"


def login(server, user, source=None, status=200):
    """A session that has proved who it is, and what it was told."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = b".".join(part(json.dumps(one).encode())
                       for one in ({"alg": "HS256", "typ": "JWT"}, {"sub": user}))
    made = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    caller = Caller(server, source=source)
    assert caller.pull("/auth", signed + b"." + part(made), codec=b"s").status_code == status
    return caller


@pytest.fixture(name="start_proving")
def start_with_key(make_server):
    def start(rules, workers=2):
        server = make_server(conf(PROVED + rules, workers))
        (server.prefix / "conf/key").write_text(SECRET)
        return server.start()
    return start


def test_an_id_has_so_many_sessions_from_anywhere(start_proving):
    server = start_proving("limit_conn 2 zone=user by=id;")
    held = [login(server, "ann", f"127.0.0.{host}") for host in (1, 2)]
    assert all(codes(caller, "/echo", 1) == [200] for caller in held)

    refused, other = login(server, "ann", status=429), login(server, "bob")
    assert refused.receive_rest() == []
    assert codes(other, "/echo", 1) == [200]
    assert meter(server, "limit_refused", "user") == 1
    server.wait_for_log("session-closed", "reason=limit-reached")
    assert "outcome=too-many" in server.log()
    held[0].close()
    wait_until(lambda: server.total("sessions") == 2, "a session has ended")
    assert codes(login(server, "ann"), "/echo", 1) == [200]


def test_an_address_is_counted_before_it_has_proved_anything(start_proving):
    server = start_proving("limit_conn 3 zone=addr;")
    server.hold(3)

    with pytest.raises((AssertionError, ConnectionError)):
        login(server, "ann")
    assert meter(server, "limit_refused", "addr") == 1
    assert codes(login(server, "ann", "127.0.0.2"), "/echo", 1) == [200]


def test_an_id_has_a_rate_in_all_its_sessions(start_proving):
    server = start_proving("limit_rate 1r/m zone=user key=$auth_id burst=4;")
    first, second = login(server, "ann"), login(server, "ann")

    assert codes(first, "/echo", 3) == [200] * 3
    assert codes(second, "/echo", 3) == [200, 429, 429]
    assert codes(login(server, "bob"), "/echo", 4) == [200] * 4


def test_a_reload_gives_a_rate_another_key_for_who_is_there_too(start_proving):
    rules = "limit_rate 1r/m zone=work key=KEY burst=4;"
    server = start_proving(rules.replace("KEY", "$remote_addr"), workers=1)
    first, second = login(server, "ann"), login(server, "bob")
    assert codes(first, "/echo", 4) + codes(second, "/echo", 1) == [200] * 4 + [429]

    server.write_conf(conf(PROVED + rules.replace("KEY", "$auth_id")))
    server.reload()
    assert codes(second, "/echo", 5) == [200] * 4 + [429]
    assert codes(first, "/echo", 1) == [200]


def test_rates_of_one_zone_have_keys_of_their_own(start_server):
    server = start_server(conf("", routes="""
        pull /mine { limit_rate 1r/m zone=work key=$session_number burst=2; echo; }
        pull /ours { limit_rate 1r/m zone=work key=$remote_addr burst=2; echo; }"""))
    first, second = Caller(server), Caller(server)

    assert codes(first, "/mine", 3) == [200, 200, 429]
    assert codes(first, "/ours", 2) == [200, 200]
    assert codes(second, "/ours", 1) == [429]
    assert codes(second, "/mine", 2) == [200, 200]


def test_each_session_has_a_rate_of_its_own(start_server):
    server = start_server(conf("limit_rate 1r/m zone=own burst=5;"))
    first, second = Caller(server), Caller(server)

    assert codes(first, "/echo", 8) == [200] * 5 + [429] * 3
    assert codes(second, "/echo", 5) == [200] * 5
    assert meter(server, "limit_refused", "own") == 3
    server.wait_for_log("limit-reached", "what=refused zone=own")


def test_pushes_are_counted_and_dropped(start_server):
    server = start_server(conf("limit_rate 1r/m zone=own burst=3;"))
    caller = Caller(server)

    caller.send(*[Packet(type=PUSH, uri="/tell", body=b"1") for _ in range(5)])
    assert codes(caller, "/echo", 2) == [429, 429]
    assert meter(server, "limit_refused", "own") == 4


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_share_the_rate_of_a_key(start_server, workers):
    server = start_server(conf("limit_rate 1r/m zone=addr key=$remote_addr burst=20;", workers))
    callers = [Caller(server, "$PORT2") for _ in range(8)]
    found = [code for caller in callers for code in codes(caller, "/echo", 5)]

    assert found.count(200) == 20
    assert found.count(429) == 20
    assert codes(Caller(server, source="127.0.0.2"), "/echo", 20) == [200] * 20


def test_rates_of_routes_replace_those_of_their_server(start_server):
    server = start_server(conf("limit_rate 1r/m zone=wide burst=4;", routes="""
        pull /narrow { limit_rate 1r/m zone=narrow key=$route burst=1; echo; }
        pull /each/* { limit_rate 1r/m zone=uri key=$arg_user burst=2; echo; }
    """))
    caller = Caller(server)

    assert codes(caller, "/narrow", 3) == [200, 429, 429]
    assert codes(Caller(server), "/narrow", 1) == [429]
    assert codes(caller, "/each/x?user=ann", 3) == [200, 200, 429]
    assert codes(caller, "/each/y?user=bob", 3) == [200, 200, 429]
    # Where the key is empty the rule does not count.
    assert codes(caller, "/each/y", 9) == [200] * 9
    assert codes(caller, "/echo", 5) == [200] * 4 + [429]
    assert codes(caller, "/nowhere", 1) == [429]


def test_bytes_are_counted_whatever_a_packets_size(start_server):
    server = start_server(conf("limit_rate 1k/s zone=bytes burst=20k;"))
    caller = Caller(server)
    large = Packet(uri="/echo", body=b'"' + b"x" * 9000 + b'"')

    caller.send(*[large] * 4)
    assert [reply.status_code for reply in caller.receive_many(4)] == [200, 200, 429, 429]
    # A packet that is larger than the burst passes when nothing came before it.
    caller = Caller(server)
    caller.send(*[Packet(uri="/echo", body=b'"' + b"x" * 50000 + b'"')] * 2)
    assert [reply.status_code for reply in caller.receive_many(2)] == [200, 429]


def test_a_slow_rate_holds_whatever_a_packets_size(start_server):
    # A packet of 1 MB takes a century at this rate.
    server = start_server(conf("limit_rate 1/h zone=bytes burst=600k;"))
    caller = Caller(server)

    caller.send(*[Packet(uri="/echo", body=b'"' + b"x" * 1_000_000 + b'"')] * 3)
    assert [reply.status_code for reply in caller.receive_many(3)] == [200, 429, 429]


def test_what_comes_too_fast_may_wait(start_server):
    server = start_server(conf("limit_rate 20r/s zone=slow burst=1 delay=500ms;"))
    caller = Caller(server)
    begin = time.monotonic()
    found = codes(caller, "/echo", 20)
    took = time.monotonic() - begin

    assert sorted(found) == [200] * 11 + [429] * 9
    assert took >= 0.49
    assert meter(server, "limit_delayed", "slow") == 10
    # Who goes away meanwhile leaves nothing behind.
    caller.send(*[Packet(uri="/echo", seq=seq, body=b"1") for seq in range(5)])
    caller.close()
    wait_until(lambda: server.total("sessions") == 0, "the session ends")


def test_what_one_rate_refuses_costs_the_others_nothing(start_server):
    server = start_server(conf("""
        limit_rate 1r/m zone=first burst=10;
        limit_rate 1r/m zone=addr key=$remote_addr burst=10;
        limit_rate 1r/m zone=last key=$arg_user burst=2;
    """))
    caller = Caller(server)

    assert codes(caller, "/echo?user=ann", 9) == [200, 200] + [429] * 7
    assert codes(caller, "/echo", 9) == [200] * 8 + [429]


def test_a_dry_run_refuses_nothing_and_tells(start_server):
    server = start_server(conf("""
        limit_dry_run on; limit_conn 1 zone=addr; limit_rate 1r/m zone=own burst=1;
    """))
    assert codes(Caller(server), "/echo", 3) == [200] * 3
    assert codes(Caller(server), "/echo", 1) == [200]
    assert meter(server, "limit_would_refuse", "own") == 2
    assert meter(server, "limit_would_refuse", "addr") == 1
    assert meter(server, "limit_refused", "own") == 0
    server.wait_for_log("limit-reached", "what=would-refuse zone=addr")
    server.wait_for_log("limit-reached", "what=would-refuse zone=own")


def test_http_is_told_429(start_server):
    server = start_server(conf("limit_rate 1r/m zone=addr key=$remote_addr burst=1;"))
    caller = Browser(server)

    assert caller.ask("POST", "/echo", b"1").code == 200
    assert caller.ask("POST", "/echo", b"1").code == 429


@pytest.mark.parametrize("rules, mistake", [
    ("limit_conn;", "MAX"),
    ("limit_conn 0 zone=a;", "MAX"),
    ("limit_conn 5;", "it needs a name: zone=NAME"),
    ("limit_conn 5 zone=a by=cookie;", "address"),
    ("limit_conn 5 zone=\"a b\";", "a table's name"),
    ("limit_conn 5 zone=a; limit_conn 6 zone=a;", "another rule here has this zone"),
    ("limit_total 5;", "it needs a name: zone=NAME"),
    ("limit_total 5 zone=a by=id;", "by"),
    ("limit_rate 5 zone=a;", "a rate such as 100r/s, 10r/m or 64k/s"),
    ("limit_rate 0r/s zone=a;", "a rate such as"),
    ("limit_rate 5r/d zone=a;", "a rate such as"),
    ("limit_rate r/s zone=a;", "a rate such as"),
    ("limit_rate 5x/s zone=a;", "a rate such as"),
    ("limit_rate 5r/s;", "it needs a name: zone=NAME"),
    ("limit_rate 5r/s zone=a key=$nothing;", "nothing"),
    ("limit_rate 5r/s zone=a delay=1h;", "1m"),
    ("limit_rate 5r/s zone=a; limit_rate 6r/s zone=a;", "another rate here has this zone"),
    ("limit_rate 1r/h zone=a burst=3m;", "at this rate the burst takes more than 73 years"),
    ("limit_rate 1/h zone=a burst=1g;", "at this rate the burst takes more than 73 years"),
    ("limit_conn 5 zone=a; limit_rate 6r/s zone=a key=$route;", "entries of another kind"),
    ("limit_dry_run maybe;", "\"on\" or \"off\""),
])
def test_wrong_rules_are_refused(make_server, rules, mistake):
    server = make_server(conf(rules))
    code, _, errors = server.run("-t")

    assert code == 1
    assert mistake in errors


@pytest.fixture(name="descriptors")
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"a process may have {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_sockets(server, count):
    """Sessions that cost little: a socket each, closed at the end of the test."""
    address = ("127.0.0.1", server.port())
    sockets = []
    for _ in range(count):
        one = socket.create_connection(address, timeout=30)
        server.connections.append(one)
        sockets.append(one)
    return sockets


def test_one_of_ten_thousand_sessions_is_held_to_its_limit(start_server, descriptors):
    rate, seconds = 100, 3
    server = start_server(conf(f"limit_rate {rate}r/s zone=own;", 2)
                          + f"worker_rlimit_nofile {DESCRIPTORS};\n")
    others = open_sockets(server, SESSIONS - 1)
    greedy = Caller(server)
    others_ask = Packet(uri="/echo", seq=7, body=b"1").encode()
    burst = b"".join(Packet(uri="/echo", body=b"1").encode() for _ in range(rate))

    granted, asked, begin = 0, 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        # A hundred times its limit: a hundred bursts a second.
        greedy.send(burst)
        asked += rate
        replies = greedy.receive_many(rate)
        granted += sum(reply.status_code == 200 for reply in replies)
        end = time.monotonic()
        for one in others[asked // rate % 50::50]:
            one.sendall(others_ask)
        time.sleep(max(0, begin + asked / (100 * rate) - time.monotonic()))
    wanted = rate + rate * (end - begin)
    assert abs(granted - wanted) <= 0.05 * wanted, (granted, wanted, asked)

    ask_count = {one: 0 for one in others}
    for round_at in range(1, asked // rate + 1):
        for one in others[round_at % 50::50]:
            ask_count[one] += 1
    reply = answer_to(others_ask, server)
    for one in others:
        received = b""
        while len(received) < len(reply) * ask_count[one]:
            received += one.recv(65536)
        assert received == reply * ask_count[one]


def answer_to(packet, server):
    with socket.create_connection(("127.0.0.1", server.port()), timeout=30) as one:
        one.sendall(packet)
        return one.recv(65536)

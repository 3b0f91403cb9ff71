"""Numbers are true: what was sent, by whichever way and to whichever worker, is what is counted."""
import json
import re
import socket
import struct
from collections import Counter

import pytest

from harness.http import Browser
from harness.wait import wait_until
from harness.wire25 import PUSH, Caller, Packet, frame
from test_registry import Member

SCHEMES = {"teleport": "teleport", "raw": "raw", "json": "json", "protobuf": "protobuf",
           "http": "http", "ws": "websocket"}
WITHOUT_PUSH = {"http"}

CONF = """
worker_processes {workers};
error_log logs/error.log info;
peer {{
    slow_threshold 40ms;
    access_log off;
    server {{
        listen 127.0.0.1:$PORT;
        packet_limit 64k;
        {more}
        pull /echo   {{ echo; }}
        pull /denied {{ return 403 "not you"; }}
        pull /slow   {{ sleep 60ms; }}
        push /told   {{ empty; }}
    }}
    server {{
        listen 127.0.0.1:$PORT2;
        statistics off;
        pull /stats     {{ stats; }}
        pull /control/* {{ control; }}
    }}
}}
"""

# How often each protocol asks for each uri, by one session for each: uri -> (count, status).
MIX = {"/echo": (5, 200), "/denied": (3, 403), "/slow": (1, 200), "/nowhere": (2, 404)}
PUSHES = 4

# What strangers name has so many rows of its own: TP_STATS_CODES_MAX, TP_STATS_MEMBERS_MAX.
CODES_MAX = 32
MEMBERS_MAX = 256


def read_stats(server):
    browser = Browser(server, "$PORT2")
    try:
        return json.loads(browser.ask("GET", "/stats").body)
    finally:
        browser.close()


def find(stats, group, **labels):
    """The one row with these labels; an empty one where nobody has counted."""
    found = [row for row in stats.get(group, ())
             if all(row[name] == value for name, value in labels.items())]
    assert len(found) <= 1, found
    return found[0] if found else {}


def send_mix(server, tp):
    for scheme in SCHEMES:
        address = f"{scheme}://127.0.0.1:{server.port()}"
        for uri, (count, status) in MIX.items():
            for _ in range(count):
                code, output, errors = tp.run("pull", address, uri, '"x"')
                assert (code == 0) == (status == 200), (uri, output, errors)
        for _ in range(0 if scheme in WITHOUT_PUSH else PUSHES):
            assert tp.run("push", address, "/told", '"x"')[0] == 0


def check_mix(server, times):
    """Every count of the mix, sent so many times."""
    def is_settled():
        rows = read_stats(server).get("traffic", ())
        return all(row["sessions"] == 0 for row in rows)

    wait_until(is_settled, what="all sessions have ended")
    stats = read_stats(server)
    name = f"127.0.0.1:{server.port()}"
    all_of = len(SCHEMES) * times
    pushing = (len(SCHEMES) - len(WITHOUT_PUSH)) * times

    for uri, (count, status) in MIX.items():
        if uri == "/nowhere":
            row = find(stats, "routes", server=name, uri="-")
        else:
            row = find(stats, "routes", server=name, uri=uri, type="PULL")
        expected = count * all_of
        assert row["exchanges"] == expected, (uri, row)
        assert row["errors"] == (0 if status == 200 else expected)
        assert row["slow"] == (expected if uri == "/slow" else 0)
        assert row["in_flight"] == 0
        assert row["duration"]["count"] == expected
        assert row["received_bytes"] > 0 and row["sent_bytes"] > 0
        if uri == "/slow":
            assert row["duration"]["sum_us"] >= expected * 59000
            assert row["duration"]["p50_us"] >= 59000
        else:
            assert row["duration"]["p50_us"] < 60000
    told = find(stats, "routes", server=name, uri="/told", type="PUSH")
    assert (told["exchanges"], told["errors"]) == (PUSHES * pushing, 0)

    statuses = {row["code"]: row["exchanges"] for row in stats["statuses"]
                if row["server"] == name}
    assert statuses == {"403": MIX["/denied"][0] * all_of, "404": MIX["/nowhere"][0] * all_of}

    pulls = sum(count for count, _ in MIX.values())
    for scheme, protocol in SCHEMES.items():
        row = find(stats, "traffic", name=name, protocol=protocol, kind="listen")
        pushes = 0 if scheme in WITHOUT_PUSH else PUSHES
        assert row["received_packets"] == (pulls + pushes) * times, (scheme, row)
        assert row["sent_packets"] == pulls * times, (scheme, row)
        upgraded = pulls + PUSHES if scheme == "http" else 0  # WebSocket begins as HTTP
        assert row["begun"] == (pulls + pushes + upgraded) * times, (scheme, row)
        assert row["sessions"] == 0
        assert row["received_bytes"] > 0 and row["sent_bytes"] > 0
    return stats


@pytest.mark.parametrize("workers", (1, 4))
def test_a_known_mix_is_counted_once_whatever_happens_to_workers(start_server, tp, workers):
    server = start_server(CONF.format(workers=workers, more=""))
    send_mix(server, tp)
    check_mix(server, times=1)

    server.reload()
    send_mix(server, tp)
    check_mix(server, times=2)

    first = server.worker_pids()[0]
    server.signal(9, first)
    server.wait_for_replacement(0, first)
    check_mix(server, times=2)
    send_mix(server, tp)
    stats = check_mix(server, times=3)
    assert stats["totals"]["worker_starts"] == workers + 1


def test_what_is_in_flight_in_a_killed_worker_is_not_in_flight_any_more(start_server):
    server = start_server(CONF.format(workers=2, more="pull /long { sleep 1h; }"))
    callers = [Caller(server) for _ in range(6)]
    name = f"127.0.0.1:{server.port()}"

    def long_row():
        return find(read_stats(server), "routes", uri="/long")

    for caller in callers:
        caller.send(Packet(uri="/long", seq=1))
    wait_until(lambda: long_row().get("in_flight") == 6, what="all are in flight")
    assert find(read_stats(server), "traffic", name=name, protocol="teleport")["sessions"] == 6
    for slot, pid in server.worker_pids().items():
        server.signal(9, pid)
        server.wait_for_replacement(slot, pid)
    assert long_row()["in_flight"] == 0
    assert long_row()["exchanges"] == 0
    assert find(read_stats(server), "traffic", name=name, protocol="teleport")["sessions"] == 0
    for caller in callers:
        caller.close()


def test_what_the_server_asks_is_counted_apart(start_server, tp):
    server = start_server(CONF.format(workers=2, more="pull /join { session_id $arg_id; }"))
    caller = Caller(server)
    caller.pull("/join?id=lamp")
    address = f"teleport://127.0.0.1:{server.port('$PORT2')}"
    for _ in range(3):
        assert tp.run("pull", address, "/control/push",
                      '{"id":"lamp","uri":"/light","body":1}')[0] == 0
    for _ in range(3):
        assert caller.receive().uri == "/light"
    stats = read_stats(server)
    row = find(stats, "asked", type="PUSH")
    assert (row["exchanges"], row["errors"], row["in_flight"]) == (3, 0, 0)
    assert row["sent_bytes"] > 0
    caller.close()


def test_a_session_has_begun_once_however_often_it_is_reloaded(start_server):
    def conf(route):
        return CONF.format(workers=2, more=f"pull /{route} {{ echo; }}")

    server = start_server(conf("first"))
    callers = [Caller(server) for _ in range(5)]
    name = f"127.0.0.1:{server.port()}"

    def traffic():
        return find(read_stats(server), "traffic", name=name, protocol="teleport")

    for route in ("first", "second", "third", "fourth"):
        server.write_conf(conf(route))
        server.reload()
        for caller in callers:  # it has moved over when the route of the new configuration is there
            wait_until(lambda: caller.pull(f"/{route}", b"1").status_code == 200, what="it moves")
        assert (traffic()["begun"], traffic()["sessions"]) == (5, 5), route
    for caller in callers:
        caller.close()
    wait_until(lambda: traffic()["sessions"] == 0, what="all sessions have ended")
    Caller(server).pull("/fourth", b"1")
    assert traffic()["begun"] == 6


def reset(caller):
    """Ends a connection by a reset."""
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()


CLOSES = {
    "peer-closed": lambda server: Caller(server).close(),
    "connection-broken": lambda server: reset(Caller(server)),
    "packet-too-large": lambda server: Caller(server).send(struct.pack(">I", 1 << 20) + b"j" * 64),
    "protocol-error": lambda server: Caller(server).send(frame(b"j{broken")),
    "unsupported-type": lambda server: Caller(server).send(Packet(type=9, uri="/echo", seq=1)),
    "packet-timeout": lambda server: Caller(server).send(struct.pack(">I", 100) + b"j"),
    "read-timeout": lambda server: Caller(server),
}


def test_closes_are_counted_by_reason(start_server):
    """As often as the log says so, which names each."""
    server = start_server(CONF.format(workers=2, more="packet_timeout 200ms; read_timeout 900ms;"))
    left = []
    for times, reason in enumerate(CLOSES, start=1):
        for _ in range(times):
            left.append(CLOSES[reason](server))
    for times, reason in enumerate(CLOSES, start=1):
        server.wait_for_log("session-closed", f"reason={reason}", count=times)

    def logged():
        return Counter(re.search(r"reason=(\S+)", line["details"]).group(1)
                       for line in server.log_lines("session-closed")
                       if f"listen=127.0.0.1:{server.port()} " in line["details"])

    def counted():
        return {row["reason"]: row["sessions"] for row in read_stats(server)["closes"]}

    wait_until(lambda: counted() == dict(logged()), what="closes are as the log says")
    assert set(CLOSES) <= set(counted())


def test_what_is_slow_is_remembered_slowest_first(start_server, tp):
    server = start_server(CONF.format(workers=2, more="pull /slower { sleep 120ms; }"))
    for uri in ("/slow", "/slower", "/echo", "/slow"):
        assert tp.run("pull", f"127.0.0.1:{server.port()}", uri)[0] == 0
    slow = read_stats(server)["slow"]
    assert [row["uri"] for row in slow] == ["/slower", "/slow", "/slow"]
    assert slow[0]["duration_us"] >= 118000 and slow[0]["code"] == 200
    assert slow[0]["type"] == "PULL" and slow[0]["remote"].startswith("127.0.0.1:")


def test_statistics_off_counts_nothing_of_a_server(start_server, tp):
    server = start_server(CONF.format(workers=1, more="statistics off;"))
    assert tp.run("pull", f"127.0.0.1:{server.port()}", "/echo")[0] == 0
    stats = read_stats(server)
    for group in ("routes", "statuses", "traffic", "closes", "asked"):
        assert not stats.get(group), (group, stats[group])
    assert stats["totals"]["sessions_accepted"] > 0


def test_what_is_passed_on_is_counted_by_server(start_server, tp):
    backend = start_server("""
        worker_processes 1;
        peer { server { listen 127.0.0.1:$PORT; pull /echo { echo; } } }
        """)
    server = start_server(CONF.format(workers=2, more=f"""
        pull /far  {{ proxy_pass 127.0.0.1:{backend.port()}; }}
        pull /room {{ proxy_pass pool; }}""").replace("slow_threshold 40ms;", f"""
        slow_threshold 40ms;
        upstream pool {{
            server 127.0.0.1:{backend.port()} max_fails=1 fail_timeout=1h;
            server 127.0.0.1:1 max_fails=1 fail_timeout=1h;
        }}"""))
    address = f"127.0.0.1:{server.port()}"
    for _ in range(6):
        assert tp.run("pull", address, "/room", '"x"')[0] != 0  # 404: the backend has /echo only
    near = f"127.0.0.1:{backend.port()}"

    def row(upstream, place):
        return find(read_stats(server), "upstreams", upstream=upstream, address=place)

    assert row("pool", near)["exchanges"] == 6
    assert row("pool", near)["errors"] == 0  # a 404 is an answer
    assert row("pool", near)["duration"]["count"] == 6
    assert row("pool", near)["in_flight"] == 0
    assert row("pool", near)["sessions"] == 2  # one of each worker
    assert row("pool", "127.0.0.1:1")["exchanges"] == 0
    assert row("pool", "127.0.0.1:1")["sessions"] == 0
    for name in ("logs/teleport.control", "logs/teleport.pid"):
        backend.allow_file(name)
    backend.die()
    wait_until(lambda: row("pool", near)["sessions"] == 0, "its sessions have ended")
    server.write_conf(CONF.format(workers=2, more=""))
    server.reload()


@pytest.mark.parametrize("workers", (1, 2))
def test_a_server_is_down_until_its_fail_timeout_though_nobody_asks(start_server, workers):
    """Those that have only heard of it, too; whether it is well is known when somebody asks."""
    server = start_server(CONF.format(workers=workers, more="pull /room { proxy_pass pool; }")
                          .replace("slow_threshold 40ms;", """
        upstream pool { server http://127.0.0.1:1 max_fails=1 fail_timeout=5s; }"""))
    caller = Caller(server)

    def down():
        return find(read_stats(server), "upstreams", upstream="pool").get("is_down")

    assert down() == 0
    assert caller.pull("/room", b"1").status_code >= 500
    wait_until(lambda: down() == workers, what="all workers leave it alone")
    asked = find(read_stats(server), "upstreams", upstream="pool")["exchanges"]
    wait_until(lambda: down() == 0, what="the time is over")
    assert find(read_stats(server), "upstreams", upstream="pool")["exchanges"] == asked
    assert not server.log_lines("upstream-up")
    caller.close()


def test_codes_that_strangers_think_of_take_a_bounded_number_of_rows(start_server):
    """Those that this server knows are always counted by themselves."""
    codes = range(1001, 1001 + CODES_MAX + 10)
    back = start_server("peer { server { listen 127.0.0.1:$PORT; %s } }"
                        % "".join(f'pull /{code} {{ return {code} "no"; }}' for code in codes))
    server = start_server(CONF.format(workers=2, more=f"""
        pull /* {{ proxy_pass 127.0.0.1:{back.port()}; }}"""))
    name = f"127.0.0.1:{server.port()}"
    caller = Caller(server)

    for code in (*codes, *codes):
        wait_until(lambda: caller.pull(f"/{code}").status_code != 503, what="it is connected")
    assert caller.pull("/denied").status_code == 403
    counted = {row["code"]: row["exchanges"] for row in read_stats(server)["statuses"]
               if row["server"] == name and row["code"] != "503"}
    assert counted == {**{str(code): 2 for code in codes[:CODES_MAX]}, "other": 20, "403": 1}
    server.disconnect()


def test_services_that_strangers_register_take_a_bounded_number_of_rows(start_server):
    server = start_server("""
worker_processes 2;
peer {
    body_codec json;
    registry_services 1024;
    server {
        listen 127.0.0.1:$PORT;
        registry on;
        registry_allow * by=anybody;
        push * { proxy_pass registry; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        statistics off;
        pull /stats { stats; }
    }
}""")
    caller, members = Caller(server), []
    count = 0
    while count < MEMBERS_MAX + 40:
        if count % 64 == 0:  # as many as a session may announce
            members.append(Member(server))
        members[-1].done("register", service=f"s{count}", uris=[f"/s{count}"])
        count += 1
    for number in range(count):
        for _ in range(2):
            caller.send(Packet(uri=f"/s{number}", type=PUSH, body=b"1"))

    def rows():
        return read_stats(server).get("upstreams", ())

    wait_until(lambda: sum(row["exchanges"] for row in rows()) == 2 * count, what="all are counted")
    counted = {row["upstream"]: row["exchanges"] for row in rows()}
    assert counted == {**{f"/s{number}": 2 for number in range(MEMBERS_MAX)}, "other": 80}
    assert [row["address"] for row in rows() if row["upstream"] == "other"] == ["other"]
    for each in (caller, *members):
        each.close()

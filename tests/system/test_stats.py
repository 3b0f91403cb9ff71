"""stats: all that is counted, as JSON, over any protocol; and the same in -s status."""
import json
import time

import pytest

from harness.build import configure
from harness.http import Browser
from harness.wait import wait_until
from harness.wire25 import JSON, PUSH, Caller, Packet

CONF = """
worker_processes 2;
peer {
    server {
        listen 127.0.0.1:$PORT;
        limit_rate 1000r/s key=$remote_addr zone=per_address burst=100;
        pull /echo { echo; }
        pull /math/* { sum; }
        pull /slow { slow_threshold 1ms; sleep 5ms; }
        pull /wrong { return 404 "no"; }
        push * { empty; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /stats { stats; }
    }
}
"""

HISTOGRAM = ["count", "sum_us", "p50_us", "p90_us", "p99_us", "p999_us", "max_us", "buckets"]


@pytest.fixture(name="server")
def stats_server(start_server):
    return start_server(CONF)


def stats(server, port="$PORT2"):
    browser = Browser(server, port)
    reply = browser.ask(target="/stats")
    browser.close()
    assert reply.code == 200
    assert reply.get("Content-Type") == "application/json"
    assert reply.get("Cache-Control") == "no-store"
    return json.loads(reply.body)


def route(shown, uri, kind="PULL"):
    rows = [row for row in shown["routes"] if row["uri"] == uri and row["type"] == kind]
    assert len(rows) == 1, rows
    return rows[0]


def test_what_was_asked_is_shown(server):
    caller = Caller(server)
    for _ in range(5):
        assert caller.pull("/echo", b"1").status_code == 200
    assert caller.pull("/wrong").status_code == 404
    assert caller.pull("/slow", b"1").status_code == 200
    caller.send(Packet(uri="/told", type=PUSH, body=b"1"))
    assert caller.is_well()    # which is an echo, too

    shown = stats(server)

    assert route(shown, "/echo")["exchanges"] == 6
    assert route(shown, "/echo")["errors"] == 0
    assert list(route(shown, "/echo")["duration"]) == HISTOGRAM
    assert route(shown, "/echo")["duration"]["count"] == 6
    assert sum(route(shown, "/echo")["duration"]["buckets"].values()) == 6
    assert route(shown, "/wrong")["errors"] == 1
    assert route(shown, "/slow")["slow"] == 1
    assert route(shown, "/slow")["duration"]["max_us"] >= 4000
    assert route(shown, "*", "PUSH")["exchanges"] == 1
    assert [row["exchanges"] for row in shown["statuses"] if row["code"] == "404"] == [1]
    assert [row for row in shown["meters"]
            if row["name"] == "limit_refused" and row["zone"] == "per_address"]


def test_the_server_its_workers_and_totals(server):
    shown = stats(server)

    assert shown["server"]["generation"] == 1
    assert shown["server"]["uptime_seconds"] > 0
    assert abs(shown["server"]["time"] - time.time()) < 60
    assert [worker["slot"] for worker in shown["workers"]] == [0, 1]
    assert {worker["state"] for worker in shown["workers"]} == {"running"}
    assert [worker["pid"] for worker in shown["workers"]] == list(server.worker_pids().values())
    assert all(list(worker)[5:] == list(shown["totals"]) for worker in shown["workers"])
    for name in ("worker_starts", "sessions_refused", "accept_failures"):    # what stands still
        assert shown["totals"][name] == sum(worker[name] for worker in shown["workers"]), name
    assert shown["totals"]["worker_starts"] == 2
    server.reload()
    wait_until(lambda: stats(server)["server"]["generation"] == 2, "the reload shows")


def test_slow_exchanges_are_named(server):
    assert Caller(server).pull("/slow?who=<b>&amp", b"1").status_code == 200

    (slow,) = stats(server)["slow"]

    assert slow["uri"].startswith("/slow")
    assert slow["type"] == "PULL" and slow["code"] == 200 and not slow["is_ours"]
    assert slow["duration_us"] >= 4000
    assert slow["remote"].startswith("127.0.0.1:")
    assert slow["worker"] in (0, 1) and slow["session"] > 0


def test_slow_exchanges_that_were_passed_on_are_named_on_both_sides(start_server):
    """Their requests' bytes have moved on long before they end."""
    back = start_server(CONF)
    front = start_server(f"""
worker_processes 1;
peer {{
    slow_threshold 1ms;
    upstream back {{ server 127.0.0.1:{back.port("$PORT")}; }}
    server {{
        listen 127.0.0.1:$PORT;
        pull /slow {{ proxy_pass back; }}
        pull /echo {{ echo; }}
    }}
    server {{
        listen 127.0.0.1:$PORT2;
        pull /stats {{ slow_threshold off; stats; }}
    }}
}}
""")
    callers = [Caller(front) for _ in range(4)]
    for caller in callers:
        caller.send(Packet(uri="/slow?secret=1", body=b"x" * 5000))
    for caller in callers:
        assert caller.receive().status_code == 200

    shown = stats(front)["slow"]

    assert len(shown) == 8 and {row["uri"] for row in shown} == {"/slow"}
    assert sorted(row["is_ours"] for row in shown) == [False] * 4 + [True] * 4
    front.disconnect()


def test_any_protocol_is_answered(server):
    reply = Caller(server, "$PORT2").pull("/stats")
    assert reply.status_code == 200 and reply.codec == JSON
    assert "routes" in json.loads(reply.body)


def test_the_status_has_the_same(server):
    assert Caller(server).pull("/echo", b"1").status_code == 200
    shown, status = stats(server), server.status()

    assert route(status, "/echo") == route(shown, "/echo")
    assert set(shown) - {"server"} <= set(status)
    assert {row["name"] for row in shown["meters"]} == {row["name"] for row in status["meters"]}


def test_counts_survive_a_worker_and_a_reload(server):
    for _ in range(8):
        assert Caller(server).pull("/echo", b"1").status_code == 200
    slot, pid = next(iter(server.worker_pids().items()))
    server.signal(9, pid=pid)
    server.wait_for_replacement(slot, pid)
    server.reload()

    shown = stats(server)

    assert route(shown, "/echo")["exchanges"] == 8
    assert route(shown, "/echo")["in_flight"] == 0


def test_strange_names_are_valid_json(start_server):
    server = start_server(CONF.replace("/echo", '"/é\\"\\\\<&>"'))

    assert [row["uri"] for row in stats(server)["routes"] if row["uri"].startswith("/é")] \
        == ['/é"\\<&>']


@pytest.mark.parametrize("text, complaint", [
    ("push /x { stats; }", '"stats" may not stand in "push"'),
    ("pull /x { stats on; }", "too many"),
    ("stats;", '"stats" may not stand in "server"'),
    ("pull /x { stats; echo; }", "echo"),
])
def test_wrong_uses_are_refused(make_server, text, complaint):
    server = make_server("peer { server { listen 127.0.0.1:$PORT; %s } }" % text)
    code, _, errors = server.run("-t")
    assert code == 1
    assert complaint in errors


def test_it_can_be_left_out(tmp_path):
    configured = configure(f"--objs={tmp_path}/objs", "--without-stats", "--without-metrics",
                           "--without-status_page")
    assert configured.returncode == 0, configured.stdout
    generated = (tmp_path / "objs/modules.c").read_text()
    for name in ("stats", "metrics", "status_page"):
        assert f"tp_module_{name}" not in generated
        assert f'{{ "{name}", "{name}" }}' in generated

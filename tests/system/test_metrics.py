"""metrics: all that is counted, as Prometheus reads it."""
import re
import shutil
import subprocess

import pytest

from harness import prometheus
from harness.http import Browser
from harness.teleport import ROOT
from harness.wire25 import PLAIN, Caller

CONF = """
worker_processes 2;
peer {
    server {
        listen 127.0.0.1:$PORT;
        limit_rate 1000r/s key=$remote_addr zone=per_address burst=100;
        pull /echo { echo; }
        pull /slow { slow_threshold 1ms; sleep 5ms; }
        pull /wrong { return 404 "no"; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /metrics { metrics; }
    }
}
"""

BUCKETS_MAX = 24


@pytest.fixture(name="server")
def metrics_server(start_server):
    return start_server(CONF)


def scrape(server):
    browser = Browser(server, "$PORT2")
    reply = browser.ask(target="/metrics")
    browser.close()
    assert reply.code == 200
    assert reply.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    return reply.body


def test_counts_are_true_and_well_formed(server):
    before = prometheus.read(scrape(server))
    caller = Caller(server)
    for _ in range(5):
        assert caller.pull("/echo", b"1").status_code == 200
    assert caller.pull("/wrong").status_code == 404
    assert caller.pull("/slow", b"1").status_code == 200

    families = prometheus.read(scrape(server))

    assert families["teleport_route_exchanges_total"].value(uri="/echo", type="PULL") == 5
    assert families["teleport_route_errors_total"].value(uri="/wrong") == 1
    assert families["teleport_route_slow_total"].value(uri="/slow") == 1
    assert families["teleport_status_exchanges_total"].value(code="404") == 1
    assert families["teleport_limit_refused_total"].value(zone="per_address") == 0
    count, total, buckets = families["teleport_route_duration_seconds"].histogram(uri="/slow")
    assert count == 1
    assert 0.004 <= total < 60
    assert all((end > total) == (seen == 1) for end, seen in buckets)
    assert len(buckets) <= BUCKETS_MAX
    assert families["teleport_build_info"].value(version=version()) == 1
    assert families["teleport_sessions_accepted_total"].value() \
        > before["teleport_sessions_accepted_total"].value()
    assert set(before) <= set(families)


def version():
    return re.search(r"version=([\d.]+)", (ROOT / "auto/version").read_text()).group(1)


def test_what_is_one_workers_names_the_worker(server):
    families = prometheus.read(scrape(server))
    for name in ("teleport_sessions", "teleport_loop_turn_max_seconds", "teleport_timers",
                 "teleport_worker_last_turn_seconds"):
        assert {dict(pairs)["worker"] for _, pairs in families[name].samples} == {"0", "1"}
    assert {dict(pairs)["worker"]
            for _, pairs in families["teleport_loop_turn_seconds"].samples} == {"0", "1"}
    for name, family in families.items():
        if name.startswith("teleport_route_"):
            assert all("worker" not in dict(pairs) for _, pairs in family.samples)


def test_any_protocol_is_answered(server):
    reply = Caller(server, "$PORT2").pull("/metrics")
    assert reply.status_code == 200 and reply.codec == PLAIN
    assert "teleport_uptime_seconds" in prometheus.read(reply.body)


@pytest.mark.parametrize("uri, meant", [
    (r'"/é\"\\{}=,"', '/é"\\{}=,'),
    ('"/x' + "é" * 90 + '"', "/x" + "é" * 46),    # labels are cut at 95 bytes, and stay texts
])
def test_strange_labels_are_escaped(start_server, uri, meant):
    server = start_server(CONF.replace("pull /echo", f"pull {uri}"))
    families = prometheus.read(scrape(server))
    assert meant in {dict(pairs)["uri"].rstrip("\ufffd")
                     for _, pairs in families["teleport_route_exchanges_total"].samples}


def test_names_are_those_of_the_reference(server):
    reference = (ROOT / "docs/reference/counters.md").read_text()
    guide = (ROOT / "docs/guide/stats.md").read_text()
    for name in prometheus.read(scrape(server)):
        assert f"| `{name}` |" in reference or f"`{name}`" in guide, name


def test_promtool_has_nothing_to_say(server):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool: ./configure --install-deps=all")
    assert Caller(server).pull("/echo", b"1").status_code == 200
    checked = subprocess.run([promtool, "check", "metrics"], input=scrape(server), timeout=60,
                             capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.parametrize("text", [
    "a 1",
    "# HELP a_total b\n# TYPE a_total counter\na_total 1",
    "# TYPE a_total counter\n# HELP a_total b\na_total 1\n",
    "# HELP a_total b\n# TYPE a_total counter\na_total 1\na_total 2\n",
    "# HELP a_total b\n# TYPE a_total counter\na_total{x=\"\\y\"} 1\n",
    "# HELP a_total b\n# TYPE a_total counter\na_total{x=\"y\",} 1\n",
    "# HELP a_total b\n# TYPE a_total counter\na_total{0x=\"y\"} 1\n",
    "# HELP a b\n# TYPE a counter\na 1\n",
    "# HELP a_ms b\n# TYPE a_ms gauge\na_ms 1\n",
    "# HELP a b\n# TYPE a gauge\na 1\n# HELP b c\n# TYPE b gauge\nb 1\na{x=\"1\"} 1\n",
    "# HELP a b\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n"
    "a_sum 1\na_count 1\n",
    "# HELP a b\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n",
    "# HELP a b\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
])
def test_the_reader_is_strict(text):
    with pytest.raises(prometheus.Malformed):
        prometheus.read(text)


@pytest.mark.parametrize("text, complaint", [
    ("push /x { metrics; }", '"metrics" may not stand in "push"'),
    ("pull /x { metrics on; }", "too many"),
])
def test_wrong_uses_are_refused(make_server, text, complaint):
    server = make_server("peer { server { listen 127.0.0.1:$PORT; %s } }" % text)
    code, _, errors = server.run("-t")
    assert code == 1
    assert complaint in errors

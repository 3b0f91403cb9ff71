"""docs/guide/operations.md: each command it shows runs, and prints what it shows, in that state."""
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from harness.example import EXAMPLES, Example
from harness.shown import ANY, is_of_shape, sections_of
from harness.teleport import ROOT
from harness.wait import wait_until

PAGE = (ROOT / "docs/guide/operations.md").read_text()
SECTIONS = sections_of(PAGE)
LOGIN_SECONDS = 1       # logins have a rate: who asks faster would be refused
PREPARATION = "What to look at when …"
ASKS_AGAIN = "tp bench 127.0.0.1:29220 /api/report --credentials conf/ann.token --duration 60s &"


class Gateway(Example):
    """The page's server: push-gateway.conf, its backend, and ann's token."""

    def __init__(self, server):
        super().__init__(server, "push-gateway")
        self.conf = self.home / "conf/teleport.conf"
        self.conf.write_text(self.path.read_text())
        programs = self.home.parent / "programs"
        real = (programs / "teleport").resolve()
        (programs / "teleport").unlink()
        (programs / "teleport").write_text(f'#!/bin/sh\nexec {real} -p {self.home} "$@"\n')
        (programs / "teleport").chmod(0o755)
        keys, backend = self.commands[:3], self.commands[4]
        self.shell.run_all(keys)
        self.ask("teleport")
        self.shell.run(backend)
        wait_until(lambda: self.ask("curl -s --fail -d ann http://127.0.0.1:29221/login"
                                    " | tee conf/ann.token").startswith("eyJ"), "ann has a token",
                   pause_seconds=LOGIN_SECONDS)

    def start(self, command):
        """Starts what a "&" ends; its number."""
        self.shell.start(self.fill(command[:-1]))
        return len(self.shell.started) - 1

    def show(self, heading):
        """Runs what a section shows."""
        page = sections_of(self.fill(PAGE))
        self.shell.run_all(page[PREPARATION])
        self.shell.run_all(page[heading])

    def status(self):
        return json.loads(self.ask("teleport -s status"))

    def wait_for(self, command, words):
        wait_until(lambda: words in self.ask(command), f"$ {command}: {words}")

    def ann_listens(self):
        number = self.start("tp listen 127.0.0.1:29220 --credentials conf/ann.token &")
        self.wait_for("tp sessions unix:logs/operator.socket --id-prefix ann", "1 session\n")
        return number

    def push(self, name, body):
        """The status of a push by the backend."""
        secret = (self.home / "conf/push-gateway.secret").read_text().strip()
        basic = base64.b64encode(f"backend:{secret}".encode()).decode()
        request = urllib.request.Request(
            self.fill("http://127.0.0.1:29222/control/push"),
            json.dumps({"id": name, "uri": "/news", "body": body}).encode(),
            {"Authorization": f"Basic {basic}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    def end(self):
        self.shell.end_all()
        self.ask("teleport -s stop")


@pytest.fixture(name="gateway")
def the_gateway_of_the_page(make_server):
    gateway = Gateway(make_server(""))
    yield gateway
    gateway.end()


def who_is_connected(gateway):
    gateway.ann_listens()


def clients_cannot_connect(gateway):
    (gateway.home / "conf/wrong.token").write_text("wrong\n")
    for _ in range(2):
        gateway.ask("tp pull 127.0.0.1:29220 /who --credentials conf/wrong.token")


def slow(gateway):
    gateway.start(ASKS_AGAIN)
    gateway.wait_for("cat logs/push-gateway.log", "slow-exchange")


def one_user(gateway):
    slow(gateway)
    gateway.wait_for("cat logs/push-gateway.access.log", "/api/report")


def memory(gateway):
    number = gateway.ann_listens()
    os.killpg(gateway.shell.started[number].pid, signal.SIGSTOP)
    wait_until(lambda: gateway.push("ann", "x" * 60000) == 503, "her queue is full")


def backend_down(gateway):
    gateway.shell.end(0)

    def is_noticed():
        gateway.ask("curl -s -d ann http://127.0.0.1:29221/login")
        return "upstream-down" in gateway.ask("cat logs/push-gateway.log")

    wait_until(is_noticed, "it is noticed", pause_seconds=LOGIN_SECONDS)


def too_many(gateway):
    gateway.ask("tp bench 127.0.0.1:29220 /who --credentials conf/ann.token --duration 500ms")


def nothing(_):
    pass


def reload_refused(gateway):
    with open(gateway.conf, "a", encoding="utf-8") as file:
        file.write("listne 1;\n")


def worker_died(gateway):
    worker = gateway.status()["workers"][0]
    os.kill(worker["pid"], signal.SIGKILL)
    gateway.wait_for("cat logs/push-gateway.log", "worker-died")


STATES = {
    "Who is connected, and out with one": who_is_connected,
    "Clients cannot connect": clients_cannot_connect,
    "It is slow": slow,
    "What is in flight, and why": slow,
    "One user complains": one_user,
    "Memory grows": memory,
    "A backend is down": backend_down,
    "Too many 429 or 503": too_many,
    "Sessions drop at night": nothing,
    "A reload was refused": reload_refused,
    "A worker died": worker_died,
    "Before and after a deploy": nothing,
    "How many sessions fit": nothing,
}


def test_every_section_that_shows_something_is_tried():
    assert set(SECTIONS) == {PREPARATION, *STATES}


@pytest.mark.parametrize("heading", STATES)
def test_what_a_section_shows_is_true(gateway, heading):
    STATES[heading](gateway)
    gateway.show(heading)


def test_what_is_shown_is_a_shape():
    shown = ["AGE  WAITS FOR", "1.5s  upstream at 10.0.0.1:80, …", ANY, "end"]
    assert is_of_shape(shown, "AGE     WAITS FOR\n22s upstream at 127.0.0.1:9, 3 left\nend\n")
    assert is_of_shape(shown, "AGE WAITS FOR\n2s upstream at 1.1.1.1:9, x\nmore\nof it\nend")
    assert not is_of_shape(shown, "AGE WAITS FOR\n2s upstream at 1.1.1.1:9, x\nmore\n")
    assert not is_of_shape(shown, "AGE WAITS\n2s upstream at 1.1.1.1:9, x\nend\n")
    assert not is_of_shape(["{}"], "")


def test_links_within_the_page_lead_somewhere():
    anchors = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
               for line in PAGE.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= anchors


def test_rules_speak_of_numbers_that_there_are(gateway):
    rules = (EXAMPLES / "prometheus-rules.yml").read_text()
    known = gateway.ask("curl -s http://127.0.0.1:29223/metrics") \
        + (ROOT / "docs/reference/counters.md").read_text()
    for name in set(re.findall(r"\bteleport_[a-z_]+", rules + PAGE)):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert re.search(rf"\b{base}", known), f"there is no {name}"


RULES_TRIED = """
rule_files: [ %s ]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'teleport_worker_starts_total{instance="a"}'
        values: '2x20 3x20'
      - series: 'teleport_uptime_seconds{instance="a"}'
        values: '0+60x40'
      - series: 'teleport_worker_starts_total{instance="restarted"}'
        values: '3x20 2x20'
      - series: 'teleport_uptime_seconds{instance="restarted"}'
        values: '6000+60x20 0+60x19'
      - series: 'teleport_route_exchanges_total{instance="a",uri="/good"}'
        values: '0+100x40'
      - series: 'teleport_route_errors_total{instance="a",uri="/good"}'
        values: '0+1x40'
      - series: 'teleport_route_exchanges_total{instance="a",uri="/bad"}'
        values: '0+100x40'
      - series: 'teleport_route_errors_total{instance="a",uri="/bad"}'
        values: '0+10x40'
    alert_rule_test:
      - eval_time: 23m
        alertname: TeleportWorkersDie
        exp_alerts:
          - exp_labels: { severity: page, instance: a }
            exp_annotations:
              summary: "workers of a died; grep worker- in its log"
      - eval_time: 23m
        alertname: TeleportErrors
        exp_alerts:
          - exp_labels: { severity: page, instance: a, uri: /bad }
            exp_annotations: { summary: "more than one in twenty of /bad fails" }
"""


def test_rules_fire_when_they_should(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool: ./configure --install-deps=all")
    tried = tmp_path / "tried.yml"
    tried.write_text(RULES_TRIED % (EXAMPLES / "prometheus-rules.yml"))
    for words in (["check", "rules", EXAMPLES / "prometheus-rules.yml"], ["test", "rules", tried]):
        ended = subprocess.run([promtool, *words], stdout=subprocess.PIPE, check=False,
                               stderr=subprocess.STDOUT, text=True, timeout=60)
        assert ended.returncode == 0, ended.stdout


def test_memory_of_a_session_is_what_was_measured():
    measured = re.search(r"\*\*(\d+)\*\* when opened and silent, \*\*(\d+)\*\* after",
                         (ROOT / "docs/performance.md").read_text())
    assert f"| open and silent | {measured.group(1)} |" in PAGE
    assert f"| that has asked once | {measured.group(2)} |" in PAGE

"""status_page: a page that shows what the server does, as browsers get it and as people see it.

With TELEPORT_IMAGES=FOLDER in the environment the pictures that are taken on the way are kept there;
those of docs/images are made so.
"""
import base64
import hashlib
import json
import os
import re
import resource
import socket
import time
from pathlib import Path

import pytest

from harness import chromium
from harness.http import Browser
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import PLAIN, PUSH, Caller, Packet

CONF = """
worker_processes 2;
events { worker_connections 16384; }
peer {
    upstream math { server 127.0.0.1:$PORT3; }
    server {
        listen 127.0.0.1:$PORT;
        pull /system/id { session_id $arg_id; }
        pull /echo { echo; }
        pull /users/* { sum; }
        pull /math/* { proxy_pass math; }
        pull /orders/report { slow_threshold 20ms; sleep 50ms; }
        pull /legacy { return 404 "gone"; }
        push /telemetry/* { empty; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /status { status_page; }
        pull /some { status_page sessions=3; }
        pull /none { status_page sessions=0; }
    }
    server {
        listen 127.0.0.1:$PORT3;
        pull * { sum; }
    }
}
"""

GUARDED = """
peer {
    server {
        listen 127.0.0.1:$PORT;
        auth token file=tokens;
        pull /status { require claim role=admin; status_page; }
    }
}
"""


MANY = 10_000
DESCRIPTORS = MANY + 1000
LOOKS = [("desktop-light", 1440, 900, "light"), ("desktop-dark", 1440, 900, "dark"),
         ("phone-light", 390, 844, "light"), ("phone-dark", 390, 844, "dark")]


@pytest.fixture(name="server")
def page_server(make_server):
    server = make_server(CONF)
    yield server.start()
    server.disconnect()


@pytest.fixture(name="browser")
def opened_browser(server, tmp_path):
    """It ends before the server is looked over."""
    yield from open_browser(tmp_path)


def open_browser(tmp_path):
    if chromium.PROGRAM is None:
        pytest.skip("there is no chromium: ./configure --install-deps")
    browser = chromium.Chromium(tmp_path / "chromium")
    try:
        yield browser
    finally:
        browser.close()


def get(server, target, port="$PORT2", **fields):
    connection = Browser(server, port)
    reply = connection.ask(target=target, **fields)
    connection.close()
    return reply


# ---- What is sent ----

def test_the_page_is_one_file_that_may_do_nothing_else(server):
    reply = get(server, "/status")
    page = reply.body.decode()

    assert reply.code == 200
    assert reply.get("Content-Type") == "text/html; charset=utf-8"
    assert reply.get("Cache-Control") == "no-store"
    assert reply.get("X-Content-Type-Options") == "nosniff"
    policy = dict(part.strip().split(" ", 1)
                  for part in reply.get("Content-Security-Policy").split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[kind] == f"'sha256-{digest}'"
    assert not re.search(r"https?:|@import|url\(|innerHTML|insertAdjacent|document\.write|\son\w+=",
                         page.replace("http://www.w3.org/2000/svg", ""))
    assert re.findall(r'(?:src|href)="(.*?)"', page) == ["data:,"]


def test_its_numbers_are_those_of_stats(server):
    assert Caller(server).pull("/echo", b"1").status_code == 200
    data = json.loads(get(server, "/status?data").body)
    assert {"server", "totals", "workers", "routes"} <= set(data)
    assert get(server, "/status?x=1&data=").get("Content-Type") == "application/json"


def test_over_another_protocol_it_is_a_text(server):
    reply = Caller(server, "$PORT2").pull("/status")
    assert (reply.status_code, reply.codec) == (200, PLAIN)
    assert reply.body.startswith(b"<!doctype html>")


def sessions(server, target):
    reply = get(server, target)
    assert reply.code == 200, reply
    return json.loads(reply.body)


def test_the_sessions_with_the_most_traffic_come_first(server):
    callers = [Caller(server) for _ in range(6)]
    for number, caller in enumerate(callers):
        assert caller.pull(f"/system/id?id=s{number}").status_code == 200
        assert caller.pull("/echo", b'"' + b"x" * 1000 * (number % 4) + b'"').status_code == 200

    found = sessions(server, "/status?sessions")

    assert found["is_whole"]
    weights = [row["bytes_received"] + row["bytes_sent"] for row in found["sessions"]]
    assert weights == sorted(weights, reverse=True)
    assert found["sessions"][0]["id"] == "s3"
    assert {"s0", "s1", "s2", "s4", "s5"} < {row["id"] for row in found["sessions"]}
    ages = [row["age_ms"] for row in sessions(server, "/status?sessions&by=age")["sessions"]]
    assert ages == sorted(ages, reverse=True)
    assert sessions(server, "/some?sessions")["looked_at"] == 3
    assert not sessions(server, "/some?sessions")["is_whole"]
    assert sessions(server, "/none?sessions") == {"looked_at": 0, "is_whole": False,
                                                  "sessions": []}
    for word in ("queue", "in_flight", "traffic"):
        sessions(server, f"/status?sessions&by={word}")
    assert get(server, "/status?sessions&by=name").code == 400


@pytest.mark.parametrize("text, complaint", [
    ("push /x { status_page; }", '"status_page" may not stand in "push"'),
    ("pull /x { status_page on; }", "has no argument"),
    ("pull /x { status_page sessions=-1; }", "between 0 and 1000000"),
    ("pull /x { status_page sessions=some; }", "number"),
])
def test_wrong_uses_are_refused(make_server, text, complaint):
    server = make_server("peer { server { listen 127.0.0.1:$PORT; %s } }" % text)
    code, _, errors = server.run("-t")
    assert code == 1
    assert complaint in errors


# ---- What is seen ----

def show(browser, server, path="/status", port="$PORT2", user=""):
    browser.open(f"http://{user}127.0.0.1:{server.port(port)}{path}")
    browser.wait_for('document.getElementById("state").dataset.state === "live"')


def table(browser, name):
    """The rows of a table, each as {column: text}."""
    return json.loads(browser.run(f"""JSON.stringify((() => {{
        const panel = document.getElementById("{name}");
        const titles = [...panel.querySelectorAll("th")].map((cell) => cell.textContent);
        return [...panel.querySelectorAll("tbody tr")].map((line) => Object.fromEntries(
            [...line.children].map((cell, i) => [titles[i], cell.textContent])));
    }})())"""))


def tile(browser, title):
    return browser.run(f"""[...document.querySelectorAll(".tile")].find((tile) =>
        tile.querySelector("h2").textContent === "{title}").querySelector(".value").textContent""")


def work(server, callers, rounds):
    """A bit of everything."""
    for number in range(rounds):
        caller = callers[number % len(callers)]
        caller.pull("/echo", b'"' + b"x" * 100 * (number % 30) + b'"')
        caller.pull("/users/add", b"[1,2,3]")
        caller.pull("/math/add", b"[1,2,3]")
        caller.send(Packet(uri="/telemetry/rtt", type=PUSH, body=b"1"))
        if number % 10 == 0:
            caller.pull("/legacy")
            caller.pull("/orders/report", b"1")
        if number % 17 == 0:
            caller.pull("/nowhere")


def keep_picture(browser, name):
    if "TELEPORT_IMAGES" in os.environ:
        browser.screenshot(Path(os.environ["TELEPORT_IMAGES"]) / f"status-{name}.png")


def test_it_shows_what_happens(server, browser):
    callers = [Caller(server) for _ in range(20)]
    for number, caller in enumerate(callers):
        caller.pull(f"/system/id?id=device-{number}")
    show(browser, server)
    until = time.monotonic() + 7
    while time.monotonic() < until:
        work(server, callers, 20)

    browser.wait_for('Number(document.querySelectorAll("#routes tbody tr").length) > 5')
    rows = {row["uri"]: row for row in table(browser, "routes")}
    assert int(rows["/echo"]["total"].replace(",", "")) > 20
    assert rows["/legacy"]["errors"] == "100.0 %"
    assert rows["/echo"]["errors"] == "0 %"
    assert rows["/orders/report"]["p99"].endswith("ms")
    assert int(tile(browser, "Sessions")) >= 20
    assert [row["code"] for row in table(browser, "statuses")] == ["404"]
    assert {row["worker"] for row in table(browser, "workers")} == {"0", "1"}
    assert table(browser, "slow")[0]["uri"] == "/orders/report"
    browser.wait_for('document.querySelectorAll("#sessions tbody tr").length >= 20')
    assert {f"device-{number}" for number in range(20)} \
        <= {row["id"] for row in table(browser, "sessions")}
    assert browser.run('document.getElementById("lost").hidden') is True
    for name, width, height, scheme in LOOKS:
        browser.become(width, height, scheme)
        work(server, callers, 40)
        check_look(browser, scheme)
        keep_picture(browser, name)


def check_look(browser, scheme):
    """Nothing sticks out to the side, and text stands out from what is behind it."""
    assert browser.run("document.documentElement.scrollWidth <= innerWidth") is True
    luminance = json.loads(browser.run("""JSON.stringify((() => {
        const light = (color) => {
            const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
                .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const ground = light(getComputedStyle(document.querySelector(".panel")).backgroundColor);
        return [ground, ["td", "td.nil", "th button", ".tile .more", "footer", "#state"]
            .filter((what) => document.querySelector(what) !== null)
            .map((what) => light(getComputedStyle(document.querySelector(what)).color))];
    })())"""))
    ground, inks = luminance
    assert (ground > 0.5) == (scheme == "light")
    for ink in inks:
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5


def test_tables_are_sorted_and_filtered(server, browser):
    callers = [Caller(server) for _ in range(2)]
    work(server, callers, 10)
    show(browser, server)
    browser.wait_for('document.querySelectorAll("#routes tbody tr").length > 5')

    def order():
        return [row["uri"] for row in table(browser, "routes")]

    def click(title):
        browser.run(f"""[...document.querySelectorAll("#routes th button")].find((button) =>
            button.textContent === "{title}").click()""")

    click("total")
    assert browser.run('document.querySelector("#routes th[aria-sort]").textContent') == "total"
    totals = [int(row["total"].replace(",", "")) for row in table(browser, "routes")]
    assert totals == sorted(totals, reverse=True)
    click("uri")
    assert order().index("/echo") < order().index("/users/*")
    click("uri")
    assert order().index("/echo") > order().index("/users/*")
    browser.run('document.getElementById("filter").value = "ech";'
                'document.getElementById("filter").dispatchEvent(new Event("input"))')
    assert order() == ["/echo"]
    assert "1 of" in browser.run('document.querySelector("#routes .note").textContent')
    browser.run('document.getElementById("filter").value = "nothing has this";'
                'document.getElementById("filter").dispatchEvent(new Event("input"))')
    assert order() == []
    assert "None of" in browser.run('document.querySelector("#routes .nothing").textContent')


def test_strangers_words_stay_text(server, browser):
    evil = "<img src=x onerror=alert(1)>"
    caller = Caller(server)
    assert caller.pull("/system/id?id=" + "".join(f"%{byte:02x}" for byte in evil.encode())
                       ).status_code == 200
    show(browser, server)
    browser.wait_for('document.querySelectorAll("#sessions tbody tr").length > 0')
    assert evil in {row["id"] for row in table(browser, "sessions")}
    assert browser.run('document.querySelectorAll("img, iframe, object").length') == 0


def test_it_pauses(server, browser):
    show(browser, server)
    browser.run('document.getElementById("pause").click()')
    assert browser.run('document.getElementById("state").textContent') == "paused"
    browser.run('document.getElementById("pause").click()')
    browser.wait_for('document.getElementById("state").textContent === "live"')


def test_it_says_when_the_server_does_not_answer(server, browser):
    show(browser, server)
    server.write_conf("peer { server { listen 127.0.0.1:$PORT; } }")
    server.reload()
    browser.wait_for('document.getElementById("state").dataset.state === "lost"')
    assert "cannot be reached" in browser.run('document.getElementById("lost").textContent')
    assert browser.run('document.body.classList.contains("stale")') is True
    keep_picture(browser, "lost")
    server.write_conf(CONF)
    server.reload()
    browser.wait_for('document.getElementById("state").dataset.state === "live"')
    assert browser.run('document.getElementById("lost").hidden') is True


def test_nobody_is_there(server, browser):
    """No session but the browser's own."""
    show(browser, server, "/none")
    browser.wait_for('document.getElementById("sessions").hidden')
    assert browser.run('document.querySelector("#upstreams .nothing").textContent') != ""
    for _, width, height, scheme in LOOKS:
        browser.become(width, height, scheme)
        check_look(browser, scheme)
    browser.become(1440, 900)
    keep_picture(browser, "empty")


def test_it_asks_who_wants_to_see_it(make_server, tp, tmp_path):
    code, line, _ = tp.run("hash", "--id", "ann", "--cost", "10", stdin=b"secret\n")
    assert code == 0
    server = make_server(GUARDED)
    (server.prefix / "tokens").write_bytes(line.strip() + b" role=admin\n")
    server.allow_file("tokens")
    server.start()
    assert get(server, "/status", "$PORT").code == 401
    for browser in open_browser(tmp_path):
        show(browser, server, port="$PORT", user="ann:secret@")
        browser.wait_for('document.querySelectorAll("#routes tbody tr").length > 0')


# ---- Many ----

@pytest.fixture(name="room")
def room_for_many():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"a process may have {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_sessions(room, make_server, tmp_path):    # pylint: disable=unused-argument
    server = make_server(f"worker_rlimit_nofile {DESCRIPTORS};\n" + CONF)
    server.start()
    held = []
    for _ in range(MANY):
        connection = socket.create_connection(("127.0.0.1", server.port()), PATIENCE_SECONDS)
        connection.sendall(Packet(uri="/echo", body=b"1").encode())
        held.append(connection)
    wait_until(lambda: server.total("sessions") >= MANY, "all are there", 4 * PATIENCE_SECONDS)
    for browser in open_browser(tmp_path):
        show(browser, server)
        browser.wait_for('document.querySelectorAll("#sessions tbody tr").length === 50')
        assert int(tile(browser, "Sessions").replace(",", "")) >= MANY
        assert "the top 50 of " in browser.run(
            'document.querySelector("#sessions .note").textContent')
        busy = [Caller(server) for _ in range(10)]
        until = time.monotonic() + 7
        while time.monotonic() < until:
            work(server, busy, 20)
        for name, width, height, scheme in LOOKS[1:3]:
            browser.become(width, height, scheme)
            check_look(browser, scheme)
            keep_picture(browser, f"many-{name}")
        # The page costs the browser little, too: a turn of it is far from a turn of its clock.
        assert browser.run("""(() => { const begun = performance.now();
            document.getElementById("filter").dispatchEvent(new Event("input"));
            return performance.now() - begun; })()""") < 500
    for connection in held:
        connection.close()
    wait_until(lambda: server.total("sessions") < 30, "they have gone", 4 * PATIENCE_SECONDS)
    server.disconnect()

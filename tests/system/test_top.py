"""tp top, under a pseudo-terminal."""
import json
import os
import re
import signal
import termios
import time

import pytest

from harness.backend import Backend, answer
from harness.screen import Terminal
from harness.tp import TP
from harness.wait import wait_until
from harness.wire25 import Caller, Packet

CONF = """
worker_processes 2;
worker_watch off;
peer {
    exchange_timeout 2h;
    server {
        listen 127.0.0.1:$PORT;
        pull /system/id { session_id $arg_id; }
        pull /echo { echo; }
        pull /slow { sleep 1h; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /control/* { control; }
    }
}
"""
UP, DOWN, END, PAGE_DOWN, ESCAPE = "\x1b[A", "\x1b[B", "\x1b[F", "\x1b[6~", "\x1b"


@pytest.fixture(name="server")
def a_server(start_server):
    return start_server(CONF)


def named(server, name):
    caller = Caller(server)
    assert caller.pull(f"/system/id?id={name}").status_code == 200
    return caller


def control_of(server):
    return f"127.0.0.1:{server.port('$PORT2')}"


@pytest.fixture(name="top")
def a_top(server, tp):
    """Starts tp top under a terminal of its own."""
    started = []

    def start(*options, columns=132, rows=24, environment=None):
        started.append(Terminal([TP, "top", control_of(server), "--interval", "200ms", *options],
                                {**tp.environment, **(environment or {})}, columns, rows))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


def rows(screen):
    """The rows of the table, as lists of words."""
    lines = screen.text().splitlines()
    begin = next((i for i, line in enumerate(lines) if "SESSION" in line and "REMOTE" in line),
                 None)
    return [] if begin is None else [line.split() for line in lines[begin + 1:-1] if line.strip()]


def ids(screen):
    return [row[1] for row in rows(screen)]


def titles(screen):
    return next(line for line in screen.text().splitlines() if "SESSION" in line).split()


def test_sessions_are_shown_with_their_rates(server, top):
    lamp = named(server, "lamp")
    terminal = top()
    terminal.wait_for_text("lamp")

    def is_busy(screen):
        lamp.pull("/echo", b"1")
        row = next((line for line in screen.text().splitlines() if " lamp " in line), "")
        return any(float(word) > 0 for word in row.split()[5:7] if re.fullmatch(r"[\d.]+", word))

    terminal.wait_for(is_busy, "lamp has a rate")
    assert "127.0.0.1:%d" % lamp.socket.getsockname()[1] in terminal.screen.text()
    assert terminal.screen.is_other and not terminal.screen.has_cursor
    terminal.type("q")
    assert terminal.wait_for_end() == 0
    assert terminal.has_settings_of_before()
    assert b"".join(terminal.screen.main) == b""


def test_rows_are_sorted_by_whatever_column(server, top):
    callers = [named(server, name) for name in ("bulb", "cord", "dusk")]
    terminal = top("--sort", "ID")
    terminal.wait_for(lambda screen: ids(screen)[-3:] == ["bulb", "cord", "dusk"], "by id")
    terminal.type("r")
    terminal.wait_for(lambda screen: ids(screen)[:3] == ["dusk", "cord", "bulb"], "turned round")
    assert "ID^" in terminal.screen.text()
    terminal.type("r")
    terminal.wait_for_text("IDv")
    marked = ["IDv"]
    for _ in range(4):
        terminal.type("s")
        marked.append(terminal.wait_for(
            lambda screen: next((title for title in titles(screen)
                                 if title[-1] in "v^" and title not in marked), None)))
    assert marked[:2] == ["IDv", "REMOTEv"]
    assert len(callers) == 3


def test_letters_filter_rows(server, top):
    callers = [named(server, f"lamp-{i}") for i in range(5)] + [named(server, "door")]
    terminal = top()
    terminal.wait_for(lambda screen: len(rows(screen)) == len(callers) + 1, "all sessions")
    terminal.type("/LAMP")
    terminal.wait_for(lambda screen: len(rows(screen)) == 5 and "filter: LAMP" in screen.text())
    terminal.type("-3")
    terminal.wait_for(lambda screen: ids(screen) == ["lamp-3"])
    terminal.type("\x7f\x7f\r")
    terminal.wait_for(lambda screen: len(rows(screen)) == 5 and "/LAMP: 5" in screen.text())
    terminal.type("/" + "\x7f" * 4 + "door\r")
    terminal.wait_for(lambda screen: ids(screen) == ["door"])
    terminal.type(ESCAPE)
    terminal.wait_for(lambda screen: len(rows(screen)) == len(callers) + 1, "all sessions")


def test_a_session_is_chosen_and_closed_after_y(server, top):
    callers = {name: named(server, name) for name in ("bulb", "cord", "dusk")}
    terminal = top("--sort", "ID")
    terminal.wait_for(lambda screen: ids(screen)[-3:] == ["bulb", "cord", "dusk"], "by id")
    terminal.type(END)
    terminal.wait_for(lambda screen: " dusk " in (screen.chosen() or ""))
    terminal.type(UP)
    chosen = terminal.wait_for(lambda screen: " cord " in (screen.chosen() or "")
                               and screen.chosen())
    terminal.type("k")
    terminal.wait_for_text(f"close session {chosen.split()[0]}? y: yes")
    terminal.type("n")
    terminal.wait_for_text("nothing was closed")
    assert callers["cord"].is_well()

    terminal.type("ky")
    terminal.wait_for(lambda screen: ids(screen)[-2:] == ["bulb", "dusk"], "cord is gone")
    assert callers["cord"].receive().uri.startswith("/system/closed?reason=kicked")
    assert callers["bulb"].is_well() and callers["dusk"].is_well()


def test_the_chosen_session_stays_chosen_when_others_pass_it(server, top):
    quiet, busy = named(server, "quiet"), named(server, "busy")
    terminal = top("--sort", "IN/s")
    terminal.wait_for(lambda screen: {"quiet", "busy"} <= {word for row in rows(screen)
                                                           for word in row})

    def keep_busy(screen):
        for _ in range(20):
            busy.pull("/echo", b"1")
        return rows(screen) and rows(screen)[0][1] == "busy"

    terminal.wait_for(keep_busy, "busy is at the top")
    terminal.type(DOWN)
    while " quiet " not in (terminal.screen.chosen() or ""):
        terminal.type(DOWN)
        terminal.turn()
    for _ in range(30):
        quiet.pull("/echo", b"1")
    terminal.wait_for(lambda screen: quiet.pull("/echo", b"1") and rows(screen)[0][1] == "quiet"
                      and " quiet " in screen.chosen(), "quiet is at the top, and chosen")


def test_details_show_what_a_session_has_in_flight(server, top):
    lamp = named(server, "lamp")
    lamp.send(Packet(uri="/slow?why=me", seq=7))
    terminal = top("--sort", "FLY")
    terminal.wait_for(lambda screen: rows(screen) and rows(screen)[0][1] == "lamp")
    terminal.type("\r")
    terminal.wait_for(lambda screen: "/slow?why=me" in screen.text()
                      and "timer (sleep)" in screen.text()
                      and "packets_received" in screen.text())
    terminal.type(ESCAPE)
    terminal.wait_for(lambda screen: "packets_received" not in screen.text() and rows(screen))
    lamp.reset()


def test_other_views_have_workers_and_what_is_in_flight(server, top):
    caller = named(server, "lamp")
    caller.send(Packet(uri="/slow"))
    terminal = top()
    terminal.wait_for_text("lamp")
    terminal.type("5")
    terminal.wait_for(lambda screen: "[5 inflight]" in screen.text() and "/slow" in screen.text())
    terminal.type("\t")
    terminal.wait_for_text("[1 sessions]")
    terminal.type("\x1b[Z\x1b[Z")
    terminal.wait_for_text("[4 workers]")
    caller.reset()


@pytest.mark.parametrize("columns, height", [(80, 24), (40, 10), (20, 5), (10, 3), (5, 1),
                                             (200, 50)])
def test_it_fits_whatever_terminal(server, top, columns, height):
    callers = [named(server, f"a-rather-long-name-{i}") for i in range(30)]
    terminal = top(columns=columns, rows=height)
    terminal.wait_for(lambda screen: "tp to"[:columns] in screen.text() or height == 1)
    for keys in (DOWN, PAGE_DOWN, "2", "3", "4", "5", "1", "?", ESCAPE, "\r", ESCAPE, "/a", "\r",
                 "k", "n", "s", "r", "p", "p", "+", "-"):
        terminal.type(keys)
        terminal.turn()
    assert len(callers) == 30
    terminal.type("q")
    assert terminal.wait_for_end() == 0


def test_at_80_columns_the_columns_that_matter_are_there(server, top):
    named(server, "lamp")
    terminal = top(columns=80)
    terminal.wait_for_text("lamp")
    assert {"SESSION", "ID", "REMOTE", "OUT/s", "QUEUE"} <= set(titles(terminal.screen))
    assert {"IN/s", "IN/sv"} & set(titles(terminal.screen))


def test_it_follows_the_size_of_the_terminal(server, top):
    named(server, "lamp")
    terminal = top(columns=60, rows=10)
    terminal.wait_for_text("lamp")
    assert "SOURCE" not in terminal.screen.text()
    terminal.resize(200, 40)
    terminal.wait_for(lambda screen: "SOURCE" in screen.text() and "lamp" in screen.text())
    terminal.resize(30, 8)
    terminal.wait_for(lambda screen: "SOURCE" not in screen.text() and "SESSION" in screen.text())


@pytest.mark.parametrize("number, exit_code", [(signal.SIGINT, 0), (signal.SIGTERM, 0),
                                               (signal.SIGHUP, 0), (signal.SIGSEGV, -11),
                                               (signal.SIGABRT, -6)])
def test_whatever_ends_it_the_terminal_is_as_it_was(server, top, sanitized, number, exit_code):
    if sanitized and number == signal.SIGSEGV:
        pytest.skip("the sanitizer takes this signal for itself")
    named(server, "lamp")
    terminal = top()
    terminal.wait_for_text("lamp")
    assert termios.tcgetattr(terminal.slave)[3] & termios.ECHO == 0
    os.kill(terminal.process.pid, number)
    assert terminal.wait_for_end() == exit_code
    assert termios.tcgetattr(terminal.slave)[3] & termios.ECHO != 0
    assert termios.tcgetattr(terminal.slave)[3] & termios.ICANON != 0


def test_ctrl_c_ends_it(server, top):
    named(server, "lamp")
    terminal = top()
    terminal.wait_for_text("lamp")
    terminal.type("\x03")
    assert terminal.wait_for_end() == 0
    assert terminal.has_settings_of_before()


def test_nothing_from_the_net_is_obeyed(server, top):
    caller = Caller(server)
    caller.send(Packet(uri="/slow?\x1b[2Jx\x07\u202e"))
    terminal = top("--view", "inflight")
    terminal.wait_for_text("/slow?\\x1b[2Jx\\x07")
    caller.reset()


def test_without_colours_there_are_none(server, top):
    named(server, "lamp")
    plain = top(environment={"NO_COLOR": "1"})
    plain.wait_for_text("lamp")
    assert plain.screen.colors <= {"0", "7"}
    coloured = top()
    coloured.wait_for_text("lamp")
    assert any(color.startswith("3") for color in coloured.screen.colors)


def test_it_pauses_and_goes_on(server, top):
    terminal = top()
    terminal.wait_for(rows, "a table")
    terminal.type("p")
    terminal.wait_for_text("PAUSED")
    terminal.turn(0.3)
    named(server, "late")
    terminal.turn(0.6)
    assert "late" not in terminal.screen.text()
    terminal.type("p")
    terminal.wait_for_text("late")


def test_a_server_that_goes_away_is_waited_for(server, top):
    named(server, "lamp")
    terminal = top()
    terminal.wait_for_text("lamp")
    server.signal(signal.SIGTERM)
    server.wait_for_end()
    terminal.wait_for(lambda screen: "not connected" in screen.text()
                      or "Connection" in screen.text(), "the loss is said")
    server.start()
    terminal.wait_for(lambda screen: "not connected" not in screen.text()
                      and "lamp" not in screen.text() and rows(screen), "it is there again")


def test_more_sessions_than_are_looked_at_are_said_to_be(server, top):
    callers = [named(server, f"lamp-{i}") for i in range(20)]
    terminal = top("--sessions", "7")
    terminal.wait_for_text("7 of more")
    assert len(callers) == 20


# ---- statistics ----


def histogram(p99_us):
    return {"count": 9, "sum_us": 9 * p99_us, "p50_us": p99_us // 2, "p90_us": p99_us,
            "p99_us": p99_us, "p999_us": p99_us, "max_us": 2 * p99_us}


class Statistics:
    """What a server would say of itself, with counts that grow as they are told."""

    def __init__(self):
        self.begun = time.monotonic()
        self.fails = False

    def __call__(self, request):
        if self.fails:
            return answer("404 Not Found")
        age = time.monotonic() - self.begun
        return answer("200 OK", json.dumps({
            "server": {"version": "0.1.0", "uptime_seconds": 90061 + age, "generation": 3},
            "totals": {"sessions": 4711},
            "workers": [{"slot": slot, "pid": 1000 + slot, "state": "running", "generation": 3,
                         "turned_ms_ago": 5, "sessions": 10 * slot, "bytes_received": age * 2048,
                         "sessions_accepted": 0, "bytes_copied": 0, "timers": 3, "slow_sessions": 0,
                         "loop_turns": age * 300, "loop_turn_max_us": 12000} for slot in range(3)],
            "routes": [
                {"server": "0.0.0.0:9090", "type": "PULL", "uri": "/echo", "in_flight": 7,
                 "exchanges": age * 500, "errors": age * 20, "slow": 0, "received_bytes": age * 9e6,
                 "sent_bytes": 0, "duration": histogram(700)},
                {"server": "0.0.0.0:9090", "type": "PULL", "uri": "/slow", "in_flight": 3,
                 "exchanges": age * 2, "errors": 0, "slow": age * 2, "received_bytes": 0,
                 "sent_bytes": 0, "duration": histogram(2500000)}],
            "upstreams": [{"upstream": "math", "address": "10.0.0.7:9191", "in_flight": 2,
                           "sessions": 4, "is_down": 1, "exchanges": age * 40, "errors": age * 40,
                           "duration": histogram(3000)}],
            "traffic": [{"kind": "listen", "name": "a", "protocol": "teleport",
                         "received_packets": age * 600, "sent_packets": age * 700,
                         "received_bytes": age * 3e6, "sent_bytes": age * 1024}] * 2,
            "loops": {"turn": histogram(90)},
            "unknown": {"what": ["is", "skipped"]},
        }).encode(), "Content-Type: application/json")


@pytest.fixture(name="told")
def a_server_with_statistics(make_server):
    backend = Backend()
    backend.answers["stats"] = Statistics()
    server = make_server(CONF.replace("pull /control/* {", "pull /control/stats { http_pass "
                                      f"{backend.url}/stats; }}\n        pull /control/* {{")).start()
    yield server, backend.answers["stats"]
    server.disconnect()
    backend.close()


def near(word, wanted):
    """Is this figure so, within what a busy machine makes of two readings?"""
    number = float(word.rstrip("km")) * {"k": 1024, "m": 1024 ** 2}.get(word[-1], 1)
    return wanted / 2 < number < wanted * 2


def test_totals_stand_above(told, tp):
    server, _ = told
    terminal = Terminal([TP, "top", control_of(server), "--interval", "500ms"], tp.environment, 132)
    terminal.wait_for(lambda screen: re.search(r"requests \d", screen.text()))
    head = "\n".join(terminal.screen.text().splitlines()[:3])
    terminal.close()
    found = {name: word for name, word in re.findall(
        r"(sessions|in flight|packets in|requests|errors|workers|bytes in|loop p99) ([\w.]+)",
        head)}

    assert (found["sessions"], found["in flight"], found["workers"]) == ("4711", "10", "3")
    assert near(found["requests"], 502) and near(found["errors"], 20)
    assert near(found["packets in"], 1200) and near(found["bytes in"], 6e6)
    assert found["loop p99"] == "90us" and "up 1d01h" in head


def test_routes_upstreams_and_workers_are_tables(told, tp):
    server, statistics = told
    terminal = Terminal([TP, "top", control_of(server), "--interval", "500ms", "--view", "routes"],
                        tp.environment, 132)

    def row(begin, first):
        """The words of a row once it has rates."""
        return terminal.wait_for(lambda screen: next(
            (line.split() for line in screen.text().splitlines()
             if line.startswith(begin) and first in line and not re.search(r" - ", line)), None))

    echo = row("0.0.0.0:9090", "/echo")
    slow = row("0.0.0.0:9090", "/slow")
    assert near(echo[3], 500) and near(echo[4], 20) and echo[6] == "7"
    assert (slow[-3], slow[-4]) == ("5.0s", "2.5s") and near(slow[5], 2)
    text = terminal.screen.text()
    assert text.index("/echo") < text.index("/slow")
    terminal.type("3")
    math = row("math", "10.0.0.7")
    assert math[2] == "1" and near(math[3], 40) and near(math[4], 40)
    terminal.type("4")
    worker = row("  2", "running")
    assert worker[1] == "1002" and near(worker[6], 2048) and "12ms" in worker

    statistics.fails = True
    terminal.type("1")
    terminal.wait_for_text("this server gives no statistics")
    terminal.close()


def test_a_server_tells_what_it_counts(server, tp):
    lamp = named(server, "lamp")
    process = tp.start("top", control_of(server), "--json", "--count", "1", "--view", "routes",
                       "--interval", "500ms")
    while process.poll() is None:
        assert lamp.pull("/echo", b"1").status_code == 200
        lamp.pull("/nowhere")
    reading = json.loads(process.stdout.read())
    row = next(row for row in reading["rows"] if row["uri"] == "/echo")

    assert process.returncode == 0, process.errors.read_text()
    assert reading["totals"]["sessions"] == 2 and reading["totals"]["workers"] == 2
    assert reading["totals"]["errors_per_second"] > 0 < reading["totals"]["packets_in_per_second"]
    assert reading["totals"]["bytes_out_per_second"] > 0 < reading["totals"]["uptime"]
    assert row["per_second"]["exchanges"] > 0 == row["per_second"]["errors"]
    assert row["duration"]["p99_us"] > 0


def test_programs_are_told_totals_and_rates(told, tp):
    server, _ = told
    code, out, errors = tp.run("top", control_of(server), "--json", "--count", "1", "--view",
                               "routes", "--interval", "500ms")
    reading = json.loads(out)

    assert code == 0, errors
    assert reading["totals"]["sessions"] == 4711
    assert 250 < reading["totals"]["requests_per_second"] < 1000
    assert [row["uri"] for row in reading["rows"]] == ["/echo", "/slow"]
    assert 250 < reading["rows"][0]["per_second"]["exchanges"] < 1000
    assert reading["rows"][1]["duration"]["p99_us"] == 2500000


# ---- for scripts and programs ----


def test_batch_prints_tables(server, tp):
    lamp = named(server, "lamp")
    process = tp.start("top", control_of(server), "--batch", "--count", "2", "--interval", "300ms")
    while process.poll() is None:
        lamp.pull("/echo", b"1")
    out = process.stdout.read().decode()

    assert process.returncode == 0, process.errors.read_text()
    assert out.count("sessions: ") == 2 and "\x1b" not in out
    table = out.split("\n\n")[1].splitlines()
    assert table[1].split()[:3] == ["SESSION", "ID", "REMOTE"]
    row = next(line for line in table if " lamp " in line).split()
    assert float(row[5].rstrip("k")) > 0


def test_json_is_an_object_for_each_reading(server, tp):
    lamp = named(server, "lamp")
    process = tp.start("top", control_of(server), "--json", "--count", "2", "--interval", "300ms")
    while process.poll() is None:
        lamp.pull("/echo", b"1")
    readings = [json.loads(line) for line in process.stdout.read().splitlines()]

    assert len(readings) == 2 and {reading["view"] for reading in readings} == {"sessions"}
    row = next(row for row in readings[1]["rows"] if row.get("id") == "lamp")
    assert row["per_second"]["packets_received"] > 0
    assert 0.2 < readings[1]["seconds"] < 20


@pytest.mark.parametrize("options, words", [
    (("--view", "nothing", "--batch"), "--view is sessions, routes"),
    (("--sort", "nothing", "--batch"), "--sort is the title of a column"),
    ((), "this is no terminal"),
    (("--interval", "1ms", "--batch"), "--interval takes"),
])
def test_what_is_wrong_is_said(server, tp, options, words):
    code, out, errors = tp.run("top", control_of(server), *options)

    assert code == 2 and words in errors and out == b""


def test_batch_ends_with_the_server(server, tp):
    process = tp.start("top", control_of(server), "--batch", "--interval", "100ms")
    wait_until(lambda: b"sessions: " in process.stdout.readline(), "a table")
    server.signal(signal.SIGTERM)
    server.wait_for_end()
    process.stdout.read()
    assert process.wait(20) in (4, 5), process.errors.read_text()

"""The browser client and its page, served by the server itself, in a headless Chromium."""
import json

import pytest

from harness import chromium
from harness.teleport import ROOT
from harness.wire25 import Caller

PAGE = ROOT / "docs/examples/browser"
CONF = f"""
worker_processes 2;
peer {{
    server {{
        listen 127.0.0.1:$PORT;
        pull /system/id {{ session_id $arg_id; }}
        pull /echo {{ echo; }}
        pull /math/add {{ sum; }}
        pull /slow {{ sleep 5s; }}
        pull /page/* {{ static {PAGE}; }}
    }}
    server {{
        listen 127.0.0.1:$PORT2;
        pull /control/* {{ control; }}
    }}
}}
"""


@pytest.fixture(name="server")
def page_server(start_server):
    return start_server(CONF)


@pytest.fixture(name="page")
def opened_page(server, tmp_path):
    """A browser that ends before the server is looked over: it keeps connections open."""
    if chromium.PROGRAM is None:
        pytest.skip("there is no chromium: ./configure --install-deps")
    browser = chromium.Chromium(tmp_path / "chromium")
    try:
        browser.open(f"http://127.0.0.1:{server.port('$PORT')}/page/index.html?name=page-1")
        browser.wait_for('document.getElementById("state").dataset.state === "open"')
        yield browser
    finally:
        browser.close()


def control(server, command, **fields):
    reply = Caller(server, "$PORT2").pull(f"/control/{command}", json.dumps(fields).encode())
    return reply.status_code, reply.body and json.loads(reply.body)


def test_the_page_pulls_and_is_pushed(server, page, tmp_path):
    page.run('document.querySelector("#ask button").click()')
    page.wait_for('document.querySelectorAll("#replies li").length === 1')
    page.run('document.forms.ask.elements.uri.value = "/nowhere";'
             'document.querySelector("#ask button").click()')
    page.wait_for('document.querySelectorAll("#replies li").length === 2')
    assert page.run('[...document.querySelectorAll("#replies li")].map((one) => one.textContent)') \
        == ["/math/add → 6", "/nowhere → 404 Not Found"]

    code, _ = control(server, "push", id="page-1", uri="/news/today?n=1", body={"text": "grüße"})
    assert code == 200
    page.wait_for('document.querySelectorAll("#pushes li").length === 1')
    assert page.run('document.querySelector("#pushes li").textContent') \
        == '/news/today?n=1 {"text":"grüße"}'
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 5000


def test_a_page_answers_a_pull(server, page):
    assert control(server, "pull", id="page-1", uri="/page/title") \
        == (200, "Teleport in a browser")
    code, _ = control(server, "pull", id="page-1", uri="/nowhere")
    assert code == 404


def test_a_lost_session_comes_back_and_a_closed_one_does_not(server, page):
    code, _ = control(server, "close", id="page-1", reason="restart", redial=True)
    assert code == 200
    server.wait_for_log("session-closed")
    page.wait_for('document.getElementById("state").dataset.state === "lost"'
                  '|| document.querySelectorAll("#pushes li").length > 0')
    page.wait_for('document.getElementById("state").dataset.state === "open"')
    assert control(server, "pull", id="page-1", uri="/page/title")[0] == 200

    code, _ = control(server, "close", id="page-1", reason="enough", redial=False)
    assert code == 200
    page.wait_for('document.getElementById("state").textContent.startsWith("ended")')


def run_client(page, server, body):
    """Runs the body of an async function with a session of its own; returns its value."""
    return page.run(f"""import("/page/teleport.js").then(async ({{ connect, encode, decode }}) => {{
        const session = connect("ws://127.0.0.1:{server.port('$PORT')}/");
        try {{ {body} }} finally {{ session.close(); }}
    }})""")


def test_pulls_may_be_made_at_once_and_a_thousand_together(server, page):
    assert run_client(page, server, """
        const bodies = Array.from({ length: 1000 }, (_, i) => ({ i, text: "\\u2028é\\"\\\\😀" }));
        const replies = await Promise.all(bodies.map((body) => session.pull("/echo", body)));
        return JSON.stringify(replies) === JSON.stringify(bodies);""") is True


def test_timeouts_aborts_and_ends_reject(server, page):
    assert run_client(page, server, """
        const outcome = (promise) => promise.then(() => "fine", 
            (error) => (error.name === "TeleportError" ? error.code : error.name));
        const abort = new AbortController();
        const slow = session.pull("/slow", 1, { timeout: 50 });
        const aborted = session.pull("/slow", 1, { signal: abort.signal });
        const before = session.pull("/slow", 1, { signal: AbortSignal.abort() });
        abort.abort();
        const ends = session.pull("/slow", 1);
        const all = [await outcome(slow), await outcome(aborted), await outcome(before)];
        session.close();
        all.push(await outcome(ends), await outcome(session.pull("/echo", 1)),
                 session.push("/x", 1));
        return all;""") == [504, "AbortError", "AbortError", 101, 101, False]


def test_texts_metadata_and_whole_packets(server, page):
    assert run_client(page, server, """
        const packet = await session.pull("/echo", "as it is",
            { codec: "plain", meta: { k: ["a b", "c&d"] }, full: true });
        const none = await session.pull("/echo");
        return [packet.body, packet.codec, packet.status.code, none === undefined];""") \
        == ["as it is", 115, 200, True]


def test_a_token_is_said_in_the_query_of_each_handshake(server, page):
    assert page.run("""import("/page/teleport.js").then(async ({ connect }) => {
        const urls = [];
        const Real = window.WebSocket;
        window.WebSocket = class extends Real {
            constructor(url, protocols) { urls.push(String(url)); super(url, protocols); }
        };
        const url = `ws://${location.host}/`;
        const sessions = [connect(url, { token: "a:b&c" }), connect(url),
                          connect(`${url}?x=1`, { token: () => "later" })];
        window.WebSocket = Real;
        const replies = await Promise.all(sessions.map((one) => one.pull("/echo", 1)));
        sessions.forEach((one) => one.close());
        return [urls.map((one) => one.slice(url.length)), replies];
    })""") == [["?access_token=a%3Ab%26c", "", "?x=1&access_token=later"], [1, 1, 1]]

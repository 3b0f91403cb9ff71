"""A browser without a window, steered by its own protocol: JSON over WebSocket."""
import base64
import json
import shutil
import subprocess
import urllib.request

from harness.wait import PATIENCE_SECONDS, wait_until
from harness.websocket import WebSocketCaller

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """One browser with one page, in a home of its own."""

    def __init__(self, home):
        self.home = home
        home.mkdir()
        with open(home / "output", "wb") as output:
            self.process = subprocess.Popen(
                [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-extensions", "--disable-background-networking", "--disable-sync",
                 "--disable-dev-shm-usage", "--no-proxy-server", "--window-size=800,900",
                 "--remote-debugging-port=0", f"--user-data-dir={home}", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.caller = None
        self.seq = 0
        try:
            told = home / "DevToolsActivePort"
            wait_until(lambda: told.exists() and told.read_text().count("\n") > 0, "it listens",
                       3 * PATIENCE_SECONDS)
            port = int(told.read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                page = next(one for one in json.load(answer) if one["type"] == "page")
            path = "/" + page["webSocketDebuggerUrl"].split("/", 3)[3]
            self.caller = WebSocketCaller(None, port, path=path)
            self.caller.socket.settimeout(3 * PATIENCE_SECONDS)
        except BaseException:
            self.close()
            raise

    def call(self, method, **params):
        """Calls, and returns the result; events that come meanwhile are dropped."""
        self.seq += 1
        self.caller.send_text(json.dumps({"id": self.seq, "method": method,
                                          "params": params}).encode())
        while True:
            found = json.loads(self.caller.receive_frame().data)
            if found.get("id") == self.seq:
                assert "error" not in found, found
                return found["result"]

    def open(self, url):
        self.call("Page.navigate", url=url)
        wait_until(lambda: self.run("document.readyState") == "complete", f"{url} is there")

    def run(self, code):
        """The value of an expression in the page, which is waited for if it is a promise."""
        result = self.call("Runtime.evaluate", expression=code, awaitPromise=True,
                           returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, code):
        return wait_until(lambda: self.run(code), code)

    def become(self, width, height, scheme="light"):
        """A window of that size, whose user likes it light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self):
        if self.caller is not None:
            self.caller.close()
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

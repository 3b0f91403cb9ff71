"""The backend of push-gateway.conf: it issues tokens, is asked over HTTP, and pushes by name.

    python3 push-gateway.py [PORT [GATEWAY]]

Run it from the folder that has conf/.  It lets in whoever says a name, so that it can be tried:
yours asks for a password, or is told by your identity provider.
"""
import base64
import hashlib
import hmac
import json
import re
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 29224
GATEWAY = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:29222"
KEY = Path("conf/push-gateway.key").read_text().strip().encode()
SECRET = Path("conf/push-gateway.secret").read_text().strip()
TOKEN_SECONDS = 3600
PUSH_SECONDS = 5


def token_of(name):
    """A JWT that says for an hour that who shows it is `name`."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    now = int(time.time())
    claims = {"sub": name, "aud": "push-gateway", "iat": now, "exp": now + TOKEN_SECONDS}
    signed = b".".join(part(json.dumps(one).encode())
                       for one in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + part(hmac.digest(KEY, signed, hashlib.sha256))).decode()


def push(name, uri, body):
    """Pushes to the session of that name; returns the gateway's status: 200, 404, 503, 504."""
    basic = base64.b64encode(f"backend:{SECRET}".encode()).decode()
    request = urllib.request.Request(
        f"{GATEWAY}/control/push",
        json.dumps({"id": name, "uri": uri, "body": body}).encode(),
        {"Authorization": f"Basic {basic}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PUSH_SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 503


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"           # connections are kept
    wbufsize = 64 * 1024                    # one write for all of an answer: two take 40 ms

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/login":
            self.log_in(body.decode(errors="replace").strip())
        elif self.path == "/api/say":
            self.say(body)
        elif self.path == "/api/report":
            time.sleep(1)                   # what takes long: see slow_threshold
            self.answer(200, {"pages": 7})
        else:
            self.fail(404, "no such route")

    def log_in(self, name):
        if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
            self.fail(400, "a name has 1 to 32 small letters, digits and -")
        else:
            self.answer(200, token_of(name), "text/plain")

    def say(self, body):
        """{"to": NAME, "text": TEXT}; who says it, the gateway knows: by the session's id."""
        who = self.headers.get("X-Session-Id")
        if who is None:
            self.fail(403, "a session is wanted: WebSocket or Teleport")
            return
        try:
            asked = json.loads(body)
            to, text = str(asked["to"]), str(asked["text"])
        except (ValueError, KeyError, TypeError):
            self.fail(400, 'a body such as {"to":"ann","text":"hello"} is wanted')
            return
        status = push(to, "/message", {"from": who, "text": text})
        if status == 200:
            self.answer(200, {"delivered": True})
        else:
            self.fail(status, f"{to} is not there" if status == 404 else "not delivered")

    def fail(self, code, words):
        # Over Teleport and WebSocket these are the status.
        self.answer(code, {"code": code, "msg": words})

    def answer(self, code, value, kind="application/json"):
        body = (value if kind == "text/plain" else json.dumps(value)).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Backend).serve_forever()

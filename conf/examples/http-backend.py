"""The backend of http-backend.conf: what is asked of Teleport comes here as a POST.

    python3 http-backend.py [PORT]
"""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"           # connections are kept
    wbufsize = 64 * 1024                    # one write for all of an answer: two take 40 ms

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/math/add":
            self.answer(200, sum(json.loads(body)))
        elif self.path.startswith("/api/log/"):
            print(self.headers.get("X-Session-Id"), self.headers["X-Real-IP"], body.decode(),
                  flush=True)
            self.answer(200, None)
        else:
            # Any number, and words: over Teleport they are the status.
            self.answer(404, {"code": 4040, "msg": "no such sum"})

    def answer(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 29212
    ThreadingHTTPServer(("127.0.0.1", port), Backend).serve_forever()

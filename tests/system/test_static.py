"""Small files as answers: over HTTP as a browser asks, over 2.5, and what is wrong with a folder."""
import http.client
import os
from pathlib import Path

import pytest

from harness.wait import PATIENCE_SECONDS
from harness.wire25 import JSON, PLAIN, Caller, go_gzip, gunzip

CONF = """
worker_processes 2;
peer {
    gzip_min 100;
    reply_gzip 6;
    pull /             { static web; }
    pull /page/        { static web; }
    pull /page/*       { static web; }
    pull /kept/*       { static web max_age=1h; }
    pull /other        { static web/ index=other.html; }
    pull /one          { static web/one.json; }
    pull /all/*        { static web/one.json; }
    server { listen 127.0.0.1:$PORT; }
    server { listen 127.0.0.1:$PORT2; pull * { static web; } }
}
"""

FILES = {
    "index.html": b"<h1>hello</h1>",
    "other.html": b"<h1>other</h1>",
    "one.json": b'{"one":1}',
    "empty.txt": b"",
    "UPPER.TXT": b"upper",
    "a b.txt": b"a space",
    "a/index.html": b"<p>below</p>",
    "a/b/c.js": b"export {}\n" * 100,
    "a.b/x.css": b"p { }",
    "data.bin": bytes(range(256)),
    ".hidden": b"secret",
    "a/.git/config": b"secret",
}


def make_files(server, files):
    for name, content in files.items():
        path = Path(os.path.normpath(server.prefix / "web" / name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        server.allow_file(path.relative_to(server.prefix))


@pytest.fixture(name="server")
def server_with_files(make_server):
    server = make_server(CONF)
    make_files(server, FILES)
    os.symlink(server.prefix / "web" / "one.json", server.prefix / "web" / "link.json")
    server.allow_file("web/link.json")
    make_files(server, {"../secret.txt": b"secret"})
    return server.start()


def get(server, path, port="$PORT", method="GET", **headers):
    """Status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port(port), PATIENCE_SECONDS)
    connection.request(method, path, headers={name.replace("_", "-"): value
                                              for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


@pytest.mark.parametrize("path, name, mime", [
    ("/", "index.html", "text/html; charset=utf-8"),
    ("/page/", "index.html", "text/html; charset=utf-8"),
    ("/page/index.html?v=1", "index.html", "text/html; charset=utf-8"),
    ("/page/one.json", "one.json", "application/json"),
    ("/page/link.json", "one.json", "application/json"),
    ("/page/empty.txt", "empty.txt", "text/plain; charset=utf-8"),
    ("/page/UPPER.TXT", "UPPER.TXT", "application/octet-stream"),
    ("/page/a%20b.txt", "a b.txt", "text/plain; charset=utf-8"),
    ("/page/a/", "a/index.html", "text/html; charset=utf-8"),
    ("/page/a/b/c.js", "a/b/c.js", "text/javascript; charset=utf-8"),
    ("/page/a.b/x.css", "a.b/x.css", "text/css; charset=utf-8"),
    ("/page/data.bin", "data.bin", "application/octet-stream"),
    ("/other", "other.html", "text/html; charset=utf-8"),
    ("/one", "one.json", "application/json"),
    ("/all/whatever/it/is", "one.json", "application/json"),
])
def test_a_path_names_a_file(server, path, name, mime):
    status, headers, body = get(server, path)

    assert (status, body) == (200, FILES[name])
    assert headers["Content-Type"] == mime
    assert headers["Cache-Control"] == "no-cache" and headers["ETag"].startswith('"')


def test_a_star_serves_from_the_root(server):
    assert get(server, "/", "$PORT2")[2] == FILES["index.html"]
    assert get(server, "/a/b/c.js", "$PORT2")[2] == FILES["a/b/c.js"]


@pytest.mark.parametrize("path", [
    "/page/none", "/page/a", "/page/a.b/", "/page/.hidden", "/page/a/.git/config", "/page//one.json",
    "/page/../secret.txt", "/page/%2e%2e/secret.txt", "/page/..%2fsecret.txt", "/page/a/../one.json",
    "/page/./one.json", "/page/one.json/", "/page/upper.txt", "/page/" + "x" * 2000,
    "/page/" + "x" * 1020 + "/",
], ids=lambda path: path[:30])
def test_what_is_no_file_is_404(server, path):
    assert get(server, path)[0] == 404


def test_an_etag_saves_the_way(server):
    tag = get(server, "/page/a/b/c.js")[1]["ETag"]

    assert get(server, "/page/one.json")[1]["ETag"] != tag
    for condition in (tag, "W/" + tag, '"x", ' + tag, "*"):
        status, headers, body = get(server, "/page/a/b/c.js", If_None_Match=condition)
        assert (status, body, headers["ETag"]) == (304, b"", tag)
    for condition in ('"x"', "", "y" * 3000):
        assert get(server, "/page/a/b/c.js", If_None_Match=condition)[0] == 200


def test_how_long_it_may_be_kept(server):
    assert get(server, "/kept/one.json")[1]["Cache-Control"] == "max-age=3600"


def test_head_and_gzip(server):
    status, headers, body = get(server, "/page/a/b/c.js", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, "1000", b"")

    status, headers, body = get(server, "/page/a/b/c.js", Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert gunzip(body) == FILES["a/b/c.js"]


def test_over_teleport_it_is_a_body_like_others(server):
    caller = Caller(server)

    reply = caller.pull("/page/one.json", None)
    assert (reply.outcome(), reply.codec, reply.body) == ((200, "OK"), JSON, FILES["one.json"])
    reply = caller.pull("/page/index.html", None)
    assert (reply.codec, reply.body) == (PLAIN, FILES["index.html"])
    reply = caller.pull("/page/a/b/c.js", go_gzip(b"x"), gzip=5)
    assert reply.gzip == 6 and gunzip(reply.body) == FILES["a/b/c.js"]
    assert caller.pull("/page/none", None).outcome() == (404, "Not Found")


def test_a_reload_reads_the_files_anew(server):
    make_files(server, {"index.html": b"<h1>new</h1>", "new/file.txt": b"new"})
    os.remove(server.prefix / "web" / "one.json")
    os.remove(server.prefix / "web" / "link.json")

    assert get(server, "/")[2] == FILES["index.html"], "not before"
    assert server.run("-s", "reload")[0] == 1, "routes name a file that is gone"
    assert get(server, "/one")[2] == FILES["one.json"]
    make_files(server, {"one.json": b"1"})
    server.reload()
    assert get(server, "/")[2] == b"<h1>new</h1>"
    assert get(server, "/page/new/file.txt")[2] == b"new"
    assert get(server, "/page/link.json")[0] == 404


@pytest.mark.parametrize("directives, message", [
    ("static none;", "there is no "),
    ("static web; static_limit 10;", "its files are larger than static_limit, which is 10 bytes"),
    ("static deep;", "there are more than 8 folders in each other"),
    ("static web max_age=-1s;", "max_age"),
    ("static;", "static"),
])
def test_what_cannot_be_served_is_a_mistake(make_server, directives, message):
    server = make_server("peer { server { listen 127.0.0.1:$PORT; "
                         "pull /x { %s } } }" % directives)
    make_files(server, FILES)
    (server.prefix / "deep").joinpath(*"abcdefghijkl").mkdir(parents=True)

    code, _, errors = server.run("-t")

    assert code == 1 and message in errors

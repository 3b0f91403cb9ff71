"""rewrite and ignore_case: what a uri becomes before its route is looked for."""
import pytest

from harness.wire25 import Caller

CONF = """
worker_processes 1;
peer {
    rewrite ^/alias$ /home/test;
    server {
        listen 127.0.0.1:$PORT;
        rewrite ^/v1/([a-z]+)/(.*)$ /$1/of/$2;
        rewrite ^/asked/(.*) /echo/query?name=$1;
        rewrite ^/v1/ /never;
        rewrite ^/twice$ /alias;
        pull /home/test { return 200 "home"; }
        pull /math/of/add { return 200 "add"; }
        pull /math/of/* { return 200 "$path"; }
        pull /echo/query { return 200 "$query"; }
        pull /alias { return 200 "alias"; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        ignore_case on;
        pull /home/test { return 200 "home"; }
        pull /query { return 200 "$query"; }
    }
}
"""


@pytest.fixture(name="server")
def rewriting_server(start_server):
    return start_server(CONF)


def answer(caller, uri):
    reply = caller.pull(uri)
    assert reply.uri == uri  # a REPLY repeats what was asked, whatever became of it
    return reply.body.decode() if reply.status_code == 200 else reply.status_code


@pytest.mark.parametrize("uri, wanted", [
    ("/v1/math/add", "add"),
    ("/v1/math/sub", "/math/of/sub"),
    # What a group has matched is a part of the path, whatever its letters mean elsewhere.
    ("/v1/math/a%20b%3Fc%25d", "/math/of/a b?c%d"),
    # The query stays, unless the replacement has one.
    ("/asked/me", "name=me"), ("/asked/me?x=1", "name=me"), ("/asked/a%26b", "name=a&b"),
    # The first rule that matches counts, once.
    ("/v1/9/x", 404), ("/twice", "alias"),
    # A server's rules replace those of its peer.
    ("/alias", "alias"),
    ("/math/of/add", "add"), ("/nowhere", 404),
])
def test_the_first_rule_that_matches_counts(server, uri, wanted):
    caller = Caller(server)
    assert answer(caller, uri) == wanted
    assert answer(caller, uri) == wanted


@pytest.mark.parametrize("uri, wanted", [
    ("/home/test", "home"), ("/Home/TEST", "home"), ("/HOME/%54est", "home"),
    ("/alias", "home"), ("/ALIAS", "home"),
    ("/Query?Name=X", "Name=X"), ("/%zz", 400),
])
def test_paths_may_be_written_in_any_case(server, uri, wanted):
    caller = Caller(server, "$PORT2")
    assert answer(caller, uri) == wanted


def test_a_path_that_would_take_too_long_is_refused(server):
    caller = Caller(server)
    assert answer(caller, "/v1/math/" + "x" * 5000) == 413
    assert answer(caller, "/v1/math/add") == "add"


@pytest.mark.parametrize("rules, message", [
    ('rewrite "(" /x;', '"(": '),
    ('rewrite "(a)\\1" /x;', "back references such as \\1 are not offered"),
    ("rewrite a x;", "the replacement begins with a slash"),
    ("rewrite (a)(b) /$3;", "the expression has only 2 groups"),
    ("ignore_case on; pull /Home { echo; }",
     "the module ignore_case refuses the route pull /Home: it has capitals"),
    ("pull /a { rewrite a /b; echo; }", '"rewrite" may not stand in "pull"'),
])
def test_mistakes_are_named_where_they_are_written(make_server, rules, message):
    server = make_server(f"peer {{ server {{ listen 127.0.0.1:$PORT; {rules} }} }}\n")
    code, _, errors = server.run("-t")
    assert code == 1
    assert message in errors
    assert "teleport.conf:" in errors

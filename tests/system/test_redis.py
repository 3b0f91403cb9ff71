"""The registry's store in a Redis server, asked for by the module shelf."""
import json

import pytest

from harness.redis import Redis, Speaker, read_command
from harness.wait import wait_until
from harness.wire25 import PULL, Caller, Packet

CONF = """
worker_processes 1;
peer {
    shelf_address "ADDRESS";
    OPTIONS
    server {
        listen 127.0.0.1:$PORT;
        pull /state  { shelf state; }
        pull /put    { shelf put; }
        pull /brief  { shelf put; shelf_ttl 50ms; }
        pull /take   { shelf take; }
        pull /nudge  { shelf nudge; }
        pull /read   { shelf read; }
    }
}
"""

SECRET = "geheim-4711"


def conf_of(address, **options):
    lines = [f"shelf_{name} \"{value}\";" for name, value in options.items()]
    return CONF.replace("ADDRESS", address).replace("OPTIONS", " ".join(lines))


@pytest.fixture(name="redis")
def real_server(tmp_path):
    redis = Redis(tmp_path / "redis").start()
    yield redis
    redis.close()


@pytest.fixture(name="speak")
def servers_that_answer_what_they_are_told():
    speakers = []

    def speak(answer):
        speakers.append(Speaker(answer))
        return speakers[-1]

    yield speak
    for speaker in speakers:
        speaker.close()


@pytest.fixture(name="start_shelf")
def servers_with_a_shelf(build, make_server):
    objs, _ = build

    def start(address, **options):
        server = make_server(conf_of(address, **options))
        server.binary = str(objs / "teleport")
        return Shelf(server.start())

    return start


class Shelf:
    """A server with the module, and a session of it."""

    def __init__(self, server):
        self.server = server
        self.caller = Caller(server)

    def ask(self, uri, body=None):
        reply = self.caller.pull(uri, body)
        assert reply.status_code == 200, reply
        return json.loads(reply.body)

    def wait(self, **wanted):
        """Waits until its state is so; returns that."""
        return wait_until(lambda: (state := self.ask("/state")).items() >= wanted.items() and state,
                          f"the state is {wanted}")

    def connected(self):
        self.wait(connected=True)
        return self

    def put(self, key, value):
        assert self.ask(f"/put?{key}", value.encode())["result"] == "ok"

    def read(self):
        return self.ask("/read")


def test_what_is_put_is_read_until_it_is_taken_away(redis, start_shelf):
    shelf = start_shelf(redis.address).connected()
    assert shelf.read()["entries"] == 0

    shelf.put("a/1", "one")
    state = shelf.read()

    assert state["result"] == "ok"
    assert (state["entries"], state["key"], state["value"]) == (1, "a/1", "one")
    assert redis.ask("GET", "shelf:e:a/1") == "one"
    assert 0 < redis.ask("PTTL", "shelf:e:a/1") <= 60000
    assert shelf.ask("/take?a/1")["result"] == "ok"
    assert shelf.read()["entries"] == 0


def test_what_is_put_ends_by_itself(redis, start_shelf):
    shelf = start_shelf(redis.address).connected()

    shelf.ask("/brief?soon", b"gone")

    wait_until(lambda: shelf.read()["entries"] == 0, "it has ended")


def test_a_nudge_is_heard_by_others_after_what_was_put(redis, start_shelf):
    first = start_shelf(redis.address).connected()
    second = start_shelf(redis.address).connected()

    first.put("news", "1")
    first.ask("/nudge")
    second.wait(changes=1)

    assert second.read()["key"] == "news"
    second.ask("/nudge")
    first.wait(changes=1)
    assert second.ask("/state")["changes"] == 1     # Each hears of its own change from itself.


def test_nudges_in_a_hurry_become_few_and_none_is_lost(redis, start_shelf):
    first = start_shelf(redis.address).connected()
    second = start_shelf(redis.address).connected()

    for number in range(50):
        first.put("number", str(number))
        assert first.ask("/nudge")["result"] == "ok"

    wait_until(lambda: int(redis.ask("GET", "shelf:revision")) ==
               second.ask("/state")["changes"], "each that was counted was heard")
    assert second.read()["value"] == "49"


def test_a_server_that_is_killed_is_found_again(redis, start_shelf):
    shelf = start_shelf(redis.address).connected()
    shelf.put("before", "x")

    redis.kill()
    shelf.wait(connected=False, downs=1)
    assert shelf.ask("/put?while", b"x")["result"] == "gone"
    assert shelf.ask("/nudge")["result"] == "gone"
    assert shelf.ask("/read")["result"] == "gone"
    shelf.server.wait_for_log("registry-redis-lost", "for=commands")
    shelf.server.wait_for_log("registry-redis-unreachable", 'why="Connection refused"')
    redis.start()

    shelf.wait(connected=True, ups=2, downs=1)
    shelf.put("after", "y")
    assert shelf.read()["key"] == "after"
    assert len(shelf.server.log_lines("registry-redis-unreachable")) <= 4   # not with each try


def test_one_that_comes_later_is_found(tmp_path, start_shelf):
    redis = Redis(tmp_path / "redis")
    shelf = start_shelf(redis.address)
    shelf.server.wait_for_log("registry-redis-unreachable")

    redis.start()

    shelf.connected()
    redis.close()


def test_one_connection_that_is_lost_counts_as_lost(redis, start_shelf):
    shelf = start_shelf(redis.address).connected()

    redis.ask("CLIENT", "KILL", "TYPE", "pubsub")

    shelf.wait(connected=True, ups=2, downs=1)
    shelf.server.wait_for_log("registry-redis-lost", "for=changes")


@pytest.mark.parametrize("options, acl", [
    ({"password": SECRET}, ["--requirepass", SECRET]),
    ({"user": "shelf", "password": SECRET},
     ["--user", "shelf", "on", f">{SECRET}", "~*", "&*", "+@all"]),
])
def test_who_has_a_password_is_let_in(tmp_path, start_shelf, options, acl):
    redis = Redis(tmp_path / "redis", *acl).start()
    shelf = start_shelf(redis.address, **options, database=3).connected()

    shelf.put("a", "b")

    credentials = [value for _, value in sorted(options.items(), reverse=True)]
    assert shelf.read()["entries"] == 1
    assert redis.ask("DBSIZE", credentials=credentials) == 0   # It is in the third.
    assert SECRET not in shelf.server.log()
    redis.close()


@pytest.mark.parametrize("options, word", [({}, "NOAUTH"), ({"password": "wrong"}, "WRONGPASS")])
def test_who_has_none_is_told_why(tmp_path, start_shelf, options, word):
    redis = Redis(tmp_path / "redis", "--requirepass", SECRET).start()

    shelf = start_shelf(redis.address, **options)

    shelf.server.wait_for_log("registry-redis-unreachable", f'why="it answers {word}"')
    assert not shelf.ask("/state")["connected"]
    assert "wrong" not in shelf.server.log()
    redis.close()


@pytest.mark.parametrize("where", ["unix", "name", "v6-refused"])
def test_it_is_found_by_other_addresses(redis, start_shelf, where):
    address = {"unix": f"unix:{redis.socket_path}", "name": f"localhost:{redis.port}",
               "v6-refused": f"[::1]:{redis.port}"}[where]

    shelf = start_shelf(address)

    if where == "v6-refused":
        shelf.server.wait_for_log("registry-redis-unreachable", f"address={address}")
    else:
        shelf.connected().put("a", "b")
        assert shelf.read()["entries"] == 1


def test_a_name_that_nobody_knows_is_said(start_shelf):
    shelf = start_shelf("no-such-host.invalid:6379")

    shelf.server.wait_for_log("registry-redis-unreachable", "address=no-such-host.invalid:6379")


def test_thousands_of_entries_are_read_each_once(redis, start_shelf):
    shelf = start_shelf(redis.address).connected()
    for number in range(3000):
        redis.ask("SET", f"shelf:e:{number}", "x" * 100)

    state = shelf.read()

    assert (state["result"], state["entries"], state["bytes"]) == ("ok", 3000, 300000)


def test_what_is_none_of_ours_is_left_out(redis, start_shelf):
    shelf = start_shelf(redis.address, prefix="a*[b]?\\\\").connected()
    prefix = "a*[b]?\\"
    shelf.put("ours", "x")
    redis.ask("SET", f"{prefix}e:large", "x" * 100000)
    redis.ask("RPUSH", f"{prefix}e:list", "x")
    redis.ask("SET", f"{prefix}e:", "x")
    redis.ask("SET", f"{prefix}e:" + "k" * 600, "x")
    redis.ask("SET", "axb?\\e:theirs", "x")
    redis.ask("SET", "shelf:e:theirs", "x")

    state = shelf.read()

    assert (state["result"], state["entries"], state["key"]) == ("ok", 1, "ours")
    shelf.server.wait_for_log("registry-redis-skipped", "key_len=5")


@pytest.mark.parametrize("key, value, result", [
    ("k" * 512, "x", "ok"), ("k" * 513, "x", "too-large"), ("", "x", "too-large"),
    ("a", "x" * 16384, "ok"), ("a", "x" * 16385, "too-large"),
])
def test_keys_and_values_have_bounds(redis, start_shelf, key, value, result):
    shelf = start_shelf(redis.address).connected()

    assert shelf.ask(f"/put?{key}", value.encode())["result"] == result

    if result == "ok":
        state = shelf.read()
        assert (state["entries"], state["bytes"]) == (1, len(value))


def test_a_refused_put_is_said_and_reading_goes_on(redis, start_shelf):
    shelf = start_shelf(redis.address).connected()
    shelf.put("a", "b")
    redis.ask("CONFIG", "SET", "maxmemory", "1")

    shelf.put("c", "d")
    shelf.put("e", "f")

    shelf.server.wait_for_log("registry-redis-refused", "to=put error=OOM")
    assert shelf.read()["entries"] == 1
    assert len(shelf.server.log_lines("registry-redis-refused")) == 1


# Servers that are none, or mean ill

def greet(connection, then):
    """Lets the greeting pass, and then does `then` with the connection's stream."""
    stream = connection.makefile("rb")
    words = read_command(stream)
    if words[0] == b"SUBSCRIBE":
        connection.sendall(b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n"
                           % (len(words[1]), words[1]))
        read_command(stream)
        return
    connection.sendall(b"+PONG\r\n")
    then(connection, stream)


def unasked(connection, stream):
    connection.sendall(b"+HELLO\r\n")
    stream.read()


def garbage(connection, stream):
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
    stream.read()


def many(connection, stream):
    connection.sendall(b"*2000000000\r\n")
    stream.read()


def nested(connection, stream):
    connection.sendall(b"*60000\r\n" * 8)
    stream.read()


def large(connection, stream):
    connection.sendall(b"$536870912\r\n" + b"x" * 8000000)
    stream.read()


@pytest.mark.parametrize("then, why", [
    (unasked, "it answers what nobody has asked"),
    (garbage, "Protocol error"),
    (many, "Out of memory"),
    (nested, "Out of memory"),
    (large, "a reply is too large"),
])
def test_nonsense_costs_a_connection_and_nothing_else(speak, start_shelf, then, why):
    speaker = speak(lambda connection: greet(connection, then))

    shelf = start_shelf(speaker.address)

    shelf.server.wait_for_log("registry-redis-lost", f'for=commands why="{why}')
    assert shelf.ask("/state")["result"] == "ok"
    assert shelf.server.log_lines("worker-died") == []


@pytest.mark.parametrize("answer", [b"+OK\r\n", b"*0\r\n", b"*1\r\n*0\r\n", b"*2\r\n$1\r\n0\r\n:1\r\n",
                                    b"*2\r\n:0\r\n*0\r\n", b":1\r\n", b"$-1\r\n"])
def test_a_list_of_keys_that_is_none_ends_the_reading(speak, start_shelf, answer):
    def then(connection, stream):
        while (words := read_command(stream)) is not None:
            connection.sendall(answer if words[0] == b"SCAN" else b"+PONG\r\n")

    shelf = start_shelf(speak(lambda connection: greet(connection, then)).address).connected()

    assert shelf.read()["result"] == "invalid"


@pytest.mark.parametrize("push", [b"*0\r\n", b"*3\r\n:1\r\n:2\r\n:3\r\n", b"*-1\r\n",
                                  b"*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n:7\r\n",
                                  b"*1\r\n$7\r\nmessage\r\n", b"+message\r\n"])
def test_a_published_message_that_is_none_costs_a_connection(speak, start_shelf, push):
    def answer(connection):
        stream = connection.makefile("rb")
        words = read_command(stream)
        if words[0] == b"SUBSCRIBE":
            connection.sendall(b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n"
                               % (len(words[1]), words[1]) + push)
        else:
            connection.sendall(b"+PONG\r\n")
        stream.read()

    shelf = start_shelf(speak(answer).address)

    shelf.server.wait_for_log("registry-redis-lost", "for=changes")
    assert shelf.ask("/state")["result"] == "ok"
    assert shelf.server.log_lines("worker-died") == []


def test_one_that_repeats_the_password_is_not_quoted(speak, start_shelf):
    def answer(connection):
        words = read_command(connection.makefile("rb"))
        connection.sendall(b"-ERR unknown command, with args beginning with: "
                           + b" ".join(words) + b"\r\n")

    shelf = start_shelf(speak(answer).address, user="me", password=SECRET)

    shelf.server.wait_for_log("registry-redis-unreachable", 'why="it answers ERR"')
    assert SECRET not in shelf.server.log()


def test_one_that_is_silent_is_left(speak, start_shelf):
    speaker = speak(lambda connection: connection.makefile("rb").read())

    shelf = start_shelf(speaker.address)

    shelf.server.wait_for_log("registry-redis-unreachable", 'why="it does not answer"')
    wait_until(lambda: speaker.connection_count > 2, "it is tried again")


def test_a_stop_does_not_wait_for_it(speak, start_shelf):
    def then(connection, stream):
        read_command(stream)        # It asks for keys, and hears nothing.
        stream.read()

    shelf = start_shelf(speak(lambda connection: greet(connection, then)).address).connected()

    shelf.caller.send(Packet(type=PULL, seq=77, uri="/read"))
    assert shelf.ask("/read")["result"] == "in-use"
    assert shelf.server.reload()[0] == 0


@pytest.mark.parametrize("address", ["host:", "host:0", "host:65536", "host:x", ":6379", "unix:",
                                     "[::1", "[host]:1", "a b", "host:1:2", "host/1"])
def test_an_address_that_is_none_is_refused(build, make_server, address):
    objs, _ = build
    server = make_server(conf_of(address))
    server.binary = str(objs / "teleport")

    code, _, errors = server.run("-t")

    assert code == 1
    assert "it takes an address such as 127.0.0.1:6379" in errors

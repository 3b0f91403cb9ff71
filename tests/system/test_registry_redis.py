"""A registry that several servers share by a Redis server."""
import json
import shutil
import signal
import time

import pytest

from harness import family
from harness.redis import Redis
from harness.wait import wait_until
from harness.wire25 import PULL, PUSH, Caller, Packet
from test_examples import shipped
from test_registry import Member
from test_registry_routing import Backend, Load

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server")

CONF = """
worker_processes %(workers)d;
worker_watch off;
peer {
    registry redis %(address)s prefix=test: ttl=%(ttl)s %(advertise)s;
    registry_show anybody;
    server {
        listen 127.0.0.1:$PORT2;
        registry_allow * by=anybody;
    }
    server {
        listen 127.0.0.1:$PORT;
        pull /math/* { proxy_pass registry:math; }
        pull * { proxy_pass registry; }
    }
    server {
        listen 127.0.0.1:$PORT3;
        registry_reach local;
        pull * { proxy_pass registry; }
    }
}
"""


def conf(redis, workers=2, ttl="2s", advertise="advertise=127.0.0.1:$PORT3"):
    return CONF % {"address": redis.address, "workers": workers, "ttl": ttl,
                   "advertise": advertise}


@pytest.fixture(name="redis")
def redis_of_a_test(tmp_path):
    server = Redis(tmp_path / "redis").start()
    yield server
    server.close()


def end_dials(*servers):
    """Without a registry nobody is dialed, so that all sessions can end."""
    for server in servers:
        server.write_conf("peer { server { listen 127.0.0.1:$PORT; listen 127.0.0.1:$PORT2;"
                          " listen 127.0.0.1:$PORT3; } }")
        assert server.reload()[0] == 0


def pull(server, uri="/math/add", port="$PORT"):
    reply = Caller(server, port).pull(uri, b"1")
    return json.loads(reply.body) if reply.status_code == 200 else reply.status_code


def members(server, service="math"):
    return Member(server, "$PORT2").members(service)


def within(seconds, holds, what):
    began = time.monotonic()
    found = wait_until(holds, what)
    assert time.monotonic() - began < seconds, what
    return found


def test_two_servers_see_each_others_services_and_reach_them(start_server, redis):
    one, two = start_server(conf(redis)), start_server(conf(redis))
    backend = Backend(one, "one", weight=3)
    shown = within(1, lambda: list(members(two).values()), "the other one sees it")[0]
    assert shown["address"] == f"127.0.0.1:{one.port('$PORT3')}"
    assert (shown["weight"], shown["uris"], shown["from"]) == (3, ["/math/*"], "server")
    assert [pull(two) for _ in range(10)] == ["one"] * 10 and pull(two, "/math/any") == "one"
    assert backend.counts[PULL] == 11

    # Where other servers ask only who is here is asked.
    assert pull(two, port="$PORT3") == 404
    backend.tell("deregister", service="math")
    within(1, lambda: members(two) == {}, "it is gone")
    assert pull(two) == 404
    end_dials(one, two)


ANYWHERE = """
worker_processes 2;
worker_watch off;
peer {
    registry redis %(address)s prefix=test: ttl=10s advertise=%(advertise)s127.0.0.1:$PORT;
    registry_show anybody;
    server {
        listen 127.0.0.1:$PORT2;
        registry_allow * by=anybody;
    }
    server {
        listen 127.0.0.1:$PORT;
        access_log logs/access.log;
        pull /math/* { proxy_pass registry:math; proxy_customer %(customer)s; }
        pull * { proxy_pass registry; proxy_customer %(customer)s; }
        push * { proxy_pass registry; }
    }
}
"""


def anywhere(redis, advertise="", customer="metadata"):
    """Other servers ask where everybody asks."""
    return ANYWHERE % {"address": redis.address, "advertise": advertise, "customer": customer}


def asked(server):
    return (server.prefix / "logs/access.log").read_text().splitlines()


@pytest.mark.parametrize("advertise", ["", "raw://", "http://"])
@pytest.mark.parametrize("customer", ["off", "metadata", "query"])
def test_what_another_server_passes_on_comes_as_it_was_asked(start_server, redis, advertise,
                                                             customer):
    one, two = [start_server(anywhere(redis, advertise, customer)) for _ in range(2)]
    backend = Backend(one, "one")
    within(1, lambda: members(two), "the other one sees it")
    for uri in ("/math/add", "/math/add?x=%20&y", "/math/x#y"):
        assert pull(two, uri) == "one"
    told = "X-Real-IP=127.0.0.1"
    if customer != "query":
        assert [uri.partition("#")[0] for uri in backend.uris] == \
            ["/math/add", "/math/add?x=%20&y", "/math/x"]
    else:
        assert backend.uris == ["/math/add?" + told, "/math/add?x=%20&y&" + told, "/math/x?" + told]
    end_dials(one, two)


@pytest.mark.parametrize("advertise", ["", "raw://", "http://"])
def test_nothing_goes_round_in_circles_when_both_lists_are_old(start_server, redis, advertise):
    one, two = [start_server(anywhere(redis, advertise)) for _ in range(2)]
    backends = [Backend(one, "one"), Backend(two, "two")]
    within(1, lambda: len(members(one)) == len(members(two)) == 2, "each sees both")
    redis.kill()
    for server in (one, two):
        server.wait_for_log("registry-redis-away")
    for backend in backends:
        backend.close()
    wait_until(lambda: len(members(one)) == len(members(two)) == 1, "each believes in the other")
    for uri in ("/math/add", "/math/any"):
        began = time.monotonic()
        assert (pull(one, uri), pull(two, uri)) == (503, 503)
        assert time.monotonic() - began < 1
    Caller(one).send(Packet(type=PUSH, uri="/math/told", body=b"1"))
    # Of its caller and of the other, once each: two PULLs twice, and the PUSH.
    for server in (one, two):
        wait_until(lambda server=server: len(asked(server)) >= 5, "all is logged")
        assert len(asked(server)) == 5
    redis.start()
    end_dials(one, two)


def test_a_client_that_says_so_reaches_only_who_has_dialed_in_here(start_server, redis):
    one, two = [start_server(anywhere(redis)) for _ in range(2)]
    backend = Backend(one, "one")
    within(1, lambda: members(two), "the other one sees it")
    own = "?X-Registry-Reach=local"
    assert (pull(one, "/math/add" + own), pull(two, "/math/add" + own)) == ("one", 503)
    assert pull(two, "/math/add?X-Registry-Reach=far") == "one"
    assert backend.uris == ["/math/add", "/math/add"]
    for server, status in ((one, "code=0"), (two, "code=503")):
        caller = family.Caller(server)
        caller.send(family.Packet(method="/math/add", meta="x-registry-reach=local"))
        assert caller.receive().status.startswith(status)
    assert backend.uris[-1] == "/math/add"
    end_dials(one, two)


def test_members_of_a_service_are_one_to_other_servers(start_server, redis):
    one, two = start_server(conf(redis)), start_server(conf(redis))
    backends = [Backend(one, str(number), weight=number + 1) for number in range(4)]
    mine = Backend(two, "mine", weight=10)
    wait_until(lambda: sorted(one["weight"] for one in members(two).values()) == [10, 10],
               "they count together")
    heard = [pull(two) for _ in range(100)]
    assert 30 <= heard.count("mine") <= 70 and mine.counts[PULL] == heard.count("mine")
    assert all(backend.counts[PULL] > 0 for backend in backends)
    backends[3].close()
    wait_until(lambda: sorted(one["weight"] for one in members(two).values()) == [6, 10],
               "one is gone")
    end_dials(one, two)


def test_a_member_with_an_address_is_the_same_to_all(start_server, make_server, redis):
    backend = make_server("peer { server { listen 127.0.0.1:$PORT; pull * { echo; } } }").start()
    one, two = start_server(conf(redis, advertise="")), start_server(conf(redis, advertise=""))
    address = f"127.0.0.1:{backend.port('$PORT')}"
    member = Member(one, "$PORT2")
    member.done("register", service="math", uris=["/math/*"], address=address, ttl="1m")
    within(1, lambda: members(two).get(address), "the other one sees it")
    assert pull(two) == 1
    assert pull(one) == 1
    # What another server has announced is its own.
    assert Member(two, "$PORT2").ask("deregister", service="math", address=address).status_code \
        == 409
    # But a backend may go over to another server.
    Member(two, "$PORT2").done("register", service="math", uris=["/math/*"], address=address)
    assert "from" not in members(two)[address] and pull(two) == pull(one) == 1
    end_dials(one, two)


def test_without_an_address_to_advertise_sessions_stay_local(start_server, redis):
    one, two = start_server(conf(redis, advertise="")), start_server(conf(redis, advertise=""))
    Backend(one, "one")
    Member(one, "$PORT2").done("register", service="other", uris=["/x"], address="127.0.0.1:1")
    within(1, lambda: members(two, "other"), "an address is seen")
    assert members(two) == {} and pull(one) == "one"
    end_dials(one, two)


def test_a_redis_server_that_dies_and_comes_back_loses_nothing(start_server, redis):
    one, two = start_server(conf(redis)), start_server(conf(redis))
    Backend(one, "one")
    within(1, lambda: members(two), "the other one sees it")
    load = Load(two, 4)
    for _ in range(3):
        redis.kill()
        two.wait_for_log("registry-redis-away")
        time.sleep(0.5)
        redis.start()
        wait_until(lambda: redis.ask("KEYS", "test:e:*"), "it is said again")
    late = Backend(two, "late", service="late", uris=["/late"])
    wait_until(lambda: members(one, "late"), "what is new is seen")
    assert set(load.stop()) == {(200, "OK")} and late.key
    end_dials(one, two)


def test_the_last_good_list_is_kept_while_the_redis_server_is_away(start_server, redis):
    one, two = start_server(conf(redis, ttl="500ms")), start_server(conf(redis, ttl="500ms"))
    Backend(one, "one")
    within(1, lambda: members(two), "the other one sees it")
    redis.kill()
    two.wait_for_log("registry-redis-away")
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert pull(two) == "one"
        time.sleep(0.1)
    # One that has lost everything is not believed as long as members answer.
    one.signal(signal.SIGSTOP)
    redis.start()
    wait_until(lambda: len(two.log_lines("registry-redis-there")) >= 2, "it is there again")
    time.sleep(1.5)
    one.signal(signal.SIGCONT)
    assert pull(two) == "one"
    end_dials(one, two)


def test_the_members_of_a_server_that_dies_are_forgotten(start_server, redis):
    one, two, three = [start_server(conf(redis, ttl="500ms")) for _ in range(3)]
    Backend(one, "one")
    Backend(three, "three", service="other", uris=["/other"])
    within(1, lambda: members(two) and members(two, "other"), "they are seen")
    one.die()
    for name in ("logs/teleport.pid", "logs/teleport.control"):
        one.allow_file(name)
    wait_until(lambda: members(two) == {}, "its members are gone")
    assert members(two, "other") and pull(two, "/other") == "three"
    end_dials(two, three)


def test_another_worker_goes_on_when_one_dies(start_server, redis):
    one, two = start_server(conf(redis, workers=3)), start_server(conf(redis, workers=3))
    for slot in range(3):
        pid = two.worker_pids()[slot]
        two.signal(signal.SIGKILL, pid)
        two.wait_for_replacement(slot, pid)
    backend = Backend(one, "one")
    wait_until(lambda: members(two), "the other one sees it")
    assert pull(two) == "one" and backend.counts[PULL] == 1
    end_dials(one, two)


def test_a_reload_may_take_the_redis_server_away_and_bring_it_back(start_server, redis):
    one, two = start_server(conf(redis)), start_server(conf(redis))
    Backend(one, "one")
    within(1, lambda: members(two), "the other one sees it")
    two.write_conf(conf(redis).replace(f"registry redis {redis.address} prefix=test: ttl=2s "
                                       "advertise=127.0.0.1:$PORT3", "registry on"))
    assert two.reload()[0] == 0
    wait_until(lambda: members(two) == {}, "what others have announced is gone")
    two.write_conf(conf(redis))
    assert two.reload()[0] == 0
    wait_until(lambda: members(two), "and is back")
    assert pull(two) == "one"
    end_dials(one, two)


def test_what_stands_there_that_is_none_of_ours_does_no_harm(start_server, redis):
    for key, value in (("x", "1"), ("0" * 16 + "/" + "1" * 16, "no json"),
                       ("0" * 16 + "/" + "2" * 16, '{"service":"math"}'),
                       ("0" * 16 + "/" + "3" * 16,
                        '{"service":"math","uris":["/math/*"],"address":"nowhere"}')):
        redis.ask("SET", f"test:e:{key}", value)
    one, two = start_server(conf(redis)), start_server(conf(redis))
    Backend(one, "one")
    within(1, lambda: len(members(two)) == 1, "what is ours is seen")
    two.wait_for_log("registry-redis-wrong")
    assert pull(two) == "one"
    end_dials(one, two)


def test_the_shipped_configuration_makes_a_set_of_two_machines(start_server, redis, tp):
    text = shipped("registry-redis.conf").replace("127.0.0.1:6379", redis.address) \
        .replace("127.0.0.1:29392", "127.0.0.1:$PORT3")
    one, two = start_server(text), start_server(text)
    tp.start("serve", f"127.0.0.1:{one.port('$PORT2')}", "/math/*", "--echo", "--register", "math")
    wait_until(lambda: members(one) and members(two), "both know it")
    for server in (one, two):
        assert Caller(server).pull("/math/add", b"[7]").body == b"[7]"
    end_dials(one, two)


@pytest.mark.parametrize("text, why", [
    ("registry redis;", "it needs the address of the Redis server"),
    ("registry redis 1.2.3.4.5:x;", "the address of the Redis server has to be"),
    ("registry on 127.0.0.1:6379;", "an address is for redis"),
    ("registry redis 127.0.0.1 ttl=1ms;", "between 500ms and 1h"),
    ("registry redis 127.0.0.1 database=-1;", "between 0 and 65535"),
    ("registry redis 127.0.0.1 password_file=nowhere;", "the file of the password cannot be read"),
    ("registry redis 127.0.0.1 prefix=%s;" % ("p" * 129), "from 1 to 128 bytes"),
    ('registry redis 127.0.0.1 prefix="";', "from 1 to 128 bytes"),
    ("registry redis 127.0.0.1; } server { listen 127.0.0.1:$PORT2; registry redis 127.0.0.2;",
     "say the same of it"),
    ("registry on; registry_reach far;", "everywhere"),
])
def test_what_is_said_wrongly_of_it_is_a_mistake(make_server, text, why):
    code, _, errors = make_server("peer { server { listen 127.0.0.1:$PORT; %s } }"
                                  % text).run("-t")
    assert code == 1 and why in errors

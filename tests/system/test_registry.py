"""The registry: services announce themselves, others list and watch, by every worker."""
import json
import os
import signal
import time

import pytest

from harness.http import Browser
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import PUSH, REPLY, Caller, Packet
from test_auth import line

WORKERS = [1, 3]
OPEN = "registry_allow * by=anybody; registry_show anybody;"
CONF = """
worker_processes %(workers)d;
worker_watch off;
peer {
    body_codec json;
    %(peer)s
    server {
        listen 127.0.0.1:$PORT;
        registry on;
        %(rules)s
        pull /echo { echo; }
    }
    server {
        listen 127.0.0.1:$PORT2;
        pull /echo { echo; }
    }
}
"""


def conf(rules=OPEN, workers=1, peer=""):
    return CONF % {"rules": rules, "workers": workers, "peer": peer}


class Member(Caller):
    """A session that asks the registry; pushes that come meanwhile are kept."""

    def __init__(self, server, port="$PORT", **options):
        super().__init__(server, port, **options)
        self.pushes = []
        self.seq = 0

    def ask(self, action, **members):
        """The REPLY to the question, whatever comes before it."""
        self.seq += 1
        self.send(Packet(uri=f"/registry/{action}", seq=self.seq,
                         body=json.dumps(members).encode()))
        while (packet := self.receive()).type != REPLY or packet.seq != self.seq:
            self.pushes.append(packet)
        return packet

    def done(self, action, **members):
        reply = self.ask(action, **members)
        assert reply.outcome() == (200, "OK"), reply
        return json.loads(reply.body)

    def change(self):
        """The next change that it is told."""
        packet = self.pushes.pop(0) if self.pushes else self.receive()
        assert (packet.type, packet.uri) == (PUSH, "/registry/changed")
        return json.loads(packet.body)

    def change_of(self, revision):
        change = self.change()
        assert change["revision"] == revision, change
        return change

    def members(self, service):
        """The members of a service, by their keys."""
        found = self.done("list", service=service)["services"]
        return {one["key"]: one for one in found[0]["members"]} if found else {}


def spread(server, count, workers):
    """So many sessions that each worker has at least one of them."""
    found = [Member(server) for _ in range(count)]
    wait_until(lambda: all(worker["sessions"] > 0 for worker in server.workers().values()),
               "each worker has a session") if workers > 1 else None
    return found


@pytest.mark.parametrize("workers", WORKERS)
def test_what_is_announced_is_listed_by_every_worker_once_that_is_answered(start_server, workers):
    server = start_server(conf(workers=workers))
    lookers = spread(server, 20, workers)
    member = Member(server)

    answer = member.done("register", service="math", uris=["/math/*", "/sum"], weight=2,
                         meta={"zone": "b"})
    assert (answer["service"], answer["ttl"]) == ("math", 0)
    for looker in lookers:
        members = looker.members("math")
        assert list(members) == [answer["key"]]
        shown = members[answer["key"]]
        assert shown["uris"] == ["/math/*", "/sum"] and shown["weight"] == 2
        assert shown["meta"] == {"zone": "b"} and shown["state"] == "up"
        assert 0 <= shown["age"] < PATIENCE_SECONDS
    assert lookers[0].done("list")["revision"] == answer["revision"]
    assert lookers[0].members("other") == {}


@pytest.mark.parametrize("workers", WORKERS)
def test_a_member_goes_with_its_session(start_server, workers):
    server = start_server(conf(workers=workers))
    looker = Member(server)
    members = [Member(server) for _ in range(8)]
    for one in members:
        one.done("register", service="math", uris=["/math/*"])
        one.done("register", service="sums", uris=["/sum"])
    assert len(looker.members("math")) == len(looker.members("sums")) == 8

    for one in members[:7]:
        one.close()
    wait_until(lambda: len(looker.members("math")) == len(looker.members("sums")) == 1,
               "they are gone")


def test_the_members_of_a_worker_that_dies_go_with_it(start_server):
    server = start_server(conf(workers=3))
    members = spread(server, 24, 3)
    for one in members:
        one.done("register", service="math", uris=["/math/*"])
    pid = server.worker_pids()[1]
    server.signal(signal.SIGKILL, pid)
    server.wait_for_replacement(1, pid)

    looker = Member(server)

    def is_right():
        alive = sum(worker["sessions"] for worker in server.workers().values()) - 1
        return 0 < len(looker.members("math")) == alive < 24

    wait_until(is_right, "only those whose worker lives are there")


@pytest.mark.parametrize("workers", WORKERS)
def test_who_watches_hears_of_each_change_once_and_in_order(start_server, workers):
    server = start_server(conf(workers=workers))
    before = Member(server).done("register", service="math", uris=["/math/*"])
    watchers = spread(server, 12, workers)
    revisions = []
    for watcher in watchers:
        answer = watcher.done("watch")
        revisions.append(answer["revision"])
    members = [Member(server) for _ in range(6)]
    keys = [one.done("register", service="sums", uris=["/sum"], weight=3)["key"] for one in members]
    for one in members:
        one.close()

    assert before["revision"] <= min(revisions)
    for watcher, revision in zip(watchers, revisions):
        joined, left = [], []
        while len(left) < 6:
            revision += 1
            change = watcher.change_of(revision)
            if change["event"] == "joined":
                joined.append(change["key"])
                assert change["service"] == "sums" and change.get("member", {}).get("weight", 3) == 3
            elif change["service"] == "sums":
                assert change["event"] == "left" and "member" not in change
                left.append(change["key"])
        assert joined == keys and sorted(left) == sorted(keys)


def test_who_watches_one_service_hears_of_no_other_and_may_stop(start_server):
    server = start_server(conf())
    watcher, member = Member(server), Member(server)
    watcher.done("watch", service="math")
    member.done("register", service="sums", uris=["/sum"])
    key = member.done("register", service="math", uris=["/math/*"])["key"]
    assert watcher.change()["key"] == key

    watcher.done("watch", stop=True)
    member.done("deregister", service="math")
    assert watcher.pull("/echo", b'"well"', seq=99).seq == 99


def test_who_watches_over_a_reload_misses_nothing(start_server):
    server = start_server(conf(workers=3))
    watchers = spread(server, 12, 3)
    revisions = [watcher.done("watch")["revision"] for watcher in watchers]
    count = 0
    for reload in range(5):
        members = [Member(server) for _ in range(3)]
        for one in members:
            one.done("register", service="math", uris=["/math/*"])
        server.write_conf(conf(workers=3, rules=OPEN + f"registry_members {100 + reload};"))
        assert server.reload()[0] == 0
        for one in members:
            one.done("deregister", service="math")
        count += 6
    for watcher, revision in zip(watchers, revisions):
        for step in range(count):
            watcher.change_of(revision + step + 1)


def test_a_member_with_an_address_expires_unless_it_is_renewed(start_server):
    server = start_server(conf(workers=3))
    looker, member = Member(server), Member(server)
    answer = member.done("register", service="math", uris=["/math/*"], address="10.0.0.7:9191",
                         ttl="2s")
    assert (answer["key"], answer["ttl"]) == ("10.0.0.7:9191", 2)
    member.close()

    # It outlives the session that has announced it; somebody else renews it for a while.
    began = time.monotonic()
    while time.monotonic() < began + 3:
        assert looker.done("renew", service="math", address="10.0.0.7:9191")["ttl"] == 2
        assert "10.0.0.7:9191" in looker.members("math")
        time.sleep(0.2)
    wait_until(lambda: looker.members("math") == {}, "it has expired")
    assert looker.ask("renew", service="math", key="10.0.0.7:9191").outcome() == \
        (404, "there is no such member: register it")
    server.wait_for_log("registry-lost")


def test_a_sign_of_life_of_the_session_renews_what_it_has_announced(start_server):
    server = start_server(conf(workers=3))
    looker, member = Member(server), Member(server)
    member.done("register", service="math", uris=["/math/*"], address="10.0.0.7:9191", ttl="1s")
    began = time.monotonic()
    while time.monotonic() < began + 3:
        assert member.is_well()
        assert "10.0.0.7:9191" in looker.members("math")
        time.sleep(0.2)
    # The session is there, and silent: that is no sign of life.
    wait_until(lambda: looker.members("math") == {}, "it has expired")


@pytest.mark.parametrize("workers", WORKERS)
def test_a_member_that_deregisters_is_draining_until_it_goes(start_server, workers):
    server = start_server(conf(workers=workers))
    looker, member = Member(server), Member(server)
    looker.done("watch")
    key = member.done("register", service="math", uris=["/math/*"])["key"]
    assert member.done("deregister", service="math")["key"] == key
    assert looker.members("math")[key]["state"] == "draining"
    assert [looker.change()["event"] for _ in range(2)] == ["joined", "draining"]
    again = member.done("register", service="math", uris=["/math/*"])
    assert again["key"] == key and looker.members("math")[key]["state"] == "up"
    assert looker.change()["event"] == "changed"


def test_nothing_may_be_announced_unless_it_is_allowed(start_server):
    server = start_server(conf(rules="registry_show anybody;"))
    reply = Member(server).ask("register", service="math", uris=["/math/*"])
    assert reply.outcome() == (403, "no registry_allow lets who has not proved who it is announce "
                                    "/math/* for math here")
    server.wait_for_log("registry-refused")


@pytest.mark.parametrize("uris, service, is_allowed", [
    (["/math/add"], "math", True),
    (["/math/*"], "math", True),
    (["/math/deep/*"], "math", True),
    (["/sum"], "math", True),
    (["/math/add", "/sum"], "math", True),
    (["/math/"], "math", False),
    (["/math"], "math", False),
    (["/mathematics"], "math", False),
    (["/sum/*"], "math", False),
    (["/math/add", "/other"], "math", False),
    (["*"], "math", False),
    (["/only/x"], "only", True),
    (["/only/x"], "math", False),
])
def test_only_what_is_below_a_prefix_may_be_announced(start_server, uris, service, is_allowed):
    server = start_server(conf(rules="registry_allow /math/* by=anybody; registry_show anybody;"
                                     "registry_allow /sum by=anybody;"
                                     "registry_allow /only/* by=anybody service=only;"))
    reply = Member(server).ask("register", service=service, uris=uris)
    assert reply.status_code == (200 if is_allowed else 403)


def authenticated(server, name):
    member = Member(server)
    assert member.pull("/auth", f'"{name}:secret-{name}"'.encode()).status_code == 200
    return member


def test_who_has_proved_who_it_is_may_announce_where_that_is_asked_for(make_server):
    rules = "auth token file=conf/tokens; registry_allow /math/*; registry_allow /sum id=bob;"
    server = make_server(conf(rules=rules, workers=3))
    (server.prefix / "conf/tokens").write_text(line("ann") + line("bob"))
    server.start()
    ann, bob = authenticated(server, "ann"), authenticated(server, "bob")
    ann.done("register", service="math", uris=["/math/*"])
    assert ann.ask("register", service="sums", uris=["/sum"]).outcome() == \
        (403, "no registry_allow lets you announce /sum for sums here")
    bob.done("register", service="sums", uris=["/sum"])
    assert len(ann.members("sums")) == 1

    # An address belongs to who has announced it.
    ann.done("register", service="math", uris=["/math/*"], address="10.0.0.7:9191")
    for action, members in (("renew", {}), ("deregister", {}), ("register", {"uris": ["/math/*"]})):
        reply = bob.ask(action, service="math", address="10.0.0.7:9191", **members)
        assert reply.outcome() == (409, "somebody else has announced it")
    authenticated(server, "ann").done("renew", service="math", address="10.0.0.7:9191")


def test_who_has_announced_loses_what_a_reload_does_not_allow_any_more(start_server):
    server = start_server(conf(workers=3))
    looker, member = Member(server), Member(server)
    member.done("register", service="math", uris=["/math/*"])
    member.done("register", service="sums", uris=["/sum"])
    server.write_conf(conf(workers=3, rules="registry_allow /sum by=anybody; registry_show anybody;"))
    assert server.reload()[0] == 0
    wait_until(lambda: looker.members("math") == {}, "it is gone")
    assert len(looker.members("sums")) == 1


def test_a_registry_that_a_reload_takes_away_tells_who_watches(start_server):
    server = start_server(conf(workers=3))
    watcher, member = Member(server), Member(server)
    watcher.done("watch")
    member.done("register", service="math", uris=["/math/*"])
    assert watcher.change()["event"] == "joined"
    server.write_conf(conf(workers=3).replace("registry on;", "registry off;"))
    assert server.reload()[0] == 0
    events = [watcher.change()["event"]]
    while events[-1] != "ended":
        events.append(watcher.change()["event"])
    assert set(events) <= {"left", "ended"}
    assert member.ask("list").status_code == 404


def test_who_may_not_look_is_told_so(start_server):
    server = start_server(conf(rules="registry_allow * by=anybody;"))
    for action in ("list", "watch"):
        assert Member(server).ask(action).outcome() == \
            (403, "registry_show does not show you who is there")


def test_what_guards_the_routes_of_a_server_guards_its_registry(start_server):
    server = start_server(conf(OPEN + "limit_rate 1r/m zone=all key=$remote_addr burst=2;"))
    asker = Member(server)
    assert [asker.ask("list").status_code for _ in range(4)] == [200, 200, 429, 429]

    server.write_conf(conf(OPEN + "require id;"))
    server.reload()
    assert Member(server).ask("list").status_code == 401
    assert Member(server).ask("register", service="math").status_code == 401


def test_the_registry_is_there_where_it_is_opened_only(start_server):
    server = start_server(conf())
    assert Member(server, "$PORT2").ask("list").status_code == 404


@pytest.mark.parametrize("directive, text", [
    ("registry_members 2;", "the registry is full: registry_members is 2"),
    ("registry_services 2;", "there are too many services: registry_services is 2"),
])
def test_a_bound_that_is_reached_refuses(start_server, directive, text):
    server = start_server(conf(rules=OPEN + directive))
    members = [Member(server) for _ in range(3)]
    for number in range(2):
        members[number].done("register", service=f"s{number}", uris=["/x"])
    assert members[2].ask("register", service="s2", uris=["/x"]).outcome() == (503, text)
    # Who is there already may change what it has announced.
    members[0].done("register", service="s0", uris=["/y"])
    members[0].close()
    wait_until(lambda: members[2].ask("register", service="s2", uris=["/x"]).status_code == 200,
               "there is room")


def test_a_session_announces_at_most_64_services(start_server):
    server = start_server(conf())
    member = Member(server)
    for number in range(64):
        member.done("register", service=f"s{number}", uris=["/x"])
    assert member.ask("register", service="s64", uris=["/x"]).outcome() == \
        (503, "the registry has no room for it")


@pytest.mark.parametrize("action, body, text", [
    ("register", "[]", "the request is no object"),
    ("register", '{"service":"math","uris":["/a"],"wait":1}', 'unknown member "wait"'),
    ("register", '{"uris":["/a"]}', '"service" is a name of 1 to 63 bytes, without spaces'),
    ("register", '{"service":"a b","uris":["/a"]}',
     '"service" is a name of 1 to 63 bytes, without spaces'),
    ("register", '{"service":"%s","uris":["/a"]}' % ("s" * 64),
     '"service" is a name of 1 to 63 bytes, without spaces'),
    ("register", '{"service":"math"}', '"uris" is a list of 1 to 32 uris'),
    ("register", '{"service":"math","uris":%s}' % json.dumps(["/a"] * 33),
     '"uris" is a list of 1 to 32 uris'),
    ("register", '{"service":"math","uris":["math"]}',
     "a uri is a path such as /echo, all paths below one such as /math/*, or *"),
    ("register", '{"service":"math","uris":["/%s"]}' % ("u" * 255), "a uri has at most 255 bytes"),
    ("register", '{"service":"math","uris":%s}' % json.dumps(["/" + "u" * 250] * 7),
     '"uris" and "meta" are more than 1536 bytes'),
    ("register", '{"service":"math","uris":["/a"],"weight":0}',
     '"weight" is a whole number from 1 to 1000000'),
    ("register", '{"service":"math","uris":["/a"],"max_pulls":-1}',
     '"max_pulls" is a whole number from 0 (any number) to 1000000'),
    ("register", '{"service":"math","uris":["/a"],"meta":"%s"}' % ("m" * 1023),
     '"meta" is at most 1024 bytes as JSON, and with "uris" 1536'),
    ("register", '{"service":"math","uris":["/a"],"ttl":"10s"}',
     '"ttl" is for members with an "address"'),
    ("register", '{"service":"math","uris":["/a"],"address":"10.0.0.7:1","ttl":"10"}',
     '"ttl" is a time from 100ms to 1d, such as "10s"'),
    ("register", '{"service":"math","uris":["/a"],"address":"10.0.0.7:1","ttl":0.01}',
     '"ttl" is a time from 100ms to 1d, such as "10s"'),
    ("register", '{"service":"math","uris":["/a"],"address":""}',
     '"address" is one that can be dialed, such as 10.0.0.7:9191, of at most 127 bytes'),
    ("deregister", '{"service":"math","key":"a","address":"b"}',
     '"key" and "address" say the same: leave one out'),
    ("watch", '{"stop":1}', '"stop" is true or false'),
])
def test_what_is_asked_wrongly_is_refused_in_words(start_server, action, body, text):
    server = start_server(conf())
    member = Member(server)
    assert member.pull(f"/registry/{action}", body.encode()).outcome() == (400, text)
    assert member.done("list")["services"] == []


def test_a_program_without_a_session_announces_its_address_over_http(start_server):
    server = start_server(conf(workers=3))
    browser = Browser(server)
    body = {"service": "math", "uris": ["/math/*"], "address": "10.0.0.7:9191", "ttl": "10s"}
    reply = browser.ask("POST", "/registry/register", json.dumps(body).encode(), Content_Type="application/json")
    assert reply.code == 200 and json.loads(reply.body)["key"] == "10.0.0.7:9191"
    assert "10.0.0.7:9191" in Member(server).members("math")
    del body["address"], body["ttl"]
    reply = browser.ask("POST", "/registry/register", json.dumps(body).encode(), Content_Type="application/json")
    assert reply.code == 400 and b"address" in reply.body


@pytest.mark.parametrize("rules, text", [
    ("registry_allow math;", "it takes a uri such as /math/add"),
    ("registry_allow /math*;", "it takes a uri such as /math/add"),
    ("registry_allow;", "takes"),
    ("registry_allow /x by=all;", "identity"),
    ("registry_allow /x by=anybody id=ann;", "id= is of who has proved it"),
    ("registry_show all;", "nobody"),
    ("registry_members 0;", "must be between 1 and 4096"),
    ("registry_services 5000;", "must be between 1 and 4096"),
    ("registry_ttl 10ms;", "must be between 100ms and 1d"),
    ("registry maybe;", "on"),
])
def test_a_directive_that_is_wrong_is_a_mistake_of_the_configuration(make_server, rules, text):
    told = make_server(conf(rules=rules).replace("registry on;", "")).run("-t")
    assert told[0] == 1 and text in told[2], told


def test_a_ttl_that_is_not_said_is_that_of_registry_ttl(start_server):
    server = start_server(conf(rules=OPEN + "registry_ttl 7s;"))
    assert Member(server).done("register", service="math", uris=["/a"],
                               address="10.0.0.7:1")["ttl"] == 7


@pytest.mark.parametrize("peer, server, why", [
    ("", "registry_allow * by=anybody;", 'nothing can be announced without "registry on"'),
    ("registry_allow * by=anybody;", "", 'nothing can be announced without "registry on"'),
    ("registry on; registry_allow /a/* by=anybody; registry_allow /b/*;", "",
     "nobody can prove who he is"),
    ("", "registry on; registry_allow /math/*;", "nobody can prove who he is"),
    ("registry_allow *;", "registry on; auth token file=conf/tokens;", None),
    ("auth token file=conf/tokens;", "registry on; registry_allow *;", None),
    ("registry on; registry_allow * by=anybody;", "registry off;", None),
])
def test_rules_that_let_nobody_announce_anything_are_warned_of(make_server, peer, server, why):
    made = make_server(f"""peer {{ {peer} server {{ listen 127.0.0.1:$PORT; {server} }}
                           server {{ listen 127.0.0.1:$PORT2; }} }}""")
    (made.prefix / "conf/tokens").write_text("")
    code, _, errors = made.run("-t")
    assert code == 0
    assert (why in errors and "warning" in errors) if why else "registry_allow" not in errors

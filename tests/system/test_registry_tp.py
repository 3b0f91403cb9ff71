"""Members made in one line: `tp serve --register`, and a program that announces with the library."""
import signal

import pytest

from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import Caller
from test_examples import shipped
from test_registry import Member
from test_registry_routing import Load, conf


def at(server):
    return f"127.0.0.1:{server.port('$PORT2')}"


def members(server):
    return Member(server, "$PORT2").members("math")


def test_tp_makes_a_member_in_one_line(start_server, tp):
    server = start_server(conf(3))
    tp.start("serve", at(server), "/math/*", "/sum", "--echo", "--register", "math",
             "--weight", "3")
    shown = wait_until(lambda: list(members(server).values()), "it is registered")
    assert [shown[0]["uris"], shown[0]["weight"]] == [["/math/*", "/sum"], 3]
    for uri in ("/math/add", "/sum"):
        assert Caller(server).pull(uri, b"[7]").body == b"[7]"


def test_the_shipped_configuration_takes_members(start_server, tp):
    server = start_server(shipped("registry.conf"))
    tp.start("serve", at(server), "/math/*", "--exec", "tr 1 2", "--register", "math")
    wait_until(lambda: members(server), "it is registered")
    assert Caller(server).pull("/math/add", b"111").body == b"222"


def test_it_is_a_member_again_after_the_server_was_there_no_more(start_server, tp):
    server = start_server(conf(1))
    tp.start("serve", at(server), "/math/*", "--echo", "--register", "math")
    wait_until(lambda: members(server), "it is registered")
    server.signal(signal.SIGTERM)
    server.wait_for_end()
    server.start()
    wait_until(lambda: members(server), "it is registered again")
    assert Caller(server).pull("/math/add", b"[7]").body == b"[7]"


def test_an_interrupt_lets_it_leave_and_loses_nothing(start_server, tp):
    server = start_server(conf(3))
    tp.start("serve", at(server), "/math/*", "--echo", "--register", "math")
    wait_until(lambda: members(server), "it is registered")
    load = Load(server, 6)
    for _ in range(5):
        leaves = tp.start("serve", at(server), "/math/*", "--echo", "--register", "math")
        wait_until(lambda: len(members(server)) == 2, "it is registered")
        leaves.send_signal(signal.SIGINT)
        assert leaves.wait(PATIENCE_SECONDS) == 0
        wait_until(lambda: len(members(server)) == 1, "it is gone")
    assert set(load.stop()) == {(200, "OK")}


def test_a_refusal_ends_it_with_the_reason(start_server, tp):
    server = start_server(conf(1, backs="").replace("registry_allow * by=anybody;", ""))
    code, _, errors = tp.run("serve", at(server), "/math/*", "--echo", "--register", "math")
    assert code != 0 and "math was not registered: 403 no registry_allow" in errors


def test_it_waits_for_room(start_server, tp):
    server = start_server(conf(1, backs="registry_members 1;"))
    first = Member(server, "$PORT2")
    first.done("register", service="other", uris=["/x"])
    waiting = tp.start("serve", at(server), "/math/*", "--echo", "--register", "math")
    wait_until(lambda: "the registry is full" in waiting.errors.read_text(), "it is told")
    first.close()
    wait_until(lambda: members(server), "it is registered when there is room")


@pytest.mark.parametrize("arguments, text", [
    (["--listen", "127.0.0.1:0", "/x", "--echo", "--register", "math"], "--register needs an ADDRESS"),
    (["127.0.0.1:1", "/x", "--echo", "--register", "math", "--weight", "0"], "--weight"),
])
def test_what_cannot_be_is_refused(tp, arguments, text):
    code, _, errors = tp.run("serve", *arguments)
    assert code == 2 and text in errors

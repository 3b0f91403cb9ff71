"""allow and deny: who may connect."""
import socket

import pytest

from harness.wait import wait_until


def conf(rules="", peer_rules="", listen="127.0.0.1:$PORT"):
    return f"worker_processes 1;\npeer {{ {peer_rules} server {{ listen {listen}; {rules} }} }}\n"


def is_let_in(server, port="$PORT", **options):
    """Whether a new connection stays, which the server's count of refused ones tells."""
    before = server.status()["totals"]
    connection = server.connect(port, **options)

    def decided():
        now = server.status()["totals"]
        return now if now["sessions_accepted"] > before["sessions_accepted"] else None

    after = wait_until(decided, "the connection is accepted")
    is_refused = after["sessions_refused"] > before["sessions_refused"]
    if is_refused:
        wait_until(lambda: not connection.is_open(), "a refused connection is closed")
    else:
        assert server.is_read([connection])
    return not is_refused


@pytest.mark.parametrize("rules, source, is_in", [
    ("", "127.0.0.1", True),
    ("deny all;", "127.0.0.1", False),
    ("deny 127.0.0.2;", "127.0.0.2", False),
    ("deny 127.0.0.2;", "127.0.0.3", True),
    ("allow 127.0.0.2; deny all;", "127.0.0.2", True),
    ("deny all; allow 127.0.0.2;", "127.0.0.2", True),
    ("deny all; allow 127.0.0.2;", "127.0.0.3", False),
    ("deny 127.0.0.0/8; allow 127.0.1.0/24; deny 127.0.1.7;", "127.0.1.6", True),
    ("deny 127.0.0.0/8; allow 127.0.1.0/24; deny 127.0.1.7;", "127.0.1.7", False),
    ("deny 127.0.0.0/8; allow 127.0.1.0/24; deny 127.0.1.7;", "127.0.2.1", False),
    ("deny all; allow 0.0.0.0/0;", "127.0.0.1", True),
    ("deny ::/0;", "127.0.0.1", True),
    ("allow 10.0.0.0/8;", "127.0.0.1", True),
])
def test_the_most_specific_rule_decides(start_server, rules, source, is_in):
    assert is_let_in(start_server(conf(rules)), source=source) == is_in


def test_a_refused_connection_is_logged_and_closed(start_server):
    server = start_server(conf("deny all;"))

    assert not is_let_in(server, source="127.0.0.5")

    assert "remote=127.0.0.5:" in server.wait_for_log("access-denied")["details"]
    assert "reason=refused" in server.wait_for_log("session-closed")["details"]


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_networks(start_server):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")

    assert not is_let_in(start_server(conf("deny ::1;", listen="[::1]:$PORT")), host="::1")
    assert is_let_in(start_server(conf("deny fd00::/8;", listen="[::1]:$PORT")), host="::1")
    assert is_let_in(start_server(conf("deny all; allow ::/0;", listen="[::1]:$PORT")),
                     host="::1")


def test_an_ipv4_peer_of_an_ipv6_socket_is_judged_as_ipv4(start_server):
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
    except (OSError, ValueError):
        pytest.skip("this machine has no IPv6")
    server = start_server(conf("deny 127.0.0.0/8;", listen="[::]:$PORT ipv6only=off"))

    assert not is_let_in(server)
    assert is_let_in(server, host="::1")


@pytest.mark.parametrize("rules, is_in", [
    ("deny unix:;", False),
    ("deny all;", False),
    ("deny all; allow unix:;", True),
    ("deny 0.0.0.0/0;", True),
])
def test_unix_sockets(start_server, rules, is_in):
    server = start_server(conf(rules, listen="unix:logs/here.socket"))

    assert is_let_in(server, path=server.prefix / "logs/here.socket") == is_in


def test_a_server_without_rules_has_those_of_its_peer(start_server):
    server = start_server("""
worker_processes 1;
peer {
    deny 127.0.0.2;
    server { listen 127.0.0.1:$PORT; }
    server { listen 127.0.0.1:$PORT2; deny 127.0.0.3; }
}
""")

    assert not is_let_in(server, source="127.0.0.2")
    assert is_let_in(server, source="127.0.0.3")
    # A directive that may be repeated is replaced whole by an inner block.
    assert is_let_in(server, port="$PORT2", source="127.0.0.2")
    assert not is_let_in(server, port="$PORT2", source="127.0.0.3")


def test_a_reload_changes_who_may_come_but_not_who_has(start_server):
    server = start_server(conf())
    held = server.hold(5)
    server.write_conf(conf("deny all;"))

    assert server.reload()[0] == 0

    assert not is_let_in(server)
    assert server.is_read(held)


@pytest.mark.parametrize("network", ["10.0.0.0/33", "10.0.0/8", "fd00::/129", "localhost",
                                     "10.0.0.0/x", "10.0.0.0/"])
def test_what_is_no_network_is_refused(make_server, network):
    code, _, errors = make_server(conf(f"deny {network};")).run("-t")

    assert code == 1
    assert "10.0.0.0/8" in errors

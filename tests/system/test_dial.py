"""`dial`: sessions that the server connects, and connects again."""
import json
import signal
import socket

import pytest

from harness.backend import Backend as HttpBackend
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import PUSH, Caller, Packet

CONF = """
worker_processes 2;
error_log logs/error.log info;
peer {
    redial 10ms max=50ms;
    pull /echo { echo; }
    pull /who { return 200 "peer"; }
    server {
        listen 127.0.0.1:$PORT1;
        pull /who { return 200 "server"; }
        IN_SERVER
    }
    IN_PEER
}
"""


def conf(in_peer="", in_server=""):
    return CONF.replace("IN_PEER", in_peer).replace("IN_SERVER", in_server)


def stop_dialing(server):
    """So that all sessions can end."""
    if server.is_serving():
        server.write_conf(conf())
        assert server.ask("reload")[0] == "ok"


class Backend:
    """Listens where the server dials to."""

    def __init__(self, port):
        self.listener = socket.create_server(("", port))
        self.listener.settimeout(PATIENCE_SECONDS)
        self.callers = []

    def accept(self, server):
        connection, _ = self.listener.accept()
        self.callers.append(Caller(server, connected=connection))
        return self.callers[-1]

    def nobody_comes(self, seconds):
        self.listener.settimeout(seconds)
        try:
            self.listener.accept()
        except TimeoutError:
            return True
        finally:
            self.listener.settimeout(PATIENCE_SECONDS)
        return False


@pytest.fixture(name="dialed")
def a_backend_and_its_port(make_server):
    """Makes a server of a text in which $DIALED is the port of a backend; starts both."""
    backends, servers = [], []

    def start(**blocks):
        backend = Backend(0)
        backends.append(backend)
        port = backend.listener.getsockname()[1]
        server = make_server(conf(**{name: text.replace("$DIALED", str(port))
                                     for name, text in blocks.items()}))
        server.start()
        servers.append(server)
        return server, backend, port

    yield start
    for server in servers:
        stop_dialing(server)
    for backend in backends:
        backend.listener.close()


def test_all_workers_together_dial_once(dialed):
    server, backend, _ = dialed(in_peer="dial 127.0.0.1:$DIALED { }")
    caller = backend.accept(server)

    assert caller.is_well()
    assert backend.nobody_comes(0.3)


def test_what_the_peer_dials_is_served_by_the_peers_routes(dialed):
    server, backend, _ = dialed(in_peer="dial 127.0.0.1:$DIALED { }")

    assert backend.accept(server).pull("/who").body == b"peer"


def test_what_a_server_dials_is_served_by_that_servers_routes(dialed):
    server, backend, _ = dialed(in_server="dial 127.0.0.1:$DIALED { }")

    assert backend.accept(server).pull("/who").body == b"server"


def test_a_name_is_looked_up(dialed):
    server, backend, _ = dialed(in_peer="dial localhost:$DIALED { }")

    assert backend.accept(server).is_well()


def test_it_comes_back_as_often_as_it_is_dropped(dialed):
    server, backend, _ = dialed(in_peer="dial 127.0.0.1:$DIALED { }")

    for _ in range(20):
        caller = backend.accept(server)
        assert caller.is_well()
        caller.socket.close()
    assert len(server.log_lines("session-dialed")) >= 20


def test_a_pull_over_http_that_is_not_answered_costs_the_connection(make_server):
    other = HttpBackend()
    server = make_server(conf(f"dial http://127.0.0.1:{other.port} {{ }}",
                              "pull /control/* { control; }").replace("$PORT1", "$PORT"))
    server.start()
    operator = Caller(server)

    def ask(uri):
        rows = json.loads(operator.pull("/control/sessions", b"{}").body)["sessions"]
        number = next(row["number"] for row in rows if "dial" in row)
        return operator.pull("/control/pull", json.dumps(
            {"number": number, "uri": uri, "body": [1], "timeout": 0.3}).encode())

    wait_until(lambda: ask("/echo").status_code == 200, "it is dialed")
    assert ask("/never").status_code == 504
    wait_until(lambda: ask("/echo").status_code == 200, "it answers again", 5)
    assert len(other.connections) == 2
    stop_dialing(server)
    other.close()


def test_it_comes_when_there_is_somebody(make_server):
    server = make_server(conf("dial 127.0.0.1:$PORT2 { }"))
    server.start()
    server.wait_for_log("dial-failed", count=3)
    backend = Backend(server.port("$PORT2"))

    assert backend.accept(server).is_well()
    stop_dialing(server)
    backend.listener.close()


def test_it_gives_up_after_so_many_failures(make_server):
    server = make_server(conf("dial 127.0.0.1:$PORT2 { redial 1ms times=2; }"))
    server.start()

    server.wait_for_log("session-closed", "reason=dial-failed")
    assert len(server.log_lines("dial-failed")) == 3


def test_without_redial_it_is_dialed_once(dialed):
    server, backend, _ = dialed(in_peer="dial 127.0.0.1:$DIALED { redial off; }")

    backend.accept(server).socket.close()
    server.wait_for_log("session-closed", "reason=peer-closed")
    assert backend.nobody_comes(0.2)


def test_it_stays_away_when_it_is_told_so(dialed):
    server, backend, _ = dialed(in_peer="dial 127.0.0.1:$DIALED { }")
    caller = backend.accept(server)

    caller.send(Packet(type=PUSH, uri="/system/closed?reason=id-taken&redial=0"))
    caller.socket.shutdown(socket.SHUT_WR)
    server.wait_for_log("session-closed", "reason=peer-closed")
    assert backend.nobody_comes(0.2)


def test_a_reload_keeps_begins_and_ends_what_it_dials(dialed):
    server, backend, port = dialed(in_peer="dial 127.0.0.1:$DIALED { }")
    kept = backend.accept(server)

    server.write_conf(conf(f"dial 127.0.0.1:{port} {{ }} dial 127.0.0.2:{port} {{ }}"))
    assert server.ask("reload")[0] == "ok"
    added = backend.accept(server)
    assert kept.is_well() and added.is_well()

    server.write_conf(conf(f"dial 127.0.0.1:{port} {{ }}"))
    assert server.ask("reload")[0] == "ok"
    server.wait_for_log("session-closed", "reason=dial-removed")
    assert added.socket.recv(1) == b""
    assert kept.is_well()


def test_another_worker_goes_on_when_the_one_that_dials_dies(dialed):
    server, backend, _ = dialed(in_peer="dial 127.0.0.1:$DIALED { }")
    backend.accept(server)
    slot = next(lease["slot"] for lease in server.status()["leases"] if lease["name"] == "dials")
    pid = server.worker_pids()[slot]

    server.signal(signal.SIGKILL, pid)
    assert backend.accept(server).is_well()
    server.wait_for_replacement(slot, pid)
    assert backend.nobody_comes(0.2)


def test_a_graceful_stop_answers_what_the_other_end_asked(dialed):
    server, backend, _ = dialed(in_peer="pull /later { sleep 200ms; } "
                                        "dial 127.0.0.1:$DIALED { }")
    caller = backend.accept(server)

    caller.send(Packet(uri="/later", body=b"1", seq=5))
    wait_until(lambda: server.total("bytes_received") > 0, "the server has it")
    server.signal(signal.SIGQUIT)
    assert (caller.receive().seq, caller.socket.recv(1)) == (5, b"")
    server.wait_for_end()


@pytest.mark.parametrize("line, words", [
    ("dial nowhere { }", "port"),
    ("dial 127.0.0.1:1 { } dial 127.0.0.1:1 { }", "dialed already at"),
    ("dial 127.0.0.1:1 { redial 0; }", "takes a duration"),
    ("dial 127.0.0.1:1;", "{"),
    ("dial { }", "dial"),
])
def test_mistakes_are_told(make_server, line, words):
    exit_code, _, messages = make_server(conf(line)).run("-t")

    assert exit_code == 1
    assert words in messages

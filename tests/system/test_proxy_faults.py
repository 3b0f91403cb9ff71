"""What is passed on, on bad days: sessions that are full, servers that hang, reloads in between."""
import socket
import threading
from pathlib import Path

import pytest

from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import Caller, Packet

BACK = """
worker_processes 1;
peer {
    server {
        listen 127.0.0.1:$PORT;
        pull /who { return 200 "NAME"; }
        pull /slow { sleep 300ms; }
        pull /late { sleep 1s; }
    }
}
"""

FRONT = """
worker_processes 1;
peer {
    IN_PEER
    upstream back { SERVERS IN_UPSTREAM }
    server { listen 127.0.0.1:$PORT; pull * { proxy_pass back; IN_ROUTE } }
}
"""

ALONE = 'peer { server { listen 127.0.0.1:$PORT; pull /who { return 200 "front"; } } }'


@pytest.fixture(name="chain")
def backs_and_fronts(make_server):
    chain = Chain(make_server)
    yield chain
    for front in chain.fronts:
        front.disconnect()


class Chain:
    """Servers, and fronts to them."""

    def __init__(self, make_server):
        self.make_server = make_server
        self.fronts = []
        self.servers = []

    def backs(self, count):
        """Their addresses."""
        made = [self.make_server(BACK.replace("NAME", f"b{i}")).start() for i in range(count)]
        self.servers += made
        return [f"127.0.0.1:{back.port()}" for back in made]

    def front(self, addresses, **blocks):
        text = FRONT.replace("SERVERS", "".join(f"server {each}; " for each in addresses))
        for name in ("in_upstream", "in_route", "in_peer"):
            text = text.replace(name.upper(), blocks.get(name, ""))
        self.fronts.append(self.make_server(text).start())
        return self.fronts[-1]


def test_who_waits_for_a_full_session_costs_nothing(chain):
    front = chain.front(chain.backs(1), in_peer="max_sent_pulls 2;")
    caller = Caller(front)

    assert caller.pull("/who").status_code == 200
    before = front.total("loop_turns")
    for seq in range(10):
        caller.send(Packet(seq=seq, uri="/slow"))
    assert [reply.status_code for reply in caller.receive_many(10)] == [200] * 10
    after = front.total("loop_turns")
    wait_until(lambda: front.total("loop_turns") > after, "the worker has counted since")
    assert front.total("loop_turns") - before < 2000


def test_who_waits_keeps_its_turn(chain):
    front = chain.front([address + " max_pulls=1" for address in chain.backs(1)])
    caller = Caller(front)

    assert caller.pull("/slow").status_code == 200
    for seq in range(20):
        caller.send(Packet(seq=seq, uri="/slow" if seq == 0 else "/who"))
    assert [reply.seq for reply in caller.receive_many(20)] == list(range(20))


@pytest.mark.parametrize("when", ["off", "error", "503"])
def test_nothing_is_tried_elsewhere_that_was_not_asked_for(chain, when):
    front = chain.front(chain.backs(2), in_route=f"""proxy_timeout 50ms; idempotent on;
                        proxy_next_upstream {when};""")
    caller = Caller(front)

    assert caller.pull("/who").status_code == 200
    assert caller.pull("/late").status_code == 504


def test_what_has_no_key_goes_to_each_in_its_turn(chain):
    front = chain.front(chain.backs(2), in_upstream="hash $arg_key;")
    caller = Caller(front)

    wait_until(lambda: {caller.pull("/who").body for _ in range(4)} == {b"b0", b"b1"},
               "both are connected")
    bodies = [caller.pull("/who").body for _ in range(10)]
    assert bodies.count(b"b0") == 5


def test_a_session_amid_a_packet_outlives_the_key_of_its_upstream(chain):
    """It keeps the configuration that it has, which is older than the last one of the upstream."""
    front = chain.front(chain.backs(1), in_upstream="hash $arg_key;")
    text = front.conf_path.read_text()
    other = Caller(front)
    caller = Caller(front)
    packet = Packet(uri="/who?key=1").encode()

    assert caller.pull("/who").status_code == 200
    before = front.total("bytes_received")
    caller.send(packet[:10])
    wait_until(lambda: front.total("bytes_received") >= before + 10, "it is amid a packet")
    for conf in (text.replace("$arg_key", "$arg_other"),
                 text.partition("peer")[0] + ALONE):
        front.write_conf(conf, preamble="")
        assert front.ask("reload")[0] == "ok"
        wait_until(lambda: other.pull("/who").status_code == 200, "it has moved")
    caller.send(packet[10:])
    assert caller.receive().status_code == 503


class Web:
    """Speaks HTTP; what is asked of /hang is never answered."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.hung_count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        data = b""
        with connection:
            while piece := connection.recv(65536):
                data += piece
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    if b"/hang" in head:
                        self.hung_count += 1
                    else:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_a_check_that_hangs_is_in_nobodys_way(chain):
    with Web() as web:
        front = chain.front([web.address], in_route="proxy_timeout 1s;", in_upstream="""
                            keepalive 1h; sessions 1;
                            health_check pull=/hang interval=100ms timeout=50ms fails=1;""")
        caller = Caller(front)

        wait_until(lambda: web.hung_count >= 3, "each check is asked over a connection that is free")
        wait_until(lambda: caller.pull("/x").status_code == 200, "who asks is answered")
        caller.send(*[Packet(seq=seq, uri="/x") for seq in range(20)])
        assert 504 not in [reply.status_code for reply in caller.receive_many(20)]


def test_who_is_not_checked_any_more_is_not_ill(chain):
    """A reload takes the check away that has said so."""
    front = chain.front(chain.backs(2), in_upstream="hash $arg_key; "
                        "health_check pull=/who interval=50ms fails=1;",
                        in_peer="")
    text = front.conf_path.read_text()
    caller = Caller(front)

    wait_until(lambda: {caller.pull(f"/who?key={i}").body for i in range(20)} == {b"b0", b"b1"},
               "both are connected")
    front.write_conf(text.replace("pull=/who", "pull=/nothing"), preamble="")
    assert front.ask("reload")[0] == "ok"
    front.wait_for_log("upstream-ill", count=2)
    front.write_conf(text.replace("health_check pull=/who interval=50ms fails=1;", "")
                     .replace("hash $arg_key;", ""), preamble="")
    assert front.ask("reload")[0] == "ok"
    caller.pull("/who")
    front.wait_for_log("upstream-well", count=2)


@pytest.mark.parametrize("option", ["protocol=raw", "protocol=http", "ssl"])
def test_what_is_spoken_to_a_server_changes_with_a_reload(chain, option):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        front = chain.front([address])
        text = front.conf_path.read_text()
        before, _ = listener.accept()
        front.write_conf(text.replace(address, f"{address} {option}"), preamble="")
        assert front.ask("reload")[0] == "ok"
        before.settimeout(PATIENCE_SECONDS)
        assert before.recv(1) == b""
        Caller(front).send(Packet(uri="/x"))
        after, _ = listener.accept()
        after.close()
        before.close()


def test_a_reload_that_wants_fewer_sessions_closes_what_is_too_many(chain):
    address, = chain.backs(1)
    back = chain.servers[-1]
    front = chain.front([address], in_upstream="sessions 4;")
    text = front.conf_path.read_text()
    caller = Caller(front)

    wait_until(lambda: back.total("sessions") == 4, "all are connected")
    caller.send(*[Packet(seq=seq, uri="/slow") for seq in range(40)])
    front.write_conf(text.replace("sessions 4;", "sessions 1;"), preamble="")
    assert front.ask("reload")[0] == "ok"
    assert {reply.status_code for reply in caller.receive_many(40)} == {200}
    wait_until(lambda: back.total("sessions") == 1, "three are closed")
    assert caller.pull("/who").status_code == 200
    front.write_conf(text.replace("sessions 4;", "sessions 3;"), preamble="")
    assert front.ask("reload")[0] == "ok"
    wait_until(lambda: back.total("sessions") == 3, "and two come back")


def connecting_to(port):
    """Connections there that nobody has answered: SYN_SENT."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == "02" and int(row[2].rpartition(":")[2], 16) == port for row in rows)


def test_who_is_left_alone_is_dialed_by_one_at_a_time(chain):
    """A listener whose queue is full, so that whoever connects waits."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        host, port = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((host, port))
        front = chain.front([f"http://{host}:{port} max_fails=1 fail_timeout=1m"],
                            in_upstream="dial_timeout 300ms;", in_route="proxy_timeout 1500ms;")
        caller = Caller(front)

        wait_until(lambda: connecting_to(port) > 0, "the queue is full")
        assert caller.pull("/x").status_code == 503
        front.wait_for_log("upstream-down")
        for filler in fillers:
            filler.close()
        wait_until(lambda: connecting_to(port) == 0, "nobody else connects")
        caller.send(*[Packet(seq=seq, uri="/x") for seq in range(40)])
        most = 0

        caller.socket.settimeout(0.01)

        def is_answered():
            nonlocal most
            most = max(most, connecting_to(port))
            try:
                return caller.socket.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                return False

        wait_until(is_answered, "the first is answered")
        caller.socket.settimeout(PATIENCE_SECONDS)
        assert {reply.status_code for reply in caller.receive_many(40)} == {503}
        assert most <= 1

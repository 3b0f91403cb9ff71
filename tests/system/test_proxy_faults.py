"""What is passed on, on bad days: sessions that are full, servers that hang, reloads in between."""
import pytest

from harness.wait import wait_until
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

    def backs(self, count):
        """Their addresses."""
        made = [self.make_server(BACK.replace("NAME", f"b{i}")).start() for i in range(count)]
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

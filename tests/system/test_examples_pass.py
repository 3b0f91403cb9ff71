"""The examples that pass on, with the backends that they speak of, and tp as who asks."""
import subprocess
import sys
import threading

import pytest

from harness.client import reserve_port
from harness.http import Browser
from harness.teleport import ROOT
from harness.tp import Tp
from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import PUSH, REPLY, Caller, Packet
from test_examples import shipped

ADD = f"{sys.executable} -c 'import json, sys; print(sum(json.load(sys.stdin)))'"


@pytest.fixture(name="tp")
def runs_of_tp(tmp_path):
    tp = Tp(tmp_path)
    yield tp
    tp.end_all()


def asked(tp, server, uri, body="[1,2,3]"):
    return tp.run("pull", f"127.0.0.1:{server.port()}", uri, body)


def adds(tp, server):
    return asked(tp, server, "/math/add")[1].strip() == b"6"


def test_a_front_with_three_backends(make_server, tp):
    backends = [tp.listen_at("serve", "/math/*", "--exec", ADD) for _ in range(3)]
    text = shipped("rpc-front.conf")
    for number, (_, port) in enumerate(backends):
        text = text.replace(f"127.0.0.1:$PORT{number + 2}", f"127.0.0.1:{port}")
    server = make_server(text).start()

    wait_until(lambda: adds(tp, server), "a backend answers")
    for process, _ in backends[:2]:  # the backup stays
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        wait_until(lambda: adds(tp, server), "another one answers")
    code, _, errors = asked(tp, server, "/nothing")
    assert (code, "no such service" in errors) == (1, True)
    server.disconnect()


@pytest.fixture(name="backend")
def the_backend_of_the_example():
    """Its port, and the process."""
    holder = reserve_port()
    port = holder.getsockname()[1]
    holder.close()
    with subprocess.Popen([sys.executable, str(ROOT / "conf/examples/http-backend.py"), str(port)],
                          stdout=subprocess.PIPE) as process:
        yield port, process
        process.kill()


def test_an_http_backend(make_server, tp, backend):
    port, process = backend
    server = make_server(shipped("http-backend.conf").replace("127.0.0.1:$PORT3",
                                                              f"127.0.0.1:{port}")).start()

    wait_until(lambda: adds(tp, server), "the backend answers")
    code, _, errors = asked(tp, server, "/math/sub")
    assert (code, "no such sum" in errors) == (1, True)

    lamp = Caller(server)
    assert lamp.pull("/system/id?id=lamp-7").status_code == 200
    lamp.send(Packet(type=PUSH, uri="/log/light", body=b'"on"'))
    assert process.stdout.readline() == b'lamp-7 127.0.0.1 "on"\n'
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        Browser(server, "$PORT2").ask("POST", "/session/lamp-7/light", b"on")))
    thread.start()
    pull = lamp.receive()
    lamp.send(Packet(type=REPLY, seq=pull.seq, status_code=200, body=b'"it is"'))
    thread.join(PATIENCE_SECONDS)
    assert (pull.uri, pull.body, answers[0].body) == ("/light", b"on", b'"it is"')
    server.disconnect()

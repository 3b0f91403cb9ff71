"""One table of cases over all protocols: named by the address and guessed, plain and over TLS.

Both ends are ours, `tp` the one and the server the other, so that each protocol is spoken in both
roles; what it is on the wire, byte for byte, is asked of each in a file of its own.  What a
protocol has no way for is declared here, with the status that it gives.
"""
import json
import selectors
import socket
import ssl
import threading

import pytest

from harness.certificates import Certificates
from harness.teleport import Teleport
from harness.tp import Tp
from harness.wait import PATIENCE_SECONDS, wait_until

# What each can carry; "order": replies come in the order of their PULLs.
ABILITIES = {
    "teleport": {"push", "down", "gzip"},
    "raw": {"push", "down", "gzip", "metadata", "cause", "filters"},
    "json": {"push", "down", "gzip", "metadata", "cause", "filters"},
    "protobuf": {"push", "down", "gzip", "metadata", "cause", "filters"},
    "http": {"gzip", "metadata", "order"},
    "ws": {"push", "down", "metadata", "cause"},
}
PROTOCOL_OF_SCHEME = {"ws": "websocket"}
LIMIT = 64 * 1024
UNSUPPORTED = "no way to say it"

ROUTES = """
    pull /echo       { echo; }
    pull /sum        { sum; }
    pull /one        { return 200 "one"; }
    pull /empty      { empty; }
    pull /none       { return 1001 "no luck" '{"lost":true}'; }
    pull /denied     { return 403 "not you"; }
    pull /who        { return 200 "$protocol|$meta_from|$arg_q|$query"; }
    pull /slow       { sleep 100ms; }
    push *           { empty; }
"""


def conf(certificates):
    listens = "".join(f"listen 127.0.0.1:$PORT1{number} "
                      f"protocol={PROTOCOL_OF_SCHEME.get(scheme, scheme)};\n"
                      f"listen 127.0.0.1:$PORT2{number} "
                      f"protocol={PROTOCOL_OF_SCHEME.get(scheme, scheme)} ssl;\n"
                      for number, scheme in enumerate(ABILITIES))
    return f"""
worker_processes 1;
error_log logs/error.log info;
peer {{
    packet_limit {LIMIT};
    server {{
        listen 127.0.0.1:$PORT;
        listen 127.0.0.1:$PORT2 ssl;
        {listens}
        {certificates.directives()}
        {ROUTES}
    }}
    server {{
        listen unix:logs/control.sock;
        pull /control/* {{ control; }}
    }}
}}
"""


class Unwrapped:
    """A port whose plain connections go on to the server over TLS."""

    def __init__(self, port, context):
        self.context, self.port = context, port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.here = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            secure = self.context.wrap_socket(socket.create_connection(("127.0.0.1", self.port)),
                                              server_hostname="localhost")
            threading.Thread(target=pump, args=(plain, secure), daemon=True).start()


def pump(plain, secure):
    """One thread: the two halves of a TLS connection are not for two."""
    with plain, secure, selectors.DefaultSelector() as waiting:
        waiting.register(plain, selectors.EVENT_READ, secure)
        waiting.register(secure, selectors.EVENT_READ, plain)
        try:
            while waiting.get_map():
                for key, _ in waiting.select():
                    forward(key.fileobj, key.data, waiting)
        except OSError:
            return


def forward(source, sink, waiting):
    """What is there; at its end the other end hears of it."""
    source.setblocking(False)
    try:
        data = source.recv(65536)
        while isinstance(source, ssl.SSLSocket) and source.pending():
            data += source.recv(65536)
    except ssl.SSLWantReadError:
        return  # A ticket, or a part of a record: nothing for the other end.
    finally:
        source.setblocking(True)
    sink.sendall(data)
    if not data:
        waiting.unregister(source)
        sink.shutdown(socket.SHUT_WR)


class Talk:
    """What a case is given: one protocol, one way to say so, one transport."""

    def __init__(self, hall, scheme, naming, transport):
        self.hall, self.scheme, self.naming = hall, scheme, naming
        self.can = ABILITIES[scheme]
        self.address = f"{scheme}://127.0.0.1:{hall.port(scheme, naming, transport)}"

    def run(self, command, uri, body=None, *options, code=0):
        arguments = [command, *options, self.address, uri, *([] if body is None else ["-"])]
        given = body if isinstance(body, bytes) or body is None else body.encode()
        found, output, errors = self.hall.tp.run(*arguments, stdin=given or b"")
        assert found == code, (arguments, output, errors)
        return output, errors

    def pull(self, uri, body=None, *options, code=0):
        return json.loads(self.run("pull", uri, body, "--json", *options, code=code)[0])

    def control(self, action, **members):
        output = self.hall.tp.run("pull", "--json", self.hall.control, f"/control/{action}",
                                  json.dumps(members))[1]
        return json.loads(output)

    def sessions(self):
        """Those that are not the control module's own."""
        found = self.control("sessions")["body"]["sessions"]
        return {one["number"] for one in found if not one["listen"].startswith("unix:")}


class Hall:
    """The server that all cases talk to."""

    def __init__(self, server, tp, certificates):
        self.server, self.tp = server, tp
        self.context = certificates.context()
        self.control = f"unix:{server.prefix}/logs/control.sock"
        self.unwrapped = {}

    def port(self, scheme, naming, transport):
        number = list(ABILITIES).index(scheme)
        name = {("named", "plain"): f"$PORT1{number}", ("named", "tls"): f"$PORT2{number}",
                ("guessed", "plain"): "$PORT", ("guessed", "tls"): "$PORT2"}[naming, transport]
        port = self.server.port(name)
        if transport == "plain":
            return port
        if port not in self.unwrapped:
            self.unwrapped[port] = Unwrapped(port, self.context)
        return self.unwrapped[port].here

    def close(self):
        for one in self.unwrapped.values():
            one.close()


@pytest.fixture(name="hall", scope="module")
def hall_of_all(tmp_path_factory):
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    server = Teleport(tmp_path_factory.mktemp("hall") / "server", conf(certificates))
    tp = Tp(tmp_path_factory.mktemp("tp"))
    server.start()
    hall = Hall(server, tp, certificates)
    try:
        yield hall
        hall.close()
        tp.end_all()
        server.stop()
    finally:
        server.kill_all()


# The cases: what each is called is what is asked.


def what_is_asked_comes_back(talk):
    found = talk.pull("/echo", '{"a":[1,2.5,"ä"]}')
    assert (found["status"], found["codec"], found["body"]) == (200, "json", {"a": [1, 2.5, "ä"]})


def values_are_read_and_written(talk):
    assert talk.pull("/sum", "[1,2,39]")["body"] == 42


def every_codec_passes(talk):
    for codec, body in (("plain", b"any text"), ("protobuf", b"\x08\x96\x01\x00\xff")):
        output, _ = talk.run("pull", "/echo", body, "--raw", "--body-codec", codec)
        assert output == body
        assert talk.pull("/echo", body, "--body-codec", codec)["codec"] == codec


def an_empty_body_is_empty(talk):
    found = talk.pull("/empty")
    assert (found["status"], found.get("body", "")) == (200, "")


def what_is_not_there_is_said(talk):
    found = talk.pull("/nowhere", "1", code=1)
    assert (found["status"], found["text"]) == (404, "Not Found")


def an_error_has_its_code_and_text(talk):
    found = talk.pull("/denied", code=1)
    assert (found["status"], found["text"]) == (403, "not you")


def an_error_of_the_application_too(talk):
    found = talk.pull("/none", code=1)
    assert (found["status"], found["text"]) == (1001, "no luck")
    if talk.scheme != "http":
        assert found["body"] == '{"lost":true}'


def a_body_that_is_none_is_refused_and_the_session_stays(talk):
    found = talk.pull("/sum", "[1,", code=1)
    assert found["status"] == 400


def a_codec_that_has_no_values_is_refused(talk):
    assert talk.pull("/sum", b"\x08\x01", "--body-codec", "protobuf", code=1)["status"] == 415


def a_query_is_read(talk):
    protocol, _, argument, query = talk.pull("/who?q=a%20b&r=1")["body"].split("|")
    assert protocol == PROTOCOL_OF_SCHEME.get(talk.scheme, talk.scheme)
    assert (argument, query) == ("a b", "q=a%20b&r=1")


def metadata_travel(talk):
    found = talk.pull("/who", None, "--metadata", "from=here&other=1%2B1")["body"].split("|")
    assert found[1] == ("here" if "metadata" in talk.can else "")


def a_large_body_passes(talk):
    body = json.dumps("x" * (LIMIT - 1000))
    assert talk.pull("/echo", body)["body"] == json.loads(body)


def gzip_passes(talk):
    body = json.dumps(["the same again"] * 1000)
    assert talk.pull("/echo", body, "--gzip", "6")["body"] == json.loads(body)
    assert talk.pull("/sum", json.dumps([1] * 1000), "--gzip", "6")["body"] == 1000


def filters_pass(talk):
    for filters in ("g", "m", "gm", "mg"):
        assert talk.pull("/echo", '"abc"', "--filters", filters)["body"] == "abc"


def a_packet_over_the_limit_is_refused(talk):
    """Nothing is answered but where a protocol can say so: the session ends."""
    arguments = ["pull", "--json", talk.address, "/echo", "-"]
    body = json.dumps("x" * 2 * LIMIT).encode()
    code, output, _ = talk.hall.tp.run(*arguments, stdin=body)
    if talk.scheme == "http":
        assert code == 1 and json.loads(output)["status"] == 413
    else:
        assert code != 0
        closed = talk.hall.server.wait_for_log("session-closed", "reason=packet-too-large")
        assert closed is not None


def a_push_is_taken(talk):
    if "push" in talk.can:
        talk.run("push", "/news", "[1]")
    else:
        assert UNSUPPORTED in talk.run("push", "/news", "[1]", code=6)[1]


def many_are_answered_at_once(talk):
    found, output, errors = talk.hall.tp.run(
        "bench", talk.address, "/echo", "--json", "--count", "200", "--sessions", "3", "--depth",
        "5", "--size", "300")
    assert found == 0, errors
    assert json.loads(output)["pulls"] == 200 and json.loads(output)["refused"] == 0


def who_has_dialed_is_pushed_to(talk):
    """Over the control module, as by any other worker or module."""
    before = talk.sessions()
    listener = talk.hall.tp.start("listen", talk.address, "--json", "--count", "1")
    (number,) = wait_until(lambda: talk.sessions() - before, "it is connected")
    pushed = talk.control("push", number=number, uri="/news/1", body={"level": 7})
    if "down" not in talk.can:
        assert pushed["status"] == 501
        listener.terminate()
        listener.wait(PATIENCE_SECONDS)
    else:
        assert pushed["status"] == 200
        found = json.loads(listener.communicate(timeout=PATIENCE_SECONDS)[0])
        assert (found["uri"], found["body"]) == ("/news/1", {"level": 7})


def who_has_dialed_is_pulled_from(talk):
    before = talk.sessions()
    backend = talk.hall.tp.start("serve", talk.address, "/*", "--echo", "--json", "--count", "1")
    (number,) = wait_until(lambda: talk.sessions() - before, "it is connected")
    pulled = talk.control("pull", number=number, uri="/state", body=[1])
    if "down" not in talk.can:
        assert pulled["status"] == 501
        backend.terminate()
        backend.wait(PATIENCE_SECONDS)
    else:
        assert (pulled["status"], pulled["body"]) == (200, [1])
        assert json.loads(backend.communicate(timeout=PATIENCE_SECONDS)[0])["uri"] == "/state"


CASES = [
    what_is_asked_comes_back,
    values_are_read_and_written,
    every_codec_passes,
    an_empty_body_is_empty,
    what_is_not_there_is_said,
    an_error_has_its_code_and_text,
    an_error_of_the_application_too,
    a_body_that_is_none_is_refused_and_the_session_stays,
    a_codec_that_has_no_values_is_refused,
    a_query_is_read,
    metadata_travel,
    a_large_body_passes,
    gzip_passes,
    filters_pass,
    a_packet_over_the_limit_is_refused,
    a_push_is_taken,
    many_are_answered_at_once,
    who_has_dialed_is_pushed_to,
    who_has_dialed_is_pulled_from,
]

# Who only listens has not said what it speaks, or not yet: it is spoken to in the default.
NOT_GUESSED = {(case, scheme) for scheme in ("raw", "json", "protobuf", "http", "ws")
               for case in (who_has_dialed_is_pushed_to, who_has_dialed_is_pulled_from)}

ROWS = [(case, scheme, naming, transport) for case in CASES for scheme in ABILITIES
        for naming in ("named", "guessed") for transport in ("plain", "tls")
        if naming == "named" or (case, scheme) not in NOT_GUESSED]


@pytest.mark.parametrize("case, scheme, naming, transport", ROWS,
                         ids=["-".join((case.__name__, *rest)) for case, *rest in ROWS])
def test_every_protocol(hall, case, scheme, naming, transport):
    case(Talk(hall, scheme, naming, transport))

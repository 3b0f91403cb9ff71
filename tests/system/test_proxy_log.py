"""What is logged of PULLs that are passed on: why one has failed, and where it has been."""
import re
import socket

import pytest

from harness.wait import PATIENCE_SECONDS, wait_until
from harness.wire25 import PUSH, Caller, Packet
from test_proxy import Set

LOG = ('access_log logs/access.log flush=5ms format="$uri $status [$upstream_addr] '
       '[$upstream_status] [$upstream_time] [$upstream_tries]";')


@pytest.fixture(name="upstream")
def upstream_of_a_test(make_server):
    made = Set(make_server)
    yield made
    made.let_backs_go()


def lines(server, count):
    wait_until(lambda: server.log("logs/access.log").count("\n") >= count, f"{count} lines")
    return [re.fullmatch(r"(\S+) (\S+) \[(.*)\] \[(.*)\] \[(.*)\] \[(.*)\]", line).groups()
            for line in server.log("logs/access.log").splitlines()]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_the_access_log_says_where_it_has_been(upstream):
    upstream.add_backs(1)
    front = upstream.front(in_peer=LOG, in_server="pull /here { echo; }")
    caller = Caller(front)
    assert caller.pull("/slow").status_code == 200
    assert caller.pull("/nothing").status_code == 404
    assert caller.pull("/here", b"1").status_code == 200
    caller.send(Packet(type=PUSH, uri="/told", body=b"1"))
    place = upstream.addresses()[0]
    found = lines(front, 4)
    assert [line[:4] + line[5:] for line in found] == [
        ("/slow", "200", place, "200", "1"), ("/nothing", "404", place, "404", "1"),
        ("/here", "200", "-", "-", "-"), ("/told", "200", place, "-", "1")]
    assert 0.29 <= float(found[0][4]) < 3 and float(found[1][4]) < 0.3 and found[2][4] == "-"


def test_of_several_tries_the_last_is_told(upstream):
    upstream.add_backs(2)
    front = upstream.front(["", "backup"], in_peer=LOG,
                           in_route="proxy_next_upstream 503 tries=2; idempotent on;")
    assert Caller(front).pull("/busy").status_code == 503
    assert lines(front, 1)[0][:4] == ("/busy", "503", upstream.addresses()[1], "503")
    assert lines(front, 1)[0][5] == "2"


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_what_cannot_be_passed_on_is_logged_with_its_cause(upstream, scheme):
    address = f"127.0.0.1:{free_port()}"
    front = upstream.start_front(f"""worker_processes 1; peer {{ {LOG}
        server {{ listen 127.0.0.1:$PORT;
            pull /x {{ proxy_pass {scheme}{address}; proxy_timeout 500ms; }} }} }}""")
    assert Caller(front).pull("/x?access_token=secret").status_code == 503
    line = front.wait_for_log("pass-failed")
    assert line["level"] == "warn" and "secret" not in line["details"]
    details = line["details"]
    assert 'uri="/x?access_token=-" number=' in details and " status=503 " in details
    assert f"upstream={scheme}{address} " in details and details.endswith("unlogged=0")
    if scheme:
        assert f" server=http://{address} tries=1 " in details
        assert 'why="the server could not be reached"' in details
    else:
        assert " server=- tries=0 " in details
    assert lines(front, 1)[0][2] == (f"http://{address}" if scheme else "-")


def test_what_is_lost_or_late_is_logged_with_its_cause(upstream):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        front = upstream.start_front(f"""worker_processes 1; peer {{ {LOG}
            server {{ listen 127.0.0.1:$PORT;
                pull * {{ proxy_pass {place}; proxy_timeout 300ms; }} }} }}""")
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE_SECONDS)
        assert Caller(front).pull("/late").status_code == 504
        assert 'status=504 why="the server has not answered in time"' in \
            front.wait_for_log("pass-failed", f"server={place} tries=1")["details"]
        caller = Caller(front)
        caller.send(Packet(uri="/lost"))
        asked = b""
        while b"/lost" not in asked:
            asked += connection.recv(65536)
        connection.close()
        assert caller.receive().status_code == 502
    found = lines(front, 2)
    assert [line[:4] + line[5:] for line in found] == [
        ("/late", "504", place, "504", "1"), ("/lost", "502", place, "101", "1")]


def test_of_one_upstream_a_failure_is_logged_once_a_second(upstream):
    front = upstream.start_front(f"""worker_processes 1; peer {{
        upstream one {{ server http://127.0.0.1:{free_port()}; }}
        upstream two {{ server http://127.0.0.1:{free_port()}; }}
        server {{ listen 127.0.0.1:$PORT;
            pull /one {{ proxy_pass one; }} pull /two {{ proxy_pass two; }} }} }}""")
    caller = Caller(front)
    for _ in range(30):
        assert caller.pull("/one").status_code == 503
    assert caller.pull("/two").status_code == 503
    front.wait_for_log("pass-failed", "upstream=two")
    assert len(front.log_lines("pass-failed")) <= 4

    def says_how_many():
        assert caller.pull("/one").status_code == 503
        return [line for line in front.log_lines("pass-failed")
                if int(line["details"].rpartition("unlogged=")[2]) > 1]

    assert wait_until(says_how_many, "it says how many were not")


def test_what_nobody_has_announced_is_no_warning(upstream):
    front = upstream.start_front("""worker_processes 1;
        peer { error_log logs/error.log info; server { listen 127.0.0.1:$PORT; registry on; pull * { proxy_pass registry; } } }""")
    assert Caller(front).pull("/x").status_code == 404
    line = front.wait_for_log("pass-failed", 'why="nobody has announced it"')
    assert line["level"] == "info" and "upstream=registry server=- tries=0" in line["details"]

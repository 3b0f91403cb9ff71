"""The access log, slow exchanges, log_body, and templates in answers."""
import re
import signal
import socket
import struct

import pytest

from harness.wait import wait_until
from harness.wire25 import JSON, PLAIN, PROTOBUF, PUSH, Caller, Packet

CONF = """
worker_processes 1;
peer {
    access_log logs/access.log flush=5ms;
    server {
        listen 127.0.0.1:$PORT;
        pull /echo  { echo; }
        pull /nap   { sleep 30ms; }
        pull /long  { sleep 1h; }
        push /note  { empty; }
    }
}
"""


def lines(server, count=None, name="logs/access.log"):
    """The lines of the log, when there are so many."""
    if count is not None:
        wait_until(lambda: server.log(name).count("\n") >= count, f"{count} lines in {name}")
    text = server.log(name)
    assert text == "" or text.endswith("\n")
    return text.splitlines()


def conf_with(directives, routes="pull /echo { echo; }"):
    return f"""
worker_processes 1;
peer {{
    {directives}
    server {{ listen 127.0.0.1:$PORT; {routes} }}
}}
"""


def test_each_exchange_has_one_line(start_server):
    server = start_server(CONF)
    caller = Caller(server)
    port = caller.socket.getsockname()[1]
    sent = Packet(seq=7, uri="/echo?a=1", body=b'"x"')
    caller.send(sent)
    reply = caller.receive()
    caller.send(Packet(type=PUSH, seq=8, uri="/note", body=b"1"))
    assert caller.pull("/nobody", seq=9).status_code == 404
    found = [line.split(" ") for line in lines(server, 3)]
    for line in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", " ".join(line[:2]))
        assert line[2:4] == [f"127.0.0.1:{port}", "1"]
        assert re.fullmatch(r"\d+\.\d{6}", line[10])
    assert found[0][4:10] == ["PULL", "7", '"/echo?a=1"', "200", str(len(sent.encode())),
                              str(len(reply.encode()))]
    assert found[1][4:10] == ["PUSH", "8", '"/note"', "200", found[1][8], "0"]
    assert found[2][4:8] == ["PULL", "9", '"/nobody"', "404"]


def test_a_format_names_what_it_wants(start_server):
    server = start_server(conf_with(
        'access_log logs/access.log flush=5ms format="$type|$path|$arg_user|$route|$status '
        '$status_text|$header_codec $body_codec $gzip|$body_bytes $reply_bytes|$worker|$pid|'
        '$listen|$remote_addr|\\$5 ${seq}x";', 'pull /a/* { return 418 "no $arg_user"; }'))
    caller = Caller(server)
    reply = caller.pull("/a/%41?user=a%20b", body=b"hello", codec=PLAIN, header_codec=JSON, seq=3)
    assert reply.outcome() == (418, "no a b")
    assert lines(server, 1) == [
        f"PULL|/a/A|a b|/a/*|418 no a b|json plain 0|5 0|0|{server.worker_pids()[0]}|"
        f"127.0.0.1:{server.port()}|127.0.0.1|$5 3x"]


def test_nobody_forges_a_line(start_server):
    server = start_server(CONF)
    caller = Caller(server)
    evil = '/echo?"\n2026-01-01 forged \\ \x1b[2J \u00e9 \u2028'
    caller.pull(evil)
    [line] = lines(server, 1)
    assert r'"/echo?\x222026' not in line
    assert r'"/echo?\x22\x0a2026-01-01 forged \x5c \x1b[2J \xc3\xa9 \xe2\x80\xa8"' in line


def test_a_long_uri_is_cut_and_harms_no_other_line(start_server):
    server = start_server(CONF)
    caller = Caller(server)
    for number in range(50):
        caller.pull("/" + "\u20ac" * 5000 + str(number))
    assert caller.is_well()
    found = lines(server, 51)
    assert len(found) == 51
    assert all(len(line) < 10000 for line in found)
    assert '"/echo" 200' in found[-1]


def test_an_exchange_whose_session_ends_first_has_101(start_server):
    server = start_server(CONF)
    caller = Caller(server)
    caller.send(Packet(uri="/long", seq=4), Packet(uri="/echo", seq=5))
    assert caller.receive().seq == 5
    # A reset: who only stops sending is still answered.
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()
    server.wait_for_log("session-closed")
    found = lines(server, 2)
    assert len(found) == 2
    assert '5 "/echo" 200' in found[0]
    assert re.search(r'4 "/long" 101 \d+ 0 ', found[1])


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGQUIT])
def test_the_end_of_the_server_loses_no_line(start_server, end):
    server = start_server(CONF.replace("flush=5ms", "flush=1h"))
    caller = Caller(server)
    caller.send(*(Packet(uri="/echo", seq=seq) for seq in range(200)))
    caller.receive_many(200)
    assert lines(server) == []
    server.signal(end)
    server.wait_for_end()
    assert len(lines(server)) == 200


def test_a_full_buffer_is_written_at_once(start_server):
    server = start_server(CONF.replace("flush=5ms", "flush=1h buffer=1k"))
    caller = Caller(server)
    caller.send(*(Packet(uri="/echo", seq=seq) for seq in range(100)))
    caller.receive_many(100)
    wait_until(lambda: 80 <= len(server.log("logs/access.log").splitlines()), "full buffers")
    server.stop()
    assert len(lines(server)) == 100


def test_inner_blocks_have_logs_of_their_own(start_server):
    server = start_server("""
worker_processes 1;
peer {
    access_log logs/peer.log flush=5ms format="$uri";
    pull /peer { echo; }
    server {
        listen 127.0.0.1:$PORT;
        access_log logs/server.log flush=5ms format="server $uri";
        pull /echo   { echo; }
        pull /quiet  { echo; access_log off; }
        pull /own    { echo; access_log logs/own.log flush=5ms format="own $uri"; }
    }
}
""")
    caller = Caller(server)
    for uri in ("/peer", "/quiet", "/own", "/echo", "/nobody"):
        caller.pull(uri)
    assert lines(server, 2, "logs/server.log") == ["server /echo", "server /nobody"]
    assert lines(server, 1, "logs/peer.log") == ["/peer"]
    assert lines(server, 1, "logs/own.log") == ["own /own"]


def test_reopening_begins_a_new_file(start_server):
    server = start_server(CONF.replace("flush=5ms", "flush=1h"))
    caller = Caller(server)
    caller.pull("/echo?before")
    old = server.prefix / "logs/access.log"
    old.rename(server.prefix / "logs/access.log.1")
    assert server.ask("reopen")[0]
    # What was collected before belongs to the old file.
    wait_until(lambda: "/echo?before" in server.log("logs/access.log.1"), "the old file's lines")
    caller.pull("/echo?after")
    server.stop()
    assert ["/echo?after" in line for line in lines(server)] == [True]
    assert server.log("logs/access.log.1").count("\n") == 1


def test_lines_of_sessions_and_types_that_take_turns(start_server):
    """What a line begins with is copied from the last one: only from one that began alike."""
    log = 'access_log logs/access.log flush=5ms buffer=4k format="$remote $session_number $type:$seq";'
    server = start_server(conf_with(log, "pull /echo { echo; } push /note { empty; }"))
    callers = [Caller(server), Caller(server)]
    expected = []
    for seq in range(300):
        number = seq // 2 % 2
        is_push = seq % 3 == 0
        caller = callers[number]
        port = caller.socket.getsockname()[1]
        if is_push:
            caller.send(Packet(type=PUSH, seq=seq, uri="/note", body=b"1"))
        caller.pull("/echo", seq=seq)
        if is_push:
            expected.append(f"127.0.0.1:{port} {number + 1} PUSH:{seq}")
        expected.append(f"127.0.0.1:{port} {number + 1} PULL:{seq}")
    assert lines(server, len(expected)) == expected


def test_a_reload_changes_format_and_file(start_server):
    server = start_server(conf_with('access_log logs/one.log flush=1h format="one $seq";'))
    caller = Caller(server)
    caller.pull("/echo", seq=1)
    server.write_conf(conf_with('access_log logs/two.log flush=5ms format="two $seq";'))
    server.reload()
    caller.pull("/echo", seq=2)
    assert lines(server, 1, "logs/two.log") == ["two 2"]
    # The configuration that was left has written what it had.
    assert lines(server, 1, "logs/one.log") == ["one 1"]


def test_workers_share_a_file(start_server):
    server = start_server(CONF.replace("worker_processes 1", "worker_processes 2"))
    callers = [Caller(server) for _ in range(20)]
    for caller in callers:
        caller.send(*(Packet(uri="/echo", seq=seq) for seq in range(50)))
    for caller in callers:
        caller.receive_many(50)
    found = lines(server, 1000)
    assert len(found) == 1000
    assert all(re.search(r' PULL \d+ "/echo" 200 \d+ \d+ \d+\.\d{6} -$', line) for line in found)


def test_slow_exchanges_are_warned_of_and_marked(start_server):
    server = start_server(CONF.replace("server {", "slow_threshold 20ms; server {"))
    caller = Caller(server)
    caller.send(Packet(uri='/nap?"x"', seq=3))
    caller.receive()
    caller.pull("/echo")
    warning = server.wait_for_log("slow-exchange")
    assert warning["level"] == "warn"
    found = re.fullmatch(r'uri="/nap\?\\x22x\\x22" type=PULL asked_by=them duration=0\.(\d{6})s seq=3 number=1 '
                         r'remote=127\.0\.0\.1:\d+ status=200', warning["details"])
    assert found and int(found[1]) >= 20000
    assert [line.rpartition(" ")[2] for line in lines(server, 2)] == ["slow", "-"]
    assert len(server.log_lines("slow-exchange")) == 1


def bodies(server, log_id):
    """What is logged of the bodies of these packets: all lines of each, from the body on."""
    entries = re.split(r"^(?=\d{4}-)", server.log(), flags=re.MULTILINE)
    return [entry.partition(" body_bytes=")[2] for entry in entries if f" {log_id}: " in entry]


def test_log_body_shows_packets(start_server):
    server = start_server(conf_with("log_body_limit 8;", """
        pull /echo  { echo; log_body on; }
        pull /quiet { echo; }
        push /note  { empty; log_body on; }"""))
    caller = Caller(server)
    caller.pull("/quiet", b"1")
    caller.pull("/echo", b'{\n"a":1}', seq=5, header_codec=JSON)
    caller.pull("/echo", b'say "hi" to all', codec=PLAIN)
    caller.pull("/echo", bytes(range(4)), codec=PROTOBUF)
    caller.send(Packet(type=PUSH, uri="/note"))
    assert caller.is_well()
    received = [line["details"] for line in server.log_lines("packet-received")]
    sent = [line["details"] for line in server.log_lines("packet-sent")]
    assert received[0].startswith('number=1 type=PULL seq=5 uri="/echo" status=0 header_codec=j '
                                  'body_codec=j gzip=0 wire_bytes=')
    shown = ['8 json={\n      "a": 1\n    }\n', '15 text=say \\x22hi\\x22 ... 7 bytes more\n',
             "4 hex=00010203\n"]
    assert bodies(server, "packet-received")[:4] == shown + ["0\n"]
    assert "type=PUSH" in received[3]
    assert bodies(server, "packet-sent")[:3] == shown
    assert 'type=REPLY seq=5 uri="/echo" status=200' in sent[0]


@pytest.mark.parametrize("limit, body, shown", [
    ("1k", b'[1,2,{"a":[],"b":{"c":null}}]', """29 json=[
      1,
      2,
      {
        "a": [],
        "b": {
          "c": null
        }
      }
    ]
"""),
    ("12", b'{"name":"somebody"}', """19 json={
      "name": "som
    ... 7 bytes more
"""),
    ("1k", b'{"a":1}}', "8 text={\\x22a\\x22:1}}\n"),
    ("1k", b'{"a":"x\n2026-11-22 00:00:00.000 [error] 1 started: "}',
     "53 text={\\x22a\\x22:\\x22x\\x0a2026-11-22 00:00:00.000 [error] 1 started: \\x22}\n"),
    ("1k", b"\x00\x01", "2 hex=0001\n"),
], ids=["nested", "cut", "no JSON", "a forged line", "bytes"])
def test_log_body_shows_json_over_several_lines(start_server, limit, body, shown):
    server = start_server(conf_with(f"log_body_limit {limit};", "pull /echo { echo; log_body on; }"))
    caller = Caller(server)

    caller.pull("/echo", body)

    assert caller.is_well()
    assert bodies(server, "packet-received")[0] == bodies(server, "packet-sent")[0] == shown


def test_an_entry_of_log_body_is_bounded(start_server):
    server = start_server(conf_with("log_body_limit 3k;", "pull /echo { echo; log_body on; }"))
    caller = Caller(server)

    caller.pull("/echo", b"[" * 60 + b"{},{},{}," * 2000 + b"1" + b"]" * 60)

    assert caller.is_well()
    entry = [text for text in re.split(r"^(?=\d{4}-)", server.log(), flags=re.MULTILINE)
             if " packet-received: " in text][0]
    assert len(entry) <= 4000
    assert re.search(r"\n    \.\.\. \d+ bytes more\n$", entry)
    assert all(line.startswith("    ") for line in entry.splitlines()[1:])


def test_answers_say_what_variables_stand_for(start_server):
    server = start_server(conf_with(
        "set $app shop;",
        r'pull /hello { return 200 "hello ${arg_name} of $app, \$1 for $uri"; }'))
    reply = Caller(server).pull("/hello?name=ann")
    assert (reply.codec, reply.body) == (PLAIN, b"hello ann of shop, $1 for /hello?name=ann")


def test_an_answer_larger_than_a_packet_is_refused(start_server):
    server = start_server(conf_with("packet_limit 1k;",
                                    'pull /* { return 200 "$uri $uri $uri"; }'))
    caller = Caller(server)
    assert caller.pull("/" + "a" * 200).status_code == 200
    assert caller.pull("/" + "a" * 900).status_code == 413


@pytest.mark.parametrize("conf, message", [
    (conf_with('access_log logs/a.log format="$uri $urii";'), 'did you mean "$uri"?'),
    (conf_with("", 'pull /$uri { echo; }'), '"$uri" has a value only while an exchange runs'),
    (conf_with("set $status 1;"), '"$status" has its value from elsewhere'),
    (conf_with("access_log logs/a.log fromat=x;"), 'did you mean "format"?'),
])
def test_mistakes_are_told(make_server, conf, message):
    code, _, errors = make_server(conf).run("-t")
    assert code == 1
    assert message in errors

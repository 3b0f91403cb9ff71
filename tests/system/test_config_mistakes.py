"""Mistakes in a configuration: all at once, each with its place and with what would be right."""
import os
import re

import pytest

MESSAGE = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): error: (?P<text>.*)$",
                     re.MULTILINE)

TWELVE_MISTAKES = """worker_procesess 2;
reload_timeout 30;
daemon maybe;
pid a.pid b.pid;
worker_shutdown_timeout;
bus_queue 1m; bus_queue 2m;
listen 9090;
worker_processes 1000;
events { worker_connections lots; }
peer {
    sever_name x;
    server { listen 99999; }
    server { listen 9091 baklog=3; }
}
"""

TWELVE_PLACES = [
    (1, 1, 'did you mean "worker_processes"'),
    (2, 16, "30s"),
    (3, 8, '"on" or "off"'),
    (4, 11, "too many arguments"),
    (5, 1, '"worker_shutdown_timeout" needs a value'),
    (6, 15, '"bus_queue" is written twice'),
    (7, 1, '"listen" may not stand in "main"'),
    (8, 18, "between 1 and 256"),
    (9, 29, '"worker_connections"'),
    (11, 5, 'unknown directive "sever_name"'),
    (12, 21, '"ADDRESS" of "listen"'),
    (13, 26, 'did you mean "backlog"'),
]


@pytest.fixture(name="check")
def checked_configuration(make_server):
    """Runs -t on a text; returns its messages as (line, column, text with what follows it)."""
    def check(text, **files):
        server = make_server("")
        server.conf_path.write_text(text)
        for name, content in files.items():
            (server.conf_path.parent / f"{name}.conf").write_text(content)
        code, output, errors = server.run("-t")
        assert code == 1
        assert output == ""
        found = list(MESSAGE.finditer(errors))
        ends = [message.start() for message in found[1:]] + [len(errors)]
        return [(int(message["line"]), int(message["column"]), errors[message.start():end])
                for message, end in zip(found, ends)]

    return check


def test_every_mistake_of_a_file_is_told_in_one_run(check):
    messages = check(TWELVE_MISTAKES)

    assert [message[:2] for message in messages] == [place[:2] for place in TWELVE_PLACES]
    for (_, _, text), (_, _, words) in zip(messages, TWELVE_PLACES):
        assert words in text


@pytest.mark.parametrize("text, column, message, hint", [
    ("worker_processes = 2;", 18, 'no "=" stands between "worker_processes" and its value',
     "write: worker_processes 2"),
    ("worker_processes =2;", 18, 'no "=" stands between', "write: worker_processes 2"),
    ("worker_processes=2;", 1, 'unknown directive "worker_processes=2"',
     'write a space instead of "=": worker_processes 2'),
    ("peer { packet_limit 1 MB; }", 23, "the unit stands right behind the number",
     "write: packet_limit 1m"),
    ("peer { read_timeout 10 seconds; }", 24, "the unit stands right behind", "read_timeout 10s"),
    ("peer { packet_limit 64KiB; }", 21, '"packet_limit" takes a size', 'did you mean "64k"?'),
    ("peer { packet_limit 512bytes; }", 21, '"packet_limit" takes a size', 'did you mean "512"?'),
    ("peer { read_timeout 5Min; }", 21, '"read_timeout" takes a duration', 'did you mean "5m"?'),
    ("peer { packet_limit 1 2; }", 23, 'too many arguments for "packet_limit"', "it is written"),
    ("peer { server { listen 127.0.0.1; } }", 24, '"ADDRESS" of "listen" takes',
     "a port behind the address, as in 127.0.0.1:9090"),
    ("peer { server { listen localhost; } }", 24, "takes", "as in 127.0.0.1:9090"),
    ("peer { server { listen [::1]; } }", 24, "takes", "as in [::1]:9090"),
    ("peer { server { listen ::1; } }", 24, "takes", "in brackets with a port behind it"),
    ("peer { server { listen example.org; } }", 24, "takes", "host names are not looked up"),
])
def test_what_others_write_is_answered_with_what_to_write(check, text, column, message, hint):
    found = check(text)

    [(_, _, told)] = [mistake for mistake in found if mistake[1] == column]
    assert message in told and hint in told


def test_a_message_shows_the_line_and_a_caret(check):
    [(_, _, text)] = check("worker_processes 2;\n\tdaemon   maybe;\n")

    assert "    2 | \tdaemon   maybe;\n" in text
    assert "      | \t         ^^^^^\n" in text


GOOD_SERVER = "peer { server { listen 9090; } }\n"


@pytest.mark.parametrize("text, line, column, words", [
    ("daemon on\npid x;\n", 1, 10, '";"'),
    ("peer { server { listen 9090; }\n", 1, 1, '"}" is missing'),
    ("peer { server { listen 9090; } }\n}\n", 2, 1, '"}"'),
    ('pid "logs/x.pid;\n', 1, 5, "not closed"),
    ("user;\n", 1, 1, 'lacks the argument "USER"'),
    ("worker_watch 10;\n", 1, 14, "10s"),
    ("worker_watch 5y;\n", 1, 14, "duration"),
    ("bus_queue 1q;\n", 1, 11, "size"),
    ("bus_queue 1k;\n", 1, 11, "between 64k and 256m"),
    ("worker_watch 50ms;\n", 1, 14, "between 100ms and 1h"),
    ("error_log logs/x.log loud;\n", 1, 22, "notice"),
    ("error_log logs/x.log notic;\n", 1, 22, 'did you mean "notice"'),
    ("events;\n", 1, 7, "{"),
    ("daemon { }\n", 1, 8, "takes no block"),
    ("thread_pool threads=2 threads=3;\n", 1, 23, "threads"),
    ("pid $nothing.pid;\n", 1, 5, "nothing"),
    ("events { }\nevents { }\n", 2, 1, "written twice"),
    ("peer { server { } }\n", 1, 8, "listens nowhere"),
    ("peer { server { listen localhost; } }\n", 1, 24, "listen"),
    ("peer { server { listen unix:; } }\n", 1, 24, "unix:"),
    ("peer { server { listen 1 so_keepalive=yes; } }\n", 1, 39, "60:10:5"),
    ("peer { server { listen 1; allow 10.0.0.0/33; } }\n", 1, 33, "10.0.0.0/8"),
    ("peer { server { listen 1; allow_origin a.example; } }\n", 1, 40, "https://example.org:8443"),
    ("peer { server { listen 1; allow_origin https://A; } }\n", 1, 40, "small letters"),
    ("peer { server { listen 1; allow_origin https://a/; } }\n", 1, 40, "without a path"),
    ("peer { server { listen 1; allow all; deny all; } }\n", 1, 38, "allowed as well"),
])
def test_a_mistake_has_its_own_message(check, text, line, column, words):
    if "peer" not in text:
        text += GOOD_SERVER

    messages = check(text)

    assert len(messages) == 1, messages
    assert messages[0][:2] == (line, column), messages
    assert words in messages[0][2]


def test_a_directive_in_the_wrong_block_is_told_where_it_may_stand(check):
    [(line, column, text)] = check("worker_connections 5;\n" + GOOD_SERVER)

    assert (line, column) == (1, 1)
    assert 'it may stand in "events"' in text


def test_an_address_used_twice_names_the_first_place(check):
    [(line, column, text)] = check("""peer {
    server { listen 127.0.0.1:9090; }
    server { listen 127.0.0.1:9091; listen 127.0.0.1:9090; }
}
""")

    assert (line, column) == (3, 37)
    assert "127.0.0.1:9090 is already listened on at" in text
    assert "teleport.conf:2:14" in text


def test_a_socket_path_used_in_two_spellings_is_found(make_server):
    server = make_server("")
    server.write_conf(f"""peer {{
    server {{ listen unix:logs/a.socket; }}
    server {{ listen unix:{server.prefix}/logs/a.socket; }}
}}
""", preamble="")

    code, _, errors = server.run("-t")

    assert code == 1
    assert "is already listened on at" in errors
    assert "teleport.conf:2" in errors and "teleport.conf:3" in errors


def test_a_mistake_in_an_included_file_is_told_there(make_server):
    server = make_server("include more.conf;\n" + GOOD_SERVER)
    included = server.conf_path.parent / "more.conf"
    included.write_text("\n\ndaemn on;\n")

    errors = server.run("-t")[2]

    assert f"{included}:3:1: error:" in errors
    assert 'did you mean "daemon"' in errors


def test_an_include_of_nothing_is_a_mistake(check):
    [(line, column, text)] = check("include nowhere.conf;\n" + GOOD_SERVER)

    assert (line, column) == (1, 9)
    assert "nowhere.conf" in text


def test_a_pattern_that_matches_nothing_is_right(make_server):
    assert make_server("include conf.d/*.conf;\n" + GOOD_SERVER).run("-tq") == (0, "", "")


def test_files_that_include_each_other_are_found(check):
    messages = check("include second.conf;\n" + GOOD_SERVER,
                     second="include third.conf;\n", third="include second.conf;\n")

    assert len(messages) == 1
    assert "third.conf:1:9" in messages[0][2]
    assert "second.conf" in messages[0][2]


def test_a_user_that_does_not_exist_is_told_to_root(make_server):
    server = make_server("user nobody-of-that-name;\n" + GOOD_SERVER)

    code, _, errors = server.run("-t")

    if os.geteuid() == 0:
        assert code == 1
        assert 'there is no user "nobody-of-that-name"' in errors
    else:
        assert code == 0


def test_bytes_that_are_no_text_are_told(make_server):
    server = make_server("")
    server.conf_path.write_bytes(b"pid \xff\xfe;\n" + GOOD_SERVER.encode())

    code, _, errors = server.run("-t")

    assert code == 1
    assert "teleport.conf:1:5: error: this is not valid UTF-8" in errors


def test_a_torrent_of_mistakes_is_cut_off(make_server):
    server = make_server("")
    server.conf_path.write_text("nonsense 1;\n" * 5000)

    code, _, errors = server.run("-t")

    assert code == 1
    assert "too many errors" in errors
    assert len(MESSAGE.findall(errors)) < 1000


ROUTES = """peer {
    server { listen 9090;
    pull /a { }
    pull /b { echo; sum; }
    pull /b { echo; }
    pull /c { ech; }
    nonsense 1;
} }
"""


def test_mistakes_of_routes_are_shown_with_all_others(check):
    wanted = [
        (3, 5, "pull /a has no handler"),
        (4, 21, "pull /b has a handler already: echo"),
        (5, 5, "pull /b is routed already at "),
        (6, 15, 'did you mean "echo"'),
        (7, 5, 'unknown directive "nonsense"'),
    ]
    found = check(ROUTES)
    assert [place[:2] for place in found] == [place[:2] for place in wanted]
    for (_, _, text), (_, _, told) in zip(found, wanted):
        assert told in text


def test_effective_routes_load_again(make_server):
    routes = "pull /a { echo; } pull /b { return 201 \"two\"; } push * { empty; }"
    server = make_server("peer { server { listen 9090; " + routes + " } }")
    code, effective, _ = server.run("-T")
    assert code == 0
    server.conf_path.write_text(effective)
    code, again, errors = server.run("-T")
    assert (code, errors) == (0, "")
    told = [line.split("#")[0].split() for line in effective.splitlines()]
    assert told == [line.split("#")[0].split() for line in again.splitlines()]


def test_a_mode_is_octal_and_of_a_file(check):
    messages = check("peer { server {\n"
                     "    listen unix:logs/a mode=0800;\n"
                     "    listen unix:logs/b mode=0;\n"
                     "    listen unix:logs/c mode=01777;\n"
                     "    listen 9090 mode=0600;\n"
                     "    listen unix:logs/d mode=0600;\n"
                     "    listen unix:logs/e mode=default;\n"
                     "} }\n")

    assert [line for line, _, _ in messages] == [2, 3, 4, 5]
    assert all("three octal digits such as 0600" in text for _, _, text in messages[:3])
    assert "only the file of a Unix socket has a mode" in messages[3][2]

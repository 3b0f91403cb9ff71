"""The configurations that are shipped start as they stand, on other ports, and serve."""
import re

import pytest

from harness.shown import commands_of_comment
from harness.teleport import ROOT
from harness.wire25 import Caller

# Those that begin with commands to try them are tried in test_examples_try.py.
SHIPPED = sorted([ROOT / "conf/teleport.conf",
                  *(path for path in (ROOT / "conf/examples").glob("*.conf")
                    if not commands_of_comment(path.read_text()))])


def on_free_ports(text):
    """Each port of the text becomes one of the test's; the same port stays the same."""
    text = re.sub("#.*", "", text)
    found = [re.findall(rf"{word}\s+(?:\S*:)?(\d+)\b", text) for word in ("listen", "server")]
    for number, port in enumerate(dict.fromkeys(sum(found, []))):
        stand_in = "$PORT" if number == 0 else f"$PORT{number + 1}"
        text = re.sub(rf"((?:listen|server)\s+(?:\S*:)?){port}\b", lambda found, name=stand_in:
                      found.group(1) + name, text)
    return text


def shipped(name):
    """An example, ready for a test: its own logs and pid file would hide the harness's."""
    text = on_free_ports((ROOT / "conf/examples" / name).read_text())
    return re.sub(r"^(error_log|pid)\s[^;]*;", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_configuration_serves(make_server, path):
    server = make_server(shipped(path))
    if "built without hiredis" in server.run("-t")[2]:
        pytest.skip("this build has no part for Redis")
    server.start()
    reply = Caller(server).pull("/echo", b'"here"')
    assert (reply.status_code, reply.body) == (200, b'"here"')
    if "upstream" in path.read_text():
        server.disconnect()


def test_the_first_configuration_does_sums(start_server):
    server = start_server(on_free_ports((ROOT / "conf/teleport.conf").read_text())
                          .replace("error_log", "#").replace("pid  ", "#"))
    assert Caller(server).pull("/math/add", b"[1,2,3]").body == b"6"


def test_the_readme_s_configuration_is_true(start_server, tp):
    text = re.search(r"```nginx\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    text = re.sub(r".*listen +\[::\].*\n", "", text).replace("error_log         logs/error", "#")
    server = start_server(on_free_ports(text))
    assert Caller(server).pull("/math/add", b"[1,2,3]").body == b"6"
    local = server.prefix / "logs/local.sock"
    assert tp.run("pull", f"unix:{local}", "/version")[1] == b"7, local"

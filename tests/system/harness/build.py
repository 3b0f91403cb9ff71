"""The source tree as one who builds it sees it: configure, make, modules from outside."""
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# Modules that are built with --add-module, such as faulty.c: they do what none of the tree does.
MODULES = ROOT / "tests/system/modules"

# Without each of them the server has to do: the tests of what is built here show that it does.
LEFT_OUT = ("access", "auth", "heartbeat", "http_pass", "limit", "proxy", "require",
            "session_pass")

BUILD_VARIABLES = ("CC", "CFLAGS", "LDFLAGS", "CI", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")

MODULE = """#include <teleport/module.h>

const struct tp_module tp_module_{name} = {{
    .name = "{name}",
    .brief = "Says {name} to those who ask.",
    .run_after = "{after}",
}};
"""


def run(command):
    """Runs a command in the source tree as if no other make or compiler had been named."""
    inherited = {name: value for name, value in os.environ.items() if name not in BUILD_VARIABLES}
    return subprocess.run([str(word) for word in command], cwd=ROOT, env=inherited,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=240, check=False)


def configure(*arguments):
    return run(["./configure", *arguments])


def write_module(folder, name, after=""):
    """A module outside the tree; returns its folder."""
    home = folder / name
    home.mkdir()
    (home / f"{name}.c").write_text(MODULE.format(name=name, after=after))
    return home


def describe_messages(home, folder):
    """A copy of a module's folder, with the C that protoc-c makes of its .proto files."""
    copy = folder / home.name
    shutil.copytree(home, copy)
    for proto in sorted(copy.glob("*.proto")):
        subprocess.run(["protoc-c", f"--proto_path={copy}", f"--c_out={copy}", str(proto)],
                       stdin=subprocess.DEVNULL, timeout=60, check=True)
    return copy


def build(folder):
    """A build without some modules and with those of the tests; returns (objs, arguments)."""
    homes = [describe_messages(home, folder) if any(home.glob("*.proto")) else home
             for home in sorted(MODULES.iterdir())]
    added = [f"--add-module={home}" for home in homes]
    arguments = (*(f"--without-{name}" for name in LEFT_OUT), *added, "--with-debug")
    configured = configure(f"--objs={folder}/objs", *arguments)
    assert configured.returncode == 0, configured.stdout
    made = run(["make", "-j2", "-f", f"{folder}/objs/Makefile"])
    assert made.returncode == 0, made.stdout
    return folder / "objs", arguments

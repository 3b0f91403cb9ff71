"""libteleport, as one who writes a program with it meets it: installed, compiled, linked, run."""
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from harness.client import reserve_port
from harness.teleport import BINARY
from harness.wait import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).resolve().parents[2]
OBJS = Path(os.environ.get("TELEPORT_OBJS", Path(BINARY).parent)).resolve()
EXAMPLES = ROOT / "docs/examples"
PROGRAMS = Path(__file__).resolve().parent / "library"

# What a program includes, and what it gets with it; teleport/module.h is for modules only.
HEADERS = ("teleport", "exchange", "heartbeat", "hooks", "identity", "session", "close_reason",
           "ids", "query", "status", "address", "log", "base")
# What one that makes hashes of secrets includes besides, as tp hash does.
MORE_HEADERS = ("secret", "base64")
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g")


def make_variable(name):
    """What configure has decided."""
    found = re.search(rf"^{name} := ?(.*)$", (OBJS / "Makefile").read_text(), re.MULTILINE)
    return found.group(1).split()


class Installed:
    """The library below a prefix of its own, and programs that are built with it."""

    def __init__(self, home):
        self.prefix = home / "prefix"
        self.home = home
        self.compiler = make_variable("CC")
        self.sanitizers = [word for word in make_variable("CFLAGS") if "-fsanitize" in word]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        subprocess.run(["make", "-f", str(OBJS / "Makefile"), "install-libteleport",
                        f"PREFIX={self.prefix}", "DESTDIR="],
                       cwd=ROOT, env=plain, stdout=subprocess.PIPE, check=True)
        self.environment = dict(os.environ, LD_LIBRARY_PATH=str(self.prefix / "lib"))

    def packages(self, *questions):
        """What pkg-config says."""
        places = dict(os.environ, PKG_CONFIG_PATH=str(self.prefix / "lib/pkgconfig"))
        return subprocess.run(["pkg-config", *questions, "teleport"], env=places, text=True,
                              stdout=subprocess.PIPE, check=True).stdout.split()

    def build(self, source, *more, compiler=None):
        program = self.home / source.stem
        subprocess.run([*(compiler or [*self.compiler, "-std=c11", "-D_GNU_SOURCE"]), *STRICT,
                        *self.sanitizers, str(source), *self.packages("--cflags", "--libs"), *more,
                        "-o", str(program)], check=True)
        return program

    def start(self, program, *arguments, **others):
        return subprocess.Popen([str(program), *arguments], env=self.environment, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **others)

    def run(self, program, *arguments, before=(), stdin="", exit_code=0):
        ended = subprocess.run([*before, str(program), *arguments], env=self.environment,
                               input=stdin, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, timeout=3 * PATIENCE_SECONDS, check=False)
        assert ended.returncode == exit_code, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture(name="library", scope="module")
def installed_library(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("library"))


@pytest.fixture(name="programs")
def processes_of_a_test():
    """Processes that a test has started; none is left behind."""
    started = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def first_port(process):
    return re.fullmatch(r"listening on port (\d+)\n", process.stdout.readline()).group(1)


def end(process, number=signal.SIGTERM):
    """Ends a program that is to end well; returns what it has printed besides."""
    process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output + errors
    return output


def declared():
    """The functions that the headers of a program declare, but for those that are inline."""
    names = set()
    for header in HEADERS + MORE_HEADERS:
        text = (ROOT / f"src/include/teleport/{header}.h").read_text()
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", text, flags=re.MULTILINE)
        text = re.sub(r"static inline.*?\n}", "", text, flags=re.DOTALL)
        names |= set(re.findall(r"^(?!typedef)[a-z].*?\b(tp_\w+)\(", text, re.MULTILINE))
    return names


def test_the_headers_of_a_program_are_those_that_teleport_h_brings():
    seen, waiting = set(), ["teleport"]
    while waiting:
        name = waiting.pop()
        seen.add(name)
        text = (ROOT / f"src/include/teleport/{name}.h").read_text()
        waiting += set(re.findall(r"#include <teleport/(\w+)\.h>", text)) - seen
    assert seen == set(HEADERS)


def test_what_is_exported_is_what_the_headers_declare(library):
    shared = next((library.prefix / "lib").glob("libteleport.so.*.*"))
    listed = subprocess.run(["nm", "-D", "--defined-only", str(shared)], text=True,
                            stdout=subprocess.PIPE, check=True).stdout
    exported = {line.split()[2] for line in listed.splitlines() if line.split()[1] == "T"}
    others = {line.split()[2] for line in listed.splitlines() if line.split()[1] not in "TA"}
    assert others == set()
    assert all(name.endswith("@@TELEPORT_0.1") for name in exported)
    named = {name.partition("@")[0] for name in exported}
    mapped = set(re.findall(r"^    (tp_\w+);", (ROOT / "auto/libteleport.map").read_text(),
                            re.MULTILINE))
    inside = subprocess.run(["nm", str(library.prefix / "lib/libteleport.a")], text=True,
                            stdout=subprocess.PIPE, check=True).stdout
    assert mapped == declared()
    assert named == mapped & set(re.findall(r" T (\w+)$", inside, re.MULTILINE))


def test_nothing_in_it_is_global_and_changes(library, sanitized):
    if sanitized:
        pytest.skip("a sanitizer has data of its own")
    told = subprocess.run(["size", "-A", str(library.prefix / "lib/libteleport.a")], text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    sizes = re.findall(r"^\.(?:data|bss|tdata|tbss) +(\d+)", told, re.MULTILINE)
    assert sizes != []
    assert set(sizes) == {"0"}


def test_the_soname_names_the_version_of_the_interface(library):
    shared = next((library.prefix / "lib").glob("libteleport.so.*.*"))
    told = subprocess.run(["readelf", "-d", str(shared)], text=True, stdout=subprocess.PIPE,
                          check=True).stdout
    assert "[libteleport.so.0]" in told
    needed = re.findall(r"NEEDED.*\[(.*)\]", told)
    allowed = r"lib(c|m|z|ssl|crypto|pthread|dl|gcc_s|asan|ubsan|stdc\+\+)\.|ld-linux"
    assert [name for name in needed if not re.match(allowed, name)] == []


def test_pkg_config_says_how_to_use_it(library):
    assert library.packages("--modversion") == make_variable("VERSION")
    assert f"-I{library.prefix}/include" in library.packages("--cflags")
    assert "-lteleport" in library.packages("--libs")
    assert "-lz" in library.packages("--libs", "--static")


def test_the_demo_of_the_original(library, programs):
    """A push to the caller before the reply, an unknown handler, a burst of PULLs."""
    server = library.start(library.build(EXAMPLES / "server.c"), "127.0.0.1:0")
    programs.append(server)
    client = library.build(EXAMPLES / "client.c")
    output = library.run(client, f"127.0.0.1:{first_port(server)}").splitlines()
    assert '/group/home/test: 200 OK {"name":"teleport"}' in output
    assert "/unknown: 404 No such thing here " in output
    assert "burst: 1000 of 1000 answered well" in output
    assert Counter(output)['pushed: tag=from home-test {"hello":"you"}'] == 1001
    assert output.index('pushed: tag=from home-test {"hello":"you"}') \
        < output.index('/group/home/test: 200 OK {"name":"teleport"}')
    told = end(server)
    assert "nobody answers /unknown\n" in told
    assert "answered 1001 times\n" in told


def test_the_static_library_does_as_well(library, programs):
    server = library.build(EXAMPLES / "server.c")
    static = subprocess.run([*library.compiler, *library.sanitizers, str(EXAMPLES / "client.c"),
                             f"-I{library.prefix}/include",
                             str(library.prefix / "lib/libteleport.a"), "-lz", "-lssl",
                             "-lcrypto", "-pthread",
                             "-o", str(library.home / "static_client")], check=False)
    assert static.returncode == 0
    programs.append(library.start(server, "127.0.0.1:0"))
    output = library.run(library.home / "static_client", f"localhost:{first_port(programs[0])}")
    assert "burst: 1000 of 1000 answered well" in output
    end(programs[0])


def test_a_peer_that_is_both(library, programs):
    both = library.build(EXAMPLES / "both.c")
    left = library.start(both, "left", "127.0.0.1:0")
    programs.append(left)
    told = library.run(both, "right", "127.0.0.1:0", f"127.0.0.1:{first_port(left)}")
    assert told.splitlines()[1:] == ["200 hello right"]
    # A PUSH has told it to drain, and it ends by itself.
    left.communicate(timeout=PATIENCE_SECONDS)
    assert left.returncode == 0


def test_a_program_with_a_loop_of_its_own(library):
    program = library.build(EXAMPLES / "foreign_poll.c")
    lines = [f"line {number}" for number in range(100)]
    told = library.run(program, stdin="".join(line + "\n" for line in lines)).splitlines()
    assert [line for line in told if line != "tick"] == [f"200 {line}" for line in lines]


def test_from_cpp(library):
    for standard in ("c++11", "c++20"):
        source = PROGRAMS / "usage.cc"
        library.run(library.build(source, compiler=["c++", f"-std={standard}"]))


def test_loaded_at_run_time(library, sanitized):
    if sanitized:
        pytest.skip("a sanitizer has to be there before the library")
    program = library.build(PROGRAMS / "loading.c", "-ldl")
    shared = str(library.prefix / "lib/libteleport.so.0")
    assert library.run(program, shared).splitlines() == make_variable("VERSION") * 3


def test_without_leaks_under_valgrind(library, sanitized):
    if sanitized:
        pytest.skip("valgrind cannot run what has a sanitizer")
    valgrind = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
                "--show-leak-kinds=all", "--errors-for-leak-kinds=all"]
    program = library.build(EXAMPLES / "foreign_poll.c")
    assert "200 one" in library.run(program, before=valgrind, stdin="one\ntwo\n")


def test_no_allocation_that_fails_ends_the_program(library, sanitized):
    if sanitized:
        pytest.skip("a sanitizer allocates by itself")
    told = library.run(library.build(PROGRAMS / "no_memory.c"))
    assert int(re.fullmatch(r"(\d+) allocations\n", told).group(1)) > 30


def test_a_killed_server_is_found_again_each_time(library, programs):
    """20 times: it is back within the back-off's bound, and no PULL is left without an end."""
    program = library.build(EXAMPLES / "server.c")
    with reserve_port() as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        server = library.start(program, address)
        programs.append(server)
        first_port(server)
        client = library.start(library.build(PROGRAMS / "redialing.c"), address)
        programs.append(client)
        assert client.stdout.readline() == "up\n"
        before = len(os.listdir(f"/proc/{client.pid}/fd"))
        for _ in range(20):
            server.kill()
            server.communicate()
            server = library.start(program, address)
            programs.append(server)
            first_port(server)
            assert client.stdout.readline() == "up\n"
        wait_until(lambda: len(os.listdir(f"/proc/{client.pid}/fd")) == before,
                   "the client has no more descriptors than before")
        output, errors = client.communicate(input="", timeout=PATIENCE_SECONDS)
        assert client.returncode == 0, output + errors
        told = re.search(r"begun (\d+) answered (\d+) broken (\d+) other 0 sessions 1", output)
        begun, answered, broken = map(int, told.groups())
        assert begun == answered + broken
        assert broken >= 20
        end(server)

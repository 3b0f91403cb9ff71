"""configure, as one who builds the server meets it: help, mistakes, modules, speed."""
import os
import time

import pytest

from harness.build import LEFT_OUT, ROOT, configure, run, write_module


def write_program(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def write_compiler(folder, body):
    """A compiler that does `body` before it is the real one; "$*" are its words."""
    return write_program(folder / "compiler", f'{body}\nexec cc "$@"')


def test_help_lists_options_and_modules():
    answer = configure("--help")

    assert answer.returncode == 0
    for word in ("--prefix=DIR", "--with-sanitizers", "--with-debug", "--add-module=DIR",
                 "--install-deps", "--with-module=NAME"):
        assert word in answer.stdout
    for source in ROOT.glob("modules/*/*/*.c"):
        if source.stem == source.parent.name:
            assert f"  {source.stem} " in answer.stdout


@pytest.mark.parametrize("typed, meant", [
    ("--prefx=/opt", "Did you mean --prefix?"),
    ("--with-sanitisers", "Did you mean --with-sanitizers?"),
    ("--without-acces", "Did you mean --without-access?"),
    ("--with-module=acess", "Did you mean --with-access?"),
])
def test_a_slip_is_answered_with_what_was_meant(typed, meant):
    answer = configure(typed)

    assert answer.returncode == 1
    assert "configure: error: " in answer.stdout
    assert meant in answer.stdout


@pytest.mark.parametrize("arguments, message", [
    (["--prefix"], "--prefix needs a value: --prefix=DIR"),
    (["--prefix="], "--prefix needs a value"),
    (["--prefix=opt"], "give the whole path"),
    (["--prefix=/a b"], "may not contain spaces"),
    (["--with-debug=yes"], "--with-debug takes no value"),
    (["--install-deps=some"], "--install-deps takes build, test or all"),
    (["everything"], 'unknown option "everything"'),
])
def test_a_wrong_value_is_refused(arguments, message):
    answer = configure(*arguments)

    assert answer.returncode == 1
    assert message in answer.stdout


def test_a_missing_library_is_named_with_its_package(tmp_path):
    compiler = write_compiler(tmp_path,
                              'case "$*" in *pthread*) echo "no such library"; exit 1 ;; esac')

    answer = configure(f"--objs={tmp_path}/objs", f"--cc={compiler}")

    assert answer.returncode == 1
    assert 'needs "threads", which was not found' in answer.stdout
    assert "apt-get install libc6-dev" in answer.stdout
    log = (tmp_path / "objs" / "configure.log").read_text()
    assert "no such library" in log and "pthread_create" in log


def test_a_module_without_its_library_can_be_left_out(tmp_path):
    compiler = write_compiler(tmp_path, 'case "$*" in *-lz*) exit 1 ;; esac')
    arguments = (f"--objs={tmp_path}/objs", f"--cc={compiler}")

    answer = configure(*arguments)

    assert answer.returncode == 1
    assert 'module "gzip" needs "zlib", which was not found' in answer.stdout
    assert "apt-get install zlib1g-dev" in answer.stdout
    assert "--without-gzip builds without it." in answer.stdout

    answer = configure(*arguments, "--without-gzip")

    assert answer.returncode == 0, answer.stdout
    listed = run(["make", "-n", "-f", f"{tmp_path}/objs/Makefile", f"{tmp_path}/objs/tests/unit/run"])
    assert listed.returncode == 0, listed.stdout
    assert "filter/gzip" not in listed.stdout


def install(folder, compiler, apt):
    """configure --install-deps=build by root, with this script as apt-get."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    write_program(programs / "id", "echo 0")
    write_program(programs / "apt-get", apt)
    return run(["env", f"PATH={programs}:{os.environ['PATH']}", "./configure",
                "--install-deps=build", f"--objs={folder}/objs", f"--cc={compiler}"])


def test_what_is_missing_is_installed_and_then_found(tmp_path):
    shelf = tmp_path / "installed"
    compiler = write_compiler(tmp_path, f'case "$*" in *-lz*) [ -e {shelf} ] || exit 1 ;; esac')
    apt = f'case "$*" in *install*) echo "$*" >{shelf} ;; esac'

    answer = install(tmp_path, compiler, apt)

    assert answer.returncode == 0, answer.stdout
    assert "Installing with apt-get: zlib1g-dev" in answer.stdout
    assert shelf.read_text().endswith("install --yes --no-install-recommends zlib1g-dev\n")
    assert (tmp_path / "objs" / "Makefile").exists()

    answer = install(tmp_path, compiler, "exit 1")

    assert answer.returncode == 0, answer.stdout
    assert "Everything is there; nothing to install." in answer.stdout


def test_what_an_installation_does_not_bring_is_named(tmp_path):
    compiler = write_compiler(tmp_path, 'case "$*" in *-lz*) exit 1 ;; esac')

    answer = install(tmp_path, compiler, "exit 0")

    assert answer.returncode == 1
    assert "still missing after the installation: zlib1g-dev" in answer.stdout


def write_module_with_part(folder):
    """A module with a part that zlib builds."""
    home = write_module(folder, "whole")
    (home / "config").write_text('module_parts="packing:zlib"\n')
    for name in ("packing", "packing_more"):
        (home / f"{name}.c").write_text(f"int packing_{name};\n")
    return home


def sources_built(objs):
    listed = run(["make", "-n", "-f", f"{objs}/Makefile", f"{objs}/teleport"])
    assert listed.returncode == 0, listed.stdout
    return listed.stdout


@pytest.mark.parametrize("arguments, is_built", [([], True), (["--with-packing"], True),
                                                 (["--without-packing"], False)])
def test_a_part_of_a_module_is_built_where_its_library_is(tmp_path, arguments, is_built):
    home = write_module_with_part(tmp_path)

    answer = configure(f"--objs={tmp_path}/objs", f"--add-module={home}", *arguments)

    assert answer.returncode == 0, answer.stdout
    built = sources_built(tmp_path / "objs")
    assert ("-DTP_HAVE_PACKING=1" in built) == is_built
    assert (f"{home}/packing.c" in built) == is_built
    assert (f"{home}/packing_more.c" in built) == is_built
    assert f"{home}/whole.c" in built
    left_out = [line for line in answer.stdout.splitlines() if line.startswith("  left out")]
    assert any("packing" in line for line in left_out) != is_built


def test_a_part_without_its_library_is_left_out_unless_it_is_asked_for(tmp_path):
    home = write_module_with_part(tmp_path)
    compiler = write_compiler(tmp_path, 'case "$*" in *-lz*) exit 1 ;; esac')
    arguments = (f"--objs={tmp_path}/objs", f"--cc={compiler}", f"--add-module={home}",
                 "--without-gzip")

    answer = configure(*arguments)

    assert answer.returncode == 0, answer.stdout
    assert f"{home}/packing.c" not in sources_built(tmp_path / "objs")

    answer = configure(*arguments, "--with-packing")

    assert answer.returncode == 1
    assert '"packing" of module "whole" needs "zlib", which was not found' in answer.stdout
    assert "--without-packing builds without it." in answer.stdout


def test_a_missing_compiler_is_named_with_its_package(tmp_path):
    answer = configure(f"--objs={tmp_path}/objs", "--cc=nobodys-compiler")

    assert answer.returncode == 1
    assert "apt-get install gcc libc6-dev" in answer.stdout


def test_run_after_in_a_circle_names_the_modules(tmp_path):
    first = write_module(tmp_path, "chicken", after="hatching")
    second = write_module(tmp_path, "hatching", after="chicken")

    answer = configure(f"--objs={tmp_path}/objs", f"--add-module={first}", f"--add-module={second}")

    assert answer.returncode == 1
    assert "run_after goes in a circle" in answer.stdout
    assert "chicken" in answer.stdout and "hatching" in answer.stdout


def test_run_after_orders_the_modules(tmp_path):
    early = write_module(tmp_path, "zebra")
    late = write_module(tmp_path, "ant", after="zebra limit")

    answer = configure(f"--objs={tmp_path}/objs", f"--add-module={late}", f"--add-module={early}")

    assert answer.returncode == 0, answer.stdout
    written = (tmp_path / "objs" / "modules.c").read_text()
    order = [line.strip() for line in written.splitlines() if line.startswith("    &")]
    assert order.index("&tp_module_ant,") > order.index("&tp_module_zebra,")
    assert order.index("&tp_module_ant,") > order.index("&tp_module_access,")


def test_a_second_run_asks_the_compiler_nothing(tmp_path):
    calls = tmp_path / "calls"
    compiler = write_compiler(tmp_path, f'echo "$*" >>{calls}')
    arguments = (f"--objs={tmp_path}/objs", f"--cc={compiler}")
    assert configure(*arguments).returncode == 0
    assert "-o" in calls.read_text()
    calls.unlink()

    begin = time.monotonic()
    assert configure(*arguments).returncode == 0
    print(f"the second run took {time.monotonic() - begin:.2f} s")

    assert calls.read_text() == "--version\n"


def test_the_program_knows_how_it_was_configured(build):
    objs, arguments = build

    answer = run([objs / "teleport", "-V"])

    assert answer.returncode == 0
    for argument in arguments:
        assert argument in answer.stdout


@pytest.mark.parametrize("name", LEFT_OUT)
def test_an_absent_directive_names_the_option_that_brings_it(build, name):
    objs, _ = build
    directive = next(line.split('"')[1] for line in (objs / "modules.c").read_text().splitlines()
                     if f'", "{name}" }}' in line)
    conf = objs / "absent.conf"
    conf.write_text(f"events {{ }}\npeer {{ server {{ listen 127.0.0.1:1; {directive} all; }} }}\n")

    answer = run([objs / "teleport", "-t", "-p", objs, "-c", conf])

    assert answer.returncode == 1
    assert f"--with-{name}" in answer.stdout


def test_a_second_make_has_nothing_to_do(build):
    objs, _ = build

    again = run(["make", "-f", objs / "Makefile"])

    assert again.returncode == 0
    assert "  CC " not in again.stdout and "  LINK " not in again.stdout


def test_install_keeps_a_configuration_that_is_there(build, tmp_path):
    objs, _ = build
    home = tmp_path / "usr/local/teleport"
    install = ["make", "-f", objs / "Makefile", "install", f"DESTDIR={tmp_path}"]
    assert run(install).returncode == 0
    for name in ("sbin/teleport", "conf/teleport.conf", "include/teleport/module.h", "logs",
                 "lib/systemd/system/teleport.service", "conf/examples/push-gateway.conf"):
        assert (home / name).exists(), name
    assert not (home / "conf/examples/push-gateway/teleport.js").is_symlink()
    assert (home / "conf/examples/push-gateway/teleport.js").exists()
    conf = home / "conf/teleport.conf"
    conf.write_text("# mine\n")

    again = run(install)

    assert again.returncode == 0, again.stdout
    assert conf.read_text() == "# mine\n"
    shipped = (ROOT / "conf/teleport.conf").read_text()
    assert (home / "conf/teleport.conf.default").read_text() == shipped

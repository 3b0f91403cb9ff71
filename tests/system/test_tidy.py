"""`make tidy` finds what it promises to find, each shown by one small offence."""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TIDY = Path(__file__).resolve().parents[2] / "auto" / "tidy"

OFFENCES = [
    ("src/base/arrow.c", '#include "os/file.h"\n', "no arrow goes from base to os"),
    ("src/conf/arrow.c", '#include "event/loop.h"\n', "no arrow goes from conf to event"),
    ("src/net/platform.c", "#include <sys/socket.h>\n", "<sys/socket.h> is of the platform"),
    ("modules/limit/nosy/nosy.c", '#include "base/arena.h"\n', "a module includes no header"),
    ("src/base/name.h", "int list_length(void);\n", "it begins with tp__"),
    ("src/include/teleport/name.h", "int tp__hidden(void);\n", "it begins with tp_"),
    ("src/base/inner.c", "static int\ntp_inner(void)\n{\n    return 0;\n}\n", "is static, so"),
    ("src/base/state.c", "static int count;\n", "a mutable global variable"),
    ("src/base/state.c", "const char *names[] = { 0 };\n", "a mutable global variable"),
    ("src/base/kept.c", "int\nkept(void)\n{\n    static int calls = 0;\n\n    return calls++;\n}\n",
     "a mutable static variable"),
    ("src/base/log.c", 'void\nsay(void)\n{\n    tp_log_error(log, "no-such-id", "x");\n}\n',
     'the log id "no-such-id" has no sentence'),
    ("src/base/log_ids.h", '#define TABLE(ROW) \\\n    ROW("forgotten", "A thing was.")\n',
     'the log id "forgotten" is never used'),
    ("src/stray.c", "int stray;\n", "no build uses this file"),
    ("src/base/lonely.h", "int tp__lonely(void);\n", "nothing includes this header"),
    ("docs/path.md", "See /ro" "ot/notes.\n", "a path of somebody's machine"),
    ("docs/later.md", "TO" "DO\n", "a word of unfinished work"),
]


def tidy(folder):
    return subprocess.run([sys.executable, str(TIDY)], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def write(folder, path, text):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)


@pytest.mark.parametrize("path, text, fault", OFFENCES)
def test_an_offence_fails(tmp_path, path, text, fault):
    write(tmp_path, path, text)

    answer = tidy(tmp_path)

    assert answer.returncode == 1
    assert f"fault: {path}:" in answer.stdout
    assert fault in answer.stdout


def test_long_functions_are_listed_and_do_no_harm(tmp_path):
    shutil.copy(TIDY.parents[1] / ".clang-format", tmp_path)
    body = "    call();\n" * 70
    write(tmp_path, "src/base/long.c", f"void\nlong_story(void)\n{{\n{body}}}\n")

    answer = tidy(tmp_path)

    assert "look:  src/base/long.c:1: long_story() has 74 lines" in answer.stdout
    assert "fault: src/base/long.c" not in answer.stdout


def test_constants_are_no_state(tmp_path):
    write(tmp_path, "src/base/table.c",
          "enum {\n    WORDS_MAX = 3,\n};\n\nstruct word;\n\n"
          "static const int counts[] = { 1, 2 };\n\nstatic const char *const words[WORDS_MAX] = { 0 };\n")

    answer = tidy(tmp_path)

    assert "mutable" not in answer.stdout


def test_a_library_is_included_only_by_modules_that_say_so(tmp_path):
    write(tmp_path, "auto/deps", "zlib|module|library zlib.h crc32_z|-lz|zlib1g-dev\n")
    write(tmp_path, "modules/filter/told/told.c", "#include <zlib.h>\n")
    write(tmp_path, "modules/filter/told/config", 'module_needs="zlib"\n')
    write(tmp_path, "modules/filter/silent/silent.c", "#include <zlib.h>\n")

    answer = tidy(tmp_path)

    assert "told.c" not in answer.stdout
    assert "fault: modules/filter/silent/silent.c:1: a module includes <teleport/" in answer.stdout

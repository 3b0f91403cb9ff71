"""A terminal for programs that draw on one: what they write, as a screen of letters."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from .wait import PATIENCE_SECONDS, wait_until

SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])")
HALF_SEQUENCE = re.compile(rb"\x1b(\[[?0-9;]*)?$")


class Screen:
    """Obeys what tp writes, and refuses what it should not write."""

    def __init__(self, columns, rows):
        self.is_other = False  # the alternate screen is shown
        self.has_cursor = True
        self.wraps = True
        self.colors = set()
        self.main = []  # what was written to the main screen
        self.rest = b""
        self.old_frames = 0  # that may come yet, made for another size
        self.resize(columns, rows)

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.lines = [[" "] * columns for _ in range(rows)]
        self.reversed = [False] * rows
        self.x = self.y = 0
        self.is_reversed = False

    def feed(self, data):
        data = self.rest + data
        half = HALF_SEQUENCE.search(data)
        self.rest = data[half.start():] if half else b""
        data = data[:len(data) - len(self.rest)]
        at = 0
        for found in SEQUENCE.finditer(data):
            self._write(data[at:found.start()])
            self._obey(found.group(1).decode(), found.group(2).decode())
            at = found.end()
        self._write(data[at:])

    def _write(self, data):
        assert b"\x1b" not in data, f"an unknown escape sequence: {data!r}"
        if not self.is_other:
            self.main.append(data)
            return
        for letter in data.decode():
            if letter == "\n":
                assert self.y + 1 < self.rows or self.old_frames > 0, "the screen was scrolled"
                self.y = min(self.y + 1, self.rows - 1)
            elif letter == "\r":
                self.x = 0
            else:
                assert letter.isprintable(), f"a control character was written: {letter!r}"
                if self.x >= self.columns and self.old_frames > 0:
                    continue
                assert self.x < self.columns, f"line {self.y} is too long: {self.line(self.y)}"
                self.lines[self.y][self.x] = letter
                self.reversed[self.y] = self.is_reversed if self.x == 0 else self.reversed[self.y]
                self.x += 1

    def _obey(self, numbers, letter):
        if letter == "H" and not numbers:
            self.x = self.y = 0
            self.old_frames -= 1 if self.old_frames > 0 else 0
        elif letter == "K" and not numbers:
            self.lines[self.y][self.x:] = [" "] * (self.columns - self.x)
        elif letter == "J" and numbers == "2":
            self.resize(self.columns, self.rows)
        elif letter == "m":
            self.is_reversed = numbers == "7" or (self.is_reversed and numbers != "0")
            self.colors.add(numbers)
        elif letter in "hl" and numbers in ("?1049", "?25", "?7"):
            name = {"?1049": "is_other", "?25": "has_cursor", "?7": "wraps"}[numbers]
            setattr(self, name, letter == "h")
        else:
            raise AssertionError(f"an escape sequence that nobody expects: {numbers}{letter}")

    def line(self, number):
        return "".join(self.lines[number]).rstrip()

    def text(self):
        return "\n".join(self.line(number) for number in range(self.rows))

    def chosen(self):
        """The line that is reversed; None where there is none."""
        return next((self.line(y) for y in range(self.rows) if self.reversed[y]), None)


class Terminal:
    """A program under a pseudo-terminal."""

    def __init__(self, arguments, environment, columns=80, rows=24):
        self.master, slave = pty.openpty()
        self.screen = Screen(columns, rows)
        self.resize(columns, rows)
        self.screen.old_frames = 0
        self.before = termios.tcgetattr(slave)
        self.slave = slave  # kept open, so that its settings can be looked at in the end
        self.process = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave,
                                        env={**environment, "TERM": "xterm"},
                                        start_new_session=True,
                                        preexec_fn=self._take_terminal)

    @staticmethod
    def _take_terminal():
        """In the program: Ctrl-C and changes of the size are its business."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(columns, rows)
        # One is on its way, and one may be begun before the signal comes.
        self.screen.old_frames = 2

    def turn(self, seconds=0.05):
        """Takes what the program has written."""
        while select.select([self.master], [], [], seconds)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            self.screen.feed(data)
            seconds = 0

    def type(self, keys):
        os.write(self.master, keys.encode())

    def wait_for(self, holds, what=""):
        """Waits until the screen is such that `holds(screen)`; returns what that returns."""
        def look():
            self.turn()
            return holds(self.screen)

        try:
            return wait_until(look, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen.text()}") from None

    def wait_for_text(self, text):
        return self.wait_for(lambda screen: text in screen.text(), f"{text!r} on the screen")

    def wait_for_end(self):
        """The exit code; and the terminal is as it was."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self.turn()
        self.turn()
        assert self.process.poll() is not None, "it does not end"
        assert not self.screen.is_other and self.screen.has_cursor and self.screen.wraps
        return self.process.returncode

    def has_settings_of_before(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

"""A command on a real terminal, and what is seen there."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pyte

SECONDS_AT_MOST = 60


class Terminal:
    """A command on a terminal of so many columns: what it wrote, and what that looks like.

    The command is ours, if no other is given.
    """

    def __init__(
        self, *words, cwd, command=(sys.executable, "-m", "cursus_sandbox"), columns=80, rows=24, **environment
    ):
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        kept = {key: value for key, value in os.environ.items() if key not in ("CI", "NO_COLOR", "COLUMNS", "LINES")}
        self._process = subprocess.Popen(
            [*command, *words],
            cwd=cwd,
            env=kept | {"TERM": "xterm-256color"} | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_as_in_front,  # noqa: PLW1509 -- no other thread is here
        )
        os.close(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.wait()
        os.close(self._end)

    def until(self, seen):
        """Read until the screen shows it; fails when that takes too long."""
        self._read(lambda: seen in self.text)
        assert seen in self.text

    def grow(self, columns, rows):
        """Make it another size, and tell whoever is in front."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, number):
        self._process.send_signal(number)

    def press(self, key):
        os.write(self._end, key)

    def end(self):
        """Read until it has ended; gives its exit code."""
        self._read(lambda: False)
        return self._process.wait(SECONDS_AT_MOST)

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def _read(self, enough):
        give_up = time.monotonic() + SECONDS_AT_MOST
        while not enough() and time.monotonic() < give_up:
            if select.select([self._end], [], [], 0.1)[0]:
                try:
                    data = os.read(self._end, 65536)
                except OSError:  # everybody has left the terminal
                    return
                self.raw += data
                self._stream.feed(data)


def _as_in_front():
    """Make the terminal its own, and take its signals, whatever is ignored where the tests were started."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)

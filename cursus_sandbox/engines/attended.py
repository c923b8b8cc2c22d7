"""A command of this machine on this process's own terminal: on a second terminal that is joined to it.

With one of its own a command can neither type into this process's terminal (TIOCSTI) nor leave it in disorder.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cursus_sandbox.engines.sandbox import share_of_processors
from cursus_sandbox.engines.terminal import is_terminal, lend

_PIECE = 65536
_SECONDS_BETWEEN_LOOKS = 0.1

# Runs before the command, in its process and sandbox: only there can a session begin and take a terminal.
_BEGINNING = """
import contextlib, fcntl, os, sys, termios
_, terminal, *command = sys.argv
if terminal:
    with contextlib.suppress(PermissionError):
        os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
try:
    os.execvp(command[0], command)
except OSError as error:
    print(f"{command[0]}: {error.strerror}", file=sys.stderr)
    sys.exit(127 if isinstance(error, FileNotFoundError) else 126)
"""


def attended(
    command: Sequence[str],
    *,
    within: Sequence[str] = (),
    python: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
    kept_open: Sequence[int] = (),
    cpus: float | None = None,
) -> int:
    """Run a command to its end; gives its exit code, 128+n for signal n. An error kills it, not what it started.

    `within` is the line of what makes a sandbox for it, in which there is a `python`.
    """
    terminal = is_terminal()
    ours, theirs = pty.openpty() if terminal else (-1, None)
    before = share_of_processors(cpus)
    try:
        process = subprocess.Popen(
            [*within, str(python), "-I", "-S", "-c", _BEGINNING, "terminal" if terminal else "", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=folder,
            pass_fds=kept_open,
            start_new_session=terminal,
        )
    except BaseException:
        if terminal:
            os.close(ours)
        raise
    finally:
        os.sched_setaffinity(0, before)
        if theirs is not None:
            os.close(theirs)
    with process:  # which waits for it
        try:
            if terminal:
                lend(_Terminal(ours, process))
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            if terminal:
                os.close(ours)
    return 128 - code if code < 0 else code


class _Terminal:
    """Our end of a terminal, until the process at the other end has ended, or all have left it."""

    def __init__(self, ours: int, process: subprocess.Popen[bytes]) -> None:
        self._ours, self._process = ours, process

    def said(self) -> Iterator[tuple[int, bytes]]:
        """What is shown there."""
        while True:
            if select.select([self._ours], [], [], _SECONDS_BETWEEN_LOOKS)[0]:
                try:
                    yield 1, os.read(self._ours, _PIECE)
                except OSError:  # EIO: nobody has it open any more
                    return
            elif self._process.poll() is not None:
                return

    def hear(self, data: bytes) -> None:
        """Type it."""
        rest = data
        while rest:
            rest = rest[os.write(self._ours, rest) :]

    def hear_no_more(self) -> None:
        """A terminal has no end but that it is closed."""

    def resize(self, rows: int, columns: int) -> None:
        """Make it as large as ours: the kernel tells who is in front there."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

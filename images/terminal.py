"""What a build says while it works, and how it fails."""

from __future__ import annotations

import re
import subprocess
import time
from collections import deque
from collections.abc import Sequence

STARTED = time.monotonic()


class BuildError(Exception):
    """This machine could not build an image; the text says what, where and what to do."""


def say(text: str) -> None:
    """Print a line that begins with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


def run(argv: Sequence[str], *, show: str, failed: str) -> None:
    """Run a command, say its lines that match `show`; if it fails, raise `failed` with the last lines it printed."""
    last: deque[str] = deque(maxlen=20)
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except OSError as error:
        raise BuildError(f"{failed}\n  {argv[0]}: {error.strerror}") from error
    with process:
        assert process.stdout is not None  # noqa: S101 -- it was asked for
        try:
            for line in process.stdout:
                last.append(line.rstrip())
                if re.search(show, line):
                    say(f"  {line.strip()}")
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise BuildError("\n  ".join([f"{failed} ({argv[0]} ended with {process.returncode}):", *last]))

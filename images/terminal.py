"""What a build says while it works, and how it fails."""

from __future__ import annotations

import re
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Sequence

STARTED = time.monotonic()
LINE = 240  # characters; pip lists every version there is in one line
LAST = 20  # lines


class BuildError(Exception):
    """An image that could not be built here: what is wrong, where, what to do, and the last lines of what failed."""

    def __init__(self, text: str, last: Iterable[str] = ()) -> None:
        plain = (re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in last)
        super().__init__("\n  ".join([text, *(line[:LINE] for line in plain if line)]))


def say(text: str) -> None:
    """Print a line that begins with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


def run(argv: Sequence[str], *, show: str, failed: str) -> None:
    """Run a command, say its lines that match `show`; if it fails, raise `failed` with the last lines it printed."""
    last: deque[str] = deque(maxlen=LAST)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise BuildError(f"{failed}\n  {argv[0]}: {error.strerror}") from error
    with process:
        assert process.stdout is not None  # noqa: S101 -- it was asked for
        try:
            for line in process.stdout:
                last.append(line)
                if re.search(show, line):
                    say(f"  {line.strip()}")
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise BuildError(f"{failed} (exit code {process.returncode}):", last)

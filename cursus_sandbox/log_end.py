"""The end of a step's log, without reading the rest of it."""

from __future__ import annotations

import os
from pathlib import Path

_TAIL = 64 * 1024  # bytes
_LINE = 1000  # characters


def tail(log: Path) -> bytes:
    """The last bytes of a log; none where there is no log."""
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, os.SEEK_END) - _TAIL))
            return opened.read()
    except OSError:
        return b""  # a result may outlive its log


def last_lines(end: bytes, lines: int = 15) -> tuple[str, ...]:
    """The last lines of what `tail` gave; of a line drawn over and over, what was last drawn."""
    text = end.decode("utf-8", "replace").rstrip()
    found = text.split("\n")
    if len(end) >= _TAIL and len(found) > 1:
        del found[0]  # its beginning is missing
    drawn = [line.rstrip("\r").rpartition("\r")[2] for line in found[-lines:]]
    return tuple(line if len(line) <= _LINE else f"… {line[-_LINE:]}" for line in drawn) if text else ()

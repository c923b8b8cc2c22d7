"""What every terminal report shares: numbers, sizes and paths in words, and text that can't command the terminal."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

_STEP = 1024
_LARGEST_PLAIN = 1e15
_TAIL = 64 * 1024
_LINE = 1000  # characters


def plain_lines(text: str) -> str:
    """Text from outside for a stream: as `printable`, but its line ends stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def printable(text: str) -> str:
    """Text with control characters shown as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def folded(text: str, indent: str, columns: int) -> str:
    """A line of text from outside; what doesn't fit goes on below, after the indent."""
    line = printable(text)
    if len(line) <= columns:
        return line
    room = max(columns, len(indent) + 20)
    return textwrap.fill(line, room, subsequent_indent=indent, break_on_hyphens=False)


def size(number: int | None) -> str:
    """Bytes as `312 MB`, in powers of 1024; a dash when unknown."""
    if number is None:
        return "-"
    value = float(number)
    for unit in ("B", "kB", "MB"):
        if value < _STEP:
            return f"{value:.0f} {unit}"
        value /= _STEP
    return f"{value:.1f} GB"


def number(value: float) -> str:
    """A metric: whole numbers plain, others with four significant digits."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < _LARGEST_PLAIN else f"{value:.4g}"


def shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def log_end(log: Path, *, lines: int = 15) -> list[str]:
    """The last lines of a log, without reading the rest of it; of a line drawn over and over, what was last drawn."""
    try:
        with log.open("rb") as opened:
            length = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, length - _TAIL))
            text = opened.read().decode("utf-8", "replace")
    except OSError:
        return []  # a result may outlive its log
    found = text.rstrip().split("\n")
    if length > _TAIL and len(found) > 1:
        del found[0]  # its beginning is missing
    drawn = [line.rstrip("\r").rpartition("\r")[2] for line in found[-lines:]]
    return [line if len(line) <= _LINE else f"… {line[-_LINE:]}" for line in drawn] if text.strip() else []

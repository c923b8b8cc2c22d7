"""What every terminal report shares: numbers, sizes and paths in words, and text that can't command the terminal."""

from __future__ import annotations

import textwrap
from pathlib import Path

_NARROWEST = 12
_STEP = 1024
_LARGEST_PLAIN = 1e15


def plain_lines(text: str) -> str:
    """Text from outside for a stream: as `printable`, but its line ends stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def printable(text: str) -> str:
    """Text with control characters shown as escapes."""
    if text.isprintable():
        return text
    escapes = {ord(char): char.encode("unicode_escape").decode() for char in set(text) if not char.isprintable()}
    return text.translate(escapes)


def folded(text: str, indent: str, columns: int) -> str:
    """A line of text from outside; what doesn't fit goes on below, after the indent; a path stays whole."""
    line = printable(text)
    if len(line) <= columns:
        return line
    room = max(columns, len(indent) + _NARROWEST)
    return textwrap.fill(line, room, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


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


def seconds_said(value: float) -> str:
    """A time as people say it."""
    if value < 60:  # noqa: PLR2004
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"

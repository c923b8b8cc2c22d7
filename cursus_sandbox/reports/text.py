"""What every terminal report shares: sizes and times in words, and text that can't command the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

_STEP = 1024


def plain(text: str) -> str:
    """Text from outside for rich: control characters shown as escapes, nothing taken for markup."""
    return escape(printable(text))


def plain_lines(text: str) -> str:
    """Text from outside for a stream: as `plain`, but its line ends stay and there is no markup to escape."""
    return "\n".join(printable(line) for line in text.split("\n"))


def printable(text: str) -> str:
    """Text with control characters shown as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


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


def heading(console: Console, text: str) -> None:
    """A line that stands out."""
    console.print(plain(text), style="bold", highlight=False)

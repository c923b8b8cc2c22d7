"""What GitHub's runner would obey in what others wrote, made into text that it prints.

The runner reads each line of our stdout and stderr. One that begins with `::`, after blanks, is a workflow command, and
so is `##[` anywhere in a line (`ActionCommand.cs` of actions/runner): `::add-mask::a` would put stars for each `a` from
then on, `::stop-commands::x` would end our own annotations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TextIO, cast

_BLANK = r"[^\S\r\n]*"
_COMMAND = re.compile(rf"(?:\A|[\r\n]){_BLANK}:(?=:)|##(?=\[)")
_BEGINS = re.compile(rf"{_BLANK}:?")


def are_obeyed(environment: Mapping[str, str]) -> bool:
    """Whether GitHub's runner reads what this process says."""
    return environment.get("GITHUB_ACTIONS") == "true"


def harmless(text: str) -> str:
    r"""A text in which no line is a workflow command: `:\:` stands for the `::` of one, `##\[` for `##[`."""
    return _COMMAND.sub(r"\g<0>\\", text)


def harmless_json(text: str) -> str:
    r"""The same JSON, in which no line is a workflow command: in its strings `\u0023` is a `#`."""
    return text.replace("##[", r"#\u0023[")


class HarmlessStream:
    """A text stream on which nobody gives workflow commands, however their text comes in pieces; but see `unguarded`.

    It has no `buffer`, past which bytes could go.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._line = ""  # what is written of the last line, as far as it matters

    def write(self, text: str) -> int:
        """Write it, made harmless."""
        line = re.split("[\r\n]", self._line + text)[-1]
        self.stream.write(harmless(self._line + text)[len(self._line) :])
        self._line = line if _BEGINS.fullmatch(line) else f".{line[-2:]}"
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write them."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self.stream, name)


def guarded(stream: TextIO) -> TextIO:
    """A stream that others' text may go to."""
    return stream if isinstance(stream, HarmlessStream) else cast("TextIO", HarmlessStream(stream))


def unguarded(stream: TextIO) -> TextIO:
    """The stream itself, for commands of our own."""
    return stream.stream if isinstance(stream, HarmlessStream) else stream

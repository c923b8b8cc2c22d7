"""A document as a plain tree, with the line of every node; what is ambiguous in it is a problem."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from cursus_sandbox.errors import DocumentError, Problem

Place = tuple[str | int, ...]

_DEEPEST = 64
_MOST_NODES = 500_000


@dataclass(frozen=True, slots=True)
class Tree:
    """A document's content, the line each of its nodes begins on, and what is wrong with it so far."""

    file: Path
    content: Any
    lines: dict[Place, int] = field(repr=False)
    problems: tuple[Problem, ...] = ()

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest one around it that is written."""
        for length in range(len(place), -1, -1):
            if (found := self.lines.get(place[:length])) is not None:
                return found
        return None

    def problem(self, what: str, place: Place = (), hint: str = "") -> Problem:
        """A problem of this document, with its line."""
        return Problem(what, place, hint, file=self.file, line=self.line(place))


@dataclass(slots=True)
class _Frame:
    """A mapping or list while it is being read."""

    value: dict[str, Any] | list[Any]
    place: Place
    anchor: str | None
    line: int
    size: int = 1
    key: str | None = None  # of the value that comes next; None where a key does
    merging: bool = False
    merged: list[dict[str, Any]] = field(default_factory=list)


class TreeBuilder:
    """Makes a tree of what a parser comes upon, in the order of the text.

    Bounded in depth and in what aliases unfold to. Keeps no recursion, so neither can cost more than it is worth.
    What stops the reading raises DocumentError; the rest is noted, so that all of it is said at once.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.anchors: dict[str, tuple[Any, int]] = {}
        self._lines: dict[Place, int] = {}
        self._problems: list[Problem] = []
        self._stack: list[_Frame] = []
        self._nodes = 0
        self._content: Any = None

    def tree(self) -> Tree:
        """The finished tree."""
        return Tree(self.file, self._content, self._lines, tuple(self._problems))

    def fail(self, line: int | None, what: str, hint: str = "") -> NoReturn:
        """Stop reading: DocumentError with this problem and all that were noted."""
        raise DocumentError([*self._problems, Problem(what, hint=hint, file=self.file, line=line)])

    def fail_deep(self, line: int | None) -> NoReturn:
        """Stop reading: the document is nested too deeply."""
        self.fail(line, f"the document is nested deeper than {_DEEPEST} levels")

    def note(self, line: int, what: str, hint: str = "") -> None:
        """Remember a problem and read on."""
        self._problems.append(Problem(what, hint=hint, file=self.file, line=line))

    @property
    def expects_key(self) -> bool:
        """Whether what comes next is the key of a mapping."""
        if not self._stack:
            return False
        frame = self._stack[-1]
        return isinstance(frame.value, dict) and frame.key is None and not frame.merging

    def open(self, value: dict[str, Any] | list[Any], line: int, anchor: str | None = None) -> None:
        """Begin a mapping or list; `value` is empty."""
        if len(self._stack) >= _DEEPEST:
            self.fail_deep(line)
        if self.expects_key:
            self.fail(line, f"a key is text, not a {'mapping' if isinstance(value, dict) else 'list'}")
        place = self._next_place()
        self._lines.setdefault(place, line)
        self._stack.append(_Frame(value, place, anchor, line))

    def close(self) -> None:
        """End the mapping or list that was begun last."""
        frame = self._stack.pop()
        value = frame.value
        if isinstance(value, dict):
            for base in frame.merged:
                value = {**base, **value}
        if frame.anchor:
            self.anchors[frame.anchor] = (value, frame.size)
        self.add(value, frame.line, frame.size)

    def key(self, name: str, line: int) -> None:
        """The key of the value that comes next."""
        frame = self._stack[-1]
        place = (*frame.place, name)
        if isinstance(frame.value, dict) and name in frame.value:
            first = self._lines.get(place)
            self.note(line, f"'{name}' is written twice; it stands in line {first} already", "Keep one of them.")
        frame.key = name
        self._lines[place] = line

    def merge_key(self) -> None:
        """The value that comes next is a mapping, or a list of some, that this one is laid over (YAML's `<<`)."""
        self._stack[-1].merging = True

    def add(self, value: Any, line: int, size: int = 1) -> None:
        """Put a complete node where it belongs; `size` is how many nodes it unfolds to."""
        self._nodes += size
        if self._nodes > _MOST_NODES:
            self.fail(line, f"the document unfolds to more than {_MOST_NODES:,} nodes", "Are its aliases meant?")
        if not self._stack:
            self._lines.setdefault((), line)
            self._content = value
            return
        frame = self._stack[-1]
        frame.size += size
        if isinstance(frame.value, list):
            self._lines.setdefault(self._next_place(), line)
            frame.value.append(value)
        elif frame.merging:
            bases = value if isinstance(value, list) else [value]
            if not all(isinstance(base, dict) for base in bases):
                self.fail(line, "'<<' merges mappings, and this is none")
            frame.merged += bases
            frame.merging = False
        elif frame.key is not None:
            frame.value[frame.key] = value
            frame.key = None

    def _next_place(self) -> Place:
        if not self._stack:
            return ()
        frame = self._stack[-1]
        if isinstance(frame.value, list):
            return (*frame.place, len(frame.value))
        return (*frame.place, "<<" if frame.key is None else frame.key)

"""One YAML or JSON file as a plain tree, with the line of every node.

Stricter than YAML, because what a parser guesses is what the writer meant to say only by luck: one document, no tags,
no duplicate keys, no numbers that YAML 1.1 and 1.2 read differently, and bounded in size, depth and what its aliases
unfold to. Built from parser events, so that neither depth nor aliases cost more than they are worth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.values import WrittenFloat, WrittenInt

Place = tuple[str | int, ...]

_LARGEST = 10 * 1024 * 1024  # bytes; the largest published Cursus document has 30 KB
_DEEPEST = 64
_MOST_NODES = 500_000
_PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_TAG = "tag:yaml.org,2002:"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Tree:
    """A document's content and the line each of its nodes begins on."""

    file: Path
    content: Any
    lines: dict[Place, int] = field(repr=False)

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest one around it that is written."""
        for length in range(len(place), -1, -1):
            if (found := self.lines.get(place[:length])) is not None:
                return found
        return None

    def problem(self, what: str, place: Place = (), hint: str = "") -> Problem:
        """A problem of this document, with its line."""
        return Problem(what, hint=hint, file=self.file, line=self.line(place))


def read_tree(file: Path) -> Tree:
    """The tree of a file; DocumentError for anything that isn't one plain, unambiguous document."""
    text = _text(file)
    if file.suffix == ".json":
        _check_json(file, text)
    return _Reader(file, text).tree()


def _text(file: Path) -> str:
    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "is no regular file" if file.exists() else "does not exist"
            _refuse(file, None, f"the document {what}")
        if file.stat().st_size > _LARGEST:
            _refuse(file, None, f"the document is larger than {_LARGEST // 1024 // 1024} MB")
        data = file.read_bytes()
    except OSError as error:
        _refuse(file, None, f"the document can't be read: {error.strerror}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(file, line, f"the document is not UTF-8 (byte 0x{data[error.start]:02x})", "Save it as UTF-8.")
    if "\0" in text:
        _refuse(file, text.count("\n", 0, text.index("\0")) + 1, "the document holds a NUL character")
    return text


def _check_json(file: Path, text: str) -> None:
    """JSON that isn't JSON is said in JSON's words; that it is also YAML serves to learn the lines."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        _refuse(file, error.lineno, f"this is not JSON: {error.msg}")
    except RecursionError:
        _refuse(file, None, f"the document is nested deeper than {_DEEPEST} levels")
    except ValueError as error:
        _refuse(file, None, f"this is not JSON: {error}")


def _refuse(file: Path, line: int | None, what: str, hint: str = "") -> NoReturn:
    raise DocumentError([Problem(what, hint=hint, file=file, line=line)])


@dataclass(slots=True)
class _Frame:
    """A mapping or list while it is being read."""

    value: dict[Any, Any] | list[Any]
    place: Place
    anchor: str | None
    line: int
    size: int = 1
    key: Any = None
    expects_key: bool = True
    merged: list[dict[Any, Any]] = field(default_factory=list)


_MERGE = object()


class _Reader:
    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self.text = text
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.stack: list[_Frame] = []
        self.nodes = 0
        self.result: Any = None
        self.documents = 0
        self.resolver: Any = yaml.resolver.Resolver()

    def tree(self) -> Tree:
        # JSON is read as YAML's flow style, where a tab may not indent and \/ is no escape.
        text = self.text.replace("\t", " ").replace("\\/", "/") if self.file.suffix == ".json" else self.text
        try:
            for event in self._events(text):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._fail(mark.line + 1 if mark else None, f"this is not YAML: {error.problem or error.context}")
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
            self._fail(line, f"this is not YAML: {error.reason}")
        if self.problems:
            raise DocumentError(self.problems)
        return Tree(self.file, self.result, self.lines)

    def _events(self, text: str) -> Iterator[Any]:
        return iter(yaml.parse(text, Loader=_LOADER))

    def _fail(self, line: int | None, what: str, hint: str = "") -> NoReturn:
        raise DocumentError([*self.problems, Problem(what, hint=hint, file=self.file, line=line)])

    def _note(self, line: int, what: str, hint: str = "") -> None:
        self.problems.append(Problem(what, hint=hint, file=self.file, line=line))

    def _take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self._fail(line, "the file holds several documents", "Keep one, without a '---' between.")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent():
                if event.anchor not in self.anchors:
                    self._fail(line, f"the alias *{event.anchor} points at nothing that is complete before it")
                value, size = self.anchors[event.anchor]
                self._add(value, line, size)
            case yaml.ScalarEvent():
                self._check_tag(event, line)
                value = self._scalar(event, line)
                if event.anchor:
                    self.anchors[event.anchor] = (value, 1)
                self._add(value, line, 1)

    def _open(self, event: Any, line: int) -> None:
        self._check_tag(event, line)
        if len(self.stack) >= _DEEPEST:
            self._fail(line, f"the document is nested deeper than {_DEEPEST} levels")
        place = self._next_place()
        self.lines.setdefault(place, line)
        value: dict[Any, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.stack.append(_Frame(value, place, event.anchor, line))

    def _close(self) -> None:
        frame = self.stack.pop()
        for base in frame.merged:
            assert isinstance(frame.value, dict)  # noqa: S101 -- only mappings merge
            frame.value = {**base, **frame.value}
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.value, frame.size)
        self._add(frame.value, frame.line, frame.size)

    def _check_tag(self, event: Any, line: int) -> None:
        if event.tag and not (event.tag == "!" and isinstance(event, yaml.ScalarEvent)):
            self._note(line, f"the tag {event.tag.replace(_TAG, '!!')} is not allowed", "Write the plain value.")

    def _next_place(self) -> Place:
        if not self.stack:
            return ()
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            return (*frame.place, len(frame.value))
        return (*frame.place, str(frame.key)) if not frame.expects_key else (*frame.place, "?")

    def _add(self, value: Any, line: int, size: int) -> None:
        """Put a complete node where it belongs."""
        self.nodes += size
        if self.nodes > _MOST_NODES:
            self._fail(line, f"the document unfolds to more than {_MOST_NODES} nodes", "Are its aliases meant?")
        if not self.stack:
            self.lines.setdefault((), line)
            self.result = value
            return
        frame = self.stack[-1]
        frame.size += size
        if isinstance(frame.value, list):
            self.lines.setdefault((*frame.place, len(frame.value)), line)
            frame.value.append(value)
        elif frame.expects_key:
            self._take_key(frame, value, line)
        else:
            self._take_value(frame, value, line)

    def _take_key(self, frame: _Frame, key: Any, line: int) -> None:
        assert isinstance(frame.value, dict)  # noqa: S101 -- lists expect no key
        if isinstance(key, WrittenInt | WrittenFloat):
            key = key.text
        if key is not _MERGE and not isinstance(key, str):
            shown = "null" if key is None else str(key).lower() if isinstance(key, bool) else f"a {type(key).__name__}"
            self._note(line, f"a key is text, and YAML reads this one as {shown}; put it in quotes")
            key = str(key)
        if key in frame.value:
            first = self.lines.get((*frame.place, key))
            self._note(line, f"'{key}' is written twice; it stands in line {first} already", "Keep one of them.")
        frame.key, frame.expects_key = key, False
        if key is not _MERGE:
            self.lines[(*frame.place, key)] = line

    def _take_value(self, frame: _Frame, value: Any, line: int) -> None:
        assert isinstance(frame.value, dict)  # noqa: S101 -- lists expect no key
        if frame.key is _MERGE:
            bases = value if isinstance(value, list) else [value]
            if not all(isinstance(base, dict) for base in bases):
                self._fail(line, "'<<' merges mappings, and this is none")
            frame.merged += bases
        else:
            frame.value[frame.key] = value
        frame.expects_key = True

    def _scalar(self, event: Any, line: int) -> Any:
        """A scalar as YAML 1.1 resolves it; dates stay text, numbers remember how they were written."""
        written: str = event.value
        if not event.implicit[0]:
            return written
        tag = self.resolver.resolve(yaml.ScalarNode, written, (True, False)).removeprefix(_TAG)
        match tag:
            case "null":
                return None
            case "bool":
                return written.lower() in {"yes", "true", "on"}
            case "int":
                return self._integer(written, line)
            case "float":
                return self._float(written, line)
            case "merge" if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].expects_key:
                return _MERGE
            case _:
                return written

    def _integer(self, written: str, line: int) -> Any:
        if not _PLAIN_INTEGER.fullmatch(written):
            short = written if len(written) <= 20 else written[:20] + "…"  # noqa: PLR2004
            what = f"{short} is read as different numbers by different YAML parsers"
            self._note(line, what, f"Write a plain decimal number, or '{short}' in quotes for text.")
            return 0
        value = WrittenInt(written)
        value.text = written
        return value

    def _float(self, written: str, line: int) -> Any:
        try:
            value = WrittenFloat(written.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            self._note(line, f"{written} is no plain number", f"Write '{written}' in quotes for text.")
            return 0.0
        value.text = written
        return value

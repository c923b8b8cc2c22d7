"""YAML as a tree: stricter than YAML, for what a parser guesses is what the writer meant only by luck.

One document, no tags, no duplicate keys, no numbers that YAML 1.1 and 1.2 read differently. Built from parser events.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from cursus_sandbox.documents.tree import Tree, TreeBuilder
from cursus_sandbox.pipeline.values import WrittenFloat, WrittenInt

_PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_PLAIN_FRACTION = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NO_NUMBERS = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.1, 5.1
_TAG = "tag:yaml.org,2002:"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SHORT = 20


def yaml_tree(file: Path, text: str) -> Tree:
    """The tree of a YAML text; DocumentError if it is none."""
    reader = _Reader(file)
    if found := _NOT_PRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        reader.builder.fail(line, f"the document holds the control character {found[0]!r}")
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "it ends too early"
        written = dict(enumerate(text.split("\n"))).get(mark.line, "") if mark else ""  # YAML has other line ends, too
        indented_with = written[: len(written) - len(written.lstrip())]
        hint = "Indent with spaces, not with tabs." if "\t" in indented_with else ""
        if "nesting depth" in what:  # a newer libyaml's own limit: its scanner meets it before any event
            reader.builder.fail_deep(mark.line + 1 if mark else None)
        reader.builder.fail(mark.line + 1 if mark else None, f"this is not YAML: {what}", hint)
    except yaml.YAMLError as error:
        reader.builder.fail(None, f"this is not YAML: {error}")
    return reader.builder.tree()


class _Reader:
    """Takes a parser's events; keys become text, scalars values."""

    def __init__(self, file: Path) -> None:
        self.builder = TreeBuilder(file)
        self.documents = 0
        self.resolver: Any = yaml.resolver.Resolver()

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self.builder.fail(line, "the file holds several documents", "Keep one, without a '---' between.")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._check_tag(event, line)
                self.builder.open({} if isinstance(event, yaml.MappingStartEvent) else [], line, event.anchor)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.builder.close()
            case yaml.AliasEvent():
                if event.anchor not in self.builder.anchors:
                    self.builder.fail(line, f"the alias *{event.anchor} points at nothing that is complete before it")
                self._put(*self.builder.anchors[event.anchor], line)
            case yaml.ScalarEvent():
                self._check_tag(event, line)
                if event.implicit[0] and event.value == "<<" and self.builder.expects_key:
                    self.builder.merge_key()
                    return
                value = self._scalar(event, line)
                if event.anchor:
                    self.builder.anchors[event.anchor] = (value, 1)
                self._put(value, 1, line)

    def _put(self, value: Any, size: int, line: int) -> None:
        if self.builder.expects_key:
            self.builder.key(self._key(value, line), line)
        else:
            self.builder.add(value, line, size)

    def _key(self, value: Any, line: int) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, WrittenInt | WrittenFloat):
            return value.text
        if isinstance(value, dict | list):
            self.builder.fail(line, f"a key is text, not a {'mapping' if isinstance(value, dict) else 'list'}")
        shown = "null" if value is None else str(value).lower()
        self.builder.note(line, f"a key is text, and YAML reads this one as {shown}", "Put it in quotes.")
        return shown

    def _check_tag(self, event: Any, line: int) -> None:
        if event.tag and not (event.tag == "!" and isinstance(event, yaml.ScalarEvent)):
            tag = event.tag.replace(_TAG, "!!")
            self.builder.note(line, f"the tag {tag} is not allowed", "Write the plain value.")

    def _scalar(self, event: Any, line: int) -> Any:
        """A scalar as YAML 1.1 resolves it; dates stay text, numbers remember how they were written."""
        written: str = event.value
        if not event.implicit[0]:
            return written
        match self.resolver.resolve(yaml.ScalarNode, written, (True, False)).removeprefix(_TAG):
            case "null":
                return None
            case "bool" if written == "on" and self.builder.expects_key:
                return written  # a key of  retries:  -- as YAML 1.2 has it
            case "bool":
                return written.lower() in {"yes", "true", "on"}
            case "int":
                return self._integer(written, line)
            case "float":
                return self._fraction(written, line)
            case _:
                return written

    def _integer(self, written: str, line: int) -> Any:
        if _PLAIN_INTEGER.fullmatch(written):
            try:
                return WrittenInt.read(written)
            except ValueError:  # Python reads at most 4300 digits
                what = f"a number of {len(written)} digits can't be read"
        else:
            what = f"{_short(written)} is read as different numbers by different YAML parsers"
        self.builder.note(line, what, f"Write a plain decimal number, or '{_short(written)}' in quotes for text.")
        return written

    def _fraction(self, written: str, line: int) -> Any:
        if _PLAIN_FRACTION.fullmatch(written):
            return WrittenFloat.read(written)
        if name := _NO_NUMBERS.get(written.lower()):
            return WrittenFloat.read(written, name)
        short = _short(written)
        what = f"{short} is read as different numbers by different YAML parsers"
        self.builder.note(line, what, f"Write a plain decimal number, or '{short}' in quotes for text.")
        return written


def _short(written: str) -> str:
    return written if len(written) <= _SHORT else written[:_SHORT] + "…"

"""JSON as a tree. The values are exactly `json`'s; what is added is the line of each, and that no key comes twice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cursus_sandbox.documents.tree import Tree, TreeBuilder
from cursus_sandbox.pipeline.values import WrittenFloat, WrittenInt

_TOKEN = re.compile(
    r"""(?P<space>[ \t\n\r]+)
    | (?P<mark>[{}\[\]:,])
    | (?P<string>"[^"\\]*(?:\\.[^"\\]*)*")
    | (?P<word>[A-Za-z]+|-Infinity)
    | (?P<fraction>-?[0-9]+(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))
    | (?P<integer>-?[0-9]+)""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}


def json_tree(file: Path, text: str) -> Tree:
    """The tree of a JSON text; DocumentError if it is none."""
    builder = TreeBuilder(file)
    if text.strip():
        _check(builder, text)
        _build(builder, text)
    return builder.tree()


def _check(builder: TreeBuilder, text: str) -> None:
    """Let `json` say whether this is JSON, so that below it surely is; numbers and `NaN` are looked at there."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        builder.fail(error.lineno, f"this is not JSON: {error.msg[0].lower()}{error.msg[1:]}, column {error.colno}")
    except RecursionError:
        builder.fail_deep(None)


def _build(builder: TreeBuilder, text: str) -> None:
    line = 1
    for token in _TOKEN.finditer(text):
        written = token[0]
        match token.lastgroup:
            case "space":
                line += written.count("\n")
            case "mark" if written in "{[":
                builder.open({} if written == "{" else [], line)
            case "mark" if written in "}]":
                builder.close()
            case "mark":
                pass
            case kind:
                value = _value(builder, kind, written, line)
                builder.key(value, line) if builder.expects_key else builder.add(value, line)


def _value(builder: TreeBuilder, kind: str | None, written: str, line: int) -> Any:
    match kind:
        case "string":
            return json.loads(written) if "\\" in written else written[1:-1]
        case "fraction":
            return WrittenFloat.read(written)
        case "word":
            if written not in _WORDS:
                builder.fail(line, f"this is not JSON: {written} is no JSON value")
            return _WORDS[written]
        case _:
            try:
                return WrittenInt.read(written)
            except ValueError:  # Python reads at most 4300 digits
                builder.note(line, f"a number of {len(written)} digits can't be read", "Write it in quotes for text.")
                return written

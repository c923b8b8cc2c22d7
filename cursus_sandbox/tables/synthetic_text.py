"""Made-up texts that keep to a pattern or a length: a pool of different ones, from which a column takes."""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import numpy as np

from cursus_sandbox.tables.schema import Constraints

_POOL = 1000
_TRIES = 20  # for each text that is wanted
_MOST = 3  # more than the least, where a pattern sets no end
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CLASSES = {
    codes.CATEGORY_DIGIT: "0123456789",
    codes.CATEGORY_WORD: f"{_LETTERS}{_LETTERS.upper()}0123456789_",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_DIGIT: _LETTERS,
    codes.CATEGORY_NOT_WORD: "-.,;",
    codes.CATEGORY_NOT_SPACE: f"{_LETTERS}0123456789",
}
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def texts(
    asked: Constraints, stream: np.random.Generator, *, wanted: int = _POOL, all_differ: bool = False
) -> list[str]:
    """Different texts within the constraints, as many as are wanted or there are. ValueError where none is found.

    With `all_differ` also where there are fewer.
    """
    found: dict[str, None] = {}
    for _ in range(_TRIES * wanted):
        made = _like(asked.pattern, stream) if asked.pattern is not None else _long(asked, stream)
        if keeps(made, asked):
            found[made] = None
            if len(found) == wanted:
                break
        elif not found and _ == _POOL:
            break
    if not found or (all_differ and len(found) < wanted):
        few = f"{len(found)} different texts were found that keep" if found else "no text was found that keeps"
        raise ValueError(f"{few} to its constraints; name some:  enum: […]")
    return list(found)


def keeps(value: Any, asked: Constraints) -> bool:
    """Whether one value keeps to the bounds, the lengths, the pattern and the list."""
    if isinstance(value, str):
        short = asked.min_length is not None and len(value) < asked.min_length
        long = asked.max_length is not None and len(value) > asked.max_length
        unlike = asked.pattern is not None and re.fullmatch(asked.pattern, value) is None
        return not (short or long or unlike) and (not asked.enum or value in asked.enum)
    low, high, above, below = asked.minimum, asked.maximum, asked.exclusive_minimum, asked.exclusive_maximum
    return (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
    )


def _long(asked: Constraints, stream: np.random.Generator) -> str:
    least = asked.min_length or 0
    most = asked.max_length if asked.max_length is not None else max(least, 8)
    length = int(stream.integers(max(least, min(1, most)), max(most, least), endpoint=True))
    return "".join(_LETTERS[int(one)] for one in stream.integers(0, len(_LETTERS), length))


def _like(pattern: str, stream: np.random.Generator) -> str:
    return _made(parser.parse(pattern), stream, {})


def _made(parsed: Any, stream: np.random.Generator, groups: dict[int, str]) -> str:
    """A text that the parts of a regular expression match, one after the other."""
    made = ""
    for code, what in parsed:
        match code:
            case codes.LITERAL:
                made += chr(what)
            case codes.ANY | codes.NOT_LITERAL:
                made += _one(_LETTERS.replace(chr(what or 0), ""), stream)
            case codes.IN:
                made += _one(_members(what), stream)
            case codes.MAX_REPEAT | codes.MIN_REPEAT:
                least, most, inside = what
                times = int(stream.integers(least, min(int(most), least + _MOST), endpoint=True))
                made += "".join(_made(inside, stream, groups) for _ in range(times))
            case codes.SUBPATTERN:
                number, _, _, inside = what
                groups[number or 0] = _made(inside, stream, groups)
                made += groups[number or 0]
            case codes.GROUPREF:
                made += groups.get(what, "")
            case codes.BRANCH:
                made += _made(what[1][int(stream.integers(0, len(what[1])))], stream, groups)
            case codes.AT:
                pass
            case _:
                raise ValueError(
                    f"a pattern with {str(code).lower()} is more than can be made up; name some:  enum: […]"
                )
    return made


def _members(members: Any) -> str:
    """The characters of a class such as [A-Z_]."""
    found = ""
    negated = False
    for code, what in members:
        match code:
            case codes.NEGATE:
                negated = True
            case codes.LITERAL:
                found += chr(what)
            case codes.RANGE:
                found += "".join(map(chr, range(what[0], min(what[1], what[0] + 255) + 1)))
            case _:
                found += _CLASSES[what]
    return "".join(one for one in _PRINTABLE if one not in found) if negated else found


def _one(characters: str, stream: np.random.Generator) -> str:
    return characters[int(stream.integers(0, len(characters)))]

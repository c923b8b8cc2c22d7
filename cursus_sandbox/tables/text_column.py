"""What the text in a CSV column can stand for. A value's type is a question to its text, never a guess of a parser.

This module imports pyarrow.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.observed import ObservedColumn, TextFacts

_DATE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?"

# The narrowest first: the first that every value fits names the column's type.
_PATTERNS: Mapping[Family, str] = {
    Family.INTEGER: r"\s*[+-]?0*\d{1,20}\s*",
    Family.NUMBER: r"\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:nan|inf|infinity))\s*",
    Family.BOOLEAN: r"(?i:true|false)|0|1",
    Family.DATE: _DATE,
    Family.DATETIME: rf"{_DATE}(?:[T ]{_TIME}(?: ?(?:Z|UTC|[+-]\d{{2}}(?::?\d{{2}})?))?)?",
    Family.TIME: _TIME,
    Family.ARRAY: r"(?s)\s*\[.*\]\s*",
    Family.OBJECT: r"(?s)\s*\{.*\}\s*",
}
ORDER = tuple(_PATTERNS)
_TYPES = {
    Family.INTEGER: "int64",
    Family.NUMBER: "double",
    Family.BOOLEAN: "bool",
    Family.DATE: "date32[day]",
    Family.DATETIME: "timestamp[ns]",
    Family.TIME: "time64[ns]",
}
_CAST = {Family.INTEGER: pa.int64(), Family.NUMBER: pa.float64(), Family.DATE: pa.date32()}
_FIRST = 16  # so many values are tried one by one before a whole column is matched
_SHOWN = 40
_UINT64 = (-(2**63), 2**64 - 1)


def text_column(name: str, cells: pa.Array, nulls: tuple[str, ...]) -> ObservedColumn:
    """Give a column read as text with what its values fit."""
    blank = pc.is_in(pc.utf8_trim_whitespace(cells), value_set=pa.array(["", *nulls], pa.string()))
    blank = pc.and_(blank, cells.is_valid())
    values = cells.filter(pc.and_(cells.is_valid(), pc.invert(blank)))
    low, high = None, None
    misfits: dict[Family, tuple[str, int]] = {}
    rows: dict[str, int] = {}
    for family, pattern in _PATTERNS.items():
        misfit = _first_misfit(values, pattern)
        if misfit is None and family is Family.INTEGER:
            low, high, misfit = _bounds(values)
        if misfit is None and family in {Family.DATE, Family.DATETIME}:
            misfit = _no_such_day(values)
        if misfit is not None:
            if misfit not in rows:
                rows[misfit] = _row(cells, misfit)
            misfits[family] = (misfit if len(misfit) <= _SHOWN else misfit[:_SHOWN] + "…", rows[misfit])
    narrowest = next((family for family in _PATTERNS if family not in misfits), Family.STRING)
    if len(values) == 0:
        return ObservedColumn(name, "null", None, cells.null_count, TextFacts({}, pc.sum(blank).as_py() or 0))
    facts = TextFacts(misfits, pc.sum(blank).as_py() or 0, low, high)
    return ObservedColumn(name, _TYPES.get(narrowest, "string"), narrowest, cells.null_count, facts)


def misfits(cells: pa.Array, family: Family, nulls: tuple[str, ...]) -> tuple[pa.Array, pa.Array]:
    """Which cells of a column read as text a type can't take, and the others as that type's values or nulls."""
    if family in _CAST:
        with suppress(pa.ArrowInvalid):
            hexadecimal = family is Family.INTEGER and pc.any(pc.match_substring(cells, "x", ignore_case=True)).as_py()
            if not hexadecimal:
                values = cells.cast(_CAST[family])
                return pa.repeat(pa.scalar(value=False), len(cells)), values
    blank = pc.is_in(pc.utf8_trim_whitespace(cells), value_set=pa.array(["", *nulls], pa.string()))
    values = pc.if_else(blank, pa.scalar(None, pa.string()), cells)
    wrong = pc.fill_null(pc.invert(pc.match_substring_regex(values, rf"\A(?:{_PATTERNS[family]})\z")), fill_value=False)
    kept = pc.if_else(wrong, pa.scalar(None, pa.string()), values)
    match family:
        case Family.DATE | Family.DATETIME:
            return _days(kept, wrong, family)
        case Family.NUMBER:
            return wrong, _unsigned(kept).cast(pa.float64())
        case Family.INTEGER:
            return _integers(_unsigned(kept), wrong)
        case Family.BOOLEAN:
            return wrong, pc.utf8_lower(kept).cast(pa.bool_())
        case _:
            return wrong, kept


def _unsigned(texts: pa.Array) -> pa.Array:
    """Numbers without blanks around and a plus before them."""
    return pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"^\+", "")


def _integers(texts: pa.Array, wrong: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return wrong, texts.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond int64: uint64, or nothing that 64 bits hold
        numbers = pa.array([None if one is None else Decimal(one) for one in texts.to_pylist()], pa.decimal128(38))
        low, high = (pa.scalar(Decimal(end), pa.decimal128(38)) for end in _UINT64)
        wide = pc.fill_null(pc.or_(pc.less(numbers, low), pc.greater(numbers, high)), fill_value=False)
        return pc.or_(wrong, wide), pc.if_else(wide, pa.scalar(None, numbers.type), numbers)


def _days(texts: pa.Array, wrong: pa.Array, family: Family) -> tuple[pa.Array, pa.Array]:
    days = pc.utf8_slice_codeunits(texts, 0, 10)
    try:
        dates = days.cast(pa.date32())
    except pa.ArrowInvalid:  # such as 2023-02-30
        none = pa.array([one is not None and not _is_day(one) for one in days.to_pylist()], pa.bool_())
        empty = pa.scalar(None, pa.string())
        wrong, texts, dates = pc.or_(wrong, none), pc.if_else(none, empty, texts), pc.if_else(none, empty, days)
        dates = dates.cast(pa.date32())
    if family is Family.DATE:
        return wrong, dates
    for zone in (None, "UTC"):
        try:
            return wrong, texts.cast(pa.timestamp("us", zone))
        except pa.ArrowInvalid:
            continue
    return wrong, dates.cast(pa.timestamp("us"))  # in one column with and without a zone: the day is all they share


def _first_misfit(values: pa.Array, pattern: str) -> str | None:
    """Give the first value that a pattern doesn't match as a whole."""
    whole = re.compile(pattern, re.ASCII)
    for value in values[:_FIRST].to_pylist():
        if not whole.fullmatch(value):
            return str(value)
    if len(values) <= _FIRST:
        return None
    return _first(values, pc.invert(pc.match_substring_regex(values, rf"\A(?:{pattern})\z")))


def _bounds(values: pa.Array) -> tuple[int | None, int | None, str | None]:
    """Give the smallest and largest of a column of integers, or the first that no 64 bits can hold."""
    if len(values) == 0:
        return None, None, None
    plain = pc.replace_substring_regex(pc.utf8_trim_whitespace(values), r"^\+", "")
    try:
        ends = pc.min_max(plain.cast(pa.int64())).as_py()
        return ends["min"], ends["max"], None
    except pa.ArrowInvalid:
        numbers = [int(value) for value in values.to_pylist()]
        wide = next((n for n, number in enumerate(numbers) if not _UINT64[0] <= number <= _UINT64[1]), None)
        return min(numbers), max(numbers), None if wide is None else values[wide].as_py()


def _no_such_day(values: pa.Array) -> str | None:
    """Give the first value such as 2023-02-30, whose pattern is right and whose day doesn't exist."""
    days = pc.utf8_slice_codeunits(values, 0, 10)
    try:
        days.cast(pa.date32())
    except pa.ArrowInvalid:
        return next((value for value in values.to_pylist() if not _is_day(value[:10])), None)
    return None


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _first(values: pa.Array, mask: Any) -> str | None:
    index = pc.index(mask, value=True).as_py()
    return None if index < 0 else values[index].as_py()


def _row(cells: pa.Array, value: str) -> int:
    return int(pc.index(cells, value=value).as_py()) + 1

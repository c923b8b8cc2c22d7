"""What the values of a column must keep to, asked of one batch of it after the other. Imports pyarrow."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.schema import Bound, Field

_SAMPLES = 5
_LOOKED_AT = 10_000  # of the broken values of a batch, for samples that differ
_SHOWN = 80  # characters of a value
_BETWEEN = "\x1f"  # the values of a key
_PARSED: tuple[tuple[Callable[[pa.DataType], bool], Callable[[str], Any]], ...] = (
    (pa.types.is_decimal, Decimal),
    (pa.types.is_time, time.fromisoformat),
)

Broken = Callable[[pa.Array], pa.Array]  # which values break a rule


@dataclass
class Tally:
    """The values that break one rule: how many, the rows of the first few (from 1), and what they are."""

    kind: Kind
    column: str
    expected: str
    hint: str = ""
    count: int = 0
    rows: list[int] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)

    def take(self, values: pa.Array, broken: pa.Array, first_row: int) -> None:
        """Count the broken ones of a batch whose first value is in that row."""
        if not pc.any(broken).as_py():
            return
        broken = pc.fill_null(broken, fill_value=False)
        found = pc.sum(broken).as_py()
        if len(self.rows) < _SAMPLES:
            places = pc.indices_nonzero(broken).slice(0, _SAMPLES - len(self.rows)).to_pylist()
            self.rows += [first_row + place for place in places]
        if len(self.samples) < _SAMPLES:
            kinds = values.filter(broken).slice(0, _LOOKED_AT).unique().slice(0, 2 * _SAMPLES)
            self.samples = [*dict.fromkeys([*self.samples, *map(_shown, kinds)])][:_SAMPLES]
        self.count += found

    def mismatch(self, file: str, *, asks: str, line: int | None = None) -> Mismatch:
        """What is to be said of it."""
        row = self.rows[0] if self.rows else None
        if self.kind is Kind.NULL:
            message = f"column {self.column!r} holds {self.count:,} null{'s' if self.count > 1 else ''}"
            where = f" (the first in {_place(row, line)})" if row else ""
            message += f"{where}; {asks} allows none"
        else:
            cells = f"; {self.count:,} cells" if self.count > 1 else ""
            message = f"column {self.column!r} holds {self.samples[0]!r} ({_place(row, line)}{cells})"
            message += f"; {asks} asks for {self.expected}"
        return Mismatch(
            kind=self.kind,
            severity=Severity.ERROR,
            file=file,
            column=self.column,
            expected=self.expected,
            found="nulls" if self.kind is Kind.NULL else "other values",
            count=self.count,
            samples=() if self.kind is Kind.NULL else tuple(dict.fromkeys(self.samples)),
            row=row,
            line=line,
            message=message,
            hint=self.hint,
        )


class ColumnCheck:
    """All rules of one field."""

    def __init__(self, declared: Field, *, key: bool = False) -> None:
        self.field = declared
        self.nulls = Tally(Kind.NULL, declared.name, "no nulls", "fill or drop them where the column is written")
        self.bounds = [(Tally(Kind.VALUE, declared.name, one.words), one) for one in _bounds(declared)]
        self.rules = [(Tally(Kind.VALUE, declared.name, words), broken) for words, broken in _rules(declared)]
        self.is_unique = declared.constraints.unique or key
        self._kept: list[pa.Array] = []

    def take(self, values: pa.Array, first_row: int, *, misfits: pa.Array | None = None) -> None:
        """Look at a batch whose first value is in that row; `misfits` are nulls only because they were no values."""
        values = _computable(values)
        if self.field.constraints.required and values.null_count:
            nulls = values.is_null() if misfits is None else pc.and_(values.is_null(), pc.invert(misfits))
            self.nulls.take(values, nulls, first_row)
        ends = _ends(values) if self.bounds else ()
        for tally, bound in self.bounds:
            if bound.may_be_broken(ends):  # by the smallest or the largest: to look at all takes far longer
                tally.take(values, bound.broken(values), first_row)
        for tally, broken in self.rules:
            tally.take(values, broken(values), first_row)
        if self.is_unique:
            self._kept.append(values)

    def tallies(self) -> Iterator[Tally]:
        """What was broken."""
        rules = (tally for tally, _ in (*self.bounds, *self.rules))
        yield from (tally for tally in (self.nulls, *rules) if tally.count)
        if self.is_unique and self._kept:
            twice = repeated(pa.chunked_array(self._kept), self.field.name, "values that differ")
            if twice.count:
                yield twice


def repeated(values: pa.ChunkedArray, column: str, expected: str) -> Tally:
    """The values that are there more than once; a null is none."""
    tally = Tally(Kind.DUPLICATE_VALUE, column, expected, "did a join or a retry write rows twice?")
    if pa.types.is_nested(values.type):  # which pyarrow doesn't count
        values = pa.chunked_array([[None if one is None else repr(one) for one in values.to_pylist()]], pa.string())
    counts = pc.value_counts(values)
    many = pc.and_(pc.greater(counts.field("counts"), 1), pc.is_valid(counts.field("values")))
    several = counts.field("values").filter(many)
    if len(several):
        whole = values.combine_chunks()
        tally.take(whole, pc.is_in(whole, value_set=several), 1)
    return tally


def key_of(columns: Iterable[pa.Array]) -> pa.Array:
    """The values of several columns as one text for each row; null where one of them is."""
    return pc.binary_join_element_wise(*(values.cast(pa.string()) for values in columns), _BETWEEN)


def repeated_keys(keys: Sequence[pa.Array], columns: Sequence[str]) -> Tally:
    """The keys of these columns that are there more than once, by the `key_of` each batch."""
    tally = repeated(pa.chunked_array(keys), ", ".join(columns), "keys that differ")
    tally.samples = [one.replace(_BETWEEN, ", ") for one in tally.samples]
    return tally


def _computable(values: pa.Array) -> pa.Array:
    """The same values in a type that pyarrow compares.

    It has few kernels for half floats and for views of texts, and none for unsigned numbers beyond a signed one's.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _computable(values.dictionary_decode())
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())
    if pa.types.is_string_view(kind):
        return values.cast(pa.large_string())
    if pa.types.is_uint64(kind):
        return values.cast(pa.decimal128(20))
    return values


def _ends(values: pa.Array) -> tuple[Any, ...] | None:
    """The smallest and the largest value, NaN left out; None where Python can't compare them."""
    try:
        found = pc.min_max(values)
        return found["min"].as_py(), found["max"].as_py()
    except (pa.ArrowNotImplementedError, ValueError):  # no order; nanoseconds without pandas
        return None


class _Bound(NamedTuple):
    """A rule of order: in words, which values break it, and the same of two values of Python's."""

    words: str
    broken: Broken
    beyond: Callable[[Any, Any], bool]
    bound: Bound

    def may_be_broken(self, ends: tuple[Any, ...] | None) -> bool:
        try:
            return ends is None or any(one is not None and self.beyond(one, self.bound) for one in ends)
        except TypeError:  # of another kind: a day and a moment, a moment with a time zone and one without
            return True


def _bounds(declared: Field) -> Iterator[_Bound]:
    compare = {
        "minimum": ("at least", pc.less, operator.lt),
        "maximum": ("at most", pc.greater, operator.gt),
        "exclusiveMinimum": ("more than", pc.less_equal, operator.le),
        "exclusiveMaximum": ("less than", pc.greater_equal, operator.ge),
    }
    for word, bound in declared.constraints.of_order.items():
        said, beyond, beyond_one = compare[word]
        yield _Bound(f"{said} {bound}", _compared(beyond, beyond_one, bound), beyond_one, bound)


def _rules(declared: Field) -> Iterator[tuple[str, Broken]]:
    """Each other rule in words, and the function that says which values break it."""
    asked = declared.constraints
    if declared.type is Family.BOOLEAN:
        yield "true or false", _no_flag
    if asked.enum:
        yield f"one of {', '.join(map(str, asked.enum))}", lambda values: _outside(values, asked.enum)
    if asked.pattern is not None:
        yield f"text like {asked.pattern}", lambda values: _unlike(values, asked.pattern or "")
    if asked.min_length is not None:
        yield f"at least {asked.min_length} characters", lambda values: _shorter(values, asked.min_length or 0)
    if asked.max_length is not None:
        yield f"at most {asked.max_length} characters", lambda values: pc.greater(_length(values), asked.max_length)
    if asked.finite:
        yield "finite numbers", lambda values: pc.invert(pc.is_finite(_as_float(values)))


def _compared(beyond: Any, beyond_one: Callable[[Any, Any], bool], bound: Bound) -> Broken:
    def broken(values: pa.Array) -> pa.Array:
        try:
            limit = pa.scalar(bound)
        except OverflowError:
            limit = pa.scalar(Decimal(str(bound)))
        try:
            return beyond(_in_zone(values, getattr(limit.type, "tz", None)), limit)
        except pa.ArrowNotImplementedError:
            return _nothing(values)  # of another type, which is said already
        except pa.ArrowInvalid:  # decimals of more digits than both have room for
            return pa.array([None if one is None else beyond_one(one, bound) for one in values.to_pylist()], pa.bool_())

    return broken


def _in_zone(values: pa.Array, zone: str | None) -> pa.Array:
    """Days and moments as a bound in that zone is compared with them.

    One without a zone is of the column's own; days, and moments without a zone, are UTC's for a bound that has one.
    """
    if not zone:
        return pc.local_timestamp(values) if getattr(values.type, "tz", None) else values
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("ms"))
    is_bare = pa.types.is_timestamp(values.type) and not values.type.tz
    return pc.assume_timezone(values, "UTC") if is_bare else values


def _no_flag(values: pa.Array) -> pa.Array:
    """Which numbers are neither 0 nor 1."""
    flags = pa.types.is_boolean(values.type) or _is_text(values)
    return _nothing(values) if flags else _outside(values, (0, 1))


def _outside(values: pa.Array, enum: tuple[Any, ...]) -> pa.Array:
    try:
        known = _known(enum, values.type)
    except (pa.ArrowException, TypeError, OverflowError):
        values, known = values.cast(pa.string()), pa.array([str(one) for one in enum])
    return pc.and_(pc.invert(pc.is_in(values, value_set=known)), values.is_valid())


def _known(enum: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    """The values of an enumeration in a column's type: of one that pyarrow has no cast to, those that it can hold."""
    parse = next((parse for belongs, parse in _PARSED if belongs(kind)), None)
    if parse is None:
        return pa.array(enum).cast(kind)
    found = []
    for one in enum:
        with suppress(pa.ArrowException, ValueError, ArithmeticError):
            found.append(pa.scalar(parse(str(one)), kind).as_py())
    return pa.array(found, kind)


def _unlike(values: pa.Array, pattern: str) -> pa.Array:
    if not _is_text(values):
        return _nothing(values)
    try:
        return pc.invert(pc.match_substring_regex(values, rf"\A(?:{pattern})\z"))
    except pa.ArrowInvalid:  # RE2 has no look-around and no back references
        whole = re.compile(pattern)
        return pa.array([one is not None and whole.fullmatch(one) is None for one in values.to_pylist()], pa.bool_())


def _shorter(values: pa.Array, least: int) -> pa.Array:
    """Which texts have fewer characters. Their bytes are counted far quicker: a character has four at most."""
    if _is_text(values):
        shortest = pc.min_max(pc.binary_length(values))["min"].as_py()
        if shortest is None or shortest > 4 * (least - 1):
            return _nothing(values)
    return pc.less(_length(values), least)


def _length(values: pa.Array) -> pa.Array:
    return pc.utf8_length(values) if _is_text(values) else pa.nulls(len(values), pa.int32())


def _as_float(values: pa.Array) -> pa.Array:
    return values if pa.types.is_floating(values.type) else pa.nulls(len(values), pa.float64())


def _is_text(values: pa.Array) -> bool:
    return bool(pa.types.is_string(values.type) or pa.types.is_large_string(values.type))


def _nothing(values: pa.Array) -> pa.Array:
    return pa.nulls(len(values), pa.bool_())


def _place(row: int | None, line: int | None) -> str:
    return f"row {row:,}, line {line:,}" if row and line else f"row {row:,}" if row else "somewhere"


def _shown(value: pa.Scalar) -> str:
    try:
        text = str(value.as_py())
    except ValueError:  # nanoseconds, which Python has only with pandas
        text = str(value.cast(pa.string()))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

"""The made-up values of one column: of its type, within its constraints, with gaps where gaps may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from cursus_sandbox.tables.arrow_types import ArrowType, Family, arrow_type
from cursus_sandbox.tables.schema import Field
from cursus_sandbox.tables.synthetic_text import keeps, texts

_GAPS = 0.05  # of the values of a column that may have nulls
_LARGEST = 1000
_WORDS = np.array([f"{first}{second}" for first in "kmprst" for second in ("ala", "ero", "ino")])
_DAY = 86_400
_FROM = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
_EDGES: dict[Family, list[Any]] = {
    Family.STRING: ["", " ", "007", "0x1F", "NA", "null", "a,b", 'say "no"', "two\nlines", "naïve ☃", "a" * 300],
    Family.INTEGER: [0, -1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)],
    Family.NUMBER: [0.0, -0.0, 1e-300, -1e300, 0.1 + 0.2, float(2**53 + 1)],
    Family.DATE: [date(1970, 1, 1), date(1900, 2, 28), date(2024, 2, 29), date(2262, 4, 11)],
    Family.TIME: [time(0, 0), time(23, 59, 59)],
    Family.DATETIME: [datetime(1970, 1, 1), datetime(1900, 1, 1), datetime(2038, 1, 19, 3, 14, 8)],  # noqa: DTZ001
    Family.BOOLEAN: [True, False],
}
_PLAIN = {
    Family.INTEGER: pa.int64(),
    Family.NUMBER: pa.float64(),
    Family.STRING: pa.string(),
    Family.BOOLEAN: pa.bool_(),
    Family.DATE: pa.date32(),
    Family.TIME: pa.time32("s"),
    Family.DATETIME: pa.timestamp("us"),
    Family.ARRAY: pa.list_(pa.int64()),
    Family.OBJECT: pa.struct([("value", pa.int64())]),
    Family.ANY: pa.int64(),
}


def column(
    field: Field, stream: np.random.Generator, *, first: int, rows: int, counted: bool = False, nasty: bool = False
) -> pa.Array:
    """A column's values from row `first` on; `counted` makes each value another one. ValueError: no way is known."""
    kind = _kind(field)
    counted = counted or field.constraints.unique
    values = _counted(field, stream, first=first, rows=rows) if counted else _values(field, stream, rows)
    made = _cast(values, kind, field)
    gaps = not (field.constraints.required or counted)
    if nasty and first == 0 and not counted:
        made = _with_edges(field, made, kind)
    if not gaps:
        return made
    empty = stream.random(rows) < _GAPS
    return pa.compute.if_else(pa.array(empty), pa.scalar(None, kind), made) if rows else made


def _kind(field: Field) -> pa.DataType:
    if not field.arrow:
        return _PLAIN[field.type]
    kind = _arrow(arrow_type(field.arrow))
    if kind is None:
        raise ValueError(f"column {field.name!r}: no data can be made up for arrow type {field.arrow}")
    return kind


def _arrow(kind: ArrowType) -> pa.DataType | None:
    """Pyarrow's own for a type; None for those that are not made up."""
    parameters = kind.parameters
    match kind.name:
        case "timestamp":
            return pa.timestamp(parameters[0], tz=parameters[1] or None)
        case "time32" | "time64" | "duration":
            return getattr(pa, kind.name)(parameters[0])
        case name if name.startswith("decimal"):
            return getattr(pa, name)(*parameters)
        case "list" | "large_list":
            inner = _arrow(kind.children[0][1])
            return None if inner is None else getattr(pa, f"{kind.name}_" if kind.name == "list" else kind.name)(inner)
        case "dictionary":
            value = _arrow(kind.children[0][1])
            return None if value is None else pa.dictionary(pa.int32(), value)
        case _:
            try:
                return pa.type_for_alias(kind.name)
            except ValueError:
                return None


def _values(field: Field, stream: np.random.Generator, rows: int) -> Any:
    if chosen := _choices(field):
        return pa.array(chosen).take(pa.array(stream.integers(0, len(chosen), rows)))
    asked = field.constraints
    match field.family:
        case Family.NUMBER:
            low, high = _range(field)
            inside = stream.random(rows)
            if asked.exclusive_minimum is not None or asked.exclusive_maximum is not None:
                inside = 0.001 + 0.998 * inside
            made = low + inside * (high - low)
            return np.clip(np.round(made, 6), low, high) if high - low >= 1 else made
        case Family.DATE | Family.DATETIME if asked.of_order:
            low, high = _range(field)
            moments = stream.integers(low, high, rows, endpoint=True)
            return moments.astype("datetime64[D]" if field.family is Family.DATE else "datetime64[s]")
        case Family.STRING if asked.pattern is not None or asked.min_length is not None or asked.max_length is not None:
            pool = _texts(field, stream)
            return pa.array(pool).take(pa.array(stream.integers(0, len(pool), rows)))
    make = _MAKERS.get(field.family or Family.ANY)
    if make:
        return make(stream, rows)
    low, high = _range(field)
    return stream.integers(low, high, rows, endpoint=True, dtype=np.int64)


def _texts(field: Field, stream: np.random.Generator, **more: Any) -> list[str]:
    try:
        return texts(field.constraints, stream, **more)
    except ValueError as error:
        raise ValueError(f"column {field.name!r}: {error}") from error


def _arrays(stream: np.random.Generator, rows: int) -> pa.Array:
    offsets = np.concatenate(([0], np.cumsum(stream.integers(0, 4, rows)))).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, stream.integers(0, _LARGEST, int(offsets[-1])))


_MAKERS: dict[Family, Callable[[np.random.Generator, int], Any]] = {
    Family.STRING: lambda stream, rows: pa.array(_WORDS).take(pa.array(stream.integers(0, len(_WORDS), rows))),
    Family.BOOLEAN: lambda stream, rows: stream.random(rows) < 0.5,  # noqa: PLR2004
    Family.DATE: lambda stream, rows: (_FROM // _DAY + stream.integers(0, 366, rows)).astype("datetime64[D]"),
    Family.TIME: lambda stream, rows: pa.array(stream.integers(0, _DAY, rows, dtype=np.int32), pa.time32("s")),
    Family.DATETIME: lambda stream, rows: (_FROM + stream.integers(0, 366 * _DAY, rows)).astype("datetime64[s]"),
    Family.ARRAY: _arrays,
    Family.OBJECT: lambda stream, rows: pa.StructArray.from_arrays(
        [pa.array(stream.integers(0, _LARGEST, rows))], names=["value"]
    ),
}


def _counted(field: Field, stream: np.random.Generator, *, first: int, rows: int) -> Any:
    """Values that differ from one another: a count, with leading zeros where it is text, within the constraints."""
    numbers = np.arange(first, first + rows, dtype=np.int64)
    asked = field.constraints
    if chosen := _choices(field) or ([False, True] if field.family is Family.BOOLEAN else []):
        _enough(field, len(chosen), first + rows)
        return pa.array(chosen).take(pa.array(numbers))
    match field.family:
        case Family.STRING if asked.pattern is not None:
            if first:
                raise ValueError(
                    f"column {field.name!r}: not more than {first:,} texts that differ are made for a pattern"
                )
            return pa.array(_texts(field, stream, wanted=rows, all_differ=True)) if rows else pa.array([], pa.string())
        case Family.STRING:
            width = max(asked.min_length or 0, 9 if asked.max_length is None else min(9, asked.max_length))
            _enough(field, 10**width, first + rows)
            return pa.compute.utf8_lpad(pa.array(numbers).cast(pa.string()), width=width, padding="0")
        case Family.NUMBER if asked.of_order:  # multiples of the golden ratio, without what is before the point
            low, high = _range(field)
            return low + (0.001 + 0.998 * ((numbers + 1) * 0.6180339887498949 % 1.0)) * (high - low)
        case Family.DATE | Family.DATETIME:
            low, high = _range(field) if asked.of_order else (0, 2**31)
            if asked.minimum is not None or asked.exclusive_minimum is not None:
                _enough(field, high - low + 1, first + rows, open_end=asked.maximum is None)
                moments = low + numbers
            else:
                moments = high - numbers if asked.of_order else _FROM // _DAY + numbers
            return moments.astype("datetime64[D]" if field.family is Family.DATE else "datetime64[s]")
    if not asked.of_order:
        return numbers
    low, high = _range(field)
    has_low = asked.minimum is not None or asked.exclusive_minimum is not None
    has_high = asked.maximum is not None or asked.exclusive_maximum is not None
    if has_low and has_high:
        _enough(field, high - low + 1, first + rows)
    return low + numbers if has_low else high - numbers


def _enough(field: Field, there: int, wanted: int, *, open_end: bool = False) -> None:
    if wanted > there and not open_end:
        raise ValueError(
            f"column {field.name!r}: of the {wanted:,} values that are to differ there are {max(there, 0):,}"
        )


def _cast(values: Any, kind: pa.DataType, field: Field) -> pa.Array:
    made = values if isinstance(values, pa.Array) else pa.array(values)
    try:
        return made.cast(kind, safe=False) if made.type != kind else made
    except pa.ArrowException as error:
        raise ValueError(f"column {field.name!r}: no data can be made up for {field.asks}: {error}") from error


def _with_edges(field: Field, made: pa.Array, kind: pa.DataType) -> pa.Array:
    """The same with the edges of its type in its first rows, as far as its type and constraints take them."""
    if _choices(field):
        return made
    kept = []
    for edge in _EDGES.get(field.family or Family.ANY, []):
        if not keeps(edge, field.constraints):
            continue
        try:
            kept.append(pa.scalar(edge).cast(kind))
        except pa.ArrowException:
            continue  # too wide for this type
    kept = kept[: len(made)]
    return pa.concat_arrays([pa.array([one.as_py() for one in kept], kind), made[len(kept) :]])


def _range(field: Field) -> tuple[Any, Any]:
    """The least and the largest value to make: numbers, of a date days, of a time seconds since 1970."""
    asked = field.constraints
    step = 0 if field.family is Family.NUMBER else 1
    bounds = [asked.minimum, asked.exclusive_minimum, asked.maximum, asked.exclusive_maximum]
    least, above, most, below = (None if one is None else _number(one, field) for one in bounds)
    lows = [one for one in (least, None if above is None else above + step) if one is not None]
    highs = [one for one in (most, None if below is None else below - step) if one is not None]
    if field.family is not Family.NUMBER:
        lows, highs = [math.ceil(one) for one in lows], [math.floor(one) for one in highs]
    widest = 366 * (_DAY if field.family is Family.DATETIME else 1) if _is_dated(field) else _LARGEST
    narrow = _NARROW.get(field.arrow or "")
    if narrow is not None:
        lows, highs = [*lows, *([narrow[0]] if lows else [])], [*highs, *([narrow[1]] if highs or lows else [])]
        widest = min(widest, 100)
    low, high = max(lows, default=None), min(highs, default=None)
    if low is None:
        low = 0 if high is None else high - widest
    high = low + widest if high is None else min(high, max(low + widest, high))
    if low > high or (low == high and step == 0 and (above is not None or below is not None)):
        raise ValueError(f"column {field.name!r}: no value lies within its constraints")
    return low, high


def _number(bound: Any, field: Field) -> Any:
    if not isinstance(bound, date):
        return bound
    moment = bound if isinstance(bound, datetime) else datetime(bound.year, bound.month, bound.day)  # noqa: DTZ001
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds / _DAY if field.family is Family.DATE else seconds


def _is_dated(field: Field) -> bool:
    return field.family in (Family.DATE, Family.DATETIME)


_NARROW = {"int8": (-128, 127), "uint8": (0, 255)}


def _choices(field: Field) -> list[Any]:
    return list(getattr(field.constraints, "enum", None) or ())

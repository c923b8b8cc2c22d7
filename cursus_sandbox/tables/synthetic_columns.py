"""The made-up values of one column: of its type, within its constraints, with gaps where gaps may be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from cursus_sandbox.tables.arrow_types import ArrowType, Family, arrow_type
from cursus_sandbox.tables.schema import Field

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
    values = _counted(field, first, rows) if counted else _values(field, stream, rows)
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
            index, value = (_arrow(child) for _, child in kind.children)
            return pa.dictionary(index, value) if index and value else None
        case _:
            try:
                return pa.type_for_alias(kind.name)
            except ValueError:
                return None


def _values(field: Field, stream: np.random.Generator, rows: int) -> Any:
    if chosen := _choices(field):
        return pa.array(chosen).take(pa.array(stream.integers(0, len(chosen), rows)))
    low, high = _bounds(field)
    if field.family is Family.NUMBER:
        return np.round(low + stream.random(rows) * (high - low), 6)
    make = _MAKERS.get(field.family or Family.ANY)
    return make(stream, rows) if make else stream.integers(low, high, rows, endpoint=True, dtype=np.int64)


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


def _counted(field: Field, first: int, rows: int) -> Any:
    """Values that differ from one another: a count, with leading zeros where it is text."""
    numbers = np.arange(first, first + rows, dtype=np.int64)
    if field.family is Family.STRING:
        return pa.compute.utf8_lpad(pa.array(numbers).cast(pa.string()), width=9, padding="0")
    return numbers


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
    low, high = _bounds(field, default=False)
    kept = []
    for edge in _EDGES.get(field.family or Family.ANY, []):
        if (low is not None and edge < low) or (high is not None and edge > high):
            continue
        try:
            kept.append(pa.scalar(edge).cast(kind))
        except pa.ArrowException:
            continue  # too wide for this type
    kept = kept[: len(made)]
    return pa.concat_arrays([pa.array([one.as_py() for one in kept], kind), made[len(kept) :]])


def _bounds(field: Field, *, default: bool = True) -> tuple[Any, Any]:
    low: Any = getattr(field.constraints, "minimum", None)
    high: Any = getattr(field.constraints, "maximum", None)
    if not default:
        return low, high
    if not all(isinstance(one, int | float | None) for one in (low, high)):
        return 0, _LARGEST
    widest = 100 if field.arrow in ("int8", "uint8") else _LARGEST
    if low is None and high is None:
        return 0, widest
    if low is None:
        return high - widest, high
    return low, low + widest if high is None else high


def _choices(field: Field) -> list[Any]:
    return list(getattr(field.constraints, "enum", None) or ())

"""A look into a table for a reader of reports: its columns, a few rows, and how the values of each column lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv as pacsv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from cursus_sandbox.tables.files import data_files, is_marker

SAMPLE_ROWS = 10_000
SHOWN_ROWS = 5
SHOWN_COLUMNS = 40
BINS = 12
_LONGEST = 60
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """A column's type, its nulls in the sample, and its values: counts of equal bins, or of the most frequent."""

    name: str
    type: str
    nulls: int
    bars: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TablePreview:
    """The first rows of a channel's first table. `rows` counts those that were looked at, at most SAMPLE_ROWS."""

    file: str
    rows: int
    columns: tuple[ColumnPreview, ...]
    hidden_columns: int
    head: tuple[tuple[str, ...], ...]


def table_preview(folder: Path) -> TablePreview | None:
    """A look into the first table below a folder; None where there is none that can be read."""
    for file in data_files(folder)[0]:
        if is_marker(file.relative):
            continue
        try:
            if (sample := _sample(file.path)) is not None:
                return _preview(str(file.relative), sample)
        except (pa.ArrowException, OSError, ValueError, OverflowError, StopIteration):
            continue
    return None


def _sample(file: Path) -> pa.Table | None:
    if file.suffix == ".parquet":
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(SAMPLE_ROWS):
                return pa.Table.from_batches([batch])
            return opened.schema_arrow.empty_table()
    if file.suffix in (".csv", ".tsv"):
        parse = pacsv.ParseOptions(delimiter="\t" if file.suffix == ".tsv" else ",", newlines_in_values=True)
        read = pacsv.ReadOptions(block_size=_BLOCK)
        with pacsv.open_csv(file, read_options=read, parse_options=parse) as opened:
            return pa.Table.from_batches([opened.read_next_batch()[:SAMPLE_ROWS]])
    return None


def _preview(name: str, table: pa.Table) -> TablePreview:
    shown = table.select(list(range(min(table.num_columns, SHOWN_COLUMNS))))
    head = shown[:SHOWN_ROWS].to_pydict() if len(set(shown.column_names)) == shown.num_columns else {}
    columns = tuple(
        ColumnPreview(field.name, str(field.type), column.null_count, _bars(column))
        for field, column in zip(shown.schema, shown.columns, strict=True)
    )
    rows = zip(*head.values(), strict=True) if head else ()
    return TablePreview(
        file=name,
        rows=table.num_rows,
        columns=columns,
        hidden_columns=table.num_columns - shown.num_columns,
        head=tuple(tuple(_cell(value) for value in row) for row in rows),
    )


def _bars(column: pa.ChunkedArray) -> tuple[tuple[str, int], ...]:
    """How a column's values lie; nothing of types that have no order and no text."""
    kind = column.type
    try:
        if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return _most_frequent(column)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return _binned(pc.drop_null(pc.cast(column, pa.float64(), safe=False)))
    except pa.ArrowException:
        return ()
    return ()


def _most_frequent(column: pa.ChunkedArray) -> tuple[tuple[str, int], ...]:
    counted = [(one["values"].as_py(), one["counts"].as_py()) for one in pc.value_counts(pc.drop_null(column))]
    counted.sort(key=lambda one: (-one[1], str(one[0])))
    if len(counted) > BINS and counted[0][1] == 1:
        return ()  # names or keys: nothing is frequent
    more = sum(count for _, count in counted[BINS - 1 :]) if len(counted) > BINS else 0
    shown = counted[: BINS - 1] if more else counted
    return (*((_cell(value), count) for value, count in shown), *((("others", more),) if more else ()))


def _binned(values: pa.ChunkedArray) -> tuple[tuple[str, int], ...]:
    finite = values.filter(pc.is_finite(values))
    if not len(finite):
        return ()
    bounds = pc.min_max(finite).as_py()
    low, high = bounds["min"], bounds["max"]
    width = (high - low) / BINS
    if not 0 < width < float("inf"):
        return ((f"{low:.6g}", len(finite)),)
    places = pc.min_element_wise(pc.floor(pc.divide(pc.subtract(finite, low), width)), float(BINS - 1))
    counts: Sequence[int] = [0] * BINS
    counted = {int(one["values"].as_py()): one["counts"].as_py() for one in pc.value_counts(places)}
    counts = [counted.get(place, 0) for place in range(BINS)]
    return tuple(
        (f"{low + place * width:.4g} to {low + (place + 1) * width:.4g}", count) for place, count in enumerate(counts)
    )


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

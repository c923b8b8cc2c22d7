"""The metrics that a step left in files: numbers by name, and series of numbers, such as a loss for each epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pacsv  # type: ignore[import-untyped]

from cursus_sandbox.tables.files import data_files

_LARGEST = 1 << 20  # bytes of a file of metrics
_MOST_FILES = 5
_MOST_NUMBERS = 60
_MOST_SERIES = 12
_LONGEST_SERIES = 5000
_DEEPEST = 6
_PLACES = {"", "epoch", "step", "iteration", "iter", "round", "index"}  # they count the rows
_WORDS = ("metric", "history", "training_log", "learning_curve", "evals_result")


@dataclass(frozen=True, slots=True)
class MetricsFile:
    """A file of metrics. A series is in the order it was written; `left_out` counts what is too much to show."""

    file: str
    numbers: Mapping[str, float]
    series: Mapping[str, tuple[float, ...]]
    left_out: int = 0


def metrics_files(folder: Path, channel: str = "") -> Iterator[MetricsFile]:
    """The small JSON and CSV files below a folder that hold metrics: their names say so, or that of the channel."""
    found = 0
    for file in data_files(folder)[0]:
        name = f"{channel} {file.path.name}".lower()
        if found == _MOST_FILES or not any(word in name for word in _WORDS):
            continue
        read = {".json": _of_json, ".csv": _of_csv}.get(file.path.suffix)
        if read is None or file.path.stat().st_size > _LARGEST:
            continue
        try:
            numbers, series = read(file.path)
        except (OSError, ValueError, RecursionError, pa.ArrowException):
            continue
        if numbers or series:
            found += 1
            shown = dict(list(numbers.items())[:_MOST_NUMBERS]), dict(list(series.items())[:_MOST_SERIES])
            left_out = len(numbers) + len(series) - len(shown[0]) - len(shown[1])
            yield MetricsFile(str(file.relative), *shown, left_out)


Found = tuple[dict[str, float], dict[str, tuple[float, ...]]]


def _of_json(file: Path) -> Found:
    """Numbers by the way to them, `train.auc`, and lists of numbers likewise."""
    numbers: dict[str, float] = {}
    series: dict[str, tuple[float, ...]] = {}
    for name, value in _leaves("", json.loads(file.read_bytes()), _DEEPEST):
        if isinstance(value, list):
            series[name] = tuple(map(float, value[:_LONGEST_SERIES]))
        else:
            numbers[name] = float(value)
    return numbers, series


def _leaves(name: str, value: Any, deeper: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and deeper:
        for key, inside in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), inside, deeper - 1)
    elif _is_number(value) or (isinstance(value, list) and len(value) > 1 and all(map(_is_number, value))):
        yield name or "value", value


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _of_csv(file: Path) -> Found:
    """Of one row its numbers; of a name and a number in each row these; of more rows a series for each column."""
    table = pacsv.read_csv(file)[:_LONGEST_SERIES]
    columns = {
        name: column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    }
    if table.num_rows == 1:
        return {name: float(values[0]) for name, values in columns.items() if _is_number(values[0])}, {}
    text = [
        name for name, type_ in zip(table.column_names, table.schema.types, strict=True) if pa.types.is_string(type_)
    ]
    if len(columns) == 1 and len(text) == 1:
        [values] = columns.values()
        named = zip(table[text[0]].to_pylist(), values, strict=True)
        return {str(name): float(value) for name, value in named if _is_number(value)}, {}
    return {}, {
        name: _finite(values)
        for name, values in columns.items()
        if name.lower() not in _PLACES and len(_finite(values)) > 1
    }


def _finite(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values if _is_number(value))

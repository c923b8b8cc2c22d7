"""Every row of a CSV or TSV file against its schema, in constant memory.

First the fast way: pyarrow reads the declared columns as their types, and the values are looked at batch by batch.
What it can't convert, or reads where we see no such value (`0x1F` is no integer), is read again as text, and each cell
judged as in the first block (`text_column`): both ways come to one verdict, and a bad cell has a row and a line.
This module imports pyarrow.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv as pacsv  # type: ignore[import-untyped]

from cursus_sandbox.tables.arrow_types import INTEGER_BITS, Family
from cursus_sandbox.tables.constraints import ColumnCheck, Tally, repeated
from cursus_sandbox.tables.delimited import DELIMITERS
from cursus_sandbox.tables.lattice import FLOAT_FOR_INTEGER
from cursus_sandbox.tables.mismatch import Kind
from cursus_sandbox.tables.observed import Format
from cursus_sandbox.tables.schema import Field
from cursus_sandbox.tables.text_column import misfits

BLOCK = 1 << 20
_LARGEST_BLOCK = 64 << 20
_READ_AS = {
    Family.INTEGER: pa.int64(),
    Family.NUMBER: pa.float64(),
    Family.BOOLEAN: pa.bool_(),
    Family.DATE: pa.date32(),
}
_TEXT = {Family.STRING, Family.ANY, None}


@dataclass(frozen=True, slots=True)
class TextFile:
    """Where a CSV or TSV file is and how it is written; `header` are its column names in order."""

    path: Path
    kind: Format
    header: Sequence[str]
    nulls: tuple[str, ...] = ("",)

    @property
    def packed(self) -> bool:
        """Whether it is gzipped."""
        return self.path.name.lower().endswith(".gz")


@dataclass(frozen=True, slots=True)
class RowsFound:
    """How many rows there are, what was broken, and rows of another width: the first one's number, and how many."""

    rows: int
    broken: tuple[Tally, ...] = ()
    ragged: tuple[int, int] | None = None


def rows_found(file: TextFile, fields: Sequence[Field], *, key: tuple[str, ...] = ()) -> RowsFound:
    """Look at every row. OSError, EOFError, zlib.error or pa.ArrowInvalid if the file can't be read to its end."""
    fields = [field for field in fields if field.name in file.header]
    watched = any(field.family is Family.INTEGER for field in fields)
    try:
        quick = _Pass(file, fields, key, typed=True, watch=watched)
        found = quick.found()
    except pa.ArrowInvalid:
        return _Pass(file, fields, key, typed=False).found()
    # with threads, pyarrow doesn't number the rows it skips
    return _Pass(file, fields, key, typed=False).found() if quick.saw_hexadecimal or found.ragged else found


def lines_of(file: TextFile, rows: set[int]) -> dict[int, int]:
    """The physical line, from 1, on which each of these rows begins; rows are counted from 1, without the header."""
    found: dict[int, int] = {}
    left = set(rows)
    with _opened(file) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="")
        records = csv.reader(text, delimiter=DELIMITERS[file.kind])
        number, line = -1, 1
        try:
            for record in records:
                if record:
                    number += 1
                    if number in left:
                        found[number] = line
                        left.discard(number)
                if not left:
                    break
                line = records.line_num + 1
        except (csv.Error, OSError, EOFError):
            return found
    return found


class _Pass:
    """One reading of the file, from its first row to its last."""

    def __init__(
        self, file: TextFile, fields: Sequence[Field], key: tuple[str, ...], *, typed: bool, watch: bool = False
    ) -> None:
        self.file, self.fields, self.typed, self.watch = file, fields, typed, watch
        self.key = tuple(name for name in key if name in file.header)
        self.saw_hexadecimal = False
        self.ragged: list[int] = []

    def found(self) -> RowsFound:
        size = BLOCK
        while True:
            try:
                return self._found(size)
            except pa.ArrowInvalid as error:
                if "straddling" not in str(error) or size >= _LARGEST_BLOCK:
                    raise
                size *= 4

    def _found(self, block: int) -> RowsFound:
        self.ragged = []
        checks = {field.name: ColumnCheck(field, key=self.key == (field.name,)) for field in self.fields}
        wrong = {field.name: _misfit(field) for field in self.fields}
        keys: list[pa.Array] = []
        rows = 0
        for batch in self._batches(block):
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            for field in self.fields:
                values, bad = columns[field.name], None
                if pa.types.is_string(values.type) and field.family is not None and field.family not in _TEXT:
                    bad, values = misfits(values, field.family, self.file.nulls)
                    wrong[field.name].take(columns[field.name], bad, rows + 1)
                _out_of_range(wrong[field.name], field, values, rows + 1)
                checks[field.name].take(values, rows + 1, misfits=bad)
            if len(self.key) > 1:
                parts = [columns[name].cast(pa.string()) for name in self.key]
                keys.append(pc.binary_join_element_wise(*parts, "\x1f"))
            rows += batch.num_rows
        broken = [
            tally
            for field in self.fields
            for tally in ((wrong[field.name],) if wrong[field.name].count else ()) + tuple(checks[field.name].tallies())
        ]
        if keys:
            twice = repeated(pa.chunked_array(keys), ", ".join(self.key), "keys that differ")
            broken += [twice] if twice.count else []
        return RowsFound(rows, tuple(broken), (self.ragged[0], len(self.ragged)) if self.ragged else None)

    def _batches(self, block: int) -> Iterator[pa.RecordBatch]:
        names = [str(index) for index in range(len(self.file.header))]
        place = {name: str(index) for index, name in reversed(list(enumerate(self.file.header)))}
        wanted = [field.name for field in self.fields] or [*dict.fromkeys(self.file.header)]
        wanted += [name for name in self.key if name not in wanted]
        kinds = {place[name]: pa.string() for name in wanted}
        if self.typed:
            kinds |= {place[field.name]: _READ_AS.get(field.family or Family.ANY, pa.string()) for field in self.fields}

        def skip(row: pacsv.InvalidRow) -> str:
            self.ragged.append((row.number or 0) - 1)
            return "skip"

        with _opened(self.file) as raw:
            stream = _Watched(raw, self) if self.watch else raw
            with pacsv.open_csv(
                pa.PythonFile(stream, mode="r"),
                read_options=pacsv.ReadOptions(
                    use_threads=self.typed, column_names=names, skip_rows_after_names=1, block_size=block
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=DELIMITERS[self.file.kind], newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=kinds,
                    include_columns=[place[name] for name in wanted],
                    null_values=list(self.file.nulls),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            ) as reader:
                for batch in reader:
                    yield batch.rename_columns(wanted)


class _Watched(io.RawIOBase):
    """Passes bytes on, and says whether there was a `0x` among them, which pyarrow takes for a number."""

    def __init__(self, inner: IO[bytes] | gzip.GzipFile, owner: _Pass) -> None:
        self._inner, self._owner = inner, owner

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._inner.read(size)
        if b"0x" in content or b"0X" in content or content[:1] in (b"x", b"X"):
            self._owner.saw_hexadecimal = True
        return content


@contextmanager
def _opened(file: TextFile) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with file.path.open("rb") as raw:
        unpacked: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if file.packed else raw
        if unpacked.read(3) != b"\xef\xbb\xbf":
            unpacked.seek(0)
        yield unpacked


def _misfit(field: Field) -> Tally:
    hint = FLOAT_FOR_INTEGER if field.family is Family.INTEGER else ""
    return Tally(Kind.TYPE, field.name, field.asks, hint)


def _out_of_range(tally: Tally, field: Field, values: pa.Array, first_row: int) -> None:
    """Integers that the exact type asked for can't hold."""
    kind = values.type
    if field.arrow not in INTEGER_BITS or not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return
    bits = INTEGER_BITS[field.arrow]
    unsigned = field.arrow.startswith("u")
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if pa.types.is_integer(kind):
        low, high = max(low, -(2**63)), min(high, 2**63 - 1)
    ends = [pa.scalar(end if pa.types.is_integer(kind) else Decimal(end), kind) for end in (low, high)]
    tally.take(values, pc.or_(pc.less(values, ends[0]), pc.greater(values, ends[1])), first_row)

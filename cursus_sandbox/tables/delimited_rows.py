"""Every row of a CSV or TSV file against its schema, in constant memory.

First the fast way: pyarrow reads the declared columns as their types, and the values are looked at batch by batch.
What it can't convert, or reads where we see no such value (`0x1F` is no integer), is read again as text, and each cell
judged as in the first block (`text_column`): both ways come to one verdict, and a bad cell has a row and a line.
This module imports numpy and pyarrow.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv as pacsv  # type: ignore[import-untyped]

from cursus_sandbox import bytes_done
from cursus_sandbox.tables.advice import advice
from cursus_sandbox.tables.arrow_types import INTEGER_BITS, Family
from cursus_sandbox.tables.constraints import ColumnCheck, Tally, key_of, repeated_keys
from cursus_sandbox.tables.delimited import DELIMITERS, is_open, parse_options
from cursus_sandbox.tables.mismatch import Kind
from cursus_sandbox.tables.observed import Format
from cursus_sandbox.tables.schema import Field
from cursus_sandbox.tables.text_column import ORDER, misfits, text_column

BLOCK = 1 << 20
_LARGEST_BLOCK = 64 << 20
_CHUNK = 1 << 20
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
    """How many rows there are, what was broken, and rows of another width: the first one's number, and how many.

    `open` is the row with a quote that nothing closes: all that follows is in it.
    """

    rows: int
    broken: tuple[Tally, ...] = ()
    ragged: tuple[int, int] | None = None
    open: int | None = None


def rows_found(file: TextFile, fields: Sequence[Field], *, key: tuple[str, ...] = ()) -> RowsFound:
    """Look at every row. OSError, EOFError, zlib.error or ValueError (pyarrow's, too) where it ends before its end."""
    fields = [field for field in fields if field.name in file.header]
    integers = any(field.family is Family.INTEGER for field in fields)
    reading = _Reading(file, fields, key)
    if not (integers and _has_hexadecimal(file)):
        try:
            return reading.go_on(typed=True)
        except pa.ArrowInvalid:  # a cell of another type, or a row of another width
            pass
    return reading.go_on(typed=False)  # from the batch that could not be read


def lines_of(file: TextFile, rows: set[int], *, of: int) -> dict[int, int]:
    """The physical line, from 1, on which each of these rows begins; rows are counted from 1, without the header.

    `of` is how many rows there are: where there are as many line ends, nothing has to be parsed.
    """
    if _lines(file) == of + 1:
        return {row: row + 1 for row in rows}
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


def _lines(file: TextFile) -> int:
    """How many lines there are; the last one may lack its end."""
    count, last = 0, b"\n"
    with _opened(file) as stream:
        while content := stream.read(_CHUNK):
            count += content.count(b"\n")
            last = content[-1:]
    return count + (last != b"\n")


@dataclass(frozen=True, slots=True)
class Narrowest:
    """How many rows a file has, and of each column the narrowest family all its values fit, and whether it has gaps."""

    rows: int
    columns: dict[str, tuple[Family | None, bool]]


def narrowest(file: TextFile) -> Narrowest:
    """Look at every value; a number with a leading zero is text. Raises as `rows_found` does."""
    reading = _Reading(file, (), ())
    fits: dict[str, set[Family]] = {}
    gaps: set[str] = set()
    valued: set[str] = set()
    rows = 0
    for batch in reading.batches(BLOCK, typed=False):
        rows += batch.num_rows
        for name, cells in zip(batch.schema.names, batch.columns, strict=True):
            column = text_column(name, cells, file.nulls)
            if column.null_count or (column.text and column.text.blanks):
                gaps.add(name)
            if column.text is None or column.family is None:
                continue  # no value in this batch
            padded = pc.any(pc.match_substring_regex(cells, r"^[+-]?0[0-9]")).as_py()
            left = set() if padded else set(ORDER) - column.text.misfits.keys()
            fits[name] = fits[name] & left if name in valued else left
            valued.add(name)
    columns = {
        name: (
            next((one for one in ORDER if one in fits[name]), Family.STRING) if name in valued else None,
            name in gaps or name not in valued,
        )
        for name in file.header
    }
    return Narrowest(rows, columns)


class _Reading:
    """What was seen of a file so far, from its first row on."""

    def __init__(self, file: TextFile, fields: Sequence[Field], key: tuple[str, ...]) -> None:
        self.file, self.fields = file, fields
        self.key = tuple(name for name in key if name in file.header)
        self.checks = {field.name: ColumnCheck(field, key=self.key == (field.name,)) for field in fields}
        self.wrong = {field.name: _misfit(field) for field in fields}
        self.keys: list[pa.Array] = []
        self.rows = 0
        self.ragged: list[int] = []
        self.last_ragged = ""
        self.last_cell: pa.Scalar | None = None

    def go_on(self, *, typed: bool) -> RowsFound:
        """Read the rows that were not seen yet."""
        size = BLOCK
        while True:
            seen, self.ragged = self.rows, []
            try:
                for batch in self.batches(size, typed=typed):
                    new = batch.slice(seen) if seen else batch
                    seen = max(0, seen - batch.num_rows)
                    if new.num_rows:
                        self._take(new)
                return self._found()
            except pa.ArrowInvalid as error:
                if "straddling" not in str(error) or size >= _LARGEST_BLOCK:
                    raise
                size *= 4

    def batches(self, block: int, *, typed: bool) -> Iterator[pa.RecordBatch]:
        """The rows in blocks of so many bytes."""
        begun = False
        try:
            for batch in self._read(block, typed=typed):
                begun = True
                yield batch
        except pa.ArrowInvalid as error:
            if begun or "straddling" not in str(error) or not _is_one_row(self.file):
                raise

    def _take(self, batch: pa.RecordBatch) -> None:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        first = self.rows + 1
        for field in self.fields:
            values, bad = columns[field.name], None
            if pa.types.is_string(values.type) and field.family is not None and field.family not in _TEXT:
                bad, values = misfits(values, field.family, self.file.nulls)
                self.wrong[field.name].take(columns[field.name], bad, first)
            _out_of_range(self.wrong[field.name], field, values, first)
            self.checks[field.name].take(values, first, misfits=bad)
        if len(self.key) > 1:
            self.keys.append(key_of(columns[name] for name in self.key))
        self.rows += batch.num_rows

    def _found(self) -> RowsFound:
        broken: list[Tally] = []
        for field in self.fields:
            wrong = self.wrong[field.name]
            if wrong.count:
                wrong.hint = advice(field.family, wrong.samples)
                broken.append(wrong)
            broken += self.checks[field.name].tallies()
        if self.keys:
            twice = repeated_keys(self.keys, self.key)
            broken += [twice] if twice.count else []
        ragged = (self.ragged[0], len(self.ragged)) if self.ragged else None
        return RowsFound(self.rows, tuple(broken), ragged, self._open())

    def _open(self) -> int | None:
        """The row in which the file ends inside of quotes: pyarrow takes the end of the file for their end."""
        if self.ragged and is_open(self.last_ragged, DELIMITERS[self.file.kind]):
            return self.ragged[-1]
        if self.last_cell is None or not self.last_cell.is_valid:
            return None
        is_text = pa.types.is_string(self.last_cell.type)
        ends_open = _ends_open(self.file, self.last_cell.as_py() if is_text else None)
        return self.rows + len(self.ragged) if ends_open else None

    def _read(self, block: int, *, typed: bool) -> Iterator[pa.RecordBatch]:
        names = [str(index) for index in range(len(self.file.header))]
        place = {name: str(index) for index, name in reversed(list(enumerate(self.file.header)))}
        wanted = [field.name for field in self.fields] or [*dict.fromkeys(self.file.header)]
        wanted += [name for name in self.key if name not in wanted]
        kinds = {place[name]: pa.string() for name in wanted} | {names[-1]: pa.string()}
        if typed:
            kinds |= {place[field.name]: _READ_AS.get(field.family or Family.ANY, pa.string()) for field in self.fields}

        small = self.file.path.stat().st_size <= block  # threads would cost more than they save
        included = [*dict.fromkeys([*(place[name] for name in wanted), names[-1]])]  # the last tells of open quotes

        def skip(row: pacsv.InvalidRow) -> str:
            self.ragged.append((row.number or 0) - 1)
            self.last_ragged = row.text
            return "skip"

        with (
            _stream(self.file) as stream,
            pacsv.open_csv(
                stream,
                read_options=pacsv.ReadOptions(
                    use_threads=typed and not small, column_names=names, skip_rows_after_names=1, block_size=block
                ),
                parse_options=parse_options(self.file.kind, None if typed else skip),
                convert_options=pacsv.ConvertOptions(
                    column_types=kinds,
                    include_columns=included,
                    null_values=list(self.file.nulls),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            ) as reader,
        ):
            for batch in reader:
                bytes_done.add(batch.nbytes)
                if batch.num_rows:
                    self.last_cell = batch.column(included.index(names[-1]))[-1]
                yield batch.select(range(len(wanted))).rename_columns(wanted)


def _is_one_row(file: TextFile) -> bool:
    """Whether its header is all there is, and no line end behind it: pyarrow fails to skip that."""
    with _opened(file) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="")
        records = filter(None, csv.reader(text, delimiter=DELIMITERS[file.kind], strict=True))
        try:
            return len(list(islice(records, 2))) == 1
        except csv.Error:
            return False


def _ends_open(file: TextFile, last: str | None) -> bool:
    """Whether a file ends inside of quotes, given its last cell if that is text."""
    delimiter = DELIMITERS[file.kind]
    if last is None:
        line = _tail(file, _CHUNK).rpartition(b"\n")[2].decode("utf-8", "replace")
        return re.search(rf'(?:^|{delimiter})"[^"]*\Z', line) is not None
    written = '"' + last.replace('"', '""')
    tail = _tail(file, 4 * len(written) + 4).decode("utf-8", "replace")
    return tail == written or tail.endswith(tuple(before + written for before in (delimiter, "\n", "\r")))


def _tail(file: TextFile, size: int) -> bytes:
    """The last bytes; at least so many, where there are as many."""
    with _opened(file) as stream:
        if not file.packed:
            stream.seek(max(stream.tell(), os.fstat(stream.fileno()).st_size - size))
        tail = b""
        while content := stream.read(max(size, _CHUNK)):
            tail = tail[-size:] + content
    return tail


def _has_hexadecimal(file: TextFile) -> bool:
    """Whether there is a `0x` in the file: pyarrow takes what follows for a number. ValueError for a NUL byte."""
    before = b""
    with _opened(file) as stream:
        while content := stream.read(_CHUNK):
            if b"\0" in content:
                raise ValueError("it has NUL bytes: it is binary, or damaged")
            for mark in (b"0x", b"0X"):
                if mark[1:] in content and (before + content[:1] == mark or _has_pair(content, mark)):
                    return True
            before = content[-1:]
    return False


def _has_pair(content: bytes, pair: bytes) -> bool:
    """Whether two bytes follow one another: looked for as numbers of two bytes, nine times as fast as by `in`."""
    starts = [(start, (len(content) - start) // 2) for start in (0, 1)]
    number = np.frombuffer(pair, np.uint16)
    return any((np.frombuffer(content, np.uint16, count, start) == number).any() for start, count in starts if count)


@contextmanager
def _stream(file: TextFile) -> Iterator[pa.NativeFile]:
    """The file for pyarrow, opened by pyarrow (see `parse_options`); it skips a byte order mark by itself."""
    with pa.OSFile(os.fsencode(file.path)) as opened:
        if not file.packed:
            yield opened
            return
        with pa.CompressedInputStream(opened, "gzip") as unpacked:
            yield unpacked


@contextmanager
def _opened(file: TextFile) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with file.path.open("rb") as raw:
        unpacked: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if file.packed else raw
        if unpacked.read(3) != b"\xef\xbb\xbf":
            unpacked.seek(0)
        yield unpacked


def _misfit(field: Field) -> Tally:
    return Tally(Kind.TYPE, field.name, field.asks)


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

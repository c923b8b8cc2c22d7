"""A CSV or TSV file, gzipped or not, by its header and its first block.

The header is read by itself first, and every cell as text: what the text means is judged afterwards, so that `01234`
stays what it is and `0x1F` is no integer. This module imports pyarrow; `observed` imports it when it is first needed.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pacsv  # type: ignore[import-untyped]

from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.observed import Format, ObservedColumn, ObservedTable, TextFacts, unreadable
from cursus_sandbox.tables.text_column import text_column

BLOCK = 256 << 10
_LARGEST_BLOCK = 64 << 20
DELIMITERS = {Format.CSV: ",", Format.TSV: "\t"}
_OTHERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_MAGIC = {b"PAR1": "a Parquet file", b"\x1f\x8b": "gzip-compressed", b"PK\x03\x04": "a zip file"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAMPLE = 64
RowHandler = Callable[[pacsv.InvalidRow], str]
_HANDLING: deque[pacsv.ParseOptions] = deque(maxlen=64)


def delimited_table(
    stream: IO[bytes], *, file: str, kind: Format, packed: bool, nulls: tuple[str, ...] | None
) -> ObservedTable | Mismatch:
    """Give the table in an open, non-empty CSV or TSV file (gzipped when `packed`), or why it can't be read.

    With `nulls` None the columns are named, and what their text means is not looked at.
    """
    text: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=stream) if packed else stream
    size = 2 * BLOCK
    try:
        while True:
            text.seek(0)
            content = text.read(size)
            table = _table(content, _Name(file, kind), whole=len(content) < size, nulls=nulls)
            if table is not None:
                return table
            if size >= _LARGEST_BLOCK:
                return open_quote(file, kind, None)
            size *= 4
    except (OSError, EOFError, zlib.error) as error:
        return unreadable(file, f"it can't be unpacked or read: {error}", kind=kind)


class _Name(NamedTuple):
    file: str
    kind: Format


def _table(
    content: bytes, name: _Name, *, whole: bool, nulls: tuple[str, ...] | None
) -> ObservedTable | Mismatch | None:
    """Look into the start of a file (all of it when `whole`); None when its first row doesn't end in it."""
    file, kind = name
    if problem := _not_text(content, name):
        return problem
    findings = []
    text, bad_byte = _decoded(content, whole=whole)
    if bad_byte is not None:
        findings.append(_encoding(name, content, bad_byte))
        content = text.encode()
    elif content.startswith(codecs.BOM_UTF8):
        findings.append(_byte_order_mark(file))
    text = text.removeprefix("\ufeff")
    header = _header(text, name, whole=whole)
    if not isinstance(header, list):
        return header
    other = _other_delimiter(text, kind, header)
    if other:
        findings.append(_delimiter(name, other))
    try:
        block = _block(content, kind, len(header), whole=whole, nulls=nulls or ())
    except pa.ArrowInvalid as error:
        if "straddling" in str(error) and not whole:
            return None
        return unreadable(file, str(error).splitlines()[0][:200], kind=kind)
    if block.ragged and not other and whole and is_open(block.ragged[-1].text, DELIMITERS[kind]):
        return open_quote(file, kind, block.ragged[-1].number - 1)
    if block.ragged and not other:
        findings.append(_ragged(file, len(header), block.ragged))
    columns = tuple(
        ObservedColumn(label, "string", None, cells.null_count, TextFacts({}))
        if nulls is None
        else text_column(label, cells, nulls)
        for label, cells in zip(header, block.columns, strict=True)
    )
    rows = len(block.columns[0]) + len(block.ragged) if whole else None
    return ObservedTable(file, kind, columns, rows, tuple(findings))


def is_open(row: str, delimiter: str) -> bool:
    """Whether a row's text, which is of another width than it should be, ends inside of quotes."""
    try:
        list(csv.reader(io.StringIO(row, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def open_quote(file: str, kind: Format, row: int | None, line: int | None = None) -> Mismatch:
    """Give the finding that a quote swallows the rest of a file."""
    where = " that is never closed" if row is None else f" in row {row:,}" + (f", line {line:,}" if line else "")
    found = unreadable(
        file,
        f"a quote is open{where}, and all that follows is in it",
        kind=kind,
        hint="close it, or write the file with a CSV writer, which doubles the quotes inside of values",
    )
    return found.model_copy(update={"row": row, "line": line})


class _Block(NamedTuple):
    columns: tuple[pa.Array, ...]  # all text, without the header
    ragged: list[pacsv.InvalidRow]


def _block(content: bytes, kind: Format, width: int, *, whole: bool, nulls: tuple[str, ...]) -> _Block:
    """Read the first block as text: pyarrow itself finds where its last whole row ends."""
    ragged: list[pacsv.InvalidRow] = []
    names = [str(index) for index in range(width)]

    def skip(row: pacsv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    with pacsv.open_csv(
        pa.BufferReader(_its_own(content)),
        read_options=pacsv.ReadOptions(
            use_threads=False, column_names=names, block_size=len(content) + 1 if whole else max(1, len(content) // 2)
        ),
        parse_options=parse_options(kind, skip),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=list(nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    ) as reader:
        batch = reader.read_next_batch()
        with suppress(pa.ArrowException):
            for _ in reader:  # so that no row is still being read, and told of, when this ends
                pass
    inside: list[pacsv.InvalidRow] = []
    for row in ragged:  # pyarrow reads ahead, and what is behind this block may be cut off in the middle of a row
        if whole or row.number <= batch.num_rows + len(inside):
            inside.append(row)
    return _Block(tuple(column.slice(1) for column in batch.columns), inside)


def parse_options(kind: Format, odd_row: RowHandler | None) -> pacsv.ParseOptions:
    """How a file is cut into cells; `odd_row` hears of rows of another width, which are an error without it.

    Who lets go of an object of Python's needs the interpreter for that, and a thread of pyarrow's that asks for it when
    it has just ended aborts the process. So pyarrow is given no file and no bytes of Python's, and these options, with
    the handler in them, are kept here for longer than its threads keep theirs.
    """
    options = pacsv.ParseOptions(delimiter=DELIMITERS[kind], newlines_in_values=True)
    if odd_row is not None:
        options.invalid_row_handler = odd_row
        _HANDLING.append(options)
    return options


def _its_own(content: bytes) -> pa.Buffer:
    """The bytes in memory of pyarrow's (see `parse_options`)."""
    buffer = pa.allocate_buffer(len(content))
    memoryview(buffer).cast("B")[:] = content
    return buffer


def _not_text(content: bytes, name: _Name) -> Mismatch | None:
    """Give the finding that the bytes are not text of one byte a character."""
    for magic, what in _MAGIC.items():
        if content.startswith(magic):
            return unreadable(name.file, f"it is {what}", kind=name.kind, hint="name the file for what it is")
    start = content[:1024]
    zeros = start.count(b"\0")
    if content.startswith(_UTF16) or (len(start) // 3 <= zeros < len(start) and zeros):
        return Mismatch(
            kind=Kind.ENCODING,
            severity=Severity.ERROR,
            file=name.file,
            expected="UTF-8",
            found="UTF-16",
            message="the text is UTF-16, not UTF-8",
            hint='write it with encoding="utf-8"',
        )
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        return unreadable(name.file, f"line {line} has a NUL byte: it is binary, or damaged", kind=name.kind)
    return None


def _decoded(content: bytes, *, whole: bool) -> tuple[str, int | None]:
    """Give the text, and where the first byte is that isn't UTF-8 (the text is then read as Latin-1)."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=whole), None
    except UnicodeDecodeError as error:
        return content.decode("latin-1"), error.start


def _header(text: str, name: _Name, *, whole: bool) -> list[str] | Mismatch | None:
    """The first row; None when it doesn't end in this text."""
    file, kind = name
    records = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[kind], strict=True)
    try:
        header = next((record for record in records if record), None)
    except csv.Error as error:
        if not whole:
            return None
        if (
            "end of data" in str(error) or text.count('"') % 2
        ):  # a long cell is another error, or none: csv's limit is global
            return open_quote(file, kind, None)
        return unreadable(file, f"its header can't be read: {error}", kind=kind)
    return header or unreadable(file, "it has no header: every line is blank", kind=kind)


def _other_delimiter(text: str, kind: Format, header: list[str]) -> str | None:
    """Give the delimiter that a file with one column is really written with, judged by its first two records."""
    if len(header) > 1:
        return None
    for other in _OTHERS:
        if other == DELIMITERS[kind]:
            continue
        records = csv.reader(io.StringIO(text, newline=""), delimiter=other)
        try:
            widths = [len(record) for record, _ in zip(filter(None, records), range(2), strict=False)]
        except csv.Error:
            continue
        if widths[0] > 1 and len(set(widths)) == 1:
            return other
    return None


def _encoding(name: _Name, content: bytes, bad_byte: int) -> Mismatch:
    line = content.count(b"\n", 0, bad_byte) + 1
    return Mismatch(
        kind=Kind.ENCODING,
        severity=Severity.ERROR,
        file=name.file,
        expected="UTF-8",
        found="another encoding, such as Latin-1",
        example=f"byte 0x{content[bad_byte]:02x} in line {line}",
        message=f"the text isn't UTF-8: byte 0x{content[bad_byte]:02x} in line {line} (Latin-1?)",
        hint='write it with encoding="utf-8"',
    )


def _byte_order_mark(file: str) -> Mismatch:
    return Mismatch(
        kind=Kind.ENCODING,
        severity=Severity.WARNING,
        file=file,
        expected="UTF-8",
        found="UTF-8 with a byte order mark",
        message="the text starts with a byte order mark, which some readers take for part of the first column's name",
        hint='write it with encoding="utf-8", not "utf-8-sig"',
    )


def _delimiter(name: _Name, other: str) -> Mismatch:
    expected = _OTHERS[DELIMITERS[name.kind]]
    return Mismatch(
        kind=Kind.DELIMITER,
        severity=Severity.ERROR,
        file=name.file,
        expected=expected,
        found=_OTHERS[other],
        message=f"the columns are separated by {_OTHERS[other]}s, not by {expected}s",
        hint=f"write it with sep={DELIMITERS[name.kind]!r}" + (", or call it .tsv" if other == "\t" else ""),
    )


def _ragged(file: str, width: int, rows: list[pacsv.InvalidRow]) -> Mismatch:
    first = rows[0]
    return Mismatch(
        kind=Kind.RAGGED,
        severity=Severity.ERROR,
        file=file,
        expected=f"{width} columns in every row",
        found="rows with more or fewer",
        count=len(rows),
        example=f"row {first.number - 1} has {first.actual_columns}: {first.text[:_SAMPLE]!r}",
        message=f"row {first.number - 1} has {first.actual_columns} columns where the header has {width}",
        hint="quote values that hold the delimiter, and write every row with one writer",
    )

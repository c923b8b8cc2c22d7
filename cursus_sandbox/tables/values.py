"""What is in a table's cells against its schema, after its columns were found to be there.

A CSV or TSV is read row by row; of Parquet, what its footer doesn't settle. This module imports neither pyarrow nor
numpy until a table is looked into.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.observed import Format, ObservedTable, unreadable
from cursus_sandbox.tables.schema import Field, TableSchema

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Values:
    """What was found in the cells, and how many rows there are if that was counted."""

    findings: tuple[Mismatch, ...] = ()
    rows: int | None = None
    looked: bool = False


def text_values(path: Path, table: ObservedTable, schema: TableSchema | None, *, asks: str) -> Values:
    """Every row of a CSV or TSV: types, nulls, constraints, keys; without a schema, that its rows can be read."""
    from cursus_sandbox.tables.delimited import open_quote  # noqa: PLC0415
    from cursus_sandbox.tables.delimited_rows import TextFile, lines_of, rows_found  # noqa: PLC0415

    header = [column.name for column in table.columns]
    nulls = schema.nulls if schema else ("",)
    file = TextFile(path, table.format, header, nulls)
    fields, key = (_asked(schema), schema.primary_key) if schema else ((), ())
    try:
        found = rows_found(file, fields, key=key)
        if found.open is not None:
            lines = lines_of(file, {found.open}, of=found.rows)
            return Values((open_quote(table.file, table.format, found.open, lines.get(found.open)),))
        if found.ragged:
            first, count = found.ragged
            line = lines_of(file, {first}, of=found.rows + count).get(first)
            return Values((_ragged(table.file, len(header), first, line, count),))
        again = [tally for tally in found.broken if tally.kind is Kind.TYPE and set(tally.samples) == {tally.column}]
        broken = [tally for tally in found.broken if tally not in again]
        rows = {tally.rows[0] for tally in found.broken if tally.rows}
        lines = lines_of(file, rows, of=found.rows) if rows else {}
    except (ValueError, OSError, EOFError, zlib.error) as error:
        return Values((_damaged(path, table, error),))
    findings = [tally.mismatch(table.file, asks=asks, line=lines.get(tally.rows[0])) for tally in broken]
    if again:
        row = again[0].rows[0]
        findings = [_header_again(table.file, row, lines.get(row), again[0].count), *findings]
    return Values(tuple(findings), found.rows)


def parquet_values(path: Path, table: ObservedTable, schema: TableSchema, *, asks: str, whole: bool) -> Values:
    """The columns of a Parquet file that its footer doesn't settle, or all of them where the `whole` file is read."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415

    from cursus_sandbox.tables.parquet_values import scanned  # noqa: PLC0415

    there = {column.name: column for column in table.columns}
    fields = [
        field
        for field in _asked(schema)
        if (column := there.get(field.name)) is not None
        and (
            field.constraints.on_values
            or field.name in schema.primary_key
            or (field.constraints.required and column.null_count != 0)
            or (field.type is Family.BOOLEAN and column.type != "bool")
        )
    ]
    key = tuple(name for name in schema.primary_key if name in there)
    if not (fields or key or whole):
        return Values()
    columns = list(there) if whole else [*dict.fromkeys([*(field.name for field in fields), *key])]
    try:
        tallies = scanned(path, columns, fields, key=key)
    except pa.ArrowNotImplementedError as error:  # another reader may know what is in columns that nobody asks for
        if whole:
            return parquet_values(path, table, schema, asks=asks, whole=False)
        why = f"its columns can't be read: {_first_line(error)}"
        return Values((unreadable(table.file, why, kind=Format.PARQUET),))
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        hidden = "decrypt" in str(error)
        why = "its columns are encrypted" if hidden else f"its data are damaged: {_first_line(error)}"
        return Values((unreadable(table.file, why, kind=Format.PARQUET),), looked=True)
    return Values(tuple(tally.mismatch(table.file, asks=asks) for tally in tallies), looked=True)


def _asked(schema: TableSchema) -> tuple[Field, ...]:
    """The fields, and those of its key: they have no gaps (Table Schema, `primaryKey`)."""
    fields = {field.name: field for field in schema.fields}
    for name in schema.primary_key:
        field = fields.get(name, Field(name=name))
        fields[name] = field.model_copy(update={"constraints": field.constraints.model_copy(update={"required": True})})
    return tuple(fields.values())


def unsettled(fields: Iterable[Field], table: ObservedTable) -> set[str]:
    """The columns whose nulls a scan looks for: the footer doesn't count them, or says that there are some."""
    some = {column.name for column in table.columns if column.null_count != 0}
    return {field.name for field in fields if field.constraints.required and field.name in some}


def _header_again(file: str, row: int, line: int | None, count: int) -> Mismatch:
    """The one cause of a value in each column that is the column's name."""
    where = f"row {row:,}" + (f", line {line:,}" if line else "")
    return Mismatch(
        kind=Kind.HEADER,
        severity=Severity.ERROR,
        file=file,
        expected="one header",
        found="headers among the rows",
        count=count,
        row=row,
        line=line,
        message=f"{where} is the header once more" + (f", as are {count - 1:,} rows behind it" if count > 1 else ""),
        hint="where files are put together, keep the header of the first one only",
    )


def _ragged(file: str, width: int, row: int, line: int | None, count: int) -> Mismatch:
    where = f"row {row:,}" + (f", line {line:,}" if line else "")
    return Mismatch(
        kind=Kind.RAGGED,
        severity=Severity.ERROR,
        file=file,
        expected=f"{width} columns in every row",
        found="rows with more or fewer",
        count=count,
        row=row,
        line=line,
        message=f"{where} has more or fewer columns than the header's {width}",
        hint="quote values that hold the delimiter, and write every row with one writer",
    )


def _damaged(path: Path, table: ObservedTable, error: BaseException) -> Mismatch:
    """Why a text file can't be read to its end."""
    if "UTF8" in str(error) and (place := _bad_byte(path)):
        line, byte = place
        return Mismatch(
            kind=Kind.ENCODING,
            severity=Severity.ERROR,
            file=table.file,
            expected="UTF-8",
            found="another encoding, such as Latin-1",
            line=line,
            example=f"byte 0x{byte:02x} in line {line}",
            message=f"the text isn't UTF-8: byte 0x{byte:02x} in line {line:,} (Latin-1?)",
            hint='write it with encoding="utf-8"',
        )
    if "straddling" in str(error):  # pyarrow's word for a row that no block holds
        from cursus_sandbox.tables.delimited import open_quote  # noqa: PLC0415

        return open_quote(table.file, table.format, None)
    return unreadable(table.file, _first_line(error), kind=table.format)


def _bad_byte(path: Path) -> tuple[int, int] | None:
    """The line and value of the first byte that isn't UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        while content := stream.read(_CHUNK):
            try:
                decoder.decode(content)
            except UnicodeDecodeError as error:
                before = len(error.object) - len(content)  # what the chunk before left of a character
                return line + content.count(b"\n", 0, max(0, error.start - before)), error.object[error.start]
            line += content.count(b"\n")
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

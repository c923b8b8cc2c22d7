"""A Parquet file by its footer alone: columns, types, rows, and null counts from the statistics.

This module imports pyarrow; `observed` imports it when the first Parquet file is met.
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import IO

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from cursus_sandbox.tables.arrow_types import family_of, observed_type
from cursus_sandbox.tables.footer import null_counts
from cursus_sandbox.tables.mismatch import Mismatch
from cursus_sandbox.tables.observed import Format, ObservedColumn, ObservedTable, unreadable

GZIP = b"\x1f\x8b"
_SHORTEST = 12  # PAR1, the length of the footer, PAR1
_LARGEST_UNPACKED = 256 << 20


def parquet_table(stream: IO[bytes], *, file: str) -> ObservedTable | Mismatch:
    """Give the table in an open, non-empty Parquet file, or why it can't be read."""
    head = stream.read(4)
    if head[:2] == GZIP:
        try:
            stream = unpacked(stream)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            return unreadable(file, f"it is gzip-compressed, and {error}", kind=Format.PARQUET)
        head = stream.read(4)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 4))
    if problem := _magic_problem(head, stream.read(), size):
        return unreadable(file, problem[0], kind=Format.PARQUET, hint=problem[1])
    stream.seek(0)
    try:
        parquet = pq.ParquetFile(stream)
        schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        return unreadable(file, f"its footer is damaged ({_first_line(error)})", kind=Format.PARQUET)
    stream.seek(size - 8)
    length = int.from_bytes(stream.read(4), "little")
    stream.seek(size - 8 - length)
    nulls = _null_counts(stream.read(length), schema)
    nulls = [rows if field.type == pa.null() else count for field, count in zip(schema, nulls, strict=True)]
    columns = tuple(_column(field, count) for field, count in zip(schema, nulls, strict=True))
    return ObservedTable(file, Format.PARQUET, columns, rows)


def _column(field: pa.Field, nulls: int | None) -> ObservedColumn:
    text = _text(field.type)
    return ObservedColumn(field.name, text, family_of(observed_type(text)), nulls if field.nullable else 0)


def _text(kind: pa.DataType) -> str:
    """Write a type as its storage is. pyarrow's own text of a map holds the column's name, whatever is in it."""
    if isinstance(kind, pa.BaseExtensionType):
        return _text(kind.storage_type)
    if pa.types.is_map(kind):
        return f"map<{_text(kind.key_type)}, {_text(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_text(field.type)}' for field in kind)}>"
    if pa.types.is_nested(kind) and hasattr(kind, "value_type"):
        head, size = str(kind).partition("<")[0], getattr(kind, "list_size", None)
        return f"{head}<{_text(kind.value_type)}>" + (f"[{size}]" if size is not None else "")
    return str(kind)


def _null_counts(footer: bytes, schema: pa.Schema) -> list[int | None]:
    """Give the nulls of each top-level column, None where the footer doesn't tell.

    A nested column's own nulls aren't counted in the footer; but when one of its leaves has no null, nor has it.
    """
    widths = [_leaves(field.type) for field in schema]
    leaves = null_counts(footer, columns=sum(widths))
    counts: list[int | None] = []
    for field, width in zip(schema, widths, strict=True):
        own, leaves = leaves[:width], leaves[width:]
        nested = pa.types.is_nested(field.type)
        counts.append((0 if 0 in own else None) if nested else own[0])
    return counts


def _leaves(kind: pa.DataType) -> int:
    """Count the Parquet columns an Arrow type is written to."""
    if isinstance(kind, pa.BaseExtensionType):
        return _leaves(kind.storage_type)
    if pa.types.is_nested(kind):
        return sum(_leaves(kind.field(index).type) for index in range(kind.num_fields))
    return 1


def _magic_problem(head: bytes, tail: bytes, size: int) -> tuple[str, str] | None:
    """Give what the first and last bytes already tell, and what to do about it."""
    if b"PARE" in {head, tail}:
        return "its footer is encrypted", "write it without encryption: its columns can't be checked otherwise"
    if head != b"PAR1":
        hint = "name the file for what it is: .csv, .json" if _is_text(head) else ""
        return ("it is text" if hint else "it doesn't start with the Parquet mark PAR1"), hint
    if tail != b"PAR1" or size < _SHORTEST:
        return "it is cut off: its footer is missing", "did the step close its writer, and was the disk full?"
    return None


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\n\r" or byte >= ord(" ") for byte in head) and head.isascii()


def unpacked(stream: IO[bytes]) -> IO[bytes]:
    """Unpack a gzipped Parquet file into memory (a footer is at the end, so there is no other way)."""
    stream.seek(0)
    with gzip.open(stream) as packed:
        content = packed.read(_LARGEST_UNPACKED + 1)
    if len(content) > _LARGEST_UNPACKED:
        raise ValueError(f"unpacks to more than {_LARGEST_UNPACKED >> 20} MiB; Parquet compresses by itself")
    return io.BytesIO(content)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

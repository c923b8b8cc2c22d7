"""The values of a Parquet file's columns, batch by batch. Imports pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from cursus_sandbox import bytes_done
from cursus_sandbox.tables.constraints import ColumnCheck, Tally, key_of, repeated_keys
from cursus_sandbox.tables.parquet import GZIP, unpacked
from cursus_sandbox.tables.schema import Field

_ROWS = 65_536


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The file, checksums of its pages verified where it has some; unpacked, where all of it is gzipped."""
    with path.open("rb") as stream:
        packed = unpacked(stream) if stream.read(len(GZIP)) == GZIP else None
    with pq.ParquetFile(packed or path, page_checksum_verification=True) as parquet:
        yield parquet


def scanned(path: Path, columns: Sequence[str], fields: Sequence[Field], *, key: tuple[str, ...]) -> list[Tally]:
    """What is broken in these columns; raises pyarrow's errors where their pages can't be read."""
    checks = {field.name: ColumnCheck(field, key=key == (field.name,)) for field in fields}
    keys: list[pa.Array] = []
    rows = 0
    with _opened(path) as parquet:
        for batch in parquet.iter_batches(batch_size=_ROWS, columns=list(columns)):
            bytes_done.add(batch.nbytes)
            there = dict(zip(batch.schema.names, batch.columns, strict=True))
            for name, check in checks.items():
                check.take(there[name], rows + 1)
            if len(key) > 1:
                keys.append(key_of(there[name] for name in key))
            rows += batch.num_rows
    found = [tally for check in checks.values() for tally in check.tallies()]
    if keys:
        twice = repeated_keys(keys, key)
        found += [twice] if twice.count else []
    return found

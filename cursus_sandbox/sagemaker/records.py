"""The objects of a transform's input, as the payloads that its model gets."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from cursus_sandbox.pipeline.transform import BatchStrategy, CompressionType, SplitType

MB = 1024 * 1024


class RecordError(Exception):
    """Input that no request can be made of: the job's failure."""


def objects(source: Path) -> list[tuple[str, Path]]:
    """Each object's key, relative to the prefix, and its file; of a single file its name."""
    if not source.is_dir():
        return [(source.name, source)]
    found = []
    for parent, folders, files in os.walk(source):
        folders.sort()
        paths = [Path(parent, name) for name in sorted(files)]
        found += [(path.relative_to(source).as_posix(), path) for path in paths if path.is_file()]
    return found


def payloads(
    file: Path,
    *,
    split: SplitType,
    strategy: BatchStrategy,
    compression: CompressionType,
    most: int,
) -> Iterator[bytes]:
    """The bodies of the requests for an object, each at most `most` bytes (0 is no limit); RecordError beyond that.

    A line keeps its newline. An empty object has no records.
    """
    try:
        with _opened(file, compression) as stream:
            records = iter(lambda: stream.readline(most + 1 if most else -1), b"") if split is SplitType.LINE else None
            if records is None:
                whole = stream.read(most + 1 if most else -1)
                records = iter([whole] if whole else [])
            yield from _batches(
                records, most, several=split is SplitType.LINE and strategy is BatchStrategy.MULTI_RECORD
            )
    except (gzip.BadGzipFile, EOFError) as error:
        raise RecordError(f"it is no whole gzip file: {error}") from error


def _batches(records: Iterator[bytes], most: int, *, several: bool) -> Iterator[bytes]:
    batch: list[bytes] = []
    held = 0
    for number, record in enumerate(records, start=1):
        if most and len(record) > most:
            raise RecordError(
                f"record {number:,} is larger than MaxPayloadInMB allows ({most / MB:g} MB): set a larger "
                "max_payload_in_mb, or split the input into smaller records"
            )
        if batch and (not several or (most and held + len(record) > most)):
            yield b"".join(batch)
            batch, held = [], 0
        batch.append(record)
        held += len(record)
    if batch:
        yield b"".join(batch)


def _opened(file: Path, compression: CompressionType) -> BinaryIO:
    return cast("BinaryIO", gzip.open(file)) if compression is CompressionType.GZIP else file.open("rb")

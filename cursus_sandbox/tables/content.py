"""What is in a Parquet file, as one word: the same for the same table, whoever wrote it and however it is packed.

It counts what a reader gets: the columns, their types and order, each value bit by bit, the order of the rows, and the
table's own metadata, such as what pandas says of its index. It doesn't count how that is stored: compression,
encodings, row groups, pages, statistics, and the name and version of the writer. Imports pyarrow.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from cursus_sandbox.untrusted import opened

_ROWS = 65_536
_BUFFER = 1 << 20  # bytes: without it, pyarrow reads all of a row group's column at once
_WRITER = ("creator", "pandas_version")  # of pandas' own metadata


def table_digest(path: Path) -> str | None:
    """The SHA-256 of a Parquet file's table; None where there is none that can be read."""
    content = _Content()
    try:
        with opened(path) as file, pq.ParquetFile(file, buffer_size=_BUFFER) as parquet:
            schema = _without_writer(parquet.schema_arrow)
            rows = parquet.metadata.num_rows
            for batch in parquet.iter_batches(batch_size=_ROWS):
                for number, column in enumerate(batch.columns):
                    content.feed(str(number), column)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError, RecursionError):
        return None
    return hashlib.sha256(repr((schema.serialize().to_pybytes(), rows, content.told())).encode()).hexdigest()


class _Content:
    """The values of columns, fed piece by piece: what comes of them doesn't depend on where they were cut."""

    def __init__(self) -> None:
        self._digests: dict[str, Any] = defaultdict(hashlib.sha256)
        self._lengths: dict[str, int] = defaultdict(int)
        self._categories: dict[str, pa.Array] = {}

    def feed(self, name: str, array: pa.Array) -> None:
        """Take the next piece of a column: where it has no value, and then the values there are."""
        if array.null_count:
            at = pc.add(pc.indices_nonzero(array.is_null()), pa.scalar(self._lengths[name], pa.uint64()))
            self._digests[f"{name} nulls"].update(_bytes(at))
        self._lengths[name] += len(array)
        self._values(name, array.type, array.drop_null() if array.null_count else array)

    def told(self) -> list[tuple[str, object]]:
        """All that was fed, in short."""
        for name, known in self._categories.items():
            self.feed(f"{name} categories", known)
        digests = [(name, digest.hexdigest()) for name, digest in self._digests.items()]
        return sorted(digests) + sorted(self._lengths.items())

    def _values(self, name: str, kind: pa.DataType, array: pa.Array) -> None:
        """Take values none of which is null."""
        types = pa.types
        if isinstance(kind, pa.BaseExtensionType):
            self._values(name, kind.storage_type, array.storage)
        elif types.is_dictionary(kind):
            self._categorize(name, array.dictionary)
            self.feed(f"{name} category", array.dictionary_decode())
        elif types.is_struct(kind):
            for number, field in enumerate(array.flatten()):
                self.feed(f"{name}.{number}", field)
        elif types.is_map(kind):
            self._values(name, *_typed(array.cast(pa.list_(pa.struct([kind.key_field, kind.item_field])))))
        elif types.is_nested(kind):  # lists of all kinds
            self._digests[f"{name} lengths"].update(_bytes(array.value_lengths().cast(pa.int64())))
            self.feed(f"{name}[]", array.flatten())
        elif kind.id in _TEXTS:
            whole = array.cast(pa.large_binary())
            self._digests[f"{name} lengths"].update(_bytes(pc.binary_length(whole)))
            self._digests[name].update(_text(whole))
        elif not types.is_null(kind):
            self._digests[name].update(_bytes(array.cast(pa.uint8()) if types.is_boolean(kind) else array))

    def _categorize(self, name: str, categories: pa.Array) -> None:
        """Note categories in the order in which a reader meets them: their codes depend on it."""
        known = self._categories.get(name)
        new = categories if known is None else categories.filter(pc.invert(pc.is_in(categories, known)))
        self._categories[name] = new if known is None else pa.concat_arrays([known, new])


_TEXTS = {kind.id for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary())} | {
    pa.binary_view().id
}


def _typed(array: pa.Array) -> tuple[pa.DataType, pa.Array]:
    return array.type, array


def _bytes(array: pa.Array) -> memoryview:
    """The values of an array of one width, without nulls."""
    width = array.type.bit_width // 8
    buffer = array.buffers()[1]
    return memoryview(buffer or b"")[array.offset * width : (array.offset + len(array)) * width]


def _text(array: pa.Array) -> memoryview:
    """The bytes of all values of a large_binary array, one behind the other."""
    _, offsets, data = array.buffers()
    if not len(array):
        return memoryview(b"")
    ends = memoryview(offsets).cast("q")
    return memoryview(data or b"")[ends[array.offset] : ends[array.offset + len(array)]]


def _without_writer(schema: pa.Schema) -> pa.Schema:
    """A schema with its metadata in order, without what they say of who wrote them."""
    found = dict(sorted((schema.metadata or {}).items()))
    if written := found.get(b"pandas"):
        told = json.loads(written)
        found[b"pandas"] = json.dumps({key: told[key] for key in sorted(told) if key not in _WRITER}).encode()
    return schema.with_metadata(found)

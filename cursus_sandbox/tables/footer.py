"""The null counts in a Parquet footer, read without pyarrow.

pyarrow gives them too, but it ends the whole process (an uncaught C++ exception, seen in 26.0) when the size statistics
of a damaged footer don't fit its schema. A runner must outlive the files that it checks, so the few numbers that are
needed are taken from the footer's own encoding: Thrift's compact protocol, with the field ids of `parquet.thrift`.
"""

from __future__ import annotations

from collections.abc import Callable

_ROW_GROUPS, _COLUMNS, _META_DATA, _STATISTICS, _NULL_COUNT = 4, 1, 3, 12, 3  # ids in parquet.thrift
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_VARINTS = range(4, 7)  # i16, i32, i64
_LONG = 15  # a list this long or longer has its length in a varint of its own


def null_counts(footer: bytes, *, columns: int) -> list[int | None]:
    """Sum the nulls of each leaf column over the row groups; None where one doesn't tell, or the footer is damaged."""
    groups: list[list[int | None]] = []
    reader = _Reader(footer)

    def chunk() -> int | None:
        counts: list[int] = []

        def statistics() -> None:
            reader.struct({_NULL_COUNT: lambda: counts.append(reader.zigzag())})

        reader.struct({_META_DATA: lambda: reader.struct({_STATISTICS: statistics})})
        return counts[-1] if counts else None

    def row_group() -> None:
        found: list[int | None] = []
        reader.struct({_COLUMNS: lambda: reader.structs(lambda: found.append(chunk()))})
        groups.append(found)

    try:
        reader.struct({_ROW_GROUPS: lambda: reader.structs(row_group)})
    except (IndexError, ValueError, RecursionError):
        return [None] * columns
    if any(len(group) != columns for group in groups):
        return [None] * columns
    return [_total([group[column] for group in groups]) for column in range(columns)]


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None and count >= 0]
    return sum(known) if len(known) == len(counts) else None


class _Reader:
    """Thrift's compact protocol, read from left to right; IndexError at the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def struct(self, wanted: dict[int, Callable[[], None]]) -> None:
        """Read a struct: call what is wanted of its fields when the reader stands on them, skip the others."""
        field = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            field = field + step if step else self.zigzag()
            read = wanted.get(field)
            if read is None:
                self._skip(kind)
            else:
                read()

    def structs(self, read: Callable[[], None]) -> None:
        """Read a list of structs."""
        size, kind = self._list_head()
        if kind != _STRUCT:
            raise ValueError("not a list of structs")
        for _ in range(size):
            read()

    def zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _byte(self) -> int:
        byte = self.data[self.at]
        self.at += 1
        return byte

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - the bit that says another byte follows
                return number
            shift += 7

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        size, kind = head >> 4, head & 15
        return (self._varint() if size == _LONG else size), kind

    def _skip(self, kind: int, *, element: bool = False) -> None:
        if kind in _VARINTS:
            self._varint()
        elif kind == _BINARY:
            size = self._varint()
            self.at += size
        elif kind == _STRUCT:
            self.struct({})
        elif kind in {_LIST, _SET}:
            size, inner = self._list_head()
            for _ in range(size):
                self._skip(inner, element=True)
        elif kind in {_TRUE, _FALSE}:  # a field's value is in its type, an element's in a byte
            self.at += element
            self.data[self.at - 1]
        elif kind == _BYTE:
            self._byte()
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _MAP:
            self._skip_map()
        else:
            raise ValueError(f"no Thrift type {kind}")

    def _skip_map(self) -> None:
        size = self._varint()
        kinds = self._byte() if size else 0
        for _ in range(size):
            self._skip(kinds >> 4, element=True)
            self._skip(kinds & 15, element=True)

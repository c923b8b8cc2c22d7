"""The null counts in a Parquet footer, read without pyarrow.

pyarrow gives them too, but it ends the whole process (an uncaught C++ exception, seen in 26.0) when the size statistics
of a damaged footer don't fit its schema. A runner must outlive the files that it checks, so the few numbers that are
needed are taken from the footer's own encoding: Thrift's compact protocol, with the field ids of `parquet.thrift`.
"""

from __future__ import annotations

from collections.abc import Callable

_ROW_GROUPS, _COLUMNS, _META_DATA, _STATISTICS, _NULL_COUNT = 4, 1, 3, 12, 3  # ids in parquet.thrift
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_I16, _I64 = 4, 6  # the integers, which are written alike
_LAST = 127  # of a number: a larger byte says that another follows
_FAR = 15  # a field that is not soon behind the one before has its id in a varint of its own
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
        while head := self.data[self.at]:
            self.at += 1
            field = field + (head >> 4) if head > _FAR else self.zigzag()
            read = wanted.get(field)
            if read is None:
                self.at = _after(self.data, self.at, head & 15)
            else:
                read()
        self.at += 1

    def structs(self, read: Callable[[], None]) -> None:
        """Read a list of structs."""
        size, kind, self.at = _list_head(self.data, self.at)
        if kind != _STRUCT:
            raise ValueError("not a list of structs")
        for _ in range(size):
            read()

    def zigzag(self) -> int:
        number, self.at = _varint(self.data, self.at)
        return (number >> 1) ^ -(number & 1)


# Most of a footer is skipped, byte by byte and for each of a thousand files: hence functions of plain numbers.


def _after(data: bytes, at: int, kind: int) -> int:  # noqa: C901 -- a table
    """Where the value of a field ends that begins here."""
    if _I16 <= kind <= _I64:
        while data[at] > _LAST:
            at += 1
        return at + 1
    if kind == _BINARY:
        size, at = _varint(data, at)
        return at + size
    if kind == _STRUCT:
        while head := data[at]:
            at += 1
            if head <= _FAR:
                at = _after(data, at, _I64)
            if (kind := head & 15) > _FALSE:
                at = _after(data, at, kind)
        return at + 1
    if kind in {_LIST, _SET}:
        size, inner, at = _list_head(data, at)
        return _after_elements(data, at, size, inner)
    if kind in {_TRUE, _FALSE}:  # its value is in its type
        return at
    if kind == _BYTE:
        return at + 1
    if kind == _DOUBLE:
        return at + 8
    if kind == _MAP:
        size, at = _varint(data, at)
        return _after_elements(data, at + 1, size, data[at] >> 4, data[at] & 15) if size else at
    raise ValueError(f"no Thrift type {kind}")


def _after_elements(data: bytes, at: int, size: int, *kinds: int) -> int:
    """Where the elements of a list, or the keys and values of a map, end: a truth value is a byte of its own there."""
    kinds = tuple(_BYTE if kind in {_TRUE, _FALSE} else kind for kind in kinds)
    for _ in range(size):
        data[at]  # however many there are said to be, they end with the bytes
        for kind in kinds:
            at = _after(data, at, kind)
    return at


def _list_head(data: bytes, at: int) -> tuple[int, int, int]:
    """The size of a list, the type of its elements, and where they begin."""
    head = data[at]
    size, at = (head >> 4, at + 1) if head >> 4 != _LONG else _varint(data, at + 1)
    return size, head & 15, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    number = shift = 0
    while (byte := data[at]) > _LAST:
        number |= (byte & _LAST) << shift
        shift += 7
        at += 1
    return number | byte << shift, at + 1

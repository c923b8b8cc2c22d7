"""A step's log on disk: the bytes it wrote, and of more than anybody will read the beginning and the end."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

LIMIT = 1024**3
_END = 1024**2  # bytes of the end that are kept in memory, once a log is longer than its limit


class StepLog:
    """A log of at most `limit` bytes and a few words. What is left out is said, in its place and with its size.

    Whatever a step writes, no more than a megabyte of it is in memory.
    """

    def __init__(self, file: Path, limit: int | None = None) -> None:
        self._path = file
        self._limit = LIMIT if limit is None else limit
        self._kept_of_end = min(_END, self._limit // 2)
        self._room = self._limit - self._kept_of_end
        self._end = bytearray()
        self._beyond = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("wb", buffering=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._file:
            if (left_out := self._beyond - len(self._end)) > 0:
                self._put(f"\n[cursus-sandbox: {left_out:,} bytes are left out here; the end follows]\n".encode())
            self._put(self._end)

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of it, as far as there is room."""
        now = data[: self._room]
        self._put(now)
        self._room -= len(now)
        if rest := data[len(now) :]:
            self._beyond += len(rest)
            self._end += rest
            if (over := len(self._end) - self._kept_of_end) > 0:
                del self._end[:over]
        return len(data)

    def _put(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:  # an unbuffered file may take less at a time
            view = view[self._file.write(view) :]
        view.release()

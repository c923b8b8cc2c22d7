"""Bytes that take a while to be read, copied or sent: whoever waits for them in a thread hears how many are done."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

_PIECE = 1024 * 1024
_FICLONE = 0x40049409  # ioctl_ficlone(2): btrfs, XFS and others


class Listener(Protocol):
    """Who waits."""

    def expect(self, more: int) -> None:
        """So many bytes more are to come."""

    def add(self, more: int) -> None:
        """So many bytes more are done."""


class Stopped(Exception):  # noqa: N818 -- nothing is wrong
    """Nobody waits any more for what was going on."""


class Until:
    """A listener that has what goes on stop, by raising Stopped, once it is to."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def expect(self, more: int) -> None:
        """Nobody is told."""

    def add(self, more: int) -> None:  # noqa: ARG002 -- a listener's
        """So many bytes more are done, and it may be time to stop."""
        if self._stopping.is_set():
            raise Stopped


_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard(by: Listener) -> Iterator[None]:
    """While this goes on, `by` hears of the bytes that are done in this thread."""
    before = _LISTENER.set(by)
    try:
        yield
    finally:
        _LISTENER.reset(before)


def add(more: int) -> None:
    """So many bytes more are done."""
    if listener := _LISTENER.get():
        listener.add(more)


def expect(source: Path) -> None:
    """Say that a file, or all files of a folder, are about to be done: they are only measured if anybody listens."""
    if listener := _LISTENER.get():
        listener.expect(_size(source))


def copy_bytes(source: str | Path, target: str | Path) -> None:
    """Copy a file; where the file system can, both share their blocks until one of them is written.

    OSError for what is no regular file.
    """
    if not stat.S_ISREG(Path(source).stat().st_mode):
        raise shutil.SpecialFileError(f"{source} is no regular file, it can't be copied")
    with Path(source).open("rb", buffering=0) as original, Path(target).open("wb") as copy:
        try:
            fcntl.ioctl(copy, _FICLONE, original.fileno())
            add(os.fstat(original.fileno()).st_size)
        except OSError:
            while piece := original.read(_PIECE):
                copy.write(piece)
                add(len(piece))


def _size(source: Path) -> int:
    """The bytes of a file, or of all files of a folder, links left aside."""
    total = 0
    for path in source.rglob("*") if source.is_dir() else (source,):
        with suppress(OSError):  # who copies it says what is wrong
            found = path.lstat()
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total

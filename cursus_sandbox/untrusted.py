"""Files and folders that a step has made: opened and removed without trusting them.

No link is followed, no pipe, socket or device is opened, and nothing here recurses: a step may nest folders as deep as
its own file system lets it, close them (mode 000), and name them in any bytes.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

_OWNER = 0o700
_LARGEST_READ = 1 << 20
_FAR = 200  # bytes of a path below the top


def opened(file: Path) -> BinaryIO:
    """A regular file, for reading; OSError for anything else, at once: a pipe without a writer would wait for ever."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{file} is no regular file")
    return os.fdopen(descriptor, "rb")


@contextmanager
def tar(file: Path) -> Iterator[tarfile.TarFile]:
    """A tar archive, gzipped or not, to read from its beginning to its end.

    tarfile takes a member's long name or attributes into memory whatever their size: beyond a megabyte that is an
    error here. Raises OSError, EOFError, zlib.error and tarfile.TarError.
    """
    with opened(file) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        content = _SmallReads(gzip.GzipFile(fileobj=raw) if packed else raw)
        with tarfile.open(fileobj=cast("BinaryIO", content), mode="r:") as archive:
            yield archive


def folder_at(top: Path, inside: Path) -> None:
    """Make `inside`, below `top`, a new empty folder; what stands in its way is removed, also a link on the way."""
    way = top
    for part in inside.relative_to(top).parts:
        way /= part
        if way == inside or not _is_folder(way):
            remove(way)
            way.mkdir()


def remove(path: Path) -> None:
    """Take a file, a link or a folder away, if it is there."""
    if _is_folder(path):
        empty(path)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def empty(folder: Path) -> None:
    """Take away all that is in a folder, also what its owner may not list.

    Folders far down are first moved to the top, so that no path grows. What is empty goes without any right on itself:
    the kernel leaves such a `work/work` behind an overlay, root's where a daemon mounted it. PermissionError when
    something full belongs to somebody else.
    """
    top = os.fsencode(folder)
    numbers = count()
    waiting = [(top, False)]
    while waiting:
        here, is_empty = waiting.pop()
        if is_empty:
            os.rmdir(here)  # noqa: PTH106 -- a step leaves many of them, and a Path takes longer than the kernel
            continue
        if here != top:
            waiting.append((here, True))
        for name in _emptied(here):
            inside = b"%s/%s" % (here, name)
            waiting.append((inside if len(inside) < len(top) + _FAR else _moved(inside, top, numbers), False))


class _SmallReads:
    """A file of which only so much is read at once."""

    def __init__(self, file: BinaryIO | gzip.GzipFile) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes; tarfile.ReadError for more than is small, or all."""
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError("one of its headers is larger than a megabyte")
        return self._file.read(size)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _emptied(folder: bytes) -> list[bytes]:
    """The full folders in a folder, of which all else is taken away."""
    with suppress(PermissionError):
        if os.lstat(folder).st_mode & _OWNER != _OWNER:
            os.chmod(folder, _OWNER)  # noqa: PTH101
    full = []
    with os.scandir(folder) as found:
        for entry in list(found):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108
                continue
            try:
                os.rmdir(entry.path)  # noqa: PTH106
            except OSError:
                full.append(entry.name)
    return full


def _moved(folder: bytes, top: bytes, numbers: Iterator[int]) -> bytes:
    """Bring a folder to the top, under a name that is free there."""
    with suppress(PermissionError):
        os.chmod(folder, _OWNER)  # noqa: PTH101 -- to move a folder is to write its `..`
    while os.path.lexists(place := b"%s/.removing-%d" % (top, next(numbers))):
        pass
    os.rename(folder, place)  # noqa: PTH104
    return place

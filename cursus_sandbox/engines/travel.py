"""Files that travel as a tar stream, to and from where this machine's files are not seen.

Both ways hold one piece of a file at a time, whatever its size. What arrives was left by a step, so it is taken with
care: names that lead elsewhere and devices are refused, no link is followed, nothing that exists is opened, and it all
belongs to the caller, who may read it. Links and pipes arrive as what they are: whoever judges outputs sees them.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Self

from cursus_sandbox import bytes_done
from cursus_sandbox.errors import EngineError

PIECE = 1024 * 1024
MOST_ENTRIES = 1_000_000
_BLOCK = 512
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file or folder to send, and its name in the stream.

    Who gets it may write what is `writable`. `owner` is their user and group number; None is someone whose number isn't
    known, so that everyone may do what they may.
    """

    source: Path
    name: PurePosixPath
    owner: tuple[int, int] | None
    writable: bool = True


def packed(*parcels: Parcel) -> Iterator[bytes]:
    """Give a tar stream. EngineError for what can't be sent: what is no file, folder or link, or changes meanwhile."""
    for parcel in parcels:
        bytes_done.expect(parcel.source)
    for parcel in parcels:
        try:
            yield from filter(None, _entries(parcel))  # nothing in between is taken for the end
        except OSError as error:
            raise EngineError(
                f"{error.filename or parcel.source} could not be sent to the daemon: {error.strerror}",
                hint="Check that it is readable, and that nothing else changes it.",
            ) from error
    yield bytes(2 * _BLOCK)


def text_entry(name: PurePosixPath, text: str) -> bytes:
    """Give a file of root's that everyone may read, as a piece of a tar stream."""
    data = text.encode()
    header = tarfile.TarInfo(_relative(name))
    header.size, header.mode = len(data), 0o644
    return _bytes_of(header) + data + _padding(len(data))


def unpack(stream: IO[bytes], folder: Path) -> None:
    """Put what a tar stream holds into an empty folder; its first entry is the folder itself, or the only file."""
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive, _Arrival(folder) as arrival:
            for entry in archive:
                archive.members = []  # type: ignore[attr-defined] # or they would all be kept
                arrival.take(archive, entry)
    except (OSError, tarfile.TarError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _refusal(folder, reason) from error


class _Arrival:
    """A folder that entries arrive in, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._top: PurePosixPath | None = None
        self._count = 0

    def __enter__(self) -> Self:
        self._root = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def take(self, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        """Make what an entry says; EngineError for what must not be made."""
        self._count += 1
        if self._count > MOST_ENTRIES:
            raise self._refusal(f"more than {MOST_ENTRIES:,} files were left")
        name = PurePosixPath(entry.name)
        if self._top is None:
            self._top = name if entry.isdir() else name.parent
        inside = self._inside(name)
        if not inside.parts:
            return
        with closing(_Opened(self._root, inside.parent)) as parent:
            if entry.isdir():
                os.mkdir(inside.name, 0o700, dir_fd=parent.descriptor)
                os.chmod(inside.name, entry.mode & 0o777 | 0o700, dir_fd=parent.descriptor)
            elif entry.isreg():
                self._take_file(archive, entry, inside.name, parent.descriptor)
            elif entry.issym():
                os.symlink(entry.linkname, inside.name, dir_fd=parent.descriptor)
            elif entry.islnk():
                self._take_hard_link(entry, inside.name, parent.descriptor)
            elif entry.isfifo():
                os.mkfifo(inside.name, 0o600, dir_fd=parent.descriptor)
            else:
                raise self._refusal(f"{inside} is a device")

    def _take_file(self, archive: tarfile.TarFile, entry: tarfile.TarInfo, name: str, parent: int) -> None:
        space = os.fstatvfs(self._root)
        if entry.size > space.f_bavail * space.f_frsize:
            raise self._refusal(f"there is no room for {name!r} of {entry.size:,} bytes")
        content = archive.extractfile(entry)
        descriptor = os.open(name, _MAKE, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb") as file:
            while content and (piece := content.read(PIECE)):
                file.write(piece)
            file.flush()
            os.fchmod(descriptor, entry.mode & 0o777 | 0o600)
            os.utime(descriptor, (entry.mtime, entry.mtime))

    def _take_hard_link(self, entry: tarfile.TarInfo, name: str, parent: int) -> None:
        target = self._inside(PurePosixPath(entry.linkname))
        with closing(_Opened(self._root, target.parent)) as there:
            if not stat.S_ISREG(os.lstat(target.name, dir_fd=there.descriptor).st_mode):
                raise self._refusal(f"{name!r} is a link to something that is no file")
            os.link(target.name, name, src_dir_fd=there.descriptor, dst_dir_fd=parent, follow_symlinks=False)

    def _inside(self, name: PurePosixPath) -> PurePosixPath:
        """A name in the stream, from the folder on."""
        if name.is_absolute() or ".." in name.parts or self._top is None:
            raise self._refusal(f"{str(name)!r} leads elsewhere")
        try:
            return name.relative_to(self._top)
        except ValueError:
            raise self._refusal(f"{str(name)!r} leads elsewhere") from None

    def _refusal(self, what: str) -> EngineError:
        return _refusal(self._folder, what)


class _Opened:
    """A folder below another, reached without following a link."""

    def __init__(self, root: int, inside: PurePosixPath) -> None:
        self.descriptor = os.dup(root)
        for part in inside.parts:
            try:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.descriptor)
            finally:
                os.close(self.descriptor)
            self.descriptor = below

    def close(self) -> None:
        os.close(self.descriptor)


def _entries(parcel: Parcel) -> Iterator[bytes]:
    """A file or a folder with all that is in it, links as links."""
    waiting = [(parcel.source, parcel.name)]
    while waiting:
        path, name = waiting.pop()
        found = path.lstat()
        header = tarfile.TarInfo(_relative(name))
        header.mtime = int(found.st_mtime)
        header.uid, header.gid = parcel.owner or (0, 0)
        header.mode = _mode(found.st_mode, parcel)
        if stat.S_ISDIR(found.st_mode):
            header.type = tarfile.DIRTYPE
            waiting += [(path / child, name / child) for child in sorted(os.listdir(path), reverse=True)]  # noqa: PTH208 -- names
            yield _bytes_of(header)
        elif stat.S_ISLNK(found.st_mode):
            header.type, header.linkname = tarfile.SYMTYPE, str(path.readlink())
            yield _bytes_of(header)
        elif stat.S_ISREG(found.st_mode):
            yield from _content(header, path)
        else:
            raise OSError(None, "it is no regular file", str(path))


def _content(header: tarfile.TarInfo, path: Path) -> Iterator[bytes]:
    with os.fdopen(os.open(path, _READ), "rb", buffering=0) as file:
        header.size = left = os.fstat(file.fileno()).st_size
        yield _bytes_of(header)
        while left:
            piece = file.read(min(left, PIECE))
            if not piece:
                raise OSError(None, "it became shorter while it was read", str(path))
            left -= len(piece)
            yield piece
            bytes_done.add(len(piece))
    yield _padding(header.size)


def _mode(found: int, parcel: Parcel) -> int:
    """The rights of the one who gets it: what the owner has, for everyone where their number isn't known."""
    runs = stat.S_ISDIR(found) or found & 0o100
    mode = found & 0o777 | (0o400 | (0o200 if parcel.writable else 0) | (0o100 if runs else 0))
    return mode if parcel.owner else mode | (mode & 0o700) >> 3 | (mode & 0o700) >> 6


def _bytes_of(header: tarfile.TarInfo) -> bytes:
    return header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _relative(name: PurePosixPath) -> str:
    return str(name).lstrip("/")


def _refusal(folder: Path, what: str) -> EngineError:
    return EngineError(
        f"what a container left could not be brought to {folder}: {what}",
        hint="Look at what the step writes, and at the room there is.",
    )

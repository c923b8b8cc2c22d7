"""The objects of an S3 prefix, listed and brought to this machine, by pyarrow.

What arrived is kept: DOWNLOADS/<endpoint, bucket and key>/<ETag and size>, hashed. An ETag is a version's name and
nothing more: of an object that came in several parts it is no MD5. A download is named `.part` until all of it is
there, on disk, and its object still has the same ETag; what an interruption leaves of it is gone on with.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cursus_sandbox.errors import MachineError, did_you_mean
from cursus_sandbox.inputs.downloads import read_now
from cursus_sandbox.inputs.s3_access import NoSuchObjectsError, S3Error, connected, endpoint_of, refusal
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.tables.schema import TableSchema

_CHUNK = 8 * 1024 * 1024  # bytes of one request
_AT_ONCE = 8  # objects
_TRIES = 3  # of an object that changes while it is read
_WILD = set("*?[")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its path with the bucket's name, its size, and where below the input's folder it arrives."""

    path: str
    size: int
    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of a source that are taken, and how much there is in all. `files` is the way to them."""

    source: S3Objects
    files: Any
    taken: tuple[StoredObject, ...]
    there: int
    bytes_there: int

    @property
    def note(self) -> str | None:
        """What to say where it is a sample."""
        if len(self.taken) == self.there:
            return None
        size = sum(one.size for one in self.taken)
        part = f"{len(self.taken):,} of {self.there:,} objects, {size:,} of {self.bytes_there:,} bytes"
        return f"a sample of {self.source.uri}: {part}"


def listing(source: S3Objects) -> Listing:
    """The objects of a source. NoSuchObjectsError where there are none, S3Error where that can't be learned."""
    files = connected(source)
    try:
        found = sorted(_objects(files, source), key=lambda one: one.name)
    except FileNotFoundError:
        found = []
    except OSError as error:
        raise refusal(source, _told(files, source, error)) from error
    if not found:
        raise NoSuchObjectsError(f"there is nothing at {source.uri}", _near(files, source))
    if wrong := unfit(found):
        raise NoSuchObjectsError(wrong)
    return Listing(source, files, tuple(_sample(source, found)), len(found), sum(one.size for one in found))


def unfit(objects: Sequence[StoredObject]) -> str | None:
    """Why these objects can't be the files of a folder, if so: a key leads out of it, or is a folder of others."""
    folders: dict[str, StoredObject] = {}
    for one in objects:
        path = PurePosixPath(one.name)
        if {".", ".."} & {*one.name.split("/")} or path.is_absolute():
            return f"the key s3://{one.path} can't become a file's name"
        folders |= {str(parent): one for parent in path.parents}
    clash = next((one for one in objects if one.name in folders), None)
    return f"s3://{clash.path} and s3://{folders[clash.name].path} can't both be files of a folder" if clash else None


def taken(listings: Sequence[Listing]) -> list[StoredObject]:
    """The objects that are taken, each once, though several sources have it."""
    return [*{(endpoint_of(one.source), each.path): each for one in listings for each in one.taken}.values()]


def absent(listings: Sequence[Listing], folder: Path) -> int:
    """How many bytes of the objects that are taken were never brought to this folder."""
    once = {one.home: one for one in _downloads(listings, folder)}
    return sum(one.stored.size for home, one in once.items() if not home.exists())


def fetched(
    listings: Sequence[Listing], folder: Path, heard: Callable[[int], None] = lambda _: None
) -> dict[S3Objects, dict[str, Path]]:
    """A copy of every object that is taken, by its name, below a folder that one process uses at a time.

    An object of several sources is brought once. `heard` is told of the bytes as they arrive, and of those that were
    here, from several threads.
    S3Error where an object can't be brought, MachineError where the disk has no room.
    """
    downloads = _downloads(listings, folder)
    folder.mkdir(parents=True, exist_ok=True)
    missing = absent(listings, folder)
    if missing > (free := shutil.disk_usage(folder).free):
        raise MachineError(
            f"{missing:,} bytes are to be fetched from S3, and the disk of {folder} has {free:,} left",
            hint="Take a part:  s3: {max_objects: 10, max_bytes: 1g}",
        )
    files: dict[S3Objects, dict[str, Path]] = defaultdict(dict)
    stopping = threading.Event()
    # No other file system is made from here on: that would wait, inside of pyarrow, for all reading to end.
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="s3") as threads:
        once = {one.home: one for one in downloads}
        by_home = {home: threads.submit(one.fetch, stopping, heard) for home, one in once.items()}
        try:
            for one in downloads:
                files[one.listing.source][one.stored.name] = by_home[one.home].result()
        except BaseException:
            stopping.set()
            raise
    return files


def _downloads(listings: Sequence[Listing], folder: Path) -> list[_Download]:
    return [_Download(one, each, folder) for one in listings for each in one.taken]


class _Download:
    """One object and where it is kept."""

    def __init__(self, listing: Listing, stored: StoredObject, folder: Path) -> None:
        self.listing, self.stored = listing, stored
        self.home = folder / _hashed(endpoint_of(listing.source), stored.path)

    def fetch(self, stopping: threading.Event, heard: Callable[[int], None]) -> Path:
        """The file with all of it, in the version there is now."""
        self.home.mkdir(parents=True, exist_ok=True)
        read_now(self.home)
        for _ in range(_TRIES):
            tag, size, opened = self._opened()
            file = self.home / _hashed(tag, str(size))
            if file.exists() and file.stat().st_size == size:
                heard(size)
                return file
            part = file.with_suffix(".part")
            broken: OSError | None = None
            try:
                _append(part, opened, size, stopping, heard)
            except OSError as error:
                broken = error
            if self._opened()[:2] != (tag, size):
                part.unlink(missing_ok=True)
                continue
            if broken:
                raise refusal(self.listing.source, broken) from broken
            if (there := part.stat().st_size) != size:
                part.unlink()
                what = f"s3://{self.stored.path} has {size:,} bytes, and {there:,} arrived"
                raise S3Error(what, hint="Nothing of it is kept. Run it again.")
            part.replace(file)
            _sync(self.home)
            for other in self.home.iterdir():
                if other != file:  # of an earlier version
                    other.unlink(missing_ok=True)
            return file
        raise S3Error(f"s3://{self.stored.path} changes while it is read", hint="Run it again when it is at rest.")

    def _opened(self) -> tuple[str, int, Any]:
        """The object's ETag and size, and the object to read from."""
        try:
            opened = self.listing.files.open_input_file(self.stored.path)
            said = opened.metadata()
            return (said.get("ETag") or said.get("Last-Modified", b"")).decode("latin-1"), opened.size(), opened
        except FileNotFoundError as error:
            raise S3Error(f"s3://{self.stored.path} was listed, and is gone", hint="Run it again.") from error
        except OSError as error:
            raise refusal(self.listing.source, error) from error


def _append(part: Path, opened: Any, size: int, stopping: threading.Event, heard: Callable[[int], None]) -> None:
    """Fetch what is missing of a part, and put all of it on disk."""
    with part.open("ab") as out:
        heard(out.tell())
        while (done := out.tell()) < size:
            if stopping.is_set():
                raise InterruptedError("stopped")
            data = opened.read_at(min(_CHUNK, size - done), done)
            if not data:
                raise OSError(f"it ended after {done:,} of {size:,} bytes")
            out.write(data)
            heard(len(data))
        out.flush()
        os.fsync(out.fileno())


def _objects(files: Any, source: S3Objects) -> Iterator[StoredObject]:
    """The objects of a key, of a folder of keys, of keys that begin so (S3DataType S3Prefix), or of a pattern."""
    parts = source.key.removesuffix("/").split("/")
    wild = next((number for number, part in enumerate(parts) if _WILD & set(part)), None)
    if wild is not None:
        folder, pattern = "/".join([source.bucket, *parts[:wild]]), "/".join(parts[wild:])
        chosen = TableSchema(glob=pattern)
        for one in _below(files, folder):
            name = PurePosixPath(one.name)
            if any(chosen.matches(whole) for whole in (name, *name.parents)):
                yield one
        return
    path = f"{source.bucket}/{source.key}".removesuffix("/")
    if not source.key or source.key.endswith("/"):
        yield from _below(files, path)
        return
    itself = files.get_file_info(path)
    if itself.is_file:
        yield StoredObject(path, itself.size, itself.base_name)
    elif itself.type.name == "Directory":
        yield from _below(files, path)
    else:
        parent, _, begins = path.rpartition("/")
        for one in _listed(files, parent):
            if one.base_name.startswith(begins):
                yield from _below(files, one.path, within=parent) if not one.is_file else [_stored(one, parent)]


def _below(files: Any, folder: str, *, within: str = "") -> Iterator[StoredObject]:
    return (_stored(one, within or folder) for one in _listed(files, folder, recursive=True) if one.is_file)


def _stored(info: Any, folder: str) -> StoredObject:
    return StoredObject(info.path, info.size, info.path.removeprefix(f"{folder}/"))


def _listed(files: Any, folder: str, *, recursive: bool = False) -> Any:
    from pyarrow import fs  # type: ignore[import-untyped]  # noqa: PLC0415 -- only where S3 is read

    return files.get_file_info(fs.FileSelector(folder, recursive=recursive))


def _sample(source: S3Objects, found: list[StoredObject]) -> Iterator[StoredObject]:
    """The first of each folder, then the second of each, …, as far as the limits go; markers such as _SUCCESS last."""
    seen: dict[tuple[PurePosixPath, bool], int] = defaultdict(int)
    turns: dict[str, tuple[bool, int]] = {}
    for one in found:
        path = PurePosixPath(one.name)
        marker = path.name.startswith(("_", "."))
        seen[path.parent, marker] += 1
        turns[one.name] = (marker, seen[path.parent, marker])
    room = source.max_bytes
    for one in sorted(found, key=lambda one: (turns[one.name], one.name))[: source.max_objects]:
        if room is not None:
            room -= one.size
            if room < 0:
                if room + one.size == source.max_bytes and one.size:
                    what = f"{one.path} alone has {one.size:,} bytes, and max_bytes is {source.max_bytes:,}"
                    raise NoSuchObjectsError(what)
                return
        yield one


def _near(files: Any, source: S3Objects) -> str:
    """What is there under a name like the last part of the key."""
    parent, _, last = f"{source.bucket}/{source.key}".removesuffix("/").rpartition("/")
    try:
        return did_you_mean(last, [one.base_name for one in _listed(files, parent)] if parent else [])
    except OSError:
        return ""


def _told(files: Any, source: S3Objects, error: OSError) -> OSError:
    """The same refusal with its reason: the answer to a HEAD has no body that could say more than 403."""
    if "HeadObject" in str(error):
        try:
            _listed(files, f"{source.bucket}/{source.key}".rstrip("/").rpartition("/")[0])
        except FileNotFoundError:
            pass
        except OSError as told:
            return told
    return error


def _hashed(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

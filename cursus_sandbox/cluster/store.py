"""Files at a prefix of S3, each under the SHA-256 of its bytes: what hosts hand each other that share no folder.

PREFIX/files/<SHA-256>

To put the same file there twice changes nothing. An object is there whole or not at all, and who gets it looks whether
it is what its name says.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from cursus_sandbox.inputs.s3_access import S3Error, connected, refusal
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.runs.contents import Content

One = TypeVar("One")
_PART = 16 * 1024 * 1024  # bytes of one request
_MOST_PARTS = 5_000  # of an upload: S3 takes 10,000
_AT_ONCE = 8  # objects
_FRESH = 24 * 3600  # seconds: what is older is put anew, or a lifecycle rule might delete it while it is needed
_NEEDED = (
    "A store is a prefix of a bucket that is there, to read from and write to, for the run and for each worker.\n"
    "Another server, or other credentials:  --s3 endpoint_url=http://… --s3 profile=NAME"
)

# An upload that broke off: pyarrow would complete it with what there is as soon as nobody holds its stream any more.
_BROKEN_OFF = list[Any]()


class Stopped(Exception):  # noqa: N818 -- what happened
    """Whoever asked for it does not want it any more."""


class Store:
    """The prefix, as one run or one errand uses it, from several threads. `go_on` says whether to."""

    def __init__(self, at: S3Objects, go_on: Callable[[], bool] = lambda: True) -> None:
        self.at = at
        self._go_on = go_on
        self._top = f"{at.bucket}/{at.key}".rstrip("/")
        self._there: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="store")

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(cancel_futures=True)

    def each(self, do: Callable[[One], object], ones: Iterable[One]) -> None:
        """Do the same with each, several at once; the first error is raised when nothing goes on any more."""
        under_way = [self._threads.submit(do, one) for one in ones]
        try:
            for one in under_way:
                one.result()
        except BaseException:
            for one in under_way:
                one.cancel()
            for one in under_way:
                with suppress(BaseException):
                    one.result()
            raise

    def put(self, file: Path, content: Content, heard: Callable[[int], None] = lambda _: None) -> None:
        """Have a file there, once in all for those who ask at the same time. S3Error, OSError and Stopped."""
        with self._lock:
            first = content.sha256 not in self._there
            future = self._there.setdefault(content.sha256, Future())
        if not first:
            future.result()
            return
        try:
            if not self._is_there(content):
                self._upload(file, content, heard)
        except BaseException as error:
            with self._lock:
                del self._there[content.sha256]
            future.set_exception(error)
            raise
        future.set_result(None)

    def fetch(self, content: Content, target: Path, heard: Callable[[int], None] = lambda _: None) -> None:
        """Bring a file, which is not there after an error. S3Error for one that isn't what it should be."""
        path, digest = self._path(content.sha256), hashlib.sha256()
        try:
            with target.open("xb") as out:
                for data in self._read(path) if content.size else ():
                    digest.update(data)
                    out.write(data)
                    heard(len(data))
            if digest.hexdigest() != content.sha256:
                raise S3Error(
                    f"s3://{path} is not what its name says, but other bytes",
                    hint="Delete that object, and run again: it is sent anew.",
                )
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def write(self, name: str, content: bytes) -> None:
        """Write a small object of its own name, beside the files."""
        path = f"{self._top}/{name}"
        with self._asked(path), self._files.open_output_stream(path, compression=None) as out:
            out.write(content)

    def read(self, name: str) -> bytes:
        """Read it."""
        return b"".join(self._read(f"{self._top}/{name}"))

    def remove(self, name: str) -> None:
        """Take it away, if that may be done: a lifecycle rule can do it, too."""
        with suppress(OSError):
            self._files.delete_file(f"{self._top}/{name}")

    def require(self) -> None:
        """S3Error where there is no such bucket: some servers make one for whoever writes to it."""
        with self._asked(self.at.bucket):
            if self._files.get_file_info(self.at.bucket).type.name == "NotFound":
                raise S3Error(f"there is no bucket '{self.at.bucket}'", hint=_NEEDED)

    @property
    def _files(self) -> Any:
        with self._asked(self._top):
            return _connected(self.at)

    def _path(self, sha256: str) -> str:
        return f"{self._top}/files/{sha256}"

    def _is_there(self, content: Content) -> bool:
        """Whether all of it is, and will be for a while."""
        if not content.size:
            return True
        path = self._path(content.sha256)
        with self._asked(path):
            found = self._files.get_file_info(path)
        return bool(found.size == content.size and found.mtime.timestamp() > time.time() - _FRESH)

    def _read(self, path: str) -> Iterator[bytes]:
        """An object's bytes."""
        with self._asked(path):
            source = self._files.open_input_stream(path)
        with source:
            while True:
                if not self._go_on():
                    raise Stopped
                with self._asked(path):
                    data = source.read(_PART)
                if not data:
                    return
                yield data

    def _upload(self, file: Path, content: Content, heard: Callable[[int], None]) -> None:
        path = self._path(content.sha256)
        out: Any = None
        for part in _parts(file, content):
            if not self._go_on():
                raise Stopped
            with self._asked(path):
                if out is None:
                    out = self._files.open_output_stream(path, compression=None)
                    _BROKEN_OFF.append(out)
                out.write(part)
            heard(len(part))
        with self._asked(path):
            out.close()
        _BROKEN_OFF.remove(out)

    @contextmanager
    def _asked(self, path: str) -> Iterator[None]:
        """Say of the store's own refusals what they mean."""
        try:
            yield
        except FileNotFoundError as error:
            hint = "Does a lifecycle rule delete what is younger than a run is long? Run again: it is sent anew."
            raise S3Error(f"s3://{path} is not there", hint=hint) from error
        except OSError as error:
            wrong = refusal(self.at, error)
            raise S3Error(wrong.what if isinstance(wrong, S3Error) else str(wrong), hint=_NEEDED) from error


@lru_cache(8)
def _connected(at: S3Objects) -> Any:
    """The way there, one for all: to make another waits, inside of pyarrow, for all reading to end."""
    return connected(at, background_writes=False, allow_delayed_open=True)  # no more in memory than one part


def _parts(file: Path, content: Content) -> Iterator[bytes]:
    """A file in parts; OSError instead of the last one where it isn't what it is said to be: it was changed."""
    size, digest = max(_PART, content.size // _MOST_PARTS), hashlib.sha256()
    with file.open("rb") as source:
        after = source.read(size)
        while True:
            part, after = after, source.read(size)
            digest.update(part)
            if not after and digest.hexdigest() != content.sha256:
                raise OSError(f"{file} was changed while it was sent")
            yield part
            if not after:
                return

"""What is in files and folders, as SHA-256, without reading again what has not changed since it was last read.

Of a Parquet file there is a word for its table, too, which is the same however it is packed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cursus_sandbox import bytes_done
from cursus_sandbox.leaves import code, leaves

_CHUNK = 1 << 20
_MOST_REMEMBERED = 200_000  # files
_SHA256 = 64  # digits
_TICK = 100_000_000  # ns: two changes within one tick of a file system's clock look like one
_COARSE_TICK = 2_000_000_000  # of file systems that count whole seconds, or two


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes: how many, and their SHA-256."""

    size: int
    sha256: str


class Contents:
    """Reads files, once: a file whose size, times and inode are as they were is not read again.

    The memo is a file. It holds for one boot of this machine only: after a power failure a file may have its size and
    its times, and not its bytes. A file that was changed just before it was read is not remembered, for the next change
    may leave the same time. Threads may share one.
    """

    def __init__(self, memo: Path) -> None:
        self._memo = memo
        self._known, self._tables = _remembered(memo)
        self._is_new = False
        self._saved = time.monotonic()
        self._saving = threading.Lock()

    def file(self, path: Path | str, *, linked: bool = False) -> Content:
        """A regular file's content. OSError if it can't be read.

        `linked` says that it may have been given another name in the meantime, by us, which changes its ctime alone.
        """
        name = os.fspath(path)
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{name} is no regular file")
            return self._content(name, status, descriptor, linked=linked)
        finally:
            os.close(descriptor)

    def tree(self, root: Path, *, but_not: Path | None = None, linked: bool = False) -> dict[str, str]:
        """Each file below a folder, or a single file, and the SHA-256 of its content; nothing where there is nothing.

        Links stand with what they lead to, empty folders with a slash. `but_not` is a folder that doesn't count.
        """
        if not root.is_dir():
            return {root.name: self.file(root, linked=linked).sha256} if root.exists() else {}
        return self._of(leaves(root, but_not=but_not), linked=linked)

    def code(
        self, source_dir: Path, workspace: Path, *, follow: bool = False, suffix: str = "", modes: bool = True
    ) -> dict[str, str]:
        """The same of what is code in a source folder, and has a name with the `suffix`.

        With `follow` what links lead to is gone through and read, as far as it is there and not what they lie in. With
        `modes` it counts whether a file can be executed.
        """
        found = code(source_dir, workspace, follow=follow)
        return self._of((one for one in found if one[0].endswith(suffix)), follow=follow, modes=modes)

    def _of(
        self,
        found_entries: Iterable[tuple[str, os.DirEntry[str] | None]],
        *,
        follow: bool = False,
        modes: bool = False,
        linked: bool = False,
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, entry in found_entries:
            relative = printable(name)
            if entry is None:
                found[relative] = "folder"
            elif entry.is_symlink() and not (follow and os.path.isfile(entry.path)):  # noqa: PTH113 -- no error for a bad link
                found[relative] = f"-> {printable(os.readlink(entry.path))}"  # noqa: PTH115
            elif entry.is_file():
                status = entry.stat()
                link = entry.is_symlink()
                content = self.file(entry.path) if link else self._content(entry.path, status, None, linked=linked)
                found[relative] = content.sha256 + ("x" if modes and status.st_mode & stat.S_IXUSR else "")
            else:
                found[relative] = "special"
        return found

    def table(self, path: Path, sha256: str) -> str | None:
        """A word for the table in a Parquet file with these bytes: the same however they are packed; None for no table.

        It is looked for once for the same bytes, wherever they lie.
        """
        if len(sha256) != _SHA256:  # a link, or an empty folder
            return None
        if sha256 not in self._tables:
            from cursus_sandbox.tables.content import table_digest  # noqa: PLC0415 -- pyarrow loads when needed

            found = table_digest(path)
            try:
                if self.file(path).sha256 != sha256:  # it has changed under our eyes
                    return None
            except OSError:
                return None
            self._tables[sha256] = found and f"table {found}"
            self._is_new = True
        return self._tables[sha256]

    def save(self, *, after: float = 0) -> None:
        """Keep what was learned for the next time, as far as it can be; `after` so many seconds since the last time.

        All of it is written: after each of many steps that would be more and more work.
        """
        beside = self._memo.with_name(f".{self._memo.name}.tmp")
        with self._saving, suppress(OSError):
            now = time.monotonic()
            if not self._is_new or now < self._saved + after:
                return
            self._is_new, self._saved = False, now
            known, tables = (dict(list(one.items())[-_MOST_REMEMBERED:]) for one in (self._known, self._tables))
            self._memo.parent.mkdir(parents=True, exist_ok=True)
            memo = {"boot": this_boot(), "files": known, "tables": tables}
            beside.write_text(json.dumps(memo), encoding="utf-8")
            beside.replace(self._memo)

    def _content(self, name: str, status: os.stat_result, descriptor: int | None, *, linked: bool) -> Content:
        seen = [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]
        known = self._known.get(name)
        if known and known[:3] == seen[:3] and (linked or known[3] == seen[3]):
            if known[3] != seen[3]:
                self._remember(name, [*seen, known[4]])
            return Content(status.st_size, known[4])
        before = time.time_ns()
        sha256 = sha256_of(descriptor if descriptor is not None else name)
        tick = _TICK if status.st_mtime_ns % 1_000_000_000 else _COARSE_TICK
        if max(status.st_mtime_ns, status.st_ctime_ns) + tick < before:
            self._remember(name, [*seen, sha256])
        return Content(status.st_size, sha256)

    def _remember(self, name: str, entry: list[Any]) -> None:
        self._known.pop(name, None)  # the newest stand last
        self._known[name] = entry
        self._is_new = True


def sha256_of(file: int | str, *, go_on: Callable[[], bool] = lambda: True) -> str:
    """The SHA-256 of a file, by name or open; InterruptedError when it is not to go on."""
    opened = file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        digest = hashlib.sha256()
        while data := os.read(opened, _CHUNK):
            digest.update(data)
            bytes_done.add(len(data))
            if not go_on():
                raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        return digest.hexdigest()
    finally:
        if opened != file:
            os.close(opened)


def printable(name: str) -> str:
    """A name as text, though it may be any bytes."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def this_boot() -> str:
    """What tells one boot of this machine from another."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _remembered(memo: Path) -> tuple[dict[str, list[Any]], dict[str, str | None]]:
    """The files, if they are of this boot, and the tables of their bytes, of any."""
    try:
        read = json.loads(memo.read_bytes())
        files = read["files"] if read["boot"] == this_boot() and read["boot"] else {}
        tables = {sha256: one for sha256, one in read["tables"].items() if one is None or isinstance(one, str)}
        return {name: entry for name, entry in files.items() if isinstance(entry[4], str)}, tables
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, AttributeError):
        return {}, {}

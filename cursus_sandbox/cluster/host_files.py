"""What a host has got from a store, kept for its next errands: each file once, whichever worker asks.

FOLDER/files/<SHA-256>/<mode>  <mode>.seen  lock

A file arrives beside, is checked there, and gets its name by one rename. Errands have hard links to it, which no step
can write to: of what it reads, it has a copy of its own, or an overlay above. Still it may be damaged: what it looked
like when its bytes were last known is noted beside, and where it looks otherwise it is read again before it is used.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cursus_sandbox.cluster.parcels import Packed
from cursus_sandbox.cluster.store import Stopped, Store
from cursus_sandbox.errors import EngineError
from cursus_sandbox.inputs.downloads import downloads, read_now
from cursus_sandbox.runs.contents import Content, sha256_of, this_boot

_LOCK = "lock"
_LOOK = 0.1  # seconds between two looks whether another worker has it by now
_SPARE = 10  # of so many parts of a disk one stays free, for what steps leave


@dataclass(frozen=True, slots=True)
class HostFiles:
    """The files of a host, below a folder of the caller's own."""

    folder: Path

    def link(
        self, one: Packed, target: Path, *, store: Store, go_on: Callable[[], bool], heard: Callable[[int], None]
    ) -> None:
        """Have a file at a place of this file system, brought from the store if nobody has it here."""
        if not one.content.size:  # there may be more of them than a file can have names
            target.touch(one.mode)
            return
        home = self.folder / "files" / one.content.sha256
        home.mkdir(parents=True, exist_ok=True)
        with _held(home / _LOCK, go_on):
            file = home / f"{one.mode:o}"
            if _is_whole(file, one.content, go_on):
                heard(one.content.size)
            else:
                self._arrive(one, home, file, store=store, go_on=go_on, heard=heard)
            read_now(home)
            os.link(file, target)

    def _arrive(
        self,
        one: Packed,
        home: Path,
        file: Path,
        *,
        store: Store,
        go_on: Callable[[], bool],
        heard: Callable[[int], None],
    ) -> None:
        """Bring it, or copy it from where it has another mode."""
        part = home / "part"
        part.unlink(missing_ok=True)  # of a worker that was killed
        self._make_room(one.content.size)
        modes = (each for each in home.iterdir() if each.name.isdigit())
        other = next((each for each in modes if _is_whole(each, one.content, go_on)), None)
        if other is None:
            store.fetch(one.content, part, heard)
        else:
            shutil.copyfile(other, part)
            heard(one.content.size)
        part.chmod(one.mode)
        part.replace(file)
        _note(file, file.lstat())

    def _make_room(self, size: int) -> None:
        """Take away what was not read for longest, while the disk is short of room. EngineError where it stays so."""
        disk = shutil.disk_usage(self.folder)
        if (short := size + disk.total // _SPARE - disk.free) <= 0:
            return
        for one in reversed(downloads(self.folder / "files")):
            with suppress(OSError, Stopped), _held(one.home / _LOCK, lambda: False):
                for file in one.home.iterdir():
                    if file.name != _LOCK:
                        short -= file.stat().st_size if file.stat().st_nlink == 1 else 0
                        file.unlink()
            if short <= 0:
                return
        if size > shutil.disk_usage(self.folder).free:
            raise EngineError(
                f"the disk of {self.folder} has no room for the {size:,} bytes of a file that a step reads",
                hint="Free some space there, or give workers another disk:  dask worker … --local-directory DIR",
            )


def _is_whole(file: Path, content: Content, go_on: Callable[[], bool]) -> bool:
    """Whether a file is there and has these bytes: they are read where it isn't what it was when they last were."""
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != content.size:
            return False
        with suppress(OSError):
            if _seen(file).read_text(encoding="ascii", errors="replace") == _look(status):
                return True
        if sha256_of(os.fspath(file), go_on=go_on) != content.sha256:
            return False
    except InterruptedError:
        raise Stopped from None
    except OSError:
        return False
    _note(file, status)
    return True


def _note(file: Path, status: os.stat_result) -> None:
    """Note that a file's bytes are known while it looks like this. Links to it, which change its ctime, don't count."""
    _seen(file).write_text(_look(status), encoding="ascii")


def _look(status: os.stat_result) -> str:
    """How a file looks within one boot: after a power failure its bytes may be others."""
    return f"{this_boot()} {status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _seen(file: Path) -> Path:
    return file.with_name(f"{file.name}.seen")


def own_folder(folder: Path) -> Path:
    """A folder of the caller's alone, made if need be; OSError where somebody else has put it there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not ours")
    return folder


@contextmanager
def _held(lock: Path, go_on: Callable[[], bool]) -> Iterator[None]:
    """Hold a lock, the kernel's: a worker that is killed lets go of it. Stopped where that isn't waited for."""
    with lock.open("wb") as opened:
        while True:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not go_on():
                    raise Stopped from None
                time.sleep(_LOOK)
        yield

"""The folder of all runs: the lock that keeps two runs apart, and the word of runs that nobody has ended.

WORKSPACE/lock  id.json  unfinished.json  size.json
WORKSPACE/checks/  what was found well of data that may not have changed since
WORKSPACE/runs/<run>/
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cursus_sandbox.errors import WorkspaceError
from cursus_sandbox.runs.folders import RunFolder, StepFolder, unwritable, write_json

_IDENTITY = "id.json"
_UNFINISHED = "unfinished.json"
_SIZE = "size.json"
_RUNS_LOOKED_AT = 5
_BETWEEN = timedelta(milliseconds=1)  # two runs
_SECONDS_OF_LOOKS = 0.5
_SECONDS_BETWEEN_TRIES = 0.001
_NOT_FOR_GIT = "# Made by cursus-sandbox: runs are not for version control.\n*\n"


class Workspace:
    """A folder of runs, held by one process at a time while it is entered.

    The lock is the kernel's (`flock`), so a process that dies, however it dies, lets go of it: whoever holds it knows
    that of all earlier runs nobody is left, though what they made may be. `id`, once it is entered, is the workspace's
    own, on whatever was made for it; a copy of the folder has another one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.id = ""
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Make the folder if need be and take its lock; WorkspaceError if either can't be had.

        What is in a new one is kept out of git; a folder that held something else may be a project.
        """
        _refuse_other_than_text(self.folder)
        try:
            is_new = not self.folder.exists() or not any(self.folder.iterdir())
            self.runs.mkdir(parents=True, exist_ok=True)
            if is_new:
                (self.folder / ".gitignore").write_text(_NOT_FOR_GIT, encoding="utf-8")
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            self._take(self._lock)
            self.id = self._identity(os.fstat(self._lock).st_ino)
        except OSError as error:
            self._let_go()
            raise _unusable(self.folder, error) from error
        except WorkspaceError:
            self._let_go()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lock is not None:
            with suppress(OSError):
                os.ftruncate(self._lock, 0)
        self._let_go()

    def new_run(self, started: datetime, engine: str) -> RunFolder:
        """An empty folder for a run on an engine, unfinished for now; WorkspaceError if it can't be made.

        Names sort by time: if the clock was set back, a run is named as if it began just after the newest one.
        """
        newest = next(filter(None, (_beginning(run.name) for run in self._newest_first())), None)
        named = started.replace(tzinfo=None)
        if newest and named < newest + _BETWEEN:
            named = newest + _BETWEEN
        path = self.runs / f"{named:%Y%m%d-%H%M%S}-{named.microsecond // 1000:03d}"
        try:
            path.mkdir()
        except OSError as error:
            raise unwritable(error, "make the folder of the run") from error
        self._write_unfinished(self.unfinished() | {path.name: engine})
        return self.run(path.name)

    @property
    def labels(self) -> dict[str, str]:
        """What is on all that an engine makes for any run here."""
        return {"cursus-sandbox.workspace": self.id}

    def unfinished(self) -> dict[str, str]:
        """The runs that nobody has ended, and their engines: all but the present one are dead."""
        read = _read(self.folder / _UNFINISHED)
        return {name: engine for name, engine in read.items() if isinstance(engine, str)}

    def finished(self, run: str) -> None:
        """Note that of a run nothing is left but its results."""
        self._write_unfinished({name: engine for name, engine in self.unfinished().items() if name != run})

    def grown(self, size: int) -> int | None:
        """Note that runs take so many bytes more; gives about how many they all do, None where nobody knows."""
        before = _read(self.folder / _SIZE).get("bytes")
        return self.measured(before + size) if isinstance(before, int) else None

    def measured(self, size: int) -> int:
        """Note how many bytes all runs take."""
        write_json(self.folder / _SIZE, {"bytes": size})
        return size

    def run(self, name: str) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self.runs / name, {**self.labels, "cursus-sandbox.run": name})

    def published(self, pipeline: str, step: str, *, first: str | None = None) -> StepFolder | None:
        """The folder with the outputs that a run of this pipeline published for a step; None if none did.

        The run named `first` is looked at before the others, of which it is the newest that did.
        """
        named = [self.runs / first] if first else []
        for run in (*named, *self._newest_first()):
            folder = StepFolder(run / "steps" / step)
            if folder.outputs.is_dir() and _pipeline_of(run) == pipeline:
                return folder
        return None

    def seconds_of(self, pipeline: str) -> dict[str, float]:
        """How long each step took when it last ran, in the newest finished runs of this pipeline; empty if none did."""
        found: dict[str, float] = {}
        for run in islice(self._newest_first(), _RUNS_LOOKED_AT):
            try:
                result = json.loads((run / "result.json").read_bytes())
                if result["pipeline"] != pipeline:
                    continue
                ran = {step["step"]: float(step["seconds"]) for step in result["steps"] if step["seconds"]}
                found = ran | found
                if all(step["step"] in found for step in result["steps"] if step["status"] != "skipped"):
                    break
            except (OSError, ValueError, LookupError, TypeError, RecursionError):  # others may have written there
                continue
        return found

    def _take(self, lock: int) -> None:
        """Take the lock, and write down who has it.

        Who only looks whether a run holds it (`is_held`) shares it for a moment: that keeps nobody out. That it can be
        shared says that no run holds it.
        """
        give_up = time.monotonic() + _SECONDS_OF_LOOKS
        while not _locked(lock, fcntl.LOCK_EX):
            if not _locked(lock, fcntl.LOCK_SH) or time.monotonic() > give_up:
                other = os.pread(lock, 200, 0).decode("utf-8", "replace").strip()
                raise WorkspaceError(
                    f"the workspace {self.folder} is in use by {other or 'another process'}",
                    hint="Wait for it, or give this run a folder of its own:  --workspace DIR",
                )
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(_SECONDS_BETWEEN_TRIES)
        holder = f"process {os.getpid()}, since {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}\n"
        os.ftruncate(lock, 0)
        with suppress(OSError):  # of a full disk: `clean` has room to make
            os.pwrite(lock, holder.encode(), 0)

    def _identity(self, lock: int) -> str:
        """The workspace's own id. It holds with this very lock: of a copied workspace the first one is still there."""
        known = _read(self.folder / _IDENTITY)
        if known.get("lock") == lock and isinstance(known.get("id"), str):
            return str(known["id"])
        write_json(self.folder / _IDENTITY, {"id": uuid.uuid4().hex, "lock": lock})
        return self._identity(lock)

    def _write_unfinished(self, runs: dict[str, str]) -> None:
        file = self.folder / _UNFINISHED
        if runs:
            write_json(file, runs)
        else:
            file.unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def runs(self) -> Path:
        """Where the folders of runs are."""
        return self.folder / "runs"

    def _newest_first(self) -> Iterator[Path]:
        if not self.runs.is_dir():
            return iter(())
        return iter(sorted((run for run in self.runs.iterdir() if run.is_dir()), reverse=True))


def _locked(lock: int, how: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _beginning(run: str) -> datetime | None:
    """When a run of this name began; None for what is no run's name."""
    with suppress(ValueError):
        return datetime.strptime(run, "%Y%m%d-%H%M%S-%f")  # noqa: DTZ007 -- compared among themselves
    return None


def _pipeline_of(run: Path) -> str | None:
    name = _read(run / "plan.json").get("name")
    return name if isinstance(name, str) else None


def _read(file: Path) -> dict[str, Any]:
    """A file's JSON object; empty where there is none that can be read."""
    try:
        read = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _refuse_other_than_text(folder: Path) -> None:
    """WorkspaceError for a path that JSON can't hold: plans, events and results have it in them."""
    path = os.fsencode(folder)
    try:
        path.decode()
    except UnicodeDecodeError:
        raise WorkspaceError(
            f"the path of the workspace {path.decode(errors='backslashreplace')} is not UTF-8",
            hint="Choose another folder:  --workspace DIR",
        ) from None


def _unusable(folder: Path, error: OSError) -> WorkspaceError:
    match error.errno:
        case errno.ENOTDIR | errno.EEXIST:
            what = f"the workspace {folder} is a file, not a folder"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            what = f"the workspace {folder} can't be written to: {error.strerror}"
        case errno.ENOSPC | errno.EDQUOT | errno.EMFILE | errno.ENFILE:
            return unwritable(error, f"use the workspace {folder}")
        case _:
            what = f"the workspace {folder} can't be used: {error.strerror}"
    return WorkspaceError(what, hint="Choose another folder:  --workspace DIR")

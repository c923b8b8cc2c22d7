"""The folders of runs, the lock that keeps two runs apart, and the one rename that publishes a step's outputs.

WORKSPACE/lock
WORKSPACE/runs/<run>/plan.json  events.jsonl  result.json
WORKSPACE/runs/<run>/steps/<step>/log.txt  step.json  outputs/<channel>/  attempt-1/
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cursus_sandbox.errors import WorkspaceError
from cursus_sandbox.journal import Journal
from cursus_sandbox.sagemaker.layout import StepFolders

_NOT_FOR_GIT = "# Made by cursus-sandbox: runs are not for version control.\n*\n"


@dataclass(frozen=True, slots=True)
class StepFolder:
    """One step's folder in a run."""

    path: Path

    @property
    def log(self) -> Path:
        """Where its stdout and stderr go."""
        return self.path / "log.txt"

    @property
    def outputs(self) -> Path:
        """Its published outputs: a folder that exists is complete."""
        return self.path / "outputs"

    def attempt(self, number: int) -> StepFolders:
        """Fresh folders for one attempt."""
        path = self.path / f"attempt-{number}"
        folders = StepFolders(outputs=path / "outputs", staged=path / "staged", scratch=path / "scratch")
        for folder in (folders.outputs, folders.staged, folders.scratch):
            folder.mkdir(parents=True)
        return folders

    def publish(self, finished: Path) -> None:
        """Make a finished folder the step's outputs, in one rename."""
        os.rename(finished, self.outputs)  # noqa: PTH104 -- Path.rename is the same call, os names what is promised
        _sync(self.path)

    def discard(self, folders: StepFolders) -> None:
        """Take away what an attempt needed only while it ran."""
        shutil.rmtree(folders.outputs.parent, ignore_errors=True)

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file, whole or not at all."""
        _write_json(self.path / name, content)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name: when it started, to the millisecond."""
        return self.path.name

    def step(self, name: str) -> StepFolder:
        """The folder of a step, made if need be."""
        folder = self.path / "steps" / name
        folder.mkdir(parents=True, exist_ok=True)
        return StepFolder(folder)

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file, whole or not at all."""
        _write_json(self.path / name, content)

    def journal(self) -> Journal:
        """The journal of what happens in it, to be closed."""
        try:
            return Journal((self.path / "events.jsonl").open("ab", buffering=0))
        except OSError as error:
            raise unwritable(error, "begin the journal of the run") from error


class Workspace:
    """A folder of runs, held by one process at a time while it is entered.

    The lock is the kernel's (`flock`), so a process that dies, however it dies, lets go of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Make the folder if need be and take its lock; WorkspaceError if either can't be had."""
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            ignored = self.folder / ".gitignore"
            if not ignored.exists():
                ignored.write_text(_NOT_FOR_GIT, encoding="utf-8")
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            self._take(self._lock)
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

    def new_run(self, started: datetime) -> RunFolder:
        """An empty folder for a run; names sort by time. WorkspaceError if it can't be made."""
        name = f"{started:%Y%m%d-%H%M%S}-{started.microsecond // 1000:03d}"
        path = self._runs / name
        for number in count(2):
            try:
                path.mkdir()
            except FileExistsError:  # the clock was set back
                path = self._runs / f"{name}-{number}"
            except OSError as error:
                raise unwritable(error, "make the folder of the run") from error
            else:
                break
        return RunFolder(path)

    def published(self, pipeline: str, step: str) -> Path | None:
        """The outputs that the newest run of this pipeline published for a step; None if none did."""
        for run in self._newest_first():
            outputs = run / "steps" / step / "outputs"
            if outputs.is_dir() and _pipeline_of(run) == pipeline:
                return outputs
        return None

    def _take(self, lock: int) -> None:
        """Take the lock, and write down who has it."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(lock, 200, 0).decode("utf-8", "replace").strip()
            raise WorkspaceError(
                f"the workspace {self.folder} is in use by {holder or 'another process'}",
                hint="Wait for it, or give this run a folder of its own:  --workspace DIR",
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()}, since {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}\n".encode(), 0)

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def _runs(self) -> Path:
        return self.folder / "runs"

    def _newest_first(self) -> Iterator[Path]:
        return iter(sorted((run for run in self._runs.iterdir() if run.is_dir()), reverse=True))


def _pipeline_of(run: Path) -> str | None:
    try:
        plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    name = plan.get("name") if isinstance(plan, dict) else None
    return name if isinstance(name, str) else None


def _unusable(folder: Path, error: OSError) -> WorkspaceError:
    match error.errno:
        case errno.ENOTDIR | errno.EEXIST:
            what = f"the workspace {folder} is a file, not a folder"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            what = f"the workspace {folder} can't be written to: {error.strerror}"
        case _:
            what = f"the workspace {folder} can't be used: {error.strerror}"
    return WorkspaceError(what, hint="Choose another folder:  --workspace DIR")


def unwritable(error: OSError, doing: str) -> WorkspaceError:
    """What an error of the file system means, met while doing something in a run's folder."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            hint = "Free some space, or use another disk:  --workspace DIR"
        case errno.EMFILE | errno.ENFILE:
            hint = "Allow more open files (ulimit -n), or run fewer steps at once: -j N"
        case _:
            hint = ""
    file = error.filename2 or error.filename
    where = f": {file}" if file else ""
    return WorkspaceError(f"could not {doing}: {error.strerror or error}{where}", hint=hint)


def _write_json(file: Path, content: Any) -> None:
    """Written beside and renamed over, both on disk before the old one is gone; WorkspaceError if it can't be."""
    beside = file.with_name(f".{file.name}.tmp")
    try:
        with beside.open("w", encoding="utf-8") as opened:
            json.dump(content, opened, indent=2, ensure_ascii=False)
            opened.write("\n")
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
        _sync(file.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise unwritable(error, f"write {file.name}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

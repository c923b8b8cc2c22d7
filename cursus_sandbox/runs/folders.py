"""The folders of one run, and the one rename that publishes a step's outputs.

plan.json  request.json  events.jsonl  result.json
steps/<step>/log.txt  step.json  outputs/<channel>/  attempt-1/  job.json  ingredients.json  by-hand.sh
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cursus_sandbox.errors import WorkspaceError
from cursus_sandbox.runs.journal import Journal
from cursus_sandbox.sagemaker.exits import Disk
from cursus_sandbox.sagemaker.layout import StepFolders
from cursus_sandbox.untrusted import remove

ATTEMPT = "attempt-"
INGREDIENTS = "ingredients.json"  # what a step came of that left nothing; of others the record says it
_MEMORY = Path("/dev/shm")  # noqa: S108 -- a folder of nobody's foreseeing is made in it


@dataclass(frozen=True, slots=True)
class StepFolder:
    """One step's folder in a run. Attempts of a `task` have folders with its name in theirs."""

    path: Path
    task: str = ""

    @property
    def run(self) -> str:
        """The name of the run."""
        return self.path.parents[1].name

    @property
    def workspace(self) -> Path:
        """The folder of all runs, this one and others."""
        return self.path.parents[3]

    @property
    def log(self) -> Path:
        """Where its stdout and stderr go."""
        return self.path / "log.txt"

    @property
    def outputs(self) -> Path:
        """Its published outputs: a folder that exists is complete."""
        return self.path / "outputs"

    @property
    def by_hand(self) -> Path:
        """Where a failed step runs again by hand; the script beside it, `by-hand.sh`, makes it."""
        return self.path / "by-hand"

    @property
    def job(self) -> Path:
        """What a failed step ran, for a shell in its sandbox."""
        return self.path / "job.json"

    def attempt(self, number: int) -> StepFolders:
        """Fresh folders for one attempt."""
        path = self.path / f"{ATTEMPT}{self.task}{number}"
        folders = StepFolders(path / "outputs", path / "staged", path / "scratch", self.workspace)
        for folder in (folders.outputs, folders.staged, folders.scratch):
            folder.mkdir(parents=True)
        return folders

    def partial(self) -> Path:
        """A fresh folder for outputs that are about to be published as they are."""
        path = self.path / f"{ATTEMPT}0"
        path.mkdir()
        return path

    def publish(self, finished: Path) -> None:
        """Make a finished folder the step's outputs, in one rename.

        Nobody waits for the disk: what a power failure makes of the files in it is found out when they are read.
        """
        os.rename(finished, self.outputs)  # noqa: PTH104 -- Path.rename is the same call, os names what is promised

    def discard(self, folders: StepFolders) -> None:
        """Take away what an attempt needed only while it ran, as far as it is the caller's."""
        with suppress(OSError):
            remove(folders.outputs.parent)

    def put_by(self, folders: StepFolders) -> None:
        """Keep what a failed attempt has left, for whoever looks for the reason; of a full disk it is taken away."""
        if disk_of(self.path).is_full:
            self.discard(folders)
        else:
            with suppress(OSError):
                remove(folders.scratch)

    def discard_staged(self) -> None:
        """Take away what its attempts were told and answered; what they left as outputs stays."""
        for staged in self.path.glob(f"{ATTEMPT}*/staged"):
            with suppress(OSError):
                remove(staged)

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file, whole or not at all; a power failure may leave it empty, which its readers pass over."""
        write_json(self.path / name, content, at_once=False)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder; `labels` are those of all that engines make for it.

    A `task`, one of several that may be at the same step, has its name before the number of each of its attempts.
    """

    path: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    task: str = ""

    @property
    def name(self) -> str:
        """The run's name: when it started, to the millisecond."""
        return self.path.name

    @property
    def workspace(self) -> Path:
        """The folder of all runs, this one and others."""
        return self.path.parents[1]

    @property
    def checks(self) -> Path:
        """Where the workspace remembers data that were found well, for all of its runs."""
        return self.workspace / "checks"

    @property
    def has_result(self) -> bool:
        """Whether what came of the run is written: it has ended by itself, well or not."""
        return (self.path / "result.json").exists()

    def step(self, name: str) -> StepFolder:
        """The folder of a step, made if need be."""
        folder = self.path / "steps" / name
        folder.mkdir(parents=True, exist_ok=True)
        return StepFolder(folder, self.task)

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file, whole or not at all."""
        write_json(self.path / name, content)

    def journal(self) -> Journal:
        """The journal of what happens in it, to be closed."""
        try:
            return Journal((self.path / "events.jsonl").open("ab", buffering=0))
        except OSError as error:
            raise unwritable(error, "begin the journal of the run") from error

    def hidden(self) -> Path:
        """A new folder for what must not stay on a disk: in memory, where there is a place, and the caller's alone."""
        return hidden(self._hidden, self.path)

    def without_hidden(self) -> None:
        """Take away what a killed run had hidden."""
        remove_hidden(self._hidden, self.path)

    @property
    def _hidden(self) -> str:
        return f"cursus-sandbox-{self.labels.get('cursus-sandbox.workspace', '')}-{self.name}-{self.task}"

    @property
    def attempts(self) -> Iterator[Path]:
        """The folders of the attempts that failed, and of those that are under way."""
        return (self.path / "steps").glob(f"*/{ATTEMPT}*")

    def without_attempts(self) -> list[Path]:
        """Take away the attempts of a killed run; gives those that aren't the caller's to delete."""
        left = []
        for attempt in self.attempts:
            try:
                remove(attempt)
            except OSError:
                left.append(attempt)
        return left


def hidden(prefix: str, otherwise: Path) -> Path:
    """A new folder in memory, its name beginning so, or in another place where there is none; the caller's alone."""
    place = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else otherwise
    return Path(tempfile.mkdtemp(prefix=prefix, dir=place))


def remove_hidden(prefix: str, otherwise: Path) -> None:
    """Take away all such folders."""
    for place in (_MEMORY, otherwise):
        for folder in place.glob(f"{prefix}*"):
            with suppress(OSError):  # somebody else's
                remove(folder)


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


def write_json(file: Path, content: Any, *, at_once: bool = True) -> None:
    """Written beside and renamed over; WorkspaceError if it can't be.

    `at_once` it is on disk before the old one is gone. Whoever makes or removes folders on that disk waits for it, too.
    """
    beside = file.with_name(f".{file.name}.tmp")
    try:
        with beside.open("w", encoding="utf-8") as opened:
            json.dump(content, opened, indent=2, ensure_ascii=False)
            opened.write("\n")
            opened.flush()
            if at_once:
                os.fsync(opened.fileno())
        beside.replace(file)
        if at_once:
            sync(file.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise unwritable(error, f"write {file.name}") from error


def disk_of(folder: Path) -> Disk:
    """The disk a folder is on."""
    system = os.statvfs(folder)
    return Disk(size=system.f_blocks * system.f_frsize, free=system.f_bavail * system.f_frsize)


def sync(folder: Path) -> None:
    """Have what a folder names on disk before going on."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Which earlier runs a workspace may do without, and their removal.

Runs share files by hard links, so that each is whole by itself: a file counts once, for the newest run that has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cursus_sandbox.runs.history import KeptRun, kept_runs
from cursus_sandbox.untrusted import remove

GIB = 1024**3
MOST_BY_DEFAULT = 20 * GIB
_BLOCK = 512  # bytes, of st_blocks


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is kept: so many runs, none older than so long, so many bytes of them. None is no bound."""

    runs: int | None = None
    age: timedelta | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Sized:
    """A run, and the bytes on disk that would be free if it went after all older ones."""

    run: KeptRun
    size: int


def sized(newest_first: Iterable[KeptRun]) -> list[Sized]:
    """Runs with what each has for itself or shares with older ones only."""
    seen: set[tuple[int, int]] = set()
    return [Sized(run, size_of(run.folder, seen)) for run in newest_first]


def size_of(folder: Path, seen: set[tuple[int, int]]) -> int:
    """The bytes on disk of all files in a folder that were not `seen` before."""
    return sum(_sizes(folder, seen))


def dispensable(newest_first: Sequence[Sized], bounds: Bounds, *, now: datetime) -> list[Sized]:
    """The runs beyond the bounds, oldest first. The newest one stays, whatever the bounds."""
    total = 0
    for place, one in enumerate(newest_first):
        total += one.size
        beyond = (
            (bounds.runs is not None and place >= bounds.runs)
            or (bounds.age is not None and now - one.run.started_at > bounds.age)
            or (bounds.size is not None and total > bounds.size)
        )
        if beyond and place:
            return list(newest_first[: place - 1 : -1])
    return []


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed of a workspace, or would be, and what is kept; sizes in bytes.

    `left` could not be removed, `said` is about runs that were killed.
    """

    removed: tuple[str, ...]
    freed: int
    kept: tuple[str, ...]
    size: int
    left: tuple[Path, ...] = ()
    said: tuple[str, ...] = ()


def pruned(workspace: Path, bounds: Bounds, *, dry_run: bool = False) -> Pruned:
    """Remove the runs beyond the bounds of a workspace that is held, or, on a dry run, say which they are."""
    runs = sized(reversed(kept_runs(workspace)))
    gone = dispensable(runs, bounds, now=datetime.now().astimezone())
    left = [] if dry_run else [one.run.folder for one in gone if not _is_removed(one.run.folder)]
    if not dry_run:
        forget_removed(workspace / "cache")
        for record in (workspace / "runs").glob("*/steps/*/record.corrupt-*.json"):
            record.unlink(missing_ok=True)
    names = {one.run.name for one in gone if one.run.folder not in left}
    return Pruned(
        removed=tuple(sorted(names)),
        freed=sum(one.size for one in runs if one.run.name in names),
        kept=tuple(one.run.name for one in reversed(runs) if one.run.name not in names),
        size=sum(one.size for one in runs if one.run.name not in names),
        left=tuple(left),
    )


def _is_removed(folder: Path) -> bool:
    try:
        remove(folder)
    except OSError:
        return False
    return True


def forget_removed(cache: Path) -> None:
    """Take away the cache's links that lead nowhere any more."""
    for folder in (cache / "keys", cache / "newest"):
        with suppress(FileNotFoundError), os.scandir(folder) as links:
            for link in links:
                if link.is_symlink() and not os.path.exists(link.path):  # noqa: PTH110 -- there may be thousands
                    os.unlink(link.path)  # noqa: PTH108


def _sizes(folder: Path, seen: set[tuple[int, int]]) -> Iterable[int]:
    """The bytes on disk of each file that was not seen before. No link is followed; what can't be read is left out."""
    waiting = [os.fspath(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                if (file := (status.st_dev, status.st_ino)) not in seen:
                    seen.add(file)
                    yield status.st_blocks * _BLOCK

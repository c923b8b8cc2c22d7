"""Which earlier runs, and objects fetched from S3, a workspace may do without, and their removal.

Runs share files by hard links, so that each is whole by itself: a file counts once, for the newest run that has it.
What was fetched, and can be again, stays without question only while a run has it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cursus_sandbox.inputs.downloads import Download, downloads
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


def sized(newest_first: Iterable[KeptRun], seen: set[tuple[int, int]]) -> list[Sized]:
    """Runs with what each has for itself or shares with older ones only; no file that was `seen` counts."""
    return [Sized(run, size_of(run.folder, seen)) for run in newest_first]


def size_of(folder: Path, seen: set[tuple[int, int]]) -> int:
    """The bytes on disk of all files in a folder that were not `seen` before."""
    return sum(_sizes(folder, seen))


def own_size(run: Path) -> int:
    """The bytes on disk of all that a run has added, its logs too: of what is nowhere but in its folder."""
    seen: dict[tuple[int, int], int] = {}
    return sum(
        status.st_blocks * _BLOCK
        for status in _statuses(run)
        if stat.S_ISDIR(status.st_mode) or _times_seen(status, seen) == status.st_nlink
    )


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

    `downloads` is how many objects of S3 were removed; `freed` and `size` are of them too. `left` could not be removed,
    `said` is about runs that were killed.
    """

    removed: tuple[str, ...]
    freed: int
    kept: tuple[str, ...]
    size: int
    downloads: int = 0
    left: tuple[Path, ...] = ()
    said: tuple[str, ...] = ()


def pruned(workspace: Path, bounds: Bounds, *, dry_run: bool = False) -> Pruned:
    """Remove what is beyond the bounds of a workspace that is held, or, on a dry run of any, say what that is."""
    now = datetime.now().astimezone()
    seen: set[tuple[int, int]] = set()
    runs = sized(reversed(kept_runs(workspace)), seen)
    objects = downloads(workspace / "downloads")
    before = sum(one.size for one in runs) + sum(size_of(one.home, seen) for one in objects)
    gone = dispensable(runs, bounds, now=now)
    unread = _unread(objects, [one for one in runs if one not in gone], bounds, now=now)
    folders = [*(one.run.folder for one in gone), *unread]
    left = [] if dry_run else [folder for folder in folders if not _is_removed(folder)]
    if not dry_run:
        forget_removed(workspace / "cache")
        for record in (workspace / "runs").glob("*/steps/*/record.corrupt-*.json"):
            record.unlink(missing_ok=True)
    removed = {folder for folder in folders if folder not in left}
    seen = set()
    stay = [*(one.run.folder for one in runs), *(one.home for one in objects)]
    size = sum(size_of(folder, seen) for folder in stay if folder not in removed)
    return Pruned(
        removed=tuple(sorted(one.run.name for one in gone if one.run.folder in removed)),
        freed=before - size,
        kept=tuple(one.run.name for one in reversed(runs) if one.run.folder not in removed),
        size=size,
        downloads=len(removed.intersection(unread)),
        left=tuple(left),
    )


def _unread(objects: Iterable[Download], kept: Iterable[Sized], bounds: Bounds, *, now: datetime) -> list[Path]:
    """The objects of S3 that were not read for too long, or that have no room beside the runs; those of a run stay."""
    seen: set[tuple[int, int]] = set()
    taken = sum(size_of(one.run.folder, seen) for one in kept)
    found = []
    for one in objects:
        size = size_of(one.home, seen)
        taken += size
        old = bounds.age is not None and one.read_at < (now - bounds.age).timestamp()
        if size and (old or (bounds.size is not None and taken > bounds.size)):
            found.append(one.home)
            taken -= size
    return found


def _is_removed(folder: Path) -> bool:
    try:
        remove(folder)
    except OSError:
        return False
    return True


def forget_removed(cache: Path) -> None:
    """Take away the cache's links that lead nowhere any more, and what is no link, as of a copy that followed them."""
    for folder in (cache / "keys", cache / "newest"):
        with suppress(OSError), os.scandir(folder) as links:
            for link in links:
                if not link.is_symlink():
                    remove(Path(link.path))
                elif not os.path.exists(link.path):  # noqa: PTH110 -- there may be thousands
                    os.unlink(link.path)  # noqa: PTH108


def _sizes(folder: Path, seen: set[tuple[int, int]]) -> Iterator[int]:
    """The bytes on disk of each file that was not seen before."""
    for status in _statuses(folder):
        if (file := (status.st_dev, status.st_ino)) not in seen:
            seen.add(file)
            yield status.st_blocks * _BLOCK


def _times_seen(status: os.stat_result, seen: dict[tuple[int, int], int]) -> int:
    """How many of a file's names were seen, this one too."""
    if status.st_nlink == 1:
        return 1
    file = status.st_dev, status.st_ino
    seen[file] = seen.get(file, 0) + 1
    return seen[file]


def _statuses(folder: Path) -> Iterator[os.stat_result]:
    """What is in a folder, at any depth. No link is followed; what can't be read is left out."""
    waiting = [os.fspath(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                yield status

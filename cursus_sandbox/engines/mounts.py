"""What a job's mounts need before it starts, and what is left of them afterwards.

A private folder is an overlay where the kernel can: the job reads the source in place, and what it writes lands in
`job.scratch`. Where it can't, the source is copied. A private file is always copied; being a mount of its own, the job
may write it but not rename another over it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from cursus_sandbox.bytes_done import copy_bytes, expect
from cursus_sandbox.engines.engine import Job, Mount, MountMode
from cursus_sandbox.errors import EngineError


class Private(StrEnum):
    """How private folders are made; the value is what a report shows."""

    OVERLAY = "overlay"
    MEMORY_OVERLAY = "overlay in memory"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Placed:
    """A mount as an engine makes it. Of an overlay, `source` is the lower folder; `upper` and `work` lie in scratch."""

    source: Path
    target: PurePosixPath
    writable: bool
    overlay: Private | None = None
    upper: Path | None = None
    work: Path | None = None


def check(job: Job) -> None:
    """Raise EngineError, naming all of them, for mounts that can't be made.

    A source that is a symbolic link is followed, and what it leads to is judged.
    """
    problems = [problem for mount in job.mounts if (problem := _problem(mount))]
    targets = [mount.target for mount in job.mounts]
    problems += [
        f"{target} is mounted more than once" for target in sorted({t for t in targets if targets.count(t) > 1})
    ]
    problems += [
        f"{child.target} can't be mounted inside {parent.target}, which is read-only and has no such entry"
        for child in job.mounts
        for parent in job.mounts
        if parent.mode is MountMode.READ_ONLY and _lacks(parent, child.target)
    ]
    if problems:
        raise EngineError(
            f"job '{job.name}' can't be given its mounts:\n  " + "\n  ".join(problems),
            hint="Mount existing files and folders, each at an absolute path of its own.",
        )


def place(job: Job, private: Private, *, user: str | None = None) -> tuple[Placed, ...]:
    """Prepare scratch for a job's mounts and give them as they are to be made: parents before what lies inside them.

    `user` is who must be able to write what is made here, None for the caller. EngineError when a source
    can't be copied.
    """
    ordered = sorted(job.mounts, key=lambda mount: len(mount.target.parts))
    return tuple(
        _placed(job, mount, private, folder=job.scratch / f"private-{n}", user=user) for n, mount in enumerate(ordered)
    )


def hosts_file(job: Job) -> Path:
    """Write the `/etc/hosts` of a job without network."""
    path = job.scratch / "hosts"
    path.write_text(hosts_text(job))
    path.chmod(0o644)
    return path


def hosts_text(job: Job) -> str:
    """Give the `/etc/hosts` of a job without network: its own name is the loopback."""
    return f"127.0.0.1 localhost {job.hostname}\n::1 localhost ip6-localhost ip6-loopback\n"


def copy(source: Path, there: Path) -> None:
    """Copy a file or a folder, as a job is to have it: it may write to all of it, and links stay links.

    OSError and shutil.Error where that can't be done.
    """
    if not source.is_dir():
        _copy_file(source, there)
        there.chmod(source.stat().st_mode & 0o777 | 0o600)
        return
    shutil.copytree(source, there, symlinks=True, dirs_exist_ok=True, copy_function=_copy_file)
    for path in (there, *there.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o777 | (0o700 if path.is_dir() else 0o600))


def _copy_file(source: str | Path, there: str | Path) -> None:
    """Copy bytes, mode and times, as an overlay would show them."""
    copy_bytes(source, there)
    shutil.copystat(source, there)


def _problem(mount: Mount) -> str | None:
    if not mount.target.is_absolute() or ".." in mount.target.parts:
        return f"{mount.target} is not an absolute container path"
    try:
        mode = mount.source.stat().st_mode
    except FileNotFoundError:
        return f"{mount.source} (for {mount.target}) does not exist"
    except OSError as error:
        return f"{mount.source} (for {mount.target}) can't be read: {error.strerror}"
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    kind = "a socket" if stat.S_ISSOCK(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
    return f"{mount.source} (for {mount.target}) is {kind}"


def _lacks(parent: Mount, target: PurePosixPath) -> bool:
    if not _is_inside(target, parent.target):
        return False
    return not (parent.source / target.relative_to(parent.target)).exists()


def _is_inside(target: PurePosixPath, folder: PurePosixPath) -> bool:
    """Whether a path lies in a folder. Of all pairs of mounts it is asked, and to look among its parents takes long."""
    inside, around = target.parts, folder.parts
    return len(inside) > len(around) and inside[: len(around)] == around


def _placed(job: Job, mount: Mount, private: Private, *, folder: Path, user: str | None) -> Placed:
    source = mount.source.resolve()
    if mount.mode is not MountMode.PRIVATE:
        return Placed(source, mount.target, mount.mode is MountMode.WRITABLE)
    folder.mkdir()
    if source.is_dir() and private is Private.MEMORY_OVERLAY:
        return Placed(source, mount.target, writable=True, overlay=private)
    if source.is_dir() and private is Private.OVERLAY:
        upper, work = folder / "upper", folder / "work"
        upper.mkdir()
        work.mkdir()
        upper.chmod(source.stat().st_mode & 0o777 | 0o700)  # the merged folder shows the upper one's mode and owner
        points = [_mount_point(inner, mount, source, upper) for inner in job.mounts]
        _hand_over([upper, *(made for point in points for made in point)], user)
        return Placed(source, mount.target, writable=True, overlay=private, upper=upper, work=work)
    there = folder / "copy"
    expect(source)
    try:
        copy(source, there)
    except (OSError, shutil.Error) as error:
        raise EngineError(
            f"job '{job.name}': {source} could not be copied for {mount.target}: {error}",
            hint=f"Check that it is readable and that {job.scratch} has room for it.",
        ) from error
    _hand_over([there, *there.rglob("*")] if there.is_dir() else [there], user)
    return Placed(there, mount.target, writable=True)


def _mount_point(inner: Mount, outer: Mount, source: Path, upper: Path) -> list[Path]:
    """Make the place of a mount inside an overlay, and give what was made: made by a daemon it would be root's."""
    if not _is_inside(inner.target, outer.target):
        return []
    inside = inner.target.relative_to(outer.target)
    if (source / inside).exists():
        return []
    point = upper / inside
    missing = [folder for folder in (point, *point.parents) if upper in folder.parents and not folder.exists()]
    point.parent.mkdir(parents=True, exist_ok=True)
    if inner.source.is_dir():
        point.mkdir(exist_ok=True)
    else:
        point.touch()
    return missing


def _hand_over(paths: Iterable[Path], user: str | None) -> None:
    """Give what was made for a job to the user it runs as: by owner for a caller who may, else by mode."""
    if user is None:
        return
    uid, _, gid = user.partition(":")
    for path in paths:
        if path.is_symlink():
            continue
        if os.geteuid() == 0 and uid.isdigit():
            os.chown(path, int(uid), int(gid) if gid.isdigit() else -1)
        else:
            path.chmod(0o777 if path.is_dir() else 0o666 | path.stat().st_mode & 0o111)

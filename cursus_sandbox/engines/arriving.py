"""A job that is made ready before its inputs are there: they get empty folders, which are filled when they have come.

A folder that is bound is filled by copying. That costs nothing to speak of for little, and would cost more than it
saves for much. An overlay would copy nothing, but its lower folder may not change while it is mounted.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from cursus_sandbox.engines.engine import Job, Mount, MountMode
from cursus_sandbox.engines.mounts import copy

MOST_BYTES = 64 * 1024**2
MOST_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Arriving:
    """A job as it can be made ready, and the inputs that are to come: each source, and the folder it shows in."""

    job: Job
    inputs: tuple[tuple[Path, Path], ...]

    def take_in(self) -> bool:
        """Fill the folders; False where that would take too long, or can't be done. Then they are of no use."""
        if not all(source.is_dir() and not source.is_symlink() for source, _ in self.inputs):
            return False
        if not _is_little([source for source, _ in self.inputs]):
            return False
        try:
            for source, folder in self.inputs:
                copy(source, folder)
        except (OSError, shutil.Error):
            return False
        return True


def arriving(job: Job) -> Arriving | None:
    """Make the folders for private inputs that aren't there yet, in a scratch folder beside the job's.

    None for a job that can't be made ready so: another mount is missing, or lies inside such an input.
    """
    missing = [mount for mount in job.mounts if not mount.source.exists()]
    if any(mount.mode is not MountMode.PRIVATE for mount in missing) or any(
        outer.target in inner.target.parents for outer in missing for inner in job.mounts
    ):
        return None
    scratch = job.scratch.with_name(f"{job.scratch.name}-ahead")
    scratch.mkdir()
    inputs = {mount: scratch / f"arriving-{number}" for number, mount in enumerate(missing)}
    for folder in inputs.values():
        folder.mkdir()
    mounts = tuple(
        Mount(inputs[mount], mount.target, MountMode.WRITABLE) if mount in inputs else mount for mount in job.mounts
    )
    ready = replace(job, scratch=scratch, mounts=mounts)
    return Arriving(ready, tuple((mount.source, folder) for mount, folder in inputs.items()))


def _is_little(folders: list[Path]) -> bool:
    """Whether what is in some folders is quickly copied; looks no further than it must."""
    waiting, size, entries = [str(folder) for folder in folders], 0, 0
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for entry in found:
                entries += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_size
                if size > MOST_BYTES or entries > MOST_ENTRIES:
                    return False
    return True

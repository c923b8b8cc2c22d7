"""A failed step, run again by hand: a shell script that needs none of this program, on copies of the step's files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cursus_sandbox.engines.engine import Engine, Mount, MountMode
from cursus_sandbox.sagemaker.layout import Staging
from cursus_sandbox.steps.kept_job import KeptJob

_HEAD = """\
#!/bin/sh
# Runs step '{step}' again, as it was run: on copies of its files, in the folder {folder}.
# To look around instead, change the last command.
set -eu
"""


def reproduction(kept: KeptJob, engine: Engine, folder: Path) -> str | None:
    """The script; it makes `folder` anew each time. None where the engine has no command for it.

    What the step may write to is copied or made afresh, so that a producer's files stay as they are.
    """
    job = kept.job
    mounts = [_own(mount, folder / f"{number}-{mount.target.name}") for number, mount in enumerate(job.mounts)]
    command = engine.by_hand(replace(job, scratch=folder / "scratch", mounts=tuple(mounts)))
    if command is None:
        return None
    lines = [f"cd {shlex.quote(str(folder.parent))}", f"rm -rf {folder.name}", f"mkdir -p {folder.name}/scratch"]
    for before, after in zip(job.mounts, mounts, strict=True):
        if before != after:
            lines += _made(before, after.source, kept.staging, folder.parent)
    if job.user is not None:
        lines.append(f"chmod -R a+rwX {folder.name}  # it runs as user {job.user}, whose files stay that user's here")
    return _HEAD.format(step=job.name, folder=folder.name) + "\n".join([*lines, command]) + "\n"


def _own(mount: Mount, place: Path) -> Mount:
    """A mount that what runs by hand may write to, in a place of its own; what it may only read stays."""
    return mount if mount.mode is MountMode.READ_ONLY else Mount(place, mount.target, MountMode.WRITABLE)


def _made(mount: Mount, place: Path, staging: Staging, here: Path) -> Iterator[str]:
    """The commands that make a mount's own place: what was there before the step began, or an empty folder."""

    def named(path: Path) -> str:
        return shlex.quote(str(path.relative_to(here) if here in path.parents else path))

    source = mount.source.resolve()
    if not source.is_dir():
        yield f"cp {named(source)} {named(place)}"
        return
    yield f"mkdir {named(place)}"
    pairs = (*staging.links, *staging.copies, *staging.sources, *staging.archives)
    laid_out = {*staging.texts, *(there for _, there in pairs)}
    if mount.mode is MountMode.PRIVATE or any(source in (there, *there.parents) for there in laid_out):
        yield f"cp -a {named(source)}/. {named(place)}"
        yield f"chmod -R u+rwX {named(place)}"
    for folder in staging.folders:
        if source in folder.parents:
            yield f"mkdir -p {named(place / folder.relative_to(source))}"

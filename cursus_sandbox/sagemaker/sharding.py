"""Which part of its inputs each host of a job gets.

`FullyReplicated`: every host all objects. `ShardedByS3Key`: each host its share, of N hosts about one Nth of the
objects (S3DataDistributionType of ProcessingS3Input and S3DataSource). AWS doesn't say which object goes to which host;
here it is in turn, by the sorted keys.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from cursus_sandbox.pipeline.dag import Distribution
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.hosts import Host


def shards(step: PlannedStep, sources: Mapping[str, Path], host: Host, folder: Path) -> dict[str, Path]:
    """The sources as one host sees them; a share of an input is made below `folder`, of links where there can be."""
    seen = dict(sources)
    for one in step.inputs:
        if one.distribution is Distribution.SHARDED:
            share = folder / one.channel
            for part in one.parts or ("",):  # each a channel of its own, divided by itself
                _share(sources[one.channel] / part, share / part, host)
            seen[one.channel] = share
    return seen


def share_of(keys: list[str], host: Host) -> list[str]:
    """A host's keys: of the sorted ones each N-th, beginning with its own number."""
    return sorted(keys)[host.all.index(host.name) :: len(host.all)]


def _share(source: Path, target: Path, host: Host) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if not source.is_dir():
        if share_of([source.name], host):
            _link(source, target / source.name)
        return
    keys = [
        str(Path(parent, name).relative_to(source))
        for parent, _, names in os.walk(source)
        for name in names
        if not Path(parent, name).is_symlink()
    ]
    for key in share_of(keys, host):
        (target / key).parent.mkdir(parents=True, exist_ok=True)
        _link(source / key, target / key)


def _link(source: Path, target: Path) -> None:
    """The mount above it is private, so that nobody writes to what is linked."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target)

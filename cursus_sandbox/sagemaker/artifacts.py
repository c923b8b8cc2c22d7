"""What SageMaker makes of a training job's folders: model.tar.gz and output.tar.gz.

Members have plain names relative to the folder (`model.json`, not `./model.json`): Cursus' scripts look them up so.
The same files give the same bytes, whenever and by whomever they were made.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedOutput, PlannedStep
from cursus_sandbox.sagemaker.layout import MODEL, OUTPUT_DATA


def archive_name(step: PlannedStep, output: PlannedOutput) -> str | None:
    """The archive an output travels as; None when its files travel as they are."""
    if step.kind is not StepKind.TRAINING or output.path is None:
        return None
    if output.path.is_relative_to(MODEL):
        return "model.tar.gz"
    if output.path.is_relative_to(OUTPUT_DATA):
        return "output.tar.gz"
    return None


def pack(folder: Path, archive: Path) -> None:
    """Write a folder's regular files to a gzipped tar, sorted, without times and owners."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file in _regular_files(folder):
            member = tarfile.TarInfo(file.relative_to(folder).as_posix())
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as opened:
                status = os.fstat(descriptor)
                member.size = status.st_size
                member.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
                tar.addfile(member, opened)


def _regular_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            file = Path(parent, name)
            if stat.S_ISREG(file.lstat().st_mode):
                yield file

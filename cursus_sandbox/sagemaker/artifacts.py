"""What SageMaker makes of a training job's folders: model.tar.gz and output.tar.gz.

Members have plain names relative to the folder (`model.json`, not `./model.json`): Cursus' scripts look them up so.
The same files give the same bytes, whenever and by whomever they were made.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path

from cursus_sandbox.leaves import leaves
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedOutput, PlannedStep
from cursus_sandbox.sagemaker.layout import MODEL, OUTPUT_DATA, StepFolders
from cursus_sandbox.untrusted import folder_at, opened


def archive_name(step: PlannedStep, output: PlannedOutput) -> str | None:
    """The archive an output travels as; None when its files travel as they are."""
    if step.kind is not StepKind.TRAINING or output.path is None:
        return None
    if output.path.is_relative_to(MODEL):
        return "model.tar.gz"
    if output.path.is_relative_to(OUTPUT_DATA):
        return "output.tar.gz"
    return None


def archive(step: PlannedStep, folders: StepFolders) -> None:
    """Put each output that travels as an archive into one, in its own place.

    There is one of /opt/ml/model and one of /opt/ml/output/data, of all that lies there: outputs below get the same.
    """
    by_name: dict[str, list[PlannedOutput]] = {}
    for output in step.outputs:
        name = archive_name(step, output)
        if name and (folders.outputs / output.channel).is_dir():
            by_name.setdefault(name, []).append(output)
    for name, outputs in by_name.items():
        root = MODEL if name == "model.tar.gz" else OUTPUT_DATA
        whole = folders.staged / root.name  # what is left beside the outputs
        for output in outputs:
            assert output.path is not None  # noqa: S101 -- or it would have no archive
            inside = whole / output.path.relative_to(root)
            folder_at(whole, inside)  # the step may have put a link, or files, where the output was mounted
            (folders.outputs / output.channel).rename(inside)
        first, *others = (folders.outputs / output.channel / name for output in outputs)
        pack(leaves(whole), first)
        for other in others:
            other.parent.mkdir()
            os.link(first, other)


def pack(found: Iterable[tuple[str, os.DirEntry[str] | None]], archive: Path) -> None:
    """Write the regular files and empty folders of `leaves` to a gzipped tar, without times and owners."""
    members = list(found)  # before there is an archive, which may lie in the folder
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, entry in members:
            member = tarfile.TarInfo(name.rstrip("/"))
            if entry is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            elif entry.is_file(follow_symlinks=False):
                with opened(Path(entry.path)) as content:
                    status = os.fstat(content.fileno())
                    member.size = status.st_size
                    member.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
                    tar.addfile(member, content)

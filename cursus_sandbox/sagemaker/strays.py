"""What a step wrote below /opt/ml where SageMaker would not keep it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cursus_sandbox.errors import did_you_mean
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.layout import MODEL, OUTPUT, OUTPUT_DATA, StepFolders, folder_around

_KEPT = ("message", "failure", "success")  # files of /opt/ml/output that the platform or the toolkit knows
_NAMED = 3


def strays(step: PlannedStep, folders: StepFolders) -> tuple[str, ...]:
    """A sentence for each folder with files that are in no output; the outputs it might have meant are named."""
    taken = {one.path for one in step.inputs} | {one.path for one in step.outputs}
    found: dict[PurePosixPath, list[PurePosixPath]] = {}
    for path in _files(step, folders):
        if path not in taken:
            found.setdefault(path.parent, []).append(path)
    outputs = [str(one.path) for one in step.outputs if one.path]
    if step.kind is StepKind.TRAINING:
        outputs += [str(MODEL), str(OUTPUT_DATA)]
    empty = [str(one.path) for one in step.outputs if one.path and _is_empty(folders.outputs / one.channel)]
    said = [_sentence(paths, outputs, empty) for _, paths in sorted(found.items())]
    rest = len(said) - _NAMED
    return (*said[:_NAMED], f"and wrote to {rest} folders more in the same way") if rest > 0 else tuple(said)


def _sentence(paths: list[PurePosixPath], outputs: list[str], empty: list[str]) -> str:
    more = f" and {len(paths) - 1:,} more beside it" if len(paths) > 1 else ""
    near = did_you_mean(str(paths[0].parent), empty or outputs, or_list=False)
    if len(empty) == 1:
        near = f"Did you mean '{empty[0]}', which is empty?"
    hint = f" {near}" if near else ""
    return f"it wrote {paths[0]}{more}, which is in none of its outputs: SageMaker does not keep that.{hint}"


def _is_empty(folder: Path) -> bool:
    return not any(files for _, _, files in os.walk(folder))


def _files(step: PlannedStep, folders: StepFolders) -> Iterator[PurePosixPath]:
    """The files that lie in no mount of an input's or output's own, as the step sees them."""
    if around := folder_around(step):
        yield from _below(folders.around, around)
    for path in _below(folders.messages, OUTPUT):
        first = path.relative_to(OUTPUT).parts[0]
        if path.parent != OUTPUT or first not in _KEPT:
            yield path


def _below(folder: Path, shown: PurePosixPath) -> Iterator[PurePosixPath]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            yield shown / PurePosixPath(
                os.fsencode(Path(parent, name).relative_to(folder)).decode("utf-8", "backslashreplace")
            )

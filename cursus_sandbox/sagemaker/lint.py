"""What would pass here and not in AWS: each step of a plan with its warnings, said before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

from cursus_sandbox.errors import did_you_mean, nearly
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Start
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.pipeline.source import Located
from cursus_sandbox.sagemaker.layout import PROCESSING_CODE, TRAINING_CODE, goes_alone, script_of
from cursus_sandbox.sagemaker.limits import refusals, underscored
from cursus_sandbox.sagemaker.script import Habits, habits
from cursus_sandbox.sagemaker.toolkit import toolkit_variables

_PREFIXES = ("SM_CHANNEL_", "SM_HP_", "SM_")
_LOOKED_AT = 10_000  # files of a folder; the data checks see all of them


def linted(plan: PipelineExecutionPlan) -> PipelineExecutionPlan:
    """The plan with what AWS would refuse or lose as its steps' warnings. Of the code, the entry scripts are read.

    Of folders that are bound, the names of what is in them are read.
    """
    read, seen = cache(habits), cache(_unlike_a_prefix)
    steps, with_toolkit = [], []
    for step in plan.steps:
        script = script_of(step) if step.runs else None
        found = read(script) if script else None
        bound = [f"{what}: {said}" for what, path in _bound(step) for said in seen(path)]
        warnings = (*refusals(step), *bound, *(_of_script(step, found) if found else ()))
        notes = tuple(_possibly(step, found)) if found else ()
        if found and found.sm_variables and _is_script_mode(step):
            with_toolkit.append(step.name)
        steps.append(replace(step, warnings=warnings, notes=(*step.notes, *notes)) if warnings or notes else step)
    remarks = [one for one in (underscored(plan.steps), _of_toolkit(with_toolkit)) if one]
    return replace(plan, steps=tuple(steps), remarks=(*plan.remarks, *remarks))


def _of_script(step: PlannedStep, found: Habits) -> Iterator[str]:
    """What a script does that its job has nothing for."""
    if found.installs and not step.network:
        yield (
            f"{step.entry_point}:{found.installs} installs packages, and the step has no network: only what its image "
            "has is there, as with NetworkConfig.EnableNetworkIsolation (--network bridge)"
        )
    for module, line in found.beside.items() if goes_alone(step) else ():
        yield (
            f"{step.entry_point}:{line} imports {module}, which lies beside it, and of its folder only the script goes "
            "along: its contract ships all with  contract: {source_dir: true}"
        )
    if step.kind is not StepKind.PROCESSING:
        return
    read = {name: line for name, line in found.sm_variables.items() if name not in step.environment}
    if read:
        name, line = min(read.items(), key=lambda one: one[1])
        more = f" and {len(read) - 1} more SM_* variables" if len(read) > 1 else ""
        yield f"{step.entry_point}:{line} reads {name}{more}: a processing job has none but those in its Environment"
    if found.code_folder and not any(one.path.is_relative_to(TRAINING_CODE) for one in step.inputs):
        yield (
            f"{step.entry_point}:{found.code_folder} names {TRAINING_CODE}: a processing job's code lies in "
            f"{PROCESSING_CODE}"
        )


def _possibly(step: PlannedStep, found: Habits) -> Iterator[str]:
    """What a script does that may be well: a link in /tmp, a variable with a default."""
    if found.links:
        yield f"{step.entry_point}:{found.links} makes links; one that is left in an output is not uploaded (S3Output)"
    if step.kind is StepKind.PROCESSING:
        taken = [*(one.path for one in step.inputs), *(one.path for one in step.outputs if one.path)]
        for folder, line in found.training_folders.items():
            if not any(path.is_relative_to(folder) for path in taken):
                yield (
                    f"{step.entry_point}:{line} names {folder}, which only a training job has. If it is one, its "
                    "contract says:  registry: {sagemaker_step_type: Training}"
                )
    if _is_script_mode(step):
        there = {*toolkit_variables(step, step.name), *step.environment}
        for name, line in found.sm_variables.items():
            if name in there:
                continue
            prefix = next(one for one in _PREFIXES if name.startswith(one))
            alike = (one for one in there if one.startswith(prefix))
            hint = did_you_mean(name, alike, or_list=False, prefix=prefix)
            if hint or name in found.sm_needed:
                yield f"{step.entry_point}:{line} reads {name}, which the job doesn't have.{f' {hint}' if hint else ''}"
        yield from _no_options(step, found)


def _no_options(step: PlannedStep, found: Habits) -> Iterator[str]:
    """Hyperparameters that are nearly an option of the script, which would refuse them."""
    given = {f"--{name}" for name in step.hyperparameters}
    for option in sorted(given - found.options):
        if like := nearly(option, found.options - given):
            yield f"{step.entry_point} has no option {option}, which a hyperparameter sets. Did you mean '{like}'?"


def _is_script_mode(step: PlannedStep) -> bool:
    return step.kind is StepKind.TRAINING and step.start is Start.SCRIPT


def _of_toolkit(steps: list[str]) -> str | None:
    if not steps:
        return None
    more = f" and {len(steps) - 1:,} more" if len(steps) > 1 else ""
    return (
        f"'{steps[0]}'{more}: the SM_* variables that it reads are the sagemaker-training toolkit's, and in AWS there "
        "only if its image has that"
    )


def _bound(step: PlannedStep) -> Iterator[tuple[str, Path]]:
    """The files and folders that a step's inputs are bound to, and those that stand for its outputs."""
    if step.runs:
        for one in step.inputs:
            if isinstance(one.source, Located) and not (one.source.is_manifest or one.source.pattern):
                yield f"input '{one.channel}'", one.source.path
    for output in step.outputs:
        if output.bound:
            yield f"output '{output.channel}'", output.bound


def _unlike_a_prefix(folder: Path) -> tuple[str, ...]:
    """What a folder has that a prefix in S3 can't have: no object at all, links."""
    if not os.path.isdir(folder):  # noqa: PTH112 -- False where it can't be looked at
        return ()
    files = list(islice(_files(folder), _LOOKED_AT))
    links = [file for file in files if file.is_symlink()]
    if not files:
        return (f"{folder} is empty: S3 has no empty folders, an S3Uri like it would name no object",)
    if links:
        more = f" and {len(links) - 1:,} more" if len(links) > 1 else ""
        return (f"{links[0]}{more}: a symbolic link is no object in S3",)
    return ()


def _files(folder: Path) -> Iterator[Path]:
    """All that is no folder, and links to folders."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(files))
        yield from (path for name in folders if (path := Path(parent, name)).is_symlink())

"""What would pass here and not in AWS: each step of a plan with its warnings, said before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.sagemaker.layout import PROCESSING_CODE, TRAINING_CODE, script_of
from cursus_sandbox.sagemaker.limits import refusals, underscored
from cursus_sandbox.sagemaker.script import Habits, habits


def linted(plan: PipelineExecutionPlan) -> PipelineExecutionPlan:
    """The plan with what AWS would refuse or lose as its steps' warnings. Of the code, the entry scripts are read."""
    read = cache(habits)
    steps = []
    for step in plan.steps:
        script = script_of(step) if step.runs else None
        found = read(script) if script else None
        warnings = (*refusals(step), *(_of_script(step, found) if found else ()))
        notes = tuple(_installing(step, found)) if found else ()
        steps.append(replace(step, warnings=warnings, notes=(*step.notes, *notes)) if warnings or notes else step)
    remark = underscored(plan.steps)
    return replace(plan, steps=tuple(steps), remarks=(*plan.remarks, remark) if remark else plan.remarks)


def _of_script(step: PlannedStep, found: Habits) -> Iterator[str]:
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


def _installing(step: PlannedStep, found: Habits) -> Iterator[str]:
    if found.installs and not step.network:
        yield f"{step.entry_point}:{found.installs} installs packages, and the step has no network here"

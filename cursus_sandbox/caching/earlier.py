"""What earlier runs have left of the steps that a run is not about."""

from __future__ import annotations

from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan
from cursus_sandbox.pipeline.source import StepOutput
from cursus_sandbox.runs.folders import StepFolder
from cursus_sandbox.runs.workspace import Workspace


def earlier_outputs(
    plan: PipelineExecutionPlan, chosen: frozenset[str], workspace: Workspace, *, first: str | None = None
) -> dict[str, StepFolder]:
    """The folders with the outputs of earlier runs that the chosen steps read; DocumentError if there are none."""
    found: dict[str, StepFolder] = {}
    problems = []
    for step in plan.steps:
        if step.name not in chosen or not step.runs:
            continue
        for one in step.inputs:
            if not isinstance(one.source, StepOutput) or one.source.step in chosen:
                continue
            producer = plan.step_configs[one.source.step]
            if not producer.runs or producer.name in found:
                continue
            if earlier := workspace.published(plan.name, producer.name, first=first):
                found[producer.name] = earlier
            else:
                what = f"step '{step.name}' reads '{one.source}', and no earlier run in {workspace.folder} left that"
                problems.append(Problem(what, hint=f"Run it first:  --until {producer.name}"))
    if problems:
        raise DocumentError(problems)
    return found

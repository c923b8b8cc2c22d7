"""What this machine has for steps to use."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from cursus_sandbox.pipeline.instances import Capacity, fitted
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan


def this_machine() -> Capacity:
    """The processors this process may use, all of the memory, and the NVIDIA GPUs there are device files of."""
    return Capacity(
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=len(list(Path("/dev").glob("nvidia[0-9]*"))),
    )


def fitted_to_this_machine(plan: PipelineExecutionPlan) -> PipelineExecutionPlan:
    """The plan with no step given more than is here; notes say what is missing."""
    machine = this_machine()
    return replace(plan, steps=tuple(fitted(step, machine) for step in plan.steps))

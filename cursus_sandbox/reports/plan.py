"""The plan in a terminal: what is wired to what and why, then what each step will find and run."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.table import Table

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.reports.text import heading, plain
from cursus_sandbox.sagemaker.layout import code_paths, command_of


def print_plan(plan: PipelineExecutionPlan, console: Console) -> None:
    """Print the plan. Long cells fold rather than being cut: nothing is hidden at 80 columns."""
    running = sum(step.runs for step in plan.steps)
    heading(console, f"{plan.name}: {len(plan.steps)} steps, {running} to run")
    _print_wiring(plan, console)
    for number, step in enumerate(plan.steps, start=1):
        _print_step(number, step, console)


def _print_wiring(plan: PipelineExecutionPlan, console: Console) -> None:
    for step in plan.steps:
        console.print(plain(step.name) + ("" if step.inputs else "  reads nothing"), highlight=False)
        width = max((len(one.channel) for one in step.inputs), default=0)
        for one in step.inputs:
            said = f"  {one.channel:<{width}} <- {one.source}  ({one.reason})"
            console.print(plain(said), highlight=False, soft_wrap=True)


def _print_step(number: int, step: PlannedStep, console: Console) -> None:
    job_type = f", job type {step.job_type}" if step.job_type else ""
    console.print()
    heading(console, f"{number}. {step.name}  ({step.step_type}, {step.kind}{job_type})")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if step.skip is not None:
        table.add_row("skipped", plain(step.skip))
    for output in step.outputs:
        if output.bound:
            table.add_row("bound", plain(f"{output.channel} = {output.bound}"))
    if step.runs:
        _add_details(table, step)
    for note in step.notes:
        table.add_row("note", plain(note))
    console.print(table)


def _add_details(table: Table, step: PlannedStep) -> None:
    entrypoint, arguments, working_dir = command_of(step)
    table.add_row(
        "command", plain(shlex.join((*entrypoint, *arguments))) + (f"  [in {working_dir}]" if working_dir else "")
    )
    table.add_row("image", plain(step.image or "none named: the local engine"))
    code = step.source_dir if step.ships_source_dir else f"{step.source_dir or '?'}/{step.entry_point}"
    for path in code_paths(step):
        table.add_row("code", plain(f"{path} <- {code}"))
    for one in step.inputs:
        for path, source in one.mounts():
            table.add_row("reads", plain(f"{path} <- {source}"))
    for output in step.outputs:
        table.add_row("writes", plain(f"{output.path} -> {step.name}:{output.channel}"))
    for name, setting in step.environment.items():
        table.add_row("env", plain(f"{name}={setting.value}") + f"  ({setting.origin})")
    if step.kind is StepKind.TRAINING and step.hyperparameters:
        table.add_row("hyper", plain(", ".join(f"{name}={value}" for name, value in step.hyperparameters.items())))
    for word, value in _limits(step):
        table.add_row(word, value)


def _limits(step: PlannedStep) -> list[tuple[str, str]]:
    resources = step.resources
    limits = [
        f"{resources.cpus:g} cpus" if resources.cpus else "",
        f"{resources.memory / 1024**2:,.0f} MB memory" if resources.memory else "",
        f"{resources.gpus} gpus" if resources.gpus else "",
        f"{step.timeout:g} s" if step.timeout else "",
        f"{step.retries} retries" if step.retries else "",
        "with network" if step.network else "",
    ]
    said = ", ".join(limit for limit in limits if limit)
    return [("limits", said)] if said else []

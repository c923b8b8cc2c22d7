"""The plan in a terminal: what is wired to what and why, then what each step will find and run; and as JSON.

Lines that this module folds and writes itself, step by step: rich takes seconds for ten thousand steps.
"""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TextIO

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Distribution, Start
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep, step_as_json
from cursus_sandbox.pipeline.selection import NOT_SELECTED
from cursus_sandbox.reports.config import in_short
from cursus_sandbox.reports.text import folded, plain_lines, shown
from cursus_sandbox.sagemaker.layout import code_paths, command_of

_WORD = 9  # columns of the word before a detail
_BOLD = Style(bold=True)


Predictions = Mapping[str, Mapping[str, str]]  # of steps: what becomes of each, why, and both in words


def print_plan(plan: PipelineExecutionPlan, console: Console, predicted: Predictions | None = None) -> None:
    """Print the plan, with what is predicted of its steps; long lines fold, nothing is cut."""
    console.file.writelines(f"{line}\n" for line in _lines(plan, console, predicted or {}))
    console.file.flush()


def print_plan_json(plan: PipelineExecutionPlan, file: TextIO, predicted: Predictions | None = None) -> None:
    """Write the plan as JSON, indented by two; of its steps, one at a time is held in memory."""
    predicted = predicted or {}
    around = json.dumps(plan.views(), indent=2, default=str)
    file.write(around.removesuffix("\n}"))
    file.write(',\n  "steps": [')
    for number, step in enumerate(plan.steps):
        said = {"prediction": predicted[step.name]} if step.name in predicted else {}
        written = json.dumps(step_as_json(step) | said, indent=2, default=str)
        file.write(("," if number else "") + "\n" + textwrap.indent(written, "    "))
    file.write("\n  ]\n}\n")


def _lines(plan: PipelineExecutionPlan, console: Console, predicted: Predictions) -> Iterator[str]:
    columns = console.width  # asks the system each time
    bold = console.color_system is not None
    left_out = sum(NOT_SELECTED in one["why"] for one in predicted.values())
    running = sum(step.runs for step in plan.steps) - left_out
    yield _heading(f"{plan.name}: {len(plan.steps)} steps, {running} to run", bold=bold)
    yield from (folded(f"note: {remark}", "      ", columns) for remark in plan.remarks)
    yield from _wiring(plan, columns)
    short = cache(shown)
    for number, step in enumerate(plan.steps, start=1):
        job_type = f", job type {step.job_type}" if step.job_type else ""
        title = folded(f"{number}. {step.name}  ({step.step_type}, {step.kind}{job_type})", "   ", columns)
        yield ""
        yield _heading(title, bold=bold)
        if step.contract_file is not None:
            yield _detail("contract", short(step.contract_file), columns)
        if step.name in predicted:
            yield _detail("run", predicted[step.name]["words"], columns)
        for word, said in _details(step):
            yield _detail(word, said, columns)


def _heading(text: str, *, bold: bool) -> str:
    plain = plain_lines(text)
    return _BOLD.render(plain, color_system=ColorSystem.STANDARD) if bold else plain


def _detail(word: str, said: str, columns: int) -> str:
    return folded(f"  {word:<{_WORD}}{said}", " " * (_WORD + 2), columns)


def _wiring(plan: PipelineExecutionPlan, columns: int) -> Iterator[str]:
    for step in plan.steps:
        yield step.name + ("" if step.inputs else "  (reads nothing)")
        width = max((len(one.channel) for one in step.inputs), default=0)
        for one in step.inputs:
            score = "" if one.score is None else f"{one.score:.2f}: "
            yield folded(f"  {one.channel:<{width}} <- {one.source}  ({score}{one.reason})", " " * 6, columns)


def _details(step: PlannedStep) -> Iterator[tuple[str, str]]:
    if step.skip is not None:
        yield "skipped", step.skip
    if step.config is not None and step.config.chosen is not None:
        yield "config", in_short(step.config.chosen)
    for output in step.outputs:
        if output.bound:
            yield "bound", f"{output.channel} = {output.bound}"
    if step.runs:
        yield from _running(step)
    for warning in step.warnings:
        yield "warning", warning
    for note in step.notes:
        yield "note", note


def _running(step: PlannedStep) -> Iterator[tuple[str, str]]:
    yield "command", _command(step)
    yield "image", step.image or "none named: this machine's own Python"
    code = str(step.source_dir) if step.ships_source_dir else f"{step.source_dir or '?'}/{step.entry_point}"
    for path in code_paths(step) if step.entry_point else ():
        yield "code", f"{path} <- {code}"
    yield from _channels(step)
    for name, setting in step.environment.items():
        yield "env", f"{name}={setting.value}  ({setting.origin})"
    for name, secret in step.secrets.items():
        yield "secret", f"{name} <- {secret}  ({secret.handed})"
    if step.transform:
        yield "records", step.transform.said() or "as the container offers, else the platform's defaults"
    if step.kind is StepKind.TRAINING:
        for name, value in step.hyperparameters.items():
            yield "hyper", f"{name}={value}  ({step.encoding})"
    if step.instance_type or step.volume_size or step.instance_count > 1:
        disk = f", told of a disk of {step.volume_size} GB" if step.volume_size else ""
        yield "on", f"{step.instance_count} x {step.instance_type or 'a host'}{disk}"
    if limits := ", ".join(_limits(step)):
        yield "limits", limits


def _channels(step: PlannedStep) -> Iterator[tuple[str, str]]:
    for one in step.inputs:
        for path, source in one.mounts():
            yield (
                "reads",
                f"{path} <- {source}"
                + ("" if one.distribution is Distribution.REPLICATED else f"  ({one.distribution})"),
            )
    for output in step.outputs:
        yield "writes", f"{output.path} -> {step.name}:{output.channel}"


def _command(step: PlannedStep) -> str:
    if step.kind is StepKind.MODEL:
        return "none: model.tar.gz is unpacked"
    entrypoint, arguments, working_dir = command_of(step)
    if step.start is Start.IMAGE:
        return f"the image's entry point, {shlex.join(arguments)}" if arguments else "the image's own"
    return shlex.join((*entrypoint, *arguments)) + (f"  (in {working_dir})" if working_dir else "")


def _limits(step: PlannedStep) -> Iterator[str]:
    resources = step.resources
    if resources.cpus:
        yield f"{resources.cpus:g} cpus"
    if resources.memory:
        yield f"{resources.memory / 1024**2:,.0f} MB memory"
    if resources.gpus:
        yield f"{resources.gpus} gpus"
    if step.timeout:
        yield f"{step.timeout:g} s" + (f", then {step.grace:g} s to end" if step.grace else "")
    if step.retries.count:
        yield step.retries.said()
    if step.network:
        yield "with network"
    if step.read_only_root:
        yield "read-only root"
    if step.runtime:
        yield f"in {step.runtime}"

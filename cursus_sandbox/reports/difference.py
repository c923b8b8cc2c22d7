"""What is different between two runs of a pipeline: images, code, settings, data, how steps ended, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.reports.text import number

Plan = Mapping[str, Any]
"""A plan as `plan.json` holds it."""

# What of a planned step is compared, and what it is called.
_SETTINGS = {
    "image": "image",
    "entry_point": "entry point",
    "arguments": "arguments",
    "hyperparameters": "hyperparameters",
    "resources": "resources",
    "timeout": "timeout",
    "network": "network",
    "inputs": "inputs",
    "outputs": "outputs",
    "environment": "environment",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing of one step, before and after; "" is not there."""

    step: str
    what: str
    before: str
    after: str


def differences(
    before: PipelineExecutionResult, after: PipelineExecutionResult, plans: tuple[Plan, Plan]
) -> Iterator[Difference]:
    """What differs, step by step, in the order of the later run."""
    settings = [{str(step["name"]): step for step in plan.get("steps", ())} for plan in plans]
    old, new = before.step_results, after.step_results
    for image in sorted({*before.images, *after.images}):
        if before.images.get(image) != after.images.get(image) and image in before.images and image in after.images:
            yield Difference("", f"image {image}", _short(before.images[image]), _short(after.images[image]))
    for name in (*new, *(name for name in old if name not in new)):
        if name not in old or name not in new:
            yield Difference(name, "step", *("there" if name in side else "" for side in (old, new)))
            continue
        for key, what in _SETTINGS.items():
            yield from _changed(name, what, settings[0].get(name, {}).get(key), settings[1].get(name, {}).get(key))
        yield from _results(old[name], new[name])


def _changed(step: str, what: str, before: Any, after: Any) -> Iterator[Difference]:
    """One difference for each entry of a mapping or of a list of channels; one for anything else."""
    if before == after:
        return
    if isinstance(before or after, list) and all(isinstance(one, dict) for one in (*(before or ()), *(after or ()))):
        before, after = ({one.get("channel"): one for one in side or ()} for side in (before, after))
    if isinstance(before or {}, dict) and isinstance(after or {}, dict):
        sides = before or {}, after or {}
        for key in dict.fromkeys((*sides[0], *sides[1])):
            one, other = sides[0].get(key), sides[1].get(key)
            if one != other:
                yield Difference(step, f"{what} {key}", _said(one), _said(other))
        return
    yield Difference(step, what, _said(before), _said(after))


def _results(before: StepExecutionResult, after: StepExecutionResult) -> Iterator[Difference]:
    if before.status != after.status:
        yield Difference(after.step, "status", before.status, after.status)
    rows = [{report.reader or report.data: report.rows for report in step.reports} for step in (before, after)]
    for data in rows[1]:
        if data in rows[0] and rows[0][data] != rows[1][data]:
            yield Difference(after.step, f"rows of {data}", _said(rows[0][data]), _said(rows[1][data]))
    for name in dict.fromkeys((*before.metrics, *after.metrics)) if before.status == after.status else ():
        one, other = before.metrics.get(name), after.metrics.get(name)
        if one != other:
            yield Difference(
                after.step,
                f"metric {name}",
                "" if one is None else number(one),
                "" if other is None else number(other),
            )


def _said(value: Any) -> str:
    match value:
        case None:
            return ""
        case {"value": text, "origin": _}:
            return str(text)
        case {"channel": _, "source": source}:
            return _said(source)
        case {"step": step, "channel": channel}:
            return f"{step}:{channel}"
        case {"path": path} if len(value) == 1:
            return str(path)
        case list():
            return " ".join(str(one) for one in value)
        case dict():
            return ", ".join(f"{key} {_said(one)}" for key, one in value.items())
        case _:
            return str(value)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]

"""What is different between two runs of a pipeline: images, code, settings, schemas, data, how steps ended, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.reports.text import number

Plan = Mapping[str, Any]
"""A plan as `plan.json` holds it."""

Settings = Mapping[str, Mapping[str, Any]]
OfStep = Mapping[str, Mapping[str, str]]

Ingredients = Mapping[str, OfStep]
"""What each step came of, in groups: of its code and of each of its inputs, for each file a word for what is in it."""

_NAMED = 5  # files of a group
_WELL = {StepStatus.SUCCEEDED, StepStatus.REUSED}

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
    before: PipelineExecutionResult,
    after: PipelineExecutionResult,
    plans: tuple[Plan, Plan],
    ingredients: tuple[Ingredients, Ingredients] = ({}, {}),
) -> Iterator[Difference]:
    """What differs, step by step, in the order of the later run."""
    settings = settings_of(plans[0]), settings_of(plans[1])
    old, new = before.step_results, after.step_results
    if before.pipeline != after.pipeline:
        yield Difference("", "pipeline", before.pipeline, after.pipeline)
    yield from image_differences("", before.images, after.images)
    for name in (*new, *(name for name in old if name not in new)):
        if name not in old or name not in new:
            yield Difference(name, "step", *("there" if name in side else "" for side in (old, new)))
            continue
        yield from came_of_differences(name, settings, (ingredients[0].get(name), ingredients[1].get(name)))
        yield from _results(old[name], new[name])


def image_differences(step: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    """The images of the same name that are others: rebuilt, or pulled again. Both are digests by name."""
    for image in sorted(before.keys() & after.keys()):
        if before[image] != after[image]:
            yield Difference(step, f"image {image}", _short(before[image]), _short(after[image]))


def came_of_differences(
    step: str, settings: tuple[Settings, Settings], ingredients: tuple[OfStep | None, OfStep | None]
) -> Iterator[Difference]:
    """What differs in what a step came of in two runs, whatever became of it."""
    before, after = (steps.get(step, {}) for steps in settings)
    for key, what in _SETTINGS.items():
        yield from _changed(step, what, before.get(key), after.get(key))
    if ingredients[0] and ingredients[1]:
        yield from _came_of(step, ingredients[0], ingredients[1])


def settings_of(plan: Plan) -> Settings:
    """What is set for each step."""
    return {str(step["name"]): step for step in plan.get("steps", ())}


def _came_of(
    step: str, before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> Iterator[Difference]:
    """The files of code and inputs that have other contents, and whether Python has other packages."""
    for group in dict.fromkeys((*before, *after)):
        if group not in ("code", "python", "engine", "cursus-sandbox") and not group.startswith("input "):
            continue  # settings are told one by one
        one, other = before.get(group, {}), after.get(group, {})
        changed = [file for file in dict.fromkeys((*one, *other)) if one.get(file) != other.get(file) and file]
        what = group.replace("input ", "data of ")
        for file in changed[:_NAMED]:
            yield Difference(step, f"{what} {file}", one.get(file, "")[:12], other.get(file, "")[:12])
        if len(changed) > _NAMED:
            yield Difference(step, what, "", f"and {len(changed) - _NAMED} files more")


def _schema(channel: Any) -> dict[str, str]:
    """A channel's columns and their types."""
    fields = ((channel or {}).get("table_schema") or {}).get("fields") or ()
    return {str(one.get("name")): str(one.get("arrow") or one.get("type") or "any") for one in fields}


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
            if one == other:
                continue
            if what in ("inputs", "outputs"):
                columns = _schema(one), _schema(other)
                for column in dict.fromkeys((*columns[0], *columns[1])):
                    if columns[0].get(column) != columns[1].get(column):
                        schema = f"schema of {key}, column {column}"
                        yield Difference(step, schema, columns[0].get(column, ""), columns[1].get(column, ""))
                if _said(one) == _said(other):
                    continue
            yield Difference(step, f"{what} {key}", _said(one), _said(other))
        return
    yield Difference(step, what, _said(before), _said(after))


def _results(before: StepExecutionResult, after: StepExecutionResult) -> Iterator[Difference]:
    if before.status != after.status and not {before.status, after.status} <= _WELL:
        yield Difference(after.step, "status", before.status, after.status)
    rows = [{report.reader or report.data: report.rows for report in step.reports} for step in (before, after)]
    for data in rows[1]:
        if data in rows[0] and rows[0][data] != rows[1][data]:
            yield Difference(after.step, f"rows of {data}", _said(rows[0][data]), _said(rows[1][data]))
    for name in dict.fromkeys((*before.metrics, *after.metrics)) if {before.status, after.status} <= _WELL else ():
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
        case {"path": path} if len(value) == 1 or "channel" in value:
            return str(path)
        case list():
            return " ".join(str(one) for one in value)
        case dict():
            return ", ".join(f"{key} {_said(one)}" for key, one in value.items())
        case _:
            return str(value)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]

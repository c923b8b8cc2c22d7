"""A run as one page that needs nothing else: no network, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jinja2

from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.reports.difference import Difference, Ingredients, Plan, differences
from cursus_sandbox.reports.graph import Graph, graph
from cursus_sandbox.reports.step_page import Room, Sample, step_page
from cursus_sandbox.reports.text import number, printable, seconds_said, size

_LARGEST = 4_900_000  # letters of a page
_SHARES = (1.0, 0.3, 0.05)  # of the room below, tried until the page is small enough
_ALL_LOGS = 2_000_000  # bytes of all steps' logs together
_ONE_LOG = 200_000
_ALL_POINTS = 20_000  # of all lines together
_ONE_LINE = 300
_ALL_PREVIEWS = 120  # channels
_STATES = {"it runs": "runs", "it waits": "waits"}  # what a run that still goes on says of its steps
_MOST_LABELS = 80  # arrows that have their channels written beside them


@dataclass(frozen=True, slots=True)
class Previous:
    """An earlier run of the same pipeline."""

    result: PipelineExecutionResult
    plan: Plan
    ingredients: Ingredients


@dataclass(frozen=True, slots=True)
class Bar:
    """A step on the time line; both figures in percent of the run."""

    step: str
    status: StepStatus
    start: float
    width: float
    seconds: float
    is_critical: bool


def html_report(
    result: PipelineExecutionResult,
    plan: Plan,
    *,
    previous: Previous | None = None,
    ingredients: Ingredients | None = None,
    usage: Mapping[str, Sequence[Sample]] | None = None,
    outcome: str = "",
    values: bool = True,
) -> str:
    """The page; without `values` it holds nothing of what is in the data. `previous` is an earlier run to compare.

    `ingredients` are what each step came of, `usage` is what it used over time. `outcome` is for a run that has none
    of its own: it still runs, or was ended from outside.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cursus_sandbox.reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": size, "number": number, "printable": printable, "seconds": seconds_said}
    compared: tuple[Difference, ...] = ()
    if previous is not None:
        both = previous.ingredients, ingredients or {}
        compared = tuple(differences(previous.result, result, (previous.plan, plan), both))
    drawn, text = _graph(plan), ""
    planned = {str(step["name"]): step for step in plan.get("steps", ())}
    for share in _SHARES:
        room = _room(len(result.steps), share, values=values)
        pages = [
            step_page(step, planned.get(step.step, {}), result, (usage or {}).get(step.step, ()), room)
            for step in result.steps
        ]
        text = environment.get_template("report.html.jinja").render(
            result=result,
            outcome=outcome or result.outcome,
            pages=pages,
            graph=drawn,
            labels=len(drawn.arrows) <= _MOST_LABELS,
            bars=_bars(result, plan),
            states={step.step: _STATES.get(step.why, str(step.status)) for step in result.steps},
            failed=[page for page in pages if page.result.status is StepStatus.FAILED],
            previous=previous.result if previous else None,
            compared=compared,
            ticks=_ticks(result),
            together=sum(step.seconds for step in result.steps),
        )
        if len(text) < _LARGEST:
            break
    return text


def _room(steps: int, share: float, *, values: bool) -> Room:
    return Room(
        log=int(min(_ONE_LOG, _ALL_LOGS // max(steps, 1)) * share),
        points=int(min(_ONE_LINE, _ALL_POINTS // max(steps, 1)) * share),
        previews=iter(range(int(_ALL_PREVIEWS * share) if values else 0)),
    )


def _ticks(result: PipelineExecutionResult) -> tuple[str, ...]:
    """What is written below the time line: its beginning, its quarters and its end."""
    ran = [step for step in result.steps if step.started_at is not None]
    if not ran:
        return ()
    whole = (max(map(_end, ran)) - min(map(_start, ran))).total_seconds()
    return tuple(seconds_said(whole * part / 4) for part in range(5))


def _graph(plan: Plan) -> Graph:
    dependencies: dict[str, Sequence[str]] = {}
    labels: dict[tuple[str, str], str] = {}
    steps = {str(step["name"]): step for step in plan.get("steps", ())}
    for name in plan.get("execution_order") or steps:
        step = steps.get(name, {})
        dependencies[name] = [one for one in step.get("depends_on", ()) if one in dependencies]
        for one in step.get("inputs", ()):
            match one.get("source"):
                case {"step": before, "channel": channel}:
                    said = channel if channel == one["channel"] else f"{channel} → {one['channel']}"
                    labels[before, name] = f"{labels[before, name]}, {said}" if (before, name) in labels else said
    return graph(dependencies, labels)


def _bars(result: PipelineExecutionResult, plan: Plan) -> list[Bar]:
    """The steps that ran, as they started; those that the end of the run waited for are critical."""
    ran = {step.step: step for step in result.steps if step.started_at is not None}
    if not ran:
        return []
    first = min(_start(step) for step in ran.values())
    whole = max((_end(step) - first).total_seconds() for step in ran.values()) or 1e-9
    waited_for = {str(step["name"]): step.get("depends_on", ()) for step in plan.get("steps", ())}
    critical: set[str] = set()
    last: StepExecutionResult | None = max(ran.values(), key=_end)
    while last is not None:
        critical.add(last.step)
        last = max((ran[one] for one in waited_for.get(last.step, ()) if one in ran), key=_end, default=None)
    return [
        Bar(
            step=step.step,
            status=step.status,
            start=round((_start(step) - first).total_seconds() / whole * 100, 3),
            width=round(max(step.seconds / whole * 100, 0.2), 3),
            seconds=step.seconds,
            is_critical=step.step in critical,
        )
        for step in sorted(ran.values(), key=_start)
    ]


def _start(step: StepExecutionResult) -> datetime:
    return step.started_at or datetime.max.replace(tzinfo=UTC)


def _end(step: StepExecutionResult) -> datetime:
    return _start(step) + timedelta(seconds=step.seconds)

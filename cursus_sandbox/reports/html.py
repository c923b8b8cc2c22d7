"""A run as one page that needs nothing else: no network, no other file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2

from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.reports.difference import Difference, Plan, differences
from cursus_sandbox.reports.findings import finding_lines
from cursus_sandbox.reports.graph import Graph, graph
from cursus_sandbox.reports.text import number, printable, size
from cursus_sandbox.tables.preview import TablePreview, table_preview

_ALL_LOGS = 2_000_000  # bytes of all steps' logs together, so that a page stays below 5 MB
_ONE_LOG = 200_000
_ALL_PREVIEWS = 120  # channels
_COMMANDS_OF_A_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class Bar:
    """A step on the time line; both figures in percent of the run."""

    step: str
    status: StepStatus
    start: float
    width: float
    seconds: float
    is_critical: bool


@dataclass(frozen=True, slots=True)
class Channel:
    """An input or output of a step: where it is in the container, where its data come from or lie, what they are."""

    name: str
    path: str
    place: str
    rows: int | None
    fields: tuple[Mapping[str, Any], ...]
    preview: TablePreview | None = None


@dataclass(frozen=True, slots=True)
class StepPage:
    """What the page says of a step."""

    result: StepExecutionResult
    planned: Mapping[str, Any]
    seconds: str
    memory: str
    inputs: tuple[Channel, ...]
    outputs: tuple[Channel, ...]
    findings: tuple[tuple[str, tuple[str, ...]], ...]
    log: str
    log_cut: bool


def html_report(
    result: PipelineExecutionResult,
    plan: Plan,
    *,
    previous: tuple[PipelineExecutionResult, Plan] | None = None,
    values: bool = True,
) -> str:
    """The page; without `values` it holds nothing of what is in the data. `previous` is an earlier run to compare."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cursus_sandbox.reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": size, "number": number, "printable": printable, "seconds": _seconds}
    planned = {str(step["name"]): step for step in plan.get("steps", ())}
    previews = iter(range(_ALL_PREVIEWS if values else 0))
    log_room = min(_ONE_LOG, _ALL_LOGS // max(len(result.steps), 1))
    pages = [_page(step, planned.get(step.step, {}), result, previews, log_room=log_room) for step in result.steps]
    compared: tuple[Difference, ...] = ()
    if previous is not None:
        compared = tuple(differences(previous[0], result, (previous[1], plan)))
    template = environment.get_template("report.html.jinja")
    return template.render(
        result=result,
        pages=pages,
        graph=_graph(plan),
        bars=_bars(result, plan),
        statuses={step.step: step.status for step in result.steps},
        failed=[page for page in pages if page.result.status is StepStatus.FAILED],
        previous=previous[0].run if previous else None,
        compared=compared,
    )


def _page(
    step: StepExecutionResult,
    planned: Mapping[str, Any],
    result: PipelineExecutionResult,
    previews: Iterator[int],
    *,
    log_room: int,
) -> StepPage:
    rows = {report.reader or report.data: report.rows for report in step.reports}

    def output(one: Mapping[str, Any]) -> Channel:
        folder = step.outputs.get(one["channel"])
        preview = table_preview(folder) if folder and folder.is_dir() and next(previews, None) is not None else None
        data = f"{step.step}:{one['channel']}"
        return Channel(
            one["channel"], str(one.get("path") or ""), str(folder or ""), rows.get(data), _fields(one), preview
        )

    log, cut = _log(step.log, log_room)
    return StepPage(
        result=step,
        planned=planned,
        seconds=_seconds(step.seconds) if step.started_at else "",
        memory=size(step.peak_memory) if step.peak_memory is not None else "",
        inputs=tuple(
            Channel(
                one["channel"],
                str(one.get("path") or ""),
                _source(one.get("source")),
                rows.get(f"{step.step}:{one['channel']}"),
                _fields(one),
            )
            for one in planned.get("inputs", ())
        ),
        outputs=tuple(output(one) for one in planned.get("outputs", ())),
        findings=tuple(
            (str(finding.severity), tuple(finding_lines(report, finding, result)))
            for report in step.reports
            for finding in report.findings
        ),
        log=log,
        log_cut=cut,
    )


def _fields(channel: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    schema = channel.get("table_schema") or {}
    return tuple(one for one in schema.get("fields") or () if isinstance(one, dict))


def _source(source: Any) -> str:
    """Where an input's data come from, in words."""
    match source:
        case {"step": step, "channel": channel}:
            return f"{step}:{channel}"
        case {"path": path}:
            return str(path)
        case None:
            return "nothing feeds it"
        case dict() if "rows" in source:
            return f"made up, {source['rows']} rows, seed {source.get('seed', 0)}"
        case _:
            return json.dumps(source, default=str)


def _log(file: Path | None, room: int) -> tuple[str, bool]:
    """The log's text without commands to a terminal, and whether its middle is missing."""
    if file is None:
        return "", False
    try:
        with file.open("rb") as opened:
            length = file.stat().st_size
            if length <= room:
                raw, cut = opened.read(), False
            else:
                first = opened.read(room // 4)
                opened.seek(length - room * 3 // 4)
                left_out = f"\n… {size(length - room)} left out, all in {file} …\n".encode()
                raw, cut = first + left_out + opened.read(room), True
    except OSError:
        return "", False
    text = _COMMANDS_OF_A_TERMINAL.sub("", raw.decode("utf-8", "replace"))
    return "\n".join(printable(line.rpartition("\r")[2]) for line in text.replace("\r\n", "\n").split("\n")), cut


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


def _seconds(value: float) -> str:
    """A time as people say it."""
    if value < 60:  # noqa: PLR2004
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"

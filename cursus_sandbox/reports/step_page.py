"""What the page of a run says of one step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.reports.charts import Chart, chart
from cursus_sandbox.reports.commands import by_hand
from cursus_sandbox.reports.findings import depth, finding_lines
from cursus_sandbox.reports.text import number, printable, seconds_said, size
from cursus_sandbox.tables.metrics import MetricsFile, metrics_files
from cursus_sandbox.tables.preview import TablePreview, table_preview
from cursus_sandbox.tables.unpacked import unpacked

_COMMANDS_OF_A_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")

Sample = tuple[float, int | None, float | None]
"""Seconds since a step began, its memory in bytes, and the processors it kept busy."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a page a step may take: bytes of its log, points of a line, whether there are looks into its data."""

    log: int
    points: int
    previews: Iterator[int]


Finding = tuple[str, tuple[str, ...]]
"""Its severity and its lines."""


@dataclass(frozen=True, slots=True)
class Channel:
    """An input or output of a step: where it is in the container, where its data come from or lie, what they are.

    `feeder` is the step that an input comes from.
    """

    name: str
    path: str
    place: str
    rows: int | None
    fields: tuple[Mapping[str, Any], ...]
    depth: str = ""
    findings: tuple[Finding, ...] = ()
    feeder: str | None = None
    preview: TablePreview | None = None
    metrics: tuple[tuple[MetricsFile, tuple[Chart, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class StepPage:
    """What the page says of a step.

    `findings` are those that belong to none of its channels, `errors` are all that are errors, wherever they stand.
    `by_hand` says in words, and as a command, how to get to where it failed.
    """

    result: StepExecutionResult
    planned: Mapping[str, Any]
    seconds: str
    memory: str
    inputs: tuple[Channel, ...]
    outputs: tuple[Channel, ...]
    findings: tuple[Finding, ...]
    errors: tuple[Finding, ...]
    by_hand: tuple[str, str] | None
    charts: tuple[Chart, ...]
    log: str
    log_cut: bool


def step_page(
    step: StepExecutionResult,
    planned: Mapping[str, Any],
    result: PipelineExecutionResult,
    usage: Sequence[Sample],
    room: Room,
) -> StepPage:
    """All of it, as far as there is room."""
    rows = {report.reader or report.data: report.rows for report in step.reports}
    depths = {report.reader or report.data: depth(report) for report in step.reports}
    found: dict[str, list[Finding]] = {}
    for report in step.reports:
        for finding in report.findings:
            said = str(finding.severity), tuple(finding_lines(report, finding, result))
            found.setdefault(report.reader or report.data, []).append(said)
    errors = tuple(finding for some in found.values() for finding in some if finding[0] == "error")

    def channel(one: Mapping[str, Any], folder: Path | None, place: str) -> Channel:
        data = f"{step.step}:{one['channel']}"
        preview: TablePreview | None = None
        metrics: tuple[tuple[MetricsFile, tuple[Chart, ...]], ...] = ()
        if folder is not None and folder.exists():
            with unpacked(folder) as tables:
                if next(room.previews, None) is not None:
                    preview = table_preview(tables)
                if "source" not in one:
                    metrics = tuple(
                        (file, _series(file, room.points)) for file in metrics_files(tables, one["channel"])
                    )
        return Channel(
            name=one["channel"],
            path=str(one.get("path") or ""),
            place=place,
            rows=rows.get(data),
            fields=_fields(one),
            depth=" ".join(depths.get(data, ())),
            findings=tuple(found.pop(data, ())),
            feeder=_feeder(one.get("source")),
            preview=preview,
            metrics=metrics,
        )

    inputs = tuple(
        channel(one, _outside(one.get("source")), _source(one.get("source"))) for one in _all(planned, "inputs")
    )
    outputs = tuple(
        channel(one, folder, str(folder or ""))
        for one in _all(planned, "outputs")
        for folder in [step.outputs.get(one["channel"])]
    )
    log, cut = _log(step.log, room.log)
    return StepPage(
        result=step,
        planned=planned,
        seconds=seconds_said(step.seconds) if step.started_at else "",
        memory=size(step.peak_memory) if step.peak_memory is not None else "",
        inputs=inputs,
        outputs=outputs,
        findings=tuple(finding for some in found.values() for finding in some),
        errors=errors,
        by_hand=by_hand(step, result),
        charts=_usage(usage, room.points),
        log=log,
        log_cut=cut,
    )


def _all(planned: Mapping[str, Any], what: str) -> Sequence[Mapping[str, Any]]:
    return planned.get(what) or ()


def _usage(samples: Sequence[Sample], most: int) -> tuple[Chart, ...]:
    """Memory and processors over time."""
    memory = [(seconds, float(held)) for seconds, held, _ in samples if held is not None]
    cpu = [(seconds, busy) for seconds, _, busy in samples if busy is not None]
    drawn = (
        chart("memory", memory, said=lambda v: size(int(v)), place=seconds_said, from_zero=True, most=most),
        chart("processors", cpu, said=lambda v: f"{v:.2f}", place=seconds_said, from_zero=True, most=most),
    )
    return tuple(one for one in drawn if one is not None)


def _series(file: MetricsFile, most: int) -> tuple[Chart, ...]:
    drawn = (
        chart(name, list(enumerate(values, 1)), said=number, place=lambda at: f"{at:.0f}", most=most)
        for name, values in file.series.items()
    )
    return tuple(one for one in drawn if one is not None)


def _outside(source: Any) -> Path | None:
    """The folder or file of an input that no step feeds."""
    match source:
        case {"path": path} if Path(path).is_dir():
            return Path(path)
        case _:
            return None


def _feeder(source: Any) -> str | None:
    match source:
        case {"step": step, "channel": _}:
            return str(step)
        case _:
            return None


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
    lines = (line.rpartition("\r")[2].expandtabs() for line in text.replace("\r\n", "\n").split("\n"))
    return "\n".join(map(printable, lines)), cut

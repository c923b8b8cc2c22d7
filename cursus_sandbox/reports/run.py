"""A run in a terminal: a line as each step starts and ends, then the summary."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from threading import Lock

from rich.console import Console
from rich.table import Table

from cursus_sandbox.pipeline.result import (
    Event,
    PipelineExecutionResult,
    StepEnded,
    StepExecutionResult,
    StepStarted,
    StepStatus,
)
from cursus_sandbox.reports.text import heading, plain, size
from cursus_sandbox.tables.mismatch import Mismatch, Severity
from cursus_sandbox.tables.report import DataCompatibilityReport

_STYLES = {
    StepStatus.SUCCEEDED: "green",
    StepStatus.FAILED: "bold red",
    StepStatus.STOPPED: "yellow",
    StepStatus.SKIPPED: "dim",
    StepStatus.REUSED: "cyan",
}
_LAST_LINES = 15
_TAIL = 64 * 1024


class ProgressLines:
    """An observer that says a line at each event; called from several threads."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.lock = Lock()

    def __call__(self, event: Event) -> None:
        """Say it."""
        with self.lock:
            match event:
                case StepStarted():
                    self.console.print(f"  started    {plain(event.step)}", highlight=False)
                case StepEnded():
                    ended = event.result
                    style = _STYLES[ended.status]
                    said = f"  {plain(ended.why)}" if ended.why else f"  {ended.seconds:.1f} s"
                    self.console.print(f"  [{style}]{ended.status:<9}[/]  {plain(ended.step)}{said}", highlight=False)


def print_summary(result: PipelineExecutionResult, console: Console) -> None:
    """Every step's status, seconds and peak memory; what failed and why; the metrics; where things are."""
    console.print()
    heading(console, f"{result.pipeline} on the {result.engine} engine")
    for note in result.notes:
        console.print(f"note: {plain(note)}", highlight=False)
    console.print(_steps(result))
    for step in result.steps:
        _print_findings(step, console)
    for step in result.steps:
        if step.status is StepStatus.FAILED:
            _print_failure(step, console)
    _print_metrics(result, console)
    counts = Counter(str(step.status) for step in result.steps)
    console.print()
    said = ", ".join(f"{number} {status}" for status, number in counts.items())
    outcome = "interrupted" if result.interrupted else "ok" if result.success else "failed"
    style = "bold green" if result.success else "bold red"
    console.print(f"[{style}]{outcome}[/]: {said} in {result.seconds:.1f} s", highlight=False)
    console.print(f"outputs and logs: {plain(shown(result.folder))}", highlight=False, soft_wrap=True)


def shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _steps(result: PipelineExecutionResult) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("step", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("peak memory", justify="right", no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    for step in result.steps:
        ran = step.started_at is not None
        table.add_row(
            plain(step.step),
            f"[{_STYLES[step.status]}]{step.status}[/]",
            f"{step.seconds:.1f}" if ran else "-",
            size(step.peak_memory),
            plain(step.why or (f"{step.attempts} attempts" if step.attempts > 1 else "")),
        )
    return table


def _print_failure(step: StepExecutionResult, console: Console) -> None:
    console.print()
    heading(console, f"{step.step}: {step.why}")
    if step.message:
        console.print(f"  it says: {plain(step.message)}", highlight=False)
    if step.log is None:
        return
    if not step.data_broken:
        lines = _last_lines(step.log)
        console.print(f"  the last {len(lines)} lines of its log:" if lines else "  it wrote no log", highlight=False)
        for line in lines:
            console.print(f"    {plain(line)}", highlight=False, soft_wrap=True)
    console.print(f"  log: {plain(shown(step.log))}", highlight=False, soft_wrap=True)


def _print_findings(step: StepExecutionResult, console: Console) -> None:
    """The data findings, as `data -> reader: file: what`."""
    for report in step.reports:
        for finding in report.findings:
            console.print()
            style, word = ("red", "data error") if finding.severity is Severity.ERROR else ("yellow", "data warning")
            console.print(f"[{style}]{word}[/]: {plain(place(report, finding))}", highlight=False, soft_wrap=True)
            console.print(f"  {plain(finding.message)}", highlight=False, soft_wrap=True)
            if finding.hint:
                console.print(f"  {plain(finding.hint)}", highlight=False, soft_wrap=True)


def place(report: DataCompatibilityReport, finding: Mismatch) -> str:
    """Where a finding is: whose data, for whom, which file."""
    edge = f"{report.data} -> {report.reader}" if report.reader else report.data
    file = f" > {finding.file}" if finding.file else ""
    more = f" (and {finding.files - 1} more)" if finding.files > 1 else ""
    return f"{edge}{file}{more}"


def _last_lines(log: Path) -> list[str]:
    """The end of a log, without reading the rest of it."""
    with log.open("rb") as opened:
        length = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, length - _TAIL))
        text = opened.read().decode("utf-8", "replace")
    return text.splitlines()[-_LAST_LINES:]


def _print_metrics(result: PipelineExecutionResult, console: Console) -> None:
    measured = [step for step in result.steps if step.metrics]
    if not measured:
        return
    console.print()
    table = Table("metrics of", "", box=None, header_style="bold", pad_edge=False)
    table.columns[1].overflow = "fold"
    for step in measured:
        table.add_row(plain(step.step), ", ".join(f"{plain(name)} {value:.4g}" for name, value in step.metrics.items()))
    console.print(table)

"""A data finding in words: whose data, for whom, which file and column, who wrote it, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cursus_sandbox.pipeline.golden import BLESS, SUFFIX
from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.reports.commands import by_hand
from cursus_sandbox.reports.text import shown
from cursus_sandbox.tables.mismatch import Mismatch, Severity
from cursus_sandbox.tables.report import Blame, DataCompatibilityReport


def failure_details(step: StepExecutionResult, result: PipelineExecutionResult) -> list[str]:
    """What is known of a failure besides the reason: its message, each error in its data, where to look. As texts."""
    found = ["\n".join(finding_lines(report, one, result)) for report in step.reports for one in report.errors]
    if step.message:
        found.insert(0, step.message)
    if step.log:
        found.append(f"log: {shown(step.log)}")
    if way := by_hand(step, result):
        found.append(": ".join(way))
    return found


def finding_lines(report: DataCompatibilityReport, finding: Mismatch, result: PipelineExecutionResult) -> Iterator[str]:
    """The finding in one line, then samples, what to do, and who asks for it; at last where the data come from."""
    more = f" (and in {finding.files - 1} more)" if finding.files > 1 else ""
    yield f"{place(report, finding)}: {finding.message}{more}"
    yield from detail_lines(finding, otherwise=f"Correct what is written, or {report.schema_from or 'the schema'}.")
    if report.schema_from.endswith(SUFFIX):
        yield f"{BLESS}."
    yield origin(report, result)


def detail_lines(finding: Mismatch, *, otherwise: str = "") -> Iterator[str]:
    """What a finding has besides its message: values like it, what to do (`otherwise` of an error), who asks for it."""
    if len(finding.samples) > 1:
        yield f"such as {', '.join(map(repr, finding.samples))}"
    if hint := finding.hint or (otherwise if finding.severity is Severity.ERROR else ""):
        yield hint
    if finding.asked_in:
        file, _, line = finding.asked_in.rpartition(":")
        yield f"Asked for in {shown(Path(file))}:{line}."


def depth(report: DataCompatibilityReport) -> Iterator[str]:
    """How much was looked at, as a sentence."""
    if not report.depth or not report.files:
        return
    rows = "" if report.rows is None else f", {report.rows:,} rows"
    yield f"Looked at: {report.depth}; {report.tables:,} of {report.files:,} files are tables{rows}."


def place(report: DataCompatibilityReport, finding: Mismatch) -> str:
    """Where a finding is: `step › channel › file`, the step being the reader if there is one."""
    step, _, channel = (report.reader or report.data).partition(":")
    return " › ".join(part for part in (step, channel, finding.file) if part)


def origin(report: DataCompatibilityReport, result: PipelineExecutionResult) -> str:
    """Who wrote the data, as a sentence: a step and its log, or somebody before this run."""
    step, colon, channel = report.data.partition(":")
    written = result.step_results.get(step) if colon else None
    if written is None:
        return f"Read from: {report.data}."
    if written.status is StepStatus.SKIPPED and channel in written.outputs:
        return f"Read from: {shown(written.outputs[channel])}, which stands for what step '{step}' leaves."
    log = f" (log: {shown(written.log)})" if written.log else f" ({written.why})" if written.why else ""
    if report.blame is Blame.EDGE:
        kept = ", within its own contract"
    elif report.schema_from.endswith(SUFFIX):
        kept = ", other than when its schema was blessed"
    else:
        kept = ", which breaks its own contract" if report.errors else ""
    return f"Written by step '{step}'{log}{kept}."

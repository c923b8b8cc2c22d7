"""A data finding in words: whose data, for whom, which file and column, who wrote it, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from cursus_sandbox.pipeline.result import PipelineExecutionResult
from cursus_sandbox.reports.text import shown
from cursus_sandbox.tables.mismatch import Mismatch, Severity
from cursus_sandbox.tables.report import DataCompatibilityReport


def finding_lines(report: DataCompatibilityReport, finding: Mismatch, result: PipelineExecutionResult) -> Iterator[str]:
    """The finding in one line, then what to do, then where the data come from."""
    more = f" (and in {finding.files - 1} more)" if finding.files > 1 else ""
    yield f"{place(report, finding)}: {finding.message}{more}"
    if finding.hint:
        yield finding.hint
    elif finding.severity is Severity.ERROR:
        yield f"Correct what is written, or {report.schema_from or 'the schema'}."
    yield origin(report, result)


def place(report: DataCompatibilityReport, finding: Mismatch) -> str:
    """Where a finding is: `step › channel › file`, the step being the reader if there is one."""
    step, _, channel = (report.reader or report.data).partition(":")
    return " › ".join(part for part in (step, channel, finding.file) if part)


def origin(report: DataCompatibilityReport, result: PipelineExecutionResult) -> str:
    """Who wrote the data, as a sentence: a step and its log, or somebody before this run."""
    step, colon, _ = report.data.partition(":")
    written = result.step_results.get(step) if colon else None
    if written is None:
        return f"The data are {report.data}."
    log = f" (log: {shown(written.log)})" if written.log else f" ({written.why})" if written.why else ""
    return f"Written by step '{step}'{log}."

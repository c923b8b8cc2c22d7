"""A run for GitHub Actions: annotations among the lines of its log, and a summary in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepStatus
from cursus_sandbox.reports.findings import finding_lines
from cursus_sandbox.reports.text import number, plain_lines, printable, size

_MOST = 10  # annotations of a kind that GitHub shows of one step of a workflow
_LINES, _MORE_LINES = 5, 15  # of a log, in an annotation and in the summary
_SIGNS = {
    StepStatus.SUCCEEDED: "✅",
    StepStatus.FAILED: "❌",
    StepStatus.STOPPED: "🛑",
    StepStatus.SKIPPED: "⏭️",
    StepStatus.REUSED: "♻️",
}


def workflow_commands(result: PipelineExecutionResult) -> Iterator[str]:
    """The workflow commands, a line each: an error for each failed step, a warning for what else was noticed.

    The error of one whose data broke a contract stands at the line that asks for what the first finding lacks.
    """
    errors, warnings = [], []
    for step in result.steps:
        found = [(report, one) for report in step.reports for one in report.errors]
        if step.status is StepStatus.FAILED:
            details = ["\n".join(finding_lines(*one, result)) for one in found] or list(step.log_end[-_LINES:])
            file, _, line = next((one.asked_in for _, one in found if one.asked_in), "").rpartition(":")
            message = plain_lines("\n".join([step.why, *details]))
            errors.append(_command("error", message, **_at(file, line), title=step.step))
        warnings += [_command("warning", one, title=step.step) for one in step.warnings]
    yield from errors[:_MOST]
    yield from warnings[:_MOST]


def problem_commands(error: DocumentError) -> Iterator[str]:
    """The workflow commands of documents that are wrong: an error at the line of each problem."""
    for one in error.problems[:_MOST]:
        text = plain_lines(f"{one.what}\n{one.hint}".strip())
        yield _command("error", text, **_at(one.file, one.line), title="the documents are wrong")


def summary(result: PipelineExecutionResult) -> str:
    """The job's summary: a table of the steps, then why each failed step did."""
    lines = [
        f"### {_cell(result.pipeline)}: {result.outcome} in {result.seconds:.1f} s",
        "",
        "| | step | seconds | peak memory | |",
        "|---|---|---:|---:|---|",
    ]
    for step in result.steps:
        seconds = f"{step.seconds:.1f}" if step.started_at else ""
        memory = size(step.peak_memory) if step.peak_memory is not None else ""
        metrics = ", ".join(f"{name} {number(value)}" for name, value in list(step.metrics.items())[:4])
        said = _cell(step.why or metrics)
        lines.append(f"| {_SIGNS[step.status]} | {_cell(step.step)} | {seconds} | {memory} | {said} |")
    for step in result.steps:
        if step.status is not StepStatus.FAILED:
            continue
        found = ["\n".join(finding_lines(report, one, result)) for report in step.reports for one in report.errors]
        text = "\n\n".join(found) or "\n".join(step.log_end[-_MORE_LINES:])
        fence = "`" * 4
        lines += ["", f"**{_cell(step.step)}**: {_cell(step.why)}", "", fence, text.replace(fence, "'''"), fence]
    return "\n".join(lines) + "\n"


def _at(file: str | Path | None, line: str | int | None) -> dict[str, str]:
    """Where an annotation stands; GitHub makes whole paths relative to its checkout."""
    return {"file": str(Path(file).absolute()), "line": str(line or 1)} if file else {}


def _command(kind: str, message: str, **properties: str) -> str:
    """A workflow command; GitHub's own escapes."""
    said = (f"{name}={_escaped(one).replace(':', '%3A').replace(',', '%2C')}" for name, one in properties.items())
    return f"::{kind} {','.join(said)}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _cell(text: str) -> str:
    plain = printable(text)
    for char in "\\|`*_<>[]":
        plain = plain.replace(char, "\\" + char)
    return plain

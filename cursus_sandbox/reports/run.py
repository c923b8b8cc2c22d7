"""What came of a run, in a terminal.

Lines are laid out here: rich's tables take seconds for a thousand steps.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.reports.board import OTHER_STYLE, STYLES
from cursus_sandbox.reports.commands import by_hand, typed
from cursus_sandbox.reports.explanation import meaning
from cursus_sandbox.reports.findings import depth, finding_lines, origin
from cursus_sandbox.reports.text import folded, number, printable, shown, size
from cursus_sandbox.tables.mismatch import Mismatch, Severity
from cursus_sandbox.tables.report import DataCompatibilityReport

_SEVERITIES = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_STATUS = max(len(status) for status in StepStatus)
_FIGURES = 9 + 11 + 2 * 2  # columns of the seconds and of the peak memory, each after two spaces
_FINDINGS = 20  # of one check
_LOG_LINES = 15
_NARROW = 30  # a reason in fewer columns is hard to read


def print_summary(result: PipelineExecutionResult, console: Console, *, quiet: bool = False) -> None:
    """Every step's status, seconds and peak memory; what failed and why; the metrics; where things are; what to type.

    With `quiet` only what failed, and the last lines.
    """
    columns = console.width  # asks the system each time
    console.print(
        Text("\n").join(_summary(result, columns, quiet=quiet, on_terminal=console.is_terminal)), soft_wrap=True
    )


def _summary(result: PipelineExecutionResult, columns: int, *, quiet: bool, on_terminal: bool) -> Iterator[Text]:
    if not quiet:
        yield Text()
        yield _bold(f"{result.pipeline} on the {result.engine} engine")
        yield from (Text(folded(f"note: {note}", "      ", columns)) for note in result.notes)
        yield from _steps(result, columns, on_terminal=on_terminal)
    known = {_of(report, one) for step in result.steps for report in step.reports for one in report.errors}
    for step in result.steps:
        yield from _findings(step, result, columns, known)
        for warning in step.warnings:
            yield Text()
            yield _line(("warning:", _SEVERITIES[Severity.WARNING]), f"{step.step}: {warning}", indent=0)
    for step in result.steps:
        if step.status is StepStatus.FAILED and not step.data_broken:
            yield from _failure(step, result, columns)
    if not quiet:
        yield from _metrics(result, columns)
        yield Text()
    yield _outcome(result)
    yield _plain(f"outputs and logs: {shown(result.folder)}")
    if not quiet:
        yield from (_plain(f"next: {command}") for command in _next(result))


def _steps(result: PipelineExecutionResult, columns: int, *, on_terminal: bool) -> Iterator[Text]:
    """One line a step; what doesn't fit beside its name goes below it: a reason, or in a narrow terminal all of it.

    Whoever reads lines of a file or a pipe has each step in one, whatever its name's length.
    """
    width = max([len("step"), *(len(step.step) for step in result.steps)])
    beside = width + 2 + _STATUS + _FIGURES
    folds = on_terminal and beside > columns
    after_name = "\n  " if folds else "  "
    width = 0 if folds else width
    yield Text(f"{'step':<{width}}{after_name}{'status':<{_STATUS}}  {'seconds':>9}  {'peak memory':>11}", "bold")
    for step in result.steps:
        seconds = f"{step.seconds:.1f}" if step.started_at is not None else "-"
        line = Text(f"{printable(step.step):<{width}}{after_name}")
        line.append(f"{step.status:<{_STATUS}}", STYLES.get(step.status, OTHER_STYLE))
        line.append(f"  {seconds:>9}  {size(step.peak_memory):>11}")
        why = _why(step)
        if why and columns - beside - 2 >= min(len(why), _NARROW):
            folded = textwrap.wrap(printable(why), columns - beside - 2, break_on_hyphens=False)
            line.append("  " + f"\n{' ' * (beside + 2)}".join(folded), "dim")
        elif why:
            folded = textwrap.wrap(
                printable(why), max(columns - 4, _NARROW), break_on_hyphens=False, break_long_words=False
            )
            line.append("".join(f"\n    {part}" for part in folded), "dim")
        yield line


def _why(step: StepExecutionResult) -> str:
    """Why it ended so, and in how many attempts."""
    if step.attempts <= 1:
        return step.why
    if step.why:
        return f"{step.why}, after {step.attempts} attempts"
    before = f"; before: {step.earlier_attempts[-1].why}" if step.earlier_attempts else ""
    return f"{step.attempts} attempts{before}"


def _findings(
    step: StepExecutionResult, result: PipelineExecutionResult, columns: int, known: set[object]
) -> Iterator[Text]:
    """The data findings, each with what to do; below those of one check, whose data they are and how deep it went.

    A warning is told once, though writer and readers have it, and not where it is an error of one: `known` has those.
    """
    for report in step.reports:
        warnings = {_of(report, one): one for one in report.warnings if _of(report, one) not in known}
        findings = (*report.errors, *warnings.values())
        known.update(warnings)
        for finding in findings[:_FINDINGS]:
            first, *more, _ = finding_lines(report, finding, result)
            word = f"data {finding.severity}:"
            said = folded(f"{word} {first}", "  ", columns)
            yield Text()
            yield Text(word, _SEVERITIES[finding.severity]).append(said.removeprefix(word), "default")
            yield from (Text(folded(f"  {line}", "    ", columns)) for line in more)
        if len(findings) > _FINDINGS:
            yield Text()
            yield _plain(f"  and {len(findings) - _FINDINGS} findings more, all in result.json")
        if findings:
            yield Text()
            yield from (Text(folded(f"  {line}", "    ", columns)) for line in (origin(report, result), *depth(report)))


def _of(report: DataCompatibilityReport, finding: Mismatch) -> object:
    """What a finding says, whoever has it."""
    return report.data, finding.file, finding.message


def _failure(step: StepExecutionResult, result: PipelineExecutionResult, columns: int) -> Iterator[Text]:
    yield Text()
    yield _bold(f"{step.step}: {step.why}")
    if step.message:
        yield _plain(f"  its message: {step.message}")
    if step.log is None:
        return
    yield _plain("  the end of its log:" if step.log_end else "  its log is empty")
    yield from (_plain(f"    {line}") for line in step.log_end[-_LOG_LINES:])
    means, remedy = meaning(step, result.engine)
    if remedy:
        yield from (Text(folded(f"  {said}", "    ", columns)) for said in (means, remedy))
    yield _plain(f"  log: {shown(step.log)}")
    if way := by_hand(step, result):
        yield _plain(f"  {': '.join(way)}")


def _metrics(result: PipelineExecutionResult, columns: int) -> Iterator[Text]:
    """The numbers of each step, as many side by side as there is room for."""
    measured = [step for step in result.steps if step.metrics]
    if not measured:
        return
    names = [name for step in measured for name in step.metrics]
    width = max(len(printable(name)) for name in names)
    figures = max(len(number(value)) for step in measured for value in step.metrics.values())
    abreast = max((columns - 2) // (width + figures + 5), 1)
    yield Text()
    for step in measured:
        yield _bold(f"metrics of {step.step}")
        cells = [f"{printable(name):<{width}}  {number(value):>{figures}}" for name, value in step.metrics.items()]
        for first in range(0, len(cells), abreast):
            yield _plain("  " + "   ".join(cells[first : first + abreast]))


def _outcome(result: PipelineExecutionResult) -> Text:
    counts = Counter(step.status for step in result.steps)
    said = ", ".join(f"{times} {status}" for status, times in counts.items())
    line = Text(result.outcome, "bold green" if result.success else "bold red")
    together = sum(step.seconds for step in result.steps)
    cost = f" in {result.seconds:.1f} s"
    if len([step for step in result.steps if step.seconds]) > 1:
        cost += f" (its steps {together:.1f} s together)"
    if result.memory_peak is not None:
        cost += f", peak memory {size(result.memory_peak)}"
    return line.append(f": {said}{cost}", "not bold default")


def _next(result: PipelineExecutionResult) -> Iterator[str]:
    """The commands to type next: the log of what failed first, all that is known of it, and the whole run as a page."""
    failed = next((step for step in result.steps if step.status is StepStatus.FAILED and step.log), None)
    if failed is not None:
        yield typed("logs", result, failed.step)
        yield typed("explain", result, failed.step)
    yield typed("report", result)


def _line(word: tuple[str, str], said: str, *, indent: int = 2) -> Text:
    text, style = word
    line = Text(" " * indent).append(f"{text:<{_STATUS}}" if indent else text, style)
    return line.append("  " if indent else " ").append(printable(said))


def _plain(text: str) -> Text:
    return Text(printable(text))


def _bold(text: str) -> Text:
    return Text(printable(text), "bold")

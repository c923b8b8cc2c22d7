"""One step of a run in a terminal, with all that is known of how it ended."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from cursus_sandbox.pipeline.result import MountRow, PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.reports.commands import by_hand
from cursus_sandbox.reports.text import printable, shown, size

_WORD = 11  # columns of the word before a fact


def print_step(step: StepExecutionResult, result: PipelineExecutionResult, console: Console) -> None:
    """Print how it ended, its attempts, its mounts, the end of its log, and the script that runs it by hand."""
    console.print(Text("\n").join(_lines(step, result)), soft_wrap=True)


def _lines(step: StepExecutionResult, result: PipelineExecutionResult) -> Iterator[Text]:
    yield Text(printable(f"{step.step}: {step.status}"), "bold")
    for word, said in _facts(step):
        yield Text(f"  {word:<{_WORD}}{printable(said)}")
    if step.mounts:
        yield Text("  mounts")
        yield from (Text(f"    {printable(row)}") for row in _rows(step.mounts))
    if step.log_end:
        yield Text("  the end of its log")
        yield from (Text(f"    {printable(line)}") for line in step.log_end)
    if way := by_hand(step, result):
        yield Text(printable(f"  {': '.join(way)}"))
    if step.by_hand is not None:
        try:
            script = step.by_hand.read_text(encoding="utf-8", errors="replace")
        except OSError:  # a result may outlive it
            return
        yield from (Text(f"    {printable(line)}") for line in script.splitlines())


def _facts(step: StepExecutionResult) -> Iterator[tuple[str, str]]:
    if step.why:
        yield "why", step.why
    if step.exit_code is not None:
        yield "exit code", str(step.exit_code)
    if step.message:
        yield "message", step.message
    if step.started_at is not None:
        memory = f", at most {size(step.peak_memory)}" if step.peak_memory is not None else ""
        limit = f" of {size(step.memory_limit)}" if step.memory_limit is not None else ""
        yield "took", f"{step.seconds:.1f} s{memory}{limit}"
    for number, attempt in enumerate(step.earlier_attempts, start=1):
        left = f": {shown(attempt.outputs)}" if attempt.outputs and attempt.outputs.exists() else ""
        yield f"attempt {number}", f"{attempt.why}, after {attempt.seconds:.1f} s{left}"
    for warning in step.warnings:
        yield "warning", warning
    for channel, folder in step.outputs.items():
        yield "left", f"{channel}: {shown(folder)}"
    if step.log is not None:
        yield "log", shown(step.log)


def _rows(mounts: tuple[MountRow, ...]) -> Iterator[str]:
    width = max(len(row.path) for row in mounts)
    mode = max(len(row.mode) for row in mounts)
    for row in mounts:
        yield f"{row.path:<{width}}  {row.mode:<{mode}}  {shown(row.source)}"

"""`cursus-sandbox runs list | show`, `logs` and `report`: what a workspace has kept of earlier runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cursus_sandbox.cli import completion
from cursus_sandbox.cli.options import KEPT, AsJson, Workspace, print_json
from cursus_sandbox.cli.output import STDOUT, written
from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.workflow_commands import HarmlessStream, harmless_json

if TYPE_CHECKING:
    from cursus_sandbox.pipeline.result import PipelineExecutionResult
    from cursus_sandbox.runs.history import KeptRun

LIST_EXAMPLE = """\b
Example:
  cursus-sandbox runs list
"""
SHOW_EXAMPLE = """\b
Examples:
  cursus-sandbox runs show
  cursus-sandbox runs show 20261123-2240 --json
  cursus-sandbox runs show last:XGBoostTraining
"""
LOGS_EXAMPLE = """\b
Examples:
  cursus-sandbox logs XGBoostTraining
  cursus-sandbox logs --follow last:XGBoostTraining
"""
REPORT_EXAMPLE = """\b
Examples:
  cursus-sandbox report
  cursus-sandbox report 20261123-2240 --format junit -o junit.xml
"""

SECONDS_BETWEEN_LOOKS = 0.2
_CHUNK = 1 << 16


class ReportFormat(StrEnum):
    """What a report can be written as."""

    HTML = "html"
    JUNIT = "junit"
    GITHUB = "github"
    JSON = "json"


runs_app = typer.Typer(help="Earlier runs: which there are, and what came of each.", no_args_is_help=True)


@runs_app.command("list", epilog=LIST_EXAMPLE)
def list_runs(workspace: Workspace = KEPT, as_json: AsJson = False) -> None:
    """List the runs, the newest last."""
    from cursus_sandbox.runs.history import kept_runs

    rows: list[dict[str, Any]] = []
    for run in kept_runs(workspace):
        result = run.result
        outcome = "running" if run.is_running else "ended early" if result is None else result.outcome
        steps = tuple(run.ended_steps()) if result is None else result.steps
        rows.append(
            {
                "run": run.name,
                "pipeline": run.plan.get("name") if result is None else result.pipeline,
                "outcome": outcome,
                "seconds": None if result is None else round(result.seconds, 3),
                "failed": [step.step for step in steps if not step.success and step.attempts],
                "started_at": run.started_at.isoformat(),
            }
        )
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo(f"no run is kept in {workspace}")
        return
    from cursus_sandbox.reports.text import plain_lines

    width = max(len(row["run"]) for row in rows)
    for row in rows:
        seconds = "-" if row["seconds"] is None else f"{row['seconds']:.1f} s"
        failed = f"  {', '.join(row['failed'])}" if row["failed"] else ""
        typer.echo(
            plain_lines(f"{row['run']:<{width}}  {row['outcome']:<11}  {seconds:>9}  {row['pipeline'] or '?'}{failed}")
        )


@runs_app.command("show", short_help="Show what came of a run, or of a step of it.", epilog=SHOW_EXAMPLE)
def show_run(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN[:STEP]",
            help="Its name, or how that begins; and one of its steps.",
            autocompletion=completion.runs_and_steps,
        ),
    ] = "last",
    workspace: Workspace = KEPT,
    as_json: AsJson = False,
) -> None:
    """Show what came of a run, as its end did; or all that is known of one step: its mounts, its log's end, a script.

    The script runs a failed step again by hand: sh FILE.
    """
    from cursus_sandbox.runs.history import kept_run

    name, colon, step = run.partition(":")
    kept = kept_run(workspace, name or "last")
    if colon:
        _show_step(kept, step, as_json=as_json)
        return
    result = ended(kept)
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    from rich.console import Console

    from cursus_sandbox.reports.run import print_summary

    print_summary(result, Console())


def _show_step(run: KeptRun, name: str, *, as_json: bool) -> None:
    """Show a step that has ended, though its run may go on."""
    from cursus_sandbox.errors import did_you_mean

    steps = {step.step: step for step in (run.result.steps if run.result else run.ended_steps())}
    if name not in steps:
        what = f"run {run.name} has no step '{name}' that has ended"
        raise DocumentError([Problem(what, hint=did_you_mean(name, steps))])
    if as_json:
        print_json(steps[name].model_dump(mode="json"))
        return
    from rich.console import Console

    from cursus_sandbox.reports.step import print_step

    print_step(steps[name], run.result or run.so_far, Console())


def report(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Its name, or how that begins.", autocompletion=completion.runs)
    ] = "last",
    form: Annotated[ReportFormat, typer.Option("--format", help="What to write.")] = ReportFormat.HTML,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to (- is stdout); default: report.html, else stdout."
        ),
    ] = None,
    no_values: Annotated[bool, typer.Option("--no-values", help="Say nothing of what is in the data.")] = False,
    workspace: Workspace = KEPT,
) -> None:
    """Write a run as one page that needs no network, as JUnit XML, or as GitHub's Markdown.

    Of a run that still goes on, or was killed, what is known so far.
    """
    from cursus_sandbox.runs.history import kept_run

    kept = kept_run(workspace, run)
    result, outcome = kept.result, ""
    if result is None:
        result, outcome = kept.so_far, "still runs" if kept.is_running else "ended early"
    match form:
        case ReportFormat.HTML:
            from cursus_sandbox.reports.html import Previous, html_report

            earlier = one_before(kept, workspace, well=True)
            known = earlier.result if earlier else None
            text = html_report(
                result,
                kept.plan,
                previous=Previous(known, earlier.plan, earlier.ingredients) if earlier and known else None,
                ingredients=kept.ingredients,
                usage=kept.usage,
                outcome=outcome,
                values=not no_values,
            )
        case ReportFormat.JUNIT:
            from cursus_sandbox.reports.junit import junit

            text = junit(result)
        case ReportFormat.GITHUB:
            from cursus_sandbox.reports.github import summary

            text = summary(result)
        case ReportFormat.JSON:
            text = harmless_json(result.model_dump_json(indent=2)) + "\n"
    file = output or (Path("report.html") if form is ReportFormat.HTML else STDOUT)
    written(file, text, option="-o")
    if file != STDOUT:
        typer.echo(f"{file}: {result.pipeline}, run {kept.name}, {outcome or result.outcome}", err=True)


def ended(kept: KeptRun) -> PipelineExecutionResult:
    """What came of a run; DocumentError where it still runs, or was killed."""
    if (result := kept.result) is not None:
        return result
    state = "still runs" if kept.is_running else "was ended before it could write down what came of it"
    ended = ", ".join(f"{step.step} {step.status}" for step in kept.ended_steps()) or "none"
    raise DocumentError(
        [Problem(f"run {kept.name} {state}; steps that ended: {ended}", hint=f"Its folder is {kept.folder}")]
    )


def one_before(later: KeptRun, workspace: Path, *, well: bool = False) -> KeptRun | None:
    """The newest ended run of the same pipeline before another; of those that went `well`, if any did."""
    from cursus_sandbox.runs.history import kept_runs

    name, newest = later.plan.get("name"), None
    for run in reversed(kept_runs(workspace)):
        if run.name >= later.name or run.plan.get("name") != name or (result := run.result) is None:
            continue
        if result.success or not well:
            return run
        newest = newest or run
    return newest


def logs(
    step: Annotated[
        str,
        typer.Argument(
            metavar="[RUN:]STEP",
            help="A step, of the newest run if none is named.",
            autocompletion=completion.runs_and_steps,
        ),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the step has ended; wait for it to start.")
    ] = False,
    workspace: Workspace = KEPT,
) -> None:
    """Print the log of a step: as it is into a file or pipe.

    What would command a terminal, or GitHub's runner, is made visible there.
    """
    from cursus_sandbox.reports.text import plain_lines
    from cursus_sandbox.runs.history import kept_run, step_of

    run, name = step_of(workspace, step)
    while follow and name in run.waiting and kept_run(workspace, run.name).is_running:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    log = run.step(name) / "log.txt"
    if not log.exists() and run.is_running and name in run.waiting:
        hint = f"Wait for it:  cursus-sandbox logs --follow {run.name}:{name}"
        raise DocumentError([Problem(f"step '{name}' of run {run.name} has no log here so far", hint=hint)])
    if not log.exists():
        raise DocumentError([Problem(f"step '{name}' of run {run.name} has no log: its sandbox was not started")])
    obeys = sys.stdout.isatty() or isinstance(sys.stdout, HarmlessStream)
    ended = log.parent / "step.json"

    def goes_on() -> bool:
        return follow and not ended.exists() and kept_run(workspace, run.name).is_running

    for data in _written(log, goes_on):
        if obeys:
            sys.stdout.write(plain_lines(data.decode("utf-8", "replace")))
        else:
            sys.stdout.buffer.write(data)
        sys.stdout.flush()


def _written(log: Path, goes_on: Callable[[], bool]) -> Iterator[bytes]:
    """What is in a file, and what is added while it goes on; to a line's end where there is one."""
    with log.open("rb") as opened:
        rest = b""
        while True:
            more = goes_on()  # before the last look, so that nothing falls between
            while data := opened.read(_CHUNK):
                whole, newline, rest = (rest + data).rpartition(b"\n")
                if len(rest) > _CHUNK:
                    whole, newline, rest = whole + newline + rest, b"", b""
                if whole or newline:
                    yield whole + newline
            if not more:
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if rest:
            yield rest

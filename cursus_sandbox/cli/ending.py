"""A run on the command line, from its first event to the exit code: watched, told, written down, looked into."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cursus_sandbox.cli.interruption import interruptible, say_error
from cursus_sandbox.cli.options import json_of, json_of_problems
from cursus_sandbox.cli.output import STDOUT, not_written, put, written
from cursus_sandbox.errors import DocumentError, ExitCode, MachineError, SandboxError
from cursus_sandbox.workflow_commands import are_obeyed, unguarded

if TYPE_CHECKING:
    from cursus_sandbox.pipeline.events import Observer
    from cursus_sandbox.pipeline.result import PipelineExecutionResult

_OPEN_FILES = 65_536


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told of a run, and where. `about` is what was to run, as it was typed."""

    about: str
    events: str | None = None
    verbose: bool = False
    quiet: bool = False
    junit: Path | None = None
    as_json: bool = False
    on_terminal: bool = True  # whether the terminal is ours while it runs
    shell_on_failure: bool = False

    def check(self) -> None:
        """Refuse, before anything starts, what can't be; a report of an earlier run is emptied."""
        if self.verbose and self.quiet:
            raise typer.BadParameter("it is the opposite of --verbose", param_hint="--quiet")
        if self.as_json and self.events == "-":
            raise typer.BadParameter("stdout can hold the events or the result", param_hint="--json")
        if self.junit == STDOUT and (self.as_json or self.events == "-"):
            raise typer.BadParameter("stdout can hold that, or the result or events as JSON", param_hint="--junit")
        if self.shell_on_failure and not (os.isatty(0) and os.isatty(1)):
            what = "it needs a terminal: stdin or stdout is none. Afterwards:  cursus-sandbox shell STEP -- COMMAND"
            raise typer.BadParameter(what, param_hint="--shell-on-failure")
        if self.junit is not None and self.junit != STDOUT:
            try:
                self.junit.open("wb").close()
            except OSError as error:
                raise not_written(self.junit, error, option="--junit") from error


def told(telling: Telling, run: Callable[[Observer], PipelineExecutionResult | None]) -> PipelineExecutionResult | None:
    """Run it, and tell what came of it, which None has nothing to say of; or what kept it from being a run.

    That something of it could not be written is an error of its own only where all else is well.
    """
    telling.check()
    _allow_many_files()
    try:
        result, unwritten = _watched(telling, run)
    except SandboxError as error:
        _tell_error(error, telling)
        raise
    missing = [unwritten] if unwritten else []
    if result is not None:
        missing += _tell(result, telling)
    elif telling.junit is not None:
        from cursus_sandbox.reports.junit import junit_of_none

        written(telling.junit, junit_of_none(telling.about), option="--junit")
    for one in missing:
        if result is None or result.exit_code == ExitCode.OK:
            raise one
        say_error(one)
    return result


def _watched(
    telling: Telling, run: Callable[[Observer], PipelineExecutionResult | None]
) -> tuple[PipelineExecutionResult | None, MachineError | None]:
    """What came of it, and that not all events could be written."""
    with interruptible(ctrl_c=telling.on_terminal), ExitStack() as shown:
        from cursus_sandbox.cli.watching import observer_of

        on_terminal = telling.on_terminal
        observer = observer_of(telling.events, verbose=telling.verbose, quiet=telling.quiet, on_terminal=on_terminal)
        watching = shown.enter_context(observer)
        result = run(watching)
    return result, watching.unwritten


def end(result: PipelineExecutionResult | None, telling: Telling) -> None:
    """End the command with the run's exit code; before, with `shell_on_failure`, look into what failed first."""
    if result is None:
        raise typer.Exit
    failed = result.first_failed
    if telling.shell_on_failure and failed is not None and not result.interrupted:
        from cursus_sandbox import api

        with interruptible():
            try:
                api.shell(f"{result.run}:{failed}", workspace=result.folder.parent.parent)
            except SandboxError as error:  # of a step that was not started, say: what came of the run stands
                say_error(str(error))
    raise typer.Exit(result.exit_code)


def _tell(result: PipelineExecutionResult, telling: Telling) -> list[MachineError]:
    """Tell all that there is to tell; gives what could not be written."""
    from rich.console import Console

    from cursus_sandbox.reports.run import print_summary

    missing = []
    if telling.junit is not None:
        from cursus_sandbox.reports.junit import junit as junit_xml

        try:
            written(telling.junit, junit_xml(result), option="--junit")
        except MachineError as error:  # of a disk that is full by now
            missing.append(error)
    if are_obeyed(os.environ):
        _tell_github(result)
    stream = sys.stderr if telling.events == "-" or telling.junit == STDOUT else sys.stdout
    if telling.as_json:
        put(json_of(result.model_dump(mode="json")), stream)
    else:
        there, summary = Console(file=stream), StringIO()
        console = Console(file=summary, width=there.width, force_terminal=there.is_terminal)
        print_summary(result, console, quiet=telling.quiet)
        put(summary.getvalue(), stream)
    return missing


def _tell_error(error: SandboxError, telling: Telling) -> None:
    """Tell of an error, besides the words that the command ends with, whoever waits for a result."""
    if telling.junit is not None:
        from cursus_sandbox.reports.junit import junit_of_none

        with suppress(MachineError):  # of the two errors it is the other that matters
            written(telling.junit, junit_of_none(telling.about, error), option="--junit")
    if telling.as_json and isinstance(error, DocumentError):
        put(json_of(json_of_problems(error)), sys.stdout)


def _allow_many_files() -> None:
    """Raise a low limit of open files, as far as that is allowed: every step that runs takes some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _tell_github(result: PipelineExecutionResult) -> None:
    """Annotations where the workflow's log is read, and the summary where GitHub wants it."""
    from cursus_sandbox.reports.github import summary, workflow_commands

    for line in workflow_commands(result):
        typer.echo(line, file=unguarded(sys.stderr))
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with suppress(OSError), Path(file).open("a", encoding="utf-8") as opened:
            opened.write(summary(result))

"""`cursus-sandbox rerun`: an earlier run once more, without its document and options being typed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cursus_sandbox.cli import completion
from cursus_sandbox.cli.ending import Telling, end, told
from cursus_sandbox.cli.options import KEPT, AsJson, Events, Junit, Quiet, ShellOnFailure, Verbose, Workspace

if TYPE_CHECKING:
    from cursus_sandbox.pipeline.events import Observer
    from cursus_sandbox.pipeline.result import PipelineExecutionResult

RERUN_EXAMPLE = """\b
Examples:
  cursus-sandbox rerun --failed
  cursus-sandbox rerun --failed --shell-on-failure
  cursus-sandbox rerun 20261123-2240

\b
Exit codes:
  as of `run`.
"""


def rerun(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Its name, or how that begins.", autocompletion=completion.runs)
    ] = "last",
    failed: Annotated[
        bool,
        typer.Option("--failed", help="Only the steps that failed or were stopped, and what was not started for that."),
    ] = False,
    workspace: Workspace = KEPT,
    shell_on_failure: ShellOnFailure = False,
    events: Events = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    junit: Junit = None,
    as_json: AsJson = False,
) -> None:
    """Run an earlier run once more, with the same document and options.

    The document, its contracts and scripts are read as they are now. With --failed the other steps don't run: what they
    left in that run is read. Without it every step runs, though nothing it depends on has changed. To run what has
    changed, run the document again.
    """
    telling = Telling(
        about=f"run {run}",
        events=events,
        verbose=verbose,
        quiet=quiet,
        junit=junit,
        as_json=as_json,
        shell_on_failure=shell_on_failure,
    )

    def watched(observer: Observer) -> PipelineExecutionResult | None:
        from cursus_sandbox import api

        return api.rerun(run, failed=failed, workspace=workspace, observer=observer, fail_fast=shell_on_failure)

    result = told(telling, watched)
    if result is None:
        typer.echo(f"nothing to run again: every step of run {run} ended well", err=True)
    end(result, telling)

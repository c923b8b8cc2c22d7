"""`cursus-sandbox shell`: into the sandbox of a failed step."""

from __future__ import annotations

from typing import Annotated

import typer

from cursus_sandbox.cli import completion
from cursus_sandbox.cli.interruption import interruptible
from cursus_sandbox.cli.options import KEPT, Workspace

SHELL_EXAMPLE = """\b
Examples:
  cursus-sandbox shell XGBoostTraining
  cursus-sandbox shell 20261123-2240:XGBoostTraining
  cursus-sandbox shell XGBoostTraining -- ls -la /opt/ml/input/data
  cursus-sandbox shell XGBoostTraining -- python3 -i < probe.py

\b
Exit codes:
  those of the shell or COMMAND; 2 and 4 as everywhere.
"""


def shell(
    step: Annotated[
        str,
        typer.Argument(
            metavar="[RUN:]STEP",
            help="A failed step, of the newest run if none is named.",
            autocompletion=completion.runs_and_steps,
        ),
    ],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="What to run instead of a shell.", show_default=False),
    ] = None,
    workspace: Workspace = KEPT,
) -> None:
    """Open a shell in the sandbox of a failed step, or run a command there.

    Image, mounts, variables, user, network and limits are those of its last attempt, and its folders are as that left
    them. What is changed there is gone afterwards, but with the engine process, which has no sandbox: there it is the
    attempt's own folder. Secrets are read again from where they are kept, and shown as they are.
    """
    with interruptible():
        from cursus_sandbox import api

        code = api.shell(step, command or (), workspace=workspace)
    raise typer.Exit(code)

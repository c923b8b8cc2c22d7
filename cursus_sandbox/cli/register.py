"""`cursus-sandbox register`: where the outputs of an earlier execution are, for `run --registry`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cursus_sandbox.cli import completion
from cursus_sandbox.cli.options import KEPT, Workspace, print_json
from cursus_sandbox.errors import DocumentError, Problem

REGISTER_EXAMPLE = """\b
Examples:
  cursus-sandbox register last > registry.json
  aws sagemaker list-pipeline-execution-steps \\
      --pipeline-execution-arn ARN > execution/steps.json
  aws sagemaker describe-processing-job \\
      --processing-job-name NAME > execution/NAME.json
  cursus-sandbox register execution/ > registry.json
  cursus-sandbox run dag.yaml --only XGBoostTraining --registry registry.json
"""


def register(
    execution: Annotated[
        str,
        typer.Argument(
            metavar="RUN|PATH",
            help="A run, last, or the file or folder with what AWS said of one.",
            autocompletion=completion.runs,
        ),
    ] = "last",
    workspace: Workspace = KEPT,
) -> None:
    """Print where each output of an execution is, as JSON: of a run here, or of one in AWS."""
    from cursus_sandbox.inputs.registry import S3OutputPathRegistry
    from cursus_sandbox.runs.history import kept_run

    if Path(execution).exists() and not (workspace / "runs" / execution).exists():
        registry = S3OutputPathRegistry.read(execution)
    else:
        run = kept_run(workspace, execution)
        if (result := run.result) is None:
            raise DocumentError([Problem(f"run {run.name} has no result", hint="It was killed, or it still runs.")])
        registry = S3OutputPathRegistry.of_run(result)
    print_json(dict(sorted(registry.paths.items())))

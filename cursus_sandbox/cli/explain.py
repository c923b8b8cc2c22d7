"""`cursus-sandbox explain`: why a step ended as it did, and what to do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cursus_sandbox.cli import completion
from cursus_sandbox.cli.options import KEPT, AsJson, Workspace, print_json
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean

if TYPE_CHECKING:
    from cursus_sandbox.runs.history import KeptRun

EXPLAIN_EXAMPLE = """\b
Examples:
  cursus-sandbox explain XGBoostTraining
  cursus-sandbox explain 20261123-2240:XGBoostTraining --json
"""


def explain(
    step: Annotated[
        str,
        typer.Argument(
            metavar="[RUN:]STEP",
            help="A step, of the newest run if none is named.",
            autocompletion=completion.runs_and_steps,
        ),
    ],
    workspace: Workspace = KEPT,
    as_json: AsJson = False,
) -> None:
    """Explain why a step ran, was skipped, was taken over or failed, what that means, and what to do.

    With what it came of that is not as in an earlier run: code, data, settings, environment, image, before and after.
    """
    from rich.console import Console
    from rich.text import Text

    from cursus_sandbox.reports.difference import came_of_differences, image_differences, settings_of
    from cursus_sandbox.reports.explanation import explanation, explanation_lines
    from cursus_sandbox.reports.text import printable
    from cursus_sandbox.runs.history import step_of

    run, name = step_of(workspace, step)
    result = run.result or run.so_far
    if name not in result.step_results:
        what = f"run {run.name} has no step '{name}'"
        raise DocumentError([Problem(what, hint=did_you_mean(name, result.step_results))])
    found = result.step_results[name]
    earlier = _one_with(name, run, workspace) if found.because else None
    changes = []
    if earlier is not None:
        settings = settings_of(earlier.plan), settings_of(run.plan)
        before, now = earlier.ingredients.get(name, {}), run.ingredients.get(name, {})
        changes = list(image_differences(name, before.get("image", {}), now.get("image", {})))
        changes += came_of_differences(name, settings, (before, now))
    told = explanation(
        found,
        result,
        after=run.plan.get("dependencies", {}),
        since=earlier.name if earlier else "",
        changes=changes,
        is_running=run.is_running,
    )
    if as_json:
        print_json(asdict(told))
        return
    first, *lines = map(printable, explanation_lines(told))
    Console().print(Text("\n").join([Text(first, "bold"), *map(Text, lines)]), soft_wrap=True)


def _one_with(step: str, later: KeptRun, workspace: Path) -> KeptRun | None:
    """The newest earlier run of the pipeline in which a step ended well, else in which it ran at all."""
    from cursus_sandbox.runs.history import kept_runs

    name = later.plan.get("name")
    before = [run for run in reversed(kept_runs(workspace)) if run.name < later.name and run.plan.get("name") == name]
    for file in ("record.json", "ingredients.json"):
        for run in before:
            if (run.folder / "steps" / step / file).is_file():
                return run
    return None

"""`cursus-sandbox diff`: what is different between two runs."""

from __future__ import annotations

from typing import Annotated

import typer

from cursus_sandbox.cli import completion
from cursus_sandbox.cli.options import KEPT, AsJson, Workspace, print_json
from cursus_sandbox.cli.runs import ended, one_before
from cursus_sandbox.errors import DocumentError, Problem

DIFF_EXAMPLE = """\b
Examples:
  cursus-sandbox diff
  cursus-sandbox diff 20261123-2240 last
"""


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="The earlier; else the one before the later.", autocompletion=completion.runs
        ),
    ] = "",
    after: Annotated[str, typer.Argument(metavar="RUN", help="The later.", autocompletion=completion.runs)] = "last",
    workspace: Workspace = KEPT,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two runs: images, code, settings, environment, schemas, data, how steps ended, metrics.

    Of code and data the files that have other contents, each with the first characters of its two SHA-256.
    """
    from dataclasses import asdict

    from cursus_sandbox.reports.commands import typed
    from cursus_sandbox.reports.difference import differences
    from cursus_sandbox.reports.text import plain_lines
    from cursus_sandbox.runs.history import kept_run

    later = kept_run(workspace, after)
    earlier = kept_run(workspace, before) if before else one_before(later, workspace)
    if earlier is None:
        raise DocumentError([Problem(f"run {later.name} is the first of its pipeline in {workspace}")])
    if earlier.name == later.name:
        other = one_before(later, workspace)
        hint = f"With the one before it:  {typed(f'diff {other.name}', ended(later))}" if other else ""
        raise DocumentError([Problem(f"it is run {later.name} on both sides", hint=hint)])
    both = earlier.ingredients, later.ingredients
    found = list(differences(ended(earlier), ended(later), (earlier.plan, later.plan), both))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    typer.echo(f"{earlier.name} -> {later.name}" if found else f"{earlier.name} and {later.name} don't differ")
    step = None
    for one in found:
        if one.step != step:
            step = one.step
            typer.echo(plain_lines(step or "all steps"))
        typer.echo(plain_lines(f"  {one.what}: {one.before or 'not there'} -> {one.after or 'not there'}"))

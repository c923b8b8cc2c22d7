"""`cursus-sandbox init`: the first files of a project."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cursus_sandbox.cli import completion

if TYPE_CHECKING:
    from cursus_sandbox.drafts.draft import Draft

INIT_EXAMPLES = """\b
Examples:
  cursus-sandbox init first
  cursus-sandbox init flights --example xgboost
  cursus-sandbox init --from-dag churn.dag.json
  cursus-sandbox init --from-script score.py
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; made if it isn't there.")] = Path(),
    example: Annotated[
        str | None,
        typer.Option(
            "--example",
            metavar="NAME",
            help="An example that is shipped: starter (the default), xgboost.",
            autocompletion=completion.examples,
        ),
    ] = None,
    from_dag: Annotated[
        Path | None,
        typer.Option("--from-dag", metavar="FILE", help="A Cursus graph: *.dag.json, or a module that makes one."),
    ] = None,
    from_script: Annotated[
        list[Path] | None,
        typer.Option(
            "--from-script",
            metavar="FILE",
            help="A script, whose contract is drafted from its text. Repeatable, in the order they run in.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Begin a project: from an example, a Cursus graph, or scripts.

    Scripts and modules are read, never run. What could not be told is said, with what to fill in.
    """
    from cursus_sandbox.drafts.draft import write
    from cursus_sandbox.reports.text import plain_lines

    chosen = [option for option, given in _given(example, from_dag, from_script) if given]
    if len(chosen) > 1:
        raise typer.BadParameter(f"it can't stand beside {chosen[0]}", param_hint=chosen[1])
    drafted = _draft(folder, example, from_dag, from_script)
    write(drafted, folder, force=force)
    for path in drafted.files:
        typer.echo(plain_lines(f"wrote {folder / path}"))
    for remark in drafted.remarks:
        typer.echo(plain_lines(f"note: {remark}"))
    _say_what_is_left(drafted, folder)


def _given(example: str | None, from_dag: Path | None, from_script: list[Path] | None) -> tuple[tuple[str, bool], ...]:
    return (
        ("--example", example is not None),
        ("--from-dag", from_dag is not None),
        ("--from-script", bool(from_script)),
    )


def _draft(folder: Path, example: str | None, from_dag: Path | None, from_script: list[Path] | None) -> Draft:
    if from_script:
        from cursus_sandbox.drafts.from_script import from_scripts

        return from_scripts(from_script, folder)
    if from_dag:
        from cursus_sandbox.drafts.from_dag import from_graph

        return from_graph(from_dag, folder)
    from cursus_sandbox.drafts.example import from_example

    return from_example(example or "starter")


def _say_what_is_left(drafted: Draft, folder: Path) -> None:
    """Check what was written, say what is left to fill in, and what comes next."""
    from cursus_sandbox import api
    from cursus_sandbox.errors import DocumentError
    from cursus_sandbox.reports.text import plain_lines, printable

    document = folder / drafted.document
    words = printable(shlex.join((str(document), *drafted.options)))
    try:
        api.check(document, data_source="synthetic" if drafted.options else "local")
    except DocumentError as error:
        typer.echo(f"left to fill in, {len(error.problems)} thing{'s' * (len(error.problems) != 1)}:")
        for problem in error.problems:
            typer.echo(plain_lines(f"  {str(problem).replace(chr(10), chr(10) + '  ')}"))
        typer.echo(f"next: cursus-sandbox check {words}")
        return
    typer.echo(f"next: cursus-sandbox check {words}")
    typer.echo(f"      cursus-sandbox run {words}")

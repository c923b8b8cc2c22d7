"""`cursus-sandbox clean`: a workspace without the runs that nobody needs."""

from __future__ import annotations

from typing import Annotated

import typer

from cursus_sandbox.cli.options import KEPT, AsJson, Workspace, parsed, print_json

CLEAN_EXAMPLE = """\b
Examples:
  cursus-sandbox clean
  cursus-sandbox clean --keep 5
  cursus-sandbox clean --older-than 7d --max-size 10g --dry-run

Without a bound only what killed runs left is removed. The newest run always stays. Runs share the files that they have
in common: a file goes with the last run that has it. Objects fetched from S3 that no run has go by when they were read.
"""


def clean(
    workspace: Workspace = KEPT,
    keep: Annotated[int | None, typer.Option(min=1, metavar="N", help="Keep the newest runs, so many.")] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="TIME", help="Remove what is older than that: 12h, 7d.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Keep the newest that fits into that: 500m, 10g.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed. Remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove earlier runs, and what killed runs left: containers, volumes, networks, folders."""
    from cursus_sandbox import api
    from cursus_sandbox.pipeline.values import duration, size
    from cursus_sandbox.reports import text

    done = api.clean(
        workspace,
        keep=keep,
        older_than=parsed("--older-than", older_than, duration),
        max_size=parsed("--max-size", max_size, size),
        dry_run=dry_run,
    )
    if as_json:
        print_json(
            {
                "removed": done.removed,
                "freed": done.freed,
                "downloads": done.downloads,
                "kept": done.kept,
                "size": done.size,
                "left": [str(folder) for folder in done.left],
                "said": done.said,
                "dry_run": dry_run,
            }
        )
        return
    for line in done.said:
        typer.echo(text.plain_lines(line))
    removes = "would remove" if dry_run else "removed"
    for run in done.removed:
        typer.echo(f"{removes} run {run}")
    for folder in done.left:
        typer.echo(text.plain_lines(f"could not remove {folder}: it holds files of another user"))
    if done.downloads:
        typer.echo(f"{removes} {done.downloads:,} object{'s' * (done.downloads != 1)} fetched from S3")
    sums = f"{removes} {_runs(len(done.removed))}, {text.size(done.freed)}"
    typer.echo(f"{sums}; {_runs(len(done.kept))} kept, {text.size(done.size)}, in {text.printable(str(workspace))}")


def _runs(number: int) -> str:
    return f"{number} run{'s' * (number != 1)}"

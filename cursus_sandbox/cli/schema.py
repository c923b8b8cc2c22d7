"""`cursus-sandbox schema infer | check | diff | export`: schemas from data, and data against schemas."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cursus_sandbox.cli.options import KEPT, AsJson, Workspace, print_json
from cursus_sandbox.errors import DocumentError, ExitCode, Problem, did_you_mean, nearest_path

if TYPE_CHECKING:
    from cursus_sandbox.tables.schema import TableSchema

INFER_EXAMPLE = """\b
Examples:
  cursus-sandbox schema infer data/flights.csv
  cursus-sandbox schema infer last:XGBoostTraining.evaluation_output
"""
CHECK_EXAMPLE = """\b
Example:
  cursus-sandbox schema check data/ flights.yaml
"""
DIFF_EXAMPLE = """\b
Example:
  cursus-sandbox schema diff old/ new/

\b
Exit codes:
  0 each reads the other's data, 1 they differ.
"""
EXPORT_EXAMPLE = """\b
Example:
  cursus-sandbox schema export flights.yaml --to odcs
"""

schema_app = typer.Typer(help="Schemas: from data, against data, against each other.", no_args_is_help=True)

_OF_RUN = re.compile(r"([^:/]+):([^:/]+)\.([^.:/]+)")
Place = Annotated[str, typer.Argument(metavar="PATH|RUN:STEP.CHANNEL", help="Data; RUN may be 'last'.")]
Either = Annotated[str, typer.Argument(metavar="SCHEMA|DATA", help="A schema in YAML, or data, or RUN:STEP.CHANNEL.")]


class Target(StrEnum):
    """What a schema is exported to."""

    FRICTIONLESS = "frictionless"
    ODCS = "odcs"
    ARROW = "arrow"


@schema_app.command("infer", epilog=INFER_EXAMPLE)
def infer(
    data: Place,
    exact: Annotated[bool, typer.Option("--exact", help="Parquet's own types (arrow:) instead of families.")] = False,
    workspace: Workspace = KEPT,
) -> None:
    """Write the schema block of a contract from data.

    Of each column the narrowest type that every value fits; numbers with leading zeros stay text; `required` where
    there is no gap.
    """
    from cursus_sandbox.documents.schemas import schema_text
    from cursus_sandbox.tables.inference import inferred

    path = _data(data, workspace)
    try:
        found = inferred(path, exact=exact)
    except (ValueError, OSError) as error:
        raise DocumentError([Problem(f"no schema can be read from {data}: {error}")]) from error
    typer.echo(f"# from {data}: {found.files} file{'s' * (found.files != 1)}, {found.rows:,} rows")
    typer.echo(schema_text(found.schema), nl=False)
    for one in found.unread:
        typer.echo(f"not read: {one}", err=True)
    for one in found.doubts:
        typer.echo(f"note: {one}", err=True)


@schema_app.command("check", epilog=CHECK_EXAMPLE)
def check(
    data: Place,
    schema: Annotated[Path, typer.Argument(metavar="SCHEMA", help="A schema in YAML, as `schema infer` writes it.")],
    no_values: Annotated[bool, typer.Option("--no-values", help="Say nothing of what is in the data.")] = False,
    workspace: Workspace = KEPT,
    as_json: AsJson = False,
) -> None:
    """Compare data with a schema. Ends with 3 where they break it."""
    from cursus_sandbox.documents.schemas import read_schema
    from cursus_sandbox.tables.validator import DataCompatibilityValidator

    asked = read_schema(schema)
    validator = DataCompatibilityValidator(values=not no_values)
    report = validator.check(_data(data, workspace), asked, data=data, schema_from=str(schema))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        for one in report.findings:
            typer.echo(f"{one.severity}: {one}")
        rows = "" if report.rows is None else f", {report.rows:,} rows"
        outcome = "ok" if report.compatible else "broken"
        typer.echo(f"{outcome}: {report.tables} of {report.files} files are tables{rows}; looked at: {report.depth}")
    if not report.compatible:
        raise typer.Exit(ExitCode.DATA)


@schema_app.command("diff", short_help="Show which columns differ, and who can read whose.", epilog=DIFF_EXAMPLE)
def diff(old: Either, new: Either, workspace: Workspace = KEPT, as_json: AsJson = False) -> None:
    """Show which columns differ, and who can read whose data: FULL, BACKWARD, FORWARD or NONE."""
    from cursus_sandbox.tables.evolution import Compatibility, changes, compatibility

    before, after = _schema(old, workspace), _schema(new, workspace)
    found, reads = changes(before, after), compatibility(before, after)
    if as_json:
        rows = [{"column": one.column, "old": one.old, "new": one.new} for one in found]
        print_json({"compatibility": reads, "changes": rows})
    else:
        width = max((len(one.column) for one in found), default=0)
        for one in found:
            typer.echo(f"{one.column:<{width}}  {one.old or 'not there'} -> {one.new or 'not there'}")
        typer.echo(reads if found else f"{reads}: no column differs")
    if reads is not Compatibility.FULL:
        raise typer.Exit(1)


@schema_app.command("export", short_help="Write a schema in a form that others read.", epilog=EXPORT_EXAMPLE)
def export(
    schema: Either,
    to: Annotated[Target, typer.Option("--to", help="The form that others read.")] = Target.FRICTIONLESS,
    workspace: Workspace = KEPT,
) -> None:
    """Write a schema as Frictionless Table Schema, as an Open Data Contract, or as an Arrow schema's text."""
    from cursus_sandbox.tables.export import arrow_text, frictionless, odcs

    read = _schema(schema, workspace)
    match to:
        case Target.FRICTIONLESS:
            print_json(frictionless(read))
        case Target.ODCS:
            print_json(odcs(read, name=Path(schema).stem))
        case Target.ARROW:
            typer.echo(arrow_text(read))


def _schema(given: str, workspace: Path) -> TableSchema:
    from cursus_sandbox.documents.schemas import read_schema
    from cursus_sandbox.tables.inference import inferred

    if given.endswith((".yaml", ".yml")):
        return read_schema(Path(given))
    try:
        return inferred(_data(given, workspace)).schema
    except (ValueError, OSError) as error:
        raise DocumentError([Problem(f"no schema can be read from {given}: {error}")]) from error


def _data(given: str, workspace: Path) -> Path:
    """A path, or what a step of a run left; DocumentError if it isn't there."""
    path = Path(given)
    if path.exists():
        return path
    found = _OF_RUN.fullmatch(given)
    if found is None:
        hint = nearest_path(path, whole=True) or ("Write it as RUN:STEP.CHANNEL." if ":" in given else "")
        raise DocumentError([Problem(f"{given} does not exist", hint=hint)])
    from cursus_sandbox.runs.history import kept_run

    run, step, channel = found.groups()
    kept = kept_run(workspace, run)
    outputs = kept.folder / "steps" / step / "outputs" / channel
    if not outputs.is_dir():
        missing = outputs if outputs.parents[1].is_dir() else outputs.parents[1]
        hint = did_you_mean(missing.name, [one.name for one in missing.parent.glob("*/")])
        raise DocumentError([Problem(f"run {kept.name} keeps nothing that is '{step}.{channel}'", hint=hint)])
    return outputs

"""`cursus-sandbox plan` and `check`: nothing is started."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cursus_sandbox.cli.interruption import interruptible, say_error
from cursus_sandbox.cli.options import (
    KEPT,
    S3,
    AsJson,
    Config,
    Contracts,
    DataSourceName,
    DataSourceOption,
    Document,
    Documents,
    Force,
    FromStep,
    Grace,
    Image,
    Inputs,
    Lenient,
    LogLimit,
    Memory,
    Nasty,
    Network,
    NoCache,
    NoPipShim,
    Only,
    ReadOnlyRoot,
    Rows,
    Runtime,
    Secrets,
    Seed,
    SourceDir,
    Strict,
    Timeout,
    Until,
    User,
    api_options,
    json_of_problems,
    print_json,
)
from cursus_sandbox.errors import DocumentError

PLAN_EXAMPLE = """\b
Examples:
  cursus-sandbox plan dag.yaml --image xgb:latest
  cursus-sandbox plan dag.yaml --from XGBoostTraining
"""
CHECK_EXAMPLE = """\b
Example:
  cursus-sandbox check dag.yaml
"""


class PlanFormat(StrEnum):
    """What a plan can be printed as."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"


def plan(
    document: Document,
    image: Image = None,
    contracts: Contracts = None,
    config: Config = None,
    source_dir: SourceDir = None,
    inputs: Inputs = None,
    secrets: Secrets = None,
    lenient: Lenient = False,
    data_source: DataSourceOption = DataSourceName.LOCAL,
    s3: S3 = None,
    rows: Rows = None,
    seed: Seed = None,
    nasty: Nasty = False,
    strict: Strict = False,
    timeout: Timeout = None,
    grace: Grace = None,
    network: Network = None,
    no_pip_shim: NoPipShim = False,
    user: User = None,
    memory: Memory = None,
    log_limit: LogLimit = None,
    read_only_root: ReadOnlyRoot = False,
    runtime: Runtime = None,
    only: Only = None,
    from_step: FromStep = None,
    until: Until = None,
    no_cache: NoCache = False,
    force: Force = None,
    workspace: Annotated[
        Path,
        typer.Option(metavar="DIR", parser=Path, help="Where runs are kept, of which a run would take things over."),
    ] = KEPT,
    drawn: Annotated[
        PlanFormat, typer.Option("--format", help="As text, or drawn for Mermaid or Graphviz.")
    ] = PlanFormat.TEXT,
    explain_config: Annotated[
        bool, typer.Option("--explain-config", help="Show which configuration each step took, and which it might have.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what would run, and why. Starts nothing.

    The wiring with the reason of each binding, then the command, mounts, environment and limits of each step, and
    whether a run with the same options would run it, after earlier runs, and why.
    """
    options = api_options(locals())
    if explain_config and drawn is not PlanFormat.TEXT:
        raise typer.BadParameter(
            f"a drawing has no place for it: leave --format {drawn} away", param_hint="--explain-config"
        )
    if as_json and drawn is not PlanFormat.TEXT:
        raise typer.BadParameter(f"it is not --format {drawn}: leave one away", param_hint="--json")
    with interruptible():
        from cursus_sandbox import api

        try:
            planned = api.plan(document, **options, explain_config=explain_config)
        except DocumentError as error:
            if as_json:
                print_json(json_of_problems(error))
            raise
        found = api.predicted(
            planned,
            workspace,
            strict=strict,
            only=only or (),
            from_step=from_step,
            until=until,
            cache=not no_cache,
            force=force or (),
        )
        predicted = {
            step: {"outcome": str(one.outcome), "why": one.why, "words": str(one)} for step, one in found.items()
        }
        if as_json:
            from cursus_sandbox.reports.plan import print_plan_json

            print_plan_json(planned, sys.stdout, predicted)
            return
        if drawn is not PlanFormat.TEXT:
            from cursus_sandbox.reports import drawing

            sys.stdout.write(drawing.mermaid(planned) if drawn is PlanFormat.MERMAID else drawing.dot(planned))
            return
        from rich.console import Console

        from cursus_sandbox.reports.plan import print_plan

        print_plan(planned, Console(), predicted)
        if explain_config:
            from cursus_sandbox.reports.config import print_config_resolution

            print_config_resolution(planned, Console())


def check(
    documents: Documents,
    contracts: Contracts = None,
    config: Config = None,
    source_dir: SourceDir = None,
    inputs: Inputs = None,
    secrets: Secrets = None,
    lenient: Lenient = False,
    data_source: DataSourceOption = DataSourceName.LOCAL,
    s3: S3 = None,
    rows: Rows = None,
    seed: Seed = None,
    nasty: Nasty = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Check the documents and what they name. Starts nothing.

    The scripts, files and folders that the documents name must be there, too.
    """
    options = api_options(locals())
    told: list[dict[str, Any]] = []
    wrong: list[DocumentError] = []
    with interruptible():
        from cursus_sandbox import api
        from cursus_sandbox.reports.text import plain_lines

        for document in documents:
            try:
                planned = api.check(document, **options)
            except DocumentError as error:
                wrong.append(error)
                told.append(json_of_problems(error))
                continue
            counted = {"ok": True, "name": planned.name, "steps": len(planned.steps)}
            told.append({**counted, "warnings": planned.warnings, "notes": (*planned.remarks, *planned.notes)})
            if not as_json:
                typer.echo(f"{document}: ok, {len(planned.steps)} step{'s' * (len(planned.steps) != 1)}")
                for warning in planned.warnings:
                    typer.echo(plain_lines(f"warning: {warning}"))
                for note in (*planned.remarks, *planned.notes):
                    typer.echo(plain_lines(f"note: {note}"))
        if as_json:
            print_json(told[0] if len(documents) == 1 else told)
    for one in wrong[:-1]:
        say_error(one)
    if wrong:
        raise wrong[-1]

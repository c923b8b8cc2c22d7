"""`cursus-sandbox run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cursus_sandbox.cli.ending import Telling, end, told
from cursus_sandbox.cli.options import (
    KEPT,
    S3,
    AsJson,
    Config,
    Contracts,
    DataSourceName,
    DataSourceOption,
    Document,
    EngineChoice,
    Events,
    Force,
    FromStep,
    Grace,
    Image,
    Inputs,
    Junit,
    Lenient,
    LogLimit,
    Memory,
    Nasty,
    Network,
    NoCache,
    NoPipShim,
    Only,
    Quiet,
    ReadOnlyRoot,
    Rows,
    Runtime,
    Secrets,
    Seed,
    ShellOnFailure,
    SourceDir,
    Strict,
    Timeout,
    Until,
    User,
    Verbose,
    api_options,
    parsed,
    size_of,
)

if TYPE_CHECKING:
    from cursus_sandbox.pipeline.events import Observer
    from cursus_sandbox.pipeline.result import PipelineExecutionResult

# A line with \b alone keeps the lines below it as they are.
RUN_EXAMPLES = """\b
Examples:
  cursus-sandbox run dag.yaml --image xgb:latest
  cursus-sandbox run dag.yaml --engine local --jobs 4
  cursus-sandbox run dag.yaml --from XGBoostTraining
  cursus-sandbox run dag.yaml --force XGBoostTraining
  cursus-sandbox run dag.yaml --only XGBoostTraining --registry registry.json
  cursus-sandbox run xgb.dag.json --contracts steps/ --source-dir scripts/ \\
      --input TabularPreprocessing:DATA=data/

\b
Exit codes:
  0 well, 1 a step failed, 2 the documents are wrong, 3 data broke its
  contract, 4 this machine could not run it, 130/143 interrupted.
"""


def run(
    document: Document,
    image: Image = None,
    engine: Annotated[
        EngineChoice,
        Events,
        typer.Option(help="Where steps run; auto takes docker if an image is named. process isolates nothing."),
    ] = EngineChoice.AUTO,
    scheduler: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Whose hosts steps run on: local, this machine; or dask://HOST:8786, a Dask cluster's.",
        ),
    ] = "local",
    workspace: Annotated[
        Path,
        typer.Option(
            metavar="DIR", parser=Path, help="Where runs are kept; the hosts of a cluster share it, or a --store."
        ),
    ] = KEPT,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Where the hosts of a cluster that share no folder get files: s3://BUCKET/PREFIX.",
            show_default=False,
        ),
    ] = None,
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
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", metavar="N", min=1, help="Steps at once. Default: one per processor.")
    ] = None,
    timeout: Timeout = None,
    grace: Grace = None,
    network: Network = None,
    no_pip_shim: NoPipShim = False,
    user: User = None,
    memory: Memory = None,
    log_limit: LogLimit = None,
    read_only_root: ReadOnlyRoot = False,
    runtime: Runtime = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop everything at the first failure.")] = False,
    only: Only = None,
    from_step: FromStep = None,
    until: Until = None,
    registry: Annotated[
        Path | None,
        typer.Option(
            "--registry",
            metavar="FILE",
            help="Let steps read what those before them wrote in an earlier execution; see `register`.",
            show_default=False,
        ),
    ] = None,
    no_cache: NoCache = False,
    force: Force = None,
    max_size: Annotated[
        str, typer.Option(metavar="SIZE", help="When all runs together take more, the oldest are removed.")
    ] = "20g",
    no_values: Annotated[
        bool, typer.Option("--no-values", help="Keep what is in the data out of every report.")
    ] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Fetch images that are missing.")] = False,
    pdb: Annotated[
        bool, typer.Option("--pdb", help="Step through the script of --only STEP, with --engine process.")
    ] = False,
    update_schemas: Annotated[
        bool,
        typer.Option("--update-schemas", help="Write what was seen beside the document, for later runs to be held to."),
    ] = False,
    shell_on_failure: ShellOnFailure = False,
    events: Events = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    junit: Junit = None,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline, each step in a sandbox of its own."""
    options, most = api_options(locals()), size_of("--max-size", max_size)
    if scheduler != "local":
        from cursus_sandbox.cluster.address import contact

        parsed("--scheduler", scheduler, contact)
    if str(workspace).startswith("s3:"):
        raise typer.BadParameter(
            "runs are kept in a folder; what the hosts of a cluster share may be a prefix: --store s3://…",
            param_hint="--workspace",
        )
    _check_store(store, scheduler)
    if pdb:
        _check_pdb(engine, only or [])
    telling = Telling(
        about=str(document),
        events=events,
        verbose=verbose,
        quiet=quiet,
        junit=junit,
        as_json=as_json,
        on_terminal=not pdb,
        shell_on_failure=shell_on_failure,
    )

    def watched(observer: Observer) -> PipelineExecutionResult:
        from cursus_sandbox import api

        return api.run(
            document,
            engine=engine.value,
            scheduler=scheduler,
            workspace=workspace,
            store=store,
            **options,
            jobs=jobs,
            fail_fast=fail_fast or shell_on_failure,
            values=not no_values,
            pull=pull,
            only=only or (),
            from_step=from_step,
            until=until,
            registry=registry,
            cache=not no_cache,
            force=force or (),
            max_size=most,
            observer=observer,
            pdb=pdb,
            update_schemas=update_schemas,
        )

    end(told(telling, watched), telling)


def _check_store(store: str | None, scheduler: str) -> None:
    """A prefix of S3, and hosts that it is for."""
    if store is None:
        return
    from cursus_sandbox.pipeline.source import s3_uri

    parsed("--store", store, s3_uri)
    if scheduler == "local":
        raise typer.BadParameter(
            "it is for the hosts of a cluster: add --scheduler dask://HOST:8786", param_hint="--store"
        )


def _check_pdb(engine: EngineChoice, only: list[str]) -> None:
    """One step, on an engine that has a terminal for it, where there is one."""
    if engine is not EngineChoice.PROCESS:
        raise typer.BadParameter(
            f"only a plain process can be stepped through, not the engine {engine.value}: add --engine process",
            param_hint="--pdb",
        )
    if len(only) != 1:
        raise typer.BadParameter("it takes the one step to step through: add --only STEP", param_hint="--pdb")
    if not (sys.stdin and sys.stdin.isatty()):
        raise typer.BadParameter("it needs a terminal, and stdin is none", param_hint="--pdb")

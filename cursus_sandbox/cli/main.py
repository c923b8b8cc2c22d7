"""`cursus-sandbox run | plan | check | report | logs | runs | contracts | schema | schema-json`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypedDict, TypeVar

import typer

from cursus_sandbox import __version__
from cursus_sandbox.cli.contracts import contracts_app, schema_json
from cursus_sandbox.cli.options import AsJson, Contracts, print_json
from cursus_sandbox.cli.runs import LOGS_EXAMPLE, REPORT_EXAMPLE, logs, report, runs_app, written
from cursus_sandbox.cli.schema import schema_app
from cursus_sandbox.errors import DocumentError, ExitCode, SandboxError, Terminated

if TYPE_CHECKING:
    from cursus_sandbox.pipeline.dag import Synthetic
    from cursus_sandbox.pipeline.result import PipelineExecutionResult

Value = TypeVar("Value")

app = typer.Typer(
    name="cursus-sandbox",
    help="Run a Cursus / SageMaker pipeline on this machine: every step in a SageMaker-like sandbox, its data checked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class PlanFormat(StrEnum):
    """What a plan can be printed as."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"


class DataSourceName(StrEnum):
    """Where the inputs come from that nothing feeds."""

    LOCAL = "local"
    SYNTHETIC = "synthetic"


class NetworkChoice(StrEnum):
    """What a step sees of the network."""

    NONE = "none"
    BRIDGE = "bridge"


class EngineChoice(StrEnum):
    """The engines that can be asked for."""

    AUTO = "auto"
    DOCKER = "docker"
    LOCAL = "local"
    PROCESS = "process"


Document = Annotated[
    Path, typer.Argument(metavar="DOCUMENT", help="dag.yaml, dag.json or a Cursus *.dag.json.", show_default=False)
]
Image = Annotated[
    str | None, typer.Option("--image", metavar="NAME", help="The image of every step that names none of its own.")
]
SourceDir = Annotated[
    Path | None,
    typer.Option("--source-dir", metavar="DIR", help="Where the steps' scripts are, if the document doesn't say."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="STEP:CHANNEL=PATH",
        help="Bind an input to a file or folder. Repeatable.",
        show_default=False,
    ),
]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="TIME", help="Longest run of a step: 90, 15m, 2h. Default: 24h.")
]
Grace = Annotated[
    str | None, typer.Option("--grace", metavar="TIME", help="From TERM to KILL when its time is up. Default: 2m.")
]
Network = Annotated[
    NetworkChoice | None,
    typer.Option("--network", help="Whether steps that don't say have a network. Default: none."),
]
NoPipShim = Annotated[
    bool, typer.Option("--no-pip-shim", help="Leave pip alone where it has no network: it tries until it gives up.")
]
Memory = Annotated[str | None, typer.Option("--memory", metavar="SIZE", help="Most memory of a step: 512m, 2g.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Cursus' configuration of the steps (JSON), over the document's."),
]
Lenient = Annotated[
    bool, typer.Option("--lenient", help="Feed a required input that nothing fits from the first output there is.")
]
DataSourceOption = Annotated[
    DataSourceName,
    typer.Option(
        "--data-source", help="What feeds inputs that nothing feeds: files named, or data made up from schemas."
    ),
]
Rows = Annotated[int | None, typer.Option("--rows", min=0, help="Rows of a synthetic table. Default: 1000.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Another seed, other synthetic data. Default: 0.")]
Nasty = Annotated[bool, typer.Option("--nasty", help="Put edge values into synthetic data.")]
Strict = Annotated[bool, typer.Option("--strict", help="Take what AWS would refuse or lose for an error.")]

# A line with \b alone keeps the lines below it as they are.
RUN_EXAMPLES = """\b
Examples:
  cursus-sandbox run dag.yaml --image xgb:latest
  cursus-sandbox run dag.yaml --engine local --jobs 4
  cursus-sandbox run dag.yaml --from XGBoostTraining
  cursus-sandbox run xgb.dag.json --contracts steps/ --source-dir scripts/ \\
      --input TabularPreprocessing:DATA=data/

\b
Exit codes:
  0 well, 1 a step failed, 2 the documents are wrong, 3 data broke its contract,
  4 this machine could not run it, 130/143 interrupted.
"""
PLAN_EXAMPLE = """\b
Example:
  cursus-sandbox plan dag.yaml --image xgb:latest
"""
CHECK_EXAMPLE = """\b
Example:
  cursus-sandbox check dag.yaml
"""


SCHEMA_EXAMPLE = """\b
Example:
  cursus-sandbox schema-json dag > dag.schema.json
"""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cursus-sandbox {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
) -> None:
    pass


@app.command(epilog=RUN_EXAMPLES)
def run(
    document: Document,
    image: Image = None,
    engine: Annotated[
        EngineChoice,
        typer.Option(help="Where steps run; auto takes docker if an image is named. process isolates nothing."),
    ] = EngineChoice.AUTO,
    workspace: Annotated[Path, typer.Option(metavar="DIR", help="Where runs are kept.")] = Path(".cursus-sandbox"),
    contracts: Contracts = None,
    config: Config = None,
    source_dir: SourceDir = None,
    inputs: Inputs = None,
    lenient: Lenient = False,
    data_source: DataSourceOption = DataSourceName.LOCAL,
    rows: Rows = None,
    seed: Seed = None,
    nasty: Nasty = False,
    strict: Strict = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Steps at once. Default: one per processor.")
    ] = None,
    timeout: Timeout = None,
    grace: Grace = None,
    network: Network = None,
    no_pip_shim: NoPipShim = False,
    memory: Memory = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop everything at the first failure.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STEP", help="Run this step alone, on what an earlier run left. Repeatable.", show_default=False
        ),
    ] = None,
    from_step: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Run this step and all after it.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="STEP", help="Run all before this step, and it.")
    ] = None,
    no_values: Annotated[
        bool, typer.Option("--no-values", help="Keep what is in the data out of every report.")
    ] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Fetch images that are missing.")] = False,
    pdb: Annotated[
        bool, typer.Option("--pdb", help="Step through the script of --only STEP, with --engine process.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline, each step in a sandbox of its own."""
    limits = _limits(timeout, grace, memory)
    bindings = _bindings(inputs)
    source = _data_source(data_source, rows, seed, nasty=nasty)
    if pdb:
        _check_pdb(engine, only or [])
    with _interruptible(ctrl_c=not pdb):
        from rich.console import Console

        from cursus_sandbox import api
        from cursus_sandbox.reports.run import ProgressLines, print_summary

        result = api.run(
            document,
            engine=engine.value,
            workspace=workspace,
            contracts=contracts or (),
            config=config,
            image=image,
            source_dir=source_dir,
            **limits,
            network=None if network is None else network is NetworkChoice.BRIDGE,
            pip_shim=False if no_pip_shim else None,
            inputs=bindings,
            lenient=lenient,
            data_source=source,
            strict=strict,
            jobs=jobs,
            fail_fast=fail_fast,
            values=not no_values,
            pull=pull,
            only=only or (),
            from_step=from_step,
            until=until,
            observer=ProgressLines(Console(stderr=True)),
            pdb=pdb,
        )
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        print_summary(result, Console())
    if junit is not None:
        from cursus_sandbox.reports.junit import junit as junit_xml

        written(junit, junit_xml(result))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _tell_github(result)
    raise typer.Exit(result.exit_code)


@app.command(epilog=PLAN_EXAMPLE)
def plan(
    document: Document,
    image: Image = None,
    contracts: Contracts = None,
    config: Config = None,
    source_dir: SourceDir = None,
    inputs: Inputs = None,
    lenient: Lenient = False,
    data_source: DataSourceOption = DataSourceName.LOCAL,
    rows: Rows = None,
    seed: Seed = None,
    nasty: Nasty = False,
    strict: Strict = False,
    timeout: Timeout = None,
    grace: Grace = None,
    network: Network = None,
    no_pip_shim: NoPipShim = False,
    memory: Memory = None,
    drawn: Annotated[
        PlanFormat, typer.Option("--format", help="As text, or drawn for Mermaid or Graphviz.")
    ] = PlanFormat.TEXT,
    explain_config: Annotated[
        bool, typer.Option("--explain-config", help="Show which configuration each step took, and which it might have.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what would run, and why. Starts nothing.

    The wiring with the reason of each binding, then the command, mounts, environment and limits of each step.
    """
    limits = _limits(timeout, grace, memory)
    bindings = _bindings(inputs)
    source = _data_source(data_source, rows, seed, nasty=nasty)
    if explain_config and drawn is not PlanFormat.TEXT:
        raise typer.BadParameter(
            f"a drawing has no place for it: leave --format {drawn} away", param_hint="--explain-config"
        )
    with _interruptible():
        from cursus_sandbox import api

        planned = api.plan(
            document,
            contracts=contracts or (),
            config=config,
            image=image,
            source_dir=source_dir,
            **limits,
            network=None if network is None else network is NetworkChoice.BRIDGE,
            pip_shim=False if no_pip_shim else None,
            inputs=bindings,
            lenient=lenient,
            data_source=source,
            strict=strict,
            explain_config=explain_config,
        )
        if as_json:
            from cursus_sandbox.reports.plan import print_plan_json

            print_plan_json(planned, sys.stdout)
            return
        if drawn is not PlanFormat.TEXT:
            from cursus_sandbox.reports import drawing

            sys.stdout.write(drawing.mermaid(planned) if drawn is PlanFormat.MERMAID else drawing.dot(planned))
            return
        from rich.console import Console

        from cursus_sandbox.reports.plan import print_plan

        print_plan(planned, Console())
        if explain_config:
            from cursus_sandbox.reports.config import print_config_resolution

            print_config_resolution(planned, Console())


@app.command(epilog=CHECK_EXAMPLE)
def check(
    document: Document,
    contracts: Contracts = None,
    config: Config = None,
    source_dir: SourceDir = None,
    inputs: Inputs = None,
    lenient: Lenient = False,
    data_source: DataSourceOption = DataSourceName.LOCAL,
    rows: Rows = None,
    seed: Seed = None,
    nasty: Nasty = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Check the documents and what they name. Starts nothing.

    The scripts, files and folders that the documents name must be there, too.
    """
    bindings = _bindings(inputs)
    source = _data_source(data_source, rows, seed, nasty=nasty)
    with _interruptible():
        from cursus_sandbox import api
        from cursus_sandbox.reports.text import plain_lines

        try:
            planned = api.check(
                document,
                contracts=contracts or (),
                config=config,
                source_dir=source_dir,
                inputs=bindings,
                lenient=lenient,
                data_source=source,
                strict=strict,
            )
        except DocumentError as error:
            if as_json:
                problems = [
                    {"file": one.file, "line": one.line, "what": one.what, "hint": one.hint} for one in error.problems
                ]
                print_json({"ok": False, "problems": problems})
            raise
        if as_json:
            counted = {"ok": True, "name": planned.name, "steps": len(planned.steps)}
            print_json({**counted, "warnings": planned.warnings, "notes": (*planned.remarks, *planned.notes)})
        else:
            typer.echo(f"{document}: ok, {len(planned.steps)} step{'s' * (len(planned.steps) != 1)}")
            for warning in planned.warnings:
                typer.echo(plain_lines(f"warning: {warning}"))
            for note in (*planned.remarks, *planned.notes):
                typer.echo(plain_lines(f"note: {note}"))


app.command("report", epilog=REPORT_EXAMPLE)(report)
app.command("logs", epilog=LOGS_EXAMPLE)(logs)
app.add_typer(runs_app, name="runs")
app.add_typer(contracts_app, name="contracts")
app.add_typer(schema_app, name="schema")
app.command("schema-json", epilog=SCHEMA_EXAMPLE)(schema_json)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with a documented exit code; no traceback unless `--debug`."""
    given = sys.argv[1:] if arguments is None else arguments
    words = [word for word in given if word != "--debug"]  # wherever it stands
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name from a document may be more than it can write
    try:
        app(args=words, prog_name="cursus-sandbox")  # ends the process itself, but for what follows
    except SandboxError as error:
        if "--debug" in given:
            raise
        _say_error(str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        if "--debug" in given:
            raise
        _say_error(
            f"this is a bug in cursus-sandbox: {type(error).__name__}: {error}\nRepeat it with --debug and report it."
        )
        sys.exit(ExitCode.BUG)


@contextmanager
def _interruptible(*, ctrl_c: bool = True) -> Iterator[None]:
    """SIGTERM, and a terminal that is closed, stop what runs and save, as Ctrl-C does, each with its exit code.

    Without `ctrl_c` that is left to whoever else reads the terminal.
    """

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    if not ctrl_c:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)  # ignored, it would be in a child as well
    for number in (signal.SIGTERM, signal.SIGHUP):
        handler = before[number]
        if handler is not signal.SIG_IGN:  # `nohup` means to go on
            signal.signal(number, terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        _say_error("interrupted")
        raise typer.Exit(ExitCode.TERMINATED if isinstance(error, Terminated) else ExitCode.INTERRUPTED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_error(text: str) -> None:
    from cursus_sandbox.reports.text import plain_lines

    sys.stdout.flush()
    sys.stderr.write(f"error: {plain_lines(text)}\n")


def _tell_github(result: PipelineExecutionResult) -> None:
    """Annotations where the workflow's log is read, and the summary where GitHub wants it."""
    from cursus_sandbox.reports.github import summary, workflow_commands

    for line in workflow_commands(result):
        typer.echo(line, err=True)
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with suppress(OSError), Path(file).open("a", encoding="utf-8") as opened:
            opened.write(summary(result))


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


class _Limits(TypedDict):
    timeout: float | None
    grace: float | None
    memory: int | None


def _limits(timeout: str | None, grace: str | None, memory: str | None) -> _Limits:
    """What `--timeout`, `--grace` and `--memory` say, in seconds and bytes."""
    from cursus_sandbox.pipeline.values import duration, size

    return {
        "timeout": _parsed("--timeout", timeout, duration),
        "grace": _parsed("--grace", grace, duration),
        "memory": _parsed("--memory", memory, size),
    }


def _parsed(option: str, value: str | None, parse: Callable[[str], Value]) -> Value | None:
    """An option's value, or one clear error."""
    if value is None:
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _data_source(
    name: DataSourceName, rows: int | None, seed: int | None, *, nasty: bool
) -> Literal["local"] | Synthetic:
    """The source that the options name; those of synthetic data say nothing of another."""
    if name is DataSourceName.SYNTHETIC:
        from cursus_sandbox.pipeline.dag import Synthetic

        return Synthetic(rows=1000 if rows is None else rows, seed=seed or 0, nasty=nasty)
    for option, given in (("--rows", rows is not None), ("--seed", seed is not None), ("--nasty", nasty)):
        if given:
            raise typer.BadParameter("it is for --data-source synthetic", param_hint=option)
    return "local"


def _bindings(inputs: list[str] | None) -> dict[str, Path]:
    """`STEP:CHANNEL=PATH` options as a mapping."""
    bindings: dict[str, Path] = {}
    for one in inputs or ():
        target, _, path = one.partition("=")
        step, _, channel = target.partition(":")
        if not (step and channel and path):
            raise typer.BadParameter(f"{one!r} is not STEP:CHANNEL=PATH", param_hint="--input")
        if target in bindings:
            raise typer.BadParameter(f"{target} is bound twice", param_hint="--input")
        bindings[target] = Path(path).expanduser()
    return bindings

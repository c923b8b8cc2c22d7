"""What commands have in common: their options, what these say, and how JSON is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from cursus_sandbox.cli import completion
from cursus_sandbox.workflow_commands import harmless_json

if TYPE_CHECKING:
    from cursus_sandbox.errors import DocumentError
    from cursus_sandbox.pipeline.source import S3Settings, Synthetic

Value = TypeVar("Value")
_AS_TYPED = ("image", "config", "source_dir", "runtime", "lenient", "strict")  # options of `api` that need no reading

KEPT = Path(".cursus-sandbox")


class DataSourceName(StrEnum):
    """Where the inputs come from that nothing feeds."""

    LOCAL = "local"
    SYNTHETIC = "synthetic"
    S3 = "s3"


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
Documents = Annotated[
    list[Path],
    typer.Argument(metavar="DOCUMENT...", help="dag.yaml, dag.json or a Cursus *.dag.json.", show_default=False),
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
        help="Bind an input to a file, a folder, a pattern ('data/2024-*.csv') or s3://bucket/prefix. Repeatable.",
        show_default=False,
    ),
]
Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME=env:VAR",
        help="Give steps a secret, from a variable or a file (NAME=file:PATH), and mask it. Repeatable.",
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
User = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="USER", help="Who steps run as: root, image (as it says), UID or UID:GID. Default: you."
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="STEP",
        help="Run this step alone, on what an earlier run left. Repeatable.",
        show_default=False,
        autocompletion=completion.steps,
    ),
]
FromStep = Annotated[
    str | None,
    typer.Option("--from", metavar="STEP", help="Run this step and all after it.", autocompletion=completion.steps),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="STEP", help="Run all before this step, and it.", autocompletion=completion.steps),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Run every step again, though nothing it depends on has changed.")
]
Force = Annotated[
    list[str] | None,
    typer.Option(
        "--force",
        metavar="STEP",
        help="Run this step again in any case. Repeatable.",
        show_default=False,
        autocompletion=completion.steps,
    ),
]
Memory = Annotated[str | None, typer.Option("--memory", metavar="SIZE", help="Most memory of a step: 512m, 2g.")]
LogLimit = Annotated[
    str | None, typer.Option("--log-limit", metavar="SIZE", help="Most of a step's log on disk. Default: 1g.")
]
ReadOnlyRoot = Annotated[
    bool, typer.Option("--read-only-root", help="Let steps write to their own folders and /tmp alone.")
]
Runtime = Annotated[
    str | None,
    typer.Option("--runtime", metavar="NAME", help="The containers' runtime, if the daemon has it: runsc (gVisor)."),
]
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
        "--data-source",
        help="What feeds inputs that nothing feeds: files named, data made up from schemas, or a prefix of S3.",
    ),
]
S3 = Annotated[
    list[str] | None,
    typer.Option(
        "--s3",
        metavar="KEY=VALUE",
        help="How S3 is reached, and how much is taken: endpoint_url, region, profile, anonymous, prefix, max_objects, "
        "max_bytes. Repeatable.",
        show_default=False,
    ),
]
Rows = Annotated[
    int | None,
    typer.Option("--rows", metavar="N", min=0, max=1_000_000_000, help="Rows of a synthetic table. Default: 1000."),
]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", min=0, help="Another seed, other synthetic data. Default: 0.")
]
Nasty = Annotated[bool, typer.Option("--nasty", help="Put edge values into synthetic data.")]
Strict = Annotated[bool, typer.Option("--strict", help="Take what AWS would refuse or lose for an error.")]
Contracts = Annotated[
    list[Path] | None,
    typer.Option(
        "--contracts",
        metavar="DIR",
        help="A folder of *.step.yaml, searched first. Repeatable. Also: CURSUS_SANDBOX_CONTRACTS.",
        show_default=False,
    ),
]
Events = Annotated[
    str | None, typer.Option("--events", metavar="FILE", help="Write what happens as lines of JSON; - is stdout.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say what is checked and what steps write, line by line.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say what failed and how it ended, no more.")]
Junit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML, too; - for stdout.")
]
ShellOnFailure = Annotated[
    bool,
    typer.Option(
        "--shell-on-failure", help="End the run at the first failure, and open a shell in that step's sandbox."
    ),
]
Workspace = Annotated[Path, typer.Option("--workspace", metavar="DIR", parser=Path, help="Where runs are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def json_of_problems(error: DocumentError) -> dict[str, Any]:
    """What is wrong with documents, as a value for JSON."""
    problems = [{"file": one.file, "line": one.line, "what": one.what, "hint": one.hint} for one in error.problems]
    return {"ok": False, "problems": problems}


def print_json(content: Any) -> None:
    """Print a value as JSON on stdout."""
    sys.stdout.write(json_of(content))


def json_of(content: Any) -> str:
    """A value as JSON, as commands print it."""
    return harmless_json(json.dumps(content, indent=2, default=str)) + "\n"


def api_options(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed for a command, its `locals()`, as options of `api`; one clear error for what can't be.

    Those that `plan`, `check` and `run` have in common, as far as the command has them.
    """
    options = {name: typed[name] for name in _AS_TYPED if name in typed}
    options |= {name: parsed(f"--{name.replace('_', '-')}", typed[name], parse) for name, parse in _read(typed)}
    options["contracts"] = typed["contracts"] or ()
    options["inputs"] = bindings_of(typed["inputs"])
    options["secrets"] = secrets_of(typed["secrets"])
    options["s3"] = s3_of(typed["s3"])
    options["data_source"] = data_source_of(typed["data_source"], typed["rows"], typed["seed"], nasty=typed["nasty"])
    if (network := typed.get("network")) is not None:
        options["network"] = network is NetworkChoice.BRIDGE
    if typed.get("no_pip_shim"):
        options["pip_shim"] = False
    if typed.get("read_only_root"):
        options["read_only_root"] = True
    return options


def _read(typed: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[str], Any]]]:
    """The options that are times, sizes and users, each with what reads it."""
    from cursus_sandbox.pipeline.values import duration, size, user

    readers = {"timeout": duration, "grace": duration, "memory": size, "log_limit": size, "user": user}
    yield from ((name, parse) for name, parse in readers.items() if name in typed)


def size_of(option: str, value: str) -> int:
    """The bytes that an option says."""
    from cursus_sandbox.pipeline.values import size

    return parsed(option, value, size) or 0


def parsed(option: str, value: str | None, parse: Callable[[str], Value]) -> Value | None:
    """An option's value, or one clear error."""
    if value is None:
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def data_source_of(
    name: DataSourceName, rows: int | None, seed: int | None, *, nasty: bool
) -> Literal["local", "s3"] | Synthetic:
    """The source that the options name; those of synthetic data say nothing of another."""
    if name is DataSourceName.SYNTHETIC:
        from cursus_sandbox.pipeline.source import Synthetic

        return Synthetic(rows=1000 if rows is None else rows, seed=seed or 0, nasty=nasty)
    for option, given in (("--rows", rows is not None), ("--seed", seed is not None), ("--nasty", nasty)):
        if given:
            raise typer.BadParameter("it is for --data-source synthetic", param_hint=option)
    return "s3" if name is DataSourceName.S3 else "local"


def secrets_of(secrets: list[str] | None) -> dict[str, str]:
    """`NAME=env:VARIABLE` options as a mapping; an error never quotes one, for it may hold the secret itself."""
    given = dict[str, str]()
    for one in secrets or ():
        name, _, kept = one.partition("=")
        if not (name and kept.startswith(("env:", "file:"))):
            raise typer.BadParameter("it is NAME=env:VARIABLE or NAME=file:PATH", param_hint="--secret")
        given[name] = kept
    return given


def s3_of(settings: list[str] | None) -> S3Settings:
    """What `--s3 KEY=VALUE` options say."""
    from pydantic import ValidationError

    from cursus_sandbox.errors import did_you_mean
    from cursus_sandbox.pipeline.source import S3Settings

    said = dict[str, str]()
    for one in settings or ():
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{one!r} is not KEY=VALUE", param_hint="--s3")
        said[name] = value
    try:
        return S3Settings.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        name, known = str(first["loc"][0]), ", ".join(S3Settings.model_fields)
        near = did_you_mean(name, S3Settings.model_fields, or_list=False)
        wrong = (
            ". ".join(one for one in (f"there is no such setting, but {known}", near) if one)
            if first["type"] == "extra_forbidden"
            else first["msg"].removeprefix("Value error, ")
        )
        raise typer.BadParameter(f"{name}: {wrong}", param_hint="--s3") from None


def bindings_of(inputs: list[str] | None) -> dict[str, str]:
    """`STEP:CHANNEL=PATH` options as a mapping."""
    bindings: dict[str, str] = {}
    for one in inputs or ():
        target, _, path = one.partition("=")
        step, _, channel = target.partition(":")
        if not (step and channel and path):
            raise typer.BadParameter(f"{one!r} is not STEP:CHANNEL=PATH", param_hint="--input")
        if target in bindings:
            raise typer.BadParameter(f"{target} is bound twice", param_hint="--input")
        bindings[target] = path
    return bindings

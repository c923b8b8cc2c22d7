"""A contract drafted from a script: paths, environment, arguments and columns, read off its text. Nothing is run."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cursus_sandbox.documents.reading import read_text
from cursus_sandbox.drafts.channels import Channel, channels, kind_of
from cursus_sandbox.drafts.draft import Draft, path_from
from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.names import pascal, snake
from cursus_sandbox.sagemaker.script_paths import CHANNEL, Constants, paths_used
from cursus_sandbox.sagemaker.script_settings import Argument, Variable, settings_read

_OF_ANY_PROCESS = re.compile(r"SM_|AWS_|PYTHON|LC_|(?:HOME|PATH|USER|LANG|TMPDIR|TMP|TEMP|PWD|SHELL|HOSTNAME|TZ)$")
_TABLES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
_JOB_TYPE = ("--job_type", "--job-type")
_PLACEHOLDER = "todo"
_MOST_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """A script, and what was read off it."""

    file: Path
    step_type: str
    kind: StepKind
    why: str
    channels: Sequence[Channel]
    dispensable: frozenset[str]  # channels of these names it may do without
    variables: Sequence[Variable]
    arguments: Sequence[Argument]
    columns: dict[str, str]
    speaks_of_csv: bool
    remarks: tuple[str, ...]


def from_scripts(files: Iterable[Path], folder: Path) -> Draft:
    """A pipeline with a step for each script, and their contracts; DocumentError for what is no Python, or twice."""
    seen: list[Seen] = []
    problems: list[Problem] = []
    for file in files:
        try:
            seen.append(_seen(file))
        except DocumentError as error:
            problems += error.problems
    for index, one in enumerate(seen):
        if other := next((two for two in seen[:index] if two.step_type == one.step_type), None):
            what = f"this script would be the step {one.step_type}, as {other.file} is"
            problems.append(Problem(what, file=one.file, hint="Rename one of them."))
    if problems:
        raise DocumentError(problems)
    fed = [_fed(one, seen[:index]) for index, one in enumerate(seen)]
    drafted = {PurePosixPath("dag.yaml"): _document(list(zip(seen, fed, strict=True)), folder).encode()}
    for one, bound in zip(seen, fed, strict=True):
        drafted[PurePosixPath("contracts", f"{snake(one.step_type)}.step.yaml")] = _contract(one, bound).encode()
    remarks = tuple(f"{one.file.name}:{remark}" for one in seen for remark in one.remarks)
    return Draft(drafted, remarks, ("--data-source", "synthetic"))


def _seen(file: Path) -> Seen:
    text = read_text(file)
    try:
        with warnings.catch_warnings(action="ignore"):
            module = ast.parse(text)
        constants = Constants(module)
        uses, settings = list(paths_used(module, constants)), settings_read(module, constants)
    except SyntaxError as error:
        raise DocumentError([Problem(f"this is not Python: {error.msg}", file=file, line=error.lineno)]) from error
    except (RecursionError, MemoryError) as error:
        raise DocumentError([Problem("the script is nested too deeply to be read", file=file)]) from error
    kind, why = kind_of(uses)
    found, remarks = channels(uses, kind)
    remarks += [
        f"{one.line}: only {one.path} is told of a path; what comes after it is computed"
        for one in uses
        if not one.whole
    ]
    remarks += [f"{line}: it {what}" for line, what in settings.untold]
    if not uses:
        remarks.append("1: no path below /opt/ml is named in it: where are its inputs and outputs?")
    words = {one.name for one in found} | {one.name for one in settings.variables}
    words |= {one.flag.lstrip("-").replace("-", "_") for one in settings.arguments}
    stem = re.sub(r"\W", "_", file.stem, flags=re.ASCII).strip("_") or "step"
    return Seen(
        file=file,
        step_type=re.sub(r"\W", "", pascal(stem)) if not stem[0].isdigit() else f"Step{stem}",
        kind=kind,
        why=why,
        channels=found,
        dispensable=frozenset(
            one.name.removeprefix(CHANNEL).lower()
            for one in settings.variables
            if one.name.startswith(CHANNEL) and not one.required and one.default is None
        ),
        variables=[one for one in settings.variables if not _OF_ANY_PROCESS.match(one.name)],
        arguments=settings.arguments,
        columns={name: of for name, of in settings.columns.items() if name not in words},
        speaks_of_csv="csv" in text and "read_parquet" not in text,
        remarks=tuple(sorted(remarks, key=lambda one: int(one.partition(":")[0]))),
    )


def _fed(seen: Seen, before: Sequence[Seen]) -> dict[str, str]:
    """The inputs that a script before leaves under the same name, each with the step and channel: of several the last.

    What is called `model_output` there may be called `model` or `model_input` here.
    """
    left = {
        one.name.removesuffix("_output"): f"{other.step_type}:{one.name}"
        for other in before
        for one in other.channels
        if one.is_output
    }
    found = {one.name: left.get(one.name.removesuffix("_input")) for one in seen.channels if not one.is_output}
    return {name: output for name, output in found.items() if output}


def _contract(seen: Seen, fed: Mapping[str, str]) -> str:
    """The text of a contract, with the line each part was seen in."""
    name = seen.file.name
    lines = [
        f"# A first draft, read off {name} without running it. Each line says where it was seen.",
        f"step_type: {seen.step_type}",
        "registry:",
        f"  sagemaker_step_type: {'Training' if seen.kind is StepKind.TRAINING else 'Processing'} # {seen.why}",
        "contract:",
        f"  entry_point: {_quoted(name)}",
    ]
    for title, wanted in (("inputs", False), ("outputs", True)):
        some = [one for one in seen.channels if one.is_output is wanted]
        lines.append(f"  {title}:" if some else f"  {title}: {{}} # none was seen")
        for one in some:
            lines += _of_channel(one, seen, fed)
    lines += list(_of_arguments(seen))
    lines += list(_of_variables(seen))
    return "\n".join([*lines, ""])


def _of_channel(one: Channel, seen: Seen, fed: Mapping[str, str]) -> Iterator[str]:
    yield f"    {one.name}: # {_at(seen, *one.lines)}"
    yield f"      path: {one.path}"
    if one.is_output:
        return
    doubt = f" # or false: {_at(seen, *one.lines)} may do without it" if one.name in seen.dispensable else ""
    yield f"      required: true{doubt}"
    if one.name in fed:
        return
    if not _is_table(one):
        yield f"      # {', '.join(one.files)} is no table: bind a folder that has it, in dag.yaml"
        return
    yield '      schema: # a guess, from words in x["word"]: `schema infer DATA` writes it from data'
    if len(one.files) == 1:
        yield f"        glob: {_quoted(one.files[0])}"
    elif seen.speaks_of_csv:
        yield '        glob: "*.csv"'
    yield "        fields:"
    guessed = list(seen.columns.items())[:_MOST_COLUMNS] or [("id", "int"), ("value", "float")]
    for column, taken_for in guessed:
        kind = "integer" if taken_for == "int" else "number"
        yield f"          - {{name: {_quoted(column)}, type: {kind}, constraints: {{required: true}}}}"


def _is_table(one: Channel) -> bool:
    return not one.files or any(file.endswith(_TABLES) for file in one.files)


def _of_arguments(seen: Seen) -> Iterator[str]:
    if any(one.flag in _JOB_TYPE for one in seen.arguments):
        flag = next(one.flag for one in seen.arguments if one.flag in _JOB_TYPE)
        yield "  job_arguments:"
        yield f"    - {{flag: {flag}, source: job_type}}"
    if seen.arguments:
        yield "  # its arguments; what must be told stands in dag.yaml:"
    for one in seen.arguments:
        said = [
            "required"
            if one.required
            else f"default {_quoted(one.default)}"
            if one.default is not None
            else "optional",
            *([f"one of {', '.join(one.choices)}"] if one.choices else ()),
            *([one.kind] if one.kind != "str" else ()),
        ]
        yield f"  #   {_plain(one.flag)}: {_plain(', '.join(said))} ({_at(seen, one.line)})"


def _of_variables(seen: Seen) -> Iterator[str]:
    required = [one for one in seen.variables if one.required]
    optional = [one for one in seen.variables if not one.required and one.default is not None]
    bare = [one for one in seen.variables if not one.required and one.default is None]
    if not seen.variables:
        return
    yield "  env_vars:"
    yield "    required:" if required else "    required: []"
    yield from (f"      - {one.name} # {_at(seen, one.line)}" for one in required)
    yield "    optional:" if optional else "    optional: {}"
    yield from (f"      {one.name}: {_quoted(one.default or '')} # {_at(seen, one.line)}" for one in optional)
    yield from (f"    # {one.name}: may be there, and has no default ({_at(seen, one.line)})" for one in bare)


def _document(steps: Sequence[tuple[Seen, Mapping[str, str]]], folder: Path) -> str:
    """The text of a pipeline with a step for each script."""
    seen = [one for one, _ in steps]
    above = {one.file.absolute().parent for one in seen}
    common = next(iter(above)) if len(above) == 1 else None
    names = ", ".join(one.file.name for one in seen)
    lines = [
        f"# A first draft, read off {names}.",
        f"name: {_quoted(seen[0].file.stem if len(seen) == 1 else 'pipeline')}",
    ]
    if common:
        lines.append(f"source_dir: {_quoted(path_from(folder, common))}")
    lines.append("steps:")
    for one, fed in steps:
        body = list(_of_step(one, fed))
        if not common:
            body.insert(0, f"    source_dir: {_quoted(path_from(folder, one.file.absolute().parent))}")
        lines += [f"  {one.step_type}:{'' if body else ' {}'}", *body]
    return "\n".join([*lines, ""])


def _of_step(seen: Seen, fed: Mapping[str, str]) -> Iterator[str]:
    named = [one for one in seen.channels if not (one.is_output or one.name in fed or _is_table(one))]
    if fed or named:
        yield "    inputs:"
        yield from (f"      {name}: {output} # a guess, from the names" for name, output in fed.items())
        yield from (f"      {one.name}: ./{one.name} # a folder with {', '.join(one.files)}" for one in named)
    if required := [one for one in seen.variables if one.required]:
        yield "    env: # values to start with; say what they should be"
        yield from (f"      {one.name}: {_quoted(_value(one.kind))} # {_at(seen, one.line)}" for one in required)
    told = [one for one in seen.arguments if one.required and not one.is_switch]
    if job_type := next((one for one in told if one.flag in _JOB_TYPE), None):
        yield f"    job_type: {_quoted(_value(job_type.kind, job_type.choices))} # {_at(seen, job_type.line)}"
    told = [one for one in told if one.flag not in _JOB_TYPE]
    if not told:
        return
    values = [(one, _quoted(_value(one.kind, one.choices))) for one in told]
    if seen.kind is StepKind.TRAINING:
        yield "    hyperparameters: # the script gets each as an argument"
        yield from (f"      {one.flag.lstrip('-')}: {value} # {_at(seen, one.line)}" for one, value in values)
    elif any(one.has_place for one in told):
        words = [word for one, value in values for word in (([] if one.has_place else [_quoted(one.flag)]) + [value])]
        yield f"    arguments: [{', '.join(words)}] # {_at(seen, *(one.line for one, _ in values))}"
    else:
        yield "    arguments: # values to start with; say what they should be"
        yield from (f"      {one.flag.lstrip('-')}: {value} # {_at(seen, one.line)}" for one, value in values)


def _value(kind: str, choices: Sequence[str] = ()) -> str:
    """A value to start with."""
    return choices[0] if choices else "1" if kind in ("int", "float") else _PLACEHOLDER


def _at(seen: Seen, *lines: int) -> str:
    return f"{_plain(seen.file.name)}:{', '.join(map(str, lines))}"


def _quoted(text: str) -> str:
    """A text as YAML has it: in quotes where it might be read as something else."""
    plain = re.fullmatch(r"[A-Za-z_./][\w./-]*", text, flags=re.ASCII)
    odd = text.lower() in ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
    return text if plain and not odd else json.dumps(text)


def _plain(text: str) -> str:
    """A text that can stand in a comment."""
    return "".join(char if char.isprintable() else " " for char in text)

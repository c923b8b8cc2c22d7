"""Contracts in a terminal: a line each, one in full, and where a word is found in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cursus_sandbox.pipeline.contract import InputChannel, OutputChannel, ScriptContract, StepKind
from cursus_sandbox.reports.text import folded, shown
from cursus_sandbox.tables.schema import TableSchema

_WORD = 10  # columns of the word before a detail


def contract_row(contract: ScriptContract) -> dict[str, Any]:
    """A contract in a list, for a program."""
    return {
        "step_type": contract.step_type,
        "kind": contract.kind,
        "description": contract.description,
        "inputs": list(contract.inputs),
        "outputs": list(contract.outputs),
        "file": contract.file,
    }


def contract_lines(contracts: Sequence[ScriptContract], origins: Mapping[Path, str], *, columns: int) -> Iterator[str]:
    """A line for each contract. `origins` are folders that go by a name."""
    width = max((len(one.step_type) for one in contracts), default=0)
    kinds = max((len(one.kind) for one in contracts), default=0)
    yield folded(f"{'step type':<{width}}  {'kind':<{kinds}}  in  out  from", " " * 4, columns)
    for one in contracts:
        origin = ""
        if one.file is not None:
            origin = origins.get(one.file.parent) or shown(one.file)
        counts = f"{len(one.inputs):>2}  {len(one.outputs):>3}"
        yield folded(f"{one.step_type:<{width}}  {one.kind:<{kinds}}  {counts}  {origin}", " " * 4, columns)


def contract_details(contract: ScriptContract, *, columns: int) -> Iterator[str]:
    """All that a contract says."""
    yield folded(f"{contract.step_type}  ({contract.kind})", "    ", columns)
    for word, said in _details(contract):
        yield folded(f"  {word:<{_WORD}}{said}", " " * (_WORD + 6), columns)


def matches(contract: ScriptContract, word: str) -> list[str]:
    """Where a contract speaks of a word, in whatever case; empty where it doesn't."""
    wanted = word.lower()
    found = [("step type", contract.step_type)]
    found += [("input", name) for name in contract.inputs]
    found += [("output", name) for name in contract.outputs]
    found += [(f"alias of {name}", alias) for name, one in contract.outputs.items() for alias in one.aliases]
    where = [f"{what} {name}" for what, name in found if wanted in name.lower()]
    return [*where, *(["description"] if wanted in contract.description.lower() else [])]


def search_lines(found: Iterable[tuple[ScriptContract, list[str]]], *, columns: int) -> Iterator[str]:
    """Each contract that was found, and where the word is in it."""
    for contract, where in found:
        yield folded(f"{contract.step_type}: {', '.join(where)}", "    ", columns)


def _details(contract: ScriptContract) -> Iterator[tuple[str, str]]:
    if contract.description:
        yield "about", contract.description
    if contract.file is not None:
        yield "file", shown(contract.file)
    yield "script", _script(contract)
    for name, port in contract.inputs.items():
        paths = ", ".join(map(str, contract.paths_of(name))) or "no path"
        yield "input", f"{name} <- {paths}  ({', '.join(_asked(contract, name, port))})"
    for name, output in contract.outputs.items():
        yield "output", f"{name} -> {output.path or 'no path'}  {_offered(output)}".rstrip()
    yield from (("env", f"{key}  (required)") for key in contract.required_env_vars)
    yield from (("env", f"{key}={value}") for key, value in contract.optional_env_vars.items())
    yield from (("argument", f"{one.flag} <- {one.source}") for one in contract.job_arguments)
    yield from (("argument", f"{flag}  ({value})") for flag, value in contract.arguments.items())
    for job_type, variant in contract.variants.items():
        yield "variant", f"{job_type}: {', '.join(_differences(contract, variant)) or 'as it is'}"


def _script(contract: ScriptContract) -> str:
    if contract.kind is StepKind.NOTHING_TO_RUN:
        return f"none to run here: {'an SDK of Cursus' if contract.delegated else contract.sagemaker_step_type}"
    if contract.kind in (StepKind.MODEL, StepKind.TRANSFORM) and contract.entry_point is None:
        return "none: the model's server" if contract.kind is StepKind.TRANSFORM else "none: model.tar.gz is unpacked"
    folder = contract.source_dir or contract.kind is StepKind.TRAINING
    return f"{contract.entry_point or 'none'}{', with its folder' if folder else ''}"


def _asked(contract: ScriptContract, name: str, port: InputChannel) -> Iterator[str]:
    yield "required" if port.required else "optional"
    if port.type:
        yield port.type
    if name in contract.local_inputs:
        yield f"a folder of yours: {contract.local_inputs[name]}"
    if name in contract.unmounted_inputs:
        yield "not mounted: the script finds it by itself"
    if port.compatible_sources:
        yield f"from {', '.join(port.compatible_sources)}"
    if port.table_schema:
        yield _checked(port.table_schema)


def _offered(output: OutputChannel) -> str:
    said = [output.type] if output.type else []
    said += [f"alias {', '.join(output.aliases)}"] if output.aliases else []
    said += [_checked(output.table_schema)] if output.table_schema else []
    return f"({', '.join(said)})" if said else ""


def _checked(schema: TableSchema) -> str:
    columns = len(schema.fields)
    return f"{columns} column{'s' * (columns != 1)} checked"


def _differences(base: ScriptContract, variant: ScriptContract) -> Iterator[str]:
    """What a variant says otherwise: whether an input is required, and which other channels differ in something."""
    differing = []
    for ports, others in ((base.inputs, variant.inputs), (base.outputs, variant.outputs)):
        for name, port in others.items():
            if (known := ports.get(name)) is None or known.required != port.required:
                yield f"{name} is {'required' if port.required else 'optional'}"
            if known is not None and known.model_copy(update={"required": port.required}) != port:
                differing.append(name)
    if differing:
        yield f"another description of {', '.join(differing)}"

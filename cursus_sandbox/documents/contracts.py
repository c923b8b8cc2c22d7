"""Contract files: a `*.step.yaml` becomes a ScriptContract, or a list of what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cursus_sandbox.documents.contract_keys import slips
from cursus_sandbox.documents.problems import shown, validated
from cursus_sandbox.documents.reading import read_tree
from cursus_sandbox.documents.tree import Place, Tree
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.contract import InputChannel, OutputChannel, ScriptContract
from cursus_sandbox.pipeline.interface import contract_fields, places_of, section, variant

_JOB_TYPE = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]*")  # it follows a step type in a node's name
_PARTS: tuple[Place, ...] = (  # that may be in a variant, too
    ("contract",),
    ("contract", "inputs"),
    ("contract", "outputs"),
    ("contract", "env_vars"),
    ("contract", "input_source_overrides"),
    ("spec",),
    ("spec", "dependencies"),
    ("spec", "outputs"),
)
_DESCRIBED = (("inputs", "dependencies"), ("outputs", "outputs"))


def read_contract(file: Path) -> ScriptContract:
    """One `*.step.yaml`; DocumentError with every problem in it, its variants' too."""
    tree = read_tree(file)
    if not isinstance(tree.content, dict):
        what = "a contract is a mapping with step_type, registry, contract and spec"
        raise DocumentError([*tree.problems, tree.problem(what)])
    contract, problems = _contract(tree, tree.content, ())
    problems = [*tree.problems, *_no_mappings(tree), *problems, *_strange_variants(tree)]
    variants = {}
    for job_type in section(tree.content, "variants"):
        variants[job_type], wrong = _contract(tree, variant(tree.content, job_type), ("variants", job_type))
        problems += wrong
    likely = tuple(slips(tree))
    if contract is None or problems:  # what is wrong may come of a slip
        raise DocumentError(sorted(dict.fromkeys([*problems, *likely]), key=lambda one: one.line or 0))
    return contract.model_copy(
        update={
            "file": file,
            "slips": likely,
            "variants": {name: one.model_copy(update={"file": file}) for name, one in variants.items() if one},
        }
    )


def _contract(tree: Tree, content: dict[str, Any], inside: Place) -> tuple[ScriptContract | None, list[Problem]]:
    """The contract of a tree's content, or of one of its variants, which stands `inside`."""

    def written(*places: Place) -> Place:
        """The first of the places that is written, in the variant rather than outside of it."""
        there = [one for place in places for one in ((*inside, *place), place) if one in tree.lines]
        return there[0] if there else places[-1]

    contract, problems = validated(ScriptContract, contract_fields(content), tree, lambda at: written(*places_of(at)))
    if contract is not None:
        ports: dict[str, Mapping[str, InputChannel | OutputChannel]]
        ports = {"inputs": contract.inputs, "outputs": contract.outputs}
        lines = {
            (part, name): {
                one.name: tree.line(written(("contract", part, name, "schema", "fields", index))) or 1
                for index, one in enumerate(port.table_schema.fields)
            }
            for part, channels in ports.items()
            for name, port in channels.items()
            if port.table_schema
        }
        like_lines = {
            (part, name): tree.line(written(("contract", part, name, "schema", "like"))) or 1
            for part, channels in ports.items()
            for name, port in channels.items()
            if port.table_schema and port.table_schema.like
        }
        contract = contract.model_copy(update={"field_lines": lines, "like_lines": like_lines})
    for what, place, hint in (*_undescribed(content), *_aliases_that_collide(content), *_unlike(content)):
        at = written(place)
        problems.append(tree.problem(f"{'.'.join(map(str, at))}: {what}", at, hint))
    return contract, problems


Finding = tuple[str, Place, str]  # what, where, a hint


def _undescribed(content: dict[str, Any]) -> Iterator[Finding]:
    """Channels that the spec doesn't know, where there is a spec: Cursus refuses them (`_sync_and_align`)."""
    for channels, described in _DESCRIBED:
        known = section(section(content, "spec"), described)
        for name in section(section(content, "contract"), channels):
            if known and name not in known:
                what = f"this is not among the spec's {described}"
                yield what, ("contract", channels, name), did_you_mean(name, known)


def _unlike(content: dict[str, Any]) -> Iterator[Finding]:
    """Schemas that are like a channel of this contract which it hasn't."""
    ports = {name: section(section(content, "contract"), name) for name in ("inputs", "outputs")}
    known = [channel for channels in ports.values() for channel in channels]
    for name, channels in ports.items():
        for channel, port in channels.items():
            like = section(section(port, "schema"), "like") if isinstance(port, dict) else {}
            wanted = like.get("channel")
            if isinstance(wanted, str) and "step" not in like and wanted not in known:
                what = f"this contract has no channel '{wanted}'"
                yield what, ("contract", name, channel, "schema", "like", "channel"), did_you_mean(wanted, known)


def _aliases_that_collide(content: dict[str, Any]) -> Iterator[Finding]:
    """Aliases that two outputs answer to, in whatever case (`OutputDecl.matches_name_or_alias`)."""
    outputs = section(section(content, "spec"), "outputs")
    taken = {name.lower(): name for name in outputs}
    for name, output in outputs.items():
        aliases = output.get("aliases") if isinstance(output, dict) else None
        for index, alias in enumerate(aliases if isinstance(aliases, list) else ()):
            other = taken.setdefault(str(alias).lower(), name)
            if other != name:
                what = f"'{alias}' stands for the output '{other}' already"
                yield what, ("spec", "outputs", name, "aliases", index), "An input can be fed from one of them only."


def _no_mappings(tree: Tree) -> Iterator[Problem]:
    """Sections that are no mapping, or no contract at all."""
    if tree.content.get("contract") is None:
        yield tree.problem("contract: this is required", hint="It says the paths of inputs and outputs.")
    bodies: list[Place] = [(), *(("variants", name) for name in section(tree.content, "variants"))]
    places: list[Place] = [("registry",), ("compute",), ("variants",), *bodies[1:]]
    for body in bodies:
        places += [(*body, *part) for part in _PARTS]
        described = [(*body, "spec", name) for _, name in _DESCRIBED]
        places += [(*place, name) for place in described for name in _names(tree.content, place)]
    for place in places:
        value = _at(tree.content, place)
        if value is not None and not isinstance(value, dict):
            yield tree.problem(f"{'.'.join(map(str, place))}: a mapping is meant here, not {shown(value)}", place)


def _strange_variants(tree: Tree) -> Iterator[Problem]:
    """Variants for what can't be a job type, and what they say of channels that aren't there."""
    for job_type in section(tree.content, "variants"):
        if not _JOB_TYPE.fullmatch(job_type):
            what = f"variants: {job_type!r} can't be a job type"
            yield tree.problem(what, ("variants", job_type), "Letters, digits, '_', '-' and '.', as in a step's name.")
        content = variant(tree.content, job_type)
        for channels, described in _DESCRIBED:
            known = section(section(content, "contract"), channels)
            place: Place = ("variants", job_type, "spec", described)
            for name in _names(tree.content, place):
                if name not in known:
                    word = channels.removesuffix("s")
                    what = f"{'.'.join(map(str, place))}: the contract has no {word} '{name}'"
                    yield tree.problem(what, (*place, name), did_you_mean(name, known))


def _at(content: Any, place: Place) -> Any:
    """What stands at a place, None where nothing can."""
    for part in place:
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _names(content: Any, place: Place) -> tuple[str, ...]:
    """The keys of the mapping at a place, none where there is no mapping."""
    value = _at(content, place)
    return tuple(value) if isinstance(value, dict) else ()

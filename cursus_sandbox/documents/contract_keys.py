"""The keys of a `*.step.yaml`, and those in a file that are likely a slip for one of them.

Cursus owns the format, so a key that isn't named here is no mistake by itself: its own files have many.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from cursus_sandbox.documents.tree import Place, Tree
from cursus_sandbox.errors import Problem, nearly
from cursus_sandbox.pipeline.contract import KINDS, JobArgument
from cursus_sandbox.pipeline.values import ChannelName, ContainerPath, EntryPoint, EnvironmentName, StepName, Text
from cursus_sandbox.tables.schema import TableSchema


class _Cursus(BaseModel):
    """What Cursus owns may hold more than is named here."""

    model_config = ConfigDict(defer_build=True, extra="allow")


class _Port(_Cursus):
    path: ContainerPath | None = None
    required: bool = True
    table_schema: TableSchema | None = Field(default=None, alias="schema")


class _InputPort(_Port):
    channels: list[ChannelName] = []


class _EnvironmentVariables(_Cursus):
    required: list[EnvironmentName] | None = None
    optional: dict[EnvironmentName, Text] | None = None


class _ContractSection(_Cursus):
    entry_point: EntryPoint | None = None
    source_dir: bool = False
    inputs: dict[ChannelName, _InputPort] | None = None
    outputs: dict[ChannelName, _Port] | None = None
    arguments: dict[str, Text] | None = None
    job_arguments: list[JobArgument] | None = None
    env_vars: _EnvironmentVariables | None = None
    framework_requirements: dict[str, Text] | None = None
    input_source_overrides: dict[str, Text] | None = None
    skip_inputs: list[str] | None = None
    sink: bool = False
    description: str | None = None


class _Described(_Cursus):
    type: str | None = None
    data_type: str | None = None
    semantic_keywords: list[str] | None = None
    description: str | None = None


class _Dependency(_Described):
    required: bool = True
    compatible_sources: list[str] | None = None


class _Output(_Described):
    property_path: str | None = None
    aliases: list[str] | None = None


class _Spec(_Cursus):
    dependencies: dict[str, _Dependency] | None = None
    outputs: dict[str, _Output] | None = None


class _Registry(_Cursus):
    sagemaker_step_type: str = "Processing"
    description: str | None = None
    config_class: str | None = None


class _Compute(_Cursus):
    kind: str | None = None
    sdk_class: str | None = None


class _Patterns(_Cursus):
    step_assembly: str | None = None


class _Variant(_Cursus):
    """What is different for one job type."""

    contract: _ContractSection | None = None
    spec: _Spec | None = None


class Interface(_Cursus):
    """A contract: one step type's script, channels, environment and arguments."""

    step_type: StepName
    node_type: str | None = None
    registry: _Registry | None = None
    compute: _Compute | None = None
    contract: _ContractSection
    spec: _Spec | None = None
    patterns: _Patterns | None = None
    variants: dict[str, _Variant | None] | None = None


_SCHEMA = "contract.inputs.CHANNEL.schema or contract.outputs.CHANNEL.schema"
_READ = {  # the keys that say what is run and checked, and what is read of them, wherever else somebody writes them
    **{key: f"contract.{key}" for key in ("entry_point", "inputs", "arguments", "job_arguments", "env_vars")},
    "outputs": "contract.outputs and spec.outputs",
    "dependencies": "spec.dependencies",
    "schema": _SCHEMA,
    "schemas": _SCHEMA,
    "fields": "the schema's fields",
    "compatible_sources": "spec.dependencies.CHANNEL.compatible_sources",
    "aliases": "spec.outputs.CHANNEL.aliases",
}


def slips(tree: Tree) -> Iterator[Problem]:
    """The keys that are likely another, or in a wrong place, and a verb that is nearly one that runs."""
    for place, near in _odd_keys(Interface, tree.content, ()):
        yield slip(tree, str(place[-1]), near, place)
    place = ("registry", "sagemaker_step_type")
    registry = tree.content.get("registry")
    verb = registry.get("sagemaker_step_type") if isinstance(registry, dict) else None
    if isinstance(verb, str) and verb not in KINDS and (meant := nearly(verb, KINDS)):
        what = f"{'.'.join(place)}: '{verb}' is no kind of step that runs here"
        yield tree.problem(what, place, f"Did you mean '{meant}'?")


def slip(tree: Tree, key: str, near: str | None, place: Place) -> Problem:
    """What to say of a key that is likely another; that belongs elsewhere, if it is near to none."""
    around = ".".join(map(str, place[:-1]))
    what = f"'{key}' is not known here, and not read"
    todo = f"Did you mean '{near}'?" if near else f"What is read is {_READ[key]}."
    return tree.problem(f"{around}: {what}" if around else what, place, todo)


def _odd_keys(meant: Any, content: Any, place: Place) -> Iterator[tuple[Place, str | None]]:
    """The place of each such key in a content that is meant to be of that type, and what it is near to there.

    That is the key that is meant and isn't written; None for one that belongs elsewhere.
    """
    known = _known(meant)
    for key in content if known and isinstance(content, dict) else ():
        if key not in known and ((near := nearly(key, known.keys() - content.keys())) or key in _READ):
            yield (*place, key), near
    for inside, of_it, value in _inside(meant, content):
        yield from _odd_keys(of_it, value, (*place, *inside))


def _known(meant: Any) -> dict[str, Any]:
    """The keys of a mapping with others; none where any other key is an error, as in what is ours."""
    if not isinstance(meant, type) or not issubclass(meant, BaseModel) or meant.model_config.get("extra") == "forbid":
        return {}
    return {field.alias or name: field.annotation for name, field in meant.model_fields.items()}


def _inside(meant: Any, content: Any) -> Iterator[tuple[Place, Any, Any]]:
    """What is in a content: the place, the type that is meant there, the value."""
    kind, arguments = get_origin(meant), get_args(meant)
    if kind in (Union, UnionType):
        yield from (((), one, content) for one in arguments)
    elif kind is list and isinstance(content, list):
        yield from (((index,), arguments[0], one) for index, one in enumerate(content))
    elif isinstance(content, dict):
        of_all = dict.fromkeys(content, arguments[1]) if kind is dict else _known(meant)
        yield from (((key,), of_all[key], one) for key, one in content.items() if key in of_all)

"""Cursus' merged configuration file: what all steps share, what each says for itself, and the class of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from cursus_sandbox.documents.problems import shown, validated
from cursus_sandbox.documents.reading import read_json
from cursus_sandbox.documents.tree import Place, Tree
from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.cursus_config import MODEL_TYPE, CursusConfigs, plain
from cursus_sandbox.pipeline.values import EnvironmentName, Text

_SECTIONS = frozenset({"shared", "processing_shared", "specific"})
_NAME: TypeAdapter[str] = TypeAdapter(EnvironmentName)
_TEXT: TypeAdapter[str] = TypeAdapter(Text)


@dataclass(frozen=True, slots=True)
class WrittenConfigs:
    """The configurations of a file, and the file and line of each, below `("config", …)`."""

    file: Path
    configs: CursusConfigs
    places: Mapping[Place, tuple[Path, int]]


def _nothing_is_empty(value: Any) -> Any:
    return {} if value is None else value


_Values = Annotated[dict[str, Any], BeforeValidator(_nothing_is_empty)]


class _Configuration(BaseModel):
    """The sections; what stands beside them (older files have nothing else) is shared, too."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="allow")

    shared: _Values = Field(default_factory=dict)
    processing_shared: _Values = Field(default_factory=dict)
    specific: Annotated[dict[Text, _Values], BeforeValidator(_nothing_is_empty)] = Field(default_factory=dict)


class _Metadata(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")

    config_types: Annotated[dict[Text, Text], BeforeValidator(_nothing_is_empty)] = Field(default_factory=dict)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")

    configuration: _Configuration
    metadata: Annotated[_Metadata, BeforeValidator(_nothing_is_empty)] = _Metadata()


def read_config(file: Path) -> WrittenConfigs:
    """The configurations of a file; DocumentError with every problem in it."""
    tree = read_json(file)
    if not isinstance(tree.content, dict) or "configuration" not in tree.content:
        what = "this is no Cursus configuration: it has no 'configuration'"
        hint = "It is a mapping with  configuration: {shared, specific}  and  metadata: {config_types}."
        raise DocumentError([*tree.problems, tree.problem(what, hint=hint)])
    read, wrong = validated(_File, tree.content, tree, lambda place: place)
    problems = [*tree.problems, *wrong]
    if read is None:
        raise DocumentError(problems)
    sections = read.configuration
    problems += _wrong_values(tree)
    if problems:
        raise DocumentError(sorted(problems, key=lambda one: one.line or 0))
    configs = CursusConfigs.of(
        sections.specific,
        read.metadata.model_dump(),
        shared={**(sections.model_extra or {}), **sections.shared},
        processing_shared=sections.processing_shared,
    )
    places = {("config", *place): (file, line) for place, line in tree.lines.items() if len(place) in {3, 4}}
    return WrittenConfigs(file, configs, places)


def _wrong_values(tree: Tree) -> Iterator[Problem]:
    """What of the values no step could be given, or could not be told apart."""
    content = tree.content["configuration"]
    if not isinstance(content, dict):
        return
    for section in _SECTIONS & content.keys():
        at: Place = ("configuration", section)
        values = content[section]
        if section == "specific":
            for key, config in values.items() if isinstance(values, dict) else ():
                yield from _wrong_config(tree, (*at, key), config)
        else:
            yield from _wrong_config(tree, at, values)
    yield from _wrong_config(
        tree, ("configuration",), {key: one for key, one in content.items() if key not in _SECTIONS}
    )


def _wrong_config(tree: Tree, at: Place, config: Any) -> Iterator[Problem]:
    if not isinstance(config, dict):
        return
    if not isinstance(plain(config), dict):
        yield tree.problem(f"{'.'.join(map(str, at))}: a mapping is meant here, not a list", at)
        return
    for key in (MODEL_TYPE, "job_type"):
        value = config.get(key)
        if not isinstance(value, str | None):
            yield tree.problem(f"{'.'.join(map(str, (*at, key)))}: text is meant here, not {shown(value)}", (*at, key))
    for key, value in config.items():
        if key == "env" or key.endswith("environment_variables"):
            yield from _wrong_environment(tree, (*at, key), value)
        if isinstance(value, str) and (why := _refused(_TEXT, value)):
            yield tree.problem(f"{'.'.join(map(str, (*at, key)))}: {why}", (*at, key))


def _wrong_environment(tree: Tree, at: Place, value: Any) -> Iterator[Problem]:
    variables = plain(value)
    where = ".".join(map(str, at))
    if not isinstance(variables, dict | None):
        yield tree.problem(f"{where}: a mapping is meant here, not {shown(variables)}", at)
        return
    for name, one in (variables or {}).items():
        if why := _refused(_NAME, name) or (_refused(_TEXT, one) if isinstance(one, str) else ""):
            yield tree.problem(f"{where}: {why}", (*at, name))


def _refused(adapter: TypeAdapter[str], value: str) -> str:
    """Why a value is not what the type asks for; empty if it is."""
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["error"])
    return ""

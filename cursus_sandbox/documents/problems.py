"""What pydantic finds wrong with a tree, in our words and with the document's lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cursus_sandbox.documents.tree import Place, Tree
from cursus_sandbox.errors import Problem, did_you_mean

Model = TypeVar("Model", bound=BaseModel)

_PYDANTICS_OWN = re.compile(r"\[key\]|(?:dict|tuple|list|function-[a-z]+)\[.*\]")
_MOST_ROUNDS = 10
_QUOTED = re.compile("'([^']*)'")
_NO_MAPPING = ("dict_type", "model_type", "model_attributes_type")
_MEANT = {
    "a mapping is meant here": _NO_MAPPING,
    "a list is meant here": ("tuple_type", "list_type"),
    "text is meant here": ("string_type",),
    "true or false is meant here": ("bool_type", "bool_parsing"),
    "a whole number is meant here": ("int_type", "int_parsing", "int_from_float"),
    "a number is meant here": ("float_type", "float_parsing", "finite_number"),
}


def validated(
    model: type[Model], content: Any, tree: Tree, place_of: Callable[[Place], Place]
) -> tuple[Model | None, list[Problem]]:
    """The model of all that is right in the content, and one problem for each finding in the rest.

    `place_of` turns a place in the content into one in the tree. None where too little is right.
    """
    problems: list[Problem] = []
    for turn in range(_MOST_ROUNDS):
        try:
            return model.model_validate(content), problems
        except ValidationError as error:
            findings = error.errors(include_url=False)
        # What comes up later may only be for what was left out, unless it is what we look for when all else is right.
        said = [one for one in findings if not turn or _own_place(one)]
        problems += _problems_of(said, tree, model, place_of)
        wrong = {_written((*one["loc"], *_own_place(one)), content): one["type"] for one in findings}
        if () in wrong:
            break
        content = _without(content, wrong, ())
    return None, problems


def _problems_of(
    findings: Iterable[ErrorDetails], tree: Tree, model: type[BaseModel], place_of: Callable[[Place], Place]
) -> list[Problem]:
    found: dict[tuple[Place, str], Problem] = {}
    for finding in findings:
        place = (*(part for part in finding["loc"] if not _pydantics_own(part)), *_own_place(finding))
        what, hint = _words(finding, _models_at(place[:-1], model))
        at = place_of(place)
        where = ".".join(str(part) for part in (at[:-1] if finding["type"] == "extra_forbidden" else at))
        found.setdefault((place, what), tree.problem(f"{where}: {what}" if where else what, at, hint))
    return list(found.values())


def _own_place(finding: ErrorDetails) -> Place:
    """Where an error of ours says it is, inside of what pydantic was looking at."""
    return tuple(getattr(finding.get("ctx", {}).get("error"), "at", ()))


def _pydantics_own(part: str | int) -> bool:
    """Whether a part of a finding's place is none of the document's: a union's member, `[key]`, a validator."""
    return isinstance(part, str) and _PYDANTICS_OWN.fullmatch(part) is not None


def _written(loc: Iterable[str | int], content: Any) -> Place:
    """The finding's place as far as the content goes."""
    place: list[str | int] = []
    for part in loc:
        inside: Any = content if isinstance(content, dict | list) else {}
        try:
            content = inside[part]
        except (KeyError, IndexError, TypeError):
            continue
        place.append(part)
    return tuple(place)


def _without(content: Any, wrong: Mapping[Place, str], place: Place) -> Any:
    """The content without what is wrong at these places; what should be a mapping is one, with nothing in it."""
    if wrong.get(place) in _NO_MAPPING:
        return {}
    if isinstance(content, dict):
        kept = {key: one for key, one in content.items() if wrong.get((*place, key), _NO_MAPPING[0]) in _NO_MAPPING}
        return {key: _without(one, wrong, (*place, key)) for key, one in kept.items()}
    if isinstance(content, list):
        return [
            _without(one, wrong, (*place, index)) for index, one in enumerate(content) if (*place, index) not in wrong
        ]
    return content


def _models_at(place: Iterable[str | int], model: type[BaseModel]) -> list[type[BaseModel]]:
    """What a mapping at this place may be, as far as the models' annotations tell."""
    current = [model]
    for part in place:
        fields = [field for one in current for name, field in one.model_fields.items() if part in (name, field.alias)]
        if fields:
            current = _models_in(fields[0].annotation)
    return current


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for argument in getattr(annotation, "__args__", ()) for one in _models_in(argument)]


def _elsewhere(name: str, models: Iterable[type[BaseModel]]) -> str:
    """The hint for a name that is known one level deeper only: `memory`, say, in a step and not in its `resources`."""
    for one in models:
        for outer, field in one.model_fields.items():
            is_one = get_origin(field.annotation) in (None, Union, UnionType)  # and not many, under names of their own
            if is_one and name in _names(_models_in(field.annotation)):
                return f"It belongs in '{field.alias or outer}':  {field.alias or outer}: {{{name}: …}}"
    return ""


def _names(models: Iterable[type[BaseModel]]) -> list[str]:
    return [field.alias or name for one in models for name, field in one.model_fields.items()]


def _words(finding: ErrorDetails, models: list[type[BaseModel]]) -> tuple[str, str]:
    """What was found, and a hint."""
    kind, context = finding["type"], finding.get("ctx", {})
    last = finding["loc"][-1] if finding["loc"] else ""
    if kind == "extra_forbidden":
        return f"'{last}' is not known here", _elsewhere(str(last), models) or did_you_mean(str(last), _names(models))
    if kind == "missing":
        return "this is required", ""
    if kind == "value_error":
        return str(context["error"]), ""
    if kind in {"enum", "literal_error"}:
        hint = did_you_mean(str(finding["input"]), _QUOTED.findall(context["expected"]), or_list=False)
        return f"{shown(finding['input'])} is none of {context['expected']}", hint
    message = finding["msg"]
    meant = next((words for words, kinds in _MEANT.items() if kind in kinds), f"{message[0].lower()}{message[1:]}")
    return f"{meant}, not {shown(finding['input'])}", "Put it in quotes." if kind == "string_type" else ""


def shown(value: Any) -> str:
    """A value of a document as a message quotes it."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case bool():
            return str(value).lower()
        case _:
            text = repr(value) if isinstance(value, str) else str(value)
            return text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004

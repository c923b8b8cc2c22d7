"""What pydantic finds wrong with a tree, in our words and with the document's lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from cursus_sandbox.documents.tree import Place, Tree
from cursus_sandbox.errors import Problem, did_you_mean


def problems_of(
    error: ValidationError, tree: Tree, model: type[BaseModel], place_of: Callable[[Place], Place]
) -> list[Problem]:
    """One problem for each finding; `place_of` turns a place in the model into one in the tree."""
    found: dict[tuple[Place, str], Problem] = {}
    for finding in error.errors(include_url=False):
        place, fields = _walk(finding["loc"], model)
        what, hint = _words(finding, fields)
        where = ".".join(str(part) for part in place)
        problem = tree.problem(f"{where}: {what}" if where else what, place_of(place), hint)
        found.setdefault((place, what), problem)
    return list(found.values())


def _walk(loc: Iterable[str | int], model: type[BaseModel]) -> tuple[Place, list[str]]:
    """The finding's place without pydantic's own parts (union members, `[key]`), and the names known at its end."""
    place: list[str | int] = []
    for part in loc:
        if isinstance(part, str) and (part == "[key]" or "[" in part or part in _UNION_MEMBERS):
            continue
        place.append(part)
    return tuple(place), _names(place[:-1], model)


_UNION_MEMBERS = {"StepOutput", "Located", "float", "int", "str"}


def _names(place: list[str | int], model: type[BaseModel]) -> list[str]:
    """The field names a mapping at this place may have, as far as the model's annotations tell."""
    current: type[BaseModel] | None = model
    for part in place:
        if current is None:
            return []
        field = current.model_fields.get(str(part)) or next(
            (one for one in current.model_fields.values() if one.alias == part), None
        )
        if field is None:
            continue
        current = _model_in(field.annotation)
    return [field.alias or name for name, field in current.model_fields.items()] if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := _model_in(argument):
            return found
    return None


def _words(finding: Any, fields: list[str]) -> tuple[str, str]:
    last = finding["loc"][-1] if finding["loc"] else ""
    match finding["type"]:
        case "extra_forbidden":
            return f"'{last}' is not known here", did_you_mean(str(last), fields)
        case "missing":
            return "this is required", ""
        case "value_error":
            return str(finding["ctx"]["error"]), ""
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"a mapping is meant here, not {_shown(finding['input'])}", ""
        case "tuple_type" | "list_type":
            return f"a list is meant here, not {_shown(finding['input'])}", ""
        case _:
            message = finding["msg"]
            return f"{message[0].lower()}{message[1:]}, not {_shown(finding['input'])}", ""


def _shown(value: Any) -> str:
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

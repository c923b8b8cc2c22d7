"""A channel's `jsonSchema`: JSON Schema 2020-12, complete in itself. What it refers to elsewhere is never fetched.

The package `jsonschema` is an extra: it is imported when there is a schema to keep to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any


def why_no_rules(schema: dict[str, Any]) -> str:
    """Why something is no JSON Schema that can be kept to; "" where it is one, and where jsonschema isn't installed."""
    try:
        import jsonschema  # type: ignore[import-untyped]  # noqa: PLC0415 -- an extra
    except ImportError:
        return ""
    kind = jsonschema.Draft202012Validator
    try:
        kind.check_schema(schema, format_checker=kind.FORMAT_CHECKER)
    except jsonschema.SchemaError as error:
        return f"at {error.json_path}, {error.message}"
    lost = next((ref for ref in _references(schema) if not _is_in(ref, schema)), None)
    return "" if lost is None else f"it refers to {lost!r}, which isn't in it"


@cache
def validator(rules: str) -> Any:
    """The validator of a schema in JSON; ImportError where jsonschema isn't installed."""
    import jsonschema  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415 -- it comes with jsonschema

    return jsonschema.Draft202012Validator(json.loads(rules), registry=Registry())


def _references(schema: Any) -> Iterator[str]:
    """What a schema refers to, wherever in it."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        yield from (ref for one in schema.values() for ref in _references(one))
    elif isinstance(schema, list):
        yield from (ref for one in schema for ref in _references(one))


def _is_in(ref: str, schema: dict[str, Any]) -> bool:
    from referencing import Registry, Resource  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    root: Resource[Any] = DRAFT202012.create_resource(schema)
    try:
        Registry().resolver_with_root(root).lookup(ref)
    except Unresolvable:
        return False
    return True

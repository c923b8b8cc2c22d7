"""A schema in a file of its own: what stands below `schema:` in a contract, with or without that word."""

from __future__ import annotations

from pathlib import Path

import yaml

from cursus_sandbox.documents.problems import validated
from cursus_sandbox.documents.reading import read_tree
from cursus_sandbox.errors import DocumentError
from cursus_sandbox.tables.schema import TableSchema


def read_schema(file: Path) -> TableSchema:
    """The schema of a file; DocumentError with every problem, each with its line."""
    tree = read_tree(file)
    inside = ("schema",) if isinstance(tree.content, dict) and "schema" in tree.content else ()
    content = tree.content["schema"] if inside else tree.content
    found, problems = validated(TableSchema, content, tree, lambda place: (*inside, *place))
    if found is None or problems or tree.problems:
        raise DocumentError([*tree.problems, *problems])
    if found.like is not None:
        what = "like: a schema in a file of its own has no other channel to be like"
        raise DocumentError([tree.problem(what, (*inside, "like"), "Write its fields.")])
    return found


def schema_text(schema: TableSchema) -> str:
    """A schema as a contract holds it: one line a field."""
    written = schema.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    fields = written.pop("fields", [])
    lines = ["schema:"]
    for word, value in written.items():
        lines.append(f"  {word}: {_flow(value)}")
    lines += ["  fields:", *(f"    - {_flow(field)}" for field in fields)]
    return "\n".join(lines) + "\n"


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=100_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()

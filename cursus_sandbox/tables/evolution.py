"""What is different between two schemas, and which of them reads the other's data. The words are Confluent's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cursus_sandbox.tables.mismatch import Severity
from cursus_sandbox.tables.promises import schema_mismatches
from cursus_sandbox.tables.schema import Field, FieldsMatch, TableSchema


class Compatibility(StrEnum):
    """backward: who asks for the new schema can read the old data. forward: who asks for the old one, the new data."""

    FULL = "FULL"
    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Change:
    """A column that is not the same in both: what it is in the old and in the new schema; "" where it isn't there."""

    column: str
    old: str
    new: str
    why: str = ""


def changes(old: TableSchema, new: TableSchema) -> tuple[Change, ...]:
    """The columns that differ, in the old schema's order, then those that are new."""
    return tuple(_changes(old, new))


def compatibility(old: TableSchema, new: TableSchema) -> Compatibility:
    """Who can read whose data, where files hold the columns of their schema and no others."""
    backward, forward = _reads(old, new), _reads(new, old)
    if backward and forward:
        return Compatibility.FULL
    return Compatibility.BACKWARD if backward else Compatibility.FORWARD if forward else Compatibility.NONE


def _reads(data: TableSchema, reader: TableSchema) -> bool:
    written = data.model_copy(update={"fields_match": FieldsMatch.EQUAL})
    nulls = {one.name for one in data.fields if not one.constraints.required}
    asked = {one.name for one in reader.fields if one.constraints.required}
    optional = {one.name for one in data.fields if one.optional}
    needed = {one.name for one in reader.fields if not one.optional}
    if (nulls & asked) or (optional & needed):
        return False
    return not any(one.severity is Severity.ERROR for one in schema_mismatches(written, reader))


def _changes(old: TableSchema, new: TableSchema) -> Iterator[Change]:
    before, after = ({field.name: field for field in schema.fields} for schema in (old, new))
    for name, field in before.items():
        other = after.get(name)
        if other is None:
            yield Change(name, _words(field), "")
        elif field != other:
            yield Change(name, _words(field), _words(other))
    for name, field in after.items():
        if name not in before:
            yield Change(name, "", _words(field))


def _words(field: Field) -> str:
    asked = field.constraints.model_dump(exclude_defaults=True, by_alias=True, mode="json")
    required = "required" if asked.pop("required", False) else ""
    rules = ", ".join(f"{word} {value}" for word, value in asked.items())
    said = [field.asks, "optional" if field.optional else "", required, rules]
    return ", ".join(one for one in said if one)

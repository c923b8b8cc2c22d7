"""A schema in the forms that others read: Frictionless Table Schema v2.1, Open Data Contract Standard v3.1, Arrow."""

from __future__ import annotations

from typing import Any

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.schema import Field, TableSchema

_ODCS = {Family.DATETIME: "timestamp", Family.TIME: "time", Family.ANY: "string"}
_ARROW = {
    Family.INTEGER: "int64",
    Family.NUMBER: "double",
    Family.STRING: "string",
    Family.BOOLEAN: "bool",
    Family.DATE: "date32[day]",
    Family.TIME: "time64[us]",
    Family.DATETIME: "timestamp[us]",
    Family.ARRAY: "list<item: string>",
    Family.OBJECT: "string",
    Family.ANY: "string",
}


def frictionless(schema: TableSchema) -> dict[str, Any]:
    """Table Schema v2.1; what only we know (`arrow`, `optional`, `finite`, …) is left out."""
    fields = []
    for one in schema.fields:
        said: dict[str, Any] = {"name": one.name, "type": (one.family or Family.ANY).value}
        constraints = _constraints(one)
        fields.append(said | ({"constraints": constraints} if constraints else {}))
    written: dict[str, Any] = {"$schema": "https://datapackage.org/profiles/2.1/tableschema.json", "fields": fields}
    written["fieldsMatch"] = schema.fields_match.value  # in 2.0 a list, by mistake
    if schema.missing_values is not None:
        written["missingValues"] = list(schema.missing_values)
    if schema.primary_key:
        written["primaryKey"] = list(schema.primary_key)
    return written


def odcs(schema: TableSchema, *, name: str) -> dict[str, Any]:
    """An Open Data Contract with one object, a property for each field; before v3.1 there were no times in it."""
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "version": "1.0.0",
        "status": "active",
        "schema": [
            {
                "name": name,
                "logicalType": "object",
                "properties": [_property(one, schema.primary_key) for one in schema.fields],
            }
        ],
    }


def arrow_text(schema: TableSchema) -> str:
    """One line a column, as `str(pyarrow.Schema)` has it."""
    return "\n".join(
        f"{one.name}: {one.arrow or _ARROW[one.type]}{' not null' if one.constraints.required else ''}"
        for one in schema.fields
    )


def _constraints(field: Field) -> dict[str, Any]:
    """What is asked of a field's values, in Table Schema's words, which are ODCS's too; a bound of a moment is one."""
    said = field.constraints.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"finite"})
    if field.family is Family.DATETIME:
        for word in field.constraints.of_order.keys() & said.keys():
            said[word] = said[word] if "T" in said[word] else f"{said[word]}T00:00:00"
    return said


def _property(field: Field, key: tuple[str, ...]) -> dict[str, Any]:
    asked = field.constraints
    family = field.family or Family.ANY
    bounds = _constraints(field)
    wanted = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern")
    options = {word: bounds[word] for word in wanted if word in bounds}
    said: dict[str, Any] = {
        "name": field.name,
        "logicalType": _ODCS.get(family, family.value),
        "physicalType": field.arrow or _ARROW[field.type],
        "required": asked.required,
    }
    if asked.unique:
        said["unique"] = True
    if field.name in key:
        said |= {"primaryKey": True, "primaryKeyPosition": key.index(field.name) + 1}
    return said | ({"logicalTypeOptions": options} if options else {})

"""The difference between what one schema promises and another asks for, before there is any file."""

from __future__ import annotations

from cursus_sandbox.tables.arrow_types import arrow_type
from cursus_sandbox.tables.compare import type_mismatch
from cursus_sandbox.tables.lattice import Difference, difference, families_conflict, family_difference
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.presence import presence
from cursus_sandbox.tables.schema import Field, FieldsMatch, TableSchema

_SHOWN = 5


def schema_mismatches(
    producer: TableSchema, consumer: TableSchema, *, asks: str = "the consumer's schema"
) -> tuple[Mismatch, ...]:
    """Give what a producer's promise can't satisfy of what a consumer asks for.

    Only what can be proved: a producer whose `fieldsMatch` allows more columns may well write the one that is missing.
    """
    if not consumer.fields or not producer.fields:
        return ()
    promised = {field.name: field for field in producer.fields}
    found = [
        finding
        for finding in presence(promised, consumer, asks=asks, fits=_fits)
        if _is_certain(finding, producer, consumer)
    ]
    for field in consumer.fields:
        if field.name in promised:
            found += _promise(promised[field.name], field, producer, consumer, asks)
    return tuple(found)


def _is_certain(finding: Mismatch, producer: TableSchema, consumer: TableSchema) -> bool:
    """Say whether a finding about names holds for every file that keeps the producer's promise."""
    match finding.kind:
        case Kind.COLUMN_ORDER:
            return producer.fields_match is FieldsMatch.EXACT
        case Kind.EXTRA_COLUMN:
            return _always_there(finding.column, producer)
        case Kind.RENAMED_COLUMN:
            unasked = consumer.fields_match.closed and _always_there(finding.found, producer)
            return producer.fields_match.closed or unasked
        case _:
            return producer.fields_match.closed


def _always_there(name: str | None, schema: TableSchema) -> bool:
    return schema.fields_match.complete and any(field.name == name and not field.optional for field in schema.fields)


def _fits(promised: Field, asked: Field) -> bool:
    return not any(finding.severity is Severity.ERROR for finding in _promised_type(promised, asked))


def _promise(promised: Field, asked: Field, producer: TableSchema, consumer: TableSchema, asks: str) -> list[Mismatch]:
    """Compare the two declarations of one column."""
    found = [
        finding.model_copy(update={"message": f"{finding.message}; {asks} asks for {finding.expected}"})
        for finding in _promised_type(promised, asked)
    ]
    absent = promised.optional or not producer.fields_match.complete
    if absent and consumer.fields_match.complete and not asked.optional:
        found.append(
            Mismatch(
                kind=Kind.MISSING_COLUMN,
                severity=Severity.WARNING,
                column=asked.name,
                expected="always there",
                found="optional",
                message=f"column {asked.name!r} may be missing: it is only promised as optional; {asks} needs it",
                hint="declare it `optional: true` where it is read, or always write it",
            )
        )
    if strays := [one for one in promised.constraints.enum if one not in (asked.constraints.enum or (one,))]:
        listed = ", ".join(map(repr, strays[:_SHOWN])) + ("…" if len(strays) > _SHOWN else "")
        found.append(
            Mismatch(
                kind=Kind.VALUE,
                severity=Severity.WARNING,
                column=asked.name,
                expected=", ".join(map(str, asked.constraints.enum)),
                found=listed,
                message=f"column {asked.name!r} may hold {listed}, which is promised; {asks} allows none of these",
                hint="say the same `enum` on both sides",
            )
        )
    if asked.constraints.required and not promised.constraints.required:
        found.append(
            Mismatch(
                kind=Kind.NULL,
                severity=Severity.WARNING,
                column=asked.name,
                expected="no nulls",
                found="nulls allowed",
                message=f"column {asked.name!r} may hold nulls: its producer allows them; {asks} allows none",
                hint="declare `constraints: {required: true}` where it is written",
            )
        )
    return found


def _promised_type(promised: Field, asked: Field) -> list[Mismatch]:
    if promised.arrow:
        kind = arrow_type(promised.arrow)
        gap = difference(kind, arrow_type(asked.arrow)) if asked.arrow else family_difference(kind, asked.type)
        return [type_mismatch(asked.name, gap)] if gap else []
    family = asked.family
    severity = families_conflict(promised.type, family) if family else None
    if severity is None:
        return []
    gap = Difference(severity, Kind.TYPE, promised.type.value, asked.asks)
    return [type_mismatch(asked.name, gap)]

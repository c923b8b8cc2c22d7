"""The difference between a table and its schema, and between two schemas. Pure: nothing here opens a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from cursus_sandbox.tables.arrow_types import INTEGER_BITS, Family, arrow_type, family_of, observed_type
from cursus_sandbox.tables.lattice import (
    FLOAT_FOR_INTEGER,
    Difference,
    difference,
    families_conflict,
    family_difference,
    stripped,
)
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.names import look_alikes
from cursus_sandbox.tables.observed import ObservedColumn, ObservedTable
from cursus_sandbox.tables.schema import Field, FieldsMatch, TableSchema

_INDEX_NAMES = ("", "Unnamed: 0", "index", "level_0")


def mismatches(
    observed: ObservedTable, schema: TableSchema, *, asks: str = "the schema"
) -> tuple[Mismatch, ...]:
    """Give every way in which a table is not what its schema says: first its structure, then its columns in order.

    `asks` names the schema in messages, such as "contract 'XGBoostTraining'". A structural cause (another delimiter, no
    header, ragged rows) is reported instead of what follows from it. An empty table is the caller's to judge.
    """
    if structural := _structure(observed, schema, asks):
        return structural
    names = [column.name for column in observed.columns]
    duplicates = _duplicates(names, observed.file)
    columns = {column.name: column for column in observed.columns}
    found = [*observed.findings, *duplicates, *_presence(columns, schema, file=observed.file, asks=asks)]
    if any(finding.kind is Kind.RAGGED for finding in observed.findings):
        return tuple(found)
    for field in schema.fields:
        column = columns.get(field.name)
        if column is not None:
            found += _column(column, field, rows=observed.rows, file=observed.file, asks=asks)
    return tuple(found)


def schema_mismatches(
    producer: TableSchema, consumer: TableSchema, *, asks: str = "the consumer's schema"
) -> tuple[Mismatch, ...]:
    """Give what a producer's promise can't satisfy of a consumer's, before there is any file.

    Only what can be proved: a producer whose `fieldsMatch` allows more columns may well write the one that is missing.
    """
    if not consumer.fields:
        return ()
    promised = {field.name: field for field in producer.fields}
    found: list[Mismatch] = []
    if producer.fields and producer.fields_match.closed:
        found += _presence(promised, consumer, file=None, asks=asks)
    elif consumer.fields_match.closed and producer.fields_match.complete:
        certain = [field.name for field in producer.fields if not field.optional]
        asked = {field.name for field in consumer.fields}
        found += [_extra(name, None, asks) for name in certain if name not in asked]
    for field in consumer.fields:
        if field.name in promised:
            found += _promise(promised[field.name], field, producer, consumer, asks)
    return tuple(found)


def _structure(observed: ObservedTable, schema: TableSchema, asks: str) -> tuple[Mismatch, ...]:
    """Give the one cause that makes every other finding a consequence."""
    names = {column.name for column in observed.columns}
    if not schema.fields or any(field.name in names for field in schema.fields):
        return ()
    delimiter = tuple(finding for finding in observed.findings if finding.kind is Kind.DELIMITER)
    if delimiter:
        return delimiter
    if not observed.header_is_data:
        return ()
    line = ",".join(column.name for column in observed.columns)
    header = Mismatch(
        kind=Kind.HEADER,
        severity=Severity.ERROR,
        file=observed.file,
        expected="a header",
        found="values in the first line",
        example=line if len(line) <= 80 else line[:80] + "…",  # noqa: PLR2004
        message=f"the first line holds values, not names: the header is missing, and {asks} names columns",
        hint="write the header: to_csv(..., header=True)",
    )
    return (header,)


def _duplicates(names: Iterable[str], file: str) -> list[Mismatch]:
    return [
        Mismatch(
            kind=Kind.DUPLICATE_COLUMN,
            severity=Severity.ERROR,
            file=file,
            column=name,
            expected="one column of a name",
            found=f"{times} columns",
            message=f"column {name!r} is there {times} times",
            hint="rename or drop all but one: readers disagree on which they take",
        )
        for name, times in Counter(names).items()
        if times > 1
    ]


def _presence(
    columns: dict[str, ObservedColumn] | dict[str, Field], schema: TableSchema, *, file: str | None, asks: str
) -> list[Mismatch]:
    """Compare names: what is missing, renamed, too much, or out of order. `columns` are all there are."""
    if not schema.fields:
        return []
    match = schema.fields_match
    fields = {field.name: field for field in schema.fields}
    if match is FieldsMatch.PARTIAL:
        return [] if columns.keys() & fields.keys() else [_none_of(list(fields), list(columns), file, asks)]
    extra = [name for name in columns if name not in fields]
    missing = [field for field in schema.fields if field.name not in columns and not field.optional]
    twins = look_alikes((field.name for field in missing), (name for name in extra))
    twins = {name: other for name, other in twins.items() if _may_be(columns[other], fields[name])}
    found: list[Mismatch] = []
    if match.complete:
        for field in missing:
            twin = twins.get(field.name)
            found.append(_missing(field, file, asks) if twin is None else _renamed(field, twin, file, asks))
    if match.closed:
        renamed = set(twins.values()) if match.complete else set()
        found += [_extra(name, file, asks) for name in extra if name not in renamed]
    order = [name for name in fields if name in columns]
    if match is FieldsMatch.EXACT and not found and order != list(columns):
        found.append(_order(order, list(columns), file, asks))
    return found


def _column(
    column: ObservedColumn, field: Field, *, rows: int | None, file: str, asks: str
) -> list[Mismatch]:
    """Compare one column that is there with the field that declares it."""
    gap = _text_gap(column, field) if column.text is not None else _type_gap(column, field)
    found = [gap.model_copy(update={"file": file, "message": f"{gap.message}; {asks} asks for {gap.expected}"})] if gap else []
    nulls = _nulls(column, field)
    if field.constraints.required and nulls != 0 and rows != 0:
        found.append(_null(column.name, nulls, file, asks))
    elif rows and nulls == rows and column.text is None and field.type is not Family.ANY:
        found.append(_all_null(column.name, file))
    return found


def _type_gap(column: ObservedColumn, field: Field) -> Mismatch | None:
    kind = observed_type(column.type)
    if kind.name == "null":
        return None  # judged with the nulls
    gap = difference(kind, arrow_type(field.arrow)) if field.arrow else family_difference(kind, field.type)
    return _type_mismatch(field.name, gap) if gap else None


def _text_gap(column: ObservedColumn, field: Field) -> Mismatch | None:
    """Compare text with a type: an exact Arrow type asks for its family and, for integers, its range."""
    text = column.text
    family = _family(field)
    if text is None or family in {None, Family.ANY, Family.STRING}:
        return None
    if family in text.misfits:
        value, row = text.misfits[family]
        integral = family is Family.INTEGER and column.family is Family.NUMBER
        return Mismatch(
            kind=Kind.TYPE,
            severity=Severity.ERROR,
            column=column.name,
            expected=field.asks,
            found="text that is something else",
            example=f"{value!r} in row {row}",
            message=f"column {column.name!r} holds {value!r} (row {row})",
            hint=FLOAT_FOR_INTEGER if integral else "",
        )
    if field.arrow in INTEGER_BITS and text.low is not None and text.high is not None:
        low, high = _range(field.arrow)
        if text.low < low or text.high > high:
            return Mismatch(
                kind=Kind.TYPE,
                severity=Severity.ERROR,
                column=column.name,
                expected=field.asks,
                found="values out of its range",
                example=f"{text.low} to {text.high}",
                message=f"column {column.name!r} holds values from {text.low} to {text.high}",
            )
    return None


def _nulls(column: ObservedColumn, field: Field) -> int | None:
    """Count nulls as the field's reader sees them: for all but text, a blank cell is one."""
    if column.null_count is None or column.text is None or _family(field) in {None, Family.STRING, Family.ANY}:
        return column.null_count
    return column.null_count + column.text.blanks


def _family(field: Field) -> Family | None:
    return family_of(arrow_type(field.arrow)) if field.arrow else field.type


def _range(integer: str) -> tuple[int, int]:
    bits = INTEGER_BITS[integer]
    return (0, 2**bits - 1) if integer.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _may_be(column: ObservedColumn | Field, field: Field) -> bool:
    """Say whether a column could be a field under another name, by its type."""
    if isinstance(column, Field):
        return not any(finding.severity is Severity.ERROR for finding in _promised_type(column, field))
    gap = _text_gap(column, field) if column.text is not None else _type_gap(column, field)
    return gap is None or gap.severity is not Severity.ERROR


def _promise(
    promised: Field, asked: Field, producer: TableSchema, consumer: TableSchema, asks: str
) -> list[Mismatch]:
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
                message=f"column {asked.name!r} may be missing: its producer promises it only as optional; {asks} needs it",
                hint="declare it `optional: true` where it is read, or always write it",
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
                message=f"column {asked.name!r} may hold nulls: its producer doesn't promise otherwise; {asks} allows none",
                hint="declare `constraints: {required: true}` where it is written",
            )
        )
    return found


def _promised_type(promised: Field, asked: Field) -> list[Mismatch]:
    if promised.arrow:
        kind = arrow_type(promised.arrow)
        gap = difference(kind, arrow_type(asked.arrow)) if asked.arrow else family_difference(kind, asked.type)
        if stripped(kind).name == "null":
            gap = None
        return [_type_mismatch(asked.name, gap)] if gap else []
    family = _family(asked)
    severity = families_conflict(promised.type, family) if family else None
    if severity is None:
        return []
    gap = Difference(severity, Kind.TYPE, promised.type.value, asked.asks)
    return [_type_mismatch(asked.name, gap)]


def _type_mismatch(name: str, gap: Difference) -> Mismatch:
    column = f"{name}{gap.path}"
    return Mismatch(
        kind=gap.kind,
        severity=gap.severity,
        column=column,
        expected=gap.asked,
        found=gap.found,
        message=f"column {column!r} is {gap.found}",
        hint=gap.hint,
    )


def _missing(field: Field, file: str | None, asks: str) -> Mismatch:
    return Mismatch(
        kind=Kind.MISSING_COLUMN,
        severity=Severity.ERROR,
        file=file,
        column=field.name,
        expected=field.asks,
        found="nothing",
        message=f"column {field.name!r} is missing; {asks} asks for it",
        hint="write it, or declare it `optional: true`",
    )


def _renamed(field: Field, twin: str, file: str | None, asks: str) -> Mismatch:
    return Mismatch(
        kind=Kind.RENAMED_COLUMN,
        severity=Severity.ERROR,
        file=file,
        column=field.name,
        expected=field.name,
        found=twin,
        message=f"column {field.name!r} is missing, but there is {twin!r}; {asks} asks for {field.name!r}",
        hint="rename it where it is written, or in the schema",
    )


def _extra(name: str, file: str | None, asks: str) -> Mismatch:
    leaked = name in _INDEX_NAMES or name.startswith("__index_level_")
    return Mismatch(
        kind=Kind.EXTRA_COLUMN,
        severity=Severity.ERROR,
        file=file,
        column=name,
        expected="nothing",
        found="a column",
        message=f"column {name!r} is not declared, and {asks} allows no others",
        hint="this looks like pandas' index: write with index=False" if leaked else "declare it, or don't write it",
    )


def _order(expected: list[str], found: list[str], file: str | None, asks: str) -> Mismatch:
    first = next(index for index, pair in enumerate(zip(expected, found, strict=True)) if pair[0] != pair[1])
    return Mismatch(
        kind=Kind.COLUMN_ORDER,
        severity=Severity.ERROR,
        file=file,
        expected=", ".join(expected),
        found=", ".join(found),
        message=f"column {first + 1} is {found[first]!r}; {asks} asks for {expected[first]!r} there",
        hint="write the columns in the declared order, or declare `fieldsMatch: equal`",
    )


def _none_of(expected: list[str], found: list[str], file: str | None, asks: str) -> Mismatch:
    return Mismatch(
        kind=Kind.MISSING_COLUMN,
        severity=Severity.ERROR,
        file=file,
        expected=f"at least one of {', '.join(expected)}",
        found=", ".join(found),
        message=f"none of the declared columns is there; {asks} asks for at least one",
        hint="write one of them, or correct their names",
    )


def _null(name: str, count: int | None, file: str, asks: str) -> Mismatch:
    if count is None:
        return Mismatch(
            kind=Kind.NOT_CHECKED,
            severity=Severity.WARNING,
            file=file,
            column=name,
            expected="no nulls",
            found="no statistics",
            message=f"column {name!r} may hold nulls: the footer doesn't count them, and {asks} allows none",
            hint="write the file with statistics, or declare the column non-nullable in its Arrow schema",
        )
    return Mismatch(
        kind=Kind.NULL,
        severity=Severity.ERROR,
        file=file,
        column=name,
        expected="no nulls",
        found="nulls",
        count=count,
        message=f"column {name!r} holds {count} null{'s' if count > 1 else ''}; {asks} allows none",
        hint="fill or drop them where the column is written, or drop `required` from the schema",
    )


def _all_null(name: str, file: str) -> Mismatch:
    return Mismatch(
        kind=Kind.ALL_NULL,
        severity=Severity.WARNING,
        file=file,
        column=name,
        expected="values",
        found="nulls only",
        message=f"column {name!r} holds nothing but nulls",
    )

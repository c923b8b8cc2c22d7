"""The difference between a table and its schema. Pure: nothing here opens a file."""

from __future__ import annotations

from collections.abc import Container

from cursus_sandbox.tables.advice import advice
from cursus_sandbox.tables.arrow_types import INTEGER_BITS, Family, arrow_type, observed_type
from cursus_sandbox.tables.lattice import Difference, difference, family_difference
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.names import look_alikes
from cursus_sandbox.tables.observed import ObservedColumn, ObservedTable
from cursus_sandbox.tables.presence import duplicates, presence
from cursus_sandbox.tables.schema import Field, TableSchema


def mismatches(
    observed: ObservedTable,
    schema: TableSchema,
    *,
    asks: str = "the schema",
    later: Container[str] = (),
) -> tuple[Mismatch, ...]:
    """Give every way in which a table is not what its schema says: first its structure, then its columns in order.

    `asks` names the schema in messages, such as "contract 'XGBoostTraining'". A structural cause (another delimiter, no
    header, ragged rows) is reported instead of what follows from it. An empty table is the caller's to judge. The cells
    of the columns in `later` are looked at by someone else: only that they are there counts.
    """
    if structural := _structure(observed, schema, asks):
        return structural
    file = observed.file
    columns = {column.name: column for column in observed.columns}
    found = [
        *(finding for finding in observed.findings if finding.kind is not Kind.DELIMITER or not schema.fields),
        *duplicates((column.name for column in observed.columns), file=file),
        *presence(columns, schema, asks=asks, fits=_fits, file=file),
    ]
    if any(finding.kind is Kind.RAGGED for finding in observed.findings):
        return tuple(found)
    for field in schema.fields:
        column = columns.get(field.name)
        if column is not None and (column.text is None or field.name not in later):
            found += _column(column, field, rows=observed.rows, file=file, asks=asks, later=field.name in later)
    return tuple(found)


def _structure(observed: ObservedTable, schema: TableSchema, asks: str) -> tuple[Mismatch, ...]:
    """Give the one cause that makes every other finding a consequence."""
    names = {column.name for column in observed.columns}
    if not schema.fields or any(field.name in names for field in schema.fields):
        return ()
    delimiter = tuple(finding for finding in observed.findings if finding.kind is Kind.DELIMITER)
    if delimiter:
        return delimiter
    if not observed.header_is_data or look_alikes((field.name for field in schema.fields), names):
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


def type_mismatch(name: str, gap: Difference) -> Mismatch:
    """Give the finding that a column's type isn't what was asked for."""
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


def _column(
    column: ObservedColumn, field: Field, *, rows: int | None, file: str, asks: str, later: bool
) -> list[Mismatch]:
    """Compare one column that is there with the field that declares it."""
    found = []
    if gap := _gap(column, field):
        message = f"{gap.message}; {asks} asks for {gap.expected}"
        found.append(gap.model_copy(update={"file": file, "message": message}))
    nulls = _nulls(column, field)
    if field.constraints.required and nulls != 0 and rows != 0 and not later:
        found.append(_null(column.name, nulls, file, asks))
    elif not later and rows and nulls == rows and column.text is None and field.family is not Family.ANY:
        found.append(_all_null(column.name, file))
    return found


def _fits(column: ObservedColumn, field: Field) -> bool:
    gap = _gap(column, field)
    return gap is None or gap.severity is not Severity.ERROR


def _gap(column: ObservedColumn, field: Field) -> Mismatch | None:
    if column.text is not None:
        return _text_gap(column, field)
    kind = observed_type(column.type)
    if kind.name == "null":
        return None  # judged with the nulls
    gap = difference(kind, arrow_type(field.arrow)) if field.arrow else family_difference(kind, field.type)
    return type_mismatch(field.name, gap) if gap else None


def _text_gap(column: ObservedColumn, field: Field) -> Mismatch | None:
    """Compare text with a type: an exact Arrow type asks for its family and, for integers, its range."""
    text = column.text
    family = field.family
    if text is None or family in {None, Family.ANY, Family.STRING}:
        return None
    if family in text.misfits:
        value, row = text.misfits[family]
        return Mismatch(
            kind=Kind.TYPE,
            severity=Severity.ERROR,
            column=column.name,
            expected=field.asks,
            found="text that is something else",
            example=f"{value!r} in row {row}",
            message=f"column {column.name!r} holds {value!r} (row {row})",
            hint=advice(family, [value]),
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
    if column.null_count is None or column.text is None or field.family in {None, Family.STRING, Family.ANY}:
        return column.null_count
    return column.null_count + column.text.blanks


def _range(integer: str) -> tuple[int, int]:
    bits = INTEGER_BITS[integer]
    return (0, 2**bits - 1) if integer.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


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

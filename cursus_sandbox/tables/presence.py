"""Which columns are there, which are missing, renamed, too many or out of order. Names only: types are for others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.names import look_alikes
from cursus_sandbox.tables.schema import Field, FieldsMatch, TableSchema

_NAMELESS = ("", "Unnamed: 0")  # in CSV; Parquet tells pandas which column is its index
_INDEX_NAMES = (*_NAMELESS, "index", "level_0")
_Column = TypeVar("_Column")


def presence(
    columns: Mapping[str, _Column],
    schema: TableSchema,
    *,
    asks: str,
    fits: Callable[[_Column, Field], bool],
    file: str | None = None,
) -> list[Mismatch]:
    """Compare the columns that are there, in their order, with the fields of a schema and its `fieldsMatch`.

    `fits` says whether a column could be a field by its type: only then is it taken for a renamed one.
    """
    if not schema.fields:
        return []
    match = schema.fields_match
    fields = {field.name: field for field in schema.fields}
    if match is FieldsMatch.PARTIAL:
        return [] if columns.keys() & fields.keys() else [_none_of(list(fields), list(columns), file, asks)]
    extra = [name for name in columns if name not in fields]
    found: list[Mismatch] = []
    if match.complete:
        missing = [field for field in schema.fields if field.name not in columns and not field.optional]
        twins = look_alikes((field.name for field in missing), extra)
        twins = {name: twin for name, twin in twins.items() if fits(columns[twin], fields[name])}
        for field in missing:
            twin = twins.get(field.name)
            found.append(_missing(field, file, asks) if twin is None else _renamed(field, twin, file, asks))
        extra = [name for name in extra if name not in twins.values()]
    if match.closed:
        found += [extra_column(name, asks=asks, file=file) for name in extra]
    else:
        found += [_leaked_index(name, file) for name in extra if name in _NAMELESS]
    order = [name for name in fields if name in columns]
    if match is FieldsMatch.EXACT and not found and order != list(columns):
        found.append(_order(order, list(columns), file, asks))
    return found


def duplicates(names: Iterable[str], *, file: str) -> list[Mismatch]:
    """Give the names that more than one column has."""
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


def extra_column(name: str, *, asks: str, file: str | None = None) -> Mismatch:
    """Give the finding that a column is one too many."""
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


def _leaked_index(name: str, file: str | None) -> Mismatch:
    """Where others are allowed, a column that nobody has named is still one that nobody meant to write."""
    return extra_column(name, asks="", file=file).model_copy(
        update={"severity": Severity.WARNING, "message": f"column {name!r} has no name of its own, and is not declared"}
    )


def missing_keys(names: Iterable[str], schema: TableSchema, *, asks: str, file: str) -> list[Mismatch]:
    """The columns of the primary key that are neither there nor declared, which would be missed as fields."""
    there = {*names, *(field.name for field in schema.fields)}
    return [_missing(Field(name=name), file, asks) for name in schema.primary_key if name not in there]


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

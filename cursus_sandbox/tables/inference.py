"""A schema from data: the narrowest type that every value fits, gaps where there are gaps. Nothing is sampled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.files import data_files, is_marker
from cursus_sandbox.tables.observed import Format, ObservedTable, table_format
from cursus_sandbox.tables.presence import duplicates
from cursus_sandbox.tables.reading import observe
from cursus_sandbox.tables.schema import Constraints, Field, FieldsMatch, TableSchema

_WIDER = {
    frozenset((Family.INTEGER, Family.NUMBER)): Family.NUMBER,
    frozenset((Family.DATE, Family.DATETIME)): Family.DATETIME,
    frozenset((Family.BOOLEAN, Family.INTEGER)): Family.INTEGER,
    frozenset((Family.BOOLEAN, Family.NUMBER)): Family.NUMBER,
}


@dataclass(frozen=True, slots=True)
class Inferred:
    """The schema of the tables below a path, what it was read from, and what could not be read."""

    schema: TableSchema
    files: int
    rows: int
    unread: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass
class _Column:
    families: set[Family] = field(default_factory=set)
    arrows: set[str] = field(default_factory=set)
    tables: int = 0
    gaps: bool = False


def inferred(path: Path, *, exact: bool = False) -> Inferred:
    """The schema of a table, or of all tables of a folder; `exact` gives Parquet's own types instead of families.

    ValueError where there is no table that can be read.
    """
    found = _inferred(_tables(path), exact=exact)
    if not found.schema.fields:
        raise ValueError("; ".join(found.unread) or f"there is no parquet, CSV or TSV file in {path}")
    return found


def _inferred(tables: Iterable[tuple[Path, str]], *, exact: bool) -> Inferred:
    columns: dict[str, _Column] = {}
    files, rows = 0, 0
    unread: list[str] = []
    doubts: list[str] = []
    for file, name in tables:
        table = observe(file, file=name, judged=False)
        if not isinstance(table, ObservedTable):
            unread.append(str(table).splitlines()[0])
            continue
        files += 1
        if table.header_is_data:
            doubts.append(f"the first line of {name} holds values: if it is no header, these names are none")
        twice = duplicates((column.name for column in table.columns), file=name)
        doubts += [f"{one.file}: {one.message}; {one.hint}" for one in twice]
        if table.format is Format.PARQUET:
            _of_footer(table, columns)
            rows += table.rows or 0
        else:
            try:
                rows += _of_text(file, table, columns)
            except (ValueError, OSError) as error:  # OSError: what is packed breaks off
                raise ValueError(f"{name}: {error}") from error
    fields = tuple(_field(name, column, files, exact=exact) for name, column in columns.items())
    return Inferred(TableSchema(fields=fields), files, rows, tuple(unread), tuple(doubts))


class NoSingleTableError(ValueError):
    """The files of a channel are no single table with a header, so no one schema is theirs."""


def seen(path: Path, asked: TableSchema | None) -> TableSchema | None:
    """The schema of a channel's files as they are, columns added or taken away being another; None without a table.

    It has the `glob` that is asked for.
    """
    chosen = [one for one in _tables(path) if asked is None or not path.is_dir() or _is_asked(one[1], asked)]
    headers: dict[frozenset[str], str] = {}
    for file, name in chosen:
        table = observe(file, file=name, judged=False)
        if not isinstance(table, ObservedTable):
            raise NoSingleTableError(table.message)
        if table.header_is_data:
            raise NoSingleTableError(f"the first line of {name} holds values, not names")
        headers.setdefault(frozenset(column.name for column in table.columns), name)
    if not chosen:
        return None
    if len(headers) > 1:
        first, other, *_ = headers.values()
        raise NoSingleTableError(
            f"{first} and {other} have other columns: say with `glob` in its schema which is meant"
        )
    kept = {"glob": asked.glob} if asked is not None and "glob" in asked.model_fields_set else {}
    found = _inferred(chosen, exact=False).schema
    return found.model_copy(update={"fields_match": FieldsMatch.EQUAL, **kept})


def _is_asked(name: str, asked: TableSchema) -> bool:
    """Whether a schema speaks of a file, in the channel or in one of its parts."""
    file = PurePosixPath(name)
    return asked.matches(file) or (len(file.parts) > 1 and asked.matches(PurePosixPath(*file.parts[1:])))


def _tables(path: Path) -> Iterable[tuple[Path, str]]:
    if not path.is_dir():
        return [(path, path.name)] if path.exists() and table_format(path.name) else []
    files, _ = data_files(path)
    return [
        (one.path, str(one.relative)) for one in files if table_format(one.path.name) and not is_marker(one.relative)
    ]


def _of_footer(table: ObservedTable, columns: dict[str, _Column]) -> None:
    for one in table.columns:
        column = columns.setdefault(one.name, _Column())
        column.tables += 1
        column.gaps |= one.null_count != 0
        if one.type != "null":
            column.families.add(one.family or Family.ANY)
            column.arrows.add(one.type)


def _of_text(file: Path, table: ObservedTable, columns: dict[str, _Column]) -> int:
    from cursus_sandbox.tables.delimited_rows import TextFile, narrowest  # noqa: PLC0415 -- pyarrow, where it is needed

    header = [column.name for column in table.columns]
    found = narrowest(TextFile(file, table.format, header))
    for name, (family, gaps) in found.columns.items():
        column = columns.setdefault(name, _Column())
        column.tables += 1
        column.gaps |= gaps
        if family is not None:
            column.families.add(family)
    return found.rows


def _field(name: str, column: _Column, files: int, *, exact: bool) -> Field:
    constraints = Constraints(required=not column.gaps)
    optional = column.tables < files
    if exact and len(column.arrows) == 1 and len(column.families) == 1:
        return Field(name=name, arrow=next(iter(column.arrows)), optional=optional, constraints=constraints)
    return Field(name=name, type=_family(column.families), optional=optional, constraints=constraints)


def _family(families: set[Family]) -> Family:
    if len(families) == 1:
        return next(iter(families))
    return _WIDER.get(frozenset(families), Family.STRING if Family.STRING in families else Family.ANY)

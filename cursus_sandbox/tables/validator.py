"""Looks at data and says whether their readers can take them: files against a schema, or a schema against another."""

from __future__ import annotations

import stat
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from cursus_sandbox.tables.artifacts import (
    artifact_findings,
    is_archive,
    is_artifact,
    is_json,
    members_of,
    missing_members,
)
from cursus_sandbox.tables.compare import mismatches
from cursus_sandbox.tables.files import DataFile, data_files, is_marker, text_path
from cursus_sandbox.tables.memo import Memo
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.observed import Format, ObservedTable, special_file, table_format
from cursus_sandbox.tables.presence import missing_keys
from cursus_sandbox.tables.promises import schema_mismatches
from cursus_sandbox.tables.reading import observe
from cursus_sandbox.tables.report import DataCompatibilityReport, grouped
from cursus_sandbox.tables.schema import Depth, TableSchema
from cursus_sandbox.tables.shards import SPLITS, disagreements, split_findings
from cursus_sandbox.tables.values import parquet_values, text_values, unsettled

_SOME_READER_COPES = {Kind.ENCODING, Kind.DELIMITER, Kind.RAGGED}
_IN_THE_WAY = {
    *_SOME_READER_COPES,
    *(Kind.HEADER, Kind.DUPLICATE_COLUMN, Kind.UNREADABLE),
}  # of looking at the cells
_NAMED = 3  # files of those that a glob leaves out
_SAMPLED = 16  # Parquet files that are read to their ends where nobody asks for that, spread over all there are
_SAMPLED_BYTES = 16 << 20  # of them, in all


@dataclass(frozen=True, slots=True)
class DataCompatibilityValidator:
    """Checks data where they pass from one step to another. Keeps nothing itself, so one serves every thread.

    Without `values` no report holds what was in the data: for data that are nobody's business. With a `memo`, files
    that were found well and have not changed since aren't looked into again.

    With a schema, every file its `glob` chooses is compared with it. Without one, tables are only opened: what nobody
    could read is an error, what some reader may cope with a warning, and nothing else is asked of them.
    """

    values: bool = True
    memo: Memo | None = None

    def check(
        self,
        path: Path,
        schema: TableSchema | None,
        *,
        data: str,
        reader: str | None = None,
        parts: tuple[str, ...] = (),
        schema_from: str = "",
        asked_in: Mapping[str, str] = MappingProxyType({}),
    ) -> DataCompatibilityReport:
        """Compare a folder, or a single file, with a schema.

        `parts` are folders inside it that must be there with files in them, such as train, val and test; the schema
        then holds in each, and other files are only counted. `schema_from` names the schema in messages, for instance
        "contract 'XGBoostTraining'", and `asked_in` gives the file and line that asks for a column. `path` itself is
        not followed if it is a link: resolve it where one is meant.
        ValueError for a schema that is `like` another: only who knows that one can put it in its place.
        """
        if schema is not None and schema.like is not None:
            raise ValueError(f"the schema is like the one of '{schema.like.channel}', which isn't known here")
        key = self.memo.key(path, schema, parts, schema_from, dict(asked_in), self.values) if self.memo else None
        if self.memo and key and (known := self.memo.recalled(key)):
            return known.model_copy(update={"data": data, "reader": reader})
        look = _Look(schema, schema_from or "the schema")
        look.at(path, parts)
        splits = parts or (schema.splits if schema else ()) or SPLITS
        report = DataCompatibilityReport(
            data=data,
            reader=reader,
            schema_from=schema_from,
            files=look.files,
            tables=len(look.formats),
            rows=look.rows,
            depth=_depth(look),
            findings=grouped([self._told(one, splits, asked_in) for one in look.findings]),
        )
        if self.memo and key:
            self.memo.keep(key, report)
        return report

    def _told(self, finding: Mismatch, splits: tuple[str, ...], asked_in: Mapping[str, str]) -> Mismatch:
        """The finding with its split and with who asks for its column, and without values where none are to be told."""
        told = finding if self.values else finding.without_values()
        first = PurePosixPath(told.file).parts[:1] if told.file else ()
        split = first[0] if first and first[0] in splits else None
        asks = asked_in.get(told.column or "", "")
        return told.model_copy(update={"split": split, "asked_in": asks}) if split or asks else told

    def check_schemas(
        self, producer: TableSchema, consumer: TableSchema, *, data: str, reader: str, schema_from: str = ""
    ) -> DataCompatibilityReport:
        """Compare what a producer promises with what a consumer asks for: at plan time, with no file and no pyarrow."""
        findings = schema_mismatches(producer, consumer, asks=schema_from or f"the schema of {reader}")
        return DataCompatibilityReport(
            data=data,
            reader=reader,
            schema_from=schema_from,
            depth="schema against schema",
            findings=grouped(list(findings)),
        )


@dataclass
class _Look:
    """What one check has seen so far."""

    schema: TableSchema | None
    asks: str
    files: int = 0
    rows: int | None = None
    formats: list[Format] = field(default_factory=list)
    scanned: bool = False  # whether some columns of a Parquet file were read
    read: int = 0  # Parquet files of which all was
    samples: set[DataFile] = field(default_factory=set)  # those of which all may be
    room: int = _SAMPLED_BYTES
    others: set[str] = field(default_factory=set)  # what was looked into besides tables
    findings: list[Mismatch] = field(default_factory=list)

    def at(self, path: Path, parts: tuple[str, ...]) -> None:
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            self.findings.append(_missing(text_path(Path(path.name))))
            return
        if special := special_file(path, file=text_path(Path(path.name))):
            self.findings.append(special)
        elif stat.S_ISDIR(mode):
            self._folder(path, parts)
        elif parts:
            self.findings += [_missing(part) for part in parts]
        else:
            self.files = 1
            alone = [DataFile(path, PurePosixPath(text_path(Path(path.name))))]
            self._tables(alone, part="", there=alone)

    def _folder(self, path: Path, parts: tuple[str, ...]) -> None:
        files, odd = data_files(path)
        self.files = len(files)
        self.findings += odd
        for part in parts or ("",):
            inside = [file for file in files if file.relative.is_relative_to(part)]
            if not inside and not any(
                finding.file and PurePosixPath(finding.file).is_relative_to(part) for finding in odd
            ):
                self.findings.append(_empty(part) if (path / part).is_dir() else _missing(part))
            elif inside:
                chosen = [file for file in inside if self._is_chosen(file.relative.relative_to(part))]
                self._tables(chosen, part=part, there=inside)

    def _is_chosen(self, relative: PurePosixPath) -> bool:
        return not is_marker(relative) and (self.schema is None or self.schema.matches(relative))

    def _tables(self, files: list[DataFile], *, part: str, there: list[DataFile]) -> None:
        """Look into the tables among the files of a part, of all that are `there`, and compare each with the schema."""
        schema = self.schema
        tables = [file for file in files if table_format(file.path.name)]
        self._artifacts([file for file in files if is_artifact(file.path.name)], files, part)
        if schema and not files and (schema.fields or "glob" in schema.model_fields_set):
            self.findings.append(_no_match(schema, part, there))
        elif schema and schema.fields and not tables:
            self.findings.append(_not_checked(files))
        self.samples.update(tables[:: -(-len(tables) // _SAMPLED) or 1])
        observed = [(file, table) for file in tables if (table := self._observed(file))]
        looked = [self._looked_into(file, table) for file, table in observed]
        if not (schema and schema.fields):
            self.findings += disagreements(looked)
        self.findings += split_findings(looked, schema.splits if schema else (), part)
        self._count(looked)
        self.findings += _rowless(looked, Severity.ERROR if schema and schema.fields else Severity.WARNING)
        if schema and (tables or schema.rows.min):
            self.findings += _rows(schema, looked, part)

    def _artifacts(self, artifacts: list[DataFile], files: list[DataFile], part: str) -> None:
        """JSON and archives; where `members` are asked for and there is no archive, the files themselves are."""
        archives = [file for file in artifacts if is_archive(file.path.name)]
        for file in artifacts:
            name = str(file.relative)
            self.findings += artifact_findings(file.path, name, self.schema)
            if self.schema and self.schema.members and file in archives:
                names = set(members_of(file.path))
                self.findings += missing_members(self.schema, names, file=name, asks=self.asks)
        if self.schema and self.schema.members and not archives:
            names = {str(file.relative.relative_to(part)) for file in files}
            self.findings += missing_members(self.schema, names, file=part or None, asks=self.asks)
        self.others |= {"JSON" if is_json(file.path.name) else "archives' members" for file in artifacts}

    def _looked_into(self, file: DataFile, table: ObservedTable) -> ObservedTable:
        """Compare a table with the schema, its cells too, and give it with its rows counted."""
        schema = self.schema
        deep = schema is None or schema.checks.depth is not Depth.SCHEMA
        text = table.format is not Format.PARQUET
        names = [column.name for column in table.columns]
        found: tuple[Mismatch, ...]
        if schema is None or not schema.fields:
            found = tuple(_softened(finding, schema) for finding in table.findings)
            if schema is not None:
                found += tuple(missing_keys(names, schema, asks=self.asks, file=table.file))
        else:
            later = {field.name for field in schema.fields} if text else unsettled(schema.fields, table)
            found = mismatches(table, schema, asks=self.asks, later=later if deep else ())
            if not _are_in_the_way(found):
                found += tuple(missing_keys(names, schema, asks=self.asks, file=table.file))
        self.findings += found
        if not deep or _are_in_the_way(found):
            return table
        if text and not _are_in_the_way(table.findings, _SOME_READER_COPES):
            values = text_values(file.path, table, schema, asks=self.asks)
        elif not text:
            whole = self._is_read_whole(file)
            values = parquet_values(file.path, table, schema or TableSchema(), asks=self.asks, whole=whole)
            self.scanned = self.scanned or (values.looked and not whole)
            self.read += whole and values.looked
        else:
            return table
        self.findings += (_softened(finding, schema) for finding in values.findings)
        return table if values.rows is None else replace(table, rows=values.rows)

    def _is_read_whole(self, file: DataFile) -> bool:
        """Whether all pages of a Parquet file are read: its footer may be fine and they damaged. Of many files some."""
        if self.schema is not None and self.schema.checks.depth is Depth.FULL:
            return True
        size = file.path.stat().st_size
        if file not in self.samples or size > self.room:
            return False
        self.room -= size
        return True

    def _observed(self, file: DataFile) -> ObservedTable | None:
        nulls = self.schema.nulls if self.schema else ("",)
        table = observe(file.path, file=str(file.relative), nulls=nulls, judged=False)
        if isinstance(table, ObservedTable) and self._must_be_judged(table):
            table = observe(file.path, file=str(file.relative), nulls=nulls, judged=True)
        if isinstance(table, ObservedTable):
            return table
        self.findings.append(_softened(table, self.schema))
        return None

    def _must_be_judged(self, table: ObservedTable) -> bool:
        """Whether the first block must tell what its text means: where no more is read, or a name is looked for."""
        if table.format is Format.PARQUET or self.schema is None or not self.schema.fields:
            return False
        names = {column.name for column in table.columns}
        return self.schema.checks.depth is Depth.SCHEMA or any(one.name not in names for one in self.schema.fields)

    def _count(self, observed: list[ObservedTable]) -> None:
        known = [table.rows for table in observed if table.rows is not None]
        before = 0 if not self.formats else self.rows
        self.rows = before + sum(known) if observed and before is not None and len(known) == len(observed) else None
        self.formats += [table.format for table in observed]


def _are_in_the_way(findings: Iterable[Mismatch], kinds: Container[Kind] = _IN_THE_WAY) -> bool:
    """Whether there is an error that keeps from looking at the cells. A byte order mark is a warning, and doesn't."""
    return any(finding.kind in kinds and finding.severity is Severity.ERROR for finding in findings)


def _depth(look: _Look) -> str:
    seen = set(look.formats)
    shallow = look.schema is not None and look.schema.checks.depth is Depth.SCHEMA
    words = {Format.PARQUET: _depth_of_parquet(look)}
    for kind in (Format.CSV, Format.TSV):
        name = kind.upper()
        words[kind] = f"{name} headers and first block" if shallow else f"every row of {name}"
    said = [text for kind, text in words.items() if kind in seen] + sorted(look.others)
    return ", ".join(said) or "files counted, no table among them"


def _depth_of_parquet(look: _Look) -> str:
    files = look.formats.count(Format.PARQUET)
    if look.read == files:
        return "parquet footers and data"
    words = "parquet footers" + (" and values" if look.scanned else "")
    return words + (f" and data of {look.read:,} of {files:,} files" if look.read else "")


def _rows(schema: TableSchema, tables: list[ObservedTable], part: str) -> list[Mismatch]:
    """Whether there are as many rows as the schema says."""
    low, high = schema.rows.min, schema.rows.max
    known = [table.rows for table in tables if table.rows is not None]
    rows = sum(known)
    if len(known) < len(tables) or ((low is None or rows >= low) and (high is None or rows <= high)):
        return []
    asked = f"at least {low:,}" if low is not None and rows < low else f"at most {high:,}"
    return [
        Mismatch(
            kind=Kind.ROWS,
            severity=Severity.ERROR,
            file=part or None,
            expected=f"{asked} rows",
            found=f"{rows:,} rows",
            count=rows,
            message=f"there are {rows:,} rows; {asked} are asked for",
            hint="did a filter or a join drop, or multiply, rows?",
        )
    ]


def _softened(finding: Mismatch, schema: TableSchema | None) -> Mismatch:
    """Make a warning of what is only an error because a schema promises a table of the usual form."""
    if schema is None and finding.kind in _SOME_READER_COPES:
        return finding.model_copy(update={"severity": Severity.WARNING})
    return finding


def _rowless(observed: list[ObservedTable], severity: Severity) -> list[Mismatch]:
    """Give the tables with no rows. One empty shard among full ones is no more than a warning."""
    empty = [table for table in observed if table.rows == 0]
    return [
        Mismatch(
            kind=Kind.EMPTY,
            severity=severity if len(empty) == len(observed) else Severity.WARNING,
            file=table.file,
            expected="at least one row",
            found="no rows",
            message="the table has no rows" + ("" if table.format is Format.PARQUET else ": a header only"),
            hint="did a filter or a join drop everything?",
        )
        for table in empty
    ]


def _missing(name: str) -> Mismatch:
    return Mismatch(
        kind=Kind.MISSING,
        severity=Severity.ERROR,
        file=name,
        expected="a file or a folder with files",
        found="nothing",
        message="it isn't there",
        hint="write it, under exactly this name",
    )


def _empty(part: str) -> Mismatch:
    return Mismatch(
        kind=Kind.EMPTY,
        severity=Severity.ERROR,
        file=part or None,
        expected="at least one file",
        found="an empty folder",
        message="the folder is empty",
        hint="S3 has no empty folders: nothing would be uploaded, and the next step would find nothing",
    )


def _no_match(schema: TableSchema, part: str, there: list[DataFile]) -> Mismatch:
    more = f" and {len(there) - _NAMED:,} more" if len(there) > _NAMED else ""
    data_first = sorted(there, key=lambda file: is_marker(file.relative))
    names = ", ".join(str(file.relative) for file in data_first[:_NAMED])
    return Mismatch(
        kind=Kind.NO_MATCH,
        severity=Severity.ERROR,
        file=part or None,
        expected=f"files that match {schema.glob!r}",
        found="other files only",
        message=f"no file matches {schema.glob!r}; there is {names}{more}",
        hint="write the table, or correct `glob`; names that start with _ or . are markers, not data",
    )


def _not_checked(files: list[DataFile]) -> Mismatch:
    return Mismatch(
        kind=Kind.NOT_CHECKED,
        severity=Severity.WARNING,
        file=str(files[0].relative),
        expected="a parquet, CSV or TSV file",
        found="other files only",
        count=len(files),
        message="there is no parquet, CSV or TSV file, so the declared columns were not looked for",
        hint="write one of these, with the suffix of its format; other formats are only counted",
    )

"""Whether the shards of one table agree, where no schema says what they should be, and the splits of a data set."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from cursus_sandbox.tables.arrow_types import observed_type
from cursus_sandbox.tables.lattice import difference
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.observed import Format, ObservedTable

SPLITS = ("train", "val", "valid", "validation", "test", "calibration")
_NUMBER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+", re.IGNORECASE)


def disagreements(tables: list[ObservedTable]) -> list[Mismatch]:
    """Give where a table differs from the first of its folder whose name differs in numbers only. Warnings at most."""
    groups: dict[tuple[PurePosixPath, str], list[ObservedTable]] = defaultdict(list)
    for table in tables:
        path = PurePosixPath(table.file)
        groups[path.parent, _NUMBER.sub("#", path.name)].append(table)
    return [finding for group in groups.values() for other in group[1:] for finding in _disagreement(group[0], other)]


def split_findings(tables: list[ObservedTable], declared: tuple[str, ...], part: str) -> list[Mismatch]:
    """Where the tables of one split have other columns than those of the first one.

    `declared` splits have to be there, and to agree; folders that are only called like splits are warned of.
    """
    names = declared or SPLITS
    splits: dict[str, list[ObservedTable]] = {name: [] for name in names}
    for table in tables:
        folders = PurePosixPath(table.file).relative_to(part).parts
        if len(folders) > 1 and folders[0] in splits and not table.header_is_data:
            splits[folders[0]].append(table)
    found = [_no_split(name, part) for name in declared if not splits[name]]
    there = {name: some for name, some in splits.items() if some}
    if len(there) < 2:  # noqa: PLR2004 -- nothing to compare
        return found
    (first, (reference, *_)), *others = there.items()
    for name, (table, *_) in others:
        found += _apart(name, table, first, reference, Severity.ERROR if declared else Severity.WARNING)
    return found


def _apart(
    name: str, table: ObservedTable, first: str, reference: ObservedTable, severity: Severity
) -> Iterator[Mismatch]:
    here = {column.name: column for column in table.columns}
    there = {column.name: column for column in reference.columns}
    for column in dict.fromkeys((*there, *here)):
        if column not in here or column not in there:
            expected, found = ("there", "missing") if column in there else ("missing", "there")
        else:
            kinds = there[column].family, here[column].family
            if kinds[0] is kinds[1] or None in kinds or Format.PARQUET not in (table.format, reference.format):
                continue
            expected, found = str(kinds[0]), str(kinds[1])
        yield Mismatch(
            kind=Kind.SPLITS_DISAGREE,
            severity=severity,
            file=table.file,
            column=column,
            expected=expected,
            found=found,
            message=f"column {column!r} is {found} in split '{name}'; in split '{first}' it is {expected}",
            hint="write all splits with the same columns, or declare what each reader needs",
        )


def _no_split(name: str, part: str) -> Mismatch:
    return Mismatch(
        kind=Kind.MISSING,
        severity=Severity.ERROR,
        file=str(PurePosixPath(part) / name),
        expected="a folder with tables",
        found="nothing",
        message=f"split '{name}' isn't there, or holds no table",
        hint="write it, or take it out of `splits`",
    )


def _disagreement(first: ObservedTable, other: ObservedTable) -> list[Mismatch]:
    if first.header_is_data or other.header_is_data:
        widths = len(first.columns), len(other.columns)
        same = widths[0] == widths[1]
        return [] if same else [_warning(first, other, None, f"{widths[0]} columns", f"{widths[1]} columns")]
    here = {column.name: column for column in first.columns}
    there = {column.name: column for column in other.columns}
    found = [_warning(first, other, name, "there", "missing") for name in here if name not in there]
    found += [_warning(first, other, name, "missing", "there") for name in there if name not in here]
    if Format.PARQUET is first.format:
        for name in here.keys() & there.keys():
            kinds = observed_type(here[name].type), observed_type(there[name].type)
            if "null" not in {kind.name for kind in kinds} and difference(*kinds) and difference(*reversed(kinds)):
                found.append(_warning(first, other, name, str(kinds[0]), str(kinds[1])))
    return sorted(found, key=lambda finding: finding.column or "")


def _warning(first: ObservedTable, other: ObservedTable, column: str | None, expected: str, found: str) -> Mismatch:
    what = f"column {column!r} is {found}" if column is not None else f"it has {found}"
    return Mismatch(
        kind=Kind.SHARDS_DISAGREE,
        severity=Severity.WARNING,
        file=other.file,
        column=column,
        expected=expected,
        found=found,
        message=f"{what}; in {PurePosixPath(first.file).name} it {'is' if column is not None else 'has'} {expected}",
        hint="write all shards with one schema, or declare which columns there are",
    )

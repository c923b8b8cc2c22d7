"""Whether the shards of one table agree, where no schema says what they should be."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath

from cursus_sandbox.tables.arrow_types import observed_type
from cursus_sandbox.tables.lattice import difference
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.observed import Format, ObservedTable

_NUMBER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+", re.IGNORECASE)


def disagreements(tables: list[ObservedTable]) -> list[Mismatch]:
    """Give where a table differs from the first of its folder whose name differs in numbers only. Warnings at most."""
    groups: dict[tuple[PurePosixPath, str], list[ObservedTable]] = defaultdict(list)
    for table in tables:
        path = PurePosixPath(table.file)
        groups[path.parent, _NUMBER.sub("#", path.name)].append(table)
    return [finding for group in groups.values() for other in group[1:] for finding in _disagreement(group[0], other)]


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

"""What a check of data has found, ready for a terminal, a result file or a page."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, computed_field, model_validator

from cursus_sandbox.tables.mismatch import Mismatch, Severity


class Blame(StrEnum):
    """Where to look first: at who wrote the data, against its own contract, or at both sides of an edge."""

    PRODUCER = "producer"
    EDGE = "edge"


class DataCompatibilityReport(BaseModel):
    """How one channel's data compare with one schema.

    `data` says which data ("preprocess:processed_data"), `reader` who is to read them ("train:training"); None means
    that they were checked against their producer's own contract. `schema_from` says whose schema it was, "" if there
    was none. `files` counts the regular files that were seen, `tables` those that were looked into, as deep as `depth`
    says; `rows` is None when a table doesn't tell its rows without being read to its end. `findings`: errors first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    reader: str | None = None
    schema_from: str = ""
    files: int = 0
    tables: int = 0
    rows: int | None = None
    depth: str = ""
    findings: tuple[Mismatch, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def compatible(self) -> bool:
        """Whether a reader may start: there are warnings at most."""
        return not self.errors

    @computed_field  # type: ignore[prop-decorator]
    @property
    def blame(self) -> Blame:
        """Who is to blame for what was found: a producer that breaks its own contract, or one side of an edge."""
        return Blame.PRODUCER if self.reader is None else Blame.EDGE

    @property
    def errors(self) -> tuple[Mismatch, ...]:
        """The findings that stop a reader."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Mismatch, ...]:
        """The findings that stop nobody."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)

    @model_validator(mode="before")
    @classmethod
    def _computed_again(cls, raw: Any) -> Any:
        """Drop what is computed, so that a report can be read back from its own JSON."""
        computed = cls.model_computed_fields
        return {key: value for key, value in raw.items() if key not in computed} if isinstance(raw, dict) else raw


def grouped(findings: list[Mismatch]) -> tuple[Mismatch, ...]:
    """Make one of the findings that say the same of several files; errors first, otherwise in the given order."""
    groups: dict[tuple[object, ...], list[Mismatch]] = {}
    for finding in findings:
        same = (finding.kind, finding.severity, finding.column, finding.expected, finding.found)
        groups.setdefault(same, []).append(finding)
    merged = [_one(group) for group in groups.values()]
    return tuple(sorted(merged, key=lambda finding: finding.severity is not Severity.ERROR))


def _one(group: list[Mismatch]) -> Mismatch:
    if len(group) == 1:
        return group[0]
    counts = [finding.count for finding in group if finding.count is not None]
    files = len({finding.file for finding in group})
    return group[0].model_copy(update={"files": files, "count": sum(counts) if counts else None})

"""What was found in a file: a table's columns and their types, or why it is none."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity


class Format(StrEnum):
    """The kinds of table that are looked into."""

    PARQUET = "parquet"
    CSV = "csv"
    TSV = "tsv"


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What the text of a CSV column says of its type, in the first block.

    `misfits` gives, for each family that some value doesn't fit, the first such value and its row (from 1, without the
    header). `blanks` counts the cells that are no value for any family but string, such as a quoted empty text. `low`
    and `high` bound a column of integers.
    """

    misfits: Mapping[Family, tuple[str, int]]
    blanks: int = 0
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class ObservedColumn:
    """A column as it is. `null_count` is None when the file doesn't tell without reading all of it."""

    name: str
    type: str
    family: Family | None
    null_count: int | None
    text: TextFacts | None = None


@dataclass(frozen=True, slots=True)
class ObservedTable:
    """A table as it is. `rows` is None when the file doesn't tell without reading all of it.

    `findings` are what is odd about the file whatever its schema says: ragged rows, another encoding or delimiter.
    """

    file: str
    format: Format
    columns: tuple[ObservedColumn, ...]
    rows: int | None
    findings: tuple[Mismatch, ...] = ()

    @property
    def header_is_data(self) -> bool:
        """Whether the first line of a CSV looks like values rather than names."""
        return self.format is not Format.PARQUET and any(_is_number(column.name) for column in self.columns)


def table_format(name: str) -> Format | None:
    """Give the kind of table a file name promises; None for a file that is only counted."""
    name = name.lower().removesuffix(".gz")
    return next((kind for kind in Format if name.endswith(f".{kind}")), None)


def special_file(path: Path, *, file: str) -> Mismatch | None:
    """Give the finding that a path is no regular file and no folder: it would not reach S3, and may hang a reader."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    names = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    found = names.get(stat.S_IFMT(mode), "a device")
    copied = "; cp -rL copies what links lead to" if stat.S_ISLNK(mode) else ""
    return Mismatch(
        kind=Kind.SPECIAL_FILE,
        severity=Severity.ERROR,
        file=file,
        expected="a regular file",
        found=found,
        message=f"this is {found}, not a regular file",
        hint=f"have a regular file there: nothing else gets to S3{copied}",
    )


def unreadable(file: str, why: str, *, kind: Format, hint: str = "") -> Mismatch:
    """Give the finding that a file is not the table its name promises."""
    return Mismatch(
        kind=Kind.UNREADABLE,
        severity=Severity.ERROR,
        file=file,
        expected=f"a readable {kind} file",
        found=why,
        message=f"not a readable {kind} file: {why}",
        hint=hint,
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

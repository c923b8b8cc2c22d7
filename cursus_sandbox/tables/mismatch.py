"""One thing in which data differ from what was promised."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Severity(StrEnum):
    """Whether a reader is stopped (error) or only told (warning)."""

    ERROR = "error"
    WARNING = "warning"


class Kind(StrEnum):
    """What sort of difference it is. The texts are in result files, so they are never renamed."""

    # the data as a whole
    MISSING = "missing"
    EMPTY = "empty"
    NO_MATCH = "no_match"
    NOT_CHECKED = "not_checked"
    SHARDS_DISAGREE = "shards_disagree"
    SPLITS_DISAGREE = "splits_disagree"
    # one file
    SPECIAL_FILE = "special_file"
    UNREADABLE = "unreadable"
    ENCODING = "encoding"
    DELIMITER = "delimiter"
    HEADER = "header"
    RAGGED = "ragged"
    JSON = "json"
    MISSING_MEMBER = "missing_member"
    UNSAFE_MEMBER = "unsafe_member"
    # its columns
    DUPLICATE_COLUMN = "duplicate_column"
    MISSING_COLUMN = "missing_column"
    RENAMED_COLUMN = "renamed_column"
    EXTRA_COLUMN = "extra_column"
    COLUMN_ORDER = "column_order"
    # what is in a column
    TYPE = "type"
    LOSSY = "lossy"
    TIMEZONE = "timezone"
    DATE_TO_TIMESTAMP = "date_to_timestamp"
    NULL = "null"
    ALL_NULL = "all_null"
    VALUE = "value"
    DUPLICATE_VALUE = "duplicate_value"
    ROWS = "rows"


class Mismatch(BaseModel):
    """A finding: what was expected, what was found, where, and what to do.

    `file` is relative to the data that was checked. The same finding in several files is one, with the first file's
    name in `file` and their number in `files`. `count` is how many cells, rows or files the finding is about, where
    that is known; `example` is one of them, `samples` are up to five values. `row` counts the rows of the first such
    value's file from 1, without the header; `line` is where it begins in a text file, from 1. `message` is a sentence
    without the file's name. `split` is the part of the data the file belongs to, such as train; `asked_in` is the file
    and line (`contracts/train.step.yaml:14`) that asks for the column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    severity: Severity
    message: str
    file: str | None = None
    files: int = 1
    split: str | None = None
    column: str | None = None
    expected: str = ""
    found: str = ""
    count: int | None = None
    example: str = ""
    samples: tuple[str, ...] = ()
    row: int | None = None
    line: int | None = None
    hint: str = ""
    asked_in: str = ""

    def without_values(self) -> Mismatch:
        """The same, but for what was in the data."""
        message = self.message
        for value in (*self.samples, *((self.example,) if self.example else ())):
            message = message.replace(repr(value), "a value").replace(value, "…")
        return self.model_copy(update={"message": message, "example": "", "samples": ()})

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        more = f" (and {self.files - 1} more like it)" if self.files > 1 else ""
        return f"{where}{self.message}{more}" + (f"\n  {self.hint}" if self.hint else "")

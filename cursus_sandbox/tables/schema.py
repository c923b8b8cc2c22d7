"""What a channel's tables should be: Frictionless Table Schema's words, plus `arrow`, `optional` and `glob`.

Only words that are enforced are known here; any other is refused, so that no promise is silently ignored.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from datetime import date, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, field_validator, model_validator

from cursus_sandbox.errors import did_you_mean
from cursus_sandbox.tables.arrow_types import Family, arrow_type, family_of
from cursus_sandbox.tables.json_rules import why_no_rules
from cursus_sandbox.tables.lattice import family_difference
from cursus_sandbox.tables.mismatch import Severity


class FieldsMatch(StrEnum):
    """How a file's columns relate to the declared fields (Table Schema v2 `fieldsMatch`).

    exact: the same, in the same order. equal: the same, in any order. subset: the fields are among the columns.
    superset: the columns are among the fields. partial: at least one field is a column.
    """

    EXACT = "exact"
    EQUAL = "equal"
    SUBSET = "subset"
    SUPERSET = "superset"
    PARTIAL = "partial"

    @property
    def closed(self) -> bool:
        """Whether columns that aren't declared are refused."""
        return self in {FieldsMatch.EXACT, FieldsMatch.EQUAL, FieldsMatch.SUPERSET}

    @property
    def complete(self) -> bool:
        """Whether every field that isn't optional must be there."""
        return self in {FieldsMatch.EXACT, FieldsMatch.EQUAL, FieldsMatch.SUBSET}


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", populate_by_name=True)


def _bound(value: Any) -> Any:
    """A number, or a date or moment as text; in one word what is none: of a union's members each would say its own.

    pydantic reads midnight of whatever zone as a date.
    """
    if isinstance(value, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
            return moment if len(value) > len("YYYY-MM-DD") else moment.date()
    elif isinstance(value, int | float | date | None) and not isinstance(value, bool):
        return value
    raise ValueError(f"a number or a date is meant here, not {value!r}")


Bound = Annotated[int, pydantic.Strict()] | Annotated[float, pydantic.Strict()] | date | datetime
_Bound = Annotated[Bound | None, BeforeValidator(_bound)]
_ORDERED = {Family.INTEGER, Family.NUMBER, Family.DATE, Family.DATETIME, Family.ANY}
_OF_TEXT = {Family.STRING, Family.ANY}
_IN_PYTHON: dict[Family | None, type | tuple[type, ...]] = {
    Family.INTEGER: int,
    Family.NUMBER: (int, float),
    Family.BOOLEAN: bool,
    Family.STRING: str,
}


def _comparable(bound: Any) -> Any:
    """A bound, of a date its beginning: Python compares no date with a moment."""
    is_day = isinstance(bound, date) and not isinstance(bound, datetime)
    return datetime(bound.year, bound.month, bound.day) if is_day else bound  # noqa: DTZ001


class Constraints(_Schema):
    """What every value of a column keeps to, in Table Schema's words and `finite`; a null keeps to all but `required`.

    `required`: no nulls. `unique`: no value twice in a file. `minimum` and `maximum` are of the column's kind: numbers,
    or a date or time in ISO 8601. `pattern` matches the whole text. `finite`: no NaN, no infinity.
    """

    required: bool = False
    unique: bool = False
    minimum: _Bound = None
    maximum: _Bound = None
    exclusive_minimum: _Bound = pydantic.Field(default=None, alias="exclusiveMinimum")
    exclusive_maximum: _Bound = pydantic.Field(default=None, alias="exclusiveMaximum")
    min_length: Annotated[int, pydantic.Field(ge=0)] | None = pydantic.Field(default=None, alias="minLength")
    max_length: Annotated[int, pydantic.Field(ge=0)] | None = pydantic.Field(default=None, alias="maxLength")
    pattern: str | None = None
    enum: tuple[bool | int | float | str, ...] = ()
    finite: bool = False

    @field_validator("pattern")
    @classmethod
    def _pattern_is_one(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _something_keeps_to_it(self) -> Constraints:
        """Bounds that leave nothing between them are a slip of whoever wrote them."""
        for low, high in (("minimum", "maximum"), ("min_length", "max_length")):
            least, most = _comparable(getattr(self, low)), _comparable(getattr(self, high))
            try:
                if least is not None and most is not None and least > most:
                    raise ValueError(f"nothing is both at least {least} and at most {most}")
            except TypeError as error:
                raise ValueError(f"{least} and {most} are of different kinds") from error
        return self

    @property
    def of_order(self) -> dict[str, Bound]:
        """The bounds that are set, each by its word."""
        bounds = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "exclusiveMinimum": self.exclusive_minimum,
            "exclusiveMaximum": self.exclusive_maximum,
        }
        return {word: bound for word, bound in bounds.items() if bound is not None}

    @property
    def on_values(self) -> bool:
        """Whether more is asked than that there is a value."""
        return bool(self.model_dump(exclude_defaults=True, exclude={"required"}))


class Field(_Schema):
    """One column: a family of types of any width (`type`), or an exact Arrow type (`arrow`) where the width matters."""

    name: Annotated[str, StringConstraints(min_length=1)]
    type: Family = Family.ANY
    arrow: str | None = None
    optional: bool = False
    constraints: Constraints = Constraints()

    @field_validator("arrow")
    @classmethod
    def _arrow_is_a_type(cls, text: str | None) -> str | None:
        return text if text is None else str(arrow_type(text))

    @model_validator(mode="after")
    def _type_and_arrow_agree(self) -> Field:
        if self.arrow is not None:
            gap = family_difference(arrow_type(self.arrow), self.type)
            if gap and gap.severity is Severity.ERROR:
                raise ValueError(f"field {self.name!r} asks for type {self.type.value} and for arrow {self.arrow}")
        return self

    @model_validator(mode="after")
    def _constraints_are_of_its_kind(self) -> Field:
        asked, family = self.constraints, self.family
        texts = {"minLength": asked.min_length, "maxLength": asked.max_length, "pattern": asked.pattern}
        for word in asked.of_order:
            if family not in _ORDERED:
                raise ValueError(f"field {self.name!r}: {word} is for numbers and dates, and it is {self.asks}")
        for word, value in texts.items():
            if value is not None and family not in _OF_TEXT:
                raise ValueError(f"field {self.name!r}: {word} is for text, and it is {self.asks}")
        if asked.finite and family not in (Family.NUMBER, Family.ANY):
            raise ValueError(f"field {self.name!r}: finite is for numbers, and it is {self.asks}")
        for one in asked.enum:
            if family in _IN_PYTHON and not isinstance(one, _IN_PYTHON[family]):
                raise ValueError(f"field {self.name!r}: enum has {one!r}, and it is {self.asks}")
        dated = family in (Family.DATE, Family.DATETIME)
        for word, bound in asked.of_order.items():
            if family is not Family.ANY and isinstance(bound, date) is not dated:
                raise ValueError(f"field {self.name!r}: {word} is {bound}, and it is {self.asks}")
        return self

    @property
    def family(self) -> Family | None:
        """The family asked for; None when an exact type is, and it belongs to none."""
        return family_of(arrow_type(self.arrow)) if self.arrow else self.type

    @property
    def asks(self) -> str:
        """What the field asks for, in words for a message."""
        return self.arrow or self.type.value


class Depth(StrEnum):
    """How deep a table is looked into.

    schema: header or footer, and the first block of a CSV. values: every row of a CSV; of Parquet what its statistics
    don't settle, and all data of some files, as much as is soon read. full: every value of every column.
    """

    SCHEMA = "schema"
    VALUES = "values"
    FULL = "full"


class Checks(_Schema):
    """How the tables of a channel are checked."""

    depth: Depth = Depth.VALUES


class Rows(_Schema):
    """How many rows there are in all files of a channel, or of each of its parts, together."""

    min: Annotated[int, pydantic.Field(ge=0)] | None = None
    max: Annotated[int, pydantic.Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _some_number_fits(self) -> Rows:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"there are never at least {self.min} rows and at most {self.max}")
        return self


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Like(_Schema):
    """The columns of another channel, but for some: of the same step, or of the step (or step type) that is named."""

    channel: Annotated[str, StringConstraints(min_length=1)]
    step: Annotated[str, StringConstraints(min_length=1)] | None = None
    minus: Annotated[tuple[str, ...], pydantic.BeforeValidator(_names)] = ()


class TableSchema(_Schema):
    """What the tables of a channel should be.

    `glob` chooses the files it speaks of, relative to the channel (or to each of its parts or splits). `missing_values`
    are the texts that stand for no value in CSV and TSV; None is Table Schema's default, the empty text. `primary_key`
    are columns whose values, together, are in no file twice. `splits` are folders that are all there, with tables of
    the same columns. `json_schema` is what every JSON document, and every line of JSON Lines, keeps to; `members` are
    patterns of which each matches a file of every tar archive or, where there is none, of the channel. `like` stands
    for another channel's columns, which a plan puts in its place (`like_another`); `fields` refine them.
    """

    like: Like | None = None
    fields: tuple[Field, ...] = ()
    fields_match: FieldsMatch = pydantic.Field(default=FieldsMatch.SUBSET, alias="fieldsMatch")
    glob: str = "**/*"
    missing_values: tuple[str, ...] | None = pydantic.Field(default=None, alias="missingValues")
    primary_key: Annotated[tuple[str, ...], pydantic.BeforeValidator(_names)] = pydantic.Field(
        default=(), alias="primaryKey"
    )
    splits: tuple[Annotated[str, StringConstraints(pattern=r"[^/]+")], ...] = ()
    json_schema: dict[str, Any] | None = pydantic.Field(default=None, alias="jsonSchema")
    members: tuple[str, ...] = ()
    rows: Rows = Rows()
    checks: Checks = Checks()

    @field_validator("fields")
    @classmethod
    def _names_are_unique(cls, fields: tuple[Field, ...]) -> tuple[Field, ...]:
        twice = [name for name, times in Counter(field.name for field in fields).items() if times > 1]
        if twice:
            raise ValueError(f"declared more than once: {', '.join(map(repr, twice))}")
        return fields

    @model_validator(mode="after")
    def _key_is_of_its_fields(self) -> TableSchema:
        """A column of the key that is nearly a field is a slip; any other may well be there."""
        declared = [field.name for field in self.fields]
        for name in self.primary_key:
            if name not in declared and (hint := did_you_mean(name, declared, or_list=False)):
                raise ValueError(f"primaryKey names {name!r}, which is none of its fields. {hint}")
        return self

    @field_validator("json_schema")
    @classmethod
    def _rules_are_some(cls, rules: dict[str, Any] | None) -> dict[str, Any] | None:
        if rules is not None and (why := why_no_rules(rules)):
            raise ValueError(f"this is no JSON Schema: {why}")
        return rules

    @field_validator("glob")
    @classmethod
    def _glob_stays_inside(cls, glob: str) -> str:
        parts = glob.split("/")
        if not all(parts) or {".", ".."} & set(parts):
            raise ValueError(
                f"glob {glob!r} isn't a pattern below the channel, such as '*.csv' or 'train/**/*.parquet'"
            )
        return glob

    @property
    def nulls(self) -> tuple[str, ...]:
        """The texts that stand for no value."""
        return ("",) if self.missing_values is None else self.missing_values

    def matches(self, file: PurePosixPath) -> bool:
        """Say whether `glob` chooses a file, given relative to the channel, there or in one of its `splits`.

        `**` is any number of folders.
        """
        pattern = tuple(self.glob.split("/"))
        in_split = file.parts[:1] != () and file.parts[0] in self.splits
        return _matches(file.parts, pattern) or (in_split and _matches(file.parts[1:], pattern))


def merged(base: TableSchema, over: TableSchema) -> TableSchema:
    """Refine a schema: fields of `over` replace those of the same name or are appended, its other set keys win."""
    refined = {field.name: field for field in over.fields}
    fields = [refined.pop(field.name, field) for field in base.fields]
    keys = {name: getattr(over, name) for name in over.model_fields_set - {"fields"}}
    return base.model_copy(update={**keys, "fields": (*fields, *refined.values())})


def like_another(base: TableSchema, schema: TableSchema) -> TableSchema:
    """A schema with the columns of the one that it is `like`, which says nothing of files, rows and splits."""
    minus = schema.like.minus if schema.like else ()
    columns = TableSchema(
        fields=tuple(one for one in base.fields if one.name not in minus),
        fields_match=base.fields_match,
        missing_values=base.missing_values,
        primary_key=() if set(minus) & set(base.primary_key) else base.primary_key,
    )
    return merged(columns, schema).model_copy(update={"like": None})


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        rest = pattern[1:]
        return not rest or any(_matches(parts[start:], rest) for start in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])

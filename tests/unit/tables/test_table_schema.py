"""Schemas as people write them."""

import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from pydantic import ValidationError

from cursus_sandbox.tables import Field, FieldsMatch, TableSchema, merged


def schema(**keys):
    return TableSchema.model_validate(keys)


def test_reads_the_words_of_table_schema():
    """A schema is read from Table Schema's own spelling and can be written back in it."""
    written = {
        "fields": [{"name": "id", "type": "integer", "constraints": {"required": True}}],
        "fieldsMatch": "exact",
        "missingValues": ["", "NA"],
    }
    read = schema(**written)
    assert read.fields_match is FieldsMatch.EXACT
    assert read.nulls == ("", "NA")
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == written


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "declared more than once: 'a'"),
        ({"fields": [{"name": "user"}], "primaryKey": "usr"}, "none of its fields. Did you mean 'user'?"),
        ({"fields": [{"name": "a", "arrow": "int63"}]}, "'int63' is no Arrow type. Did you mean 'int64'"),
        ({"fields": [{"name": "a", "arrow": "timestamp"}]}, "needs a unit, for example timestamp[ns]"),
        ({"fields": [{"name": "a", "arrow": "decimal128(99, 2)"}]}, "precision 1 to 38"),
        ({"fields": [{"name": "a", "arrow": "list<>"}]}, "is no Arrow type"),
        ({"fields": [{"name": "a", "type": "string", "arrow": "int64"}]}, "asks for type string and for arrow int64"),
        ({"fields": [{"name": "a", "type": "int"}]}, "should be 'integer'"),
        ({"fields": [{"name": ""}]}, "at least 1 character"),
        ({"fields": [{"name": "a", "constraints": {"jsonSchema": {}}}]}, "Extra inputs are not permitted"),
        ({"uniqueKeys": ["id"]}, "Extra inputs are not permitted"),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"minimum": 3}}]}, "minimum is for numbers and"),
        ({"fields": [{"name": "a", "type": "date", "constraints": {"minimum": 3}}]}, "minimum is 3, and it is date"),
        ({"fields": [{"name": "a", "type": "integer", "constraints": {"pattern": "x"}}]}, "pattern is for text"),
        ({"fields": [{"name": "a", "type": "integer", "constraints": {"finite": True}}]}, "finite is for numbers"),
        ({"fields": [{"name": "a", "constraints": {"pattern": "("}}]}, "is no regular expression"),
        ({"fields": [{"name": "a", "format": "%Y"}]}, "Extra inputs are not permitted"),
        ({"fields": [{"name": "a", "constraints": {"minimum": 3, "maximum": 2}}]}, "at least 3 and at most 2"),
        ({"fields": [{"name": "a", "constraints": {"minLength": 3, "maxLength": 2}}]}, "at least 3 and at most 2"),
        (
            {"fields": [{"name": "a", "type": "integer", "constraints": {"enum": ["x"]}}]},
            "enum has 'x', and it is integer",
        ),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"enum": [1]}}]}, "enum has 1, and it is string"),
        ({"rows": {"min": 3, "max": 2}}, "never at least 3 rows and at most 2"),
        ({"glob": "../*.csv"}, "isn't a pattern below the channel"),
        ({"glob": "/data/*.csv"}, "isn't a pattern below the channel"),
    ],
)
def test_refuses_what_would_not_be_enforced(keys, complaint):
    """A word that is unknown, contradictory or not enforced is refused when the schema is read."""
    with pytest.raises(ValidationError, match=complaint.replace("[", r"\[")):
        schema(**keys)


@pytest.mark.parametrize(
    ("glob", "file", "chosen"),
    [
        ("**/*", "part-0.csv", True),
        ("**/*", "train/a/part-0.csv", True),
        ("*.csv", "part-0.csv", True),
        ("*.csv", "train/part-0.csv", False),
        ("**/*.csv", "train/part-0.csv", True),
        ("**/*.csv", "part-0.csv", True),
        ("train/**", "train/a/b", True),
        ("train/**", "test/a", False),
        ("part-[0-9].csv", "part-7.csv", True),
        ("*/part-?.csv", "train/part-7.csv", True),
    ],
)
def test_glob_chooses_files(glob, file, chosen):
    """A star stays in its folder, and two stars are any number of folders."""
    assert schema(glob=glob).matches(PurePosixPath(file)) is chosen


def test_merged_refines_a_schema():
    """A refinement replaces fields by name, appends new ones, and wins only with the keys it sets."""
    base = schema(fields=[{"name": "a", "type": "string"}, {"name": "b"}], fieldsMatch="exact", glob="*.csv")
    over = schema(fields=[{"name": "c"}, {"name": "a", "type": "integer"}], missingValues=["NA"])
    refined = merged(base, over)
    assert [(field.name, field.type.value) for field in refined.fields] == [
        ("a", "integer"),
        ("b", "any"),
        ("c", "any"),
    ]
    assert (refined.fields_match, refined.glob, refined.nulls) == (FieldsMatch.EXACT, "*.csv", ("NA",))
    assert merged(base, schema(fieldsMatch="subset")).fields_match is FieldsMatch.SUBSET
    assert merged(base, TableSchema()) == base


def test_fields_compare_by_value():
    """Two spellings of one Arrow type make one field."""
    assert Field(name="a", arrow="double") == Field(name="a", arrow="float64")
    assert Field(name="a", arrow="list<element: string not null>") == Field(name="a", arrow="list<string>")


def test_needs_no_pyarrow():
    """Reading and comparing schemas imports no pyarrow, so that a plan is quick."""
    code = (
        "import sys; from cursus_sandbox.tables import *; "
        "s = TableSchema(fields=(Field(name='a', arrow='timestamp[us, tz=UTC]'),)); "
        "r = DataCompatibilityValidator().check_schemas(s, s, data='a:x', reader='b:y'); "
        "assert r.compatible; sys.exit('pyarrow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

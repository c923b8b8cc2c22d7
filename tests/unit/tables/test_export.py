"""Schemas in the forms that others read."""

import json
from importlib.resources import files

import frictionless as frictionless_itself
from jsonschema import Draft201909Validator

from cursus_sandbox.tables.export import arrow_text, frictionless, odcs
from cursus_sandbox.tables.schema import TableSchema
from cursus_sandbox.tables.synthetic import Recipe, write_table

SCHEMA = TableSchema.model_validate(
    {
        "fieldsMatch": "equal",
        "missingValues": ["", "NA"],
        "primaryKey": ["id", "day"],
        "glob": "*.csv",
        "fields": [
            {"name": "id", "type": "integer", "constraints": {"required": True, "unique": True, "minimum": 0}},
            {"name": "width", "arrow": "int32", "optional": True},
            {"name": "share", "type": "number", "constraints": {"exclusiveMaximum": 1.5, "finite": True}},
            {"name": "word", "type": "string", "constraints": {"minLength": 1, "pattern": "[a-z]+"}},
            {"name": "size", "type": "integer", "constraints": {"enum": [1, 2]}},
            {"name": "well", "type": "boolean"},
            {"name": "day", "type": "date", "constraints": {"minimum": "2020-01-01", "required": True}},
            {"name": "hour", "type": "time"},
            {"name": "moment", "type": "datetime", "constraints": {"maximum": "2030-01-01T00:00:00"}},
            {"name": "zoned", "arrow": "timestamp[us, tz=UTC]"},
            {"name": "price", "arrow": "decimal128(9, 2)"},
            {"name": "any"},
        ],
    }
)


def test_table_schema():
    """Table Schema v2.1: one word for `fieldsMatch`, a moment's bound with its time, and nothing that only we know."""
    said = frictionless(SCHEMA)
    fields = {one["name"]: one for one in said["fields"]}
    assert said["fieldsMatch"] == "equal"
    assert (said["primaryKey"], said["missingValues"]) == (["id", "day"], ["", "NA"])
    assert fields["share"] == {"name": "share", "type": "number", "constraints": {"exclusiveMaximum": 1.5}}
    assert fields["moment"]["constraints"] == {"maximum": "2030-01-01T00:00:00"}
    assert fields["width"] == {"name": "width", "type": "integer"}


def test_open_data_contract():
    """ODCS v3.1, in which times are types and exclusive bounds are numbers."""
    said = odcs(SCHEMA, name="flights")
    fields = {one["name"]: one for one in said["schema"][0]["properties"]}
    assert said["apiVersion"] == "v3.1.0"
    assert [fields[name]["logicalType"] for name in ("day", "hour", "moment", "any")] == [
        *("date", "time", "timestamp", "string")
    ]
    assert fields["share"]["logicalTypeOptions"] == {"exclusiveMaximum": 1.5}
    assert (fields["id"]["primaryKeyPosition"], fields["day"]["primaryKeyPosition"]) == (1, 2)


def test_arrow_text():
    """A line for each column, as pyarrow prints a schema."""
    assert arrow_text(SCHEMA).splitlines()[:3] == ["id: int64 not null", "width: int32", "share: double"]


def test_frictionless_takes_it(tmp_path):
    """Frictionless takes the schema in a package, and the data that keep it."""
    write_table(SCHEMA, tmp_path, Recipe(rows=10))
    resource = {"name": "rows", "path": "part-0.csv", "schema": frictionless(SCHEMA)}
    package = {"$schema": "https://datapackage.org/profiles/2.1/datapackage.json", "resources": [resource]}
    (tmp_path / "datapackage.json").write_text(json.dumps(package))
    report = frictionless_itself.validate(str(tmp_path / "datapackage.json"))
    assert report.valid, report.to_summary()


def test_the_standard_takes_it():
    """ODCS' own JSON Schema finds nothing wrong with a contract."""
    standard = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text())
    assert list(Draft201909Validator(standard).iter_errors(odcs(SCHEMA, name="flights"))) == []

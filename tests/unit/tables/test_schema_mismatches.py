"""Contract against contract."""

import pytest

from cursus_sandbox.tables import DataCompatibilityValidator, TableSchema, schema_mismatches


def schema(match="subset", /, **fields):
    return TableSchema.model_validate(
        {"fieldsMatch": match, "fields": [{"name": name, **keys} for name, keys in fields.items()]}
    )


ANY, INT, TEXT = {}, {"type": "integer"}, {"type": "string"}
REQUIRED, OPTIONAL = {"constraints": {"required": True}}, {"optional": True}


@pytest.mark.parametrize(
    ("producer", "consumer", "findings"),
    [
        (schema("subset", a=INT), schema(a=INT, b=INT), []),
        (schema("exact", a=INT), schema(a=INT, b=INT), [("missing_column", "error", "b")]),
        (schema("superset", a=INT), schema(b=INT), [("missing_column", "error", "b")]),
        (schema("exact", a=INT), schema(a=INT, b={**INT, **OPTIONAL}), []),
        (schema("equal", user_id=INT), schema(userId=INT), [("renamed_column", "error", "userId")]),
        (schema("equal", a=INT), schema("partial", a=INT, b=INT), []),
        (schema("equal", c=INT), schema("partial", a=INT, b=INT), [("missing_column", "error", None)]),
        (schema("subset", a=INT, c=INT), schema("exact", a=INT), [("extra_column", "error", "c")]),
        (schema("subset", a=INT, c=OPTIONAL), schema("exact", a=INT), []),
        (schema("exact", b=INT, a=INT), schema("exact", a=INT, b=INT), [("column_order", "error", None)]),
        (schema("equal", b=INT, a=INT), schema("exact", a=INT, b=INT), []),
        (schema(a=TEXT), schema(a=INT), [("type", "error", "a")]),
        (schema(a=ANY), schema(a=INT), []),
        (schema(a=INT), schema(a={"type": "number"}), []),
        (schema(a={"type": "number"}), schema(a=INT), [("type", "error", "a")]),
        (schema(a={"arrow": "int64"}), schema(a={"arrow": "int32"}), [("type", "error", "a")]),
        (schema(a={"arrow": "int64"}), schema(a={"arrow": "double"}), [("lossy", "warning", "a")]),
        (schema(a={"arrow": "double"}), schema(a=INT), [("type", "error", "a")]),
        (schema(a=INT), schema(a={"arrow": "int32"}), []),
        (schema(a=TEXT), schema(a={"arrow": "int32"}), [("type", "error", "a")]),
        (schema(a=INT), schema(a=REQUIRED), [("null", "warning", "a")]),
        (schema(a=REQUIRED), schema(a=REQUIRED), []),
        (schema(a=OPTIONAL), schema(a=ANY), [("missing_column", "warning", "a")]),
        (schema(a=OPTIONAL), schema(a=OPTIONAL), []),
        (TableSchema(), schema(a=INT), []),
        (schema("exact", a=INT), TableSchema(), []),
    ],
)
def test_only_what_can_be_proved(producer, consumer, findings):
    """A promise that can't be enough is an error, one that may not be a warning, and what isn't known no finding."""
    found = [(finding.kind, finding.severity, finding.column) for finding in schema_mismatches(producer, consumer)]
    assert found == findings


def test_report_at_plan_time():
    """The plan's report names both sides and says that no file was looked at."""
    report = DataCompatibilityValidator().check_schemas(
        schema(a=TEXT), schema(a=INT), data="prepare:rows", reader="train:rows", schema_from="contract 'Train'"
    )
    (finding,) = report.findings
    assert finding.message == "column 'a' is string; contract 'Train' asks for integer"
    assert (report.compatible, report.files, report.depth) == (False, 0, "schema against schema")

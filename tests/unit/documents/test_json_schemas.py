"""The published JSON Schemas: they take what is right, and find what an editor should underline."""

from pathlib import Path

import jsonschema
import pytest

from cursus_sandbox.documents.json_schemas import contract_schema, dag_schema
from cursus_sandbox.documents.reading import read_tree

ROOT = Path(__file__).parents[3]
DAG = jsonschema.Draft202012Validator(dag_schema())
CONTRACT = jsonschema.Draft202012Validator(contract_schema())


@pytest.mark.parametrize("validator", [DAG, CONTRACT], ids=["dag", "contract"])
def test_a_schema_is_one(validator):
    """Each is a JSON Schema of the dialect it names."""
    validator.check_schema(validator.schema)
    assert validator.schema["$schema"] == validator.META_SCHEMA["$id"]


def test_the_example_is_valid():
    """The example's document keeps to the schema."""
    assert list(DAG.iter_errors(read_tree(ROOT / "examples/xgboost/dag.yaml").content)) == []


@pytest.mark.parametrize("file", sorted((ROOT / "contracts").glob("*.step.yaml")), ids=lambda file: file.name)
def test_the_shipped_contracts_are_valid(file):
    """The shipped contracts keep to the schema."""
    assert list(CONTRACT.iter_errors(read_tree(file).content)) == []


def test_short_forms():
    """What a document may write shorter is valid, too."""
    written = {"contracts": "steps", "timeout": "15m", "memory": 1024, "env": {"A": 1}, "config": "config.json"}
    steps = {"a": None, "b": {"depends_on": "a", "inputs": {"x": "a:y"}, "outputs": {"y": "./y"}, "timeout": 90}}
    assert list(DAG.iter_errors({**written, "steps": steps})) == []
    assert list(DAG.iter_errors({"dag": "x.dag.json", "steps": None})) == []
    objects = {"s3": "s3://bucket/x", "max_objects": 3, "max_bytes": "1g", "anonymous": True}
    steps = {"a": {"inputs": {"x": objects, "y": {"synthetic": None}, "z": {"manifest": "m.json"}}}}
    assert list(DAG.iter_errors({"s3": {"endpoint_url": "http://x", "prefix": "s3://bucket"}, "steps": steps})) == []


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"stesp": {}}, []),
        ({"steps": {"a": {"imge": "x"}}}, ["steps", "a"]),
        ({"steps": {"a": {"env": {"A": True}}}}, ["steps", "a"]),
        ({"steps": {"a": {"inputs": {"x": {"path": "y"}}}}}, ["steps", "a"]),
        ({"steps": {"a": {"inputs": {"x": {"s3": "/x"}}}}}, ["steps", "a"]),
        ({"s3": {"max_object": 3}}, ["s3"]),
        ({"timeout": []}, ["timeout"]),
        ({"steps": ["a"]}, ["steps"]),
    ],
)
def test_documents_that_are_wrong(content, place):
    """Unknown keys and values of another kind are found where they are."""
    [error] = DAG.iter_errors(content)
    assert list(error.absolute_path) == place


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"step_type": None}, ["step_type"]),
        ({"contract": None}, ["contract"]),
        ({"contract": {"inputs": {"a": {"path": "/tmp"}}}}, ["contract", "inputs"]),
        ({"contract": {"outputs": {"a": {"schema": {"feilds": []}}}}}, ["contract", "outputs"]),
        ({"contract": {"job_arguments": [{"flag": "job"}]}}, ["contract", "job_arguments"]),
        ({"spec": {"outputs": {"a": {"aliases": "b"}}}}, ["spec"]),
        ({"variants": {"testing": {"spec": []}}}, ["variants"]),
    ],
)
def test_contracts_that_are_wrong(change, place):
    """What is wrong in a contract is found in its section; what Cursus may have besides is no error."""
    content = {"step_type": "A", "contract": {"future": 1}, "patterns": None, "future": {"a": 1}}
    assert list(CONTRACT.iter_errors(content)) == []
    errors = list(CONTRACT.iter_errors({**content, **change}))
    assert errors
    assert all(list(error.absolute_path)[: len(place)] == place for error in errors)

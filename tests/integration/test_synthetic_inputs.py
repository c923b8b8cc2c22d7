"""Runs on data that nobody has: made up from the schemas, on every engine."""

import tarfile

import pytest
from small_pipeline import succeeded

import cursus_sandbox
from cursus_sandbox import DocumentError
from cursus_sandbox.pipeline.source import Synthetic

SCHEMA = {"rows": {"fields": [{"name": "id", "type": "integer"}, {"name": "late", "type": "integer"}], "glob": "*.csv"}}
READS = "files = tree(IN / 'rows'); say(f\"{files} {len((IN / 'rows' / files[0]).read_text().splitlines())}\")"


def test_a_first_step_reads_made_up_rows(anywhere):
    """A required input without a source is made up, in the format its schema's glob names."""
    wants = {"rows": {"required": True}}
    anywhere.step("first", READS, inputs=wants, schemas=SCHEMA)
    result = succeeded(anywhere.run(data_source=Synthetic(rows=12)))
    left = result.step_results["first"].outputs["out"] / "said"
    assert left.read_text() == "['part-0.csv'] 13"


def test_an_input_of_the_document(small):
    """A document may ask for it itself, for one input."""
    asks = {"inputs": {"rows": {"synthetic": {"rows": 3, "seed": 5}}}, "schemas": SCHEMA}
    small.step("first", READS, inputs={"rows": {"required": True}})
    small.steps["first"] = asks
    assert (succeeded(small.run()).step_results["first"].outputs["out"] / "said").read_text() == "['part-0.csv'] 4"


@pytest.mark.parametrize(
    ("schemas", "said"),
    [
        ({}, "is synthetic, and it has no schema to make data from"),
        ({"rows": {"fields": [{"name": "x", "arrow": "month_day_nano_interval"}]}}, "column 'x': no data can be made"),
    ],
)
def test_what_cannot_be_made_up(small, schemas, said):
    """An input that can't be made up is an error of the document, and nothing is started."""
    small.step("first", READS, inputs={"rows": {"required": True}})
    small.steps["first"] = {"inputs": {"rows": {"synthetic": None}}, "schemas": schemas}
    with pytest.raises(DocumentError, match=said):
        small.run()
    assert not small.workspace.exists()


def test_a_channel_like_another_one_with_splits(small):
    """A channel like one that is in splits has its key, whatever splits it has itself: they can be joined."""
    code = {"name": "code", "type": "string", "constraints": {"pattern": "[A-Z]{2}[0-9]{4}", "required": True}}
    fields = [code, {"name": "label", "type": "integer", "constraints": {"required": True}}]
    rows = {"splits": ["train", "val"], "glob": "*.csv", "primaryKey": "code", "fields": fields}
    score = {"like": {"channel": "rows", "minus": ["label"]}, "splits": ["test"], "glob": "*.csv"}
    script = """
codes = lambda file: [line.split(',')[0] for line in (IN / file).read_text().splitlines()]
say(f"{codes('rows/train/part-0.csv') == codes('rows/val/part-0.csv') == codes('score/test/part-0.csv')}")
"""
    asked = {"rows": {"required": True, "schema": rows}, "score": {"required": True, "schema": score}}
    small.step("first", script, inputs=asked)
    result = succeeded(small.run(data_source=Synthetic(rows=50)))
    assert (result.step_results["first"].outputs["out"] / "said").read_text() == "True"


def test_the_label_that_a_hyperparameter_names(small):
    """The label that a training step's hyperparameters name is known, however they are written."""
    a, late = {"name": "a", "type": "number"}, {"name": "late", "type": "integer"}
    rows = {"path": "/opt/ml/input/data/rows", "required": True, "schema": {"glob": "*.csv", "fields": [a, late]}}
    model = {"model": {"path": "/opt/ml/model"}}
    script = "(ML / 'model/rows.csv').write_text((ML / 'input/data/rows/part-0.csv').read_text())"
    for name, how in (("plain", "plain"), ("json", "json")):
        told = {"hyperparameters": {"label_name": "late"}, "hyperparameter_encoding": how}
        small.step(name, script, inputs={"rows": rows}, outputs=model, kind="Training", **told)
    small.step("unsaid", script, inputs={"rows": rows}, outputs=model, kind="Training")
    result = succeeded(small.run(data_source=Synthetic(rows=50)))
    labels = {}
    for name, step in result.step_results.items():
        with tarfile.open(step.outputs["model"] / "model.tar.gz") as archive:
            lines = archive.extractfile("rows.csv").read().decode().splitlines()[1:]
        labels[name] = {line.split(",")[1] for line in lines}
    assert labels["plain"] == labels["json"] == {"0", "1"} != labels["unsaid"]


def test_an_unknown_data_source(small):
    """A data source that isn't known is named with those there are."""
    small.step("first")
    with pytest.raises(DocumentError, match=r"no data source 'sythetic'(.|\n)*There is: local"):
        cursus_sandbox.run(small.document, data_source="sythetic", workspace=small.workspace)

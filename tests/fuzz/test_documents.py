"""Whatever becomes of a document's text, reading it gives a value or a DocumentError that names the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import FRAGMENTS, fuzzed, mutations

from cursus_sandbox.documents import read_config, read_contract
from cursus_sandbox.errors import DocumentError
from cursus_sandbox.planning import PipelineDAGResolver

CONTRACT = """\
step_type: Train
registry: {sagemaker_step_type: Training}
contract:
  entry_point: train.py
  source_dir: true
  inputs:
    input_path: {path: /opt/ml/input/data, required: true, channels: [train, val]}
    settings: {path: /opt/ml/code/settings.json, required: false}
  outputs:
    model:
      path: /opt/ml/model
      schema:
        fields: [{name: a, type: integer, constraints: {required: true}}, {name: b, arrow: int64}]
        fieldsMatch: subset
        glob: "**/*.parquet"
  job_arguments: [{flag: --job_type, source: job_type}]
  arguments: {rounds: "10"}
  env_vars: {required: [LABEL], optional: {ROUNDS: "10"}}
  skip_inputs: [settings]
spec:
  dependencies: {input_path: {compatible_sources: [Load]}, settings: {type: hyperparameters}}
  outputs: {model: {aliases: [artifacts]}}
variants:
  b: {spec: {dependencies: {settings: {required: true}}, outputs: {model: {aliases: [others]}}}}
"""
CONFIG = """\
{"metadata": {"config_types": {"Train_a": "TrainConfig", "Base": "BasePipelineConfig"}},
 "configuration": {"shared": {"region": "NA", "author": "me", "processing_instance_count": 1},
  "specific": {"Train_a": {"__model_type__": "TrainConfig", "job_type": "a", "label_name": "late", "rounds": 10,
    "hyperparameters": {"eta": 0.1, "tree": [1, 2.5, null, true]}, "env": {"DEPTH": "6"},
    "training_entry_point": "train.py", "max_runtime_seconds": 3600},
   "Base": {"bucket": "b", "pipeline_version": "1.0"}}}}
"""
LOAD = "step_type: Load\ncontract: {entry_point: load.py, outputs: {rows: {path: /opt/ml/processing/output}}}\n"
DOCUMENT = """\
name: mine
source_dir: .
contracts: [contracts]
timeout: 15m
memory: 2g
env: &env {LABEL: late, ROUNDS: 10}
steps:
  Load:
    outputs: {rows: .}
  Train_a:
    depends_on: [Load]
    inputs: {input_path: "Load:rows"}
    env: {<<: *env, DEPTH: "6"}
    hyperparameters: {eta: 0.10, names: [a, b], deep: {er: null}}
    resources: {cpus: 1.5, memory: 512m}
    schemas: {input_path: {fields: [{name: a, type: integer}]}}
    arguments: {job_type: a}
    retries: 1
    skip: false
"""
JSON = """\
{"dag": {"nodes": ["Load", "Train_a", "Train_b"],
  "edges": [["Load", "Train_a"], ["Load", "Train_b"]]},
 "metadata": {"name": "x", "cost": {"a": 1e5, "b": [true, null, -0.5]}, "text": "\\u00e9\\ud83d\\ude00 \\" \\\\"}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two contracts and a graph."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "contracts").mkdir()
    (folder / "contracts" / "train.step.yaml").write_text(CONTRACT)
    (folder / "contracts" / "load.step.yaml").write_text(LOAD)
    (folder / "x.dag.json").write_text(JSON)
    return folder


def check(file, content, read):
    """Read the content as that file: nothing but a DocumentError that names it, or one beside it, may come of it."""
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    try:
        read(file)
    except DocumentError as error:
        assert str(file.parent) in str(error)  # noqa: PT017 -- a value is as good
        assert "Traceback" not in str(error)  # noqa: PT017


def test_the_documents_are_well(folder):
    """Before any accident, all three documents are read, and the first makes a plan."""
    (folder / "dag.yaml").write_text(DOCUMENT)
    assert read_contract(folder / "contracts" / "train.step.yaml").step_type == "Train"
    assert (
        PipelineDAGResolver(folder / "dag.yaml")
        .create_execution_plan()
        .step_configs["Train_a"]
        .hyperparameters["names"]
        == "['a', 'b']"
    )
    with pytest.raises(DocumentError, match="needs the environment variable LABEL"):
        PipelineDAGResolver(folder / "x.dag.json", contracts=[folder / "contracts"]).create_execution_plan()


@fuzzed
@given(content=mutations(DOCUMENT))
def test_any_document(folder, content):
    """A document of ours after any accident gives a plan or a DocumentError."""
    check(folder / "dag.yaml", content, lambda file: PipelineDAGResolver(file).create_execution_plan(runnable=True))


@fuzzed
@given(content=mutations(CONTRACT))
def test_any_contract(folder, content):
    """A contract after any accident is read or refused."""
    check(folder / "any.step.yaml", content, read_contract)


@fuzzed
@given(content=mutations(JSON))
def test_any_json(folder, content):
    """A Cursus graph after any accident gives a plan or a DocumentError."""
    contracts = [folder / "contracts"]
    check(
        folder / "any.dag.json",
        content,
        lambda file: PipelineDAGResolver(file, contracts=contracts).create_execution_plan(),
    )


@fuzzed
@given(content=st.text(st.characters(codec="utf-8"), max_size=60) | st.lists(FRAGMENTS, max_size=12).map("".join))
def test_any_text(folder, content):
    """Any text at all, as YAML or as JSON, gives a plan or a DocumentError."""
    for name in ("any.yaml", "any.json"):
        check(folder / name, content, lambda file: PipelineDAGResolver(file).create_execution_plan())


@fuzzed
@given(content=mutations(CONFIG))
def test_any_configuration(folder, content):
    """Cursus' configuration after any accident gives a plan or a DocumentError."""
    (folder / "well.yaml").write_text(DOCUMENT)
    check(folder / "any-config.json", content, read_config)
    check(
        folder / "any-config.json",
        content,
        lambda file: PipelineDAGResolver(folder / "well.yaml", config_path=file).create_execution_plan(),
    )

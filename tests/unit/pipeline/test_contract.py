"""Contracts whose channels would get into each other's way."""

import re

import pytest
from pydantic import ValidationError
from small import IN, OUT, contract

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.interface import contract_fields


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        ({}, {"a": OUT, "b": OUT}, "output 'a' and output 'b' share the path"),
        ({}, {"a": OUT, "b": f"{OUT}/b"}, "output 'a' (/opt/ml/processing/output) holds output 'b'"),
        ({"a": f"{IN}/a", "b": f"{IN}/a"}, {}, "input 'a' and input 'b' share the path"),
        ({"a": OUT}, {"b": OUT}, "input 'a' and output 'b' share the path"),
        ({"a": f"{OUT}/a"}, {"b": OUT}, "output 'b' (/opt/ml/processing/output) holds input 'a'"),
        ({}, {"a": "/opt/ml/output"}, "output 'a' lies at /opt/ml/output, the place of the step's messages"),
        ({}, {"a": "/opt/ml/input"}, "holds the job's settings (/opt/ml/input/config)"),
        ({"a": "/opt/ml/input/config"}, {}, "input 'a' lies at /opt/ml/input/config"),
        ({}, {"a": "/opt/ml/config"}, "output 'a' lies at /opt/ml/config, the place of the job's settings"),
        ({}, {"a": "/opt/ml/code"}, "output 'a' lies at /opt/ml/code, the place of the code"),
        ({}, {"a": "/opt/ml/processing"}, "holds the code (/opt/ml/processing/input/code)"),
    ],
)
def test_paths_that_overlap(inputs, outputs, says):
    """Channels that share a folder, or an output that holds something else, are refused with both names."""
    with pytest.raises(ValidationError, match=re.escape(says)):
        contract("Odd", inputs, outputs)


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs"),
    [
        ("Processing", {"all": IN, "model": f"{IN}/model_artifacts"}, {"a": f"{OUT}/a", "b": f"{OUT}/b"}),
        ("Processing", {"code": f"{IN}/code", "more": f"{IN}/code/more"}, {}),
        ("Processing", {"settings": "/opt/ml/code/hyperparams"}, {"extra": "/opt/ml/output/data"}),
        ("Training", {"input_path": "/opt/ml/input/data", "m": "/opt/ml/input/data/m"}, {"model": "/opt/ml/model"}),
        ("Training", {"seen": "/opt/ml/input/config/seen.json"}, {"state": "/opt/ml/checkpoints"}),
    ],
)
def test_paths_that_may_be(kind, inputs, outputs):
    """Inputs may lie in one another, at the code's path and in it."""
    assert contract("Fine", inputs, outputs, sagemaker_step_type=kind).entry_point == "script.py"


def test_an_input_where_another_fans_out():
    """A training channel that two inputs would make is refused."""
    inputs = {"input_path": "/opt/ml/input/data", "mine": "/opt/ml/input/data/val"}
    with pytest.raises(
        ValidationError, match="input 'input_path' and input 'mine' share the path /opt/ml/input/data/val"
    ):
        contract("Fit", inputs, sagemaker_step_type="Training")


@pytest.mark.parametrize("name", ["/script.py", "../script.py", "a/../../script.py"])
def test_entry_point_stays_in_its_folder(name):
    """An entry point is a file of its source folder."""
    with pytest.raises(ValidationError, match="relative to its source folder"):
        contract("Odd", entry_point=name)


def test_fields_of_a_cursus_tree():
    """The sections of a Cursus interface become one contract; its unknown keys, and ports without paths, are fine."""
    tree = {
        "step_type": "Score",
        "node_type": "internal",
        "registry": {"sagemaker_step_type": "Processing", "description": "…"},
        "compute": {"kind": "framework", "sdk_class": "SKLearn"},
        "contract": {
            "entry_point": "score.py",
            "source_dir": True,
            "inputs": {"model": {"path": f"{IN}/model", "required": True}, "uri": {"path": None, "required": False}},
            "outputs": {"scores": {"path": OUT}},
            "env_vars": {"required": ["KEY"], "optional": {"MODE": "fast"}},
            "job_arguments": [{"flag": "--job_type", "source": "job_type"}],
            "input_source_overrides": {"uri": "get_uri"},
            "skip_inputs": ["model"],
        },
        "spec": {
            "dependencies": {"model": {"compatible_sources": ["Train"]}},
            "outputs": {"scores": {"aliases": ["rows"]}},
        },
    }
    read = contract("Score", **{key: value for key, value in contract_fields(tree).items() if key != "step_type"})
    assert (read.kind, read.entry_point, read.source_dir) == (StepKind.PROCESSING, "score.py", True)
    assert read.sdk_class == "SKLearn"
    assert read.inputs["model"].compatible_sources == ("Train",)
    assert read.outputs["scores"].aliases == ("rows",)
    assert (read.required_env_vars, read.optional_env_vars) == (("KEY",), {"MODE": "fast"})
    assert (read.local_inputs, read.unmounted_inputs) == ({"uri": "get_uri"}, {"model"})
    assert read.paths_of("uri") == ()


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("Processing", StepKind.PROCESSING),
        ("Training", StepKind.TRAINING),
        ("CreateModel", StepKind.MODEL),
        ("Transform", StepKind.TRANSFORM),
        ("RegisterModel", StepKind.NOTHING_TO_RUN),
        ("MimsModelRegistrationProcessing", StepKind.NOTHING_TO_RUN),
    ],
)
def test_kinds(verb, kind):
    """Processing, training, models and transforms are followed; other verbs are calls to AWS."""
    assert contract("Any", sagemaker_step_type=verb).kind is kind

"""What a configuration makes of a step's environment, arguments, job type and script, and what goes before it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import contract, pipeline

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.cursus_config import CursusConfigs
from cursus_sandbox.pipeline.resolver import Resolver

JOB_TYPE = [{"flag": "--job_type", "source": "job_type"}]


def planned(values, *, step_type="Fit", name=None, shared=None, step=None, pipeline_env=None, **fields):
    """One step, planned with a configuration of its name."""
    name = name or step_type
    made = Resolver(
        pipeline({name: step or {}}, env=pipeline_env or {}),
        contracts={step_type: contract(step_type, **fields)},
        available_configs=CursusConfigs.of({name: values}, shared=shared),
    )
    (one,) = made.create_execution_plan().steps
    return one


def environment(values, *declared, **more):
    """The variables and their values, of a contract that declares some."""
    one = planned(values, optional_env_vars=dict.fromkeys(declared, "default"), **more)
    return {name: setting.value for name, setting in one.environment.items()}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (0.5, "0.5"),
        (["a", 1, True], "a,1,True"),
        ([], ""),
        ({"a": [1]}, '{"a": [1]}'),
        (None, "default"),
        ({"__type_info__": "list", "value": ["a", {"__model_type__": "X"}]}, "a,{}"),
        ({"__type_info__": "Path", "value": "there"}, "there"),
        ({"__model_type__": "Inner", "a": 1}, '{"a": 1}'),
    ],
)
def test_values_as_text(value, expected):
    """A value becomes the text that Cursus makes of it; what is null leaves the contract's default."""
    assert environment({"some_name": value}, "SOME_NAME") == {"SOME_NAME": expected}


def test_where_values_come_from():
    """A variable is the value of its name, else of its name among the hyperparameters; each says where it stands."""
    values = {"one": 1, "hyperparameters": {"__model_type__": "X", "one": 2, "two": 2}}
    one = planned(
        values, shared={"region": "NA"}, optional_env_vars={"ONE": "0", "TWO": "0", "REGION": "EU", "OTHER": "0"}
    )
    assert {name: (setting.value, setting.origin) for name, setting in one.environment.items()} == {
        "ONE": ("1", "config: Fit.one"),
        "TWO": ("2", "config: Fit.hyperparameters.two"),
        "REGION": ("NA", "config: shared.region"),
        "OTHER": ("0", "contract"),
    }


def test_only_what_is_declared():
    """A value that no variable of the contract is named after is not passed on."""
    assert environment({"label_name": "late", "role": "arn"}, "LABEL_FIELD") == {"LABEL_FIELD": "late"}


def test_required_variables():
    """A required variable that the configuration has is no problem."""
    assert planned({"id_name": "order"}, required_env_vars=["ID_FIELD"]).environment["ID_FIELD"].value == "order"
    with pytest.raises(DocumentError, match="ID_FIELD"):
        planned({"other": 1}, required_env_vars=["ID_FIELD"])


BOTH = {"label_name": "of name", "label_field": "of field"}


@pytest.mark.parametrize(
    ("step_type", "variable", "values", "expected"),
    [
        ("TabularPreprocessing", "LABEL_FIELD", BOTH, "of name"),
        ("TabularPreprocessing", "LABEL_FIELD", {"label_field": "of field"}, "of field"),
        ("ModelCalibration", "LABEL_FIELD", BOTH, "of field"),
        ("PseudoLabelMerge", "LABEL_FIELD", BOTH, "of field"),
        ("ActiveSampleSelection", "LABEL_FIELD", BOTH, "of field"),
        ("ModelCalibration", "LABEL_FIELD", {"label_name": "of name"}, "default"),
        ("XGBoostModelEval", "ID_FIELD", {"id_name": "order"}, "order"),
        ("PseudoLabelMerge", "ID_FIELD", {"id_field": "order"}, "order"),
        ("XGBoostTraining", "LABEL_FIELD", {"hyperparameters": {"label_name": "late"}}, "late"),
        ("Payload", "CONTENT_TYPES", {"source_model_inference_content_types": ["text/csv", "x/y"]}, "text/csv,x/y"),
        ("Payload", "FIELD_DEFAULTS", {"field_defaults": {}}, "default"),
        ("Payload", "FIELD_DEFAULTS", {"field_defaults": {"a": "b"}}, '{"a": "b"}'),
        ("ModelWikiGenerator", "MODEL_VERSION", {"pipeline_version": "1.2"}, "1.2"),
        ("Package", "BUCKET_NAME", {"bucket": "mine"}, "mine"),
        ("ModelCalibration", "MULTICLASS_CATEGORIES", {"multiclass_categories": [0, "a"]}, '[0, "a"]'),
        ("ModelCalibration", "MULTICLASS_CATEGORIES", {"multiclass_categories": [0], "is_binary": True}, "default"),
        ("XGBoostTraining", "USE_SECURE_PYPI", {"use_secure_pypi": False}, "false"),
        ("XGBoostTraining", "CA_REPOSITORY_ARN", {"ca_repository_arn": "a", "use_secure_pypi": False}, "default"),
        ("XGBoostTraining", "CA_REPOSITORY_ARN", {"ca_repository_arn": "a", "use_secure_pypi": True}, "a"),
        ("XGBoostTraining", "REGION", {"region": "FE"}, "FE"),
        ("EdxUploading", "AWS_DEFAULT_REGION", {"aws_region": "eu-west-1"}, "eu-west-1"),
        ("EdxUploading", "EDX_DATASET_ARN", {"edx_arn_base": "arn:x"}, "arn:x"),
        (
            "EdxUploading",
            "EDX_DATASET_ARN",
            {"edx_provider": "p", "edx_subject": "s", "edx_dataset": "d"},
            "arn:amazon:edx:iad::manifest/p/s/d",
        ),
        ("EdxUploading", "EDX_DATASET_ARN", {"edx_arn": 'arn:e::manifest/p/s/d/["k"]'}, "arn:e::manifest/p/s/d"),
        ("EdxUploading", "EDX_MANIFEST_KEY", {"edx_arn": 'arn:e::manifest/p/s/d/["k"]'}, "k"),
        ("EdxUploading", "EDX_MANIFEST_KEY", {"edx_manifest_key": "mine", "edx_arn": "arn:e::m/p/s/d/k"}, "mine"),
        ("EdxUploading", "EDX_OUTPUT_COLUMNS", {"edx_output_columns": ["a", "b"]}, '["a", "b"]'),
        ("EdxUploading", "EDX_MANIFEST_KEY_PARTS", {"edx_manifest_key_parts": None}, "default"),
    ],
)
def test_exceptions(step_type, variable, values, expected):
    """Where Cursus' classes take a variable from elsewhere, or write it in another way, it is done as there."""
    assert environment(values, variable, step_type=step_type) == {variable: expected}


def test_variables_a_configuration_names_itself():
    """What Cursus has already derived goes before the rules, and `env` before all; both name variables of their own."""
    values = {
        "first": "rule",
        "second": "rule",
        "third": "rule",
        "bedrock_environment_variables": {"SECOND": "derived", "THIRD": "derived", "MORE": "derived", "NONE": None},
        "env": {"THIRD": 3, "OWN": True},
    }
    assert environment(values, "FIRST", "SECOND", "THIRD") == {
        "FIRST": "rule",
        "SECOND": "derived",
        "THIRD": "3",
        "MORE": "derived",
        "OWN": "true",
    }
    origins = planned(values, optional_env_vars={"THIRD": ""}).environment
    assert origins["THIRD"].origin == "config: Fit.env.THIRD"
    assert origins["MORE"].origin == "config: Fit.bedrock_environment_variables.MORE"


SAYS = st.sets(st.sampled_from(["contract", "shared", "value", "env", "pipeline", "step"]))


@given(SAYS)
def test_precedence(says):
    """Of all that may set a variable the last counts: contract, configuration, its `env`, pipeline, step."""
    values = ({"name": "value"} if "value" in says else {}) | ({"env": {"NAME": "env"}} if "env" in says else {})
    one = planned(
        values,
        shared={"name": "shared"} if "shared" in says else {},
        optional_env_vars={"NAME": "contract"} if "contract" in says else {},
        required_env_vars=[] if "contract" in says or not says else ["NAME"],
        pipeline_env={"NAME": "pipeline"} if "pipeline" in says else {},
        step={"env": {"NAME": "step"} if "step" in says else {}},
    )
    order = ["contract", "shared", "value", "env", "pipeline", "step"]
    last = max(says, key=order.index, default=None)
    assert {name: setting.value for name, setting in one.environment.items()} == ({"NAME": last} if last else {})
    if last:
        expected = {"shared": "config: shared.name", "value": "config: Fit.name", "env": "config: Fit.env.NAME"}
        assert one.environment["NAME"].origin == expected.get(last, last)


@pytest.mark.parametrize(
    ("value", "noted"),
    [
        ("/home/somebody/x.json", True),
        ("~/x", True),
        ("s3://bucket/x", True),
        ("C:\\x", True),
        ("/opt/ml/code/x.json", False),
        ("/optional", True),
        ("text/csv", False),
        ("folder/file", False),
        ("a: b", False),
        ("/", False),
    ],
)
def test_paths_of_other_machines(value, noted):
    """A path of another machine is passed on as it would be there, and noted; it is never a source folder."""
    one = planned(
        {"where": value, "source_dir": "/home/somebody", "effective_source_dir": "x"}, optional_env_vars={"WHERE": ""}
    )
    assert one.environment["WHERE"].value == value
    assert one.source_dir is None
    assert one.notes == ((f"WHERE={value} (config: Fit.where) is no place of this machine",) if noted else ())


@pytest.mark.parametrize(
    ("step_type", "suffix", "step", "values", "expected"),
    [
        ("TabularPreprocessing", "", {}, {}, None),
        ("TabularPreprocessing", "", {}, {"job_type": "testing"}, "testing"),
        ("TabularPreprocessing", "_training", {}, {"job_type": "testing"}, "training"),
        ("TabularPreprocessing", "_training", {"job_type": "validation"}, {"job_type": "testing"}, "validation"),
        ("XGBoostModelEval", "", {}, {}, "calibration"),
        ("PyTorchModelInference", "", {}, {}, "calibration"),
        ("ModelCalibration", "", {}, {}, "calibration"),
        ("ModelMetricsComputation", "", {}, {"job_type": None}, "calibration"),
        ("ModelMetricsComputation", "_training", {}, {}, "training"),
        ("RiskTableMapping", "", {}, {}, "training"),
        ("XGBoostTraining", "", {}, {}, None),
    ],
)
def test_job_type(step_type, suffix, step, values, expected):
    """The job type is the document's, else the name's, else the configuration's, else what Cursus gives the type."""
    one = planned(values, step_type=step_type, name=step_type + suffix, step=step, job_arguments=JOB_TYPE)
    assert one.job_type == expected
    assert one.arguments == (("--job_type", expected) if expected else ())


def test_job_type_without_a_configuration():
    """The job type that Cursus gives a step type needs no configuration."""
    made = contract("XGBoostModelEval", job_arguments=JOB_TYPE)
    plan = Resolver(pipeline({"XGBoostModelEval": {}}), contracts={made.step_type: made})
    assert plan.create_execution_plan().steps[0].arguments == ("--job_type", "calibration")


def test_arguments():
    """A flag's value is the document's, else the configuration's; it is left out while neither has one."""
    flags = [{"flag": f"--{name}", "source": name} for name in ("size", "deep", "names", "other")]
    values = {"size": 5, "deep": True, "names": ["a", "b"], "other": None}
    assert planned(values, job_arguments=flags).arguments == ("--size", "5", "--deep", "true", "--names", "a,b")
    given_size = planned(values, job_arguments=flags, step={"arguments": {"size": "7"}}).arguments
    assert given_size[:2] == ("--size", "7")
    assert planned(values, job_arguments=flags, step={"arguments": []}).arguments == ()


@pytest.mark.parametrize(
    ("values", "step", "script", "noted"),
    [
        ({"processing_entry_point": "own.py"}, {}, "own.py", 0),
        ({"training_entry_point": "own.py"}, {}, "own.py", 0),
        ({"processing_entry_point": "own.py"}, {"entry_point": "mine.py"}, "mine.py", 0),
        ({"processing_entry_point": "/home/somebody/own.py"}, {}, "script.py", 1),
        ({"processing_entry_point": "scripts/own.py"}, {}, "script.py", 1),
        ({"processing_entry_point": "own.sh"}, {}, "script.py", 1),
        ({"processing_entry_point": None, "script_path": "/x/own.py"}, {}, "script.py", 0),
    ],
)
def test_scripts(values, step, script, noted):
    """A configuration's script is taken where the document names none, if it is a file name; else it is noted."""
    one = planned(values, step=step)
    assert (one.entry_point, len(one.notes)) == (script, noted)


def test_a_script_makes_a_step_runnable():
    """A contract without a script runs the one that the configuration names."""
    assert planned({"processing_entry_point": "own.py"}, entry_point=None).runs
    assert not planned({}, entry_point=None).runs


def test_hyperparameters_are_not_passed():
    """Cursus ships hyperparameters in the source folder, so those of a configuration are no options of the job."""
    one = planned({"hyperparameters": {"depth": 3}}, sagemaker_step_type="Training")
    assert (one.hyperparameters, one.arguments) == ({}, ())


def test_values_for_processing_alone():
    """What processing steps share holds for them alone, under their own values and over what all share."""
    configs = CursusConfigs.of(
        {"Fit": {}, "Split": {}},
        shared={"a": "all", "b": "all"},
        processing_shared={"a": "processing"},
    )
    declared = {"optional_env_vars": {"A": "", "B": ""}}
    made = Resolver(
        pipeline({"Fit": {}, "Split": {}}),
        contracts={
            "Fit": contract("Fit", sagemaker_step_type="Training", **declared),
            "Split": contract("Split", **declared),
        },
        available_configs=configs,
    ).create_execution_plan()
    assert {name: setting.value for name, setting in made.step_configs["Fit"].environment.items()} == {
        "A": "all",
        "B": "all",
    }
    setting = made.step_configs["Split"].environment["A"]
    assert (setting.value, setting.origin) == ("processing", "config: processing_shared.a")

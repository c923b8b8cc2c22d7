"""Keys of a contract file that are likely a slip are told with their line; Cursus' others are left alone."""

import pytest

from cursus_sandbox import DocumentError, PipelineDAG, check, plan
from cursus_sandbox.documents import ContractLibrary, library_of, read_contract

# Every key that Cursus' own interfaces have, those that nothing here reads among them.
ALL_KEYS = """\
step_type: Train
node_type: internal
registry: {sagemaker_step_type: Training, description: d, requires: none, config_class: TrainConfig}
patterns: {step_assembly: two_pass, direct_input_keys: [a], include_job_type_in_path: true}
compute:
  {kind: estimator, framework_version_field: a, framework_version_default: b, sdk_class: c, py_version_field: d,
   lock_training_region: true, image_uri_field: e, container_entrypoint: [f], retrieve_image: true, framework_name: g,
   kms_network: true, requires: h, network_mode: i, subnets_field: j, security_group_ids_field: k}
contract:
  entry_point: a.py
  description: d
  source_dir: true
  include_job_type_in_path: true
  input_source_overrides: {}
  circular_ref_check: true
  runtime_requires: a
  skip_inputs: []
  output_path_token: a
  sink: false
  computed_env_paths: {A: a}
  framework_requirements: {pandas: ">=1"}
  inputs: {data: {path: /opt/ml/input/data, required: true, channels: [train]}}
  outputs: {model: {path: /opt/ml/model}}
  arguments: {}
  job_arguments: [{flag: --job_type, source: job_type}]
  env_vars: {required: [], optional: {}}
spec:
  dependencies:
    data: {type: a, data_type: S3Uri, required: true, compatible_sources: [], semantic_keywords: [], description: d}
  outputs:
    model: {type: a, property_path: p, data_type: S3Uri, aliases: [], semantic_keywords: [], description: d}
variants:
  testing: {step_type: Train, spec: {dependencies: {data: {semantic_keywords: [a]}}, outputs: {model: {type: a}}}}
"""


@pytest.fixture
def contract(tmp_path):
    """The file of a contract with this text."""

    def written(text):
        file = tmp_path / "train.step.yaml"
        file.write_text(text)
        return file

    return written


def test_all_keys_of_cursus_are_silent(contract):
    """No key that Cursus' own files have is taken for a slip."""
    assert read_contract(contract(ALL_KEYS)).slips == ()


def test_shipped_contracts_are_silent():
    """Nor is any in the contracts that are shipped."""
    library = library_of()
    assert [one.slips for one in library.contracts(library.step_types).values() if one.slips] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("variants:", "varients:"),
        ("  source_dir:", "  source_dirr:"),
        ("  env_vars:", "  env_var:"),
        ("  job_arguments:", "  job_argument:"),
        ("  dependencies:", "  dependancies:"),
        ("config_class:", "config_clas:"),
        ("step_assembly:", "step_asembly:"),
        ("channels:", "chanels:"),
        ("aliases:", "aliasses:"),
        ("flag:", "flags:"),
        ("compatible_sources:", "compatible_source:"),
    ],
)
def test_a_key_that_is_nearly_another(contract, right, wrong):
    """A key that is nearly one that is read there is told with its line and what was meant, whatever its level."""
    text = ALL_KEYS.replace(right, wrong, 1)
    line = text[: text.index(wrong)].count("\n") + 1
    file = contract(text)
    try:
        slips = read_contract(file).slips
    except DocumentError as error:  # without that key the contract is wrong: said along with it
        slips = error.problems
    (slip,) = [one for one in slips if "not known here" in one.what]
    assert (slip.file, slip.line) == (file, line)
    assert f"'{wrong.strip()[:-1]}' is not known here" in slip.what
    assert slip.hint == f"Did you mean '{right.strip()[:-1]}'?"


@pytest.mark.parametrize(
    ("before", "wrong", "read"),
    [
        ("spec:", "schemas: {data: {fields: []}}", "contract.inputs.CHANNEL.schema or contract.outputs.CHANNEL.schema"),
        ("  arguments:", "  schema: {fields: []}", "contract.inputs.CHANNEL.schema or contract.outputs.CHANNEL.schema"),
        ("spec:", "env_vars: {required: [A]}", "contract.env_vars"),
        ("  outputs:\n    model: {type", "  inputs: {}", "contract.inputs"),
    ],
)
def test_a_key_in_a_wrong_place(contract, before, wrong, read):
    """A key that says what is run or checked is told, with where it is read, if it is written where it isn't."""
    text = ALL_KEYS.replace(before, f"{wrong}\n{before}", 1)
    (slip,) = read_contract(contract(text)).slips
    assert slip.line == text[: text.index(wrong)].count("\n") + 1
    assert f"'{wrong.strip().partition(':')[0]}' is not known here, and not read" in slip.what
    assert slip.hint == f"What is read is {read}."


def test_a_slip_in_a_variant(contract):
    """A variant's keys are looked at like the contract's own."""
    text = ALL_KEYS.replace("{step_type: Train, spec:", "{contract: {env_var: {}}, spec:")
    (slip,) = read_contract(contract(text)).slips
    assert slip.what == "variants.testing.contract: 'env_var' is not known here, and not read"


def test_a_key_beside_the_right_one_is_no_slip(contract):
    """A key is left alone where the one it resembles is written too: it is some other of Cursus'."""
    assert read_contract(contract(ALL_KEYS.replace("  inputs:", "  input: a\n  inputs:"))).slips == ()


@pytest.mark.parametrize("verb", ["Processingg", "processing", "Traning", "CreateModell", "Transforms"])
def test_a_verb_that_is_nearly_one_that_runs(contract, verb):
    """A sagemaker_step_type that is nearly one that runs here is told; the step would be skipped for it."""
    text = ALL_KEYS.replace("sagemaker_step_type: Training", f"sagemaker_step_type: {verb}")
    (slip,) = read_contract(contract(text.replace("/opt/ml/input/data", "/opt/ml/processing/a"))).slips
    assert (slip.line, slip.what) == (3, f"registry.sagemaker_step_type: '{verb}' is no kind of step that runs here")
    assert slip.hint.startswith("Did you mean '")


@pytest.mark.parametrize(
    "verb",
    [
        *("Base", "Lambda", "RegisterModel", "Utility", "Tuning", "CradleDataLoading", "RedshiftDataLoading"),
        "MimsModelRegistrationProcessing",
    ],
)
def test_other_verbs_of_cursus_are_silent(contract, verb):
    """Cursus' other verbs are none of ours, and no slips."""
    text = ALL_KEYS.replace("sagemaker_step_type: Training", f"sagemaker_step_type: {verb}")
    assert read_contract(contract(text)).slips == ()


def test_slips_are_warnings_of_a_plan_and_errors_with_strict(contract, tmp_path):
    """`plan` and `check` warn of a slip in the contract of a step; with strict it is an error with file and line."""
    text = "step_type: Train\ncontract: {entry_point: a.py, source_dirr: true}\n"
    file = contract(text)
    (tmp_path / "a.py").touch()
    dag = PipelineDAG(nodes=("Train",))
    said = f"{file}:2: contract: 'source_dirr' is not known here, and not read. Did you mean 'source_dir'?"
    for verb in (plan, check):
        assert verb(dag, contracts=[tmp_path], source_dir=tmp_path).warnings == (f"Train: {said}",)
        with pytest.raises(DocumentError) as caught:
            verb(dag, contracts=[tmp_path], source_dir=tmp_path, strict=True)
        (problem,) = caught.value.problems
        assert (problem.file, problem.line, problem.hint) == (file, 2, "Did you mean 'source_dir'?")


def test_a_slip_is_told_with_what_comes_of_it(contract, tmp_path):
    """Where a plan fails, slips in its contracts are among the problems: they may be why."""
    contract("step_type: Train\ncontract:\n  entry_point: a.py\n  input: {data: {path: /opt/ml/processing/a}}\n")
    (tmp_path / "dag.yaml").write_text("steps: {Train: {inputs: {data: .}}}\n")
    with pytest.raises(DocumentError) as caught:
        plan(tmp_path / "dag.yaml")
    assert [one.line for one in caught.value.problems] == [1, 4]
    assert "has no input 'data'" in caught.value.problems[0].what
    assert caught.value.problems[1].hint == "Did you mean 'inputs'?"


def test_a_slip_in_the_older_shape(tmp_path):
    """A keyword of an older contract that is nearly one that is read is a slip, too; Cursus' others are not."""
    (tmp_path / "train_contract.py").write_text(
        "C = ScriptContract(\n    entry_point='a.py',\n    expected_input_paths={},\n"
        "    expected_output_path={'a': '/opt/ml/processing/a'},\n    framework_requirements={},\n)\n"
    )
    (slip,) = ContractLibrary([tmp_path]).contracts(["Train"])["Train"].slips
    assert (slip.line, slip.hint) == (4, "Did you mean 'expected_output_paths'?")

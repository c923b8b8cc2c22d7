"""A `*.step.yaml` becomes a contract, or a list of problems with the line of each; a library finds the one to read."""

import os

import pytest

from cursus_sandbox.documents import ContractLibrary, read_contract
from cursus_sandbox.errors import DocumentError

CURSUS = """\
step_type: Train
node_type: internal
registry:
  sagemaker_step_type: Training
  description: Cursus' own words
  requires: none
patterns:
compute: {kind: xgboost, framework_version_default: 1.2-1, future_key: [1, {a: b}]}
contract:
  entry_point: train.py
  source_dir: true
  inputs:
    input_path: {path: /opt/ml/input/data, required: true, channels: [train, val], future_key: 1}
    hyperparameters: {path: /opt/ml/code/hyperparams/hyperparameters.json, required: false}
  outputs:
    model_output: {path: /opt/ml/model}
  arguments: {}
  job_arguments: [{flag: --job_type, source: job_type, future_key: 1}]
  env_vars: {required: [LABEL], optional: {ROUNDS: "10", DEPTH: 6}}
  framework_requirements: {python: ">=3.7"}
  skip_inputs: [hyperparameters]
  input_source_overrides: {hyperparameters: hyperparameter_file}
  future_key: {}
spec:
  dependencies:
    input_path: {type: training_data, required: true, compatible_sources: [Load], semantic_keywords: [data]}
    hyperparameters: {type: hyperparameters, required: false}
  outputs:
    model_output: {type: model_artifacts, aliases: [model, artifacts], data_type: S3Uri}
variants:
  calibration: {spec: {dependencies: {}}}
future_key: 1
"""


@pytest.fixture
def problems(tmp_path):
    """What is wrong with a contract of that text: (line, words) of each."""

    def problems_of(content):
        file = tmp_path / "train.step.yaml"
        file.write_text(content)
        with pytest.raises(DocumentError) as caught:
            read_contract(file)
        assert {one.file for one in caught.value.problems} == {file}
        return [(one.line, f"{one.what} {one.hint}".strip()) for one in caught.value.problems]

    return problems_of


def contract(inputs="{}", outputs="{}", more=""):
    """A small contract's text; its inputs are in line 4, its outputs in line 5, more from line 6."""
    return f"step_type: A\ncontract:\n  entry_point: a.py\n  inputs: {inputs}\n  outputs: {outputs}\n{more}"


def test_cursus_contract_is_read_unchanged(tmp_path):
    """A contract in Cursus' format is read, and all its other keys, known and unknown, are left alone."""
    file = tmp_path / "train.step.yaml"
    file.write_text(CURSUS)
    read = read_contract(file)

    assert (read.step_type, read.kind, read.entry_point, read.source_dir) == ("Train", "training", "train.py", True)
    assert read.inputs["input_path"].channels == ("train", "val")
    assert read.outputs["model_output"].aliases == ("model", "artifacts")
    assert (read.required_env_vars, read.optional_env_vars) == (("LABEL",), {"ROUNDS": "10", "DEPTH": "6"})
    assert (read.local_inputs, read.unmounted_inputs) == (
        {"hyperparameters": "hyperparameter_file"},
        {"hyperparameters"},
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/tmp/data", "lies below /opt/ml/, this one does not: /tmp/data"),
        ("/opt/ml", "lies below /opt/ml/"),
        ("/opt/mlx/a", "lies below /opt/ml/"),
        ("/", "lies below /opt/ml/"),
        ("opt/ml/processing/input", "starts with /opt/ml/, this one is relative"),
        ("''", "starts with /opt/ml/, this one is relative"),
        ("/opt/ml/processing/../../etc", "has no '..'"),
        ("[/opt/ml/model]", "text is meant here, not a list"),
        ("no", "text is meant here, and this is read as false"),
        (r'"/opt/ml/\0"', "NUL"),
    ],
)
def test_paths_that_no_container_has(problems, path, words):
    """A channel's path that isn't an absolute one below /opt/ml is refused, in inputs and in outputs alike."""
    (line, said), (other_line, other) = problems(contract(f"{{a: {{path: {path}}}}}", f"{{b: {{path: {path}}}}}"))
    assert (line, other_line) == (4, 5)
    assert said.startswith("contract.inputs.a.path: ")
    assert other.startswith("contract.outputs.b.path: ")
    assert words in said
    assert words in other


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ("{a: {path: /opt/ml/model}, b: {path: /opt/ml/model}}", "share the path /opt/ml/model"),
        ("{a: {path: /opt/ml/model/}, b: {path: /opt/ml/./model}}", "share the path /opt/ml/model"),
        ("{a: {path: /opt/ml/model}, b: {path: /opt/ml/model/b}}", "/opt/ml/model/b"),
        ("{a: {path: /opt/ml/model/a/b}, b: {path: /opt/ml/model}}", "/opt/ml/model/a/b"),
    ],
)
def test_outputs_that_share_a_folder(problems, outputs, words):
    """Outputs at equal paths, or one inside the other, are refused."""
    [(line, said)] = problems(contract(outputs=outputs))
    assert (line, said.startswith("contract.outputs.")) == (5, True)
    assert words in said


def test_every_clash_is_named(problems):
    """Each output that lies where another channel does is named."""
    found = problems(
        contract(
            "{in: {path: /opt/ml/processing/x}}",
            "\n    a: {path: /opt/ml/model}\n    b: {path: /opt/ml/model}\n    c: {path: /opt/ml/processing/x}",
        )
    )
    assert [(line, said.partition(":")[0]) for line, said in found] == [
        (7, "contract.outputs.b"),
        (8, "contract.outputs.c"),
    ]


@pytest.mark.parametrize("name", ["../a", "a/b", "..", "-a", ".hidden", "''", r'"a\0"', "a" + "b" * 128])
def test_channel_names_that_no_folder_can_have(problems, name):
    """A channel's name is a folder's name in the workspace, so what would lead elsewhere is refused."""
    inside = f'{{path: /opt/ml/processing/x, channels: ["{name.strip(chr(34) + chr(39))}"]}}'
    assert [line for line, _ in problems(contract(outputs=f"{{{name}: {{path: /opt/ml/model}}}}"))] == [5]
    assert [line for line, _ in problems(contract(f"{{{name}: {{path: /opt/ml/model}}}}"))] == [4]
    assert [line for line, _ in problems(contract(f"{{a: {inside}}}"))] == [4]


@pytest.mark.parametrize(
    ("schema", "line", "words"),
    [
        ("feilds: []", 8, "'feilds' is not known here Did you mean 'fields'?"),
        ("fields:\n          - {name: x, type: strng}", 9, "'strng' is none of"),
        ("fields:\n          - {name: x}\n          - {type: string}", 10, "fields.1.name: this is required"),
        ("fields:\n          - {name: x}\n          - {name: x}", 8, "declared more than once: 'x'"),
        ("fields:\n          - {name: x, arrow: int65}", 9, "int65"),
        ("fields:\n          - {name: x, type: string, arrow: int64}", 9, "asks for type string and for arrow int64"),
        ("fields:\n          - {name: x, constraints: {required: maybe}}", 9, "true or false is meant here"),
        ("fieldsMatch: most", 8, "'most' is none of"),
        ("glob: ../*", 8, "pattern below the channel"),
        ("fields: 5", 8, "a list is meant here, not 5"),
        ("fields: [x]", 8, "a mapping is meant here, not 'x'"),
    ],
)
def test_schema_blocks_have_lines(problems, schema, line, words):
    """What is wrong in a channel's schema is said with the line it stands in and its place, in a sentence."""
    content = contract(outputs=f"\n    a:\n      schema:\n        {schema}\n      path: /opt/ml/model")
    [(found, said)] = problems(content.replace("outputs: \n", "outputs:\n", 1))
    assert (found, said.startswith("contract.outputs.a.schema")) == (line, True), said
    assert words in said


def test_all_problems_of_a_contract_at_once(problems):
    """One reading of a contract names everything that is wrong in it."""
    found = problems(
        contract(
            "{a: {path: /tmp}, b: 5, c: {required: perhaps}}",
            "[x]",
            "  env_vars: {required: [A=B], optional: {C: no, 1D: x}}\n  job_arguments: [{flag: job}]\n"
            "  entry_point: ../b.py\nspec: 5\n",
        )
    )
    assert [(line, said.partition(":")[0]) for line, said in found] == [
        (4, "contract.inputs.a.path"),
        (4, "contract.inputs.b"),
        (4, "contract.inputs.c.required"),
        (5, "contract.outputs"),
        (6, "contract.env_vars.required.0"),
        (6, "contract.env_vars.optional.C"),
        (6, "contract.env_vars.optional.1D"),
        (7, "contract.job_arguments.0.flag"),
        (7, "contract.job_arguments.0.source"),
        (8, "'entry_point' is written twice; it stands in line 3 already Keep one of them."),
        (8, "contract.entry_point"),
        (9, "spec"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "a contract is a mapping"),
        ("- a", "a contract is a mapping"),
        ("step_type: A", "contract: this is required"),
        ("step_type: A\ncontract: [x]", "contract: a mapping is meant here, not a list"),
        ("step_type: A\ncontract: yes", "contract: a mapping is meant here, not true"),
        ("contract: {}", "step_type: this is required"),
        ("step_type: ../A\ncontract: {}", "'../A' can't be a step name"),
        ("step_type: 010\ncontract: {}", "010"),
    ],
)
def test_what_is_no_contract(problems, content, words):
    """A document that is no contract says what is missing."""
    [(_, said)] = problems(content)
    assert words in said


DESCRIBED = """\
step_type: A
contract:
  entry_point: a.py
  inputs:
    rows: {path: /opt/ml/processing/input/rows}
    model: {path: /opt/ml/processing/input/model, required: false}
  outputs:
    table: {path: /opt/ml/processing/output/table}
    report: {path: /opt/ml/processing/output/report}
spec:
  dependencies:
    rows: {type: training_data, semantic_keywords: [rows, table], compatible_sources: [Load]}
    model: {required: false}
  outputs:
    table: {aliases: [input_path, data]}
    report: {aliases: [metrics]}
variants:
  training:
    step_type: A_Training
  testing:
    spec:
      dependencies: {model: {required: true}, rows: {semantic_keywords: [test]}}
      outputs: {table: {aliases: [test_data]}}
"""


def described(old, new):
    """The contract with a spec and variants, something in it replaced."""
    assert old in DESCRIBED
    return DESCRIBED.replace(old, new, 1)


def test_variants(tmp_path):
    """For a job type with a variant the contract is what Cursus merges: mappings at every depth, lists replaced."""
    file = tmp_path / "a.step.yaml"
    file.write_text(DESCRIBED)
    base = read_contract(file)
    testing = base.for_job_type("testing")

    assert list(base.variants) == ["training", "testing"]
    assert (base.inputs["model"].required, testing.inputs["model"].required) == (False, True)
    assert (base.outputs["table"].aliases, testing.outputs["table"].aliases) == (("input_path", "data"), ("test_data",))
    assert testing.inputs["rows"].semantic_keywords == ("test",)
    assert testing.inputs["rows"].compatible_sources == ("Load",)
    assert testing.outputs["report"].aliases == ("metrics",)
    assert (testing.step_type, testing.file, testing.variants) == ("A", file, {})
    for job_type in (None, "calibration", "Testing"):
        assert base.for_job_type(job_type) is base
    assert base.for_job_type("training").inputs == base.inputs


def test_required_is_what_the_spec_says(tmp_path):
    """Where contract and spec both say whether an input is required, Cursus goes by the spec, and so does this."""
    file = tmp_path / "a.step.yaml"
    file.write_text(
        described("input/rows}", "input/rows, required: true}").replace(
            "rows: {type: training_data", "rows: {required: false, type: training_data"
        )
    )
    assert not read_contract(file).inputs["rows"].required


def test_a_sink_leaves_nothing(tmp_path):
    """The outputs of a contract that is a sink are none, as in Cursus."""
    file = tmp_path / "a.step.yaml"
    file.write_text(described("  entry_point: a.py", "  entry_point: a.py\n  sink: true"))
    assert not read_contract(file).outputs


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("    model: {required: false}\n", "", 6, "contract.inputs.model: this is not among the spec's dependencies"),
        ("report: {aliases: [metrics]}", "reprot: {}", 9, "this is not among the spec's outputs Did you mean 'reprot'"),
        ("[metrics]", "[x, Data]", 16, "spec.outputs.report.aliases.1: 'Data' stands for the output 'table' already"),
        ("[metrics]", "[table]", 16, "'table' stands for the output 'table' already"),
        ("[test_data]", "[metrics]", 16, "spec.outputs.report.aliases.0: 'metrics' stands for the output 'table'"),
        (
            "rows: {type: training_data,",
            "rows: {required: maybe,",
            12,
            "spec.dependencies.rows.required: true or false",
        ),
        (
            "{model: {required: true}",
            "{model: {required: maybe}",
            22,
            "variants.testing.spec.dependencies.model.required",
        ),
        ("{model: {required: true}", "{modle: {}", 22, "the contract has no input 'modle' Did you mean 'model'?"),
        ("outputs: {table: {aliases", "outputs: {tabel: {aliases", 23, "the contract has no output 'tabel' Did you"),
        ("{model: {required: true}", "{model: [x]", 22, "variants.testing.spec.dependencies.model: a mapping is meant"),
        (
            "model: {required: false}\n  o",
            "model: 5\n  o",
            13,
            "spec.dependencies.model: a mapping is meant here, not 5",
        ),
        ("  training:\n    step_type: A_Training", "  training: 5", 18, "variants.training: a mapping is meant here"),
        ("  training:", "  '':", 18, "variants: '' can't be a job type Letters"),
        ("  training:", "  a b:", 18, "variants: 'a b' can't be a job type"),
    ],
)
def test_specs_and_variants_that_are_wrong(problems, old, new, line, words):
    """Channels the spec doesn't know, aliases that collide and variants of nothing are named once, with the line."""
    [(found, said)] = problems(described(old, new))
    assert (found, words in said) == (line, True), said


def test_all_problems_of_a_contract_and_its_variants_at_once(problems):
    """What is wrong in the base is said once, what is wrong in a variant beside it."""
    text = described("entry_point: a.py", "entry_point: /a.py").replace("[metrics]", "[data]")
    found = problems(text.replace("outputs: {table: {aliases: [test_data]}}", "outputs: [x]"))
    assert [(line, said.partition(":")[0]) for line, said in found] == [
        (3, "contract.entry_point"),
        (16, "spec.outputs.report.aliases.0"),
        (23, "variants.testing.spec.outputs"),
    ]


def folder_of(folder, **contracts):
    """A folder with a contract file of each text."""
    folder.mkdir()
    for name, content in contracts.items():
        (folder / f"{name}.step.yaml").write_text(content)
    return folder


def test_earlier_folder_wins(tmp_path):
    """Of two contracts of one step type the one in the folder that is named first counts, whatever the files' names."""
    first = folder_of(tmp_path / "first", zz=contract(more="  source_dir: true"))
    second = folder_of(tmp_path / "second", aa=contract(), bb=contract().replace("step_type: A", "step_type: B"))

    contracts = ContractLibrary([first, second]).contracts(["A", "B"])
    assert {name: one.source_dir for name, one in contracts.items()} == {"A": True, "B": False}
    assert not ContractLibrary([second, first]).contracts(["A"])["A"].source_dir


def test_only_contracts_that_are_asked_for_are_read(tmp_path):
    """A contract that nobody asks for may be broken; one that is asked for may not, nor another at the same time."""
    broken = {name: f"step_type: {name}\ncontract: [" for name in ("B", "C")}
    library = ContractLibrary([folder_of(tmp_path / "contracts", A=contract(), **broken)])

    assert list(library.contracts(["A", "Unknown"])) == ["A"]
    with pytest.raises(DocumentError) as caught:
        library.contracts(["A", "B", "C"])
    assert [one.file.name for one in caught.value.problems] == ["B.step.yaml", "C.step.yaml"]


def test_two_contracts_of_one_type_in_one_folder(tmp_path):
    """Which of two contracts in the same folder is meant can't be told, and is asked when it matters."""
    library = ContractLibrary([folder_of(tmp_path / "contracts", one=contract(), two=contract())])
    assert not library.contracts(["B"])
    with pytest.raises(
        DocumentError, match=r"two\.step\.yaml: .* 'A' has two contracts in one folder.*one\.step\.yaml"
    ):
        library.contracts(["A"])


def test_contracts_folder_that_is_none(tmp_path):
    """Folders that are missing, or are files, are all named, with what is called nearly the same."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(DocumentError) as caught:
        ContractLibrary([tmp_path / "contract", tmp_path / "contracts", tmp_path / "file", tmp_path / ("x" * 300)])
    assert [str(one).replace(f"{tmp_path}/", "")[:70] for one in caught.value.problems] == [
        "the contracts folder contract does not exist\n  Did you mean 'contracts'"[:70],
        "the contracts folder file is a file, not a folder",
        f"the contracts folder {'x' * 300}"[:70],
    ]


def test_file_without_a_step_type(tmp_path):
    """A `*.step.yaml` that says no step type, or isn't a file at all, is named."""
    folder = folder_of(tmp_path / "contracts", a="contract: {}", b=contract())
    with pytest.raises(DocumentError, match=r"a\.step\.yaml: the contract has no step_type"):
        ContractLibrary([folder])
    (folder / "a.step.yaml").unlink()
    os.mkfifo(folder / "c.step.yaml")
    with pytest.raises(DocumentError, match=r"c\.step\.yaml: the contract has no step_type"):
        ContractLibrary([folder])


@pytest.mark.parametrize(
    "head", ["step_type: A", "'step_type': 'A'", '"step_type" : "A"  # no comment', "﻿step_type: A"]
)
def test_step_type_is_found_however_it_is_written(tmp_path, head):
    """A contract is found by its step type in quotes, before a comment or after a byte order mark."""
    text = contract().replace("step_type: A", f"# A contract\n{head}" if head[0] != "﻿" else head)
    assert ContractLibrary([folder_of(tmp_path / "contracts", a=text)]).contracts(["A"])["A"].entry_point == "a.py"


def test_a_schema_like_no_channel(problems):
    """A schema like a channel that the contract hasn't is a problem in its line; a step's channel is for a plan."""
    said = """\
step_type: Train
contract:
  entry_point: train.py
  inputs:
    train: {path: /opt/ml/processing/input/train, schema: {fields: [{name: id}]}}
    score:
      path: /opt/ml/processing/input/score
      schema: {like: {channel: trian, minus: [label]}}
    other: {path: /opt/ml/processing/input/other, schema: {like: {channel: trian, step: Split}}}
  outputs: {}
"""
    (problem,) = problems(said)
    place = "contract.inputs.score.schema.like.channel"
    assert problem == (8, f"{place}: this contract has no channel 'trian' Did you mean 'train'?")

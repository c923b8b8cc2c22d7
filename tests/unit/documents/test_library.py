"""Where contracts are looked for, and which of several counts."""

import json
import re
import sys
from types import SimpleNamespace

import pytest

import cursus_sandbox
from cursus_sandbox.documents import ContractLibrary, installed_cursus
from cursus_sandbox.errors import DocumentError

OUT = "/opt/ml/processing/output"


def contract(folder, step_type="Load", script="load.py", name="load"):
    """Write a contract into a folder, which is made."""
    folder.mkdir(exist_ok=True, parents=True)
    file = folder / f"{name}.step.yaml"
    file.write_text(
        f"step_type: {step_type}\ncontract: {{entry_point: {script}, outputs: {{rows: {{path: {OUT}}}}}}}\n"
    )
    return file


def module(folder, name="load", script="load.py"):
    """Write a contract in the older shape."""
    folder.mkdir(exist_ok=True, parents=True)
    file = folder / f"{name}_contract.py"
    file.write_text(
        f"A = ScriptContract(entry_point={script!r}, expected_input_paths={{}},\n"
        f"    expected_output_paths={{'rows': {OUT!r}}})\n"
    )
    return file


@pytest.fixture
def document(tmp_path):
    """A document of one step in a folder of its own."""
    folder = tmp_path / "pipeline"
    folder.mkdir()
    (folder / "dag.yaml").write_text("contracts: [listed]\nsteps: {Load: {}}\n")
    (folder / "listed").mkdir()
    return folder / "dag.yaml"


def planned(document, *contracts):
    """The document's one step, planned."""
    [step] = cursus_sandbox.plan(document, contracts=contracts).steps
    return step


def test_search_path(document, tmp_path, monkeypatch):
    """Contracts are looked for where the call, the environment and the document say, beside it, then in Cursus."""
    package = tmp_path / "site" / "cursus"
    expected = []
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for place in (
        package / "steps" / "interfaces",
        document.parent / "contracts",
        document.parent,
        document.parent / "listed",
        tmp_path / "environment",
        tmp_path / "call",
    ):
        expected.append(contract(place, script=f"from_{len(expected)}.py"))
        if place.name == "environment":
            monkeypatch.setenv("CURSUS_SANDBOX_CONTRACTS", str(place))
        if place == package / "steps" / "interfaces":
            (package / "__init__.py").write_text("raise SystemExit('Cursus was imported')\n")
        given = [place] if place.name == "call" else []
        step = planned(document, *given)
        assert (step.contract_file, step.entry_point) == (expected[-1], f"from_{len(expected) - 1}.py")
    assert "cursus" not in sys.modules


def test_shipped_contracts_come_last(document):
    """A step type that nothing else is for takes the contract that comes with the package."""
    document.write_text("steps: {DummyDataLoading: {}}\n")
    assert planned(document).contract_file.name == "dummy_data_loading.step.yaml"


def test_no_cursus(monkeypatch, tmp_path):
    """Something called cursus that has no interfaces is no Cursus."""
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed_cursus() is None
    (tmp_path / "cursus.py").touch()
    assert installed_cursus() is None


def test_one_folder_named_twice(document):
    """A folder that comes up twice in the search path is searched once."""
    document.write_text("contracts: [., contracts]\nsteps: {Load: {}}\n")
    contract(document.parent)
    (document.parent / "contracts").mkdir()
    assert planned(document, document.parent).entry_point == "load.py"


def test_plan_in_json_says_where_a_contract_is_from(document):
    """The plan as JSON names each contract's file."""
    file = contract(document.parent)
    kept = json.loads(json.dumps(cursus_sandbox.plan(document).as_json()))
    assert kept["steps"][0]["contract_file"] == str(file)


@pytest.mark.parametrize(
    ("node", "stem"),
    [("Load_late", "load"), ("TSATraining", "tsa_training"), ("XGBoostTraining", "xgboost_training")],
)
def test_older_modules_are_found_by_name(document, node, stem):
    """A module is found by the step type it is named after, as later contracts spell that, and comes before them."""
    listed = module(document.parent / "listed", stem, "older.py")
    contract(document.parent, step_type="TSATraining", name="tsa")
    document.write_text(f"contracts: [listed]\nsteps: {{{node}: {{}}}}\n")
    step = planned(document)
    assert (step.contract_file, step.entry_point, step.step_type) == (listed, "older.py", node.removesuffix("_late"))


def test_a_step_yaml_comes_before_a_module(document):
    """In one folder, and from an earlier one, a `*.step.yaml` counts, not the module of the same step type."""
    file = contract(document.parent)
    module(document.parent)
    module(document.parent / "contracts", "LOAD")
    assert planned(document).contract_file == file


def test_contract_objects(document):
    """A contract given as an object comes before all files; one in the older shape is taken by its attributes."""
    contract(document.parent)
    older = SimpleNamespace(
        entry_point="load.py",
        expected_input_paths={"a": "/opt/ml/processing/input/a"},
        expected_output_paths={"rows": OUT},
        expected_arguments={"limit": "10", "verbose": "whether to say more"},
        required_env_vars=["LABEL"],
        optional_env_vars={"ROUNDS": "3"},
    )
    document.write_text("steps: {Load: {inputs: {a: .}, env: {LABEL: x}}}\n")
    step = planned(document, older)
    assert (step.contract_file, [one.channel for one in step.inputs]) == (None, ["a"])
    assert step.arguments == ("--limit", "10")
    assert {name: one.value for name, one in step.environment.items()} == {"LABEL": "x", "ROUNDS": "3"}

    named = cursus_sandbox.ScriptContract.from_script_contract(older, step_type="Other")
    assert (named.step_type, named.kind) == ("Other", "processing")


def test_a_given_contract_takes_the_spelling_of_files(document):
    """A given contract whose type is told by its entry point stands for the type as a file spells it."""
    contract(document.parent, step_type="TSAFit")
    given = SimpleNamespace(
        entry_point="tsa_fit.py", expected_input_paths={}, expected_output_paths={"x": "/opt/ml/model"}
    )
    document.write_text("steps: {TSAFit: {}}\n")
    step = planned(document, given)
    assert (step.step_type, step.kind, [one.channel for one in step.outputs]) == ("TSAFit", "training", ["x"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (5, "int is no contract: it has no expected_input_paths"),
        (SimpleNamespace(expected_input_paths={}), "contract 'SimpleNamespace', step_type: Field required"),
        (
            SimpleNamespace(entry_point="a.py", expected_input_paths={"x": "/tmp"}),
            "contract 'A', inputs.x.path: a container path lies below /opt/ml/, this one does not: /tmp",
        ),
    ],
)
def test_objects_that_are_no_contracts(document, given, words):
    """What is given as a contract and is none is a problem of the documents, in words."""
    with pytest.raises(DocumentError, match=re.escape(words)):
        cursus_sandbox.plan(document, contracts=[given])


OLDER = '''"""A contract."""
from cursus.core.base.contract_base import ScriptContract

TRAIN = ScriptContract(
    entry_point="train.py",
    expected_input_paths={
        "input_path": "/opt/ml/input/data",  # train, val, test
        "more": "/opt/ml/input/data/more",
    },
    expected_output_paths={"model_output": "/opt/ml/model"},
    expected_arguments={},
    required_env_vars=["LABEL"],
    optional_env_vars={"ROUNDS": "10"},
    framework_requirements=read_them(),
    description="Fits a model.\\n\\nIn rounds.",
)
'''


def read(folder, text):
    """The contract of a module of that text."""
    (folder / "train_contract.py").write_text(text)
    return ContractLibrary([folder]).contracts(["Train"])["Train"]


def test_older_module(tmp_path):
    """A module's contract is read from the call that makes it, and nothing of the module is run."""
    made = read(tmp_path, OLDER + "raise SystemExit('this must not run')\n")
    assert (made.step_type, made.kind, made.entry_point) == ("Train", "training", "train.py")
    assert made.fan_out("input_path") == ("train", "val", "test")
    assert (made.required_env_vars, made.optional_env_vars) == (("LABEL",), {"ROUNDS": "10"})
    assert made.description == "Fits a model."
    assert {name: one.required for name, one in made.inputs.items()} == {"input_path": True, "more": False}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('"/opt/ml/input/data"', "ROOT", 7, "expected_input_paths: this is computed, and a contract's module is read"),
        ('["LABEL"]', "[\n  'A',\n  os.environ['B']]", 14, "required_env_vars: this is computed"),
        ('["LABEL"]', "[*LABELS]", 12, "required_env_vars: this is computed"),
        ('"/opt/ml/input/data"', '"/data"', 7, "expected_input_paths.input_path: a container path lies below /opt/ml/"),
        ('"/opt/ml/input/data"', "5", 7, "a container path starts with /opt/ml/"),
        ('{"model_output": "/opt/ml/model"}', "['x']", 10, "expected_output_paths: a mapping is meant here"),
        ('["LABEL"]', "['A=B']", 12, "required_env_vars.0: 'A=B' can't name an environment variable"),
        ('    entry_point="train.py",\n', "", 4, "entry_point: this is required"),
        ("    expected_arguments={},", "    **more,", 11, "this is computed"),
        ("TRAIN = ScriptContract(", "print(", None, "the module makes no contract"),
        ("TRAIN =", "A = TrainingScriptContract()\nTRAIN =", 5, "the module makes two contracts"),
        ("TRAIN =", "TRAIN = = ", 4, "this is not Python"),
        ("TRAIN =", "\0", None, "NUL"),
    ],
)
def test_older_modules_that_are_wrong(tmp_path, old, new, line, words):
    """A value that isn't written in the module, and one that is wrong, are named with their line."""
    assert old in OLDER
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, OLDER.replace(old, new, 1))
    [problem] = caught.value.problems
    assert (problem.file, words in problem.what) == (tmp_path / "train_contract.py", True), problem
    assert line is None or problem.line == line


def test_module_that_is_nested_too_deeply(tmp_path):
    """A module that Python itself can't parse is a problem of that file."""
    with pytest.raises(DocumentError, match="train_contract"):
        read(tmp_path, "A = " + "(" * 100_000)

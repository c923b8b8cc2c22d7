"""What `run` and `PipelineExecutor` take in Python, and what they refuse before anything starts."""

import os
import shutil
from pathlib import Path

import pytest

from cursus_sandbox import (
    DocumentError,
    PipelineDAG,
    PipelineDAGResolver,
    PipelineExecutor,
    S3OutputPathRegistry,
    ScriptContract,
    clean,
    plan,
    rerun,
    run,
)

CONTRACT = "step_type: Train\ncontract: {entry_point: a.py}\n"


@pytest.fixture
def document(tmp_path):
    """A pipeline of one step, its contract in a folder of its own, `there`."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "train.step.yaml").write_text(CONTRACT)
    (tmp_path / "a.py").touch()
    file = tmp_path / "dag.yaml"
    file.write_text("source_dir: .\nsteps: {Train: {}}\n")
    return file


def problems(function, *args, **options):
    """What a call is refused for."""
    with pytest.raises(DocumentError) as caught:
        function(*args, **options)
    return [one.what for one in caught.value.problems]


@pytest.mark.parametrize("option", ["only", "force"])
def test_a_step_may_be_given_by_itself(document, tmp_path, option):
    """A text where names of steps are taken is one name, not its letters."""
    said = problems(
        run, document, engine="local", workspace=tmp_path / "w", contracts=document.parent / "there", **{option: "Tran"}
    )
    assert said == ["no step is called 'Tran'"]


def test_the_executor_takes_a_step_by_itself(document, tmp_path):
    """So does an executor's `force`, and its `contracts` one folder."""
    executor = PipelineExecutor(tmp_path / "w", contracts=str(document.parent / "there"), force="Tran")
    assert problems(executor.execute_pipeline, document) == ["no step is called 'Tran'"]


def test_contracts_may_be_one_folder_or_contract(document):
    """`contracts` is a folder, as text or path, a contract, one in the older shape, or several of all these."""

    class Older:
        step_type, entry_point, expected_input_paths = "Train", "a.py", {}

    there = document.parent / "there"
    contract = ScriptContract(step_type="Train", entry_point="a.py")
    for given in (str(there), there, contract, Older(), [there], [contract, there]):
        step = plan(document, contracts=given).step_configs["Train"]
        assert (step.entry_point, step.notes) == ("a.py", ())
        assert PipelineDAGResolver(document, contracts=given).contracts["Train"].entry_point == "a.py"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jobs": 0}, "jobs: a whole number of at least 1 is meant here, not 0"),
        ({"jobs": "2"}, "jobs: a whole number of at least 1 is meant here, not '2'"),
        ({"jobs": True}, "jobs: a whole number of at least 1 is meant here, not True"),
        ({"max_size": "x"}, "max_size: a size looks like 512m or 2g, not 'x'"),
    ],
)
def test_numbers_that_can_not_be(document, tmp_path, options, said):
    """What the command line refuses is refused in Python, by `run` and by an executor, with the option's name."""
    assert problems(run, document, engine="local", workspace=tmp_path / "w", **options) == [said]
    assert problems(PipelineExecutor, tmp_path / "w", **options) == [said]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keep": 0}, "keep: a whole number of at least 1 is meant here, not 0"),
        (
            {"older_than": "soon"},
            "older_than: a duration looks like 90, 15m or 2h, is more than 0 and at most a year, not 'soon'",
        ),
        ({"max_size": "x"}, "max_size: a size looks like 512m or 2g, not 'x'"),
    ],
)
def test_bounds_that_can_not_be(tmp_path, options, said):
    """So are the bounds of `clean`, before anything is removed."""
    (tmp_path / "runs").mkdir()
    assert problems(clean, tmp_path, **options) == [said]


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        (
            {"testing_mode": "post_exec"},
            "there is no testing_mode 'post_exec'",
            "Did you mean 'post_execution'?",
        ),
        (
            {"testing_mode": "post_execution", "registry": None},
            "testing_mode is post_execution, and no registry says what was written in that execution",
            'Read one:  registry=S3OutputPathRegistry.read("registry.json")',
        ),
        (
            {"testing_mode": "pre_execution"},
            "a registry is given, and testing_mode is pre_execution, which reads none",
            'To read it:  testing_mode="post_execution"',
        ),
    ],
)
def test_a_registry_is_read_or_refused(tmp_path, options, said, hint):
    """A registry is never left aside without a word: its mode is one there is, and one that reads it."""
    with pytest.raises(DocumentError) as caught:
        PipelineExecutor(tmp_path, **{"registry": S3OutputPathRegistry(), **options})
    assert [(one.what, one.hint) for one in caught.value.problems] == [(said, hint)]


def test_a_folder_that_is_not_there_is_one_problem(document):
    """A folder that doesn't exist is told once, with its whole name."""
    assert problems(plan, document, contracts=str(Path("no", "where"))) == [
        "the contracts folder no/where does not exist"
    ]


@pytest.mark.parametrize("option", ["document", "source_dir", "contracts", "image", "secrets"])
def test_a_name_that_is_not_utf_8(document, tmp_path, option):
    """A name that no record of the run could hold is refused before anything starts, wherever it comes from."""
    odd = Path(os.fsdecode(bytes(tmp_path / "odd") + b"\xff"))
    shutil.copytree(document.parent, odd)
    there = document.parent / "there"
    options = {"contracts": there, "image": "xgb"} | {
        "source_dir": {"source_dir": odd},
        "contracts": {"contracts": odd / "there"},
        "image": {"image": "xgb\udcff"},
        "secrets": {"secrets": {"KEY": f"file:{odd}/a.py"}},
    }.get(option, {})
    file = odd / "dag.yaml" if option == "document" else document
    (said,) = problems(run, file, engine="process", workspace=tmp_path / "w", **options)
    assert said.endswith("is not UTF-8")
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    "option", ["workspace", "image", "source_dir", "config", "contracts", "from_step", "until", "registry", "store"]
)
def test_an_empty_text(document, tmp_path, monkeypatch, option):
    """An empty text is no folder, image or step: it is refused, as what a variable that isn't set leaves."""
    monkeypatch.chdir(tmp_path)
    assert problems(run, document, engine="process", **{option: ""}) == [f"{option}: it is empty"]
    assert not (tmp_path / ".cursus-sandbox").exists()


def test_an_empty_workspace(document):
    """So it is for all that look at a workspace, and for an executor."""
    for function in (clean, rerun):
        assert problems(function, workspace="") == ["workspace: it is empty"]
    assert problems(PipelineExecutor, "") == ["workspace_dir: it is empty"]
    assert problems(run, "") == ["document: it is empty"]


def test_slips_of_several_kinds(document):
    """A slip in one step keeps nothing back that is wrong with another; what may only follow from it is not told."""
    document.write_text(
        "steps:\n"
        "  Train: {resources: {cpu: 2}}\n"
        "  Train_two: {depends_on: [Trian]}\n"
        "  Train_three: {inputs: {e: ./f}}\n"
    )
    assert problems(plan, document, contracts=document.parent / "there") == [
        "steps.Train.resources: 'cpu' is not known here",
        "step 'Train_two' depends on 'Trian', but no step is called that",
        "step 'Train_three': contract 'Train' has no input 'e'",
    ]


def test_options_of_another_form(document, tmp_path):
    """What has not the form that an option takes is one error, which names it; nothing is made."""
    for given, what in (
        ({"inputs": "Train:rows=data"}, "inputs: Input should be a valid dictionary"),
        ({"secrets": ["KEY=env:HOME"]}, "secrets: Input should be a valid dictionary"),
        ({"scheduler": "localhost"}, "scheduler: 'localhost' is neither local nor the address of a Dask scheduler"),
        ({"secrets": {"A B": "env:HOME"}}, "secrets.A B: 'A B' can't name an environment variable"),
    ):
        options = {"contracts": document.parent / "there", "engine": "process", "workspace": tmp_path / "w"} | given
        (said,) = problems(run, document, **options)
        assert said.startswith(what)
    assert problems(PipelineExecutor, tmp_path / "w", engine="local") == [
        "engine: an executor takes an engine, not the name 'local'"
    ]
    assert not (tmp_path / "w").exists()


def test_what_is_no_document(document):
    """What is neither a file nor a graph of ours is refused in a line that says how to make one."""

    class CursusDAG:
        nodes, edges = ["Train"], []

    for given in (CursusDAG(), None, {"steps": {}}):
        (said,) = problems(run, given)
        assert said.startswith("a document is a file or a PipelineDAG, not <class ")
    graph = PipelineDAG(nodes=list(CursusDAG.nodes), edges=list(CursusDAG.edges))
    assert plan(graph, contracts=document.parent / "there").execution_order == ("Train",)

"""The pytest plugin, installed as it is by its entry point: a real pytest runs a real pipeline."""

import subprocess
import sys

import pytest

from cursus_sandbox import StepStatus
from cursus_sandbox.runs.history import kept_runs

pytest_plugins = ["pytester"]

TEST = """
import pytest

@pytest.mark.pipeline("dag.json")
def test_small(cursus_sandbox):
    assert (cursus_sandbox["Load"].outputs["out"] / "said").read_text() == "well"
"""


@pytest.fixture
def project(pytester, small):
    """A project with a pipeline of a step, Load, and a test of it."""
    small.folder = pytester.path
    small.step("Load")
    pytester.makepyfile(TEST)

    def outcome(*words, exit_code=0, **counts):
        assert small.document.exists()
        ended = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--cursus-engine", "local", *words)
        assert ended.ret == exit_code
        ended.assert_outcomes(**counts)
        return ended.stdout

    small.outcome = outcome
    small.makepyfile = pytester.makepyfile
    return small


def broken(project):
    """Add a step that fails and one after it that is skipped."""
    project.step("Break", "print('<the log>'); sys.exit('no such flight')", reads={"data": "Load:out"})
    project.step("After", reads={"data": "Break:out"})


def test_a_pipeline_is_a_test(project):
    """Each step is a sub-test, and the test is handed the result."""
    said = project.outcome("-v", passed=1)
    said.fnmatch_lines(["*test_small SUBPASSED[[]Load[]]*", "*test_small PASSED*", "*1 passed, 1 subtests passed*"])


def test_a_failed_step(project):
    """A failed step is a failed sub-test with its reason and its log; what depends on it is skipped, and says why.

    The test itself isn't called, and nothing of ours is in a traceback.
    """
    broken(project)
    said = project.outcome("-v", "-rs", exit_code=1, failed=2, skipped=1)
    said.fnmatch_lines(
        [
            "*SUBFAILED[[]Break[]]*",
            "*SUBSKIPPED[[]After[]]*",
            "*test_small [[]Break[]]*",
            "exit code 1*",
            "log: *log.txt",
            "*- log of Break -*",
            "<the log>",
            "no such flight",
            "SUBSKIPPED[[]After[]] *test_a_failed_step.py:3: it depends on 'Break', which failed",
        ]
    )
    said.no_fnmatch_line("*pytest_plugin.py*")


def test_broken_data(project):
    """Data that break a contract are shown as everywhere: which column, in which file, and who asks for it."""
    schema = {"fields": [{"name": "late", "type": "integer"}]}
    project.step("Write", "(OUT / 'out/a.csv').write_text('early\\n1\\n')")
    project.step("Read", reads={"data": "Write:out"}, inputs={"data": {"schema": schema}})
    said = project.outcome(exit_code=1, failed=2)
    said.fnmatch_lines(["Read › data › a.csv: column 'late' is missing*", "Written by step 'Write'*"])


def test_the_mark_is_enough(project):
    """A test that takes no fixture runs its pipeline too."""
    project.makepyfile(
        "import pytest\n\n@pytest.mark.pipeline('dag.json', until='Load')\ndef test_small():\n    assert True\n"
    )
    broken(project)
    project.outcome("-v", passed=1, skipped=2).fnmatch_lines(
        ["*SUBPASSED[[]Load[]]*", "*SUBSKIPPED[[]Break[]] (not selected)*"]
    )


def test_tests_share_a_run(project):
    """Tests of one pipeline share a run: its steps are told with the first, and when it failed none is called."""
    project.makepyfile(TEST + TEST.replace("test_small", "test_other"))
    project.outcome("-v", passed=2).fnmatch_lines(["*2 passed, 1 subtests passed*"])
    broken(project)
    said = project.outcome(exit_code=1, failed=3)
    said.fnmatch_lines(["small failed: see test_tests_share_a_run.py::test_small"])


def test_the_first_failure_ends_it(project):
    """With -x nothing comes after the first failed step."""
    broken(project)
    project.makepyfile(TEST + TEST.replace("test_small", "test_other"))
    project.outcome("-x", exit_code=1, failed=2).no_fnmatch_line("*test_other*")


def test_the_last_failed_is_run_again(project, pytester):
    """--lf takes up a test whose step failed, and leaves it once it is well."""
    broken(project)
    project.makepyfile(TEST + "\ndef test_other():\n    assert True\n")
    again = ("--lf", "-p", "cacheprovider", "--cursus-engine", "local")
    assert project.document.exists()
    assert pytester.runpytest_subprocess(*again).ret == 1
    project.step("Break", reads={"data": "Load:out"})
    ended = pytester.runpytest_subprocess(*again)
    ended.assert_outcomes(passed=1, deselected=0)
    assert ended.ret == 0
    pytester.runpytest_subprocess(*again).assert_outcomes(passed=2)


def test_with_xdist(project):
    """Sub-tests come through from the processes of pytest-xdist, log and all."""
    broken(project)
    said = project.outcome("-n", "2", exit_code=1, failed=2)
    said.fnmatch_lines(["*- log of Break -*", "no such flight"])


def test_a_workspace_of_its_own(project):
    """In a workspace that is kept, a later session takes over what has not changed."""
    for _ in range(2):
        project.outcome("--cursus-workspace", "kept", passed=1)
    runs = kept_runs(project.folder / "kept")
    assert [run.result["Load"].status for run in runs] == [StepStatus.SUCCEEDED, StepStatus.REUSED]


def test_the_configuration(project, pytester):
    """What the configuration says is for marks that say nothing of it, and the command line is above both."""
    pytester.makeini("[pytest]\ncursus_engine = docker\ncursus_workspace = kept")
    project.outcome(passed=1)
    assert (project.folder / "kept/runs").is_dir()
    pytester.runpytest_subprocess("--cursus-engine", "lokal").stderr.fnmatch_lines(["*invalid choice: 'lokal'*"])


def test_beside_the_test_or_at_the_root(project, pytester):
    """A path counts from the test's folder; what isn't there is looked for at the root."""
    folder = pytester.mkdir("tests")
    (folder / "test_it.py").write_text(TEST)
    project.outcome("tests", passed=1)
    (folder / "dag.json").write_text("{}")
    project.outcome("tests", exit_code=1, errors=1).fnmatch_lines(["*tests/dag.json*"])


def test_one_folder_of_contracts(project, pytester):
    """A folder of contracts that stands alone counts from the test's folder, too, wherever pytest is started."""
    folder = pytester.mkdir("tests")
    contracts = folder / "steps"
    contracts.mkdir()
    (contracts / "load.step.yaml").write_text("step_type: Load\ncontract: {entry_point: nowhere.py}\n")
    (folder / "test_it.py").write_text(TEST.replace('"dag.json"', '"dag.json", contracts="steps"'))
    project.outcome("tests", exit_code=1, errors=1).fnmatch_lines(["*nowhere.py*"])


WRONG = """
import pytest

def test_nothing(cursus_sandbox): pass

@pytest.mark.pipeline()
def test_no_document(): pass

@pytest.mark.pipeline("dg.json")
def test_not_there(): pass

@pytest.mark.pipeline("dag.json", egine="local")
def test_option(): pass

@pytest.mark.pipeline("dag.json", until="Lod")
def test_step(): pass

@pytest.mark.pipeline("dag.json", workspace="")
def test_workspace(): pass

@pytest.mark.pipeline("dag.json", inputs="Load:in=data")
def test_inputs(): pass
"""


def test_what_cannot_be_meant(project):
    """A mark that makes no sense is an error of its test, with what to do about it and no traceback."""
    project.makepyfile(WRONG)
    said = project.outcome(exit_code=1, errors=7)
    said.fnmatch_lines(
        [
            *("no mark says which pipeline to run", "Write above the test:  @pytest.mark.pipeline(*"),
            "the mark does not say which pipeline to run",
            *("there is no dg.json", "Looked in *"),
            *("a pipeline has no option 'egine'", "Did you mean 'engine'?"),
            *("*'Lod'*", "*Did you mean 'Load'?*"),
            "the mark's workspace is empty: is a variable not set?",
            "inputs: Input should be a valid dictionary",
        ]
    )
    said.no_fnmatch_line("*Traceback*")
    said.no_fnmatch_line("*During handling*")


def test_it_weighs_nothing():
    """A pytest run that asks for no pipeline imports of this package no more than the plugin itself."""
    program = "import sys, pytest, cursus_sandbox.pytest_plugin as p; print(*[m for m in sys.modules if 'cursus' in m])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["cursus_sandbox", "cursus_sandbox.pytest_plugin"]


def test_a_failed_step_does_not_command_github(project, monkeypatch):
    """Where GitHub's runner reads pytest, no line of a step's log is a workflow command."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.step("Break", "print('::add-mask::a'); sys.exit('##[error]no')", reads={"data": "Load:out"})
    said = project.outcome(exit_code=1, failed=2)
    lines = said.str().splitlines()
    assert {r":\:add-mask::a", r"##\[error]no"} <= {*lines}
    assert not [line for line in lines if line.startswith("::") or "##[" in line]

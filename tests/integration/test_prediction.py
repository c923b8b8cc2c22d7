"""What `plan` says a run would do after earlier runs, held against what the run then does."""

import json
import subprocess

import pytest
from small_pipeline import COMMAND, SmallPipeline, statuses, succeeded

from cursus_sandbox import DocumentError, api


def chain(small: SmallPipeline) -> SmallPipeline:
    """Three steps; the first reads a folder, and leaves the same as long as there are as many files."""
    small.write("given/a.csv", "x\n1\n")
    small.step("one", "say(str(len(tree(IN / 'data'))))", reads={"data": "./given"})
    small.step("two", "say((IN / 'data/said').read_text())", reads={"data": "one:out"})
    small.step("three", depends_on="two")
    return small


def predicted(small: SmallPipeline) -> dict[str, tuple[str, str]]:
    planned = api.plan(small.document, image=small.image)
    return {step: (str(one.outcome), one.why) for step, one in api.predicted(planned, small.workspace).items()}


def test_before_the_first_run(small):
    """Where nothing has run yet there is nothing to predict."""
    chain(small)
    assert predicted(small) == {}


def test_nothing_has_changed(anywhere):
    """All is predicted to be taken over; of images it is said which ones they must still be."""
    first = succeeded(chain(anywhere).run())
    found = predicted(anywhere)
    assert {outcome for outcome, _ in found.values()} == {"reused"}
    why = f"unchanged since run {first.run}"
    if anywhere.image:
        why += f", if {anywhere.image} still is {first.images[anywhere.image][:19]}"
    assert {said for _, said in found.values()} == {why}


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("given/a.csv", "x\n2\n", "input data changed: a.csv"),
        ("scripts/one.py", "# nothing", "code changed: one.py"),
    ],
)
def test_something_has_changed(small, file, text, why):
    """The step that changed is predicted to run, for the same reason as it then does; what reads it can't be known."""
    succeeded(chain(small).run())
    small.write(file, text)
    found = predicted(small)
    assert found["one"] == ("run", why)
    assert found["two"] == ("unknown", "it reads what one will leave")
    assert found["three"][0] == "reused"
    result = small.run()
    assert result.step_results["one"].because == why
    if file == "given/a.csv":
        assert statuses(result) == {"one": "succeeded", "two": "reused", "three": "reused"}


def test_predicting_changes_nothing(small):
    """Nothing is written, and a damaged record is left for the run to set aside."""
    first = succeeded(chain(small).run())
    (first.folder / "steps/one/outputs/out/said").write_text("9")
    before = {str(one): one.lstat().st_mtime_ns for one in small.workspace.rglob("*")}
    outcome, why = predicted(small)["one"]
    assert outcome == "run"
    assert "out/said has other bytes" in why
    assert {str(one): one.lstat().st_mtime_ns for one in small.workspace.rglob("*")} == before


def test_secrets_are_not_read(small):
    """Of a step with a secret it is said why nothing can be."""
    chain(small)
    small.steps["three"]["secrets"] = {"TOKEN": "env:CURSUS_SANDBOX_TEST_TOKEN"}
    succeeded(small.run(until="two"))
    assert predicted(small)["three"] == ("unknown", "its secrets are read only when it runs")


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        ({"only": ["two"]}, {"one": "reused", "two": "reused", "three": "skipped"}),
        ({"from_step": "two", "force": ["two"]}, {"one": "reused", "two": "run", "three": "reused"}),
        ({"until": "two", "cache": False}, {"one": "run", "two": "run", "three": "skipped"}),
        ({"force": ["three"]}, {"one": "reused", "two": "reused", "three": "run"}),
    ],
)
def test_the_options_of_a_run(small, options, outcomes):
    """A selection, --force and --no-cache mean what they mean to a run, which then does what was predicted."""
    succeeded(chain(small).run())
    planned = api.plan(small.document, image=small.image)
    found = api.predicted(planned, small.workspace, **options)
    assert {step: str(one.outcome) for step, one in found.items()} == outcomes
    ran = {step: "run" if status == "succeeded" else status for step, status in statuses(small.run(**options)).items()}
    assert ran == outcomes


def test_a_selection_before_the_first_run(small):
    """What is left out, and that what it would read isn't there, is said where nothing has run yet, as by the run."""
    planned = api.plan(chain(small).document)
    found = api.predicted(planned, small.workspace, until="two")
    assert {step: str(one) for step, one in found.items()} == {
        "one": "yes: it has not run before",
        "two": "perhaps: it reads what one will leave",
        "three": "no: not selected",
    }
    with pytest.raises(DocumentError) as refused:
        api.predicted(planned, small.workspace, only=["two"])
    with pytest.raises(DocumentError, match="no earlier run") as of_run:
        small.run(only=["two"])
    assert str(refused.value) == str(of_run.value)
    with pytest.raises(DocumentError, match="no step is called 'tow'"):
        api.predicted(planned, small.workspace, force=["tow"])


def test_the_command_says_it(small):
    """`plan` says of each step whether it would run again and why, in text and in JSON."""
    succeeded(chain(small).run())
    small.write("given/a.csv", "x\n2\n")
    plan = [COMMAND, "plan", small.document, "--workspace", small.workspace]
    text = subprocess.run(plan, capture_output=True, text=True, check=True).stdout
    assert "  run      yes: input data changed: a.csv\n" in text
    assert "  run      perhaps: it reads what one will leave\n" in text
    assert "  run      not again: unchanged since run " in text
    read = json.loads(subprocess.run([*plan, "--json"], capture_output=True, text=True, check=True).stdout)
    assert [step["prediction"]["outcome"] for step in read["steps"]] == ["run", "unknown", "reused"]
    text = subprocess.run([*plan, "--only", "two"], capture_output=True, text=True, check=True).stdout
    assert text.startswith("small: 3 steps, 1 to run\n")
    assert "  run      no: not selected\n" in text
    read = json.loads(subprocess.run([*plan, "--only", "two", "--json"], capture_output=True, check=True).stdout)
    assert [step["prediction"]["outcome"] for step in read["steps"]] == ["reused", "reused", "skipped"]

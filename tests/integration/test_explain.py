"""`explain`, as typed: why a step ended as it did, from what its run and earlier ones have kept."""

import json
import subprocess
import sys

import pytest
from small_pipeline import SmallPipeline

from cursus_sandbox.runs.history import kept_runs


@pytest.fixture
def failing(anywhere) -> SmallPipeline:
    """A pipeline with a step that fails in its second run, for code and a variable that were changed."""
    anywhere.step("load", "say('rows')")
    anywhere.step("train", "say('model')", reads={"data": "load:out"}, env={"DEPTH": "3"})
    anywhere.step("score", reads={"data": "train:out"})
    anywhere.step("report", reads={"data": "score:out"})
    assert anywhere.run().success
    anywhere.steps["train"]["env"] = {"DEPTH": "4"}
    anywhere.write("scripts/train.py", "import os; os.environ['LABEL_FIELD']\n")
    assert not anywhere.run().success
    return anywhere


def explain(pipeline, *words):
    line = [sys.executable, "-m", "cursus_sandbox", "explain", *words, "--workspace", str(pipeline.workspace)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def test_every_end_is_explained(failing):
    """What failed with what was changed before it, what was skipped for that, and what was taken over."""
    first, second = (run.name for run in kept_runs(failing.workspace))
    said = explain(failing, "train").stdout.splitlines()
    assert said[0] == f"train: failed in run {second}"
    assert said[1].startswith("  it ran: code changed: train.py; environment changed: DEPTH")
    assert said[2] == f"  what it came of, in run {first} and in this one:"
    assert "    environment DEPTH: 3 -> 4" in said
    assert any(line.startswith("    code train.py: ") and " -> " in line for line in said)
    assert "  its last word: KeyError: 'LABEL_FIELD'" in said
    assert "    Give it one: env: {NAME: value} of the step, or secrets: for what must not be seen." in said
    there = f"--workspace {failing.workspace}"
    assert said[-1] == f"next: cursus-sandbox rerun {second} --failed {there}"
    skipped = explain(failing, "report").stdout
    assert "  train failed: exit code 1" in skipped
    assert skipped.endswith(f"next: cursus-sandbox explain {second}:train {there}\n")
    assert f"it did not run: unchanged since run {first}, so what it left then was taken over" in (
        explain(failing, "last:load").stdout
    )
    before = json.loads(explain(failing, f"{first}:train", "--json").stdout)
    assert (before["status"], before["because"], before["changes"]) == ("succeeded", "it has not run before", [])


def test_a_step_that_fails_twice(small):
    """Of a step that has never ended well what it came of is compared with the last time that it failed."""
    small.step("bad", "sys.exit(3)")
    small.run()
    small.step("bad", "sys.exit(4)")
    small.run()
    said = explain(small, "bad").stdout
    assert "it ran: it has not ended well before" in said
    assert "    code bad.py: " in said


@pytest.mark.parametrize(
    ("words", "said"),
    [(["bda"], "Did you mean 'bad'?"), (["2020:bad"], "there is no run '2020'"), ([":"], "has no step ''")],
)
def test_what_is_not_there(small, words, said):
    """A run or a step that isn't there is one clear error."""
    small.step("bad", "sys.exit(3)")
    small.run()
    ended = explain(small, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr


def test_a_run_that_was_killed(small):
    """Of a run that nobody ended what was under way is told, and that the rest was not reached."""
    small.step("bad", "sys.exit(3)")
    run = small.run()
    (run.folder / "result.json").unlink()
    assert "it failed: exit code 3" in explain(small, "bad").stdout
    (run.folder / "steps/bad/step.json").unlink()
    (run.folder / "events.jsonl").unlink()
    assert "it did not run: not started: the run was ended from outside" in explain(small, "bad").stdout

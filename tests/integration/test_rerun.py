"""`rerun`: an earlier run once more, and no more of it than is asked for."""

import json
import os
import subprocess
import sys

import pytest
from on_terminal import Terminal
from small_pipeline import SmallPipeline, said, statuses, succeeded

import cursus_sandbox
from cursus_sandbox import DocumentError, api
from cursus_sandbox.runs.history import kept_run, kept_runs


@pytest.fixture
def failed(small) -> SmallPipeline:
    """A pipeline whose second step has failed, and a step beside it that went well."""
    small.step("load", "say('rows')")
    small.step("bad", "sys.exit(3)", reads={"data": "load:out"})
    small.step("later", "say((IN / 'data/said').read_text() + '!')", reads={"data": "bad:out"})
    small.step("beside")
    assert not small.run(memory="300m", only=[]).success
    return small


def mend(pipeline):
    script = pipeline.folder / "scripts/bad.py"
    script.write_text(script.read_text().replace("sys.exit(3)", "say((IN / 'data/said').read_text())"))


def command(pipeline, *words, **settings):
    line = [sys.executable, "-m", "cursus_sandbox", *words, "--workspace", str(pipeline.workspace)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, **settings)


def test_what_failed_runs_again(failed):
    """Only what failed and what waited for it runs, from wherever it is typed, with the same options."""
    mend(failed)
    ended = command(failed, "rerun", "--failed", "--json", cwd="/")
    assert ended.returncode == 0, ended.stderr
    result = kept_run(failed.workspace, "last").result
    assert statuses(result) == {"load": "reused", "beside": "skipped", "bad": "succeeded", "later": "succeeded"}
    assert said(result.step_results["later"]) == "rows!"
    assert result.step_results["bad"].memory_limit == 300 * 1024**2
    again = command(failed, "rerun", "--failed")
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing to run again: every step of run last ended well" in again.stderr
    assert len(kept_runs(failed.workspace)) == 2


def test_why_it_runs_again(failed):
    """Of a step that runs once more `explain` says that, and names no option that nobody typed."""
    first = kept_run(failed.workspace, "last").name
    mend(failed)
    api.rerun(failed=True, workspace=failed.workspace)
    assert f"it ran: it did not end well in run {first}, which was rerun\n" in command(failed, "explain", "bad").stdout


def test_it_reads_what_that_run_left(failed):
    """The others' outputs are those of the run that is named, though there are newer ones."""
    first = kept_run(failed.workspace, "last").name
    load = failed.folder / "scripts/load.py"
    load.write_text(load.read_text().replace("rows", "newer"))
    failed.run()
    mend(failed)
    result = api.rerun(first, failed=True, workspace=failed.workspace)
    assert said(result.step_results["later"]) == "rows!"
    assert f"run {first} once more, as far as it did not end well" in result.notes


def test_it_fails_again_and_again(failed):
    """A step that fails once more can be run again as often as one likes, and in the end the rest goes on."""
    for _ in range(2):
        assert statuses(api.rerun(failed=True, workspace=failed.workspace))["bad"] == "failed"
    mend(failed)
    assert said(succeeded(api.rerun(failed=True, workspace=failed.workspace)).step_results["later"]) == "rows!"


def test_all_of_it_runs_again(failed):
    """Without --failed nothing is taken over, and what runs is what the run was asked for, not what it came to."""
    mend(failed)
    api.rerun(failed=True, workspace=failed.workspace)
    result = api.rerun(workspace=failed.workspace)
    assert set(statuses(result).values()) == {"succeeded"}
    assert {step.because for step in result.steps} == {f"run {kept_runs(failed.workspace)[-2].name} was rerun"}


def test_options_are_kept(small):
    """Paths count from where they were typed, and no secret's value is written."""
    small.step("uses", "say(os.environ['N'][:1])", inputs={"data": {"required": True}}, secrets={"N": "env:HIDDEN"})
    small.write("given/part", "x")
    words = ["--engine", "local", "--input", "uses:data=given", "--contracts", "contracts", "--strict", "-j", "1"]
    environment = os.environ | {"HIDDEN": "very secret"}
    ended = command(small, "run", small.document.name, *words, cwd=small.folder, env=environment)
    assert ended.returncode == 0, ended.stderr
    text = (kept_run(small.workspace, "last").folder / "request.json").read_text()
    assert "very" not in text
    assert json.loads(text)["options"]["inputs"] == {"uses:data": "given"}
    for folder in (small.folder, "/"):
        again = command(small, "rerun", cwd=folder, env=environment)
        assert again.returncode == 0, again.stderr
    plans = [run.plan for run in kept_runs(small.workspace)]
    assert plans[0] == plans[1]
    assert plans[2]["steps"][0]["source_dir"] == str(small.folder / "scripts")


def test_a_run_that_was_killed(failed):
    """Of a run that was ended before its time what was not reached runs, too."""
    (kept_run(failed.workspace, "last").folder / "result.json").unlink()
    mend(failed)
    result = succeeded(api.rerun(failed=True, workspace=failed.workspace))
    assert statuses(result) == {"load": "reused", "beside": "skipped", "bad": "succeeded", "later": "succeeded"}


def test_what_cannot_be_run_again(failed):
    """A run of objects in memory, one that isn't there, and a document that is gone: one clear error each."""
    run = kept_run(failed.workspace, "last")
    failed.document.rename(failed.folder / "moved.json")
    gone = command(failed, "rerun", "--failed")
    assert (gone.returncode, gone.stdout) == (2, "")
    assert str(failed.document.name) in gone.stderr
    (run.folder / "request.json").unlink()
    with pytest.raises(DocumentError, match="does not say what it was asked for"):
        api.rerun(workspace=failed.workspace)
    missing = command(failed, "rerun", "2020")
    assert (missing.returncode, "there is no run '2020'" in missing.stderr) == (2, True)


def test_objects_of_the_caller_are_not_kept(small, monkeypatch):
    """A graph in memory can't be asked for again, and nothing is written that says it could."""
    small.step("load", "say('rows')")
    monkeypatch.chdir(small.folder)
    dag = cursus_sandbox.PipelineDAG(nodes=["load"])
    options = {"engine": "local", "contracts": ["contracts"], "source_dir": "scripts"}
    run = succeeded(cursus_sandbox.run(dag, workspace=small.workspace, **options))
    assert not (run.folder / "request.json").exists()


def test_a_shell_at_the_first_failure(failed, tmp_path):
    """The view makes way for a shell in the failed step's sandbox; when it is left, the exit code is the run's."""
    words = ["rerun", "--failed", "--shell-on-failure", "--workspace", str(failed.workspace)]
    with Terminal(*words, cwd=tmp_path, columns=120, rows=50) as terminal:
        terminal.until("its command: python3 /opt/ml/processing/input/code/bad.py")
        terminal.press(b"echo in $(pwd)$(ls /opt/ml/processing/input)\r")
        terminal.until("in /code")
        terminal.press(b"exit 9\r")
        assert terminal.end() == 1
        assert "1 failed" in terminal.text


def test_no_shell_without_a_terminal(failed):
    """Where there is no terminal that is said before anything starts."""
    for words in (["run", str(failed.document), "--engine", "local"], ["rerun", "--failed"]):
        ended = command(failed, *words, "--shell-on-failure", stdin=subprocess.DEVNULL)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "--shell-on-failure: it needs a terminal" in ended.stderr
    assert len(kept_runs(failed.workspace)) == 1

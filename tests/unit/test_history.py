"""Which runs a workspace has kept."""

import fcntl
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cursus_sandbox import PipelineExecutionResult
from cursus_sandbox.errors import DocumentError
from cursus_sandbox.runs.history import kept_run, kept_runs, step_of
from cursus_sandbox.runs.workspace import Workspace

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path):
    """A workspace with a run that ended well and one that was killed in its second step."""
    for name in ("20260102-030405-000", "20260103-000000-000"):
        folder = tmp_path / "runs" / name
        for step in ("load", "train"):
            (folder / "steps" / step).mkdir(parents=True)
        plan = {"name": "flights", "steps": [{"name": step} for step in ("load", "train", "score")]}
        (folder / "plan.json").write_text(json.dumps(plan))
        result = PipelineExecutionResult(
            pipeline="flights", run=name, folder=folder, engine="local", started_at=STARTED, seconds=1.0, steps=()
        )
        (folder / "result.json").write_text(json.dumps(result.model_dump(mode="json")))
    (folder / "result.json").unlink()
    (folder / "steps/load/step.json").write_text('{"step": "load", "status": "succeeded"}')
    (folder / "steps/train/step.json").write_text("{")
    (tmp_path / "lock").touch()
    return tmp_path


def test_runs_are_in_the_order_they_were_made(workspace):
    """A run that was killed has no result, but those of the steps that ended; what can't be read is left out."""
    first, second = kept_runs(workspace)
    assert (first.name, first.result.pipeline, first.is_running) == ("20260102-030405-000", "flights", False)
    assert (second.result, second.is_running) == (None, False)
    assert [step.step for step in second.ended_steps()] == ["load"]
    assert second.started_at.strftime("%Y%m%d-%H%M%S") == "20260103-000000"


def test_what_is_known_of_a_run_that_was_killed(workspace):
    """What ended, what was under way and since when, what was not reached; and what each used as far as it was told."""
    run = kept_run(workspace, "last")
    (run.folder / "steps/train/log.txt").write_text("half\n")
    plan = {"name": "flights", "execution_order": ["made", "load", "train", "score"], "steps": []}
    (run.folder / "plan.json").write_text(json.dumps(plan))
    skipped = {"step": "made", "status": "skipped", "why": "not selected"}
    lines = [
        {
            "event": "run_started",
            "pipeline": "flights",
            "run": run.name,
            "folder": "/",
            "engine": "docker",
            "steps": {},
        },
        {"event": "step_ended", "result": skipped},
        {"event": "step_started", "step": "train"},
        {"event": "step_sampled", "step": "train", "memory": 5, "cpu": 0.5},
        {"event": "step_sampled", "step": "train", "memory": 7, "cpu": None},
    ]
    start = run.started_at
    told = [{"at": (start + timedelta(seconds=at)).isoformat(), **line} for at, line in enumerate(lines)]
    (run.folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told) + '{"at"')
    so_far = run.so_far
    assert (so_far.engine, so_far.seconds) == ("docker", 4)
    assert [(one.step, str(one.status), one.why) for one in so_far.steps] == [
        ("made", "skipped", "not selected"),
        ("load", "succeeded", ""),
        ("train", "stopped", "it was running when the run was ended from outside"),
        ("score", "skipped", "not started: the run was ended from outside"),
    ]
    train = so_far.step_results["train"]
    assert (train.seconds, train.log) == (2, run.folder / "steps/train/log.txt")
    assert run.usage == {"train": [(1.0, 5, 0.5), (2.0, 7, None)]}
    with Workspace(workspace):
        running = kept_run(workspace, "last").so_far
    assert [one.why for one in running.steps[2:]] == ["it runs", "it waits"]


def test_a_run_whose_workspace_is_held_is_running(workspace):
    """The newest run without a result runs while somebody holds the lock; the others don't."""
    with Workspace(workspace):
        assert [run.is_running for run in kept_runs(workspace)] == [False, True]
    assert not any(run.is_running for run in kept_runs(workspace))


def test_a_run_is_named_by_how_its_name_begins(workspace):
    """The whole name, its beginning where only one run begins so, or `last`."""
    assert kept_run(workspace, "20260102").name == "20260102-030405-000"
    assert kept_run(workspace, "last").name == "20260103-000000-000"
    run, step = step_of(workspace, "20260102:train")
    assert (run.name, step) == ("20260102-030405-000", "train")
    assert step_of(workspace, "load")[0].name == "20260103-000000-000"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("2026", "is the beginning of 2 runs: 20260102-030405-000, 20260103-000000-000"),
        ("20260109-000000-000", "Did you mean '20260103-000000-000'?"),
        ("x", "there is no run 'x'"),
        ("../..", "there is no run '../..'"),
    ],
)
def test_a_run_that_is_not_there_is_an_error(workspace, name, said):
    """Which run was meant is never guessed."""
    with pytest.raises(DocumentError) as error:
        kept_run(workspace, name)
    assert said in str(error.value)


def test_an_empty_workspace_has_no_run(tmp_path):
    """A folder without runs is an error only where a run is asked for."""
    assert kept_runs(tmp_path) == []
    with pytest.raises(DocumentError, match="no run is kept in"):
        kept_run(tmp_path, "last")


@pytest.mark.parametrize(
    ("step", "said"),
    [("score", "step 'score' was not started"), ("trian", "Did you mean 'train'?"), ("../..", "has no step '../..'")],
)
def test_a_step_that_is_not_there_is_an_error(workspace, step, said):
    """A step that was never started is told from one that the pipeline doesn't have."""
    with pytest.raises(DocumentError) as error:
        kept_run(workspace, "last").step(step)
    assert said in str(error.value)


def test_a_step_that_was_started_in_an_earlier_run(workspace):
    """Of a step that was not started in a run the last one is named that has its log, not one that took it over."""
    for run, text in (("20260101-000000-000", "said\n"), ("20260102-030405-000", "")):
        folder = workspace / "runs" / run / "steps/score"
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text(text)
    with pytest.raises(DocumentError, match="in run 20260101-000000-000: name it as  20260101-000000-000:score"):
        kept_run(workspace, "last").step("score")


def test_looking_at_runs_keeps_no_run_out(workspace):
    """A run that begins while somebody looks whether one is there gets the lock, as soon as that look is over."""
    look = os.open(workspace / "lock", os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)
    over = threading.Timer(0.05, os.close, [look])
    over.start()
    with Workspace(workspace):
        assert kept_runs(workspace)[-1].is_running
    over.join()


def test_looking_at_a_run_does_not_hold_it(workspace):
    """Whoever looks takes the lock for no longer than that."""
    before = {one.name for one in Path("/proc/self/fd").iterdir()}
    kept_runs(workspace)
    assert {one.name for one in Path("/proc/self/fd").iterdir()} <= before
    with Workspace(workspace):
        pass

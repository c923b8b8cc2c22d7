"""A run as a whole: its order, its folder, what is reused, what is skipped, and the ways to start one."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from small_pipeline import SECONDS_AT_MOST, SmallPipeline, said, statuses, succeeded

import cursus_sandbox
from cursus_sandbox import DocumentError, EngineError, PipelineDAG, PipelineExecutor
from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.engines.local import LocalEngine
from cursus_sandbox.pipeline.events import (
    DataChecked,
    Progress,
    RunEnded,
    RunStarted,
    StepEnded,
    StepLogged,
    StepSampled,
    StepStarted,
)
from cursus_sandbox.pipeline.result import PipelineExecutionResult
from cursus_sandbox.pipeline.selection import Selection
from cursus_sandbox.runs.journal import recorded


def chain(small: SmallPipeline) -> SmallPipeline:
    """Three steps, each of which adds a letter to what the one before it said."""
    small.step("one", "say('a')")
    small.step("two", "say((IN / 'data/said').read_text() + 'b')", reads={"data": "one:out"})
    small.step("three", "say((IN / 'data/said').read_text() + 'c')", reads={"data": "two:out"})
    return small


def order(small: SmallPipeline, **options) -> list[str]:
    events = []
    succeeded(small.run(observer=events.append, **options))
    return [
        f"{event.step} starts" if isinstance(event, StepStarted) else f"{event.result.step} ends"
        for event in events
        if isinstance(event, StepStarted | StepEnded)
    ]


def test_independent_steps_run_at_the_same_time(anywhere):
    """Two steps that wait for nothing overlap in time."""
    anywhere.step("one", "time.sleep(1); say('x')")
    anywhere.step("two", "time.sleep(1); say('x')")
    seen = order(anywhere, jobs=2)
    assert sorted(seen[:2]) == ["one starts", "two starts"]


def test_one_job_at_a_time(small):
    """With one job, a step starts after the one before it has ended."""
    for name in ("one", "two", "three"):
        small.step(name)
    seen = order(small, jobs=1)
    assert seen == ["one starts", "one ends", "two starts", "two ends", "three starts", "three ends"]


def test_a_step_starts_when_all_it_waits_for_has_ended(small):
    """Data and order alone both make a step wait."""
    small.step("last", reads={"data": "first:out"}, depends_on="middle")
    small.step("middle", depends_on=["first"])
    small.step("first")
    names = [event.split()[0] for event in order(small, jobs=3)]
    assert names == ["first", "first", "middle", "middle", "last", "last"]


def test_the_folder_of_a_run(anywhere):
    """A run leaves what it was asked for, its plan and result, and of each step a log and whole outputs; no more."""
    result = succeeded(chain(anywhere).run())
    files = sorted(str(file.relative_to(result.folder)) for file in result.folder.rglob("*") if file.is_file())
    of_steps = [
        f"steps/{name}/{file}"
        for name in ("one", "three", "two")
        for file in ("log.txt", "outputs/out/said", "record.json", "step.json")
    ]
    assert files == ["events.jsonl", "plan.json", "request.json", "result.json", *of_steps]
    plan = json.loads((result.folder / "plan.json").read_text())
    assert plan["execution_order"] == ["one", "two", "three"]
    assert plan["data_flow_map"] == {"one": {}, "two": {"data": "one:out"}, "three": {"data": "two:out"}}
    saved = json.loads((result.folder / "result.json").read_text())
    assert (saved["success"], saved["exit_code"], saved["execution_order"]) == (True, 0, ["one", "two", "three"])
    assert saved["engine"] == result.engine
    assert (saved["memory_peak"] or 0) > 1024**2
    assert PipelineExecutionResult.model_validate(saved) == result


def test_what_is_measured(anywhere):
    """A step's seconds, its peak memory and its attempts are in its result."""
    anywhere.step("step", "hog = b'x' * 80_000_000; time.sleep(0.5); say('x')")
    step = succeeded(anywhere.run()).step_results["step"]
    assert 0.5 < step.seconds < 30
    assert 80e6 < step.peak_memory < 200e6
    assert step.attempts == 1


def test_only_one_step_again(anywhere):
    """--only runs one step on what an earlier run left; the reused step says from which run."""
    first = succeeded(chain(anywhere).run())
    result = succeeded(anywhere.run(only=["two"], force=["two"]))
    assert statuses(result) == {"one": "reused", "two": "succeeded", "three": "skipped"}
    assert result.step_results["one"].why == f"outputs of run {first.run}"
    assert result.step_results["three"].why == "not selected"
    assert said(result.step_results["two"]) == "ab"


def test_from_a_step_on_and_up_to_a_step(small):
    """--from and --until run a part; each reads the newest outputs there are."""
    succeeded(chain(small).run(until="two"))
    small.write(
        "scripts/one.py",
        small.write("x", (small.folder / "scripts/one.py").read_text().replace("'a'", "'A'")).read_text(),
    )
    succeeded(small.run(only=["one"]))
    result = succeeded(small.run(from_step="three"))
    assert said(result.step_results["three"]) == "abc"  # `two` has not read the new `one` yet
    result = succeeded(small.run(from_step="two", until="three"))
    assert statuses(result) == {"one": "reused", "two": "succeeded", "three": "succeeded"}
    assert said(result.step_results["three"]) == "Abc"


def test_nothing_to_reuse(small):
    """Without an earlier run that left what is read, nothing starts, and the error says what to run first."""
    with pytest.raises(DocumentError, match=r"step 'three' reads 'two:out', and no earlier run in .* left that"):
        chain(small).run(from_step="three")
    assert list((small.workspace / "runs").iterdir()) == []


def test_a_failed_run_leaves_nothing_to_reuse(small):
    """What a failed step had written is not there for a later run."""
    small.step("one", "say('half'); sys.exit(1)")
    small.step("two", reads={"data": "one:out"})
    small.run()
    with pytest.raises(DocumentError, match="--until one"):
        small.run(only=["two"])


def test_another_pipeline_s_outputs_are_not_reused(small):
    """Runs of another pipeline in the same workspace don't count as earlier runs of this one."""
    succeeded(chain(small).run())
    plan = cursus_sandbox.plan(small.document)
    with pytest.raises(DocumentError, match="no earlier run"):
        PipelineExecutor(small.workspace).execute_pipeline(
            replace(plan, name="other"),
            selection=Selection(only=("two",)),
        )


def test_steps_that_are_bound_or_skipped(anywhere, monkeypatch):
    """A step whose outputs are bound to a folder is SKIPPED with the reason, and its readers read that folder."""
    anywhere.write("given/said", "given")
    anywhere.step("source", outputs={"DATA": {}}, kind="CradleDataLoading")
    anywhere.steps["source"]["outputs"] = {"DATA": "given"}
    anywhere.step("reader", "say((IN / 'data/said').read_text())", reads={"data": "source:DATA"})
    anywhere.step("registration", reads={"data": "reader:out"}, outputs={}, kind="MimsModelRegistrationProcessing")
    anywhere.step("unwanted", depends_on="reader", skip=True)
    anywhere.document  # noqa: B018 -- writes it
    monkeypatch.chdir(anywhere.folder)  # what is bound is found wherever the document is named from
    result = succeeded(
        cursus_sandbox.run("dag.json", engine=anywhere.engine, image=anywhere.image, workspace="workspace")
    )
    assert statuses(result) == {
        "source": "skipped",
        "reader": "succeeded",
        "registration": "skipped",
        "unwanted": "skipped",
    }
    assert said(result.step_results["reader"]) == "given"
    assert result.step_results["source"].why == "its outputs are bound to folders"
    assert result.step_results["registration"].why == "MimsModelRegistrationProcessing has no script to run here"
    assert result.step_results["unwanted"].why == "the document says skip"


def test_odd_names_of_folders(anywhere, tmp_path):
    """Spaces, colons, quotes and accents in the workspace's and the document's path mean nothing."""
    odd = SmallPipeline(tmp_path / "a b:ü,日本 'q' \"d\" \\ $HOME", anywhere.engine, anywhere.image)
    odd.write("given/said", "given")
    odd.step("one", "say((IN / 'data/said').read_text())", reads={"data": "./given"})
    odd.step("two", "say((IN / 'data/said').read_text())", reads={"data": "one:out"})
    assert said(succeeded(odd.run()).step_results["two"]) == "given"


def test_a_relative_workspace(small, monkeypatch):
    """A workspace may be given relative to the folder one is in."""
    monkeypatch.chdir(small.folder)
    assert succeeded(chain(small).run(workspace="here")).folder.parent.parent == small.folder / "here"


def test_an_executor_takes_a_path_and_a_plan(small):
    """PipelineExecutor runs a document and a plan, one after the other, without being told of an engine."""
    document = chain(small).document
    executor = PipelineExecutor(workspace_dir=small.workspace)
    for dag in (str(document), cursus_sandbox.plan(document)):
        assert said(succeeded(executor.execute_pipeline(dag, data_source="local")).step_results["three"]) == "abc"


def test_an_executor_without_an_engine_leaves_no_image_aside(small):
    """Where an image is named, an executor that was given no engine says so instead of running without it."""
    plan = cursus_sandbox.plan(chain(small).document, image="xgb:latest")
    with pytest.raises(EngineError, match="xgb:latest was asked for"):
        PipelineExecutor(small.workspace).execute_pipeline(plan)


def test_an_executor_takes_a_graph(anywhere):
    """PipelineExecutor runs a bare PipelineDAG, for which it is told contracts, sources and image; and again."""
    chain(anywhere)
    engine = DockerEngine.connect() if anywhere.image else LocalEngine.connect()
    executor = PipelineExecutor(
        workspace_dir=anywhere.workspace,
        engine=engine,
        contracts=[anywhere.folder / "contracts"],
        source_dir=anywhere.folder / "scripts",
        image=anywhere.image,
    )
    graph = PipelineDAG(nodes=("two", "one"), edges=(("one", "two"),))  # `data` is bound to `out` by the path rule
    for _ in range(2):
        assert said(succeeded(executor.execute_pipeline(graph)).step_results["two"]) == "ab"


def test_run_takes_a_graph(small):
    """cursus_sandbox.run runs a bare PipelineDAG likewise, with its root inputs bound by name."""
    small.write("given/said", "given")
    small.step("one", "say((IN / 'data/said').read_text())", inputs={"data": {"required": True}})
    graph = PipelineDAG(nodes=("one_training",))
    result = cursus_sandbox.run(
        graph,
        engine="local",
        workspace=small.workspace,
        contracts=[small.folder / "contracts"],
        source_dir=small.folder / "scripts",
        inputs={"one_training:data": small.folder / "given"},
    )
    assert said(succeeded(result).step_results["one_training"]) == "given"


def test_an_unknown_data_source(small):
    """A data source that isn't there is an error before anything starts."""
    with pytest.raises(DocumentError, match="no data source 'cloud'"):
        chain(small).run(data_source="cloud")
    assert not small.workspace.exists()


def test_the_events_of_a_run(small):
    """An observer hears the run begin and end, each step that starts, and each step's end, also of those not run."""
    small.step("bad", "sys.exit(1)")
    small.step("after", reads={"data": "bad:out"})
    events = []
    result = small.run(observer=events.append)
    assert events[0] == RunStarted(
        pipeline="small",
        run=result.run,
        folder=result.folder,
        engine="local",
        steps={"bad": (), "after": ("bad",)},
    )
    assert events[-1] == RunEnded(run=result.run, outcome="failed", exit_code=result.exit_code, seconds=result.seconds)
    assert [event for event in events if isinstance(event, StepStarted)] == [StepStarted(step="bad")]
    assert [(event.result.step, str(event.result.status)) for event in events if isinstance(event, StepEnded)] == [
        ("bad", "failed"),
        ("after", "skipped"),
    ]


def test_what_is_told_of_a_step(anywhere):
    """While it runs: what it writes, what it uses, which attempt it is; before and after it, what is checked."""
    script = (
        "print('one'); print('two'); hold = b'x' * 30_000_000; end = time.time() + 1.2\nwhile time.time() < end: pass\n"
    )
    anywhere.step("load", "say('x')")
    anywhere.step("busy", script + "print('three'); sys.exit(1)", reads={"data": "load:out"}, retries=1)
    events = []
    result = anywhere.run(observer=events.append)
    mine = [event for event in events if getattr(event, "step", "") == "busy"]
    assert [one.attempt for one in mine if isinstance(one, StepStarted)] == [1, 2]
    lines = [line for one in mine if isinstance(one, StepLogged) for line in one.lines]
    log = result.step_results["busy"].log.read_text().splitlines()
    assert lines == log
    samples = [one for one in mine if isinstance(one, StepSampled)]
    assert len(samples) > 2
    assert max(one.memory for one in samples) > 20_000_000
    assert all(0 <= one.cpu < 9 for one in samples)
    assert max(one.cpu for one in samples) > 0.05
    assert [one.data for one in events if isinstance(one, DataChecked)] == ["load:out"]
    assert "publishing its outputs" in [one.what for one in events if isinstance(one, Progress)]


def test_the_journal_of_a_run(small):
    """The run's folder keeps what was told, in the same order, each with its time."""
    events = []
    result = chain(small).run(observer=events.append)
    kept = list(recorded(result.folder / "events.jsonl"))
    told = [event for event in events if not isinstance(event, StepSampled | StepLogged)]
    assert [one.event for one in kept if not isinstance(one.event, StepSampled | StepLogged)] == told
    assert [one.at for one in kept] == sorted(one.at for one in kept)
    assert kept[0].at.utcoffset() is not None


def test_a_thousand_steps_that_run_nothing(small):
    """A pipeline of a thousand skipped steps runs in seconds: what costs is the steps, not the walk."""
    small.step("source", outputs={"DATA": {}}, kind="CradleDataLoading")
    for number in range(1000):
        small.steps[f"source_{number}"] = {"depends_on": [f"source_{number - 1}" if number else "source"]}
    result = succeeded(small.run())
    assert len(result.steps) == 1001
    assert result.seconds < 5
    assert not (result.folder / "steps").exists()


def test_runs_sort_by_time(small):
    """Each run has a folder of its own, and their names sort by the time they began."""
    chain(small)
    runs = [succeeded(small.run()).run for _ in range(2)]
    assert runs == sorted(Path(folder).name for folder in (small.workspace / "runs").iterdir())


def test_steps_share_the_memory_there_is(small):
    """Two steps that may each use most of the memory run one after the other, though there are jobs for both."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 2 // 3
    script = """

say(str(time.monotonic()), name="began")
time.sleep(0.2)
say(str(time.monotonic()), name="ended")
"""
    for name in ("One", "Two"):
        small.step(name, script, resources={"memory": most})
    result = succeeded(small.run(jobs=2))
    times = sorted(
        tuple(float(said(result.step_results[name], name=when)) for when in ("began", "ended"))
        for name in ("One", "Two")
    )
    assert times[0][1] <= times[1][0]


def test_the_slowest_way_starts_first(small):
    """Of two ready steps the one that took longer in the last run starts first, whatever the document's order."""
    small.step("Quick")
    small.step("Slow", "time.sleep(0.3); say('well')")
    assert succeeded(small.run(jobs=1)).execution_order == ("Quick", "Slow")
    assert succeeded(small.run(jobs=1, cache=False)).execution_order == ("Slow", "Quick")


def test_what_a_step_left_is_checked_while_others_run(anywhere):
    """A step that is ready starts in the place of one that has run, while what that one left is still checked."""
    for name in ("first", "second", "third"):
        anywhere.step(name)
    began, seen = threading.Event(), []

    def observe(event):
        if event == StepStarted(step="third", attempt=1):
            began.set()
        if isinstance(event, Progress) and event.what == "checking its output out":
            seen.append(began.wait(SECONDS_AT_MOST))

    succeeded(anywhere.run(observer=observe, jobs=2))
    assert seen == [True, True, True]

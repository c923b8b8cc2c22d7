"""The containers of steps that are expected next are started while others run; none of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager

import pytest
from small_pipeline import SmallPipeline, said, statuses, succeeded, wait_for

from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.pipeline.events import DataChecked, StepEnded

pytestmark = [pytest.mark.docker, pytest.mark.images]
FOREVER = "print('waiting', flush=True); time.sleep(600)"
READS = "say((IN / 'data/said').read_text() + '+')"


def chain(small: SmallPipeline, first: str, *names: str) -> SmallPipeline:
    small.step("first", first)
    for before, name in zip(("first", *names), names, strict=False):
        small.step(name, READS, reads={"data": f"{before}:out"})
    return small


def containers(small: SmallPipeline, *, state: str = "running") -> list[str]:
    """The steps that have a container of a run in this workspace, in a state."""
    runs = [one.name for one in small.workspace.glob("runs/*")]
    shown = '{{.Label "cursus-sandbox.step"}}'
    listed = [
        subprocess.run(
            [
                *("docker", "ps", "--all", "--format", shown, "--filter", f"status={state}"),
                *("--filter", f"label=cursus-sandbox.run={run}"),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for run in runs
    ]
    return sorted(step for steps in listed for step in steps)


def attempts(small: SmallPipeline) -> list[str]:
    return sorted(f"{one.parent.name}/{one.name}" for one in small.workspace.glob("runs/*/steps/*/attempt-*"))


@pytest.fixture
def gates(image: str) -> None:
    """A daemon whose containers can be started ahead."""
    with DockerEngine.connect() as engine:
        if engine._daemon.facts.init is None:
            pytest.skip("this daemon's init isn't on this machine: it has no gates")


@contextmanager
def running(small: SmallPipeline, *words: str):
    with subprocess.Popen(
        small.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True
    ) as command:
        try:
            yield command
        finally:
            command.kill()


def test_no_more_wait_than_may_run(in_docker, gates):
    """While a step runs, the next ones' containers run too, as many as --jobs; Ctrl-C leaves nothing of them."""
    chain(in_docker, FOREVER, "b", "c", "d", "e")
    with running(in_docker, "--jobs", "2") as command:
        wait_for(lambda: containers(in_docker) == ["b", "c", "first"])
        assert containers(in_docker, state="created") == []
        os.killpg(command.pid, signal.SIGINT)
        output = command.communicate(timeout=60)[0]
    assert command.returncode == 130, output
    assert containers(in_docker) == containers(in_docker, state="exited") == []
    assert [one for one in attempts(in_docker) if not one.startswith("first")] == []


def test_each_reads_what_the_one_before_left(in_docker):
    """A chain whose containers were started ahead hands on what each step wrote."""
    chain(in_docker, "say('0')", "b", "c", "d")
    result = succeeded(in_docker.run())
    assert said(result.step_results["d"]) == "0+++"
    assert attempts(in_docker) == []


def test_a_first_step_is_got_ready_while_its_inputs_are_checked(in_docker, gates):
    """What nobody expected isn't waited for either: its container waits at its gate when its inputs are well."""
    file = in_docker.write("data/rows.csv", "a\n1\n")
    in_docker.step(
        "first",
        "(IN / 'data/rows.csv').write_text('gone'); say((IN / 'data/rows.csv').read_text())",
        reads={"data": "data"},
        inputs={"more": {"required": False}},
    )

    def wait(event: object) -> None:
        if isinstance(event, DataChecked) and event.reader == "first:data":
            wait_for(lambda: containers(in_docker) == ["first"])

    result = succeeded(in_docker.run(observer=wait))
    assert said(result.step_results["first"]) == "gone"
    assert file.read_text() == "a\n1\n"
    assert containers(in_docker) == containers(in_docker, state="exited") == []
    assert attempts(in_docker) == []


def test_inputs_that_break_their_contract(in_docker):
    """What was got ready for a step whose inputs aren't well is taken away: nothing of it has begun."""
    in_docker.write("data/rows.csv", "a\n1\n")
    schema = {"glob": "*.csv", "fields": [{"name": "b", "type": "integer"}]}
    in_docker.step("first", reads={"data": "data"}, inputs={"data": {"required": True, "schema": schema}})
    result = in_docker.run()
    assert statuses(result) == {"first": "failed"}
    assert "not started" in result.step_results["first"].why
    assert containers(in_docker) == containers(in_docker, state="exited") == []
    assert attempts(in_docker) == []


def test_what_depends_on_a_failed_step(in_docker):
    """Steps that were expected and are skipped leave no container and no folder of an attempt."""
    result = chain(in_docker, "time.sleep(1); sys.exit(3)", "b", "c").run()
    assert statuses(result) == {"first": "failed", "b": "skipped", "c": "skipped"}
    assert containers(in_docker) == containers(in_docker, state="exited") == []
    assert attempts(in_docker) == ["first/attempt-1"]


def test_a_step_that_was_expected_and_is_reused(in_docker):
    """A step runs again and leaves what it left before: those after it are reused, and nothing is left of theirs."""
    chain(in_docker, "say('0')", "b", "c")
    succeeded(in_docker.run())
    in_docker.step("first", "say('0')  # as before")
    result = succeeded(in_docker.run())
    assert statuses(result) == {"first": "succeeded", "b": "reused", "c": "reused"}
    assert said(result.step_results["c"]) == "0++"
    assert containers(in_docker) == containers(in_docker, state="exited") == []
    assert attempts(in_docker) == []


def test_a_script_that_changes_while_its_container_waits(in_docker, gates):
    """The script that runs is the one that its step has when it starts."""
    chain(in_docker, "say('0')", "b")

    def edit(event: object) -> None:
        if isinstance(event, StepEnded) and event.result.step == "first":
            wait_for(lambda: "b" in containers(in_docker))
            in_docker.step("b", "say('edited')", reads={"data": "first:out"})

    result = succeeded(in_docker.run(observer=edit))
    assert said(result.step_results["b"]) == "edited"


def test_a_file_that_is_replaced_while_its_container_waits(in_docker, gates):
    """A single file that a step reads is the one there is when it starts; what it left of that is what is kept."""
    in_docker.write("ref.txt", "old")
    in_docker.step("first", "say('0')")
    in_docker.step("b", "say((IN / 'ref/ref.txt').read_text())", reads={"data": "first:out", "ref": "./ref.txt"})

    def replaced(event: object) -> None:
        if isinstance(event, StepEnded) and event.result.step == "first":
            wait_for(lambda: "b" in containers(in_docker))
            in_docker.write("ref.new", "new").rename(in_docker.folder / "ref.txt")

    result = succeeded(in_docker.run(observer=replaced))
    assert said(result.step_results["b"]) == "new"
    again = succeeded(in_docker.run())
    assert (statuses(again)["b"], said(again.step_results["b"])) == ("reused", "new")


def test_an_optional_output_that_is_not_left(in_docker):
    """A step that was expected to read something runs without it, as if nothing had been expected."""
    in_docker.step("first", "say('0')", outputs={"out": {}, "more": {"required": False}})
    ports = {"data": {"required": True}, "more": {"required": False}}
    in_docker.step(
        "b", "say(str(sorted(os.listdir(IN))))", reads={"data": "first:out", "more": "first:more"}, inputs=ports
    )
    result = succeeded(in_docker.run())
    assert said(result.step_results["b"]) == "['code', 'data']"


def test_a_run_that_is_killed(in_docker, gates):
    """Containers that wait end when the command is killed, and the next run takes them away."""
    chain(in_docker, FOREVER, "b", "c")
    with running(in_docker, "--jobs", "2") as command:
        wait_for(lambda: containers(in_docker) == ["b", "c", "first"])
        command.kill()
        command.wait()
        wait_for(lambda: containers(in_docker, state="exited") == ["b", "c"])
    in_docker.step("first", "say('0')")
    result = succeeded(in_docker.run())
    assert said(result.step_results["c"]) == "0++"
    assert containers(in_docker) == containers(in_docker, state="exited") == []
    assert attempts(in_docker) == []

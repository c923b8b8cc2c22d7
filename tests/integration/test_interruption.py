"""Runs that end before their time: signals, engines that break, disks and observers that fail, a workspace in use."""

import errno
import json
import os
import re
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest
from small_pipeline import SmallPipeline, Watched, said, statuses, succeeded, wait_for

from cursus_sandbox import EngineError, PipelineExecutor, WorkspaceError
from cursus_sandbox.pipeline.events import StepEnded
from cursus_sandbox.runs.workspace import Workspace

FOREVER = "print('waiting', flush=True); time.sleep(600)"


def runs(small: SmallPipeline) -> list[Path]:
    return sorted((small.workspace / "runs").glob("*"))


def logs_say(small: SmallPipeline, word: str, steps: set[str]) -> bool:
    return all(
        any(word in log.read_text() for log in small.workspace.glob(f"runs/*/steps/{step}/log.txt")) for step in steps
    )


def processes(word: str) -> list[str]:
    """The command lines of living processes of this machine that hold a word."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


def containers(run: str) -> list[str]:
    listed = ["docker", "ps", "--all", "--quiet", "--filter", f"label=cursus-sandbox.run={run}"]
    return subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()


def wait_until_it_says(command: subprocess.Popen, small: SmallPipeline, word: str, *steps: str) -> None:
    """Wait until each of these steps of a running command has a word in its log."""
    wait_for(lambda: command.poll() is not None or logs_say(small, word, set(steps)))
    assert command.poll() is None, command.communicate()[0]


def saved(small: SmallPipeline) -> dict:
    (run,) = runs(small)
    return json.loads((run / "result.json").read_text())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_to_the_command(anywhere, number, code):
    """Ctrl-C, SIGTERM and a closed terminal end the steps, save the result and leave nothing behind: 130 and 143."""
    word = f"mark-{uuid.uuid4().hex}"
    anywhere.step("slow", FOREVER, arguments=[word])
    anywhere.step("too", FOREVER, arguments=[word])
    anywhere.step("after", reads={"data": "slow:out"})
    anywhere.step("later")
    with subprocess.Popen(
        anywhere.command("--jobs", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as command:
        wait_until_it_says(command, anywhere, "waiting", "slow", "too")
        os.killpg(command.pid, number)  # as a terminal does
        output = command.communicate(timeout=30)[0]
    assert command.returncode == code, output
    result = saved(anywhere)
    assert (result["exit_code"], result["success"]) == (code, False)
    assert {step["step"]: (step["status"], step["why"]) for step in result["steps"]} == {
        "slow": ("stopped", "interrupted"),
        "too": ("stopped", "interrupted"),
        "after": ("skipped", "it depends on 'slow', which stopped"),
        "later": ("skipped", "not started: interrupted"),
    }
    assert "interrupted: 2 stopped, 2 skipped" in output
    assert "Traceback" not in output
    assert processes(word) == []
    if anywhere.image:
        assert containers(runs(anywhere)[0].name) == []


def test_a_second_signal_ends_at_once(small):
    """A step that ignores SIGTERM is killed by the second Ctrl-C, long before its ten seconds are over."""
    small.step(
        "deaf",
        "import signal; signal.signal(signal.SIGTERM, lambda *_: print('deaf', flush=True))\n"
        + FOREVER.replace("600)", "600)\nwhile True: time.sleep(600)"),
    )
    with subprocess.Popen(small.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as command:
        wait_until_it_says(command, small, "waiting", "deaf")
        command.send_signal(signal.SIGINT)
        wait_until_it_says(command, small, "deaf", "deaf")
        before = time.monotonic()
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=30)
        assert time.monotonic() - before < 5
    assert command.returncode == 130
    assert saved(small)["steps"][0]["exit_code"] == 137


class Hurried(Watched):
    """The local engine, under somebody who presses Ctrl-C, and so many times more while it is told of that."""

    def __init__(self, small: SmallPipeline, more: int) -> None:
        super().__init__(lambda _, run: run())
        self.small, self.more = small, more

    def __enter__(self):
        threading.Thread(target=self.press, daemon=True).start()
        return super().__enter__()

    def press(self) -> None:
        wait_for(lambda: logs_say(self.small, "waiting", {"deaf"}))
        os.kill(os.getpid(), signal.SIGINT)

    def interrupt(self) -> None:
        while self.more:
            self.more -= 1
            os.kill(os.getpid(), signal.SIGINT)
        super().interrupt()


@pytest.mark.parametrize("more", [1, 9])
def test_signals_while_one_is_answered(small, more):
    """Signals that come while steps are told of the first one are neither lost nor in the way of the result."""
    small.step(
        "deaf",
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('waiting', flush=True); time.sleep(20)",
    )
    began = time.monotonic()
    try:
        result = small.run(engine=Hurried(small, more))
    except KeyboardInterrupt:
        pytest.fail("it came out of the run, which had no result then")
    assert (result.interrupted, statuses(result)) == (130, {"deaf": "stopped"})
    assert time.monotonic() - began < 9  # its grace is ten seconds


def test_what_had_ended_before_is_kept(small):
    """After an interruption, what earlier steps had published is there, and a later run goes on from it."""
    small.step("one", "say('one')")
    small.step("two", FOREVER, reads={"data": "one:out"})
    with subprocess.Popen(small.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as command:
        wait_until_it_says(command, small, "waiting", "two")
        command.send_signal(signal.SIGTERM)
        command.communicate(timeout=30)
    small.step("two", "say((IN / 'data/said').read_text())", reads={"data": "one:out"})
    result = succeeded(small.run(from_step="two"))
    assert statuses(result) == {"one": "reused", "two": "succeeded"}
    assert said(result.step_results["two"]) == "one"


def test_a_daemon_that_is_not_there(small, monkeypatch):
    """Without a daemon, docker is an EngineError before anything is made, and the command's exit code is 4."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{small.folder}/nobody.sock")
    small.step("step")
    with pytest.raises(EngineError, match=r"nobody\.sock"):
        small.run(engine="docker", image="xgb:latest")
    command = [*small.command(), "--engine", "docker", "--image", "xgb:latest"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert re.match(r"error: no Docker daemon answers at .*nobody\.sock", done.stderr)
    assert not small.workspace.exists()


def test_an_image_that_is_not_there(in_docker):
    """A missing image is named before the first step starts."""
    in_docker.step("step")
    with pytest.raises(EngineError, match="no-such-image:1"):
        in_docker.run(image="no-such-image:1")
    assert runs(in_docker) == []


@pytest.mark.parametrize(
    ("error", "raised", "why"),
    [
        (EngineError("the daemon is gone"), EngineError, "the daemon is gone"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x"),
            WorkspaceError,
            "could not run step 'bad': No space left on device: /x",
        ),
        (RuntimeError("a bug"), RuntimeError, "RuntimeError: a bug"),
    ],
)
def test_a_machine_that_can_not_go_on(small, error, raised, why):
    """When an engine or a disk breaks at one step, the others are ended, the result is saved and the error raised."""

    def breaks(job, run):
        if job.name != "bad":
            return run()
        wait_for(lambda: logs_say(small, "waiting", {"slow"}))
        raise error

    small.step("slow", FOREVER)
    small.step("bad")
    small.step("after", depends_on="bad")
    small.step("later")
    with pytest.raises(raised):
        small.run(engine=Watched(breaks), jobs=2)
    result = saved(small)
    assert result["exit_code"] == getattr(raised, "exit_code", 70)
    assert {step["step"]: (step["status"], step["why"]) for step in result["steps"]} == {
        "slow": ("stopped", "interrupted"),
        "bad": ("stopped", why),
        "after": ("skipped", "it depends on 'bad', which stopped"),
        "later": ("skipped", "not started: this machine could not go on"),
    }


def test_an_observer_that_fails(small):
    """An observer's error ends the run like a broken machine: steps are ended, the result saved, the error raised."""

    def observer(event):
        if isinstance(event, StepEnded) and event.result.step == "quick":
            raise RuntimeError("nobody listens")

    small.step("quick", "wait = time.monotonic() + 0.2\nwhile time.monotonic() < wait: pass\nsay('x')")
    small.step("slow", FOREVER)
    with pytest.raises(RuntimeError, match="nobody listens"):
        small.run(observer=observer, jobs=2)
    assert {step["step"]: step["status"] for step in saved(small)["steps"]}["quick"] == "succeeded"
    assert saved(small)["exit_code"] == 70


def test_a_run_folder_that_can_not_be_written(small):
    """A result that can't be written ends the run with an error that says so, and the exit code 4."""

    def in_the_way(job, run):
        (run_folder,) = runs(small)
        (run_folder / "steps/step/step.json").mkdir()
        return run()

    small.step("step")
    with pytest.raises(WorkspaceError, match=r"could not write step\.json"):
        small.run(engine=Watched(in_the_way))
    assert saved(small)["exit_code"] == 4


def test_a_workspace_in_use(small):
    """A second run in the same workspace fails within a second and names the process that holds it."""
    small.step("step")
    document = small.document
    with Workspace(small.workspace):
        before = time.monotonic()
        with pytest.raises(WorkspaceError, match=f"in use by process {os.getpid()}, since 20"):
            PipelineExecutor(small.workspace).execute_pipeline(document)
        assert time.monotonic() - before < 1
    assert succeeded(small.run()).exit_code == 0


@pytest.fixture(params=["local", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.images]), "process"])
def everywhere(request, tmp_path):
    """A small pipeline on each engine in turn, those that isolate nothing too."""
    if request.param == "docker":
        return SmallPipeline(tmp_path, "docker", request.getfixturevalue("image"))
    return SmallPipeline(
        tmp_path, request.param, request.getfixturevalue("local") if request.param == "local" else None
    )


def main_of(script: str) -> str:
    """A script for any engine: what it does is in its main(), which is called, or calls itself."""
    main = f"def main(input_paths, output_paths, environ_vars, job_args):\n    {script}\n"
    return main + "if __name__ == '__main__':\n    main({}, {}, {}, {})\n"


def killed_while_it_waits(small: SmallPipeline, *steps: str) -> str:
    """The name of a run that was killed outright while these steps waited."""
    with subprocess.Popen(small.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as command:
        wait_until_it_says(command, small, "waiting", *steps)
        command.kill()
        command.communicate(timeout=30)
    return runs(small)[-1].name


def test_a_process_that_dies_lets_go(everywhere):
    """A run that is killed outright leaves no lock; the next one ends and removes what it was at, and says so."""
    word = f"mark{uuid.uuid4().hex}"
    script = main_of(f"import subprocess; subprocess.run(['sh', '-c', 'echo waiting; sleep 600; : {word}'])")
    everywhere.step("slow", script, outputs={})
    dead = killed_while_it_waits(everywhere, "slow")
    everywhere.step("slow", main_of("pass"), outputs={})
    result = succeeded(everywhere.run())
    assert f"run {dead} was killed: what it had not finished was removed" in result.notes
    wait_for(lambda: not processes(word))
    assert [path.name for path in (everywhere.workspace / "runs" / dead / "steps/slow").iterdir()] == ["log.txt"]
    if everywhere.image:
        assert containers(dead) == []
    assert not any("was killed" in note for note in everywhere.run().notes)


def test_only_the_dead_are_removed(in_docker, tmp_path):
    """A run in another workspace, and a killed one's that nobody has come back to, are left alone."""
    in_docker.step("slow", FOREVER)
    other = SmallPipeline(tmp_path / "other", "docker", in_docker.image)
    other.step("slow", FOREVER)
    dead = killed_while_it_waits(in_docker, "slow")
    with subprocess.Popen(other.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as command:
        wait_until_it_says(command, other, "waiting", "slow")
        in_docker.step("slow")
        note = f"run {dead} was killed, and what it left on the docker engine is still there"
        assert any(one.startswith(note) for one in succeeded(in_docker.run(engine="local", image=None)).notes)
        assert len(containers(dead)) == 1
        succeeded(in_docker.run())
        assert containers(dead) == []
        assert len(containers(runs(other)[0].name)) == 1
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=30)
    assert saved(other)["steps"][0]["status"] == "stopped"

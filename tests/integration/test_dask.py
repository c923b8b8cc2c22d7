"""Runs on a Dask cluster: a real scheduler and workers, processes that are killed, one folder that all share."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import pytest
from dask_cluster import branching, command, comparable, contents, dask_cluster, gated, log_of, processes, refused
from small_pipeline import said, statuses, succeeded, wait_for

from cursus_sandbox import EngineError
from cursus_sandbox.pipeline.events import Progress, StepEnded, StepLogged

ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two workers, each with one processor to give, and a scheduler that ends with the module."""
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as started:
        started.start_worker("one", "--resources", "CPU=1 MEMORY=2e9")
        started.start_worker("two", "--resources", "CPU=1 MEMORY=1e9")
        yield started


@pytest.fixture
def own(tmp_path):
    """A cluster of the test's own, to be killed."""
    (folder := tmp_path / "cluster").mkdir()
    with dask_cluster(folder, "one") as started:
        yield started


def test_it_is_the_same_as_on_one_machine(anywhere, cluster):
    """Results, outputs, logs and cache are those of a run on one machine, which takes over what a cluster has left."""
    branching(anywhere)
    here = anywhere.run(workspace=anywhere.folder / "here")
    there = anywhere.run(scheduler=cluster.address)
    assert comparable(there) == comparable(here)
    assert statuses(there) == {"first": "succeeded", "left": "succeeded", "right": "failed", "last": "skipped"}
    for step in ("first", "left"):
        assert contents(there.folder / "steps" / step / "outputs") == contents(here.folder / "steps" / step / "outputs")
    assert log_of(anywhere, "first") == "hello\n"
    assert any(re.fullmatch(r"steps run on dask://.*, dashboard: http://127.0.0.1:\d+/status", n) for n in there.notes)
    assert sorted(one.name for one in (there.folder / "steps/left").iterdir()) == [
        *("log.txt", "outputs", "record.json", "step.json"),
    ]
    again = anywhere.run()
    assert statuses(again) == {"first": "reused", "left": "reused", "right": "failed", "last": "skipped"}


def test_resources_are_kept_to(small, cluster):
    """Two steps that want the one processor of the one worker with so much memory run one after the other."""
    for name in ("a", "b"):
        small.step(name, resources={"cpus": 1, "memory": "1500m"})
    result = succeeded(small.run(scheduler=cluster.address))
    first, second = sorted(result.steps, key=lambda step: step.started_at)
    assert (second.started_at - first.started_at).total_seconds() >= first.seconds
    journal = (result.folder / "events.jsonl").read_text()
    assert journal.count("on worker one, host") == 2


def test_what_no_worker_can_hold(small, cluster):
    """A step that asks for more than any worker has fails before anything starts, and says what there is."""
    small.step("first")
    small.step("huge", resources={"cpus": 64, "memory": "1g"})
    code, said_of_it = refused(small, cluster.address)
    assert code == 4
    assert "step 'huge' asks for CPU=64, MEMORY=1073741824, and no worker has that" in said_of_it
    assert not (small.workspace / "runs").exists()


def test_secrets_stay_out_of_what_workers_say(small, cluster, monkeypatch):
    """A step gets its secret on a worker; neither the workspace nor a log of the cluster has it afterwards."""
    monkeypatch.setenv("TOKEN_HERE", "a-very-secret-token")
    small.step("uses", "say(os.environ['TOKEN'][:6]); print(os.environ['TOKEN'])", secrets={"TOKEN": "env:TOKEN_HERE"})
    result = succeeded(small.run(scheduler=cluster.address))
    assert said(result.step_results["uses"]) == "a-very"
    found = [file for file in small.workspace.rglob("*") if file.is_file() and b"secret-token" in file.read_bytes()]
    assert found == []
    assert not any("secret-token" in cluster.log(name) for name in ("one", "two", "scheduler"))


@pytest.mark.parametrize("place", ["local", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.images])])
def test_a_worker_that_is_killed(request, place, own):
    """Its step runs again on another, is published once, and what it had left is gone, its container too."""
    small = request.getfixturevalue("small" if place == "local" else "in_docker")
    go = gated(small, script="say('well'); print('done')")
    small.step("after", "say((IN / 'data/said').read_text())", reads={"data": "slow:out"})
    heard = []

    def observe(event):
        heard.append(event)
        if isinstance(event, StepLogged) and event.lines == ("waiting",) and "one" in own.workers:
            own.kill("one")
            own.start_worker("two")
            go.touch()

    result = succeeded(small.run(scheduler=own.address, observer=observe))
    assert statuses(result) == {"slow": "succeeded", "after": "succeeded"}
    where = [event.what for event in heard if isinstance(event, Progress) and event.what.startswith("on worker")]
    assert [what.partition(",")[0] for what in where] == ["on worker one", "on worker two", "on worker two"]
    assert [event.result.step for event in heard if isinstance(event, StepEnded)] == ["slow", "after"]
    assert log_of(small, "slow") == "waiting\ndone\n"
    assert sorted(one.name for one in (result.folder / "steps/slow").iterdir()) == [
        *("log.txt", "outputs", "record.json", "step.json"),
    ]
    if small.image:
        listed = ["docker", "ps", "--all", "--quiet", "--filter", f"label=cursus-sandbox.run={result.run}"]
        wait_for(lambda: subprocess.run(listed, capture_output=True, check=True).stdout == b"")


def test_a_scheduler_that_is_killed(small, own):
    """The run ends with 4 and says so; what had ended is kept, no step goes on, and once it is back the run goes on."""
    small.step("first", "say('first')")
    go = gated(small, reads={"data": "first:out"}, arguments=[word := f"mark-{uuid4().hex}"])
    with command(small, own) as running:
        wait_for(lambda: "waiting" in log_of(small, "slow"))
        own.kill_scheduler()
        output = running.communicate(timeout=30)[0]
    assert running.returncode == 4, output
    assert "the Dask scheduler is gone" in output
    assert "Traceback" not in output
    result = json.loads(next(small.workspace.glob("runs/*/result.json")).read_text())
    assert {step["step"]: step["status"] for step in result["steps"]} == {"first": "succeeded", "slow": "stopped"}
    wait_for(lambda: not processes(word))
    own.kill("one")
    own.start_scheduler()
    own.start_worker("two")
    go.touch()
    assert statuses(succeeded(small.run(scheduler=own.address))) == {"first": "reused", "slow": "succeeded"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_ended(small, cluster, number, code):
    """Ctrl-C ends the steps on the workers, saves the result and exits with 130; nor does a killed run leave any."""
    gated(small, arguments=[word := f"mark-{uuid4().hex}"])
    small.step("never", reads={"data": "slow:out"})
    with command(small, cluster) as running:
        wait_for(lambda: "waiting" in log_of(small, "slow"))
        assert processes(word)
        running.send_signal(number)
        output = running.communicate(timeout=30)[0]
    assert running.returncode == code, output
    wait_for(lambda: not processes(word))
    if number == signal.SIGINT:
        result = json.loads(next(small.workspace.glob("runs/*/result.json")).read_text())
        assert {step["step"]: step["status"] for step in result["steps"]} == {"slow": "stopped", "never": "skipped"}
        assert "interrupted: 1 stopped, 1 skipped" in output


@pytest.mark.skipif(not ROOT, reason="root alone can mount another folder for a worker")
def test_a_folder_that_is_not_shared(small, own):
    """A worker that sees another folder at the workspace's path is found out before anything starts."""
    small.workspace.mkdir()
    own.kill("one")
    own.start_worker(
        "elsewhere",
        before=["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {small.workspace} && exec "$@"', "-"],
    )
    small.step("step")
    code, said_of_it = refused(small, own.address)
    assert code == 4
    assert f"the workspace {small.workspace} is not shared with it" in said_of_it
    assert "Mount one shared folder at the same path on every host" in said_of_it
    assert not (small.workspace / "runs").exists()


@pytest.mark.parametrize(
    ("preload", "told"),
    [
        ("import cursus_sandbox; cursus_sandbox.__version__ = '0.0.9'", "it has cursus-sandbox 0.0.9, and this is"),
        ("import sys; sys.modules['cursus_sandbox'] = None", "can't run steps"),
        (
            "import distributed.versions as v; v._version_cached = lambda _: '2020.1.0'",
            "has distributed 2020.1.0, here",
        ),
    ],
)
def test_a_worker_of_another_version(small, cluster, preload, told):
    """A worker with another version, or without this package, is named before anything starts, and what to install."""
    small.step("step")
    cluster.start_worker("odd", "--preload", preload)
    code, said_of_it = refused(small, cluster.address)
    cluster.kill("odd")
    assert code == 4
    assert told in said_of_it
    assert "nstall" in said_of_it.partition("\n")[2]


class _Web(BaseHTTPRequestHandler):
    def log_message(self, *said):
        pass


def test_addresses_that_are_none(small, cluster):
    """What isn't a scheduler's address is refused within seconds, with what to do: 2 for what can be none, else 4."""
    small.step("step")
    assert refused(small, "tcp://127.0.0.1:8786")[0] == 2
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    code, told = refused(small, f"dask://127.0.0.1:{nobody}")
    assert (code, "Start a scheduler there (dask scheduler)" in told) == (4, True)
    with HTTPServer(("127.0.0.1", 0), _Web) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        code, told = refused(small, f"dask://127.0.0.1:{web.server_port}")
        web.shutdown()
    assert (code, "does not answer as one that we can talk to" in told) == (4, True)
    worker = re.search(r"worker at:\s+tcp://127.0.0.1:(\d+)", cluster.log("one"))
    code, told = refused(small, f"dask://127.0.0.1:{worker[1]}")
    assert (code, "it is a worker" in told) == (4, True)


def test_without_the_extra(small):
    """Without the package `distributed` the command says how to install it."""
    small.step("step")
    program = "import sys; sys.modules['distributed'] = None; from cursus_sandbox.cli import main; main()"
    line = [sys.executable, "-c", program, *small.command("--scheduler", "dask://127.0.0.1:1")[1:]]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "pip install 'cursus-sandbox[dask]'" in done.stderr


def test_workers_that_are_all_gone(small, own, monkeypatch):
    """When no worker is left for a while the run ends with what had ended, instead of waiting for ever."""
    from cursus_sandbox.cluster.site import DaskSite

    monkeypatch.setattr(DaskSite, "patience", 0.0)
    gated(small)

    def observe(event):
        if isinstance(event, StepLogged) and "one" in own.workers:
            own.kill("one")

    with pytest.raises(EngineError, match=r"no worker of dask://.* is left that could run step 'slow'"):
        small.run(scheduler=own.address, observer=observe)

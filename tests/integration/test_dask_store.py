"""Runs on a Dask cluster whose hosts share no folder: a real S3 server between them, and workers that see nothing else.

Each worker has a folder of its own, and where root can do that, nothing is where the run's files are.
"""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from itertools import count
from uuid import uuid4

import pytest
from dask_cluster import branching, command, comparable, contents, dask_cluster, log_of, processes, refused
from pyarrow import fs
from s3_server import KEYS, Wire, s3_server
from small_pipeline import SmallPipeline, said, statuses, succeeded, wait_for

from cursus_sandbox import DocumentError, EngineError
from cursus_sandbox.cluster.parcels import packed
from cursus_sandbox.cluster.store import Store
from cursus_sandbox.inputs.s3_access import S3Error
from cursus_sandbox.pipeline.events import Progress, StepEnded, StepLogged
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.runs.contents import Content

ROOT = os.geteuid() == 0
WAITING = """
import socket
print("waiting", flush=True)
while socket.socket().connect_ex(("127.0.0.1", {})):
    time.sleep(0.05)
"""
MB = 1024 * 1024
PREFIX = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def keys():
    """The administrator's keys in the environment, of workers too, and no other trace of AWS."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", KEYS["admin"][0])
        patch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["admin"][1])
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, "/nonexistent")
        yield


@pytest.fixture(scope="module")
def run_side(tmp_path_factory):
    """The folder of all that is on the host of the run; workers see an empty one there."""
    return tmp_path_factory.mktemp("run-side")


@pytest.fixture
def start(run_side):
    """Starts a worker on a host of its own."""
    return lambda cluster, name, *words, **environment: _start(cluster, run_side, name, *words, **environment)


def _start(cluster, run_side, name, *words, disk=None, **environment):
    """A worker, what it keeps perhaps on a disk of such a size."""
    (own := cluster.folder / name).mkdir()
    mounts = [f"mount -t tmpfs none {run_side}", *([f"mount -t tmpfs -o size={disk} none {own}"] if disk else [])]
    hiding = ["unshare", "--mount", "sh", "-c", f'{" && ".join(mounts)} && exec "$@"', "-"] if ROOT else []
    there = ["--local-directory", str(own)]
    cluster.start_worker(name, *there, *words, before=hiding, **environment)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, run_side):
    """Two workers on hosts of their own, and a scheduler that ends with the module."""
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as started:
        for name in ("one", "two"):
            _start(started, run_side, name, "--resources", "CPU=1 MEMORY=2e9")
        yield started


@pytest.fixture
def own(tmp_path, start):
    """A cluster of the test's own, to be killed."""
    with dask_cluster(tmp_path) as started:
        start(started, "one")
        yield started


@pytest.fixture(params=["local", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.images])])
def anywhere(request, run_side):
    needed = request.getfixturevalue("image" if request.param == "docker" else "local")
    return SmallPipeline(run_side / f"any where-{next(PREFIX)}", request.param, needed)


@pytest.fixture
def small(run_side, local):
    return SmallPipeline(run_side / f"small-{next(PREFIX)}", "local")


@pytest.fixture
def store(server):
    """How a run is told of a prefix of its own."""
    return {"store": f"s3://closed/runs/{next(PREFIX)}", "s3": {"endpoint_url": server.url}}


def objects(server, store):
    """The objects of a prefix by their names, and their sizes."""
    prefix = store["store"].removeprefix("s3://")
    found = server.files.get_file_info(fs.FileSelector(prefix, recursive=True, allow_not_found=True))
    return {one.base_name: one.size for one in found if one.is_file}


def given(small, name, content, channel="data"):
    """A file of the run's host as the input of a step that has such a channel."""
    file = small.write(f"{name}-{channel}/file", "")
    file.write_bytes(content)
    small.steps[name]["inputs"][channel] = str(file.parent)
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def gate():
    """A door that steps wait for: `listen` opens it. What a step reads was sent to its worker before."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        yield door


def gated(small, gate, name="slow", script="say('well')", **options):
    """Add a step that waits for the gate."""
    small.step(name, WAITING.format(gate.getsockname()[1]) + script, network=True, **options)


def left_on_hosts(cluster):
    """What errands have left on the hosts."""
    return [*cluster.folder.glob("*/dask-scratch-space/*/errands/*")]


def test_it_is_the_same_as_on_one_machine(anywhere, cluster, store, server):
    """Results, outputs, logs and cache are those of a run on one machine; a second run takes all from the cache."""
    branching(anywhere)
    here = anywhere.run(workspace=anywhere.folder / "here")
    there = anywhere.run(scheduler=cluster.address, **store)
    assert comparable(there) == comparable(here)
    assert statuses(there) == {"first": "succeeded", "left": "succeeded", "right": "failed", "last": "skipped"}
    for step in ("first", "left"):
        assert contents(there.folder / "steps" / step / "outputs") == contents(here.folder / "steps" / step / "outputs")
        assert packed(there.folder / "steps" / step / "outputs", lambda file: file.read_bytes()) == packed(
            here.folder / "steps" / step / "outputs", lambda file: file.read_bytes()
        )
    assert log_of(anywhere, "first") == "hello\n"
    assert sorted(one.name for one in (there.folder / "steps/left").iterdir()) == [
        *("log.txt", "outputs", "record.json", "step.json"),
    ]
    written = [file.read_text() for file in anywhere.workspace.rglob("*") if file.is_file()]
    assert not any(str(cluster.folder) in text for text in written)
    assert left_on_hosts(cluster) == []
    before = objects(server, store)
    again = anywhere.run(scheduler=cluster.address, **store)
    assert statuses(again) == {"first": "reused", "left": "reused", "right": "failed", "last": "skipped"}
    assert {name for name, size in objects(server, store).items() if name not in before and size > 10_000} == set()
    assert statuses(anywhere.run()) == {"first": "reused", "left": "reused", "right": "failed", "last": "skipped"}


def test_a_failed_step_can_be_looked_into(small, cluster, store):
    """A failed step's script by hand, and its shell, find on the run's host what the step saw on the worker's."""
    small.step("first", "say('seen')")
    small.step("broken", "say('left'); print((IN / 'data/said').read_text()); sys.exit(3)", reads={"data": "first:out"})
    result = small.run(scheduler=cluster.address, **store)
    by_hand = subprocess.run(["sh", result["broken"].by_hand], capture_output=True, text=True, check=False)
    assert (by_hand.returncode, by_hand.stdout) == (3, "seen\n"), by_hand.stderr
    words = ["shell", "broken", "--workspace", str(small.workspace), "--", "cat", "/opt/ml/processing/output/out/said"]
    shell = subprocess.run([small.command()[0], *words], capture_output=True, text=True, check=False)
    assert shell.stdout == "left", shell.stderr


def test_what_a_step_does_to_its_inputs(anywhere, own, store):
    """A step may write to what it reads; what the host keeps of it, and the next reader gets, is as it was."""
    changes = "f = IN / 'data/file'; f.write_text('changed'); f.chmod(0o600); say(f.read_text())"
    anywhere.step("first", changes, inputs={"data": {}})
    content = b"given " * 100
    named = given(anywhere, "first", content)
    anywhere.step("second", "say((IN / 'data/file').read_text())", inputs={"data": {}}, depends_on=["first"])
    given(anywhere, "second", content)
    result = succeeded(anywhere.run(scheduler=own.address, **store))
    assert said(result["first"]) == "changed"
    assert said(result["second"]).encode() == content
    (kept,) = own.folder.glob(f"one/dask-scratch-space/*/files/{named}/644")
    assert kept.read_bytes() == content


def test_a_file_is_fetched_once_for_a_host(small, own, store, server):
    """Of steps on one host that read the same file at the same time, one fetches it."""
    content = os.urandom(8 * MB)
    for name in ("a", "b", "c"):
        small.step(name, "say(str((IN / 'data/file').stat().st_size))", inputs={"data": {}})
        given(small, name, content)
    with Wire(server) as wire:
        result = succeeded(small.run(scheduler=own.address, **{**store, "s3": {"endpoint_url": wire.url}}))
    assert {said(step) for step in result.steps} == {str(len(content))}
    assert len(content) < wire.bytes_back < 1.5 * len(content)


def test_many_files(small, cluster, store):
    """What says of many files what they are goes through the store, too, and not through the scheduler."""
    small.step("many", "[say(str(n), name=f'part-{n:05}') for n in range(1200)]")
    small.step(
        "reads", "say(str(sum(int(f.read_text()) for f in (IN / 'data').iterdir())))", reads={"data": "many:out"}
    )
    result = succeeded(small.run(scheduler=cluster.address, **store))
    assert said(result["reads"]) == str(sum(range(1200)))


@pytest.mark.skipif(not ROOT, reason="root alone can give a worker a small disk")
def test_a_host_that_is_short_of_room(small, tmp_path, store, start):
    """What was read longest ago makes room for what is read now; a file for which there is none ends the run, named."""
    before = []
    for name in ("a", "b", "c", "d"):
        small.step(name, "say(str((IN / 'data/file').stat().st_size))", inputs={"data": {}}, depends_on=before)
        given(small, name, os.urandom(20 * MB))
        before = [name]
    with dask_cluster(tmp_path) as started:
        start(started, "small", disk="64m")
        succeeded(small.run(scheduler=started.address, **store))
        given(small, "d", os.urandom(80 * MB))
        with pytest.raises(EngineError, match=r"has no room for the 83,886,080 bytes of a file that a step reads"):
            small.run(scheduler=started.address, **store)


def test_on_an_engine_without_mounts(small, cluster, store):
    """Scripts that are called as they lie find what lies beside them, on a worker's host too."""
    small.write("scripts/beside.py", "WORD = 'beside'")
    main = "import beside\ndef main(input_paths, output_paths, environ_vars, job_args):\n"
    small.step("first", main + "    Path(output_paths['out'], 'said').write_text(beside.WORD)")
    result = succeeded(small.run(engine="process", scheduler=cluster.address, **store))
    assert said(result["first"]) == "beside"


@pytest.mark.docker
@pytest.mark.images
def test_a_step_on_several_hosts(run_side, image, own, store):
    """A step on two instances runs both on its worker's host, and what they left together comes back."""
    small = SmallPipeline(run_side / f"several-{next(PREFIX)}", "docker", image)
    small.step("two", "import socket; say(socket.gethostname(), name=socket.gethostname())", instance_count=2)
    small.step("reads", "say(','.join(tree(IN / 'data')))", reads={"data": "two:out"})
    assert said(succeeded(small.run(scheduler=own.address, **store))["reads"]) == "algo-1,algo-2"


def test_a_worker_that_is_killed(small, gate, own, store, start):
    """Its step runs again on another host and is published once; the next errand there takes away what it had left."""
    gated(small, gate, script="say('well'); print('done')")
    small.step("after", "say((IN / 'data/said').read_text())", reads={"data": "slow:out"})
    heard = []

    def observe(event):
        heard.append(event)
        if isinstance(event, StepLogged) and event.lines == ("waiting",):
            if "one" in own.workers:
                own.kill("one")
                start(own, "two")
            else:
                gate.listen()

    result = succeeded(small.run(scheduler=own.address, observer=observe, **store))
    where = [event.what for event in heard if isinstance(event, Progress) and event.what.startswith("on worker")]
    assert [what.partition(",")[0] for what in where] == ["on worker one", "on worker two", "on worker two"]
    assert [event.result.step for event in heard if isinstance(event, StepEnded)] == ["slow", "after"]
    assert log_of(small, "slow") == "waiting\ndone\n"
    assert sorted(one.name for one in (result.folder / "steps/slow").iterdir()) == [
        *("log.txt", "outputs", "record.json", "step.json"),
    ]
    assert left_on_hosts(own) == []


def test_a_worker_that_is_killed_while_it_sends(small, own, store, start, server):
    """What it had sent by then changes nothing: all is published once, and whole."""
    small.step("large", "say('x' * 40_000_000)")
    killed = []

    def observe(event):
        if isinstance(event, Progress) and event.what == "sending what it left" and not killed:
            killed.append(own.kill("one"))
            start(own, "two")

    result = succeeded(small.run(scheduler=own.address, observer=observe, **store))
    assert killed
    assert said(result["large"]) == "x" * 40_000_000
    assert objects(server, store)[hashlib.sha256(b"x" * 40_000_000).hexdigest()] == 40_000_000


def test_a_scheduler_that_is_killed(small, gate, own, store, server, start):
    """The run ends with 4; what had ended is kept, nothing goes on, and once it is back the run goes on."""
    small.step("first", "say('first')")
    gated(small, gate, reads={"data": "first:out"}, arguments=[word := f"mark-{uuid4().hex}"])
    words = ["--store", store["store"], "--s3", f"endpoint_url={server.url}"]
    with command(small, own, *words) as running:
        wait_for(lambda: processes(word))
        own.kill_scheduler()
        output = running.communicate(timeout=60)[0]
    assert running.returncode == 4, output
    assert "the Dask scheduler is gone" in output
    result = json.loads(next(small.workspace.glob("runs/*/result.json")).read_text())
    assert {step["step"]: step["status"] for step in result["steps"]} == {"first": "succeeded", "slow": "stopped"}
    wait_for(lambda: not processes(word) and not left_on_hosts(own))
    own.kill("one")
    own.start_scheduler()
    start(own, "two")
    gate.listen()
    again = succeeded(small.run(scheduler=own.address, **store))
    assert statuses(again) == {"first": "reused", "slow": "succeeded"}


def test_a_run_that_is_interrupted(small, gate, cluster, store, server):
    """Ctrl-C ends the step on its worker, keeps its log, and exits with 130."""
    gated(small, gate, arguments=[word := f"mark-{uuid4().hex}"])
    with command(small, cluster, "--store", store["store"], "--s3", f"endpoint_url={server.url}") as running:
        logs = "*/dask-scratch-space/*/errands/*/runs/*/steps/slow/log.txt"
        wait_for(lambda: any(log.read_text() == "waiting\n" for log in cluster.folder.glob(logs)))
        line = [small.command()[0], "logs", "slow", "--workspace", str(small.workspace)]
        early = subprocess.run(line, capture_output=True, text=True, check=False)
        assert "has no log here so far" in early.stderr
        running.send_signal(signal.SIGINT)
        output = running.communicate(timeout=60)[0]
    assert running.returncode == 130, output
    assert log_of(small, "slow").startswith("waiting\n")
    wait_for(lambda: not processes(word) and not left_on_hosts(cluster))


def test_an_object_that_is_damaged(small, own, store, server):
    """Other bytes under a file's name are never read: the error names the object, and without it the run goes well."""
    content = os.urandom(MB)
    small.step("reads", "say(str((IN / 'data/file').stat().st_size))", inputs={"data": {}})
    path = f"{store['store'].removeprefix('s3://')}/files/{given(small, 'reads', content)}"
    server.put(path, os.urandom(MB))
    with pytest.raises(EngineError, match=f"s3://{path} is not what its name says"):
        small.run(scheduler=own.address, **store)
    assert [*own.folder.glob("one/dask-scratch-space/*/files/*/644")] == []
    server.files.delete_file(path)
    assert said(succeeded(small.run(scheduler=own.address, **store))["reads"]) == str(MB)


def test_a_part_of_an_object(small, cluster, store, server):
    """A part of a file that lies under its name is replaced by the whole."""
    content = os.urandom(MB)
    small.step("reads", "say(str((IN / 'data/file').stat().st_size))", inputs={"data": {}})
    path = f"{store['store'].removeprefix('s3://')}/files/{given(small, 'reads', content)}"
    server.put(path, content[:1000])
    assert said(succeeded(small.run(scheduler=cluster.address, **store))["reads"]) == str(MB)


def test_a_server_that_goes_away(small, own, store, server):
    """The run ends with what can't be reached; what had ended is kept, and with the server back the run goes on."""
    small.step("first", "say('first')")
    small.step("second", "say((IN / 'data/said').read_text())", reads={"data": "first:out"})
    small.steps["second"]["inputs"]["more"] = "first:out"
    small.step("second", "say('second')", reads={"data": "first:out"}, inputs={"more": {}})
    given(small, "second", os.urandom(2 * MB), "more")
    with Wire(server, cut_after=MB) as wire:
        there = {**store, "s3": {"endpoint_url": wire.url}}
        with pytest.raises((EngineError, S3Error), match=r"can't be reached|answered"):
            small.run(scheduler=own.address, **there)
    assert left_on_hosts(own) == []
    again = succeeded(small.run(scheduler=own.address, **store))
    assert statuses(again) == {"first": "reused", "second": "succeeded"}


@contextmanager
def keys_of(who, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", KEYS[who][0])
        patch.setenv("AWS_SECRET_ACCESS_KEY", KEYS[who][1])
        yield


def test_what_can_not_be_a_store(small, cluster, store, server, start, monkeypatch):
    """A store that is none, that isn't there, or that somebody may not write to is one error before anything starts."""
    small.step("step")
    at = ["--s3", f"endpoint_url={server.url}"]
    assert refused(small, cluster.address, "--store", "gs://bucket/prefix")[0] == 2
    code, told = refused(small, cluster.address, "--store", "s3://nowhere/prefix", *at)
    assert (code, "there is no bucket 'nowhere'" in told) == (4, True), told
    code, told = refused(small, cluster.address, "--store", store["store"], "--s3", "endpoint_url=http://127.0.0.1:9")
    assert (code, "can't be reached" in told) == (4, True), told
    with keys_of("reader", monkeypatch):
        code, told = refused(small, cluster.address, "--store", "s3://open/prefix", *at)
        assert (code, "denies access" in told, "to read from and write to" in told) == (4, True, True), told
        start(cluster, "stranger")
    code, told = refused(small, cluster.address, "--store", store["store"], *at)
    cluster.kill("stranger")
    assert (code, "worker tcp://" in told, "denies access" in told) == (4, True, True), told
    assert not (small.workspace / "runs").exists()
    assert objects(server, store) == {}


def test_a_store_without_a_cluster(small):
    """A store is for hosts, and no workspace: who says otherwise is told what to say."""
    small.step("step")
    with pytest.raises(DocumentError, match="a store is for the hosts of a cluster"):
        small.run(store="s3://bucket/prefix")
    line = [*small.command()[:3], "--workspace", "s3://bucket/prefix"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--store s3://" in re.sub(r"\s+", " ", done.stderr)


def test_a_file_that_is_there(tmp_path, store, server, monkeypatch):
    """What is there is not sent again, but when it is so old that a lifecycle rule might delete it under a run."""
    (file := tmp_path / "file").write_bytes(b"content")
    content, sent = Content(7, hashlib.sha256(b"content").hexdigest()), []
    at = S3Objects(uri=store["store"], endpoint_url=server.url, region="us-east-1")
    for fresh, expected in ((24 * 3600, [7]), (24 * 3600, [7]), (-1, [7, 7])):
        monkeypatch.setattr("cursus_sandbox.cluster.store._FRESH", fresh)
        with closing(Store(at)) as to:
            for _ in range(3):
                to.put(file, content, sent.append)
        assert sent == expected


SENDS = """
import sys
from pathlib import Path
from cursus_sandbox.cluster.store import Stopped, Store
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.runs.contents import Content, sha256_of

file, sent = Path(sys.argv[1]), []
store = Store(S3Objects(uri=sys.argv[2], endpoint_url=sys.argv[3], region="us-east-1"), lambda: not sent)
try:
    store.put(file, Content(file.stat().st_size, sha256_of(str(file))), sent.append)
except Stopped:
    print("stopped after", *sent)
store.close()
"""


def test_sending_that_breaks_off(tmp_path, store, server):
    """A file whose sending was broken off is not there afterwards, not even in part, when its sender is gone."""
    (tmp_path / "file").write_bytes(os.urandom(40 * MB))
    line = [sys.executable, "-c", SENDS, str(tmp_path / "file"), store["store"], server.url]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"stopped after {16 * MB}\n"
    assert objects(server, store) == {}

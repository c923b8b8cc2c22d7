"""Podman's service of Docker's API: what an engine promises holds there, too."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from signal import SIGKILL

import docker
import pytest
from own_daemon import OwnDaemon, OwnPodman, own_daemon

from cursus_sandbox.engines.docker import LABEL, DockerEngine
from cursus_sandbox.engines.engine import Limits, Mount, MountMode, Why
from cursus_sandbox.errors import EngineError

JOBS = 40  # one follower in some sixty was left waiting, one question in some hundred wasn't answered
IN, OUT = Path("/opt/ml/processing/input/data"), Path("/opt/ml/processing/output/data")


# The SDK leaves a socket open that could not be connected, which the engine can't help while the service is away.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("found_at_once"),
]


@pytest.fixture(scope="module")
def podman() -> Iterator[OwnDaemon]:
    with own_daemon(kind=OwnPodman) as started:
        yield started


@pytest.fixture(scope="module")
def image(podman) -> str:
    return podman.image()


@pytest.fixture
def bench(podman, image, bench_of):
    with DockerEngine.connect(podman.address, grace=0.5) as engine:
        yield bench_of(engine, engine.require([image])[image])


def containers(podman, bench) -> list[str]:
    with closing(docker.APIClient(podman.address)) as client:
        found = client.containers(all=True, filters={"label": f"{LABEL}={bench.engine.id}"})
    return [one["Id"] for one in found]


def test_every_job_ends_with_its_code_and_its_log(podman, bench):
    """Also where the service leaves the stream of a log open, or can't say what a container is that ends just then."""

    def one(number: int) -> None:
        log = bytearray()
        ended = bench.engine.run(bench.job(f"echo {number}; exit {number}"), log.extend)
        assert (ended.code, ended.why, log) == (number, None, f"{number}\n".encode())

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, range(JOBS)))
    assert containers(podman, bench) == []


def test_files_go_in_and_come_out(bench, tmp_path):
    """A private input is changed for the job alone; what it leaves is its owner's to read."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/f").write_text("a\n")
    (tmp_path / "out").mkdir()
    mounts = (Mount(tmp_path / "in", IN, MountMode.PRIVATE), Mount(tmp_path / "out", OUT, MountMode.WRITABLE))
    bench.output(f"echo b >> {IN}/f; cat {IN}/f > {OUT}/f", mounts=mounts)
    assert (tmp_path / "in/f").read_text() == "a\n"
    assert (tmp_path / "out/f").read_text() == "a\nb\n"


def test_a_job_that_is_prepared(bench, tmp_path):
    """What comes next is made ahead; its input may come later."""
    (tmp_path / "out").mkdir()
    mounts = (Mount(tmp_path / "in", IN, MountMode.PRIVATE), Mount(tmp_path / "out", OUT, MountMode.WRITABLE))
    prepared = bench.engine.prepare(bench.job(f"cat {IN}/f", mounts=mounts))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/f").write_text("hello\n")
    assert prepared.run(bench.log.extend).code == 0
    assert bench.log == b"hello\n"


@pytest.mark.parametrize(("calls", "code"), [(1, 143), (2, 137)])
def test_an_interruption_is_said(bench, calls, code):
    """It is ours, and no sign of a service that went away."""
    ended = bench.interrupted(calls)
    assert (ended.code, ended.why) == (code, Why.INTERRUPTED)


def test_a_timeout_is_said(bench):
    """A job that takes too long ends, and that is why."""
    ended = bench.run("sleep 4323", limits=Limits(timeout=0.5))
    assert (ended.code, ended.why) == (143, Why.TIMEOUT)


def test_a_service_that_is_killed_and_comes_back(podman, bench):
    """The job has gone on meanwhile: it ends with its own code, and nothing of its log is lost."""

    def hear(data: bytes) -> None:
        if data == b"ready\n":
            podman.end(SIGKILL)
            podman.start()
        bench.log.extend(data)

    ended = bench.engine.run(bench.job("echo ready; sleep 3; echo well; exit 7"), hear)
    assert (ended.code, ended.why, bench.log) == (7, None, b"ready\nwell\n")


def test_files_that_would_have_to_be_carried(podman, image, bench, tmp_path):
    """Podman would lose them: it is refused, and said why."""
    (tmp_path / "out").mkdir()
    mounts = (Mount(tmp_path / "out", OUT, MountMode.WRITABLE),)
    with pytest.raises(EngineError, match="Podman takes none for volumes, and the job is to run as user 4321"):
        bench.run("true", mounts=mounts, user="4321")
    with (
        DockerEngine.connect(podman.address, carries=True) as carrying,
        pytest.raises(EngineError, match="and it does not see this machine's files"),
    ):
        carrying.run(bench.job("true", mounts=mounts), bench.log.extend)
    assert containers(podman, bench) == []


def test_an_image_that_is_not_there(podman, bench):
    """It is said so, and nothing is left."""
    with pytest.raises(EngineError, match="has no image 'nothere:1'"):
        bench.engine.require(["nothere:1"])
    with pytest.raises(EngineError, match="could not create the container of job 'test': no such image"):
        bench.run("true", image="nothere:1")
    assert containers(podman, bench) == []

"""A daemon that is away, killed, started again or not to be talked to is this machine's trouble, never a step's."""

from __future__ import annotations

import json
import os
import socketserver
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest
from own_daemon import OwnDaemon, own_daemon

from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.engines.docker_create import DaemonFacts
from cursus_sandbox.engines.docker_daemon import Daemon
from cursus_sandbox.engines.docker_log import ContainerLog
from cursus_sandbox.engines.docker_reach import client_of
from cursus_sandbox.engines.engine import Job, Mount, MountMode
from cursus_sandbox.errors import EngineError, ExitCode

# The SDK leaves a socket open that could not be connected, which the engine can't help while its daemon is away.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("found_at_once"),
]

VERSION = {"ApiVersion": "1.45", "MinAPIVersion": "1.24"}
IN = Path("/opt/ml/processing/input/data")


@pytest.fixture
def daemon() -> Iterator[OwnDaemon]:
    with own_daemon() as started:
        yield started


@pytest.fixture
def surviving() -> Iterator[OwnDaemon]:
    """A daemon whose containers live on when it is away."""
    with own_daemon("--live-restore") as started:
        yield started


def job(daemon: OwnDaemon, script: str, **settings) -> Job:
    scratch = daemon.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return Job(name="test", scratch=scratch, image=daemon.image(), argv=("sh", "-c", script), **settings)


@pytest.mark.docker
@pytest.mark.parametrize("signal", [SIGTERM, SIGKILL])
def test_a_daemon_that_does_not_come_back(daemon, signal):
    """A step whose daemon is stopped or killed has no exit code: the error names the socket and what to do."""
    engine = DockerEngine.connect(daemon.address, patience=0.5)
    once = threading.Event()

    def hear(_: bytes) -> None:
        if not once.is_set():
            once.set()
            daemon.end(signal)

    lost = r"connection to the Docker daemon at unix://.*daemon.sock was lost"
    with pytest.raises(EngineError, match=lost) as caught, engine:
        engine.run(job(daemon, "echo ready; sleep 4331"), hear)
    assert caught.value.exit_code is ExitCode.MACHINE
    assert "Start the daemon" in caught.value.hint


@pytest.mark.docker
@pytest.mark.parametrize("signal", [SIGTERM, SIGKILL])
def test_a_daemon_that_comes_back_has_killed_the_step(daemon, signal):
    """That a daemon which was started again finds the container killed says nothing of the step."""
    once = threading.Event()

    def hear(_: bytes) -> None:
        if not once.is_set():
            once.set()
            daemon.end(signal)
            daemon.start()

    with DockerEngine.connect(daemon.address, patience=60) as engine:
        with pytest.raises(EngineError, match="was lost, and it killed the container"):
            engine.run(job(daemon, "echo ready; sleep 4332"), hear)
        assert engine.run(job(daemon, "exit 5"), lambda _: None).code == 5


@pytest.mark.docker
@pytest.mark.parametrize("signal", [SIGTERM, SIGKILL])
def test_a_step_outlives_its_daemon(surviving, signal):
    """Where containers live on, the step goes on too: its own exit code comes, and all of its log."""
    gate = surviving.folder / "gate"
    gate.mkdir()
    log = bytearray()

    def hear(data: bytes) -> None:
        log.extend(data)
        if b"ready" in data:
            surviving.end(signal)
            surviving.start()
            (gate / "go").touch()

    script = f"echo ready; until [ -e {IN}/go ]; do sleep 0.02; done; echo on; exit 7"
    mounts = (Mount(gate, IN, MountMode.WRITABLE),)
    with DockerEngine.connect(surviving.address, patience=60) as engine:
        assert engine.run(job(surviving, script, mounts=mounts), hear).code == 7
    assert bytes(log) == b"ready\non\n"


@pytest.mark.docker
def test_a_daemon_that_is_away_between_two_steps(daemon):
    """A step that is to start while the daemon is started again waits for it."""
    with DockerEngine.connect(daemon.address, patience=60) as engine:
        assert engine.run(job(daemon, "exit 3"), lambda _: None).code == 3
        daemon.end(SIGTERM)
        restarting = threading.Timer(1, daemon.start)
        image = Job(name="test", scratch=daemon.folder / "scratch", image="none", argv=("true",))
        restarting.start()
        with pytest.raises(EngineError, match="No such image"):  # which only a daemon can say
            engine.run(image, lambda _: None)
        restarting.join()


def test_a_socket_that_is_not_for_us():
    """Who may not open the socket is told its path, and which group to join."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with serving(folder, {}) as address, nobody(folder / "d.sock"), pytest.raises(EngineError) as caught:
            DockerEngine.connect(address)
    assert f"{address} (Permission denied)" in caught.value.what
    assert "usermod -aG" in caught.value.hint
    assert caught.value.exit_code is ExitCode.MACHINE


def test_a_daemon_that_is_too_old(tmp_path):
    """The version of the API that a daemon speaks is told where it is too old, with the one that is needed."""
    with (
        serving(tmp_path, {"ApiVersion": "1.12"}) as address,
        pytest.raises(EngineError, match="API versions") as caught,
    ):
        DockerEngine.connect(address)
    assert "20.10" in caught.value.hint


def test_a_server_that_is_no_daemon(tmp_path):
    """What answers and is no Docker daemon is named, with the forms that an address has."""
    with serving(tmp_path, {"hello": "world"}) as address, pytest.raises(EngineError, match="ApiVersion") as caught:
        DockerEngine.connect(address)
    assert "unix:///PATH" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "mine"),
    [
        (
            {
                "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
                "CgroupDriver": "none",
                "MemoryLimit": False,
            },
            True,
        ),
        ({"Rootless": True, "SecurityOptions": ["name=seccomp,profile=default"], "BuildahVersion": "1.28.2"}, True),
        ({"SecurityOptions": ["name=userns"]}, False),
    ],
    ids=["docker", "podman", "userns-remap"],
)
def test_whose_root_a_container_has(tmp_path, said, mine):
    """Of one's own rootless daemon it is oneself, and files are mounted; of another it is nobody whom we know."""
    with serving(tmp_path, VERSION | {"NCPU": 2} | said) as address:
        facts = facts_of(address)
        assert (facts.root_is_caller, facts.maps_users) == (mine, not mine)
        assert (facts.caller == "0:0") is (mine or os.geteuid() == 0)
        assert facts.is_podman is facts.keeps_containers is ("BuildahVersion" in said)
        assert facts.has_cgroups is ("CgroupDriver" not in said)
        assert facts.unenforced == (("memory",) if "MemoryLimit" in said else ())
        if os.geteuid() == 0:
            os.chown(tmp_path / "d.sock", 65534, 65534)
            assert facts_of(address).maps_users


def facts_of(address: str) -> DaemonFacts:
    daemon = Daemon.first(address)
    with closing(daemon.client):
        return daemon.facts


def test_a_daemon_that_keeps_silent(tmp_path):
    """A daemon that takes connections, and never says how a container ended, is lost, and what was asked is said."""
    with serving(tmp_path, VERSION) as address:
        daemon = Daemon(client_of(address), DaemonFacts(cpus=1, local_log=True), address=address, patience=0)
        with closing(daemon.client), pytest.raises(EngineError, match="lost: could not learn how container abc ended"):
            daemon.end_of("abc")


def test_a_log_that_is_left_open(tmp_path):
    """Podman's service may never end what is followed of a container that has ended: all of the log comes, and soon."""
    ended, log = threading.Event(), bytearray()
    frame = struct.pack(">BxxxL", 1, 3)

    def answer(asked: BaseHTTPRequestHandler) -> None:
        asked.protocol_version = "HTTP/1.1"
        asked.send_response(200)
        asked.send_header("Transfer-Encoding", "chunked")
        asked.end_headers()
        asked.wfile.write(b"b\r\n" + frame + b"on\n\r\n")
        if "follow=1" in asked.path:
            ended.wait(60)
        else:
            asked.wfile.write(b"b\r\n" + frame + b"go\n\r\n0\r\n\r\n")

    with serving(tmp_path, VERSION, containers=answer) as address, ThreadPoolExecutor(1) as thread:
        daemon = Daemon(client_of(address), DaemonFacts(cpus=1, local_log=True), address=address)
        with closing(daemon.client):
            told = ContainerLog(daemon, "abc", log.extend)
            followed = thread.submit(told.follow)
            while not log:
                followed.done()
            told.complete(followed)
        assert (log, ended.is_set()) == (b"on\ngo\n", False)
        ended.set()


def test_a_question_that_fails_once(tmp_path):
    """Podman's service can't say what a container is whose process ends just then: it is asked again."""
    asked_before = threading.Event()

    def answer(asked: BaseHTTPRequestHandler) -> None:
        body = b'{"State": {"Pid": 4}}' if asked_before.is_set() else b'{"message": "no such process"}'
        asked.send_response(200 if asked_before.is_set() else 500)
        asked.end_headers()
        asked.wfile.write(body)
        asked_before.set()

    with serving(tmp_path, VERSION, containers=answer) as address:
        daemon = Daemon(client_of(address), DaemonFacts(cpus=1, local_log=True), address=address)
        with closing(daemon.client):
            assert daemon.state("abc") == {"Pid": 4}


@contextmanager
def nobody(socket: Path) -> Iterator[None]:
    """Who may not open a socket: root has the rights of an ordinary user, for others it is closed."""
    before = os.geteuid()
    socket.chmod(0o600 if before == 0 else 0)
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def serving(
    folder: Path, version: Mapping[str, Any], *, containers: Callable[[BaseHTTPRequestHandler], None] = lambda _: None
) -> Iterator[str]:
    """A server on a unix socket that answers every question with one JSON, but those about containers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.close_connection = True

        def do_GET(self) -> None:
            if "/containers/" in self.path:
                containers(self)
                self.close_connection = True
                return
            body = json.dumps(version).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "unix"

    with socketserver.ThreadingUnixStreamServer(str(folder / "d.sock"), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"unix://{folder}/d.sock"
        finally:
            server.shutdown()
            thread.join()

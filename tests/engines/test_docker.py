"""What only the docker engine has: images, a daemon that may be away, and the body of its requests."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import uuid
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from typing import Self

import docker
import pytest
from docker.transport.unixconn import UnixHTTPConnection

from cursus_sandbox.engines.docker import DockerEngine, podman_sockets, why_absent
from cursus_sandbox.engines.docker_create import DaemonFacts, creation, overlay_options
from cursus_sandbox.engines.docker_log import PIECE, Pieces, frames
from cursus_sandbox.engines.docker_reach import client_of
from cursus_sandbox.engines.docker_usage import files_of, from_stats, is_out_of_memory
from cursus_sandbox.engines.engine import Job, Limits, Mount, MountMode
from cursus_sandbox.engines.mounts import Placed, Private
from cursus_sandbox.errors import EngineError, ExitCode

IN = PurePosixPath("/opt/ml/in")
FACTS = DaemonFacts(cpus=2, local_log=True)
GIB = 1024**3


def settings(job: Job, *placed: Placed, facts: DaemonFacts = FACTS, user: str = "1000:1000") -> dict:
    volumes = {mount.target: "v1" for mount in placed if mount.overlay}
    hosts = Path("/s/hosts")
    return creation(job, placed, volumes=volumes, hosts=hosts, user=user, labels={"a": "b"}, facts=facts)


def job(**settings) -> Job:
    return Job(**{"name": "j", "scratch": Path("/s"), "image": "i:1"} | settings)


class TestCreation:
    def test_least_rights_are_the_default(self):
        """A job that asks for nothing gets no network, no capability, the caller's user and bounded resources."""
        made = settings(job(argv=("a", "b")))
        assert made == {
            "Image": "i:1",
            "Hostname": "algo-1",
            "Env": ["HOME=/tmp"],
            "Labels": {"a": "b"},
            "NetworkDisabled": True,
            "Tty": False,
            "Cmd": ["a", "b"],
            "User": "1000:1000",
            "HostConfig": {
                "Mounts": [{"Type": "bind", "Source": "/s/hosts", "Target": "/etc/hosts", "ReadOnly": True}],
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "Init": True,
                "PidsLimit": 1024,
                "ShmSize": GIB,
                "AutoRemove": False,
                "NetworkMode": "none",
                "LogConfig": {"Type": "local", "Config": {"max-size": "1g", "max-file": "1", "compress": "false"}},
            },
        }

    @pytest.mark.parametrize(
        ("entrypoint", "argv", "keys"),
        [
            ((), (), {}),
            (("e",), (), {"Entrypoint": ["e"]}),
            ((), ("a",), {"Cmd": ["a"]}),
            (("e",), ("a",), {"Entrypoint": ["e"], "Cmd": ["a"]}),
        ],
    )
    def test_entrypoint_and_arguments_follow_sagemaker(self, entrypoint, argv, keys):
        """What isn't given is left out, so that the image's own stays, but for the command an entrypoint drops."""
        made = settings(job(entrypoint=entrypoint, argv=argv))
        assert {key: made[key] for key in ("Entrypoint", "Cmd") if key in made} == keys

    def test_limits_are_handed_on(self):
        """Memory is a limit with no swap beyond it, processors are no more than there are, GPUs are a request."""
        made = settings(job(limits=Limits(cpus=8, memory=GIB, gpus=1, shm_size=5)))["HostConfig"]
        assert (made["Memory"], made["MemorySwap"], made["NanoCpus"], made["ShmSize"]) == (GIB, GIB, 2 * 10**9, 5)
        assert made["DeviceRequests"] == [{"Driver": "", "Count": 1, "Capabilities": [["gpu"]]}]

    def test_the_images_user_is_left_to_the_image(self):
        """With user "image" none is set, and the rights that such images need to step down are kept."""
        made = settings(job(user="image"))
        assert "User" not in made
        assert made["Env"] == []
        assert "SETUID" in made["HostConfig"]["CapAdd"]

    def test_root_keeps_its_home(self):
        """Root has a home in every image; a bare number gets /tmp, unless the job says otherwise."""
        assert settings(job(), user="0:0")["Env"] == []
        assert settings(job(environment={"HOME": "/h"}))["Env"] == ["HOME=/h"]

    def test_mounts_are_binds_and_overlay_volumes(self):
        """Overlays become volumes that take nothing from the image; all else is bound."""
        overlay = Placed(Path("/a"), IN, writable=True, overlay=Private.OVERLAY, upper=Path("/u"), work=Path("/w"))
        bound = Placed(Path("/b"), IN / "b", writable=False)
        assert settings(job(), overlay, bound)["HostConfig"]["Mounts"][:2] == [
            {
                "Type": "volume",
                "Source": "v1",
                "Target": "/opt/ml/in",
                "ReadOnly": False,
                "VolumeOptions": {"NoCopy": True},
            },
            {"Type": "bind", "Source": "/b", "Target": "/opt/ml/in/b", "ReadOnly": True},
        ]

    def test_paths_are_escaped_in_overlay_options(self):
        """Colons, commas and backslashes of a path don't part layers or options."""
        placed = Placed(Path("/a:b,c\\d"), IN, writable=True, upper=Path("/u"), work=Path("/w"))
        assert overlay_options(placed)["o"] == r"lowerdir=/a\:b\,c\\d,upperdir=/u,workdir=/w"

    def test_a_daemon_without_that_log_driver_uses_its_own(self):
        """Podman has no `local` log driver: nothing is said about logs then."""
        assert "LogConfig" not in settings(job(), facts=DaemonFacts(cpus=1, local_log=False))["HostConfig"]

    def test_processors_that_a_daemon_can_not_divide(self):
        """They aren't asked for: it would refuse the container. Of memory it says so, and goes on."""
        facts = DaemonFacts(cpus=2, local_log=True, unenforced=("memory", "cpus"))
        made = settings(job(limits=Limits(memory=GIB, cpus=1)), facts=facts)["HostConfig"]
        assert (made["Memory"], "NanoCpus" in made) == (GIB, False)


class TestLogFrames:
    def test_frames_are_read_one_by_one(self):
        """Stream and bytes of each frame come out, wherever they are cut; empty frames don't."""
        raw = b"".join(struct.pack(">BxxxL", n, len(data)) + data for n, data in [(1, b"a\n"), (2, b""), (2, b"bc")])
        for size in range(1, len(raw) + 1):
            pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
            assert list(frames(pieces)) == [(1, b"a\n"), (2, b"bc")]

    def test_a_long_line_gets_its_newline_back(self):
        """The newline that the `local` driver drops after a line in pieces comes before whatever follows."""
        pieces = Pieces()
        came = [(1, b"x" * PIECE), (1, b"y"), (2, b"e\n"), (1, b"z\n"), (1, b"last")]
        assert b"".join(map(pieces.joined, came)) == b"x" * PIECE + b"y\ne\nz\nlast"

    def test_a_driver_that_keeps_newlines_is_left_alone(self):
        """Nothing is added where nothing was dropped."""
        pieces = Pieces()
        came = [(1, b"x" * PIECE), (1, b"y\n"), (1, b"z\n")]
        assert b"".join(map(pieces.joined, came)) == b"x" * PIECE + b"y\nz\n"


class TestUsage:
    @pytest.mark.parametrize(
        ("line", "folder", "usage", "inactive"),
        [
            ("4:memory:/docker/abc", "memory/docker/abc", "memory.usage_in_bytes", "total_inactive_file"),
            ("0::/system.slice/docker-abc.scope", "system.slice/docker-abc.scope", "memory.current", "inactive_file"),
        ],
    )
    def test_the_cgroup_is_found_in_both_versions(self, tmp_path, line, folder, usage, inactive):
        """The working set is the usage less inactive file pages, in version 1 and 2."""
        (tmp_path / "proc/7").mkdir(parents=True)
        (tmp_path / "proc/7/cgroup").write_text(f"9:cpu:/docker/abc\n{line}\n")
        group = tmp_path / "cgroup" / folder
        group.mkdir(parents=True)
        (group / usage).write_text("1000\n")
        (group / "memory.stat").write_text(f"cache 5\n{inactive} 400\n")
        memory, cpu = files_of("abc", 7, cgroups=tmp_path / "cgroup", proc=tmp_path / "proc")
        assert (memory(), cpu) == (600, None)
        assert files_of("other", 7, cgroups=tmp_path / "cgroup", proc=tmp_path / "proc") == (None, None)
        assert files_of("abc", 8, cgroups=tmp_path / "cgroup", proc=tmp_path / "proc") == (None, None)

    @pytest.mark.parametrize(
        ("line", "file", "said"),
        [
            ("3:cpu,cpuacct:/docker/abc", "cpuacct/docker/abc/cpuacct.usage", "1500000000\n"),
            ("0::/docker/abc", "docker/abc/cpu.stat", "usage_usec 1500000\nuser_usec 1\n"),
        ],
    )
    def test_the_processor_time_is_found_in_both_versions(self, tmp_path, line, file, said):
        """Nanoseconds in version 1, microseconds in version 2: given in nanoseconds."""
        (tmp_path / "proc/7").mkdir(parents=True)
        (tmp_path / "proc/7/cgroup").write_text(f"{line}\n")
        (tmp_path / "cgroup" / file).parent.mkdir(parents=True)
        (tmp_path / "cgroup" / file).write_text(said)
        _, cpu = files_of("abc", 7, cgroups=tmp_path / "cgroup", proc=tmp_path / "proc")
        assert cpu() == 1_500_000_000

    def test_stats_of_an_ended_container_say_nothing(self):
        """The daemon's numbers count when there are any."""
        assert from_stats({"memory_stats": {"usage": 1000, "stats": {"inactive_file": 400}}}) == 600
        assert from_stats({"memory_stats": {}}) is None

    @pytest.mark.parametrize(
        ("code", "flag", "peak", "kills", "verdict"),
        [
            (137, True, None, 0, True),
            (1, True, None, 0, True),
            (0, True, 99, 1, False),
            (137, False, 99, 1, True),
            (137, False, 99, 0, False),
            (137, False, 40, 1, False),
            (137, False, None, 1, False),
            (1, False, 99, 1, False),
        ],
    )
    def test_out_of_memory_needs_evidence(self, code, flag, peak, kills, verdict):
        """The daemon's word is enough; without it 137 needs a kill by the kernel and a container that held much."""
        state = {"ExitCode": code, "OOMKilled": flag}
        assert is_out_of_memory(state, limit=100, peak=peak, kills=kills) is verdict


class TestAbsence:
    def test_a_socket_that_is_not_there_is_named(self):
        """Without a daemon the error names the socket, the reason and the remedy, and is the machine's."""
        with pytest.raises(EngineError, match=r"unix:///nonexistent/d.sock \(No such file or directory\)") as caught:
            DockerEngine.connect("unix:///nonexistent/d.sock")
        assert "DOCKER_HOST" in caught.value.hint
        assert caught.value.exit_code == ExitCode.MACHINE

    def test_an_address_that_is_none_is_named(self, monkeypatch):
        """A DOCKER_HOST that makes no sense is an error like an absent daemon."""
        monkeypatch.setenv("DOCKER_HOST", "foo://bar")
        assert "foo://bar" in why_absent()

    def test_all_addresses_are_tried(self, tmp_path):
        """Every address that was tried is in the sentence."""
        sockets = podman_sockets(tmp_path)
        assert sockets == (f"unix://{tmp_path}/podman/podman.sock", "unix:///run/podman/podman.sock")
        reason = why_absent("unix:///nonexistent/d.sock", *sockets[:1])
        assert "/nonexistent/d.sock" in reason
        assert "podman.sock" in reason


@pytest.mark.docker
def test_one_connection_serves_what_is_asked_one_after_the_other(docker_bench, monkeypatch):
    """Requests for different things don't connect to the daemon anew, and closing the client leaves no connection."""
    connected = []

    def connect(connection):
        really_connect(connection)
        connected.append(connection)

    really_connect = UnixHTTPConnection.connect
    monkeypatch.setattr(UnixHTTPConnection, "connect", connect)
    with closing(client_of(None)) as client:
        if not client.base_url.startswith("http+docker:"):
            pytest.skip("the daemon is not reached by a socket of this machine")
        connected.clear()
        for ask in (client.info, client.version, client.containers, client.images):
            ask()
        assert len(connected) == 1
    assert connected[0].sock is None


@pytest.fixture
def image_with_a_command(docker_bench):
    """An image with an entry point and a command of its own, taken away afterwards."""
    with closing(docker.from_env().api) as client:
        made = client.create_container(docker_bench.image, "true")["Id"]
        changes = ['ENTRYPOINT ["echo", "the image"]', 'CMD ["its command"]']
        image = client.commit(made, changes="\n".join(changes))["Id"]
        try:
            yield image
        finally:
            client.remove_container(made)
            client.remove_image(image, force=True)  # its containers go in their own time


@pytest.mark.docker
@pytest.mark.parametrize(
    ("entrypoint", "argv", "said"),
    [
        ((), (), "the image its command\n"),
        (("echo", "given"), (), "given\n"),
        ((), ("given", "$HOME *"), "the image given $HOME *\n"),
        (("echo", "given"), ("too",), "given too\n"),
    ],
)
def test_the_start_table_of_a_processing_job(docker_bench, image_with_a_command, entrypoint, argv, said):
    """An image's entry point and command are kept or dropped by what the job brings, and no argument is added."""
    ended = docker_bench.run("", image=image_with_a_command, entrypoint=entrypoint, argv=argv)
    assert (ended.code, docker_bench.log.decode()) == (0, said)


@pytest.mark.docker
class TestImages:
    def test_missing_images_are_all_named(self, docker_bench):
        """Images that are there get their ids; one error names all that aren't, and how to get them."""
        found = docker_bench.engine.require([docker_bench.image, docker_bench.image])
        assert found[docker_bench.image].startswith("sha256:")
        with pytest.raises(EngineError, match=r"no image 'no/such:1', no image 'nor:2'") as caught:
            docker_bench.engine.require(["no/such:1", docker_bench.image, "nor:2"])
        assert "make images" in caught.value.hint
        assert "--pull" in caught.value.hint

    def test_a_name_that_becomes_another_image_s(self, docker_bench, image_with_a_command, monkeypatch):
        """A job runs in the image that was there when it was required, ahead or not, whatever has its name by then."""
        monkeypatch.setattr(docker_bench.engine, "_ids", {})
        name = f"cursus-sandbox-test:{uuid.uuid4().hex[:12]}"
        with closing(docker.from_env().api) as client:
            try:
                client.tag(image_with_a_command, *name.split(":"))
                required = docker_bench.engine.require([name])
                client.tag(docker_bench.image, *name.split(":"), force=True)
                assert docker_bench.run("", image=name, argv=()).code == 0
                ahead = docker_bench.engine.prepare(docker_bench.job("", image=name, argv=()))
                if ahead:
                    ahead.run(docker_bench.log.extend)
                assert docker_bench.log.decode() == "the image its command\n" * (2 if ahead else 1)
                assert required != docker_bench.engine.require([name])
            finally:
                client.remove_image(name)

    def test_a_missing_image_starts_nothing(self, docker_bench):
        """A job whose image isn't there is an error of the machine; nothing is pulled."""
        with pytest.raises(EngineError, match="No such image"):
            docker_bench.run("true", image="cursus-sandbox-test:none")

    def test_an_overlay_the_daemon_refuses_becomes_a_copy(self, docker_bench, tmp_path, monkeypatch):
        """Where the daemon can't overlay, inputs are copied from then on, and the engine says so."""
        refused = {"type": "nonesuch", "device": "nonesuch", "o": ""}
        monkeypatch.setattr("cursus_sandbox.engines.docker_files.overlay_options", lambda placed: refused)
        (tmp_path / "in").mkdir()
        (tmp_path / "in/f").write_text("a\n")
        mounts = (Mount(tmp_path / "in", IN, MountMode.PRIVATE),)
        assert docker_bench.output(f"echo x >> {IN}/f; cat {IN}/f", mounts=mounts) == "a\nx\n"
        assert (tmp_path / "in/f").read_text() == "a\n"
        assert docker_bench.engine.private_folders is Private.COPY

    def test_another_user_may_write_its_private_inputs(self, docker_bench, tmp_path):
        """A job that runs under a number of its own can add to a private folder."""
        (tmp_path / "in").mkdir()
        mounts = (Mount(tmp_path / "in", IN, MountMode.PRIVATE),)
        assert docker_bench.output(f"touch {IN}/n; id -u", mounts=mounts, user="4321:4321") == "4321\n"

    def test_the_images_user_is_root_here(self, docker_bench):
        """With user "image" the image decides."""
        assert docker_bench.output("id -u", user="image") == "0\n"


@pytest.mark.docker
def test_a_read_only_root_is_refused_where_files_are_carried(docker_bench):
    """A root that nothing can be put into is refused before anything is made, with what to do instead."""
    with pytest.raises(EngineError, match="read-only root") as caught:
        docker_bench.run("true", user="4321", read_only_root=True)
    assert "--read-only-root" in caught.value.hint


@pytest.mark.docker
def test_a_daemon_that_goes_away_is_no_failure_of_the_step(docker_bench, tmp_path):
    """When the connection breaks while a job runs, that is what the error says: no exit code is made up."""
    with Relay(tmp_path / "d.sock", Path("/var/run/docker.sock")) as relay:
        engine = DockerEngine.connect(f"unix://{relay.path}", patience=0.2)
        try:
            with pytest.raises(EngineError, match=r"connection to the Docker daemon .* was lost"), engine:
                engine.run(docker_bench.job("echo ready; sleep 4328"), lambda _: relay.cut())
        finally:  # what an engine that lost its daemon had to leave
            with DockerEngine.connect() as successor:
                successor.id = engine.id


@pytest.mark.docker
def test_a_daemon_that_comes_back_is_asked_again(docker_bench, tmp_path):
    """A connection that breaks for a moment is no end: the job goes on, and nothing of its log is lost."""
    gate = tmp_path / "gate"
    gate.mkdir()
    mounts = (Mount(gate, IN, MountMode.WRITABLE),)
    log = bytearray()
    with Relay(tmp_path / "d.sock", Path("/var/run/docker.sock")) as relay:

        def hear(data: bytes) -> None:
            log.extend(data)
            if data == b"ready\n":
                relay.cut()
                relay.open()
                (gate / "go").touch()

        with DockerEngine.connect(f"unix://{relay.path}", patience=10) as engine:
            script = f"echo ready; until [ -e {IN}/go ]; do sleep 0.02; done; echo on; exit 7"
            assert engine.run(docker_bench.job(script, mounts=mounts), hear).code == 7
    assert bytes(log) == b"ready\non\n"


class Relay:
    """A socket that hands everything on to a daemon's, and can be cut like a cable."""

    def __init__(self, path: Path, daemon: Path) -> None:
        self.path = path
        self._daemon = daemon
        self._pairs: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def open(self) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(50)
        self._start(self._accept, self._listening)

    def cut(self) -> None:
        self.path.unlink(missing_ok=True)
        for one in (self._listening, *self._pairs):
            with suppress(OSError):  # closed already
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listening: socket.socket) -> None:
        with listening:
            while True:
                try:
                    near, _ = listening.accept()
                except OSError:
                    return
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._daemon))
                self._pairs += [near, far]
                self._start(self._hand_on, near, far)

    def _hand_on(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select():
                    try:
                        data = key.fileobj.recv(65536)
                        if data:
                            key.data.sendall(data)
                            continue
                    except OSError:
                        pass
                    return

    def _start(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

"""Every engine that is here, jobs for it, and what came of them."""

from __future__ import annotations

import gc
import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from uuid import uuid4

import docker
import pytest
from image import test_image as image_for
from lacking import lacking

from cursus_sandbox.engines.docker import LABEL, DockerEngine
from cursus_sandbox.engines.engine import Engine, Exit, Job, Mount, MountMode, Visitor
from cursus_sandbox.engines.local import LocalEngine
from cursus_sandbox.engines.process import ProcessEngine
from cursus_sandbox.errors import EngineError

CARRIED = "docker with files carried"
ENGINES = ["local", *(pytest.param(name, marks=pytest.mark.docker) for name in ("docker", CARRIED))]


def _archive_of_an_empty_file(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


EMPTY_FILE = _archive_of_an_empty_file("go")


@dataclass
class Bench:
    """An engine, and a short way to run a line of shell on it."""

    engine: Engine
    folder: Path
    image: str | None
    log: bytearray = field(default_factory=bytearray)
    _numbers: Iterator[int] = field(default_factory=count)

    def job(self, script: str, **settings: Any) -> Job:
        scratch = self.folder / f"scratch-{next(self._numbers)}"
        scratch.mkdir()
        settings = {"image": self.image, "argv": ("sh", "-c", script)} | settings
        return Job(name="test", scratch=scratch, **settings)

    def run(self, script: str, *, visitor: Visitor | None = None, **settings: Any) -> Exit:
        return self.engine.run(self.job(script, **settings), self.log.extend, visitor)

    def _reach(self, folder: Path) -> tuple[tuple[Mount, ...], PurePath]:
        """What a job needs to write to a folder of the host, and where it sees it."""
        if not self.engine.makes_mounts:
            return (), folder
        there = PurePosixPath("/opt/ml/processing/output/data")
        return (Mount(folder, there, MountMode.WRITABLE),), there

    def gate(self) -> Gate:
        """What jobs can wait for while they run."""
        folder = self.folder / "gate"
        folder.mkdir()
        return Gate(self.engine, folder, *self._reach(folder))

    def interrupted(self, calls: int) -> Exit:
        """How a job ends that is interrupted so many times at once; to two it doesn't listen."""
        trap = "trap '' TERM;" if calls > 1 else ""

        def hear(_: bytes) -> None:
            for _ in range(calls):
                self.engine.interrupt()

        return self.engine.run(self.job(f"{trap} echo ready; while :; do sleep 4323; done"), hear)

    def output(self, script: str, **settings: Any) -> str:
        """What a script that must succeed writes."""
        before = len(self.log)
        ended = self.run(script, **settings)
        said = self.log[before:].decode()
        assert ended.code == 0, said
        return said


@dataclass(frozen=True)
class Gate:
    """A file that jobs wait for, in a mount that they need for it; `opened` makes it."""

    engine: Engine
    folder: Path
    mounts: tuple[Mount, ...]
    there: PurePath

    @property
    def wait(self) -> str:
        """The line of shell that waits for it."""
        return f"until [ -e {self.there}/go ]; do sleep 0.02; done"

    def opened(self) -> None:
        """Make the file where the jobs see it, now."""
        if not isinstance(self.engine, DockerEngine):
            (self.folder / "go").touch()
            return
        with closing(docker.from_env().api) as client:
            for container in client.containers(filters={"label": f"{LABEL}={self.engine.id}"}):
                client.put_archive(container["Id"], str(self.there), EMPTY_FILE)


def engine_or_skip(name: str, **settings: Any) -> Engine:
    """The engine of that name; skips with the sentence that says how to get it, or fails where it is required."""
    if name == "process":
        return ProcessEngine(**settings)
    try:
        if name == "local":
            return LocalEngine.connect(**settings)
        return DockerEngine.connect(**settings, carries=name == CARRIED)
    except EngineError as error:
        lacking(name.partition(" ")[0], error)


@pytest.fixture
def endless() -> str:
    """A sleep whose command line no other process of this machine has: a test beside this one has its own."""
    return f"sleep 4321.{uuid4().int}"


@pytest.fixture(scope="session")
def docker_image() -> Callable[[], str]:
    """The test image, made when it is first asked for."""
    made: list[str] = []

    def image() -> str:
        if not made:
            with closing(docker.from_env().api) as client:
                made.append(image_for(client))
        return made[0]

    return image


@pytest.fixture
def found_at_once() -> Iterator[None]:
    """What a test leaves open is found when it ends, and not in a test that comes later."""
    yield
    gc.collect()


@pytest.fixture
def bench_of(tmp_path: Path) -> Callable[[Engine, str], Bench]:
    """The bench of an engine of a test's own, by that and its image."""
    return lambda engine, image: Bench(engine, tmp_path, image)


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest, tmp_path: Path, docker_image: Callable[[], str]) -> Iterator[Bench]:
    with engine_or_skip(request.param, grace=0.5) as engine:
        yield Bench(engine, tmp_path, docker_image() if engine.runs_images else None)


@pytest.fixture
def docker_bench(tmp_path: Path, docker_image: Callable[[], str]) -> Iterator[Bench]:
    with engine_or_skip("docker", grace=0.5) as engine:
        yield Bench(engine, tmp_path, docker_image())


@pytest.fixture
def local_bench(tmp_path: Path) -> Iterator[Bench]:
    with engine_or_skip("local", grace=0.5) as engine:
        yield Bench(engine, tmp_path, None)

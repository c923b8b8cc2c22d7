"""The engine seam: a `Job` goes in, an `Exit` comes out.

Knows no pipeline, no step and no table: only a command, its mounts, its environment and its limits.
"""

from __future__ import annotations

import os
import shlex
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol, Self

SHM_SIZE = 1024**3  # bytes of /dev/shm, where nobody says
PROCESSES = 1024  # that a job may have at once, threads included


class MountMode(StrEnum):
    """What a job may do with a mount."""

    READ_ONLY = "read_only"
    PRIVATE = "private"  # writable; what is written is the job's own and the source never changes
    WRITABLE = "writable"  # what is written lands in the source


@dataclass(frozen=True, slots=True)
class Mount:
    """A host file or folder at a container path."""

    source: Path
    target: PurePosixPath
    mode: MountMode


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use; None is no limit. `memory` and `shm_size` in bytes, `timeout` in seconds.

    `grace` is the seconds a job has between TERM and KILL when its time is up; None is the engine's own.
    """

    cpus: float | None = None
    memory: int | None = None
    gpus: int | None = None
    shm_size: int | None = None
    timeout: float | None = None
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Jobs that run at the same time and find each other by their host names.

    `network` is the engine's own name for what connects them, `addresses` are those of each host name: a host is known
    to the others before it is there and after it is gone. Setting `stop` ends those of them that run.
    """

    network: str
    addresses: Mapping[str, str]
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Job:
    """One command to run in a sandbox.

    `argv` follows `entrypoint`; both are exec'd, never read by a shell. With neither, the image's own start command
    runs. `mounts` are in mounting order: parents before the mounts inside them. `scratch` is an empty folder for the
    engine's own use (copy-on-write layers), on the same file system as the writable mounts; the caller deletes it.
    `user` is `uid[:gid]`, or "image" for the image's own user; None is the calling user. `environment` is all the
    variables there are, besides PATH, HOME and what the image itself sets. The engine empties `scratch` again. `port`
    is where the command listens on its own loopback, for a visitor of the run. With a `cluster`, an engine's own, it
    is one of several hosts; `network` is the outside world, and the cluster's to give. With `read_only_root` nothing
    but the mounts, /tmp and /dev/shm can be written. `runtime` is a container runtime's name, for engines with any.
    """

    name: str
    scratch: Path
    argv: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    image: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    working_dir: PurePosixPath | None = None
    limits: Limits = Limits()
    network: bool = False
    user: str | None = None
    hostname: str = "algo-1"
    port: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    cluster: Cluster | None = None
    read_only_root: bool = False
    runtime: str | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether its cluster was told to end."""
        return self.cluster is not None and self.cluster.stop.is_set()


class Why(StrEnum):
    """Why a job ended, when its exit code alone doesn't tell."""

    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out of memory"
    INTERRUPTED = "interrupted"
    VISITED = "visited"  # its visitor has left, and it was told to end


@dataclass(frozen=True, slots=True)
class Exit:
    """How a job ended. `code` is 128+n for signal n; `peak_memory` in bytes, None when it could not be learned.

    `lost_a_process` says that the job succeeded, though its memory limit killed one of its processes: only where an
    engine can know that.
    """

    code: int
    seconds: float
    peak_memory: int | None = None
    why: Why | None = None
    lost_a_process: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What a running job uses: bytes of memory now, processor seconds since it began; None for what nobody can tell."""

    memory: int | None
    cpu_seconds: float | None


@dataclass(frozen=True, slots=True)
class Door:
    """The way to the port of a running job: a unix socket of this machine. `closed` is set when the job has ended."""

    path: Path
    closed: threading.Event = field(default_factory=threading.Event)

    def connected(self, timeout: float | None = None) -> socket.socket:
        """A connection; OSError where nobody is there. It ends at once where nobody listens at the port."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        folder = os.open(self.path.parent, os.O_PATH | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{self.path.name}")  # a path of its own may be too long
        except BaseException:
            connection.close()
            raise
        finally:
            os.close(folder)
        return connection


Visitor = Callable[[Door], None]
Watcher = Callable[[Usage], None]
Fetching = Callable[[str, int, int], None]  # an image, its layers that are here, and all of them


class EngineKind(Protocol):
    """What is told of an engine, wherever it is."""

    name: str
    runs_images: bool
    makes_mounts: bool
    makes_clusters: bool


class Prepared(Protocol):
    """A job that is about to begin: what could be done before its inputs are there is done, and nothing of it runs.

    To be run or left, once, before its engine is.
    """

    def run(self, log: Callable[[bytes], None], watcher: Watcher | None = None) -> Exit:
        """Run it as `Engine.run` does. All of its mounts are there now."""

    def leave(self) -> None:
        """It is not to run: leave nothing of it."""


class Engine(EngineKind, Protocol):
    """Runs jobs.

    1. The command sees each mount at its container path; a private input may be written without its source changing.
    2. It sees the job's environment and nothing of the host's.
    3. It has no network unless the job asks for one; the one it gets is its own, or its cluster's.
    4. Its stdout and stderr reach `log` as bytes, in order, while it runs.
    5. Its exit code comes back in Exit; 128+n if a signal ended it; `why` says timeout, out of memory, interrupted.
    6. What it could not learn it does not invent: it raises EngineError.
    7. `run` may be called from several threads at once.
    8. Leaving the `with` block leaves nothing running and nothing behind.
    9. A visitor reaches the job's port while the job runs, though the job has no network; when it leaves, the job ends.
    10. The jobs of a cluster reach each other by host name, and nobody else unless the cluster has an outside.
    11. A watcher is told what the job uses soon after it has begun, and then about twice a second while it runs.
    12. What a process that was killed left running or lying about is removed by `reap`, and nothing else is.
    13. A job that was prepared runs like one that wasn't, and sees nothing of that; its time counts from its `run`.
    14. `attended` gives a job this process's terminal, and to what is typed there the job alone listens.

    Where `makes_mounts` is false there are no container paths: the engine takes jobs without mounts, whose command
    names host paths; and a visitor is refused with EngineError. Where `makes_clusters` is false, so is a cluster.
    To the limits in `unenforced`, of `memory` and `cpus`, jobs are not held: who asks for one is told.
    """

    unenforced: tuple[str, ...]

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def require(
        self,
        images: Iterable[str],
        *,
        pull: bool = False,
        fetching: Fetching | None = None,
        runtimes: Iterable[str] = (),
    ) -> Mapping[str, str]:
        """Give each image's digest, pulling missing ones only when told to; EngineError names every missing one.

        Of container runtimes, for engines with any, it is one that isn't there.

        `fetching` is told how far a pull is.
        """

    def cluster(
        self, hosts: Sequence[str], *, outside: bool, labels: Mapping[str, str]
    ) -> AbstractContextManager[Cluster]:
        """What connects jobs with these host names, with a way out or without; left when all of them have ended."""

    def run(
        self, job: Job, log: Callable[[bytes], None], visitor: Visitor | None = None, watcher: Watcher | None = None
    ) -> Exit:
        """Run a job to its end, calling `log` from one thread at a time; an error of `log` ends the job and comes out.

        `visitor` is called once, in a thread of its own, when the job has been started, which doesn't say that anybody
        listens at its port. When it returns the job gets TERM, and KILL after the grace; an error of it comes out.

        `watcher` is called from one thread at a time, which looks after the job: it is not to keep it waiting.

        stdout and stderr are two pipes: each keeps its order, what is written to both at once may arrive either way.
        """

    def prepare(self, job: Job) -> Prepared | None:
        """Get a job ready, some of whose private mounts may not be there yet; None where there is nothing to gain.

        What is wrong with it is said when it is run. It may be called from several threads at once.
        """

    def attended(self, job: Job) -> int:
        """Run a job with this process's own stdin, stdout and stderr; gives its exit code, 128+n for signal n.

        Where stdin and stdout are a terminal it has one as large; what is piped in has an end. Neither a timeout nor
        `interrupt` ends it: Ctrl-C is typed into it. EngineError where the job's program isn't there, if its path says
        where.
        """

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:
        """Remove what jobs and clusters with all these labels, and scratch `below` a folder, left behind.

        For a caller who knows that nobody looks after them any more: who ran them is dead.
        """

    def by_hand(self, job: Job) -> str | None:
        """The shell command that does what `run` does with a job that has no private mounts, without this program.

        `job.scratch` is an empty folder then. None where there is no such command.
        """

    def interrupt(self) -> None:
        """End every running job; each `run` then returns with `why` interrupted. Later runs end at once likewise."""


def typed(line: Sequence[str]) -> str:
    """A command line for a shell and for a reader: each option on a line of its own."""
    options: list[list[str]] = [[]]
    for word in line:
        if word.startswith("--"):
            options.append([])
        options[-1].append(shlex.quote(word))
    return " \\\n  ".join(" ".join(words) for words in options)

"""The docker engine: one container per job, through the Docker Engine API (Docker's, or Podman's service of it).

Importing this module imports the SDK, 0.2 s: do it when an engine is wanted.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from cursus_sandbox.engines.docker_attended import attended, attended_settings
from cursus_sandbox.engines.docker_container import CommandRefused, OverlayRefused, make, start
from cursus_sandbox.engines.docker_create import creation
from cursus_sandbox.engines.docker_daemon import SECONDS_TO_RECONNECT, Daemon, removal
from cursus_sandbox.engines.docker_exec import through_exec
from cursus_sandbox.engines.docker_files import files_of
from cursus_sandbox.engines.docker_line import docker_run
from cursus_sandbox.engines.docker_log import ContainerLog
from cursus_sandbox.engines.docker_networks import make_network_of
from cursus_sandbox.engines.docker_places import Places
from cursus_sandbox.engines.docker_prepared import container_ahead
from cursus_sandbox.engines.docker_relay import relay_sources, through_relay
from cursus_sandbox.engines.docker_removals import Removals
from cursus_sandbox.engines.docker_supervision import Supervision
from cursus_sandbox.engines.ending import NEVER_STARTED, Runs
from cursus_sandbox.engines.engine import Cluster, Door, Exit, Fetching, Job, Prepared, Visitor, Watcher, typed
from cursus_sandbox.engines.mounts import Private, check, place
from cursus_sandbox.engines.visit import Visit, Way
from cursus_sandbox.errors import EngineError, did_you_mean
from cursus_sandbox.untrusted import empty

LABEL = "cursus-sandbox.engine"
SECONDS_TO_LEAVE = 10.0

Result = TypeVar("Result")


class DockerEngine:
    """Runs jobs in containers of a Docker daemon, on this machine or elsewhere.

    A job's files are mounted where the daemon sees them, and carried there and back where it doesn't. A container runs
    as the calling user, without capabilities, without network, and is removed as soon as its exit code is in hand. It
    shares the kernel: this limits damage, it is no wall against an attack on the kernel or the daemon.
    """

    name = "docker"
    runs_images = True
    makes_mounts = True
    makes_clusters = True

    def __init__(self, daemon: Daemon, *, grace: float = 10.0, carries: bool = False) -> None:
        self.id = uuid.uuid4().hex
        self.private_folders: Private | None = None  # how they are made; None until the first one was
        self.unenforced = daemon.facts.unenforced
        self._daemon = daemon
        self._grace = grace
        self._places = None if carries else Places(daemon, labels={LABEL: self.id})
        self._runs = Runs()
        self._removals = Removals()
        self._without_gate: set[str] = set()  # images
        self._ids: dict[str, str] = {}  # of the images that were required

    @classmethod
    def connect(
        cls, *base_urls: str | None, grace: float = 10.0, patience: float = SECONDS_TO_RECONNECT, carries: bool = False
    ) -> Self:
        """Give an engine on the first daemon that answers; without addresses, the one DOCKER_HOST or the default gives.

        None among `base_urls` stands for that too. `grace` is the seconds between TERM and KILL, `patience` those to
        wait for a daemon that went away during a job. What `carries` does so with files that the daemon sees, too.
        EngineError names each address that was tried and what to do.
        """
        return cls(Daemon.first(*(base_urls or (None,)), patience=patience), grace=grace, carries=carries)

    def __enter__(self) -> Self:
        self._runs, self._removals = Runs(), Removals()  # it may be entered again: what ran before was told to end
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runs.end(SECONDS_TO_LEAVE)
        try:
            try:
                self._removals.end()
            finally:
                self._daemon.sweep({LABEL: self.id})
        except EngineError:
            if error is None:  # else the first error is the one to tell
                raise
        finally:
            self._daemon.client.close()

    def require(
        self,
        images: Iterable[str],
        *,
        pull: bool = False,
        fetching: Fetching | None = None,
        runtimes: Iterable[str] = (),
    ) -> Mapping[str, str]:
        """Give the id of each image; nothing is pulled unless `pull`. EngineError names every image that is missing.

        From then on jobs run in these, though their names may become another's.
        """
        self._require_runtimes(runtimes)
        found: dict[str, str] = {}
        missing: list[str] = []
        for image in dict.fromkeys(images):
            with self._daemon.asking(f"inspect image '{image}'"):
                identity, complaint = self._daemon.image(image), ""
                if identity is None and pull:
                    complaint = self._daemon.pull(image, fetching)
                    identity = self._daemon.image(image)
            if identity is None:
                missing.append(f"'{image}'" + (f" ({complaint})" if complaint else ""))
            else:
                found[image] = identity
        if missing:
            elsewhere = "load them with `docker load`" if pull else "let them be fetched with --pull"
            raise EngineError(
                f"the Docker daemon at {self._daemon.address} has no image " + ", no image ".join(missing),
                hint=f"Build the images with `make images`, or {elsewhere}."
                + self._images_called_like(one for one in images if one not in found),
            )
        self._ids |= found
        return found

    def _images_called_like(self, missing: Iterable[str]) -> str:
        """The images that were probably meant, if there are any."""
        with self._daemon.asking("list its images"):
            there = {tag for one in self._daemon.client.images() for tag in one.get("RepoTags") or ()}
        bare = {tag.removesuffix(":latest") for tag in there if tag.endswith(":latest")}
        near = [did_you_mean(one, there if ":" in one else bare, or_list=False) for one in missing]
        return "".join(f" {hint}" for hint in near if hint)

    def _require_runtimes(self, names: Iterable[str]) -> None:
        there = self._daemon.facts.runtimes
        if missing := [name for name in names if name not in there]:
            raise EngineError(
                f"the Docker daemon at {self._daemon.address} has no runtime '{missing[0]}'; it has {', '.join(there)}",
                hint=did_you_mean(missing[0], there, or_list=False)
                or "Install it and name it in the daemon's daemon.json, or leave  runtime:  away.",
            )

    def run(
        self, job: Job, log: Callable[[bytes], None], visitor: Visitor | None = None, watcher: Watcher | None = None
    ) -> Exit:
        """Run a job in a container of its own. `log` is called from another thread than the caller's."""
        with self._runs.one():
            if self._runs.interruptions or job.is_stopped:
                return NEVER_STARTED
            settled = self._settled(job)
            return self._with_files(settled, lambda private: self._run(settled, log, visitor, watcher, private))

    def attended(self, job: Job) -> int:
        """Run a job in a container on this process's terminal."""
        with self._runs.one():
            return self._with_files(job, lambda private: self._attended(job, private))

    def prepare(self, job: Job) -> Prepared | None:
        """Make a job's container, and start it behind a gate where it can have one."""
        with self._runs.one():
            if self._places is None or self._runs.interruptions:
                return None
            try:
                return container_ahead(
                    self._settled(job),
                    self._supervision,
                    self._places,
                    self.private_folders or Private.OVERLAY,
                    labels={**job.labels, LABEL: self.id},
                    without_gate=self._without_gate,
                    removals=self._removals,
                    otherwise=self.run,
                )
            except (EngineError, OSError, OverlayRefused, CommandRefused):
                return None

    @contextmanager
    def cluster(self, hosts: Sequence[str], *, outside: bool, labels: Mapping[str, str]) -> Iterator[Cluster]:
        """A network of its own, with an address for each host, which the others have in their /etc/hosts.

        Docker's name server knows a container only while it runs; on the platform a host that has ended its work
        is still there, and the sagemaker-training toolkit looks for all of them as it starts.
        """
        labels = {**labels, LABEL: self.id}
        network, addresses = make_network_of(self._daemon, hosts, internal=not outside, labels=labels)
        with ExitStack() as cleanup:
            cleanup.push(removal(self._daemon.remove_network, network))
            yield Cluster(network, addresses)

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:  # noqa: ARG002 - a container has labels
        """Remove the containers, volumes and networks with these labels, and what overlays left of the daemon's own."""
        self._daemon.sweep(labels)

    def by_hand(self, job: Job) -> str | None:
        """A line of `docker run`, or `podman run`, on a network that is made for it where the job has one.

        The daemon writes its /etc/hosts. None for a job on several hosts, and where it doesn't see our files.
        """
        places = self._places
        if job.cluster or places is None or self._daemon.facts.maps_users:
            return None
        with self._daemon.asking(f"look for the files of job '{job.name}'"):
            if places.at(_existing(job.scratch), job) is None:
                return None
            found = [(mount, places.at(mount.source, job)) for mount in place(job, Private.COPY)]
        network = f"cursus-sandbox-by-hand-{uuid.uuid4().hex[:12]}" if job.network else None
        settings = creation(
            job,
            [replace(mount, source=there) for mount, there in found if there],
            volumes={},
            hosts=None,
            network=network,
            user=self._daemon.facts.caller,
            labels={},
            facts=self._daemon.facts,
        )
        program = "podman" if self._daemon.facts.is_podman else "docker"
        line = docker_run(settings, program=program)
        if line is None or not all(there for _, there in found):
            return None
        if network is None:
            return typed(["exec", *line])
        made, removed = (f"{program} network {word} {network} > /dev/null" for word in ("create", "rm"))
        return "\n".join([made, f"trap '{removed}' EXIT", typed(line)])

    def interrupt(self) -> None:
        """End every job: TERM, and KILL after the grace. A second call doesn't wait for the grace."""
        self._runs.interrupt()

    def _run(
        self,
        job: Job,
        log: Callable[[bytes], None],
        visitor: Visitor | None,
        watcher: Watcher | None,
        private: Private,
    ) -> Exit:
        labels = {**job.labels, LABEL: self.id}
        with ExitStack() as cleanup:  # the container goes first, which ends the threads that listen to it
            threads = cleanup.enter_context(ThreadPoolExecutor(2, thread_name_prefix=f"job-{job.name}"))
            with self._daemon.asking(f"create the container of job '{job.name}'"):
                files = files_of(job, self._daemon, self._places, private, labels=labels)
                container = make(job, self._daemon, files, cleanup, labels=labels)
            try:
                start(job, self._daemon, files, container)
            except CommandRefused as refused:
                log(refused.reason.encode() + b"\n")
                return Exit(refused.code, seconds=0.0)
            began = time.monotonic()
            if files.overlaid:
                self.private_folders = private
            visit = cleanup.enter_context(Visit(job, visitor))
            visit.begin(self._way(container, labels))
            started = self._supervision.watched(container, threads)
            told = ContainerLog(self._daemon, container, log)
            ended = self._supervision.exit_of(job, started, told, visit, watcher, threads=threads, began=began)
            visit.leave(job_ended_itself=ended.why is None)
            with self._daemon.asking(f"bring back what job '{job.name}' left"):
                files.bring_back(container)
            if not job.cluster:  # whose network goes when its containers have gone
                self._removals.hand_over(cleanup)
            return ended

    def _settled(self, job: Job) -> Job:
        """The job with its image by what it was when it was required."""
        return replace(job, image=self._ids.get(job.image, job.image)) if job.image else job

    @property
    def _supervision(self) -> Supervision:
        return Supervision(self._daemon, self._runs, self._grace)

    def _attended(self, job: Job, private: Private) -> int:
        labels = {**job.labels, LABEL: self.id}
        with ExitStack() as cleanup:
            with self._daemon.asking(f"create the container of job '{job.name}'"):
                files = files_of(job, self._daemon, self._places, private, labels=labels)
                more = attended_settings()
                container = make(job, self._daemon, files, cleanup, labels=labels, more=more)
            code = attended(job, self._daemon, container, lambda: start(job, self._daemon, files, container))
            with self._daemon.asking(f"bring back what job '{job.name}' left"):
                files.bring_back(container)
            return code

    def _with_files(self, job: Job, act: Callable[[Private], Result]) -> Result:
        """Do what takes a way of making private folders, and once more with another one where the daemon needs that."""
        if job.image is None:
            raise EngineError(f"job '{job.name}' names no image", hint="Give it an image, or use --engine local.")
        self._require_runtimes([job.runtime] if job.runtime else ())
        check(job)
        try:
            try:
                return act(self.private_folders or Private.OVERLAY)
            except OverlayRefused:
                empty(job.scratch)
                self.private_folders = Private.COPY
                return act(Private.COPY)
        finally:
            empty(job.scratch)

    def _way(self, container: str, labels: Mapping[str, str]) -> Way:
        """Give the way to a port of a container: a second one in its network, with this machine's Python, if seen."""

        def way(job: Job, door: Door) -> AbstractContextManager[None]:
            seen = self._places and all(self._places.is_seen(one, job) for one in relay_sources())
            taken = through_relay(self._daemon, container, labels) if seen else through_exec(self._daemon, container)
            return taken(job, door)

        return way


def why_absent(*base_urls: str | None) -> str | None:
    """Why this engine can't be used here, None when it can."""
    try:
        with DockerEngine.connect(*base_urls):
            return None
    except EngineError as error:
        return error.what


def _existing(path: Path) -> Path:
    """A path, or the nearest folder around it that is there."""
    return path if path.exists() else _existing(path.parent)


def podman_sockets(runtime_dir: Path | None) -> tuple[str, ...]:
    """Give the addresses of Podman's service, to try after Docker's; `runtime_dir` is the user's XDG_RUNTIME_DIR."""
    folders = (runtime_dir, Path("/run")) if runtime_dir else (Path("/run"),)
    return tuple(f"unix://{folder}/podman/podman.sock" for folder in folders)

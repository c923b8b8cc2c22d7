"""The hosts of a Dask cluster as a site: each errand is a task, and what it left is published here alone.

A task may run twice, when its worker dies or is cut off. Each time it has folders of its own, and nobody but the run
itself, which gets one answer to each errand, makes them a step's outputs.
"""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from distributed import Client

from cursus_sandbox import __version__
from cursus_sandbox.cluster.address import contact, require_scheduler
from cursus_sandbox.cluster.fitness import answers_of_all, fitness
from cursus_sandbox.cluster.messages import Letter, Question
from cursus_sandbox.cluster.resources import Declared
from cursus_sandbox.cluster.sender import Sender
from cursus_sandbox.cluster.shared import Shared, SharedFolder, SharedStore
from cursus_sandbox.cluster.store import Stopped
from cursus_sandbox.cluster.summons import summons
from cursus_sandbox.cluster.waiting import Waiting, not_started, scheduler_gone, stopped
from cursus_sandbox.engine_choice import kind
from cursus_sandbox.engines.engine import Fetching
from cursus_sandbox.errors import EngineError
from cursus_sandbox.pipeline.events import Observer
from cursus_sandbox.pipeline.instances import Capacity
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.steps.attempts import Place
from cursus_sandbox.steps.site import Errand
from cursus_sandbox.steps.step_run import Done

_CONNECT = 5.0  # seconds
_FIRST_WORKER = 10.0
_LOOK = 5.0  # seconds between two looks at which workers there are
_WITHOUT_WORKERS = 60.0
_JOBS = 1000  # errands on their way at once; each has a thread here that waits
_BOUNDLESS = Capacity(cpus=2**31, memory=2**63, gpus=2**31)
_PACE = 0.5  # seconds
_WORDS_PER_SECOND = 400  # that all workers send together, with one step each


class DaskSite:
    """A cluster whose workers share the workspace, or can reach the store, and have an engine of that name.

    `patience` is how many seconds there may be no worker that could run a step that waits.
    """

    patience = _WITHOUT_WORKERS

    def __init__(
        self,
        address: str,
        client: Client,
        engine: str,
        images: Iterable[str],
        workspace: Path,
        store: S3Objects | None = None,
    ) -> None:
        found = kind(engine, images)
        self.name, self.runs_images = found.name, found.runs_images
        self.makes_mounts, self.makes_clusters = found.makes_mounts, found.makes_clusters
        self.jobs, self.capacity = _JOBS, _BOUNDLESS
        self.address = address
        self._shared: Shared = SharedStore(store) if store else SharedFolder(workspace.absolute())
        self._sender = Sender(store, workspace.absolute(), lambda: self._interrupted <= 1) if store else None
        self.python = ""
        through = f", files go through {store.uri}" if store else ""
        self.notes: tuple[str, ...] = (f"steps run on {address}{through}, dashboard: {client.dashboard_link}",)
        self._client = client
        self._run = f"cursus-sandbox-{uuid4().hex}"
        self._numbers = count(1)
        self._waiting: dict[int, Waiting] = {}
        self._digests: Mapping[str, str] = {}
        self._interrupted = 0
        self._lost_any = False
        self._looking = threading.Lock()
        self._looked, self.workers = time.monotonic(), _declared(client)
        self._nobody_since: dict[str, float] = {}
        client.subscribe_topic(self._run, self._hear)

    @classmethod
    def connect(
        cls, address: str, *, engine: str, images: Iterable[str], workspace: Path, store: S3Objects | None = None
    ) -> Self:
        """The cluster of a scheduler; EngineError where there is none, or no worker; ValueError for no address."""
        there = contact(address)
        for name in ("distributed.client", "distributed.comm", "distributed.core", "distributed.utils"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what is wrong is said once, by us
        require_scheduler(there)
        client = Client(there, timeout=_CONNECT, set_as_default=False, name="cursus-sandbox")
        try:
            client.wait_for_workers(1, timeout=_FIRST_WORKER)
            return cls(address, client, engine, images, workspace, store)
        except TimeoutError as error:
            client.close(timeout=1)
            hint = f"Start one on each host:  dask worker {there}"
            raise EngineError(f"the scheduler {address} has no worker", hint=hint) from error
        except BaseException:
            client.close(timeout=1)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lost_any and self._client.status == "running":
            answers_of_all(self._client, "reap", b"")

    def close(self) -> None:
        """Leave the cluster."""
        if self._sender:
            self._sender.close()
        with suppress(Exception):  # it may be gone
            self._client.close(timeout=1)

    def fitted(self, plan: PipelineExecutionPlan, chosen: Collection[str]) -> PipelineExecutionPlan:
        """The plan as it is; EngineError for a step that no worker can ever hold."""
        starting = [step for step in plan.steps if step.starts and step.name in chosen]
        for step in starting:
            self.workers.require(step, hosts=self._hosts(step.instance_count))
        self.notes = (*self.notes, *self.workers.notes(starting))
        return plan

    def require(
        self,
        images: Iterable[str],
        *,
        pull: bool = False,
        fetching: Fetching | None = None,
        runtimes: Iterable[str] = (),
    ) -> Mapping[str, str]:
        """Have every worker looked at: its versions, its engine, the images, the shared folder; gives digests.

        EngineError names the first that is unfit, or says in what two differ.
        """
        if fetching and pull:
            for image in images:
                fetching(f"{image} on every worker", 0, 0)
        found = fitness(
            self._client, Question(self.name, self._shared, uuid4().hex, tuple(images), tuple(runtimes), pull)
        )
        self.python = " ".join(sorted({one.python for one in found.values()}))
        for image in images:
            held = {one.digests.get(image, ""): address for address, one in found.items()}
            if len(held) > 1:
                (one, here), (other, there), *_ = held.items()
                raise EngineError(
                    f"{image} is {one} on worker {here}, and {other} on {there}",
                    hint=f"Name it by its digest, or pull it again on every host:  docker pull {image}",
                )
        self._digests = next(iter(found.values())).digests
        return self._digests

    def done(self, errand: Errand, tell: Observer, stopping: threading.Event, _: Place) -> Done:
        """Have it run by a worker, once more by another if that one dies. Where it pauses it keeps its place."""
        try:
            letter = self._letter(errand, tell, stopping)
        except Stopped:
            return not_started(errand)
        number = letter.number
        asked = self.workers.asked(errand.step, hosts=self._hosts(errand.step.instance_count))
        future = self._client.submit(
            summons(),
            *(__version__, "run", pickle.dumps(letter)),
            key=f"{errand.step.name}-{self._run[-8:]}-{number}",
            resources=asked or None,
            priority=errand.seconds_to_go,
            pure=False,
        )
        waiting = self._waiting[number] = Waiting(errand, future, tell)
        future.add_done_callback(waiting.answered)
        if self._interrupted:
            waiting.interrupted()
        try:
            done = waiting.done(partial(self._check, errand, asked))
            return self._sender.brought(errand, done, waiting.left, tell) if self._sender and waiting.left else done
        except Stopped:
            return stopped(errand, "stopped while it was brought what it left")
        finally:
            del self._waiting[number]
            future.release()
            self._lost_any = self._lost_any or waiting.lost_any

    def expect(self, errand: Errand) -> None:
        """Do nothing: which worker it will be is not known before it is sent."""

    def give_up(self, step: str) -> None:
        """Do nothing."""

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:  # noqa: ARG002 -- each host knows its own
        """Remove, on every host, what workers that were killed have left there."""
        answers_of_all(self._client, "reap", b"")

    def interrupt(self) -> None:
        """End all errands; those that no worker has begun are not run."""
        self._interrupted += 1
        for one in [*self._waiting.values()]:
            one.interrupted()
        threading.Thread(target=self._interrupt_workers, daemon=True).start()

    def _interrupt_workers(self) -> None:
        with suppress(EngineError):  # without a scheduler they find out by themselves
            answers_of_all(self._client, "interrupt", self._run.encode())

    def _letter(self, errand: Errand, tell: Observer, stopping: threading.Event) -> Letter:
        """The errand's letter, once all that it reads can be reached. Stopped where it is not to be run any more."""
        if stopping.is_set():
            raise Stopped
        step, there, freight = errand.step, tuple[Path, ...](), None
        if step.source_dir is not None:
            step = replace(step, source_dir=step.source_dir.absolute())
        errand = replace(errand, step=step)
        if self._sender:
            wanted = lambda: not stopping.is_set()  # noqa: E731
            freight = self._sender.freight(errand, tell, all_code=not self.makes_mounts, wanted=wanted)
        else:
            paths = (*errand.sources.values(), step.source_dir)
            there = tuple(path for path in paths if path is not None and path.exists())
        return Letter(
            run=self._run,
            number=next(self._numbers),
            errand=errand,
            engine=self.name,
            digests=self._digests,
            there=there,
            pace=max(_PACE, len(self.workers.workers) / _WORDS_PER_SECOND),
            freight=freight,
        )

    def _hosts(self, instances: int) -> int:
        return instances if self.makes_clusters else 1

    def _hear(self, event: tuple[float, Any]) -> None:
        """Take a word from a worker; called by Dask, in its own thread."""
        _, message = event
        if waiting := self._waiting.get(message["errand"]):
            waiting.hear(pickle.loads(message["word"]))

    def _check(self, errand: Errand, asked: Mapping[str, float]) -> None:
        """EngineError where the scheduler is gone, or for a while no worker was left that could run an errand."""
        if self._client.status != "running":
            raise scheduler_gone()
        with self._looking:
            if time.monotonic() > self._looked + _LOOK:
                self._looked, self.workers = time.monotonic(), _declared(self._client)
            now = time.monotonic()
            since = self._nobody_since.setdefault(errand.step.name, now)
            if self.workers.hold(asked):
                del self._nobody_since[errand.step.name]
                return
        if now > since + self.patience:
            raise EngineError(
                f"no worker of {self.address} is left that could run step '{errand.step.name}'",
                hint="Start workers, and run again: what had ended is kept.",
            )


def _declared(client: Client) -> Declared:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return Declared({address: dict(one.get("resources") or {}) for address, one in workers.items()})

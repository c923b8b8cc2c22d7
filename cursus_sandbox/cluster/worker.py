"""What a worker does of what it is asked: look at its host, run an errand, end all of a run's, remove what is left."""

from __future__ import annotations

import math
import os
import pickle
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from distributed import Worker, get_worker
from distributed.core import Status

from cursus_sandbox.caching.ingredients import this_python
from cursus_sandbox.capacity import this_machine
from cursus_sandbox.cluster.enclosed import Enclosed, opened
from cursus_sandbox.cluster.guest import Guest
from cursus_sandbox.cluster.messages import Answer, Fitness, Letter, Question, Word
from cursus_sandbox.cluster.orphans import at_work, reap_orphans
from cursus_sandbox.cluster.parcels import Parcel
from cursus_sandbox.cluster.shared import Trouble, await_paths
from cursus_sandbox.cluster.store import Stopped, Store
from cursus_sandbox.cluster.waiting import stopped
from cursus_sandbox.engine_choice import choose_engine
from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.errors import EngineError, MachineError
from cursus_sandbox.pipeline.events import Event, Observer, Progress, StepLogged, StepSampled
from cursus_sandbox.pipeline.instances import fitted
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.runs.folders import unwritable
from cursus_sandbox.steps.site import Errand, ThisMachine
from cursus_sandbox.steps.step_run import Done

_LOOK = 0.5  # seconds between two looks whether anybody still wants the result


@dataclass(slots=True)
class _Running:
    engine: Engine
    stopping: threading.Event = field(default_factory=threading.Event)
    at_once: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """End it; a second time, at once."""
        if self.stopping.is_set():
            self.at_once.set()
        self.stopping.set()
        self.engine.interrupt()

    def done(self, errand: Errand, tell: Observer) -> Done:
        """Run an errand here."""
        return ThisMachine(self.engine, at_once=math.inf).done(errand, tell, self.stopping, self)

    def pause(self, _: PlannedStep, seconds: float) -> bool:
        """Wait: the place at the cluster is kept."""
        return not self.stopping.wait(seconds)

    def leave(self, _: PlannedStep) -> None:
        """Keep it still."""


_running: defaultdict[str, list[_Running]] = defaultdict(list)
_stopped: set[str] = set()


def fitness(asked: bytes) -> bytes:
    """Whether this worker can run errands."""
    question: Question = pickle.loads(asked)
    digests: dict[str, str] = {}
    trouble = question.shared.trouble(question.nonce)
    if trouble is None:
        try:
            with _engine(question.engine) as engine:
                digests |= engine.require(question.images, pull=question.pull, runtimes=question.runtimes)
        except MachineError as error:
            trouble = (error.what, error.hint)
    return pickle.dumps(Fitness(socket.gethostname(), this_python(), digests, trouble))


def run(asked: bytes) -> bytes:
    """Run an errand."""
    letter: Letter = pickle.loads(asked)
    telling = _Telling(letter, get_worker(), uuid4().hex[:8])
    try:
        return telling.answer(*_done(letter, telling))
    except MachineError as error:
        return telling.answer(trouble=(error.what, error.hint))
    except OSError as error:
        wrong = unwritable(error, f"run step '{letter.errand.step.name}'")
        return telling.answer(trouble=(wrong.what, wrong.hint))


def interrupt(asked: bytes) -> bytes:
    """End the errands of a run; those that begin after this are not run."""
    _stopped.add(topic := asked.decode())
    for one in [*_running[topic]]:
        one.stop()
    return b""


def reap(_: bytes) -> bytes:
    """Remove what dead workers left on this host."""
    reap_orphans(_engine)
    return b""


ANSWERS: dict[str, Callable[[bytes], bytes]] = {"fitness": fitness, "run": run, "interrupt": interrupt, "reap": reap}


def _engine(name: str) -> Engine:
    return choose_engine(name, ())[0]


def _done(letter: Letter, telling: _Telling) -> tuple[Done, Enclosed[Parcel] | None]:
    """What came of an errand, and where no folder is shared what lies in the step's."""
    telling(Progress(what=f"on worker {telling.worker.name}, host {socket.gethostname()}", step=telling.step))
    await_paths(letter.there)
    reap_orphans(_engine)
    run = letter.errand.run
    run = replace(run, labels={**run.labels, "cursus-sandbox.task": telling.task}, task=f"{telling.task}-")
    errand = replace(letter.errand, run=run, step=fitted(letter.errand.step, this_machine()))
    engine = _engine(letter.engine)
    if letter.freight is None:
        with at_work(run, letter.engine), engine, _watched(engine, letter, telling) as one:
            _same_image(letter, engine)
            # who still writes to it, though dead to the cluster, is not read
            run.step(telling.step).log.unlink(missing_ok=True)
            return one.done(errand, telling), None
    at = letter.freight.store
    with closing(Store(at)) as store:
        parcels = opened(letter.freight.parcels, store)
    guest = Guest(errand, parcels, at, _host_folder(telling.worker))
    with at_work(guest.errand.run, letter.engine, guest.home), engine, _watched(engine, letter, telling) as one:
        _same_image(letter, engine)
        try:
            with guest.laid_out(telling, lambda: not one.stopping.is_set()):
                done = one.done(guest.errand, guest.told(telling))
                return guest.sent(done, telling, lambda: not one.at_once.is_set())
        except Stopped:
            return stopped(errand, "stopped while its files were brought or sent"), None


def _host_folder(worker: Worker) -> Path:
    """Where this host keeps files, whichever worker asks: beside the folders of its own that Dask gives each."""
    return Path(worker.local_directory).parent / f"cursus-sandbox-{os.geteuid()}"


@contextmanager
def _watched(engine: Engine, letter: Letter, telling: _Telling) -> Iterator[_Running]:
    """Have the errand end with what it is run for: the run, the scheduler, this worker."""
    one, over = _Running(engine), threading.Event()
    _running[letter.run].append(one)
    if letter.run in _stopped:
        one.stop()

    def watch() -> None:
        while not over.wait(_LOOK):
            if not telling.is_wanted():
                one.stop()
                one.stop()  # nobody waits for what it would do in its time of grace
                return

    watcher = threading.Thread(target=watch, name=f"watch-{telling.task}", daemon=True)
    watcher.start()
    try:
        yield one
    finally:
        over.set()
        watcher.join()
        _running[letter.run].remove(one)


class _Telling:
    """Sends what happens to who waits for it: what a step writes and uses every few seconds, anything else at once."""

    def __init__(self, letter: Letter, worker: Worker, task: str) -> None:
        self.worker, self.task, self.step = worker, task, letter.errand.step.name
        self._key = worker.get_current_task()
        self._letter = letter
        self._lock = threading.Lock()
        self._held: list[Event] = []
        self._sent = time.monotonic()
        self._words = 0

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._held.append(event)
            if isinstance(event, StepLogged | StepSampled) and time.monotonic() < self._sent + self._letter.pace:
                return
            message = {"errand": self._letter.number, "word": pickle.dumps(self._word())}
            self._sent, self._held, self._words = time.monotonic(), [], self._words + 1
            self.worker.log_event(self._letter.run, message)

    def answer(
        self, done: Done | None = None, left: Enclosed[Parcel] | None = None, *, trouble: Trouble | None = None
    ) -> bytes:
        """The end of it."""
        with self._lock:
            return pickle.dumps(Answer(self._word(), self._words, done, trouble, left))

    def is_wanted(self) -> bool:
        """Whether anybody waits for it: the run, through the scheduler."""
        if self.worker.status in (Status.closing, Status.closed, Status.failed):
            return False
        task = self.worker.state.tasks.get(self._key)
        return task is not None and task.state != "cancelled"

    def _word(self) -> Word:
        return Word(self.task, str(self.worker.name), tuple(self._held))


def _same_image(letter: Letter, engine: Engine) -> None:
    image = letter.errand.step.image
    if not engine.runs_images or image is None:
        return
    here, elsewhere = engine.require([image]).get(image), letter.digests.get(image)
    if here != elsewhere:
        raise EngineError(f"{image} is {here} there, and {elsewhere} elsewhere", hint=f"Pull it:  docker pull {image}")

"""An errand that is on its way: what is heard of it meanwhile, and its answer."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from enum import Enum, auto
from queue import Empty, SimpleQueue

from distributed import Future, KilledWorker

from cursus_sandbox.cluster.enclosed import Enclosed
from cursus_sandbox.cluster.messages import Answer, Word
from cursus_sandbox.cluster.parcels import Parcel
from cursus_sandbox.errors import EngineError
from cursus_sandbox.pipeline.events import Observer
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.runs.folders import ATTEMPT
from cursus_sandbox.steps.site import Errand
from cursus_sandbox.steps.step_run import Done
from cursus_sandbox.untrusted import remove

_CHECK = 5.0  # seconds of silence after which it is asked whether there is anybody
_LATE = 2.0  # seconds that words may come after the answer, though they were sent before it


class _News(Enum):
    ANSWERED = auto()
    INTERRUPTED = auto()


class Waiting:
    """An errand, the future of its answer, and who is told of it. Words come in from any thread, `done` waits.

    Where no folder is shared, `left` is then the step's folder.
    """

    def __init__(self, errand: Errand, future: Future[bytes], tell: Observer) -> None:
        self._errand, self._future, self._tell = errand, future, tell
        self._inbox = SimpleQueue[Word | _News]()
        self._tasks: list[str] = []  # that were at it: each but the last has lost its worker
        self._heard = 0  # words of the last of them
        self._is_interrupted = False
        self.left: Enclosed[Parcel] | None = None

    @property
    def lost_any(self) -> bool:
        """Whether a worker was lost on the way."""
        return len(self._tasks) > 1

    def hear(self, word: Word) -> None:
        """Take a word of it."""
        self._inbox.put(word)

    def answered(self, _: object) -> None:
        """Take note that its answer is there, or that there will be none."""
        self._inbox.put(_News.ANSWERED)

    def interrupted(self) -> None:
        """Take note that it is to end; its worker, if it has one, is told so."""
        self._inbox.put(_News.INTERRUPTED)

    def done(self, check: Callable[[], None]) -> Done:
        """Wait for its end. `check` raises in a silence what there is to raise."""
        while True:
            try:
                news = self._inbox.get(timeout=_CHECK)
            except Empty:
                check()
                continue
            match news:
                case Word():
                    self._take(news)
                case _News.INTERRUPTED:
                    self._is_interrupted = True
                case _News.ANSWERED:
                    return self._done()
            if self._is_interrupted and len(self._tasks) != 1:
                self._future.cancel()
                if not self._tasks:
                    return not_started(self._errand)
                return stopped(self._errand, "stopped, and its worker is lost")

    def _take(self, word: Word) -> None:
        if word.task in self._tasks[:-1]:
            return  # of a worker that is taken for dead
        if [word.task] != self._tasks[-1:]:
            self._tasks.append(word.task)
            self._heard = 0
        self._heard += 1
        for event in word.events:
            self._tell(event)

    def _done(self) -> Done:
        answer = self._answer()
        for word in self._late(answer):
            self._take(word)
        self._take(answer.last)
        if self.lost_any:
            self._discard_others(answer.last.task)
        if answer.trouble or answer.done is None:
            what, hint = answer.trouble or ("nothing", "")
            raise EngineError(f"worker {answer.last.worker}: {what}", hint=hint)
        self.left = answer.left
        return answer.done

    def _answer(self) -> Answer:
        """What the task has returned. EngineError where it could not run; a bug of ours comes out as it is."""
        name = self._errand.step.name
        try:
            answer: Answer = pickle.loads(self._future.result())
        except CancelledError as error:
            if self._future.client.status == "running":
                raise EngineError(f"step '{name}' was cancelled at the scheduler", hint="Run again.") from error
            raise scheduler_gone() from error
        except KilledWorker as error:
            raise EngineError(
                f"step '{name}' is given up: each worker it was on has died, {error.last_worker.address} at last",
                hint="Look into the logs of the workers: does it take all of a host's memory?",
            ) from error
        return answer

    def _late(self, answer: Answer) -> Iterator[Word]:
        """The words that were sent before the answer, and are heard after it."""
        known = self._heard if [answer.last.task] == self._tasks[-1:] else 0
        give_up = time.monotonic() + _LATE
        while known < answer.words and (left := give_up - time.monotonic()) > 0:
            with suppress(Empty):
                news = self._inbox.get(timeout=left)
                if isinstance(news, Word):
                    known += news.task == answer.last.task
                    yield news

    def _discard_others(self, task: str) -> None:
        """Take away what dead workers had begun, as far as it is the caller's."""
        for attempt in self._errand.run.step(self._errand.step.name).path.glob(f"{ATTEMPT}*"):
            if not attempt.name.startswith(f"{ATTEMPT}{task}"):
                with suppress(OSError):
                    remove(attempt)


def not_started(errand: Errand) -> Done:
    """What came of an errand that nobody has begun."""
    return Done(
        StepExecutionResult(step=errand.step.name, status=StepStatus.SKIPPED, why="not started: it was stopped")
    )


def stopped(errand: Errand, why: str) -> Done:
    """What came of an errand that was ended on its way."""
    return Done(StepExecutionResult(step=errand.step.name, status=StepStatus.STOPPED, why=why))


def scheduler_gone() -> EngineError:
    """What is said when the scheduler is no longer there."""
    return EngineError(
        "the Dask scheduler is gone",
        hint="Start it and its workers again, and run again: what had ended is kept.",
    )

"""The attempts at a step: the first, and as many more as it may have after a failure."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Protocol

from cursus_sandbox.capacity import this_machine
from cursus_sandbox.engines.engine import Engine, Why
from cursus_sandbox.pipeline.events import Observer, StepStarted
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.pipeline.result import FailedAttempt
from cursus_sandbox.pipeline.retries import Cause
from cursus_sandbox.runs.folders import RunFolder, disk_of
from cursus_sandbox.sagemaker.exits import Disk
from cursus_sandbox.sagemaker.layout import StepFolders
from cursus_sandbox.sagemaker.staging import keep_checkpoints
from cursus_sandbox.sagemaker.survey import FILES, surveyed
from cursus_sandbox.secrets.masking import Mask
from cursus_sandbox.steps.ahead import Reserved
from cursus_sandbox.steps.attempt import Attempt, AttemptEnd
from cursus_sandbox.steps.log import StepLog
from cursus_sandbox.steps.watch import StepWatch, write
from cursus_sandbox.untrusted import empty


class Place(Protocol):
    """A step's place among those that run at once."""

    def pause(self, step: PlannedStep, seconds: float) -> bool:
        """Wait so many seconds, and for room, before a step is tried again; False where it isn't to be."""

    def leave(self, step: PlannedStep) -> None:
        """It has run well, and what it left is still looked at."""


_CAUSES = {Why.OUT_OF_MEMORY: Cause.OUT_OF_MEMORY, Why.TIMEOUT: Cause.TIMEOUT}


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The attempt that nothing came after. `step` has the memory it was given, `before` are the failed ones.

    `disk` is the workspace's, as the attempt left it. What a failed one left on a full disk is taken away.
    """

    end: AttemptEnd
    step: PlannedStep
    folders: StepFolders
    before: tuple[FailedAttempt, ...]
    disk: Disk

    @property
    def number(self) -> int:
        """The first is 1."""
        return len(self.before) + 1

    @property
    def interrupted(self) -> bool:
        """Whether it, or the wait for it, was told to end."""
        return self.end.exit.why is Why.INTERRUPTED


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts at a step about to be made.

    `stopping` is set when no other is to be started, in its `place` is waited for another; `mask` hides secrets. What
    is `reserved` may serve the first.
    """

    step: PlannedStep
    sources: Mapping[str, Path]
    run: RunFolder
    engine: Engine
    tell: Observer
    stopping: threading.Event
    place: Place
    mask: Mask
    reserved: Reserved

    def last(self) -> LastAttempt:
        """Make them, each in a folder of its own, until one is well or there may be no other."""
        step, folder = self.step, self.run.step(self.step.name)
        ready = self.reserved.serving(step, self.sources, self.run)
        folders, before = ready.folders if ready else folder.attempt(1), list[FailedAttempt]()
        with StepLog(folder.log, step.log_limit) as file:
            log = StepWatch(step.name, self.tell, file)
            for number in count(1):
                self.tell(StepStarted(step=step.name, attempt=number))
                first = ready if number == 1 else None
                end = Attempt(step, self.sources, self.run, self.engine, folders, log, self.tell, first).end()
                if unfit := end.unfit or surveyed(folders, files=step.resources.files or FILES):
                    end = replace(end, unfit=unfit)
                if not self._goes_on(end, number):
                    break
                cause = _cause(end)
                before.append(self._failed(step, end, folders))
                again = _with_memory(step, step.retries.memory(cause, step.resources.memory, this_machine().memory))
                write(log, _between(before, again, step.retries.wait(number)))
                if not self.place.pause(again, step.retries.wait(number)):
                    end = replace(end, exit=replace(end.exit, why=Why.INTERRUPTED))
                    before.pop()
                    break
                log.again()
                step, earlier, folders = again, folders, folder.attempt(number + 1)
                keep_checkpoints(step, earlier, folders)
                folder.put_by(earlier)
            log.end()
            disk = disk_of(folder.path)
            if disk.is_full and not end.well:
                empty(folders.outputs)  # or nobody could write down what came of it
            log.catch_up()
        return LastAttempt(end, step, folders, tuple(before), disk)

    def _goes_on(self, end: AttemptEnd, number: int) -> bool:
        """Whether there is another attempt after this one."""
        if end.well or end.unfit or end.exit.why is Why.INTERRUPTED or self.stopping.is_set():
            return False
        return self.step.retries.allow(_cause(end), number)

    def _failed(self, step: PlannedStep, end: AttemptEnd, folders: StepFolders) -> FailedAttempt:
        return FailedAttempt(
            why=self.mask.text(end.sentence(step)),
            exit_code=end.code,
            seconds=end.exit.seconds,
            peak_memory=end.exit.peak_memory,
            memory_limit=step.resources.memory,
            outputs=folders.outputs,
        )


def _cause(end: AttemptEnd) -> Cause:
    return _CAUSES.get(end.exit.why, Cause.EXIT) if end.exit.why else Cause.EXIT


def _with_memory(step: PlannedStep, memory: int | None) -> PlannedStep:
    return replace(step, resources=step.resources.model_copy(update={"memory": memory}))


def _between(before: list[FailedAttempt], again: PlannedStep, seconds: float) -> bytes:
    """What the log says between two attempts."""
    memory = again.resources.memory
    more = f" with {memory / 1024**2:,.0f} MB" if memory and memory != before[-1].memory_limit else ""
    said = f"attempt {len(before)} ended: {before[-1].why}; once more in {seconds:g} s{more}"
    return f"\n--- {said} ---\n\n".encode()

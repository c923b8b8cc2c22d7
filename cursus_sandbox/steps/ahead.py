"""Steps that are expected next are got ready while others run: laid out on disk, their containers made and started.

What they read need not be there yet. Where a step turns out to be another than was expected, or isn't to run at all,
what was got ready for it is taken away, and it runs as if nothing had been.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cursus_sandbox.engines.engine import Engine, Exit, Job, Prepared, Watcher
from cursus_sandbox.errors import SandboxError
from cursus_sandbox.leaves import code
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.runs.folders import RunFolder
from cursus_sandbox.sagemaker.layout import Staging, StepFolders
from cursus_sandbox.untrusted import remove

_Stamp = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Ready:
    """A first attempt that is laid out: its job, what is on disk for it, and the job as the engine has prepared it.

    `stamps` tell whether what was linked, copied or packed for it is still what it was.
    """

    folders: StepFolders
    job: Job
    staging: Staging
    stamps: frozenset[_Stamp]
    engine: Engine
    prepared: Prepared | None

    def serves(self, step: PlannedStep, sources: Mapping[str, Path], run: RunFolder) -> bool:
        """Whether it is what the step needs, now that its sources are there."""
        from cursus_sandbox.steps.attempt import job_of  # noqa: PLC0415 -- not where all is taken over

        with suppress(OSError):
            needed = job_of(step, sources, self.folders, run, self.engine)
            return needed == (self.job, self.staging) and _stamps(self.staging) == self.stamps
        return False

    def run(self, log: Callable[[bytes], None], watcher: Watcher | None = None) -> Exit:
        """Run its job, once."""
        if self.prepared:
            return self.prepared.run(log, watcher)
        return self.engine.run(self.job, log, watcher=watcher)

    def leave(self) -> None:
        """Take it away."""
        if self.prepared:
            self.prepared.leave()
        with suppress(OSError):
            remove(self.folders.outputs.parent)


class Reserved:
    """What there may be for one step that is about to run."""

    def __init__(self, ready: Future[Ready | None] | None) -> None:
        self._ready = ready

    def serving(self, step: PlannedStep, sources: Mapping[str, Path], run: RunFolder) -> Ready | None:
        """What serves the step; it is the caller's to run. Anything else is taken away."""
        ready = self._taken()
        if ready is None or ready.serves(step, sources, run):
            return ready
        ready.leave()
        return None

    def leave(self) -> None:
        """Take away what nobody has asked for."""
        if ready := self._taken():
            ready.leave()

    def _taken(self) -> Ready | None:
        ready, self._ready = self._ready, None
        return None if ready is None or ready.cancel() else ready.result()


class Ahead:
    """The steps that are got ready on an engine, each until it is taken or given up."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="ahead")
        self._expected: dict[str, Future[Ready | None]] = {}

    def expect(self, step: PlannedStep, sources: Mapping[str, Path], run: RunFolder) -> None:
        """Get a step ready, if that is worth anything and not done; `sources` is where what it reads is, or will be."""
        takes_time = self._engine.runs_images and step.kind in (StepKind.PROCESSING, StepKind.TRAINING)
        if not takes_time or step.network or step.secrets or step.instance_count > 1 or step.name in self._expected:
            return
        self._expected[step.name] = self._threads.submit(self._ready, step, sources, run)

    @contextmanager
    def reserved(self, name: str) -> Iterator[Reserved]:
        """What there is for a step, for as long as it runs."""
        reserved = Reserved(self._expected.pop(name, None))
        try:
            yield reserved
        finally:
            reserved.leave()

    def give_up(self, name: str) -> None:
        """A step isn't to run: take away what there is for it, without waiting for that."""
        if ready := self._expected.pop(name, None):
            self._threads.submit(Reserved(ready).leave)

    def end(self) -> None:
        """Give all of them up, and wait until that is done."""
        for name in list(self._expected):
            self.give_up(name)
        self._threads.shutdown()

    def _ready(self, step: PlannedStep, sources: Mapping[str, Path], run: RunFolder) -> Ready | None:
        from cursus_sandbox.sagemaker.staging import stage  # noqa: PLC0415 -- not where all is taken over
        from cursus_sandbox.steps.attempt import job_of  # noqa: PLC0415

        folders = None
        try:
            folders = run.step(step.name).attempt(1)
            job, staging = job_of(step, sources, folders, run, self._engine)
            stamps = _stamps(staging)
            stage(staging)
            return Ready(folders, job, staging, stamps, self._engine, self._engine.prepare(job))
        except (OSError, SandboxError):  # what is wrong is said when the step runs
            with suppress(OSError):
                if folders:
                    remove(folders.outputs.parent)
            return None


def without_absent_inputs(step: PlannedStep, sources: Mapping[str, Path]) -> PlannedStep:
    """A step without the optional inputs that nobody left anything for."""
    there = tuple(one for one in step.inputs if one.required or sources[one.channel].exists())
    return replace(step, inputs=there)


def _stamps(staging: Staging) -> frozenset[_Stamp]:
    """What tells whether files that are linked, copied or packed for a step have changed.

    Of a source folder what is code counts. A file that is a link is what it leads to, in a folder links stay links.
    """
    found = {_stamp(str(source), source.stat()) for source, _ in (*staging.links, *staging.copies)}
    for folder in {folder for folder, _ in (*staging.sources, *staging.archives)}:
        for name, entry in code(folder, staging.workspace):
            path = f"{folder}/{name}"
            found.add(_stamp(path, entry.stat(follow_symlinks=False)) if entry else (path, 0, 0, 0))
    return frozenset(found)


def _stamp(path: str, status: os.stat_result) -> _Stamp:
    return path, status.st_mtime_ns, status.st_size, status.st_ino

"""Where steps are run: on this machine, or wherever somebody takes an errand."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from cursus_sandbox.caching.ingredients import this_python
from cursus_sandbox.capacity import fitted_to_this_machine, this_machine
from cursus_sandbox.engines.engine import Engine, EngineKind, Fetching
from cursus_sandbox.pipeline.events import Observer
from cursus_sandbox.pipeline.instances import Capacity
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.runs.folders import RunFolder
from cursus_sandbox.secrets.secret_values import SecretValues
from cursus_sandbox.steps.ahead import Ahead, without_absent_inputs

if TYPE_CHECKING:
    from cursus_sandbox.steps.attempts import Place
    from cursus_sandbox.steps.step_run import Done

_READ_AT_ONCE = 8 * 1024 * 1024  # bytes, some milliseconds' worth: those that wait for them need not wait for more


@dataclass(frozen=True, slots=True)
class Errand:
    """A step to be run, as values alone. `sources` gives the file or folder of each input.

    With `strict` warnings fail it; without `values` what was in its data isn't said. `seconds_to_go` is how long it is
    from its start to the end of the run, as far as that is known.
    """

    step: PlannedStep
    sources: Mapping[str, Path]
    run: RunFolder
    secrets: SecretValues
    strict: bool = False
    values: bool = True
    seconds_to_go: float = 0


class Site(EngineKind, Protocol):
    """Runs errands, several at once, while it is entered. What it says of an engine is of the one that errands run on.

    `jobs` is how many errands may be on their way at once where nobody says, `capacity` what they may be promised in
    all, `python` what tells the Python of engines without images, and what is installed for it, from another,
    `notes` what to say of where that is.
    """

    jobs: int
    capacity: Capacity
    python: str
    notes: tuple[str, ...]

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def fitted(self, plan: PipelineExecutionPlan, chosen: Collection[str], /) -> PipelineExecutionPlan:
        """The plan with each step given what there can be; MachineError where one of the chosen can't be run at all."""

    def require(
        self,
        images: Iterable[str],
        *,
        pull: bool = False,
        fetching: Fetching | None = None,
        runtimes: Iterable[str] = (),
    ) -> Mapping[str, str]:
        """Give each image's digest, as an engine does, wherever errands run; the runtimes are there, too."""

    def done(self, errand: Errand, tell: Observer, stopping: threading.Event, place: Place) -> Done:
        """Run an errand to its end, publishing nothing; `stopping` is set when it is not to be tried again.

        Between two attempts, and when it has run well, its `place` is another's. Raises MachineError and OSError only.
        """

    def expect(self, errand: Errand) -> None:
        """Get ready for an errand that is likely to come, if that is worth anything; its sources need not be there yet.

        Nothing is waited for. It is followed by `done` or by `give_up`.
        """

    def give_up(self, step: str) -> None:
        """Expect the errand of a step no more. Nothing is waited for."""

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:
        """Remove what dead runs left, as an engine does, wherever errands run."""

    def interrupt(self) -> None:
        """End all errands, as an engine does its jobs."""


def _told(step: PlannedStep, engine: Engine) -> PlannedStep:
    """A step with a note of the limits that it asks for and nobody enforces."""
    limits = [name for name in engine.unenforced if getattr(step.resources, name) is not None]
    if not limits or not step.starts:
        return step
    of = " and ".join(limits)
    note = f"the {engine.name} engine's daemon enforces no limit of {of}: it may use more than it is given"
    return replace(step, notes=(*step.notes, note))


class ThisMachine:
    """This machine, by way of one of its engines. Of what a step leaves so many bytes are read `at_once`."""

    def __init__(self, engine: Engine, *, at_once: float = _READ_AT_ONCE) -> None:
        self.engine = engine
        self._at_once = at_once
        self.name = engine.name
        self.runs_images = engine.runs_images
        self.makes_mounts = engine.makes_mounts
        self.makes_clusters = engine.makes_clusters
        self.jobs = os.cpu_count() or 1
        self.capacity = this_machine()
        self.python = "" if engine.runs_images else this_python()
        self.notes: tuple[str, ...] = ()
        self.require = engine.require
        self.reap = engine.reap
        self.interrupt = engine.interrupt
        self._ahead = Ahead(engine)
        self.give_up = self._ahead.give_up

    def __enter__(self) -> Self:
        self.engine.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ahead.end()
        self.engine.__exit__(kind, error, traceback)

    def fitted(self, plan: PipelineExecutionPlan, _: Collection[str]) -> PipelineExecutionPlan:
        """The plan with no step given more than is here, nor a limit that nobody enforces without a word of it."""
        fitted = fitted_to_this_machine(plan)
        return replace(fitted, steps=tuple(_told(step, self.engine) for step in fitted.steps))

    def done(self, errand: Errand, tell: Observer, stopping: threading.Event, place: Place) -> Done:
        """Run it here. What wasn't expected is got ready as far as it goes while its inputs are looked at."""
        self._ahead.expect(without_absent_inputs(errand.step, errand.sources), errand.sources, errand.run)
        from cursus_sandbox.steps.step_run import StepRun  # noqa: PLC0415 -- not where all is taken over
        from cursus_sandbox.tables.memo import Memo  # noqa: PLC0415
        from cursus_sandbox.tables.validator import DataCompatibilityValidator  # noqa: PLC0415

        with self._ahead.reserved(errand.step.name) as reserved:
            run = StepRun(
                errand.step,
                errand.sources,
                errand.run,
                errand.secrets.handed_by(self.engine, errand.run.hidden),
                DataCompatibilityValidator(values=errand.values, memo=Memo(errand.run.checks)),
                tell,
                stopping,
                place,
                errand.secrets.mask,
                reserved,
                strict=errand.strict,
                at_once=self._at_once,
            )
            done = run.done()
        if errand.secrets:  # what it answered is in the result, masked
            errand.run.step(errand.step.name).discard_staged()
        return replace(done, result=errand.secrets.mask.value(done.result))

    def expect(self, errand: Errand) -> None:
        """Have its container made and started."""
        self._ahead.expect(errand.step, errand.sources, errand.run)

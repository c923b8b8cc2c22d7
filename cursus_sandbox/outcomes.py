"""What comes of each step of a run: left out, taken over from an earlier run, or run where steps run and published."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cursus_sandbox.amount import Amount
from cursus_sandbox.bytes_done import heard
from cursus_sandbox.caching.cache import Cache, refusals
from cursus_sandbox.caching.ingredients import Ingredients, Surroundings
from cursus_sandbox.errors import WorkspaceError
from cursus_sandbox.inputs.sources import Fetched, at_once, brought
from cursus_sandbox.pipeline.events import Observer, Progress
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedInput, PlannedStep
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.pipeline.selection import NOT_SELECTED
from cursus_sandbox.pipeline.source import StepOutput
from cursus_sandbox.runs.folders import INGREDIENTS, RunFolder, StepFolder
from cursus_sandbox.runs.records import set_aside
from cursus_sandbox.secrets.secret_values import SecretValues, fingerprints
from cursus_sandbox.steps.attempts import Place
from cursus_sandbox.steps.site import Errand, Site


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all steps of a run, as PipelineExecutor has it."""

    observer: Observer
    jobs: int | None = None
    fail_fast: bool = False
    strict: bool = False
    values: bool = True
    cache: bool = True
    force: tuple[str, ...] = ()
    forced_by: str = ""


@dataclass(frozen=True, slots=True)
class Provisions:
    """What a run sets out with.

    `chosen` are the steps that may run, `reused` those whose outputs an earlier run left; `images` are digests by name,
    `seconds` what steps took before.
    """

    site: Site
    plan: PipelineExecutionPlan
    folder: RunFolder
    images: Mapping[str, str]
    chosen: frozenset[str]
    reused: Mapping[str, StepFolder]
    seconds: Mapping[str, float]
    secrets: Mapping[str, SecretValues]
    fetched: Fetched


class Outcomes:
    """Brings steps to their results, several at once, each when what it reads is there.

    `results` are those of the steps that have ended, by whoever keeps them; `to_go` is how long it is from each step to
    the end of the run. `notes` grow on the way.
    """

    def __init__(
        self,
        rules: Rules,
        given: Provisions,
        results: Mapping[str, StepExecutionResult],
        *,
        to_go: Mapping[str, float],
        tell: Observer,
        stopping: threading.Event,
    ) -> None:
        self._rules = rules
        self._given = given
        self._results = results
        self._to_go = to_go
        self._tell = tell
        self._stopping = stopping
        self._cache = Cache(
            given.plan.name,
            Surroundings(
                engine=given.site.name,
                runs_images=given.site.runs_images,
                makes_mounts=given.site.makes_mounts,
                images=given.images,
                python=given.site.python,
                workspace=given.folder.workspace,
                secrets=fingerprints(given.secrets),
                fetched=given.fetched,
            ),
            strict=rules.strict,
            values=rules.values,
            refused=refusals(given.plan.steps, forced=rules.force, use=rules.cache, forced_by=rules.forced_by),
            stopping=stopping,
        )
        self.sweeper = ThreadPoolExecutor(1, thread_name_prefix="sweep")
        self.notes: list[str] = []  # each thread appends

    def without_running(self, step: PlannedStep) -> StepExecutionResult | None:
        """The result of a step for which nothing is done; None if it is to be brought to one."""
        bound = {output.channel: output.bound.resolve() for output in step.outputs if output.bound}
        if step.skip is not None:
            self._cache.stands_for.update({(step.name, channel): folder for channel, folder in bound.items()})
            return StepExecutionResult(step=step.name, status=StepStatus.SKIPPED, why=step.skip, outputs=bound)
        if step.name not in self._given.chosen and step.name not in self._given.reused:
            return StepExecutionResult(step=step.name, status=StepStatus.SKIPPED, why=NOT_SELECTED)
        return None

    def of(self, step: PlannedStep, place: Place, *, begins: Callable[[], None]) -> StepExecutionResult:
        """Bring a step to its result; `begins` is called if it is to run. Raises MachineError and OSError only."""
        if (earlier := self._given.reused.get(step.name)) is not None:
            outputs = self._cache.brought(step.name, earlier, self._given.folder)
            left = {one.name: one for one in sorted(outputs.iterdir())}
            why = f"outputs of run {earlier.run}"
            return StepExecutionResult(step=step.name, status=StepStatus.REUSED, why=why, outputs=left)
        self._tell(Progress(what="reading what it depends on", step=step.name))
        with heard(Amount(self._tell, "reading what it depends on", step=step.name)):
            answer = self._cache.answer(step)
        if answer.damaged is not None:
            set_aside(answer.damaged)
            self.notes.append(f"{step.name}: {answer.why}; it is set aside")
        because = answer.why
        if answer.kept is not None:
            try:
                return self._cache.taken_over(step, answer.kept, self._given.folder, answer.why)
            except PermissionError as error:
                because = f"what it left can't be taken over: {error.strerror}"
        begins()
        return self._ran(step, answer.ingredients, place).model_copy(update={"because": because})

    def errand_to_come(self, step: PlannedStep) -> Errand | None:
        """The errand that a step is likely to be; None where it isn't known yet where all that it reads will be."""
        sources = {one.channel: there for one in step.inputs if (there := self._source_to_come(one))}
        return self._errand(step, sources) if len(sources) == len(step.inputs) else None

    def finish(self) -> None:
        """Wait until what steps have left is known well enough to be taken over by a later run."""
        if not self._cache.reading.is_over:
            self._tell(Progress(what="reading what steps have left, to know it again"))
        self._cache.finish()

    def _ran(self, step: PlannedStep, ingredients: Ingredients | None, place: Place) -> StepExecutionResult:
        errand = self._errand(step, {one.channel: self._source(step, one) for one in step.inputs})
        done = self._given.site.done(errand, self._tell, self._stopping, place)
        folder = self._given.folder.step(step.name)
        if done.left:
            if done.manifest:
                self._cache.keep(step, ingredients, folder, done.manifest, done.result)
            folder.publish(done.left.outputs)
            self._cache.published(step.name)
            self.sweeper.submit(folder.discard, done.left)  # nobody waits for that
        elif ingredients is not None:
            with suppress(WorkspaceError):  # its disk may be full, which is why it failed
                folder.write(INGREDIENTS, ingredients)
        return done.result

    def _errand(self, step: PlannedStep, sources: Mapping[str, Path]) -> Errand:
        return Errand(
            step,
            sources,
            self._given.folder,
            self._given.secrets.get(step.name, SecretValues()),
            strict=self._rules.strict,
            values=self._rules.values,
            seconds_to_go=self._to_go[step.name],
        )

    def _source(self, step: PlannedStep, one: PlannedInput) -> Path:
        """Where an input's file or folder is; a folder that an optional output did not leave is not there."""
        source = one.source
        if isinstance(source, StepOutput):
            return self._output(source)
        folder = self._given.folder.path / "inputs" / step.name / one.channel
        return brought(step, one, source, folder, fetched=self._given.fetched, workspace=self._given.folder.workspace)

    def _source_to_come(self, one: PlannedInput) -> Path | None:
        """Where an input's file or folder will be; None where it is still to be made."""
        source = one.source
        return self._output(source) if isinstance(source, StepOutput) else at_once(source, self._given.fetched)

    def _output(self, output: StepOutput) -> Path:
        """Where a step's output is, or will be."""
        ended = self._results.get(output.step)
        published = self._given.folder.path / "steps" / output.step / "outputs" / output.channel
        return ended.outputs.get(output.channel, published) if ended else published

"""The cache: earlier runs themselves, found by what their steps came of.

WORKSPACE/cache/keys/<key>     -> ../../runs/<run>/steps/<step>
WORKSPACE/cache/newest/<step>  -> ../../runs/<run>/steps/<step>    of each pipeline's step, whatever it came of
WORKSPACE/cache/contents.json  what was read, so that it need not be read again
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cursus_sandbox.caching.ingredients import (
    Cook,
    Ingredients,
    Surroundings,
    are_known,
    filled_in,
    key_of,
    what_changed,
)
from cursus_sandbox.caching.reading import Reading
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.pipeline.source import StepOutput
from cursus_sandbox.runs.contents import Contents
from cursus_sandbox.runs.folders import RunFolder, StepFolder
from cursus_sandbox.runs.records import (
    Damaged,
    Kept,
    Manifest,
    carried_over,
    kept_in,
    record_of,
    verified,
    write_record,
)
from cursus_sandbox.tables.report import DataCompatibilityReport
from cursus_sandbox.untrusted import remove

_SECONDS_BETWEEN_SAVES = 10.0  # of what a run that is killed would have to read again


@dataclass(frozen=True, slots=True)
class Answer:
    """What the cache has for a step: outputs that can be taken over, or none; `why` says why or why not.

    `ingredients` is None where they could not be gathered; `damaged` is where a record isn't true.
    """

    why: str
    ingredients: Ingredients | None = None
    kept: Kept | None = None
    damaged: StepFolder | None = None


@dataclass(slots=True)
class Cache:
    """The cache of a workspace, for one pipeline and what its steps would run in.

    `kept` and `stands_for` are filled as steps end: what each has left, or the folder that stands for an output. With
    `strict`, what a step left with warnings isn't taken over; without `values`, what was in the data isn't said again.
    `refused` says of steps why nothing is taken over for them. When `stopping` is set, nobody waits any more for what
    large outputs are.
    """

    pipeline: str
    around: Surroundings
    strict: bool = False
    values: bool = True
    refused: Mapping[str, str] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    kept: dict[str, Kept] = field(default_factory=dict)
    stands_for: dict[tuple[str, str], Path] = field(default_factory=dict)
    contents: Contents = field(init=False)
    reading: Reading = field(init=False)
    _cook: Cook = field(init=False)

    def __post_init__(self) -> None:
        self.contents = Contents(self._folder / "contents.json")
        self._cook = Cook(self.around, self.contents, self._left)
        self.reading = Reading(self.stopping)

    def answer(self, step: PlannedStep) -> Answer:
        """What there is for a step whose inputs are there.

        If those are still being read, it waits only where what the step left before may be taken over then.
        """
        try:
            ingredients = self._cook.ingredients(step)
            if step.name in self.refused:
                return Answer(self.refused[step.name], ingredients)
            if self.reading.under_way(_before(step)):
                earlier = self.newest(step.name)
                if earlier is not None and filled_in(ingredients, earlier) == earlier:
                    self.reading.wait(_before(step))
                    ingredients = self._cook.ingredients(step)
        except (OSError, ValueError) as error:
            return Answer(f"what it reads can't be looked at: {error}")
        found = self._followed(self._keys / key_of(ingredients))
        newest = self._followed(self._newest / _place(self.pipeline, step.name))
        looked_at = found
        try:
            kept = kept_in(found) if found else None
            if kept is not None and kept.record.key == key_of(ingredients):
                if self.strict and _warned(kept.record.result):
                    return Answer("it left warnings, and --strict takes them for errors", ingredients)
                return Answer(f"unchanged since run {kept.record.run}", ingredients, verified(kept))
            looked_at = newest
            before = kept_in(newest) if newest else None
        except Damaged as damaged:
            assert looked_at is not None  # noqa: S101 -- or nothing could have been damaged
            why = f"what run {looked_at.run} had kept of it is damaged: {damaged}"
            return Answer(why, ingredients, damaged=looked_at)
        if before is None:
            return Answer("it has not run before" if newest is None else "what it had left is gone", ingredients)
        now = filled_in(ingredients, before.record.ingredients)
        return Answer(what_changed(before.record.ingredients, now) or "what it had left is gone", ingredients)

    def newest(self, step: str) -> Ingredients | None:
        """What the step came of in the newest run that has its outputs; None where there is none that can be read."""
        folder = self._followed(self._newest / _place(self.pipeline, step))
        try:
            kept = kept_in(folder) if folder else None
        except Damaged:
            return None
        return kept.record.ingredients if kept else None

    def taken_over(self, step: PlannedStep, kept: Kept, run: RunFolder, why: str) -> StepExecutionResult:
        """The result of a step whose outputs are taken over into a run, which then has them for itself."""
        folder = run.step(step.name)
        own = carried_over(kept, folder)
        self.kept[step.name] = own
        self._find(own, step.name)
        before = own.record.result
        return StepExecutionResult(
            step=step.name,
            status=StepStatus.REUSED,
            why=why,
            message=before.message,
            log=folder.log if folder.log.exists() else None,
            outputs={channel: folder.outputs / channel for channel in before.outputs},
            reports=before.reports if self.values else tuple(map(_without_values, before.reports)),
            metrics=before.metrics,
            warnings=before.warnings,
        )

    def brought(self, step: str, folder: StepFolder, run: RunFolder) -> Path:
        """The outputs that an earlier run left for a step that isn't chosen, taken over into this one.

        What was changed since, or has no record, is left where it is.
        """
        try:
            kept = kept_in(folder)
            if kept is not None:
                own = self.kept[step] = carried_over(verified(kept), run.step(step))
                return own.folder.outputs
        except (Damaged, PermissionError):
            pass
        for channel in folder.outputs.iterdir():
            self.stands_for[step, channel.name] = channel
        return folder.outputs

    def keep(
        self,
        step: PlannedStep,
        ingredients: Ingredients | None,
        folder: StepFolder,
        manifest: Manifest,
        result: StepExecutionResult,
    ) -> None:
        """Write down what a step has left, and let it be found, just before it is published; until then it isn't there.

        What it read must not have changed in the meantime; and it must be known by now.
        """
        if ingredients is not None:
            self.reading.wait(_before(step))
            try:
                again = self._cook.ingredients(step, linked=True)
            except (OSError, ValueError):
                again = {}
            ingredients = again if filled_in(ingredients, again) == again and are_known(again) else None
        key = key_of(ingredients) if ingredients is not None else ""
        record = record_of(manifest, run=folder.run, key=key, ingredients=ingredients or {}, result=result)
        write_record(folder, record)
        self.kept[step.name] = Kept(folder, record)
        self._find(self.kept[step.name], step.name)
        self.contents.save(after=_SECONDS_BETWEEN_SAVES)

    def published(self, step: str) -> None:
        """Have what it has left be read, as far as nobody has, beside all else."""
        if (kept := self.kept.get(step)) and not kept.is_read:
            self.reading.begin(step, kept, self._known)

    def finish(self) -> None:
        """Wait until all is read, and keep what was learned for the next time."""
        self.reading.finish()
        self.contents.save()

    def _known(self, kept: Kept) -> None:
        self.kept[kept.folder.path.name] = kept
        for name, file in kept.record.files.items():
            self._cook.as_table(kept.folder.outputs / name, file.sha256)

    def _left(self, output: StepOutput) -> tuple[Path, Mapping[str, str]]:
        """The folder of another step's output, and what is known to be in it."""
        if folder := self.stands_for.get((output.step, output.channel)):
            return folder, self.contents.tree(folder)
        kept = self.kept.get(output.step)
        if kept is None:
            raise ValueError(f"what step '{output.step}' has left was not written down")
        return kept.folder.outputs / output.channel, kept.record.channel(output.channel)

    def _find(self, kept: Kept, step: str) -> None:
        target = os.path.relpath(kept.folder.path, self._keys)
        for link in (
            self._keys / kept.record.key if kept.record.key else None,
            self._newest / _place(self.pipeline, step),
        ):
            if link is not None:
                with suppress(OSError):  # what can't be found again runs again
                    _lead(link, target)

    def _followed(self, link: Path) -> StepFolder | None:
        """The step's folder that a link leads to; None where there is no link, or it leads elsewhere."""
        try:
            *up, runs, run, steps, step = os.readlink(link).split("/")  # noqa: PTH115
        except (OSError, ValueError):
            return None
        if (*up, runs, steps) != ("..", "..", "runs", "steps") or ".." in (run, step):
            return None
        return StepFolder(self.around.workspace / runs / run / steps / step)

    @property
    def _folder(self) -> Path:
        return self.around.workspace / "cache"

    @property
    def _keys(self) -> Path:
        return self._folder / "keys"

    @property
    def _newest(self) -> Path:
        return self._folder / "newest"


def refusals(
    plan_steps: Collection[PlannedStep], *, forced: Collection[str], use: bool, forced_by: str = ""
) -> dict[str, str]:
    """The steps that run whatever is kept of them, and why: who forced them, if it was none of the options for that."""
    found = {step.name: "the document says  cache: false" for step in plan_steps if not step.cache}
    found |= dict.fromkeys(forced, forced_by or "--force")
    return found if use else dict.fromkeys((step.name for step in plan_steps), forced_by or "--no-cache")


def _before(step: PlannedStep) -> set[str]:
    return {one.source.step for one in step.inputs if isinstance(one.source, StepOutput)}


def _warned(result: StepExecutionResult) -> bool:
    return bool(result.warnings or any(report.warnings for report in result.reports))


def _without_values(report: DataCompatibilityReport) -> DataCompatibilityReport:
    return report.model_copy(update={"findings": tuple(one.without_values() for one in report.findings)})


def _place(pipeline: str, step: str) -> str:
    return hashlib.sha256(f"{pipeline}\0{step}".encode()).hexdigest()[:32]


def _lead(link: Path, target: str) -> None:
    """Have a link lead somewhere, in one step."""
    beside = Path(f"{link}.tmp")
    try:
        os.symlink(target, beside)  # noqa: PTH211 -- a run may have thousands of them
        os.rename(beside, link)  # noqa: PTH104
    except OSError:  # there is no folder yet; or in the way is what a killed run, or who copied all of it, has left
        if link.parents[1].is_file():
            link.parents[1].unlink()
        link.parent.mkdir(parents=True, exist_ok=True)
        remove(beside)
        if not link.is_symlink():
            remove(link)
        beside.symlink_to(target)
        beside.rename(link)

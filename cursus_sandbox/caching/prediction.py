"""What a run would take over from earlier runs and what it would run, without asking an engine for anything.

Two things can't be known beforehand: what a step leaves that has to run, and whether an image still is the one it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cursus_sandbox.caching.cache import Cache, refusals
from cursus_sandbox.caching.earlier import earlier_outputs
from cursus_sandbox.caching.ingredients import Ingredients, Surroundings, this_python
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.pipeline.selection import NOT_SELECTED, Selection
from cursus_sandbox.pipeline.source import S3Objects, StepOutput
from cursus_sandbox.runs.folders import StepFolder
from cursus_sandbox.runs.records import Damaged, kept_in, verified
from cursus_sandbox.runs.workspace import Workspace

_DIGEST = len("sha256:") + 12  # characters of an image's digest that are shown


class Outcome(StrEnum):
    """What would become of a step."""

    REUSED = "reused"
    RUN = "run"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


_WORDS = {Outcome.REUSED: "not again", Outcome.RUN: "yes", Outcome.SKIPPED: "no", Outcome.UNKNOWN: "perhaps"}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What would become of a step, and why."""

    outcome: Outcome
    why: str

    def __str__(self) -> str:
        return f"{_WORDS[self.outcome]}: {self.why}"


def predictions(
    plan: PipelineExecutionPlan,
    workspace: Path,
    *,
    strict: bool = False,
    selection: Selection = Selection(),
    use: bool = True,
    forced: tuple[str, ...] = (),
) -> dict[str, Prediction]:
    """What would become of each step that the document doesn't skip; nothing where all would run for the first time.

    The engine is taken to be that of the newest run, and an image's digest the one it had when its step last ran.
    Without `use` nothing is taken over, nor for the steps in `forced`. DocumentError for a selection that can't run.
    """
    folder, chosen = workspace.absolute(), selection.steps(plan)
    Selection(only=forced).steps(plan)  # they must be there
    left = earlier_outputs(plan, chosen, Workspace(folder))
    earlier = _earlier(plan, folder)
    engine = next((one["engine"]["name"] for one in earlier.values() if "engine" in one), "")
    if not engine and len(chosen) == len(plan.steps):
        return {}
    images = {name: digest for one in earlier.values() for name, digest in one.get("image", {}).items()}
    around = Surroundings(
        engine=engine,
        runs_images=engine == "docker",
        makes_mounts=engine != "process",
        images=images,
        workspace=folder,
        python="" if engine == "docker" else this_python(),
    )
    cache = Cache(plan.name, around, strict=strict, refused=refusals(plan.steps, forced=forced, use=use))
    return dict(_predicted(plan, cache, images if around.runs_images else {}, chosen=chosen, left=left))


def _earlier(plan: PipelineExecutionPlan, folder: Path) -> dict[str, Ingredients]:
    """What each step came of in the newest run that has it."""
    nowhere = Surroundings(engine="", runs_images=False, makes_mounts=False, images={}, workspace=folder, python="")
    cache = Cache(plan.name, nowhere)
    return {step.name: before for step in plan.steps if (before := cache.newest(step.name)) is not None}


def _predicted(
    plan: PipelineExecutionPlan,
    cache: Cache,
    images: dict[str, str],
    *,
    chosen: frozenset[str],
    left: Mapping[str, StepFolder],
) -> Iterator[tuple[str, Prediction]]:
    running: set[str] = set()
    for step in plan.steps:
        if step.skip is not None:
            for output in step.outputs:
                if output.bound:
                    cache.stands_for[step.name, output.channel] = output.bound.resolve()
            continue
        if step.name not in chosen:
            yield step.name, _not_chosen(step, left.get(step.name), cache)
            continue
        found = _refused(step, cache) or _unknown(step, running) or _answered(step, cache, images)
        if found.outcome is not Outcome.REUSED:
            running.add(step.name)
        yield step.name, found


def _not_chosen(step: PlannedStep, left: StepFolder | None, cache: Cache) -> Prediction:
    """That it doesn't run; the cache knows what it has left from now on, where a chosen one reads that."""
    if left is None:
        return Prediction(Outcome.SKIPPED, NOT_SELECTED)
    try:
        kept = kept_in(left)
        kept = verified(kept) if kept else None
    except Damaged:
        kept = None
    if kept:
        cache.kept[step.name] = kept
    else:
        cache.stands_for.update({(step.name, one.name): one for one in left.outputs.iterdir()})
    return Prediction(Outcome.REUSED, f"{NOT_SELECTED}, outputs of run {left.run}")


def _refused(step: PlannedStep, cache: Cache) -> Prediction | None:
    return Prediction(Outcome.RUN, cache.refused[step.name]) if step.name in cache.refused else None


def _unknown(step: PlannedStep, running: set[str]) -> Prediction | None:
    waits = sorted({one.source.step for one in step.inputs if isinstance(one.source, StepOutput)} & running)
    if waits:
        return Prediction(Outcome.UNKNOWN, f"it reads what {', '.join(waits)} will leave")
    if step.secrets:
        return Prediction(Outcome.UNKNOWN, "its secrets are read only when it runs")
    if any(isinstance(one.source, S3Objects) for one in step.inputs):
        return Prediction(Outcome.UNKNOWN, "what is in S3 is looked at only when it runs")
    return None


def _answered(step: PlannedStep, cache: Cache, images: dict[str, str]) -> Prediction:
    answer = cache.answer(step)
    if answer.kept is None:
        return Prediction(Outcome.RUN, answer.why)
    cache.kept[step.name] = answer.kept
    digest = images.get(step.image or "")
    still = f", if {step.image} still is {digest[:_DIGEST]}" if digest and step.starts else ""
    return Prediction(Outcome.REUSED, answer.why + still)

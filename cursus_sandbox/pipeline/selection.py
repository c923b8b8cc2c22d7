"""Which steps of a plan a run is about: all, one, those from a step on, those up to a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan

if TYPE_CHECKING:
    from cursus_sandbox.pipeline.result import PipelineExecutionResult

NOT_SELECTED = "not selected"  # why a step is skipped


@dataclass(frozen=True, slots=True)
class Selection:
    """`only` names steps by themselves; `first` a step and all after it; `last` a step and all before it."""

    only: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None

    def steps(self, plan: PipelineExecutionPlan) -> frozenset[str]:
        """The selected steps; DocumentError for a name that isn't one, or when nothing is left."""
        named = [*self.only, *(name for name in (self.first, self.last) if name)]
        known = plan.step_configs
        problems = [
            Problem(f"no step is called '{name}'", hint=did_you_mean(name, known))
            for name in named
            if name not in known
        ]
        if problems:
            raise DocumentError(problems)
        chosen = set(known)
        if self.only:
            chosen &= set(self.only)
        if self.first:
            chosen &= _reached(self.first, _turned(plan.dependencies))
        if self.last:
            chosen &= _reached(self.last, plan.dependencies)
        if not chosen:
            hint = "--only names steps of its own." if self.only else "--from must come before --until."
            raise DocumentError([Problem("the selection leaves no step to run", hint=hint)])
        return frozenset(chosen)


@dataclass(frozen=True, slots=True)
class Again:
    """An earlier run once more: all that it was asked for, or `steps` of it, on what it left of the others.

    `failed` are those of `steps` that run though something can be taken over for them.
    """

    run: str
    steps: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"it did not end well in run {self.run}, which was rerun" if self.steps else f"run {self.run} was rerun"


def unfinished(result: PipelineExecutionResult, skipped: Iterable[str]) -> Again | None:
    """The steps that a run has not brought to a good end: those that failed, and what was not started for that.

    `skipped` are those that its document skips. None where all went well.
    """
    failed = [step.step for step in result.steps if not step.success]
    lost = [
        step.step
        for step in result.steps
        if step.status == "skipped" and step.why != NOT_SELECTED and step.step not in set(skipped)
    ]
    return Again(result.run, (*failed, *lost), tuple(failed)) if failed or lost else None


def _reached(step: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    found = {step}
    stack = [step]
    while stack:
        new = set(edges.get(stack.pop(), ())) - found
        found |= new
        stack += new
    return found


def _turned(edges: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    turned: dict[str, list[str]] = {}
    for step, before in edges.items():
        for one in before:
            turned.setdefault(one, []).append(step)
    return turned

"""Which output each input is wired to, along the edges of the graph, and why.

The rules are tried in order, the first that finds anything decides. A new way of finding a source is one more rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cursus_sandbox.pipeline.contract import InputChannel, OutputChannel, ScriptContract
from cursus_sandbox.pipeline.dag import StepOutput


@dataclass(frozen=True, slots=True)
class Candidate:
    """An output of a predecessor."""

    step: str
    channel: str
    output: OutputChannel

    @property
    def source(self) -> StepOutput:
        """The candidate as a document would write it."""
        return StepOutput(step=self.step, channel=self.channel)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What was found for one input: one candidate is a binding, several an ambiguity, none nothing."""

    candidates: tuple[Candidate, ...]
    reason: str

    @property
    def binding(self) -> StepOutput | None:
        """The one candidate there is, if there is one."""
        return self.candidates[0].source if len(self.candidates) == 1 else None


Rule = Callable[[str, InputChannel, Candidate], bool]

# SageMaker: what lies at the first path when a job ends is what a later job finds below the second.
_PATHS = (
    ("/opt/ml/model", ("/opt/ml/input/data", "/opt/ml/model", "/opt/ml/processing/input/model")),
    ("/opt/ml/output/data", ("/opt/ml/input/data",)),
    ("/opt/ml/processing/output", ("/opt/ml/processing/input", "/opt/ml/input/data")),
)


def _same_name(name: str, _: InputChannel, candidate: Candidate) -> bool:
    return candidate.channel == name


def _alias(name: str, _: InputChannel, candidate: Candidate) -> bool:
    return name in candidate.output.aliases


def _path(_: str, channel: InputChannel, candidate: Candidate) -> bool:
    return any(
        _within(candidate.output.path, left) and any(_within(channel.path, found) for found in below)
        for left, below in _PATHS
    )


RULES: tuple[tuple[str, Rule, bool], ...] = (
    # reason, rule, whether it may bind an optional input: a path alone says too little to fill one unasked
    ("same name", _same_name, True),
    ("alias", _alias, True),
    ("path rule", _path, False),
)


def wiring(name: str, channel: InputChannel, candidates: Sequence[Candidate]) -> Wiring:
    """What the first rule that finds anything finds for one input."""
    for reason, rule, fills_optional in RULES:
        if (channel.required or fills_optional) and (
            found := tuple(one for one in candidates if rule(name, channel, one))
        ):
            return Wiring(found, reason)
    return Wiring((), "nothing fits")


def outputs_of(steps: Sequence[str], contracts: Mapping[str, ScriptContract]) -> tuple[Candidate, ...]:
    """Every output of these steps; `contracts` is by step."""
    return tuple(
        Candidate(step, channel, output) for step in steps for channel, output in contracts[step].outputs.items()
    )


def _within(path: PurePosixPath | None, folder: str) -> bool:
    return path is not None and path.is_relative_to(folder)

"""Which output each input of a step is wired to, and what speaks for it.

The inputs of a step are assigned together, not one after the other: first as many required inputs as can be are fed,
from what suits them best; where that leaves a choice, as many edges as can be carry something; then what suits the
optional inputs best. Cursus assigns greedily, which leaves edges of published pipelines empty and fills optional inputs
with what happened to be left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cursus_sandbox.pipeline.contract import InputChannel, OutputChannel, ScriptContract
from cursus_sandbox.pipeline.evidence import Evidence, evidence
from cursus_sandbox.pipeline.source import StepOutput

_ENOUGH = 0.5  # Cursus' threshold: more than a type alone
_FINEST = 0.02  # evidence that differs by less is no evidence: two names are never quite equally like a third
_MOST_STEPS = 20_000  # of the search; beyond, what was found by then counts


@dataclass(frozen=True, slots=True)
class Candidate:
    """An output of a predecessor."""

    step: str
    channel: str
    output: OutputChannel
    step_type: str

    @property
    def source(self) -> StepOutput:
        """The candidate as a document would write it."""
        return StepOutput(step=self.step, channel=self.channel)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What was found for one input: a binding and its evidence, or rivals between which nothing decides, or nothing."""

    binding: StepOutput | None = None
    evidence: Evidence | None = None
    rivals: tuple[StepOutput, ...] = ()


@dataclass(frozen=True, slots=True)
class _Option:
    candidate: Candidate
    evidence: Evidence


def wirings(
    inputs: Mapping[str, InputChannel], candidates: Sequence[Candidate], *, taken: Collection[StepOutput] = ()
) -> dict[str, Wiring]:
    """The best assignment of outputs to inputs. Each input is fed once; an output feeds one input of a step.

    `taken` are the outputs that feed an input by a pin.
    """
    options = {name: _options(name, port, candidates) for name, port in inputs.items()}
    search = _Search(inputs, options, {(one.step, one.channel) for one in taken})
    found: dict[str, Wiring] = {}
    for name in inputs:
        chosen = {assignment.get(name) for assignment in search.best}
        if len(chosen) == 1 and (option := chosen.pop()) is not None:
            found[name] = Wiring(option.candidate.source, option.evidence)
        else:
            rivals = [option.candidate.source for option in options[name] if option in chosen]
            found[name] = Wiring(rivals=tuple(rivals) if len(rivals) > 1 or None in chosen else ())
    return found


def outputs_of(steps: Sequence[str], contracts: Mapping[str, ScriptContract]) -> tuple[Candidate, ...]:
    """Every output of these steps; `contracts` is by step."""
    return tuple(
        Candidate(step, channel, output, contracts[step].step_type)
        for step in steps
        for channel, output in contracts[step].outputs.items()
    )


def _options(name: str, port: InputChannel, candidates: Sequence[Candidate]) -> list[_Option]:
    """The outputs an input may be fed from.

    An optional input takes the same name or an alias, or what suits it best of a listed source: never what is left
    there once its better choice feeds another input.
    """
    options = []
    for candidate in candidates:
        found = evidence(name, port, output=candidate.channel, offered=candidate.output, step_type=candidate.step_type)
        if found is None or found.only_type:
            continue
        if found.named or found.listed or found.score > _ENOUGH:
            options.append(_Option(candidate, found))
    if not port.required:
        first = {
            step: max(option.evidence.score for option in options if option.candidate.step == step)
            for step in {option.candidate.step for option in options}
        }
        options = [
            option
            for option in options
            if option.evidence.named
            or (option.evidence.listed and option.evidence.score == first[option.candidate.step])
        ]
    return sorted(options, key=lambda option: -option.evidence.score)


class _Search:
    """All assignments that nothing distinguishes from the best one, found by looking at each that might be."""

    def __init__(
        self, inputs: Mapping[str, InputChannel], options: Mapping[str, list[_Option]], taken: set[tuple[str, str]]
    ) -> None:
        self.names = sorted((name for name in inputs if options[name]), key=lambda name: not inputs[name].required)
        self.inputs = inputs
        self.options = options
        self.best: list[dict[str, _Option]] = [{}]
        self.value = (0, 0, 0, 0)
        self.steps = 0
        self._assign(0, {}, taken)

    def _assign(self, index: int, chosen: dict[str, _Option], used: set[tuple[str, str]]) -> None:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            return
        if index == len(self.names):
            self._compare(chosen)
            return
        name = self.names[index]
        for option in self.options[name]:
            key = (option.candidate.step, option.candidate.channel)
            if key not in used:
                self._assign(index + 1, {**chosen, name: option}, used | {key})
        self._assign(index + 1, chosen, used)

    def _compare(self, chosen: dict[str, _Option]) -> None:
        required = [option.evidence.score for name, option in chosen.items() if self.inputs[name].required]
        optional = [option.evidence.score for name, option in chosen.items() if not self.inputs[name].required]
        edges = len({option.candidate.step for option in chosen.values()})
        value = (len(required), round(sum(required) / _FINEST), edges, round(sum(optional) / _FINEST))
        if value > self.value:
            self.best, self.value = [chosen], value
        elif value == self.value and chosen not in self.best:
            self.best.append(chosen)

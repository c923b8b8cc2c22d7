"""Which of the ready steps starts next: the one with the longest way to go, as far as the machine reaches."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from cursus_sandbox.pipeline.instances import Capacity
from cursus_sandbox.pipeline.plan import PlannedStep


@dataclass(frozen=True, slots=True)
class Demand:
    """What a step is promised while it runs; `memory` in bytes. What it doesn't limit counts nothing."""

    cpus: float = 0
    memory: int = 0
    gpus: int = 0

    def __add__(self, other: Demand) -> Demand:
        return Demand(self.cpus + other.cpus, self.memory + other.memory, self.gpus + other.gpus)

    def fits(self, capacity: Capacity) -> bool:
        """Whether a machine has as much."""
        return self.cpus <= capacity.cpus and self.memory <= capacity.memory and self.gpus <= capacity.gpus


def demand(step: PlannedStep, *, hosts: int = 1) -> Demand:
    """What a step's limits come to, on as many hosts."""
    asked = step.resources
    return Demand((asked.cpus or 0) * hosts, (asked.memory or 0) * hosts, (asked.gpus or 0) * hosts)


def seconds_to_go(dependencies: Mapping[str, Collection[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """The longest way from the start of each step to the end of the run; an untimed step counts as one second."""
    dependants: dict[str, list[str]] = {step: [] for step in dependencies}
    for step, before in dependencies.items():
        for one in before:
            dependants[one].append(step)
    longest: dict[str, float] = {}
    for step in reversed(tuple(TopologicalSorter(dependencies).static_order())):
        longest[step] = seconds.get(step, 1.0) + max((longest[one] for one in dependants[step]), default=0.0)
    return {step: longest[step] for step in dependencies}


class ReadyQueue:
    """The steps that may start, in the order they should.

    Critical path first: the step with the most seconds to go. At most `jobs` run at once, and never is more memory, are
    more processors or GPUs promised than `capacity` has: a step that doesn't fit beside those that run waits, and the
    next that does goes before it. A step that would not fit an empty machine runs when nothing else does. Those that
    have run, and are only looked at, count no more, but for the last of `jobs`: with one job nothing is done beside it.
    """

    def __init__(
        self, demands: Mapping[str, Demand], *, to_go: Mapping[str, float], capacity: Capacity, jobs: int
    ) -> None:
        self._demands = dict(demands)
        self._to_go = to_go
        self._capacity = capacity
        self._jobs = jobs
        self._place = {step: place for place, step in enumerate(to_go)}
        self._waiting: list[tuple[float, int, str]] = []
        self._running: set[str] = set()
        self._looked_at: set[str] = set()
        self._promised = Demand()

    def offer(self, steps: Iterable[str], *, demand: Demand | None = None) -> None:
        """Take in steps that became ready, or are so again; `demand` is what each of them is to have now."""
        for step in steps:
            self._demands[step] = demand or self._demands[step]
            insort(self._waiting, (-self._to_go[step], self._place[step], step))

    def start_next(self) -> str | None:
        """The step to start now, which then counts as running; None where none may."""
        if len(self._running) >= self._jobs:
            return None
        for index, (_, _, step) in enumerate(self._waiting):
            promised = self._promised + self._demands[step]
            if not self._running or promised.fits(self._capacity):
                del self._waiting[index]
                self._running.add(step)
                self._promised = promised
                return step
        return None

    def ran(self, step: str) -> None:
        """A step runs no longer, but what it left is looked at: others may run meanwhile."""
        if len(self._looked_at) < self._jobs - 1:
            self._looked_at.add(step)
            self._leave(step)

    def ended(self, step: str) -> None:
        """A step has ended, or pauses: what it was promised is free again."""
        self._looked_at.discard(step)
        self._leave(step)

    def _leave(self, step: str) -> None:
        self._running.discard(step)
        self._promised = sum((self._demands[one] for one in self._running), Demand())  # parts of processors add up

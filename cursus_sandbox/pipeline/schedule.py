"""Which steps may start, as others end. A state machine apart from its driver: no thread, clock or process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter


class Schedule:
    """Walks a graph without cycles: each step is ready once, after all it waits for has succeeded.

    `dependencies` gives what each step waits for, in an order steps are offered in.
    """

    def __init__(self, dependencies: Mapping[str, Collection[str]]) -> None:
        self._sorter = TopologicalSorter(dependencies)
        self._sorter.prepare()
        self._order = {step: place for place, step in enumerate(dependencies)}
        self._dependants: dict[str, list[str]] = {step: [] for step in dependencies}
        for step, before in dependencies.items():
            for one in before:
                self._dependants[one].append(step)
        self._pending = set(dependencies)

    def ready(self) -> list[str]:
        """The steps that became ready since the last call."""
        return sorted(self._sorter.get_ready(), key=self._order.__getitem__)

    def succeeded(self, step: str) -> None:
        """A step ended well; those that waited only for it become ready."""
        self._pending.discard(step)
        self._sorter.done(step)

    def failed(self, step: str) -> list[str]:
        """A step ended otherwise: gives the steps that will now never be ready, in order, each only once."""
        self._pending.discard(step)
        lost: set[str] = set()
        stack = [step]
        while stack:
            for dependant in self._dependants[stack.pop()]:
                if dependant in self._pending:
                    self._pending.discard(dependant)
                    lost.add(dependant)
                    stack.append(dependant)
        return sorted(lost, key=self._order.__getitem__)

    @property
    def pending(self) -> list[str]:
        """The steps that have not ended and may still run, those running among them."""
        return sorted(self._pending, key=self._order.__getitem__)

"""Which steps are likely to start next, while others run. Nothing is known for certain: one may fail, or be reused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import chain


class LookAhead:
    """The steps that will be ready soonest, of those that wait for a step that really runs, or that did in this run.

    What waits only for steps whose outputs were taken over may itself be taken over: of that nothing is expected.
    Among those that are equally near, the one with the most seconds `to_go` comes first.
    """

    def __init__(self, dependencies: Mapping[str, Collection[str]], to_go: Mapping[str, float]) -> None:
        self._dependencies = dependencies
        self._order = {step: (-to_go[step], place) for place, step in enumerate(dependencies)}
        self._dependants: dict[str, list[str]] = {step: [] for step in dependencies}
        for step, before in dependencies.items():
            for one in before:
                self._dependants[one].append(step)
        self._running: set[str] = set()
        self._waiting: set[str] = set()  # ready, and something that they waited for did run
        self._ran: set[str] = set()
        self._past: set[str] = set()

    def runs(self, step: str) -> None:
        """A step has begun to run."""
        self._running.add(step)

    def ready(self, step: str) -> None:
        """A step waits for nothing any more, but perhaps for room."""
        if not self._ran.isdisjoint(self._dependencies[step]):
            self._waiting.add(step)

    def started(self, step: str) -> None:
        """A step is on its way: whether it will run is not known yet."""
        self._waiting.discard(step)

    def ended(self, step: str) -> None:
        """A step has ended, however."""
        if step in self._running:
            self._running.remove(step)
            self._ran.add(step)
        self._waiting.discard(step)
        self._past.add(step)

    def next(self, most: int) -> list[str]:
        """At most so many steps, the likeliest first."""
        found = sorted(self._waiting, key=self._order.__getitem__)[:most]
        settled = [self._past, self._running, self._waiting]
        nearest: Iterable[str] = (*self._running, *found)
        seen = set(found)
        while len(found) < most:
            after = {one for one in chain.from_iterable(map(self._dependants.__getitem__, nearest)) if one not in seen}
            nearest = sorted(
                (one for one in after if all(_is_in(before, settled) for before in self._dependencies[one])),
                key=self._order.__getitem__,
            )[: most - len(found)]
            if not nearest:
                break
            seen.update(nearest)
            settled.append(set(nearest))
            found += nearest
        return found


def _is_in(step: str, some: Iterable[Collection[str]]) -> bool:
    return any(step in each for each in some)

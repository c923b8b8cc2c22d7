"""Which steps are likely to start next, while others run. Nothing is known for certain: one may fail, or be reused."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Mapping
from itertools import chain


class LookAhead:
    """The steps that will be ready soonest, of those that wait for a step that really runs, or that did in this run.

    What waits only for steps whose outputs were taken over may itself be taken over: of that nothing is expected.
    Among those that are equally near, the one with the most seconds `to_go` comes first. No more than `most` are
    expected at a time, all of them of those that `may_run`.
    """

    def __init__(
        self,
        dependencies: Mapping[str, Collection[str]],
        to_go: Mapping[str, float],
        *,
        may_run: Collection[str],
        most: int,
    ) -> None:
        self._dependencies = dependencies
        self._may_run = may_run
        self._most = most
        self._expected: set[str] = set()
        self._order = {step: (-to_go[step], place, step) for place, step in enumerate(dependencies)}
        self._dependants: dict[str, list[str]] = {step: [] for step in dependencies}
        for step, before in dependencies.items():
            for one in before:
                self._dependants[one].append(step)
        self._running: set[str] = set()
        self._waiting: list[tuple[float, int, str]] = []  # ready, and something that they waited for did run
        self._ran: set[str] = set()
        self._past: set[str] = set()

    def runs(self, step: str) -> None:
        """A step has begun to run."""
        self._running.add(step)

    def ready(self, step: str) -> None:
        """A step waits for nothing any more, but perhaps for room."""
        if not self._ran.isdisjoint(self._dependencies[step]):
            insort(self._waiting, self._order[step])

    def started(self, step: str) -> None:
        """A step is on its way: whether it will run is not known yet."""
        place = bisect_left(self._waiting, self._order[step])
        if self._waiting[place : place + 1] == [self._order[step]]:
            del self._waiting[place]
        self._expected.discard(step)

    def ended(self, step: str) -> None:
        """A step has ended, however."""
        if step in self._running:
            self._running.remove(step)
            self._ran.add(step)
        self.started(step)
        self._past.add(step)

    def news(self) -> list[str]:
        """The steps that are expected now and were not before, the likeliest first."""
        room = self._most - len(self._expected)
        fresh = [one for one in self._next(self._most) if one not in self._expected][:room] if room > 0 else []
        self._expected.update(fresh)
        return fresh

    def _next(self, most: int) -> list[str]:
        found = [step for _, _, step in self._waiting[:most]]
        settled = [self._past, self._running, set(found)]  # with room for more, all that wait are among those found
        nearest: Iterable[str] = (*self._running, *found)
        seen = set(found)
        while len(found) < most:
            after = {one for one in chain.from_iterable(map(self._dependants.__getitem__, nearest)) if one not in seen}
            nearest = sorted(
                (
                    one
                    for one in after
                    if one in self._may_run and all(_is_in(before, settled) for before in self._dependencies[one])
                ),
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

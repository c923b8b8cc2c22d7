"""How jobs are ended from outside: by their timeout, by their memory limit, by an interruption."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from signal import Signals
from typing import Self

from cursus_sandbox.engines.engine import Exit, Limits, Why
from cursus_sandbox.errors import EngineError

NEVER_STARTED = Exit(code=128 + Signals.SIGTERM, seconds=0.0, why=Why.INTERRUPTED)


def no_clusters(engine: str) -> EngineError:
    """What an engine without clusters has to say."""
    return EngineError(
        f"the {engine} engine has one host, and several were asked for",
        hint="Use --engine docker, or give the step  instance_count: 1.",
    )


@dataclass(slots=True)
class Ending:
    """The end of one job: TERM when its time has come, KILL when it is still there `grace` seconds later.

    Times are those of a monotonic clock. `why` stays None while nothing but the job itself decides when it ends; the
    first reason stands. `grace_at_deadline` is for a job whose time is up, if that is another: whoever interrupts
    waits for it.
    """

    deadline: float | None
    grace: float
    grace_at_deadline: float | None = None
    why: Why | None = None
    _asked: float | None = None
    _killed: bool = False

    @classmethod
    def of(cls, limits: Limits, *, started: float, grace: float) -> Self:
        """The end of a job with these limits that started then; `grace` is the engine's."""
        return cls(None if limits.timeout is None else started + limits.timeout, grace, limits.grace)

    def due(
        self, now: float, *, interruptions: int = 0, out_of_memory: bool = False, visited: bool = False
    ) -> Signals | None:
        """Give the signal to send now, if any. A second interruption and a full memory don't wait for the grace."""
        if self._killed:
            return None
        if out_of_memory:
            return Signals.SIGKILL
        grace = self.grace if interruptions or self.grace_at_deadline is None else self.grace_at_deadline
        if interruptions > 1 or (self._asked is not None and now >= self._asked + grace):
            return Signals.SIGKILL
        if self._asked is None and (interruptions or visited or (self.deadline is not None and now >= self.deadline)):
            return Signals.SIGTERM
        return None

    def reason(self, now: float, *, interruptions: int) -> Why:
        """Give why a signal is due, if it isn't memory: of a job whose time isn't up, its visitor has left."""
        if interruptions:
            return Why.INTERRUPTED
        return Why.TIMEOUT if self.deadline is not None and now >= self.deadline else Why.VISITED

    def sent(self, signal: Signals, now: float, why: Why) -> None:
        """Note that the job has got a signal."""
        self.why = self.why or why
        self._asked = self._asked or now
        self._killed = signal is Signals.SIGKILL


class Runs:
    """The runs that are under way on an engine, and how often they were told to end."""

    def __init__(self) -> None:
        self.interruptions = 0
        self._under_way = 0
        self._changed = threading.Condition()

    def interrupt(self) -> None:
        """Tell every run, and every later one, to end; twice is at once."""
        with self._changed:
            self.interruptions += 1

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one run in, and out when it is over."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def end(self, seconds: float) -> bool:
        """End all of them at once; False when one is still there after `seconds`."""
        with self._changed:
            self.interruptions += 2
            return self._changed.wait_for(lambda: self._under_way == 0, seconds)

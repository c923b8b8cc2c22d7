"""Bytes that are read, copied or fetched, told now and then while that goes on."""

from __future__ import annotations

import threading
import time

from cursus_sandbox.pipeline.events import Observer, Progress

_SECONDS_BETWEEN_WORDS = 0.25


class Amount:
    """Counts the bytes of one work, from several threads, and tells how many there are by now; at first nothing.

    `total` is how many there will be, where that is known; what is expected is added to it.
    """

    def __init__(self, tell: Observer, what: str, *, step: str | None = None, total: int | None = None) -> None:
        self._tell, self._what, self._step, self._total = tell, what, step, total
        self._lock = threading.Lock()
        self._done = 0
        self._told = time.monotonic()

    def expect(self, more: int) -> None:
        """So many bytes more are to come."""
        with self._lock:
            self._total = (self._total or 0) + more

    def add(self, more: int) -> None:
        """So many bytes more are done."""
        with self._lock:
            self._done += more
            if (now := time.monotonic()) < self._told + _SECONDS_BETWEEN_WORDS:
                return
            self._told = now
            done, total = self._done, self._total
        self._tell(Progress(what=self._what, step=self._step, done=done, total=total, in_bytes=True))

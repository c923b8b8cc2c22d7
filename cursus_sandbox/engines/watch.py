"""Tells a job's watcher now and then what the job uses."""

from __future__ import annotations

import time
from collections.abc import Callable

from cursus_sandbox.engines.engine import Usage, Watcher

SECONDS_BETWEEN_FIRST_WORDS, SECONDS_BETWEEN_WORDS = 0.1, 0.5


class Watch:
    """Between who looks often and who wants to know now and then; without a watcher, nothing is read or said."""

    def __init__(self, watcher: Watcher | None, cpu_seconds: Callable[[], float | None]) -> None:
        self._watcher = watcher
        self._cpu_seconds = cpu_seconds
        self._due, self._pause = 0.0, SECONDS_BETWEEN_FIRST_WORDS

    def look(self, memory: int | None) -> None:
        """Say it if it is time, and if there is something to say."""
        if self._watcher is None or memory is None or (now := time.monotonic()) < self._due:
            return
        self._due = now + self._pause
        self._pause = min(self._pause * 2, SECONDS_BETWEEN_WORDS)
        self._watcher(Usage(memory, self._cpu_seconds()))

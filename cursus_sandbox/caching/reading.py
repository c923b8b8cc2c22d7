"""What steps have left that nobody has read yet is read beside all else: those that wait for the files have them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from cursus_sandbox.runs.records import Damaged, Kept, verified, write_record


class Reading:
    """Reads large outputs that were published, and completes their records.

    Once `stopping` is set, nothing is read any more but what somebody waits for. A record that stays as it was is still
    true: the next run reads the files, or finds out why it can't.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._threads = ThreadPoolExecutor(thread_name_prefix="read")
        self._begun: dict[str, Future[None]] = {}
        self._wanted: set[str] = set()

    def begin(self, step: str, kept: Kept, then: Callable[[Kept], None]) -> None:
        """Have a step's outputs read; `then` is told what they are."""
        self._begun[step] = self._threads.submit(self._read, step, kept, then)

    def under_way(self, steps: Iterable[str]) -> list[str]:
        """Those of the steps whose outputs are being read."""
        return [step for step in steps if (begun := self._begun.get(step)) and not begun.done()]

    def wait(self, steps: Iterable[str]) -> None:
        """Wait until the outputs of these steps are known."""
        for step in self.under_way(steps):
            self._wanted.add(step)
            self._begun[step].result()

    @property
    def is_over(self) -> bool:
        """Whether nothing is being read."""
        return not self.under_way(self._begun)

    def finish(self) -> None:
        """Wait until all is known."""
        self._threads.shutdown(cancel_futures=self._stopping.is_set())

    def _read(self, step: str, kept: Kept, then: Callable[[Kept], None]) -> None:
        with suppress(Damaged, OSError):
            known = verified(kept, go_on=lambda: step in self._wanted or not self._stopping.is_set())
            write_record(known.folder, known.record)
            then(Kept(known.folder, known.record))

"""What jobs have left at a daemon is taken away while the next ones run: nobody waits for it but who leaves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack

from cursus_sandbox.errors import EngineError

_THREADS = 2


class Removals:
    """Removals under way. One that fails is no error yet: what stays is swept on leaving the engine."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="remove")
        self._under_way: set[Future[None]] = set()
        self._refuted: EngineError | None = None

    def hand_over(self, cleanup: ExitStack, confirm: Callable[[], None] | None = None) -> Future[None]:
        """Have what a cleanup holds taken away; it holds nothing any more then. Before that is to `confirm` something.

        An EngineError of that comes out in the end.
        """
        removal = self._threads.submit(self._remove, cleanup.pop_all(), confirm)
        self._under_way.add(removal)
        removal.add_done_callback(self._under_way.discard)
        return removal

    def end(self) -> None:
        """Wait for all of them."""
        wait(set(self._under_way))
        self._threads.shutdown()
        if self._refuted:
            raise self._refuted

    def _remove(self, cleanup: ExitStack, confirm: Callable[[], None] | None) -> None:
        with cleanup:
            try:
                if confirm:
                    confirm()
            except EngineError as error:
                self._refuted = error

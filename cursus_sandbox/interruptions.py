"""Signals while steps run: word of each of them, where it would strike between any two instructions."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK = 0.2  # seconds


class Raising:
    """A handler of signals that raises, and knows what it raised.

    Python drops what is raised while it collects garbage, or in what an import calls back: it prints it, and goes on as
    if no signal had come. Whoever gets that far asks again.
    """

    def __init__(self, kind: type[KeyboardInterrupt]) -> None:
        self._kind = kind
        self._raised: KeyboardInterrupt | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> NoReturn:
        """Raise it, and remember it."""
        self._raised = self._kind()
        raise self._raised

    def again(self) -> None:
        """Raise what was raised, if anything was."""
        if self._raised:
            raise self._raised.with_traceback(None)

    def heard(self) -> None:
        """Forget it: it was heard."""
        self._raised = None


class Interruptions:
    """The KeyboardInterrupts that signals raise, while this is entered.

    Python runs the handler of a signal in the main thread, between any two instructions of whatever that is at. One
    that raises cuts it off there: also the answer to the signal before it, or the removal of containers. From `hold` on
    nothing is raised: what the handler would have raised is what `next` gives. Handlers that raise nothing do what
    they always do; in another thread than the main one no signal arrives.

    Who was interrupted after the last word was taken, so that nobody has `answered` it, hears of it on leaving.
    """

    def __init__(self) -> None:
        self.answered = False
        self._held = False
        self._last: KeyboardInterrupt | None = None
        self._words: SimpleQueue[KeyboardInterrupt | None] = SimpleQueue()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            found = {number: signal.getsignal(number) for number in _SIGNALS}
            for handler in found.values():
                if isinstance(handler, Raising):
                    handler.again()
            for number, handler in found.items():
                if callable(handler):  # else it is ignored, or ends the process as it always does
                    self._handlers[number] = handler
                    signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held = False  # from here on it is as if the handlers were back, whatever strikes before they are
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._last is not None and not self.answered and kind is None:
            raise self._last

    def hold(self) -> None:
        """Raise nothing from here on; what was raised and dropped before is raised."""
        self._held = True
        if self._last is not None:
            raise self._last

    def next(self) -> KeyboardInterrupt | None:
        """Wait for the next one; None once it is over.

        The kernel may hand a signal to another thread, and then nobody wakes this one, which alone runs handlers: so it
        wakes by itself.
        """
        while True:
            with suppress(Empty):
                return self._words.get(timeout=_LOOK)

    def over(self) -> None:
        """Have whoever waits for the next one wait no more; from any thread."""
        self._words.put(None)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        handler = self._handlers[number]
        try:
            handler(number, frame)
        except KeyboardInterrupt as interrupt:
            self._last = interrupt.with_traceback(None)
            if not self._held:
                raise
            if isinstance(handler, Raising):
                handler.heard()
            self._words.put(self._last)

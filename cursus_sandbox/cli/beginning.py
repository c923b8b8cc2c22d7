"""The first moments of a command, while its libraries are read: there is nothing to save, nor to explain."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

_INTERRUPTED = 130  # as ExitCode has it, which is read later


@contextmanager
def ends_at_once() -> Iterator[None]:
    """Ctrl-C ends the process in a word, where Python would print what it was importing; whoever ignores it goes on.

    An exception would not do: raised in what an import calls back, it is printed, and lost.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    with suppress(OSError):
        os.write(2, b"error: interrupted\n")
    os._exit(_INTERRUPTED)

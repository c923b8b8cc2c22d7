"""This process's own stdin, stdout and stderr, lent to a job: its terminal if it has one, else its pipes and files."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Protocol

_PIECE = 65536
_SECONDS_BETWEEN_LOOKS = 0.2  # at the size of the terminal
_SECONDS_TO_LEAVE = 1.0


class FarEnd(Protocol):
    """What is talked to, by way of this process.

    `hear` and `resize` are called from another thread than `said`; once it has ended they may raise OSError.
    """

    def said(self) -> Iterator[tuple[int, bytes]]:
        """What it writes, for stdout (1) or stderr (2), until it has ended."""

    def hear(self, data: bytes) -> None:
        """Type this into it."""

    def hear_no_more(self) -> None:
        """Tell it that nothing more is typed."""

    def resize(self, rows: int, columns: int) -> None:
        """Tell it how large the terminal is, first and whenever that changes."""


def is_terminal() -> bool:
    """Whether a job can have a terminal: what is typed and what is shown are one."""
    return os.isatty(0) and os.isatty(1)


def lend(far: FarEnd) -> None:
    """Hand on what is typed and what is said, until the far end has said all. On a terminal every key goes there."""
    terminal = is_terminal()
    with _raw() if terminal else nullcontext(), _typing(far, terminal=terminal):
        for stream, data in far.said():
            rest = data
            while rest:
                rest = rest[os.write(stream, rest) :]


@contextmanager
def _raw() -> Iterator[None]:
    """A terminal that hands on every key as it is, Ctrl-C too; as it was before when left."""
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSANOW)
    try:
        yield
    finally:
        with suppress(termios.error):  # it was closed
            termios.tcsetattr(0, termios.TCSANOW, before)


@contextmanager
def _typing(far: FarEnd, *, terminal: bool) -> Iterator[None]:
    """Hand on what is typed, in a thread that ends when this is left: it must not take a key that comes later."""
    leaving, leave = os.pipe()
    thread = threading.Thread(target=_hand_on, args=(far, leaving), kwargs={"terminal": terminal}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(leave)
        thread.join(_SECONDS_TO_LEAVE)
        if not thread.is_alive():
            os.close(leaving)


def _hand_on(far: FarEnd, leaving: int, *, terminal: bool) -> None:
    shown: os.terminal_size | None = None
    sources = [leaving] if sys.stdin is None else [leaving, 0]
    with suppress(OSError):  # the far end has ended, or the terminal was closed
        while True:
            if terminal and (now := os.get_terminal_size(0)) != shown:
                far.resize(now.lines, now.columns)
                shown = now
            ready, _, _ = select.select(sources, [], [], _SECONDS_BETWEEN_LOOKS if terminal else None)
            if leaving in ready:
                return
            if 0 not in ready:
                continue
            if data := os.read(0, _PIECE):
                far.hear(data)
            else:
                far.hear_no_more()
                sources = [leaving]

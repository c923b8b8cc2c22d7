"""A run as it goes on, in a terminal that is drawn over and over."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live

from cursus_sandbox.pipeline.events import Event
from cursus_sandbox.reports.board import Board

_TIMES_A_SECOND = 5
_LEAST_COLUMNS = 8


class _WithCursor(Console):
    """A console that lets the cursor be: whoever is killed while it is hidden leaves a terminal without one."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002 -- as rich has it
        """Do nothing, and say so."""
        return False


class LiveView:
    """An observer that shows every step's state while a run goes on, and leaves nothing of that when it is over."""

    def __init__(self) -> None:
        self._console = _WithCursor(stderr=True)
        self._board = Board(time.monotonic())
        self._lock = threading.Lock()
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=_TIMES_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a terminal that was closed
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take an event in; it is seen when the picture is drawn next."""
        with self._lock:
            self._board.hear(event, time.monotonic())

    def _picture(self) -> Group:
        columns, rows = self._console.size
        with self._lock:
            lines = self._board.lines(
                time.monotonic(),
                columns=max(columns - 1, _LEAST_COLUMNS),  # a line as long as the terminal may wrap
                rows=rows - 1,
                plain=self._console.options.ascii_only,
            )
        return Group(*lines)

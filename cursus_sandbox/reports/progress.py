"""A run as lines that are written once: for a log, a pipe, CI, and who asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from threading import Lock
from typing import TextIO

from rich.console import Console
from rich.text import Text

from cursus_sandbox.pipeline.events import (
    DataChecked,
    Event,
    Progress,
    RunStopping,
    StepEnded,
    StepLogged,
    StepStarted,
)
from cursus_sandbox.pipeline.result import StepStatus
from cursus_sandbox.reports.board import OTHER_STYLE, STYLES, counted
from cursus_sandbox.reports.text import printable

_STATUS = max(len(status) for status in StepStatus)
_SECONDS_BETWEEN_WORDS = 10.0  # of one long work


class ProgressLines:
    """An observer that says a line at each event, with the time of day; called from several threads.

    With `verbose` it says what is checked and what is written to the steps' logs, too. When nobody reads its lines any
    more (`2>&1 | head`), it falls silent, and the run goes on.
    """

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self.console = console
        self.verbose = verbose
        self.silent = False
        self._lock = Lock()
        self._works: dict[str | None, tuple[str, float]] = {}

    def __call__(self, event: Event) -> None:
        """Say it."""
        with self._lock:
            for line in () if self.silent else self._lines(event):
                self._say(Text(f"{datetime.now().astimezone():%H:%M:%S}  ", "dim").append_text(line))

    def _lines(self, event: Event) -> Iterator[Text]:
        match event:
            case StepStarted():
                again = f"  attempt {event.attempt}" if event.attempt > 1 else ""
                yield _line("started", "dim", f"{event.step}{again}")
            case StepEnded():
                ended = event.result
                said = ended.why or f"{ended.seconds:.1f} s"
                yield _line(str(ended.status), STYLES.get(ended.status, OTHER_STYLE), f"{ended.step}  {said}")
            case RunStopping():
                yield _line("stopping", "yellow", event.why)
            case Progress() if self._is_due(event):
                of_step = f"{event.step}  " if event.step else ""
                yield _line("working", "dim", f"{of_step}{counted(event)}")
            case DataChecked() if self.verbose:
                rows = f"{event.rows:,} rows" if event.rows is not None else "rows not counted"
                found = f"{event.errors} errors, {event.warnings} warnings"
                yield _line("checked", "dim", f"{event.reader or event.data}  {rows}, {found}")
            case StepLogged() if self.verbose:
                if event.left_out:
                    yield _line("log", "dim", f"{event.step} | … {event.left_out:,} lines left out …")
                yield from (_line("log", "dim", f"{event.step} | {line}") for line in event.lines)
            case _:
                return

    def _is_due(self, event: Progress) -> bool:
        """Whether a work is worth a line: what comes before all steps, what goes on for long; to the verbose all."""
        what, said = self._works.get(event.step, ("", 0.0))
        now = time.monotonic()
        if what != event.what:
            self._works[event.step] = event.what, now
            return self.verbose or event.step is None
        if now - said < _SECONDS_BETWEEN_WORDS:
            return False
        self._works[event.step] = event.what, now
        return True

    def _say(self, line: Text) -> None:
        """Write it ourselves: for a broken pipe, rich closes stdout, whichever stream it was, and raises SystemExit."""
        try:
            with self.console.capture() as printed:  # even this writes: no byte, which an unbuffered stream may refuse
                self.console.print(line, soft_wrap=True)
            self.console.file.write(printed.get())
            self.console.file.flush()
        except OSError:  # a broken pipe, a terminal that was closed, a full disk
            self.silent = True


def lines_on(stream: TextIO) -> ProgressLines:
    """An observer for who has no console of their own."""
    return ProgressLines(Console(file=stream))


def _line(word: str, style: str, said: str) -> Text:
    return Text(f"{word:<{_STATUS}}", style).append("  ").append(printable(said))

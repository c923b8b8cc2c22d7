"""Who listens while a run goes on: a view that is drawn over and over, lines, or nobody; and a file of events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cursus_sandbox.cli.output import not_written, remove_file
from cursus_sandbox.errors import MachineError
from cursus_sandbox.pipeline.events import Event, Observer
from cursus_sandbox.runs.journal import Journal


@dataclass(slots=True)
class Watching:
    """An observer that tells all others. `unwritten` is why the file of events ends early, if it does."""

    observers: list[Observer] = field(default_factory=list)
    journal: Journal | None = None
    file: str = ""

    def __call__(self, event: Event) -> None:
        """Tell them."""
        for observer in self.observers:
            observer(event)

    @property
    def unwritten(self) -> MachineError | None:
        """That not all events could be written."""
        lost = self.journal.lost if self.journal else None
        file = "stdout" if self.file == "-" else self.file
        return not_written(f"all events to {file}", lost, option="--events") if lost else None


@contextmanager
def observer_of(events: str | None, *, verbose: bool, quiet: bool, on_terminal: bool) -> Iterator[Watching]:
    """The observer that the options ask for; MachineError for a file that can't be written.

    A view is for a terminal that nothing else is written to meanwhile: in CI, on a dumb terminal and for who wants
    every line there are lines.
    """
    from rich.console import Console

    from cursus_sandbox.reports.live import LiveView
    from cursus_sandbox.reports.progress import ProgressLines

    watching = Watching()
    with ExitStack() as stack:
        console = Console(stderr=True)
        drawn = on_terminal and console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
        if events == "-" and sys.stdout.isatty():
            drawn = False
        if events is not None:
            watching.journal, watching.file = stack.enter_context(_journal(events)), events
            watching.observers.append(watching.journal)
        if drawn and not verbose and not quiet:
            watching.observers.append(stack.enter_context(LiveView()))
        elif not quiet:
            watching.observers.append(ProgressLines(console, verbose=verbose))
        yield watching


@contextmanager
def _journal(file: str) -> Iterator[Journal]:
    """The journal in the file; one that nothing came of, for no run began, leaves none."""
    on_stdout, path = file == "-", Path(file)
    try:
        opened = open(os.dup(sys.stdout.fileno()) if on_stdout else path, "wb", buffering=0)  # noqa: PTH123, SIM115
    except OSError as error:
        raise not_written(file, error, option="--events") from error
    try:
        with Journal(opened, whole=True) as journal:
            yield journal
    finally:
        if not on_stdout and path.exists() and not path.stat().st_size:
            remove_file(path)

"""Who listens while a run goes on: a view that is drawn over and over, lines, or nobody; and a file of events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cursus_sandbox.cli.output import not_written
from cursus_sandbox.pipeline.events import Event, Observer
from cursus_sandbox.runs.journal import Journal


@contextmanager
def observer_of(events: str | None, *, verbose: bool, quiet: bool, on_terminal: bool) -> Iterator[Observer]:
    """The observer that the options ask for; MachineError for a file that can't be written.

    A view is for a terminal that nothing else is written to meanwhile: in CI, on a dumb terminal and for who wants
    every line there are lines.
    """
    from rich.console import Console

    from cursus_sandbox.reports.live import LiveView
    from cursus_sandbox.reports.progress import ProgressLines

    observers: list[Observer] = []
    with ExitStack() as stack:
        console = Console(stderr=True)
        drawn = on_terminal and console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
        if events == "-" and sys.stdout.isatty():
            drawn = False
        if events is not None:
            observers.append(stack.enter_context(_journal(events)))
        if drawn and not verbose and not quiet:
            observers.append(stack.enter_context(LiveView()))
        elif not quiet:
            observers.append(ProgressLines(console, verbose=verbose))

        def tell(event: Event) -> None:
            for observer in observers:
                observer(event)

        yield tell


def _journal(file: str) -> Journal:
    try:
        if file == "-":
            return Journal(os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0), whole=True)
        return Journal(Path(file).open("wb", buffering=0), whole=True)
    except OSError as error:
        raise not_written(file, error, option="--events") from error

"""What a signal does to a command, and how an error is said."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from cursus_sandbox.cli.output import put
from cursus_sandbox.errors import DocumentError, ExitCode, SandboxError, Terminated
from cursus_sandbox.interruptions import Raising
from cursus_sandbox.workflow_commands import are_obeyed, unguarded


@contextmanager
def interruptible(*, ctrl_c: bool = True) -> Iterator[None]:
    """SIGTERM, and a terminal that is closed, stop what runs and save, as Ctrl-C does, each with its exit code.

    Without `ctrl_c` that is left to whoever else reads the terminal.
    """
    kinds: dict[int, type[KeyboardInterrupt]] = {signal.SIGTERM: Terminated, signal.SIGHUP: Terminated}
    if ctrl_c:
        kinds[signal.SIGINT] = KeyboardInterrupt
    handlers = {number: Raising(kind) for number, kind in kinds.items()}
    before = {number: signal.getsignal(number) for number in (*handlers, signal.SIGINT)}
    for number, handler in handlers.items():
        if before[number] is not signal.SIG_IGN:  # `nohup` means to go on
            signal.signal(number, handler)
    if not ctrl_c:
        signal.signal(signal.SIGINT, lambda *_: None)  # ignored, it would be in a child as well
    try:
        yield
        for handler in handlers.values():
            handler.again()
    except KeyboardInterrupt as error:
        say_error("interrupted")
        raise typer.Exit(ExitCode.TERMINATED if isinstance(error, Terminated) else ExitCode.INTERRUPTED) from None
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def say_error(error: str | SandboxError) -> None:
    """Write an error to stderr, after what went to stdout; on GitHub, those of documents as annotations, too."""
    from cursus_sandbox.reports.text import plain_lines

    said, commands = f"error: {plain_lines(str(error))}\n", ""
    if isinstance(error, DocumentError) and are_obeyed(os.environ):
        from cursus_sandbox.reports.github import problem_commands

        commands = "".join(f"{one}\n" for one in problem_commands(error))
    for words, stream in (("", sys.stdout), (said, sys.stderr), (commands, unguarded(sys.stderr))):
        with suppress(OSError):  # where there is no room for it, the exit code says it
            put(words, stream)

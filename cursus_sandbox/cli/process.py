"""The process that a command is: its streams, the names of files, and what Python says by itself."""

from __future__ import annotations

import gc
import os
import stat
import sys
import threading
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from cursus_sandbox.cli.output import put
from cursus_sandbox.workflow_commands import are_obeyed, guarded

_ENCODING = "PYTHONIOENCODING"
_STARTED_AGAIN = "_CURSUS_SANDBOX_ENCODING"  # what the variable above was before


def prepare(*, debug: bool) -> None:
    """Make a process ready for a command."""
    if os.environ.get("COLUMNS") == "0":  # nobody knows how many, and rich would show nothing at all
        del os.environ["COLUMNS"]
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # or all that is installed is searched for some
    gc.set_threshold(
        100_000
    )  # a command makes many values that stay: looking for cycles among them took a tenth of a plan
    _have_streams()
    if are_obeyed(os.environ):
        _guard_streams()
    if not debug:
        sys.unraisablehook = _say_nothing_of_odd_rows


def leave(code: int) -> NoReturn:
    """End the process, at once where nothing else goes on in it.

    Python would first look for cycles among all that was made, and take it apart: a tenth of what a plan takes.
    """
    if threading.active_count() > 1:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # what could not be said of stdout has had its word
            put("", stream)
    os._exit(code)


def is_somewhere() -> bool:
    """Whether the current folder is still there."""
    try:
        return bool(os.getcwd())  # noqa: PTH109 -- Path.cwd() is no other
    except FileNotFoundError:
        return False


def start_again_in_utf8() -> None:
    """Begin anew where the locale has ASCII alone: names of files are UTF-8 in documents, and here, whatever it says.

    What is printed stays in the terminal's own encoding, with escapes for what that hasn't.
    """
    before = os.environ.pop(_STARTED_AGAIN, None)
    if before is not None:
        os.environ.pop(_ENCODING, None)
        if before:
            os.environ[_ENCODING] = before
        return
    if sys.getfilesystemencoding().replace("-", "").lower() == "utf8" or sys.flags.utf8_mode or not sys.orig_argv[1:]:
        return
    os.environ[_STARTED_AGAIN] = os.environ.get(_ENCODING, "")
    os.environ.setdefault(_ENCODING, f"{getattr(sys.stdout, 'encoding', None) or 'ascii'}:backslashreplace")
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 -- it is this very command


def _have_streams() -> None:
    """Have a stdout and a stderr, though nobody may listen, that take every text."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before we began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 -- for as long as we live
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name from a document may be more than it can write


def _guard_streams() -> None:
    """Let no text of others command GitHub's runner. What goes into a file stays as it is: nobody obeys that."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(OSError):  # it has no file: a test's
            if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                continue
        setattr(sys, name, guarded(stream))


def _say_nothing_of_odd_rows(found: sys.UnraisableHookArgs) -> None:
    """Keep back the traceback that pyarrow prints for a row it can't show us, for it isn't UTF-8: a finding says so."""
    if not isinstance(found.exc_value, UnicodeDecodeError):
        sys.__unraisablehook__(found)

"""What is told of a step while it runs: the last lines of its log, and what it uses."""

from __future__ import annotations

import errno
import threading
import time
from contextlib import suppress
from typing import Protocol

from cursus_sandbox.engines.engine import Usage
from cursus_sandbox.pipeline.events import Observer, StepLogged, StepSampled

_SECONDS_BETWEEN_WORDS = 0.5
_ROOM = 32 * 1024  # bytes of a log kept for the next word
_MOST_LINES = 50
_MISSING = b"\n[cursus-sandbox: the disk was full; a part of the log is missing here]\n"
_LONGEST_LINE = 500  # characters


class Writer(Protocol):
    """What a log is written to."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Write some of it; how much of it that was."""


def write(log: Writer, data: bytes) -> None:
    """Write all of it: an unbuffered file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[log.write(view) :]


class StepWatch:
    """Stands between a step that runs and who wants to hear of it. What goes into its log goes through `write`."""

    def __init__(self, step: str, tell: Observer, log: Writer) -> None:
        self._step, self._tell, self._log = step, tell, log
        self._lock = threading.Lock()
        self._begun = self._told = time.monotonic()
        self._cpu_seconds = 0.0
        self._sampled = self._begun
        self._unheard = bytearray()
        self._left_out = 0
        self._bar = b""
        self._unwritten = b""

    def write(self, data: bytes | memoryview, /) -> int:
        """Write to the log, and tell of it if it is time. What finds its disk full waits for `catch_up`."""
        written = self._written(data)
        with self._lock:
            self._unheard += data[:written]
            if (over := len(self._unheard) - _ROOM) > 0:
                self._left_out += self._unheard.count(b"\n", 0, over)
                del self._unheard[:over]
            if time.monotonic() >= self._told + _SECONDS_BETWEEN_WORDS:
                self._tell_lines()
        return written

    def catch_up(self) -> None:
        """Write the last of what found the disk full, now that there may be room again."""
        if self._unwritten:
            with suppress(OSError):  # still full: whoever writes next will say so
                write(self._log, _MISSING + self._unwritten)
            self._unwritten = b""

    def used(self, usage: Usage) -> None:
        """Tell what the container uses, and what it has written in the meantime."""
        now, cpu = time.monotonic(), None
        if usage.cpu_seconds is not None:
            cpu = round(max(usage.cpu_seconds - self._cpu_seconds, 0) / max(now - self._sampled, 0.01), 2)
            self._cpu_seconds = usage.cpu_seconds
        self._sampled = now
        self._tell(StepSampled(step=self._step, memory=usage.memory, cpu=cpu))
        with self._lock:
            self._tell_lines()

    def again(self) -> None:
        """The next attempt begins: its container's clock starts anew."""
        self._cpu_seconds, self._sampled = 0.0, time.monotonic()

    def end(self) -> None:
        """Tell what is left to tell."""
        with self._lock:
            if self._unheard and not self._unheard.endswith(b"\n"):
                self._unheard += b"\n"
            self._tell_lines()

    def _written(self, data: bytes | memoryview) -> int:
        if not self._unwritten:
            try:
                return self._log.write(data)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
        self._unwritten = (self._unwritten + data)[-_ROOM:]
        return len(data)

    def _tell_lines(self) -> None:
        """Tell the whole lines that nobody heard; of a line that is drawn over and over, what was last drawn."""
        self._told = time.monotonic()
        whole, newline, rest = self._unheard.rpartition(b"\n")
        if newline:
            *before, last = (_drawn(line) for line in whole.split(b"\n"))
            self._unheard = rest
        elif b"\r" in rest and (bar := _drawn(rest)) != self._bar:
            self._bar, before, last = bar, [], bar
        else:
            return
        lines = [*before, last]
        left_out = self._left_out + max(len(lines) - _MOST_LINES, 0)
        said = tuple(line.decode("utf-8", "replace")[:_LONGEST_LINE] for line in lines[-_MOST_LINES:])
        self._left_out = 0
        self._tell(StepLogged(step=self._step, lines=said, left_out=left_out))


def _drawn(line: bytearray | bytes) -> bytes:
    return bytes(line.rstrip(b"\r").rpartition(b"\r")[2])

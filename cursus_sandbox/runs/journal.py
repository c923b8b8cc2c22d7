"""The events of a run as lines of JSON: written as they happen, and read again."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import TypeAdapter, ValidationError

from cursus_sandbox.pipeline.events import Event, StepLogged, StepSampled
from cursus_sandbox.workflow_commands import harmless_json

_NOBODY_READS = (errno.EPIPE, errno.EIO)
_SOONEST = 0.09  # seconds between two samples, or two words of a log, of one step
_THINNER = 60  # a step that has run for a while gets some hundred of each, however long it goes on
_EVENT: TypeAdapter[Event] = TypeAdapter(Event, config={"defer_build": True})


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event of a journal, and when it was written there."""

    at: datetime
    event: Event


class Journal:
    """An observer that writes each event as a line of JSON with its time, `at`. Called from several threads.

    Unless it is to be `whole`, of the samples and the log of a step that goes on and on ever fewer are written, and of
    a log the last line. When nobody reads it any more, or the disk is full, it falls silent and the run goes on; `lost`
    is why, where somebody may still read what there is.
    """

    def __init__(self, file: BinaryIO, *, whole: bool = False) -> None:
        self._file = file
        self._whole = whole
        self._lock = threading.Lock()
        self._silent = False
        self.lost: OSError | None = None
        self._first: dict[tuple[str, str], float] = {}
        self._last: dict[tuple[str, str], float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._silent = True
            try:
                self._file.close()
            except OSError as refused:
                self._fall_silent(refused)

    def __call__(self, event: Event) -> None:
        """Write it."""
        with self._lock:
            if self._silent:
                return
            match event:
                case _ if self._whole:
                    pass
                case StepSampled() | StepLogged() if self._is_too_soon(event):
                    return
                case StepLogged():
                    left_out = event.left_out + len(event.lines) - 1
                    event = event.model_copy(update={"lines": event.lines[-1:], "left_out": left_out})
                case _:
                    pass
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = harmless_json(json.dumps({"at": at, **event.model_dump(mode="json")}, ensure_ascii=False))
            try:
                self._write(line.encode("utf-8", "backslashreplace") + b"\n")
            except OSError as error:
                self._fall_silent(error)

    def _write(self, line: bytes) -> None:
        """Write all of it: of a disk that is nearly full, a file takes as much as there is room for, and no error."""
        while line:
            taken = self._file.write(line)
            if not taken:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            line = line[taken:]
        self._file.flush()

    def _fall_silent(self, error: OSError) -> None:
        self._silent = True
        if error.errno not in _NOBODY_READS:
            self.lost = self.lost or error

    def _is_too_soon(self, event: StepSampled | StepLogged) -> bool:
        key, now = (event.step, event.event), time.monotonic()
        age = now - self._first.setdefault(key, now)
        last = self._last.get(key)
        if last is not None and now - last < max(_SOONEST, age / _THINNER):
            return True
        self._last[key] = now
        return False


def recorded(file: Path) -> Iterator[Recorded]:
    """The events of a journal, in their order; what was cut off by a crash, or is not known, is passed over."""
    try:
        opened = file.open("rb")
    except OSError:
        return
    with opened:
        for line in opened:
            try:
                read = json.loads(line)
                at = datetime.fromisoformat(read.pop("at"))
                yield Recorded(at, _EVENT.validate_python(read, strict=False))
            except (ValueError, ValidationError, KeyError, AttributeError, TypeError, RecursionError):
                continue

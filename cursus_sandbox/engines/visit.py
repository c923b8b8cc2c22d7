"""The visit of a running job's port: the way there is opened, the visitor called, and the job told when it is over."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from cursus_sandbox.engines import relay
from cursus_sandbox.engines.engine import Door, Job, Visitor
from cursus_sandbox.errors import EngineError

RELAY = Path(relay.__file__)
SECONDS_TO_OPEN = 30.0
SECONDS_BETWEEN_LOOKS = 0.005

Way = Callable[[Job, Door], AbstractContextManager[None]]


class Visit:
    """A visitor that `begin` sends to a job, in a thread of its own; without one, nothing happens.

    `leave` waits for the visitor, and what went wrong comes out. That the way could not be opened is an error only
    where the job was there to be visited: it is told whether the job ended by itself.
    """

    def __init__(self, job: Job, visitor: Visitor | None) -> None:
        if visitor is not None and job.port is None:
            raise EngineError(f"job '{job.name}' has a visitor and no port", hint="Give the job the port to visit.")
        self._job, self._visitor = job, visitor
        self._begun: Future[None] | None = None
        self._no_way: EngineError | None = None
        self.door = Door(job.scratch / "port" / relay.NAME)

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"visit-{self._job.name}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.door.closed.set()
        self._threads.shutdown()

    @property
    def is_over(self) -> bool:
        """Whether the visitor has left."""
        return self._begun is not None and self._begun.done()

    def begin(self, way: Way) -> None:
        """Open the way and send the visitor, the first time; what `way` gives keeps it open."""
        if self._visitor and self._begun is None:
            self._begun = self._threads.submit(self._go, way, self._visitor)

    def leave(self, *, job_ended_itself: bool) -> None:
        """Say that the job has ended, wait for the visitor, and raise what went wrong."""
        self.door.closed.set()
        if self._begun:
            self._begun.result()
        if self._no_way and not job_ended_itself:
            raise self._no_way

    def _go(self, way: Way, visitor: Visitor) -> None:
        self.door.path.parent.mkdir()
        with ExitStack() as opened:
            try:
                opened.enter_context(way(self._job, self.door))
            except EngineError as error:
                self._no_way = error
            else:
                visitor(self.door)


def await_relay(job: Job, door: Door, complaint: Callable[[], str | None]) -> None:
    """Wait until a relay takes connections; EngineError with its complaint when it has ended, or takes too long."""
    give_up = time.monotonic() + SECONDS_TO_OPEN
    while not door.path.exists():
        said = complaint()
        if said is None and time.monotonic() > give_up:
            said = f"it did not listen within {SECONDS_TO_OPEN:g} s"
        if said is not None or door.closed.wait(SECONDS_BETWEEN_LOOKS):
            raise EngineError(
                f"port {job.port} of job '{job.name}' can't be reached: {said or 'the job has ended'}",
                hint="The relay to it needs this Python, and leave to enter the job's network.",
            )


@contextmanager
def through_process(process: int, job: Job, door: Door) -> Iterator[None]:
    """The way through the network of one of the job's processes, which the caller may enter."""
    command = [sys.executable, "-I", "-S", str(RELAY), str(door.path.parent), str(job.port), str(process)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as running:

        def complaint() -> str | None:
            if running.poll() is None or running.stderr is None:
                return None
            return running.stderr.read().decode(errors="replace").strip() or "the relay ended"

        try:
            await_relay(job, door, complaint)
            yield
        finally:
            running.kill()

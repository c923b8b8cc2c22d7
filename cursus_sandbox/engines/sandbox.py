"""One running bubblewrap: its output, its status, and the processes inside."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from signal import Signals
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from cursus_sandbox.engines.engine import PROCESSES
from cursus_sandbox.engines.processes import birth, children

SCRATCH = "CURSUS_SANDBOX_SCRATCH"  # by this a bubblewrap is found whose caller was killed
SECONDS_TO_DIE = 5.0
_COUNTS_BY_NAMESPACE = (5, 14)
turn = itertools.count()


class Sandbox:
    """A command in a sandbox, from its start to the death of its last process.

    `output` and `status` are the reading ends of two pipes; both end when bubblewrap and all that runs in the sandbox
    have ended. bubblewrap is killed with the *thread* that started it (prctl PR_SET_PDEATHSIG), and the sandbox with
    bubblewrap: start it in the thread that stays until the end. `first` is the sandbox's first process as seen from
    here, None until bubblewrap has said so; `exit_code` stays None when the command was never executed.
    """

    def __init__(
        self, argv: Sequence[str], command: Sequence[str], *, scratch: Path, cpus: float | None = None
    ) -> None:
        self.first: int | None = None
        self.exit_code: int | None = None
        self._born: int | None = None
        self._heard = b""
        self._argv, self._command, self._scratch, self._cpus = argv, command, scratch, cpus

    def __enter__(self) -> Self:
        self.output, output = _pipe()
        self.status, status = _pipe()
        waits, self._start = _pipe()
        program, *options = self._argv
        told = [*options, "--json-status-fd", str(status.fileno()), "--block-fd", str(waits.fileno())]
        with output, status, waits, arguments_file(told, self._scratch) as arguments:
            before = share_of_processors(self._cpus)
            try:
                self._process = subprocess.Popen(
                    [program, "--args", str(arguments.fileno()), "--", *self._command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={SCRATCH: str(self._scratch)},  # bubblewrap's own: the command gets none of it
                    pass_fds=(arguments.fileno(), status.fileno(), waits.fileno()),
                    start_new_session=True,  # Ctrl-C at the terminal is the caller's to translate
                )
            except BaseException:
                self._close()
                raise
            finally:
                os.sched_setaffinity(0, before)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.send(Signals.SIGKILL)
            self._process.kill()
        self._process.wait()
        self._close()
        give_up = time.monotonic() + SECONDS_TO_DIE
        while self._is_left() and time.monotonic() < give_up:
            time.sleep(0.001)  # the kernel is killing what was left in the namespace; its first process goes last

    def hear(self, data: bytes) -> None:
        """Take in what bubblewrap says about itself: one JSON object a line."""
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "child-pid" in said:
                self.first = said["child-pid"]
                self._born = birth(said["child-pid"])
                _limit_processes(said["child-pid"])
                with suppress(OSError):  # it has ended
                    self._start.write(b"\n")
            self.exit_code = said.get("exit-code", self.exit_code)

    def send(self, signal: Signals) -> bool:
        """Send a signal: KILL to all, any other to the command. False while there is nobody to get it."""
        if self.first is None or not self._is_alive():
            return False
        receivers = [self.first] if signal is Signals.SIGKILL else children(self.first)[:1]
        for receiver in receivers:
            with suppress(ProcessLookupError):
                os.kill(receiver, signal)
        return bool(receivers)

    def _is_left(self) -> bool:
        """Whether something of it is still there, but for a first process that has nothing more to do than to end.

        That one makes no other, and whoever lost its parent became its child. While the kernel takes its namespaces
        apart, which takes longer than all else, the next job may begin.
        """
        if self.first is None:
            return False
        with suppress(ChildProcessError):  # its parent is the machine's first process, or we, if that is what we are
            if os.waitpid(self.first, os.WNOHANG) == (0, 0):
                return True
        return self._is_alive() and (self.exit_code is None or bool(children(self.first)))

    def _close(self) -> None:
        for pipe in (self.output, self.status, self._start):
            pipe.close()

    def _is_alive(self) -> bool:
        return self.first is not None and self._born is not None and birth(self.first) == self._born


@contextmanager
def arguments_file(options: Sequence[str], folder: Path) -> Iterator[IO[bytes]]:
    """What `--args` reads, in a file without a name: `ps` shows nobody the environment."""
    with TemporaryFile(dir=folder) as arguments:
        arguments.write(os.fsencode("\0".join(options)) + b"\0")
        arguments.seek(0)
        yield arguments


def _limit_processes(first: int) -> None:
    """Let a sandbox that is yet to begin have so many processes, threads included.

    They are counted in its own user namespace, which Linux does since 5.14; before, all of the caller's would be. Root
    has no limit there.
    """
    if _kernel() >= _COUNTS_BY_NAMESPACE:
        with suppress(OSError):
            _, most = resource.prlimit(first, resource.RLIMIT_NPROC)
            most = PROCESSES if most == resource.RLIM_INFINITY else min(most, PROCESSES)
            resource.prlimit(first, resource.RLIMIT_NPROC, (most, most))


@cache
def _kernel() -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    return os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)


def share_of_processors(cpus: float | None) -> set[int]:
    """Keep this thread, and so what it starts next, to so many processors, rounded up; give what it had before.

    Each call begins where the last one ended, so that parallel jobs don't crowd on the first processors.
    """
    before = os.sched_getaffinity(0)
    if cpus is not None and math.ceil(cpus) < len(before):
        wanted = max(math.ceil(cpus), 1)
        start = next(turn) * wanted
        every = sorted(before)
        os.sched_setaffinity(0, {every[(start + n) % len(every)] for n in range(wanted)})
    return before

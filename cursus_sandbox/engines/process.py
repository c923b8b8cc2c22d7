"""The process engine: each job a plain process on this machine. It isolates nothing and needs nothing."""

from __future__ import annotations

import errno
import math
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

from cursus_sandbox.engines.attended import attended
from cursus_sandbox.engines.ending import NEVER_STARTED, Ending, Runs, no_clusters
from cursus_sandbox.engines.engine import Cluster, Exit, Fetching, Job, Visitor, Watcher, Why
from cursus_sandbox.engines.processes import Memory, cpu_seconds, group, members, reap_at_home
from cursus_sandbox.engines.sandbox import share_of_processors
from cursus_sandbox.engines.watch import Watch
from cursus_sandbox.errors import EngineError
from cursus_sandbox.untrusted import empty

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOMES = ("HOME", "TMPDIR")  # the variables by which a process is known to be of a job
NOT_FOUND, NOT_EXECUTABLE = 127, 126
CANT_EXECUTE = {errno.ENOENT: NOT_FOUND} | dict.fromkeys((errno.EACCES, errno.ENOEXEC, errno.ENOTDIR), NOT_EXECUTABLE)
SECONDS_TO_LEAVE = 10.0
SECONDS_TO_DIE = 5.0
SECONDS_BETWEEN_LOOKS = 0.02
SHARE_OF_TIME_TO_LOOK = 0.05


class ProcessEngine:
    """Runs jobs as plain processes, as the calling user, in a folder of their own in `job.scratch`.

    Of an engine's promises it keeps 4 to 8, 11 and 12. Of 2 the half: the environment is the job's and nothing of the
    host's, but the host's files are all there. 1 and 3 it doesn't: it makes no mounts, so a job has to name host paths,
    and it takes no network away. Neither `job.user`, `job.hostname` nor an image means anything here. Of 8, a process
    that leaves the job's session (setsid) is not found again.

    With `terminal` a job has this process's own stdin, stdout and stderr, for a debugger: nothing of it reaches the
    log, no timeout ends it, and Ctrl-C goes to it as well. One such job at a time.
    """

    name = "process"
    runs_images = False
    makes_mounts = False
    makes_clusters = False
    unenforced: tuple[str, ...] = ()

    def __init__(self, *, grace: float = 10.0, terminal: bool = False) -> None:
        self._grace = grace
        self._terminal = terminal
        self._runs = Runs()

    def __enter__(self) -> Self:
        self._runs = Runs()  # it may be entered again: what ran before was told to end
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runs.end(SECONDS_TO_LEAVE)

    def require(
        self,
        images: Iterable[str],  # noqa: ARG002 - no images
        *,
        pull: bool = False,  # noqa: ARG002
        fetching: Fetching | None = None,  # noqa: ARG002
        runtimes: Iterable[str] = (),  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Give nothing: this engine has no images."""
        return {}

    def run(
        self, job: Job, log: Callable[[bytes], None], visitor: Visitor | None = None, watcher: Watcher | None = None
    ) -> Exit:
        """Run a job. `log` is called from the calling thread, which is busy until the end. A visitor is refused."""
        if visitor is not None:
            raise EngineError(
                f"job '{job.name}' serves a port, and the process engine gives a job no network of its own",
                hint="Use --engine docker or --engine local.",
            )
        with self._runs.one():
            if self._runs.interruptions:
                return NEVER_STARTED
            _check(job)
            started = time.monotonic()
            try:
                with _Child(job, terminal=self._terminal) as child:
                    limits = replace(job.limits, timeout=None) if self._terminal else job.limits
                    ending = Ending.of(limits, started=started, grace=self._grace)
                    supervision = _Supervision(child, ending, watcher, limit=limits.memory)
                    supervision.follow(log, lambda: self._runs.interruptions)
            except _ExecError as error:
                log(f"{error}\n".encode())
                return Exit(error.code, time.monotonic() - started)
            finally:
                empty(job.scratch)
            return Exit(child.exit_code, time.monotonic() - started, supervision.peak_memory, supervision.why)

    def attended(self, job: Job) -> int:
        """Run a job on this process's terminal. Nobody watches its memory."""
        with self._runs.one():
            _check(job)
            try:
                return attended(
                    [*job.entrypoint, *job.argv],
                    python=Path(sys.executable),
                    environment=_environment(job),
                    folder=_folders(job),
                    cpus=job.limits.cpus,
                )
            finally:
                reap_at_home(job.scratch, HOMES)
                empty(job.scratch)

    def cluster(self, hosts: Sequence[str], **settings: object) -> AbstractContextManager[Cluster]:  # noqa: ARG002
        """Refuse with EngineError: all processes are of this one host."""
        raise no_clusters(self.name)

    def prepare(self, job: Job) -> None:
        """A process starts in no time."""

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:  # noqa: ARG002 - a process has no labels
        """Kill the processes whose home or temporary folder is the scratch of a job below that folder."""
        reap_at_home(below, HOMES)

    def by_hand(self, job: Job) -> str | None:  # noqa: ARG002
        """None: a debugger steps through what this engine runs."""
        return None

    def interrupt(self) -> None:
        """End every job: TERM, and KILL after the grace. A second call doesn't wait for the grace."""
        self._runs.interrupt()


class _ExecError(Exception):
    """A command that can't be executed: the job's failure, with the exit code a shell gives it."""

    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.code = code


class _Child:
    """A job's command, from its start to the death of its session.

    `output` is the reading end of its pipe, None on a terminal. Until the block is left, its process number is its own:
    a dead child is not waited for before all that it had started has been killed.
    """

    def __init__(self, job: Job, *, terminal: bool) -> None:
        self._job = job
        self._terminal = terminal
        self.output: int | None = None
        self.exit_code = 0

    def __enter__(self) -> Self:
        job = self._job
        command = (*job.entrypoint, *job.argv)
        work = _folders(job)
        with self._output() as output, _on_processors(job.limits.cpus):
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=None if self._terminal else subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=_environment(job),
                    cwd=work,
                    start_new_session=not self._terminal,  # Ctrl-C at the terminal is the caller's to translate
                )
            except OSError as error:
                if code := CANT_EXECUTE.get(error.errno or 0):
                    raise _ExecError(f"{command[0]}: {error.strerror}", code) from error
                raise EngineError(
                    f"the command of job '{job.name}' could not be started: {error}",
                    hint="Free some memory or processes, and run it again.",
                ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.send(Signals.SIGKILL)
        code = self._process.wait()
        self.exit_code = 128 - code if code < 0 else code
        if self.output is not None:
            os.close(self.output)
        if not self._terminal:
            _wait_for_group(self.first)

    @property
    def first(self) -> int:
        """Its process number."""
        return self._process.pid

    def is_over(self) -> bool:
        """Tell whether the command itself has ended."""
        return os.waitid(os.P_PID, self.first, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def send(self, signal: Signals) -> None:
        """Send a signal: KILL to all, any other to the command."""
        with suppress(ProcessLookupError, PermissionError):  # gone, or no longer the caller's to end
            if signal is not Signals.SIGKILL:
                os.kill(self.first, signal)
            elif not self._terminal:
                os.killpg(self.first, signal)
            else:
                for one in members(self.first):
                    os.kill(one, signal)

    @contextmanager
    def _output(self) -> Iterator[int | None]:
        """Give the end its output is written to; it is closed here once the child has it."""
        if self._terminal:
            yield None
            return
        self.output, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.output, False)
        try:
            yield writing
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(writing)


class _Supervision:
    """Looks after one child: hands its output on, watches its memory and the clock."""

    def __init__(self, child: _Child, ending: Ending, watcher: Watcher | None, *, limit: int | None) -> None:
        self._child = child
        self._ending = ending
        self._limit = limit
        self._memory = Memory(child.first, memory_folders=())
        self._watch = Watch(watcher, lambda: cpu_seconds(child.first))

    @property
    def why(self) -> Why | None:
        """Why it ended, when that was decided here."""
        return self._ending.why

    @property
    def peak_memory(self) -> int | None:
        """The most memory it was seen to hold."""
        return self._memory.peak

    def follow(self, log: Callable[[bytes], None], interruptions: Callable[[], int]) -> None:
        """Hand on the output until the command has ended; then kill what it left, and hand on what is still there."""
        pause = 0.002
        look = time.monotonic()
        with selectors.DefaultSelector() as selector:
            if self._child.output is not None:
                selector.register(self._child.output, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(max(look - time.monotonic(), 0)):
                    if data := os.read(key.fd, 65536):
                        log(data)
                    else:
                        selector.unregister(key.fileobj)
                        pause, look = 0.002, 0.0  # it is about to end
                now = time.monotonic()
                if now < look:
                    continue
                if self._child.is_over():
                    break
                before = time.thread_time()  # on a busy machine the clock says little of what a look costs
                self._look(now, interruptions())
                pause = min(pause * 2, SECONDS_BETWEEN_LOOKS)
                look = time.monotonic() + max(pause, (time.thread_time() - before) / SHARE_OF_TIME_TO_LOOK)
        self._child.send(Signals.SIGKILL)
        with suppress(BlockingIOError):  # somebody who left the session holds the pipe: there may never be an end
            while self._child.output is not None and (data := os.read(self._child.output, 65536)):
                log(data)

    def _look(self, now: float, interruptions: int) -> None:
        held = self._memory.sample()
        self._watch.look(held or None)
        full = held > (self._limit or math.inf) and self._memory.exceeds(self._limit or 0)
        signal = self._ending.due(now, interruptions=interruptions, out_of_memory=full)
        if signal:
            self._child.send(signal)
            why = Why.OUT_OF_MEMORY if full else Why.INTERRUPTED if interruptions else Why.TIMEOUT
            self._ending.sent(signal, now, why)


def _wait_for_group(leader: int) -> None:
    """Wait until the kernel is done with killing what was left in a group whose leader is dead."""
    give_up = time.monotonic() + SECONDS_TO_DIE
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, 0)  # mostly nobody is there, and that is all
        while group(leader) and time.monotonic() < give_up:
            time.sleep(0.001)


def _check(job: Job) -> None:
    if not (job.entrypoint or job.argv):
        raise EngineError(
            f"job '{job.name}' has no command, and the process engine no image that would bring one",
            hint="Give it an entrypoint or arguments, or use --engine docker.",
        )
    if job.mounts or job.working_dir:
        raise EngineError(
            f"job '{job.name}' is to see container paths, and the process engine has none",
            hint="Give it a command that names host paths, or use --engine local.",
        )


def _folders(job: Job) -> Path:
    """Make a job's own folders; gives the one it begins in."""
    for name in ("home", "tmp", "work"):
        (job.scratch / name).mkdir()
    return job.scratch / "work"


def _environment(job: Job) -> dict[str, str]:
    """Give the job's variables, over a PATH that finds this interpreter first and folders that can be written."""
    base = {
        "PATH": f"{Path(sys.executable).parent}:{PATH}",
        "HOME": str(job.scratch / "home"),
        "TMPDIR": str(job.scratch / "tmp"),
        "LANG": "C.UTF-8",
    }
    return base | dict(job.environment)


@contextmanager
def _on_processors(cpus: float | None) -> Iterator[None]:
    """Keep what is started here to so many processors."""
    before = share_of_processors(cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

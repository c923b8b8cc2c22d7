"""Looks after a container that has been started: feeds its log, ends it when it is time, says how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError

from cursus_sandbox.engines.docker_daemon import LOST, Daemon
from cursus_sandbox.engines.docker_log import Log
from cursus_sandbox.engines.docker_process import FirstProcess
from cursus_sandbox.engines.docker_usage import ContainerUsage, is_out_of_memory, oom_kills
from cursus_sandbox.engines.ending import Ending, Runs
from cursus_sandbox.engines.engine import Exit, Job, Watcher, Why
from cursus_sandbox.engines.visit import Visit
from cursus_sandbox.engines.watch import Watch
from cursus_sandbox.errors import EngineError

SECONDS_BETWEEN_LOOKS = 0.05
SECONDS_BETWEEN_LOOKS_AT_A_LIMIT = 0.01
_WELL = {"ExitCode": 0, "OOMKilled": False}


@dataclass(frozen=True, slots=True)
class Started:
    """A started container: its first process, also as this machine may know it, and its state once it has ended."""

    container: str
    pid: int
    ended: Future[dict[str, Any]]
    process: FirstProcess | None

    def has_ended(self, seconds: float) -> bool:
        """Wait for its end for so long; whether it has come, as far as anybody says."""
        if self.process and not self.ended.done():
            return self.process.has_ended(seconds)
        return bool(wait([self.ended], seconds).done)

    def has_succeeded(self) -> bool:
        """Whether it has ended with exit code 0, as far as this machine's kernel says; the daemon has not, perhaps."""
        return self.process is not None and self.process.succeeded()

    def confirm(self, told: Exit) -> None:
        """Wait until the daemon, too, knows how it has ended; EngineError where it says another exit code.

        That it went away meanwhile means nothing: the code is known.
        """
        try:
            code = self.ended.result()["ExitCode"]
        except EngineError:
            return
        if code != told.code:
            raise EngineError(
                f"container {self.container[:12]} ended with exit code {told.code}, and its daemon says {code}",
                hint="Report it as a bug of cursus-sandbox, with the versions of the kernel and of the daemon.",
            )

    def close(self) -> None:
        """Have no more to do with its first process."""
        if self.process:
            self.process.close()


@dataclass(frozen=True, slots=True)
class Supervision:
    """What it takes to look after containers. `runs` says when all are to end, `grace` is the engine's."""

    daemon: Daemon
    runs: Runs
    grace: float

    def watched(self, container: str, threads: ThreadPoolExecutor, *, closely: bool = False) -> Started:
        """Begin to wait for the end of a container that has just been started, `closely` by this machine's kernel, too.

        What that tells comes before the daemon has ended its log, and taken its mounts away.
        """
        ended = threads.submit(self.daemon.end_of, container)
        with self.daemon.asking(f"inspect container {container[:12]}"):
            pid = self.daemon.state(container)["Pid"]
        return Started(container, pid, ended, FirstProcess.of(container, pid) if closely else None)

    def exit_of(
        self,
        job: Job,
        one: Started,
        log: Log,
        visit: Visit,
        watcher: Watcher | None,
        *,
        threads: ThreadPoolExecutor,
        began: float | None = None,
        begin: Callable[[], None] | None = None,
    ) -> Exit:
        """Have a job `begin`, unless it `began` with its container, and see to it until it has ended.

        `log` is followed; what it uses is looked at, and the clock. That all is well is the kernel's word, where it can
        be had; of anything else, and of the reasons for it, the daemon knows more.
        """
        kills = oom_kills()
        usage = ContainerUsage(self.daemon.client, one.container, one.pid, apart=self.daemon.facts.has_cgroups)
        watch = Watch(watcher, usage.cpu_seconds)
        started = time.monotonic() if began is None else began
        if begin:
            begin()
        followed = threads.submit(log.follow)
        ending = Ending.of(job.limits, started=started, grace=self.grace)

        def look() -> None:
            watch.look(usage.sample())

        try:
            self._look_after(job, one, followed, visit, ending=ending, look=look)
        except BaseException:
            log.cut()
            raise
        well = ending.why is None and one.has_succeeded() and oom_kills() == kills
        state = _WELL if well else one.ended.result()
        seconds = time.monotonic() - started
        log.complete(followed)
        full = is_out_of_memory(state, limit=job.limits.memory, peak=usage.peak, kills=oom_kills() - kills)
        why = ending.why or (Why.OUT_OF_MEMORY if full else None)
        lost = state["ExitCode"] == 0 and bool(state["OOMKilled"])
        return Exit(state["ExitCode"], seconds, usage.peak, why, lost_a_process=lost)

    def _look_after(
        self,
        job: Job,
        one: Started,
        followed: Future[None],
        visit: Visit,
        *,
        ending: Ending,
        look: Callable[[], None],
    ) -> None:
        longest = SECONDS_BETWEEN_LOOKS if job.limits.memory is None else SECONDS_BETWEEN_LOOKS_AT_A_LIMIT
        pause = longest / 10
        while not one.has_ended(0):
            look()
            if followed.done():
                followed.result()  # an error of `log` ends the job
            now, interruptions = time.monotonic(), self.runs.interruptions + job.is_stopped
            signal = ending.due(now, interruptions=interruptions, visited=visit.is_over)
            if signal:
                with suppress(
                    APIError, *LOST
                ):  # it has just ended by itself, or `ended` will say that the daemon is gone
                    self.daemon.client.kill(one.container, signal.name)
                    ending.sent(signal, now, ending.reason(now, interruptions=interruptions))
            one.has_ended(pause)
            pause = min(pause * 2, longest)

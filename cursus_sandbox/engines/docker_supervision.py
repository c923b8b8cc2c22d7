"""Looks after a container that has been started: feeds its log, ends it when it is time, says how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests
from docker.errors import APIError

from cursus_sandbox.engines.docker_daemon import LOST, Daemon
from cursus_sandbox.engines.docker_log import ContainerLog
from cursus_sandbox.engines.docker_usage import ContainerUsage, is_out_of_memory, oom_kills
from cursus_sandbox.engines.ending import Ending, Runs
from cursus_sandbox.engines.engine import Exit, Job, Watcher, Why
from cursus_sandbox.engines.visit import Visit
from cursus_sandbox.engines.watch import Watch

SECONDS_BETWEEN_LOOKS = 0.05
SECONDS_BETWEEN_LOOKS_AT_A_LIMIT = 0.01


@dataclass(frozen=True, slots=True)
class Started:
    """A started container: its first process as this machine may know it, and its last state once it has ended."""

    container: str
    pid: int
    ended: Future[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Supervision:
    """What it takes to look after containers. `runs` says when all are to end, `grace` is the engine's."""

    daemon: Daemon
    runs: Runs
    grace: float

    def watched(self, container: str, threads: ThreadPoolExecutor) -> Started:
        """Begin to wait for the end of a container that has just been started."""
        ended = threads.submit(self.daemon.end_of, container)
        with self.daemon.asking(f"inspect container {container[:12]}"):
            return Started(container, self.daemon.state(container)["Pid"], ended)

    def exit_of(
        self,
        job: Job,
        one: Started,
        log: Callable[[bytes], None],
        visit: Visit,
        watcher: Watcher | None,
        *,
        threads: ThreadPoolExecutor,
        began: float | None = None,
        begin: Callable[[], None] | None = None,
    ) -> Exit:
        """Have a job `begin`, unless it `began` with its container, and see to it until it has ended.

        `log` is fed; what it uses is looked at, and the clock.
        """
        kills = oom_kills()
        usage = ContainerUsage(self.daemon.client, one.container, one.pid)
        watch = Watch(watcher, usage.cpu_seconds)
        whole_log = ContainerLog(self.daemon.client, one.container, log)
        started = time.monotonic() if began is None else began
        if begin:
            begin()
        followed = threads.submit(_follow, whole_log)
        ending = Ending.of(job.limits, started=started, grace=self.grace)

        def look() -> None:
            watch.look(usage.sample())

        self._look_after(job, one, followed, visit, ending=ending, look=look)
        state = one.ended.result()
        seconds = time.monotonic() - started
        followed.result()
        with self.daemon.asking(f"read the log of job '{job.name}'"):
            whole_log.complete()
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
        while not one.ended.done():
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
            wait([one.ended], pause)
            pause = min(pause * 2, longest)


def _follow(log: ContainerLog) -> None:
    """Follow a log as far as it goes: what a broken connection takes away comes when the log is made whole."""
    with suppress(requests.exceptions.RequestException, *LOST):
        log.follow()

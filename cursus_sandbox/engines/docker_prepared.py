"""A container that is made, and where it can be started too, before its job's inputs are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

from cursus_sandbox.engines.arriving import Arriving, arriving
from cursus_sandbox.engines.docker_container import CommandRefused, OverlayRefused, make, start
from cursus_sandbox.engines.docker_daemon import Refused
from cursus_sandbox.engines.docker_files import Mounted, files_of
from cursus_sandbox.engines.docker_gate import Gate, GateLog, NobodyThere, gate_of
from cursus_sandbox.engines.docker_log import ContainerLog
from cursus_sandbox.engines.docker_places import Places
from cursus_sandbox.engines.docker_removals import Removals
from cursus_sandbox.engines.docker_supervision import Started, Supervision
from cursus_sandbox.engines.ending import NEVER_STARTED
from cursus_sandbox.engines.engine import Exit, Job, Visitor, Watcher
from cursus_sandbox.engines.mounts import Private
from cursus_sandbox.engines.visit import Visit
from cursus_sandbox.untrusted import remove


@dataclass(slots=True)
class ContainerAhead:
    """A container that waits for its job's inputs: at its gate, or for its start where it has none.

    Where it is of no use, as the inputs are large, its job is run `otherwise`. All of it goes with `cleanup`.
    """

    job: Job
    supervision: Supervision
    removals: Removals
    otherwise: Callable[[Job, Callable[[bytes], None], Visitor | None, Watcher | None], Exit]
    arriving: Arriving
    files: Mounted
    container: str
    threads: ThreadPoolExecutor
    cleanup: ExitStack
    gate: Gate | None = None
    started: Started | None = None

    def run(self, log: Callable[[bytes], None], watcher: Watcher | None = None) -> Exit:
        """Run the job."""
        runs = self.supervision.runs
        confirm = None
        try:
            with runs.one():
                if runs.interruptions:
                    return NEVER_STARTED
                if (ended := self._exit(log, watcher)) and self.started:
                    confirm = partial(self.started.confirm, ended)
        finally:
            removal = self.removals.hand_over(self.cleanup, confirm)
        if ended is None:
            ended = self.otherwise(self.job, log, None, watcher)
            wait([removal])
        return ended

    def leave(self) -> None:
        """Take the container away."""
        wait([self.removals.hand_over(self.cleanup)])

    def _exit(self, log: Callable[[bytes], None], watcher: Watcher | None) -> Exit | None:
        """Take the inputs in and run the job to its end; None where that can't be: nothing of the job has begun."""
        daemon, job = self.supervision.daemon, self.arriving.job
        if (self.started and self.started.ended.done()) or not self.arriving.take_in():
            return None
        if self.started is None:
            try:
                start(job, daemon, self.files, self.container)
            except (Refused, CommandRefused, OverlayRefused):
                return None
            self.started = self.supervision.watched(self.container, self.threads)
        told = GateLog(self.gate, log) if self.gate else ContainerLog(daemon, self.container, log)
        begin = self.gate.open if self.gate else None
        try:
            with Visit(job, None) as nobody:
                ended = self.supervision.exit_of(
                    job, self.started, told, nobody, watcher, threads=self.threads, begin=begin
                )
        except NobodyThere:
            return None
        if self.files.overlaid:
            self.started.confirm(ended)  # the daemon has unmounted them
        with daemon.asking(f"bring back what job '{job.name}' left"):
            self.files.bring_back(self.container)
        with suppress(OSError):
            remove(job.scratch)
        return ended


def container_ahead(
    job: Job,
    supervision: Supervision,
    places: Places,
    private: Private,
    *,
    labels: Mapping[str, str],
    without_gate: set[str],
    removals: Removals,
    otherwise: Callable[[Job, Callable[[bytes], None], Visitor | None, Watcher | None], Exit],
) -> ContainerAhead | None:
    """Make a job's container, and start it behind a gate unless its image is `without_gate`, which may grow.

    None for a job that can't be had ahead: with a network, on several hosts, in another runtime than the daemon's own,
    with files that are carried.
    """
    daemon = supervision.daemon
    if job.network or job.cluster or job.runtime or job.image is None or (waiting := arriving(job)) is None:
        return None
    with ExitStack() as cleanup:
        cleanup.callback(remove, waiting.job.scratch)
        gate = gate_of(waiting.job) if daemon.facts.init and job.image not in without_gate else None
        if gate:
            cleanup.callback(gate.close)
        threads = cleanup.enter_context(ThreadPoolExecutor(3, thread_name_prefix=f"ahead-{job.name}"))
        if gate:
            cleanup.callback(gate.leave)
        with daemon.asking(f"create the container of job '{job.name}'"):
            seen = places.presumed(gate.folder) if gate else places  # who comes to the gate proves it
            files = files_of(waiting.job, daemon, seen, private, labels=labels)
            if not isinstance(files, Mounted):
                return None
            container = make(waiting.job, daemon, files, cleanup, labels=labels, gate=gate)
        ahead = ContainerAhead(
            job, supervision, removals, otherwise, waiting, files, container, threads, ExitStack(), gate
        )
        if gate:
            gate.await_process(threads)
            try:
                start(job, daemon, files, container)
                ahead.started = supervision.watched(container, threads, closely=True)
                cleanup.callback(ahead.started.close)
            except CommandRefused:  # there is no /bin/sh
                pass
            finally:
                stands = gate.stands(ahead.started.ended if ahead.started else None)
            if not stands:
                if places.at(gate.folder, waiting.job, ours=True):
                    without_gate.add(job.image)  # it has no shell, or no `env`
                return None
            places.proven(gate.folder)
        ahead.cleanup = cleanup.pop_all()
        return ahead

"""A job on several hosts: one container each, at the same time, on a network where they find each other by name.

SageMaker gives each host its own disk, and at the end puts together what they left: of a Processing job in one S3
prefix for each output, of a Training job in one model.tar.gz ("How Amazon SageMaker AI Processes Training Output": the
names that hosts write should not clash). A job fails with the first host that does, and the others are stopped.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cursus_sandbox.engines.engine import Cluster, Engine, Exit, Job, Usage, Watcher
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.hosts import INSTANCE_TYPE, Host, hosts
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.layout import Staging, StepFolders, checkpoint_folders, sagemaker_job
from cursus_sandbox.sagemaker.sharding import shards
from cursus_sandbox.sagemaker.staging import MESSAGE, copy, joined_message, stage
from cursus_sandbox.sagemaker.survey import surveyed
from cursus_sandbox.untrusted import remove

_LONGEST_LINE = 64 * 1024  # bytes; what is longer is cut into lines
_NAMED = 3


@dataclass(frozen=True, slots=True)
class HostsExit:
    """How a job on several hosts ended.

    `exit` is of the host that failed first, else of the last one; its seconds are the job's, its peak memory that of
    the host that took most. `failed` names the host, `laid_out` is its job on what all of them left. `clashes` are the
    sentences for what several hosts left under the same name. `unfit` says why what one of them left can't be taken:
    then nothing is put together.
    """

    exit: Exit
    failed: str | None = None
    clashes: tuple[str, ...] = ()
    unfit: str | None = None
    laid_out: tuple[Job, Staging] | None = None


@dataclass(frozen=True, slots=True)
class HostsRun:
    """A step about to run on as many hosts as its instance count says."""

    step: PlannedStep
    sources: Mapping[str, Path]
    identity: JobIdentity
    engine: Engine
    image: str | None
    labels: Mapping[str, str]

    def ended(self, folders: StepFolders, log: Callable[[bytes], None], watcher: Watcher) -> HostsExit:
        """Run it to its end; what the hosts leave is put together in `folders`. Each line of `log` names its host."""
        all_hosts = hosts(self.step.instance_count, self.step.instance_type or INSTANCE_TYPE)
        own = {host: _folders_of(host, folders) for host in all_hosts}
        lock, order = threading.Lock(), list[tuple[Host, Exit]]()
        together = _Together(watcher)

        def run(host: Host, cluster: Cluster) -> None:
            lines = _Lines(host.name, log, lock)
            try:
                ended = self._on(host, own[host], cluster, lines.feed, partial(together.used, host))
            except BaseException:
                cluster.stop.set()
                raise
            lines.end()
            with lock:
                order.append((host, ended))
            if ended.code or ended.why:
                cluster.stop.set()

        for before in (kept := checkpoint_folders(self.step, folders)):
            if before.is_dir():
                for mine in own.values():
                    copy(before, checkpoint_folders(self.step, mine)[kept.index(before)])
                shutil.rmtree(before)
        with (
            self.engine.cluster(
                [host.name for host in all_hosts], outside=self.step.network, labels=self.labels
            ) as cluster,
            ThreadPoolExecutor(len(all_hosts), thread_name_prefix=f"hosts-{self.step.name}") as threads,
        ):
            running = [threads.submit(run, host, cluster) for host in all_hosts]
        for one in running:
            one.result()
        ended = self._together(order, own, folders)
        failed = next((host for host in all_hosts if host.name == ended.failed and not ended.unfit), None)
        return replace(ended, laid_out=self._alone(failed, folders)) if failed else ended

    def _on(
        self, host: Host, own: StepFolders, cluster: Cluster, log: Callable[[bytes], None], watcher: Watcher
    ) -> Exit:
        sources = shards(self.step, self.sources, host, own.staged / "shards")
        job, staging = sagemaker_job(
            self.step,
            sources=sources,
            folders=own,
            identity=self.identity,
            host=host,
            image=self.image,
            labels={**self.labels, "cursus-sandbox.host": host.name},
        )
        stage(staging)
        return self.engine.run(replace(job, name=f"{job.name}-{host.name}", cluster=cluster), log, watcher=watcher)

    def _alone(self, host: Host, folders: StepFolders) -> tuple[Job, Staging]:
        """A host's job on what the hosts have left together, laid out for whoever looks into it: it is alone there."""
        job, staging = sagemaker_job(
            self.step,
            sources=shards(self.step, self.sources, host, folders.staged / "shards"),
            folders=folders,
            identity=self.identity,
            host=host,
            image=self.image,
            labels=self.labels,
        )
        stage(staging)
        return job, staging

    def _together(
        self, order: Sequence[tuple[Host, Exit]], own: Mapping[Host, StepFolders], folders: StepFolders
    ) -> HostsExit:
        """Put together what the hosts left, in their order: of two files of one name the later host's stays.

        The host that failed comes last, for its failure is the job's; messages are joined. Checkpoints are the same
        files on all of them.
        """
        broken = next(((host, ended) for host, ended in order if ended.code or ended.why), None)
        unfit = next((f"{host.name}: {said}" for host, one in own.items() if (said := surveyed(one))), None)
        if unfit:
            host, ended = broken or order[-1]
            return HostsExit(ended, host.name if broken else None, unfit=unfit)
        shared = {folders.messages, folders.around, *checkpoint_folders(self.step, folders)}
        clashes: list[str] = []
        message = joined_message(own.values()) if self.step.kind is StepKind.PROCESSING else b""
        for host in sorted(own, key=lambda host: broken is not None and host == broken[0]):
            theirs = own[host]
            pairs = [(one, folders.outputs / one.name) for one in sorted(theirs.outputs.iterdir())]
            pairs += [(one, folders.staged / one.name) for one in theirs.beside]
            for mine, whole in pairs:
                found = _merged(mine, whole)
                clashes += [f"{host.name} wrote {one}" for one in found if whole not in shared]
        if message:
            remove(folders.messages / MESSAGE)  # the last host's
            (folders.messages / MESSAGE).write_bytes(message)
        ended = broken[1] if broken else order[-1][1]
        peaks = [one.peak_memory for _, one in order if one.peak_memory is not None]
        ended = replace(ended, seconds=max(one.seconds for _, one in order), peak_memory=max(peaks, default=None))
        return HostsExit(ended, broken[0].name if broken else None, _sentences(clashes))


def _folders_of(host: Host, folders: StepFolders) -> StepFolders:
    """A host's own folders, within those of the attempt."""
    within = folders.staged / "hosts" / host.name
    own = StepFolders(within / "outputs", within / "staged", folders.scratch / host.name, folders.workspace)
    for folder in (own.outputs, own.staged, own.scratch):
        folder.mkdir(parents=True)
    return own


def _merged(source: Path, target: Path) -> list[str]:
    """Move what is below a folder into another; gives the names of the files that were there already.

    Nothing is opened and no link is followed: what lies there is a step's.
    """
    clashes = []
    waiting = [(source, target)]
    while waiting:
        here, there = waiting.pop()
        if here.is_dir() and not here.is_symlink():
            if there.is_symlink() or (there.exists() and not there.is_dir()):
                there.unlink()
                clashes.append(str(there.relative_to(target.parent)))
            there.mkdir(parents=True, exist_ok=True)
            waiting += [(one, there / one.name) for one in sorted(here.iterdir(), reverse=True)]
            continue
        if os.path.lexists(there):
            clashes.append(str(there.relative_to(target.parent)))
            remove(there)
        here.replace(there)
    return clashes


def _sentences(clashes: Sequence[str]) -> tuple[str, ...]:
    told = "over another host's file of that name: SageMaker keeps one of them, and which is not said"
    rest = len(clashes) - _NAMED
    return (
        *(f"{one} {told}" for one in clashes[:_NAMED]),
        *((f"and {rest} files more were written by several hosts",) if rest > 0 else ()),
    )


class _Together:
    """What several hosts use, told as one: the memory of the one that holds most, the processor time of all."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._last: dict[Host, Usage] = {}

    def used(self, host: Host, usage: Usage) -> None:
        """Take what one of them uses; it is told when the first of them is heard again."""
        with self._lock:
            self._last[host] = usage
            if host is not next(iter(self._last)):
                return
            memory = max((one.memory for one in self._last.values() if one.memory is not None), default=None)
            seconds = [one.cpu_seconds for one in self._last.values() if one.cpu_seconds is not None]
            self._watcher(Usage(memory, sum(seconds) if seconds else None))


class _Lines:
    """One host's part of a log that several write to: whole lines, each with the host's name before it."""

    def __init__(self, name: str, log: Callable[[bytes], None], lock: threading.Lock) -> None:
        self._prefix = f"{name} | ".encode()
        self._log = log
        self._lock = lock
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what the host wrote; what is not a whole line yet waits."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) >= _LONGEST_LINE:
            lines.append(self._rest[:_LONGEST_LINE])
            self._rest = self._rest[_LONGEST_LINE:]
        self._write(lines)

    def end(self) -> None:
        """Write the last line, though it has no end."""
        self._write([self._rest] if self._rest else [])
        self._rest = b""

    def _write(self, lines: Sequence[bytes]) -> None:
        if lines:
            with self._lock:
                self._log(b"".join(self._prefix + line + b"\n" for line in lines))

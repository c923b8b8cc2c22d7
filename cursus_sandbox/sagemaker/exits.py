"""What the end of a job means, in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from signal import Signals

from cursus_sandbox.engines.engine import SHM_SIZE, Exit, Why
from cursus_sandbox.pipeline.plan import PlannedStep

_NO_SPACE = re.compile(rb"No space left on device|\bENOSPC\b|Disk quota exceeded")
_NEARLY_FULL, _LITTLE = 0.01, 64 * 1024**2  # of a disk; bytes
_OF_SHELLS = {
    126: "the command could not be run: it is not executable",
    127: "the command was not found",
}
_OF_SIGNALS = {
    Signals.SIGILL: "an instruction that this processor does not have",
    Signals.SIGABRT: "it gave up by itself (abort)",
    Signals.SIGFPE: "an impossible calculation in native code",
    Signals.SIGSEGV: "a crash in native code",
    Signals.SIGXCPU: "more processor time than its limit (ulimit -t)",
    Signals.SIGXFSZ: "a file larger than its limit (ulimit -f)",
}


def meaning(step: PlannedStep, ended: Exit) -> str:
    """Why a job ended as it did: a sentence that names its exit code, and what to do where that is known."""
    match ended.why:
        case Why.TIMEOUT:
            return f"timed out after {step.timeout:g} s"
        case Why.OUT_OF_MEMORY:
            return f"out of memory{_limit(step)} (exit code {ended.code})"
        case Why.INTERRUPTED:
            return "interrupted"
        case Why.VISITED:
            return "ended when all was done"
    if ended.code in _OF_SHELLS:
        return f"{_OF_SHELLS[ended.code]} (exit code {ended.code})"
    if ended.code - 128 not in set(Signals):
        return f"exit code {ended.code}"
    signal = Signals(ended.code - 128)
    return f"killed by {signal.name} (exit code {ended.code}){_of_signal(step, signal)}"


def remarks(step: PlannedStep, ended: Exit) -> tuple[str, ...]:
    """What is odd about an end, though it be well."""
    if not ended.lost_a_process:
        return ()
    return (f"one of its processes was killed for want of memory{_limit(step)}, and it went on without it",)


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that a step's outputs are on: its bytes, and those that are free."""

    size: int
    free: int

    @property
    def is_full(self) -> bool:
        """Whether there is as good as nothing left."""
        return self.free < min(self.size * _NEARLY_FULL, _LITTLE)


def no_space(step: PlannedStep, end_of_log: bytes, disk: Disk) -> str | None:
    """Which disk was full, of a step whose log says that one was; else None."""
    if not _NO_SPACE.search(end_of_log):
        return None
    if disk.is_full:
        return f"no space: of the {_megabytes(disk.size)} of the workspace's disk {_megabytes(disk.free)} are free"
    shared = _megabytes(step.resources.shm_size or SHM_SIZE)
    return (
        f"no space, and the workspace's disk has {_megabytes(disk.free)} free: it was /dev/shm, which has {shared} "
        "(resources: {shm_size: …}), or the disk of the container's other folders"
    )


def _of_signal(step: PlannedStep, signal: Signals) -> str:
    match signal:
        case Signals.SIGKILL:
            memory = step.resources.memory
            limit = f"and not by its memory limit of {_megabytes(memory)}" if memory else "(it has no memory limit)"
            return f", not by us {limit}"
        case Signals.SIGTERM:
            return ", not by us"
        case Signals.SIGBUS:
            has = _megabytes(step.resources.shm_size or SHM_SIZE)
            more = "Give it more:  resources: {shm_size: 4g}"
            return f": a bus error, as when /dev/shm is full, which has {has}. {more}"
        case _:
            return f": {_OF_SIGNALS[signal]}" if signal in _OF_SIGNALS else ""


def _limit(step: PlannedStep) -> str:
    return f", the limit is {_megabytes(step.resources.memory)}" if step.resources.memory else ""


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"

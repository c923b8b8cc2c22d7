"""What a container uses: its working set, as `docker stats` counts it (usage less inactive file pages), its time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import docker

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
SECONDS_BETWEEN_STATS = 0.25
KILLED = 128 + 9


class ContainerUsage:
    """What one container uses, and the largest working set seen; a sample, so a peak between two looks is missed.

    Read from the host's cgroup files where they are visible (15 µs), else asked of the daemon (some ms, at most four
    times a second). `peak` is None when the container was never caught alive, and where the daemon puts containers in
    no cgroups of their own (rootless without systemd), so that it would tell what the whole machine uses.
    """

    def __init__(self, client: docker.APIClient, container: str, pid: int, *, apart: bool = True) -> None:
        self.peak: int | None = None
        memory, cpu = files_of(container, pid)
        stats = _Stats(client, container) if apart and not (memory and cpu) else None
        self._memory = memory or (stats.memory if stats else None)
        self._cpu = cpu or (stats.cpu if stats else None)

    def sample(self) -> int | None:
        """Look once: the working set now, None when nothing can be learned at the moment."""
        with suppress(OSError, ValueError, docker.errors.DockerException):
            value = self._memory() if self._memory else None
            if value is not None:
                self.peak = max(self.peak or 0, value)
            return value
        return None

    def cpu_seconds(self) -> float | None:
        """The processor time of all its processes since it began; None when that can't be learned."""
        with suppress(OSError, ValueError, docker.errors.DockerException):
            nanoseconds = self._cpu() if self._cpu else None
            return None if nanoseconds is None else nanoseconds / 1e9
        return None


Reader = Callable[[], int | None]


def files_of(
    container: str, pid: int, *, cgroups: Path = CGROUPS, proc: Path = PROC
) -> tuple[Reader | None, Reader | None]:
    """Give readers of the memory and of the nanoseconds of a container; None for what isn't visible from here.

    They are those of its first process's cgroups. The container's id must be in their path: with a daemon elsewhere,
    `pid` is some other process.
    """
    memory: Reader | None = None
    cpu: Reader | None = None
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None, None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        named = controllers.split(",")
        for controller in named:
            folder = cgroups / controller / path.lstrip("/")
            if controller == "memory" and (folder / "memory.usage_in_bytes").exists():
                memory = partial(_working_set, folder, "memory.usage_in_bytes", "total_inactive_file")
            if controller == "cpuacct" and (folder / "cpuacct.usage").exists():
                cpu = partial(_number_in, folder / "cpuacct.usage")
            if not controller and (folder / "memory.current").exists():
                memory = memory or partial(_working_set, folder, "memory.current", "inactive_file")
            if not controller and (folder / "cpu.stat").exists():
                cpu = cpu or partial(_microseconds, folder / "cpu.stat")
    return memory, cpu


def _working_set(folder: Path, usage: str, inactive: str) -> int | None:
    used = int((folder / usage).read_text())
    match = re.search(rf"^{inactive} (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    return max(used - int(match[1] if match else 0), 0) or None


def _number_in(file: Path) -> int:
    return int(file.read_text())


def _microseconds(file: Path) -> int | None:
    """The nanoseconds of a cgroup v2, which counts in thousands of them."""
    match = re.search(r"^usage_usec (\d+)$", file.read_text(), re.MULTILINE)
    return int(match[1]) * 1000 if match else None


class _Stats:
    """What the daemon says of a container, asked now and then."""

    def __init__(self, client: docker.APIClient, container: str) -> None:
        self._client, self._container = client, container
        self._asked = float("-inf")
        self._answer: Mapping[str, Any] = {}

    def memory(self) -> int | None:
        """The working set; None between two questions, too."""
        if time.monotonic() < self._asked + SECONDS_BETWEEN_STATS:
            return None
        self._asked = time.monotonic()
        self._answer = self._client.stats(self._container, stream=False, one_shot=True)
        return from_stats(self._answer)

    def cpu(self) -> int | None:
        """The nanoseconds in the last answer."""
        return ((self._answer.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")


def is_out_of_memory(state: Mapping[str, Any], *, limit: int | None, peak: int | None, kills: int) -> bool:
    """Tell whether a container's failure was its memory limit.

    `OOMKilled` of the daemon says so, but it missed 3 of 160 such ends (Engine 20.10, cgroup v1), also when asked again
    later. So 137 under a limit counts too when, while it ran, the kernel's own count of such kills rose (`kills`) and
    the container was seen to hold more than half of its limit. A child may be killed and its parent succeed.
    """
    if state["ExitCode"] == 0:
        return False
    held_much = limit is not None and peak is not None and peak > limit / 2
    return bool(state["OOMKilled"]) or (state["ExitCode"] == KILLED and kills > 0 and held_much)


def oom_kills(vmstat: Path = PROC / "vmstat") -> int:
    """Give how often this machine's kernel has killed for want of memory since it booted."""
    with suppress(OSError):
        match = re.search(r"^oom_kill (\d+)$", vmstat.read_text(), re.MULTILINE)
        return int(match[1]) if match else 0
    return 0


def from_stats(stats: Mapping[str, Any]) -> int | None:
    """Give the working set in an answer of `GET /containers/{id}/stats`; None for a container that has ended."""
    memory = stats.get("memory_stats") or {}
    if not memory.get("usage"):
        return None
    details = memory.get("stats") or {}
    return int(memory["usage"]) - int(details.get("total_inactive_file", details.get("inactive_file", 0)))

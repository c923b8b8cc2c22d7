"""How much memory a container uses: its working set, as `docker stats` counts it, usage less inactive file pages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
SECONDS_BETWEEN_STATS = 0.25
KILLED = 128 + 9


class WorkingSet:
    """The largest working set seen of one container; a sample, so a peak between two looks is missed.

    Read from the host's cgroup files where they are visible (15 µs), else asked of the daemon (some ms, at most four
    times a second). `peak` is None when the container was never caught alive.
    """

    def __init__(self, client: docker.APIClient, container: str, pid: int) -> None:
        self.peak: int | None = None
        self._read = files_of(container, pid) or _stats_of(client, container)

    def sample(self) -> None:
        """Look once."""
        with suppress(OSError, ValueError, docker.errors.DockerException):
            value = self._read()
            if value is not None:
                self.peak = max(self.peak or 0, value)


def files_of(
    container: str, pid: int, *, cgroups: Path = CGROUPS, proc: Path = PROC
) -> Callable[[], int | None] | None:
    """Give a reader of the cgroup of a container's first process, None when it isn't visible from here.

    The container's id must be in the path: with a daemon elsewhere, `pid` is some other process.
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        if "memory" in controllers.split(","):
            folder, usage, inactive = (
                cgroups / "memory" / path.lstrip("/"),
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        elif not controllers:
            folder, usage, inactive = cgroups / path.lstrip("/"), "memory.current", "inactive_file"
        else:
            continue
        if (folder / usage).exists():
            return lambda: _working_set(folder, usage, inactive)
    return None


def _working_set(folder: Path, usage: str, inactive: str) -> int | None:
    used = int((folder / usage).read_text())
    match = re.search(rf"^{inactive} (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    return max(used - int(match[1] if match else 0), 0) or None


def _stats_of(client: docker.APIClient, container: str) -> Callable[[], int | None]:
    last = float("-inf")

    def read() -> int | None:
        nonlocal last
        if time.monotonic() < last + SECONDS_BETWEEN_STATS:
            return None
        last = time.monotonic()
        return from_stats(client.stats(container, stream=False, one_shot=True))

    return read


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

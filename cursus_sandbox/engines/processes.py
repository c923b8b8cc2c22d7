"""The processes of a job, as /proc shows them: who they are and how much memory they hold."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")  # in a second
SECONDS_TO_DIE = 5.0
MEMORY_FOLDERS = ("", "dev/shm")  # what a sandbox has in RAM: its root folder and its shared memory


NOT_YET = b"bwrap"  # the name of a process that makes the sandbox, or becomes the command in a moment


@dataclass(slots=True)
class Memory:
    """The memory of a process and its descendants, looked at now and then: a peak between two looks may be missed.

    Counted: the anonymous pages of all processes, and the files in the sandbox's own memory file systems, which are
    those at `memory_folders` of its root. Not counted: pages of mapped files, which the kernel can drop. `peak` is None
    when no process was caught alive.
    """

    first: int
    peak: int | None = None
    memory_folders: Sequence[str] = MEMORY_FOLDERS

    def sample(self) -> int:
        """Look once, and give the bytes held now. Pages that forked processes share count for each of them."""
        processes = members(self.first)
        anonymous = [held for process in processes if (held := _anonymous(process))]
        if not anonymous:
            return 0
        now = sum(current for current, _ in anonymous) + _in_memory_files(self.first, self.memory_folders)
        self.peak = max(self.peak or 0, now, *(highest for _, highest in anonymous))
        return now

    def exceeds(self, limit: int) -> bool:
        """Tell whether it is more than a limit, with the pages that processes share counted once: that takes longer."""
        return sum(map(_proportional, members(self.first))) + _in_memory_files(self.first, self.memory_folders) > limit


def members(first: int) -> list[int]:
    """Give a process and all its descendants; orphans are children of a sandbox's first process."""
    found, new = [first], [first]
    while new:
        new = [child for parent in new for child in children(parent) if child not in found]
        found += new
    return found


def children(process: int) -> list[int]:
    """Give the children of a process, oldest first; none when it has ended."""
    with suppress(OSError):
        tasks = sorted(map(int, os.listdir(f"{PROC}/{process}/task")))  # noqa: PTH208 -- what looks often must be quick
        return [child for task in tasks for child in _children_of_task(process, task)]
    return []


def group(leader: int) -> list[int]:
    """Give the living processes of a process group."""
    return [
        int(entry.name)
        for entry in PROC.iterdir()
        if entry.name.isdigit()
        and (fields := _stat(int(entry.name)))
        and fields[0] not in "ZX"
        and fields[2] == str(leader)
    ]


def cpu_seconds(first: int) -> float | None:
    """Give the processor time of a process, its descendants, and those of them that were waited for; None of none."""
    found = [fields for process in members(first) if (fields := _stat(process))]
    ticks = sum(int(ticks) for fields in found for ticks in fields[11:15])  # utime, stime, cutime, cstime
    return ticks / TICKS if found else None


def reap_at_home(folder: Path, variables: Sequence[str]) -> None:
    """Kill the processes of which one of these variables names something below a folder, and wait for their end.

    A process keeps the variables it was started with, whoever its parent is by now.
    """
    beginnings = tuple(os.fsencode(f"{name}={folder}/") for name in variables)
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            handle = os.pidfd_open(int(entry.name))  # what is killed is what was looked at
            try:
                found = (entry / "environ").read_bytes().split(b"\0")
                if any(one.startswith(beginnings) for one in found):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    dying = select.poll()
                    dying.register(handle, select.POLLIN)
                    dying.poll(SECONDS_TO_DIE * 1000)
            finally:
                os.close(handle)


def _children_of_task(process: int, task: int) -> Sequence[int]:
    with suppress(OSError):
        return [int(child) for child in _read(f"{PROC}/{process}/task/{task}/children").split()]
    return ()


def _anonymous(process: int) -> tuple[int, int] | None:
    """Give the anonymous bytes of a process, now and at its height (VmHWM, less the files mapped now)."""
    try:
        status = _read(f"{PROC}/{process}/status")
    except OSError:
        return None
    if status.startswith(b"Name:\t%s\n" % NOT_YET):
        return None
    now, files, highest = (_field(name, status) for name in (b"RssAnon", b"RssFile", b"VmHWM"))
    return now, max(highest - files, now)


def _proportional(process: int) -> int:
    """Give the anonymous bytes of a process, a page that n processes share counting for 1/n (Linux 5.5)."""
    try:
        return _field(b"Pss_Anon", _read(f"{PROC}/{process}/smaps_rollup"))
    except OSError:
        return 0


def _in_memory_files(first: int, folders: Sequence[str]) -> int:
    used = 0
    for folder in folders:
        with suppress(OSError):
            system = os.statvfs(f"{PROC}/{first}/root/{folder}")
            used += (system.f_blocks - system.f_bfree) * system.f_frsize
    return used


def _field(name: bytes, text: bytes) -> int:
    _, found, rest = text.partition(b"\n%s:" % name)
    return int(rest.split(None, 1)[0]) * 1024 if found else 0


def _read(file: str) -> bytes:
    with open(file, "rb", buffering=0) as opened:  # noqa: PTH123
        return opened.read()


def birth(process: int) -> int | None:
    """Give when a process was born, in ticks since boot: no later one of its number has that. None when it is dead."""
    fields = _stat(process)
    return None if not fields or fields[0] in "ZX" else int(fields[19])  # fields 3 and 22 of proc(5)


def _stat(process: int) -> list[str]:
    """Give the fields of its `stat` from the third on, the state; none when there is no such process."""
    try:
        return _read(f"{PROC}/{process}/stat").rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return []

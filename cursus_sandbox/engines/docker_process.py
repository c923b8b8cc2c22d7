"""The first process of a container as this machine's own kernel knows it, who says how it has ended before the daemon.

When a process has ended the daemon has its container taken apart, and then says so: 40 ms later. The kernel keeps the
exit code for whoever has a descriptor of the process, and needs no privilege for it (Linux 6.15, `PIDFD_GET_INFO` in
include/uapi/linux/pidfd.h). It is the same number, from the same place that the daemon has it from.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
from contextlib import suppress
from pathlib import Path
from typing import Self

PROC = Path("/proc")
_FIRST_KERNEL = (6, 15)
_INFO = struct.Struct("=Q52xi")  # struct pidfd_info: what is asked for and what was given; the status of wait(2)
_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11
_EXIT = 1 << 3


class FirstProcess:
    """A process that may have ended, but is no other: its descriptor sees to that."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._gone = select.poll()
        self._gone.register(descriptor, 0)  # which hangs up once its parent has asked how it ended

    @classmethod
    def of(cls, container: str, process: int, *, proc: Path = PROC) -> Self | None:
        """Give the first process of a container, which its daemon knows under a number.

        None where this kernel doesn't tell, or where the number is another process's: of a daemon elsewhere, or of one
        that has ended. Its cgroups have the container's id in their paths, in each version of them.
        """
        if not process or _version(os.uname().release) < _FIRST_KERNEL:
            return None
        with suppress(OSError):
            found = cls(os.pidfd_open(process))
            if container in (proc / str(process) / "cgroup").read_text() and not found.has_ended(0):
                return found
            found.close()
        return None

    def has_ended(self, seconds: float) -> bool:
        """Wait for its end for so long; whether it has come."""
        return bool(self._gone.poll(seconds * 1000))

    def succeeded(self) -> bool:
        """Whether it has ended with exit code 0. False, too, where the kernel doesn't say."""
        answer = bytearray(_INFO.pack(_EXIT, 0))
        with suppress(OSError):
            fcntl.ioctl(self._descriptor, _GET_INFO, answer)
            given, status = _INFO.unpack(answer)
            return bool(given & _EXIT) and status == 0
        return False

    def close(self) -> None:
        """Have no more to do with it."""
        os.close(self._descriptor)


def _version(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release)[:2])

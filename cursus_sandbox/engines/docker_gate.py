"""A gate in a container that has been started ahead: its first process waits there, and then becomes the job's own.

That process is a shell of the image, which opens a FIFO in one of the job's mounts and reads from it. It has opened two
more by then, as its stdout and stderr: what the job writes comes straight to us, so that the end of it is known at once
and not when the daemon says so. Then the FIFOs' names are taken away: nothing of them is left to be seen. When it is
told to go on it becomes `env`, which sets the job's variables and no others (a shell adds some, and loses those whose
names it can't spell), and that becomes Docker's init with the job's command: the same first process, with the same
arguments, as without a gate. When we die the FIFO's other end is closed, and the shell ends.
"""

from __future__ import annotations

import os
import selectors
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cursus_sandbox.engines.engine import Job, MountMode

SECONDS_TO_STAND = 10.0
INIT = "/sbin/docker-init"  # where the daemon shows it in a container (moby, daemon/oci_linux.go)
_OUTPUTS = (".1", ".2")
_PIECE = 65536
# To open one end of a FIFO waits for whoever has the other, who may have died: to open it both ways never does. What
# Docker itself sets is taken over from the shell's own variables; what follows is of the image and of the job.
_WAIT = (
    'command -v env >/dev/null && exec 3<>"$0.1" >/proc/self/fd/3 3<>"$0.2" 2>/proc/self/fd/3 '
    '3<>"$0" 4</proc/self/fd/3 3>&- && read -r _ <&4 || exit 125; '
    'exec env -i PATH="$PATH" HOSTNAME="$HOSTNAME" HOME="$HOME" "$@" 4<&-'
)


class NobodyThere(Exception):  # noqa: N818 - a turn in the road, not an error
    """The process that stood at a gate is gone: nothing of its job has begun."""


class Gate:
    """One gate, in a folder of this machine that the container has at `there`."""

    def __init__(self, folder: Path, there: PurePosixPath) -> None:
        name = f".{uuid.uuid4().hex}"
        self.folder = folder
        self.there = there / name
        self._here = folder / name
        self._names = [self._here, *(folder / f"{name}{one}" for one in _OUTPUTS)]
        self._standing: Future[int]
        for one in self._names:
            os.mkfifo(one, 0o600)
        self._outputs = [os.open(one, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) for one in self._names[1:]]
        self._left = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        nobody = os.open(self._here, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # or the next would wait for somebody
        self._end: int | None = os.open(self._here, os.O_WRONLY | os.O_CLOEXEC)
        os.close(nobody)

    def await_process(self, threads: ThreadPoolExecutor) -> None:
        """Begin to wait for a process to come: before its container is started, or it might find nobody and end."""
        beginning = threading.Event()

        def opened() -> int:
            beginning.set()
            return os.open(self._here, os.O_WRONLY | os.O_CLOEXEC)  # returns when somebody has opened it for reading

        self._standing = threads.submit(opened)
        beginning.wait()

    def stands(self, ended: Future[Any] | None) -> bool:
        """Wait until a process stands at the gate; whether one does. `ended` is when it has ended, None if it has."""
        if ended:
            wait([self._standing, ended], SECONDS_TO_STAND, FIRST_COMPLETED)
        stands = self._standing.done()
        if not stands:
            os.close(os.open(self._here, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        for name in self._names:
            name.unlink()
        os.close(self._standing.result())
        return stands

    def open(self) -> None:
        """Let the process go on; NobodyThere where there is none any more."""
        if self._end is not None:
            try:
                os.write(self._end, b"\n")
            except BrokenPipeError:
                raise NobodyThere from None
            os.close(self._end)
            self._end = None

    def follow(self, deliver: Callable[[bytes], None]) -> None:
        """Deliver what the process writes until all who may write have ended, or nobody is to follow any more."""
        with selectors.DefaultSelector() as waiting:
            for one in (*self._outputs, self._left):
                waiting.register(one, selectors.EVENT_READ)
            while len(waiting.get_map()) > 1:
                for key, _ in waiting.select():
                    if key.fd == self._left:
                        return
                    if data := os.read(key.fd, _PIECE):
                        deliver(data)
                    else:
                        waiting.unregister(key.fd)

    def leave(self) -> None:
        """Follow no more."""
        os.eventfd_write(self._left, 1)

    def close(self) -> None:
        """Have no more to do with it: a process that still waits ends."""
        for one in (self._end, self._left, *self._outputs):
            if one is not None:
                os.close(one)
        for name in self._names:
            name.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class GateLog:
    """What a process writes that was let through a gate; all of it is there when it has ended."""

    gate: Gate
    deliver: Callable[[bytes], None]

    def follow(self) -> None:
        """Deliver what comes until the end."""
        self.gate.follow(self.deliver)

    def cut(self) -> None:
        """Follow no more."""
        self.gate.leave()

    def complete(self, followed: Future[None]) -> None:
        """Nothing is missing."""
        followed.result()


def gate_of(job: Job) -> Gate | None:
    """Make a gate in a mount of a job that is the job's own to write to; None where there is no such folder."""
    for mount in job.mounts:
        if mount.mode is MountMode.WRITABLE and mount.source.is_dir():
            return Gate(mount.source, mount.target)
    return None


def behind(
    there: PurePosixPath, settings: Mapping[str, Any], image: Mapping[str, Any], *, init: Path
) -> dict[str, Any]:
    """Give a container's settings with its command behind a gate.

    `image` is the image's own `Config`, `init` the daemon's init on its machine.
    """
    variables = dict(one.partition("=")[::2] for one in (*(image.get("Env") or ()), *settings["Env"]))
    given = [f"{name}={value}" for name, value in variables.items()]
    mount = {"Type": "bind", "Source": str(init), "Target": INIT, "ReadOnly": True}
    host = settings["HostConfig"]
    return {
        **settings,
        "Entrypoint": ["/bin/sh", "-c", _WAIT, str(there)],
        "Cmd": [*given, INIT, "--", *_command(settings, image)],
        "HostConfig": {**host, "Init": False, "Mounts": [*host["Mounts"], mount]},
    }


def _command(settings: Mapping[str, Any], image: Mapping[str, Any]) -> Sequence[str]:
    """What Docker would start: an entry point drops the image's command, a command alone keeps its entry point."""
    if settings.get("Entrypoint"):
        return [*settings["Entrypoint"], *settings.get("Cmd", ())]
    return [*(image.get("Entrypoint") or ()), *(settings.get("Cmd") or image.get("Cmd") or ())]

"""A gate in a container that has been started ahead: its first process waits there, and then becomes the job's own.

That process is a shell of the image, which opens a FIFO in one of the job's mounts and reads from it. Once it has,
the FIFO's name is taken away: nothing of it is left to be seen. When it is told to go on it becomes `env`, which sets
the job's variables and no others (a shell adds some, and loses those whose names it can't spell), and that becomes
Docker's init with the job's command: the same first process, with the same arguments, as without a gate. When we die
the FIFO's other end is closed, and the shell ends.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from cursus_sandbox.engines.engine import Job, MountMode

SECONDS_TO_STAND = 10.0
INIT = "/sbin/docker-init"  # where the daemon shows it in a container (moby, daemon/oci_linux.go)
# To open a FIFO for reading waits for whoever writes, who may have died: to open it both ways never does. What Docker
# itself sets is taken over from the shell's own variables; what follows is of the image and of the job.
_WAIT = (
    'command -v env >/dev/null && exec 3<>"$0" 4</proc/self/fd/3 3>&- && read -r _ <&4 || exit 125; '
    'exec env -i PATH="$PATH" HOSTNAME="$HOSTNAME" HOME="$HOME" "$@" 4<&-'
)


class Gate:
    """One gate, in a folder of this machine that the container has at `there`."""

    def __init__(self, folder: Path, there: PurePosixPath) -> None:
        name = f".{uuid.uuid4().hex}"
        self.there = there / name
        self._here = folder / name
        self._opening: Future[int]
        self._end: int | None = None
        os.mkfifo(self._here, 0o600)

    def await_process(self, threads: ThreadPoolExecutor) -> None:
        """Begin to wait for a process to come: before its container is started, or it might find nobody and end."""
        beginning = threading.Event()

        def opened() -> int:
            beginning.set()
            return os.open(self._here, os.O_WRONLY | os.O_CLOEXEC)  # returns when somebody has opened it for reading

        self._opening = threads.submit(opened)
        beginning.wait()

    def stands(self, ended: Future[Any] | None) -> bool:
        """Wait until a process stands at the gate; whether one does. `ended` is when it has ended, None if it has."""
        if ended:
            wait([self._opening, ended], SECONDS_TO_STAND, FIRST_COMPLETED)
        stands = self._opening.done()
        if not stands:
            os.close(os.open(self._here, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        self._here.unlink()
        self._end = self._opening.result()
        return stands

    def open(self) -> None:
        """Let the process go on; it is known from its end, and not from here, whether it was still there."""
        if self._end is not None:
            with suppress(BrokenPipeError):
                os.write(self._end, b"\n")
        self.close()

    def close(self) -> None:
        """Have no more to do with it: a process that still waits ends."""
        if self._end is not None:
            os.close(self._end)
            self._end = None
        self._here.unlink(missing_ok=True)


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

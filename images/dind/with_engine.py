#!/usr/bin/env python3
"""Run a command with a Docker engine beside it: `with-engine COMMAND...` gives the command's exit code.

It needs `--privileged`, or where that is refused the capabilities that the documentation lists, with
`--security-opt seccomp=unconfined`. /var/lib/docker must be a volume or a tmpfs: overlays don't lie on overlays. Images
in `/images/*.tar` are loaded first. The engine has no bridge of its own: steps have no network unless they ask for one.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SOCKET = Path("/var/run/docker.sock")
LOG = Path("/var/log/dockerd.log")
CGROUPS = Path("/sys/fs/cgroup")
SECONDS = 60
WRITABLE = 0x20 | 0x1000 | 0x2 | 0x4 | 0x8  # MS_REMOUNT, MS_BIND; MS_NOSUID, MS_NODEV, MS_NOEXEC stay
DOCKERD = ("dockerd", "--bridge=none", "--iptables=false", "--ip-forward=false")


class Engine(http.client.HTTPConnection):
    """A connection to the engine."""

    def __init__(self) -> None:
        super().__init__("localhost")

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(SOCKET))


def main(command: list[str]) -> int:
    """Start the engine, run the command, end the engine."""
    prepare()
    with LOG.open("wb") as log, subprocess.Popen(DOCKERD, stdout=log, stderr=log, start_new_session=True) as engine:
        try:
            give_up = time.monotonic() + SECONDS
            while not answers():
                if engine.poll() is not None or time.monotonic() > give_up:
                    print(f"with-engine: the engine did not come up:\n{LOG.read_text()[-2000:]}", file=sys.stderr)
                    print("Run this container with --privileged, and /var/lib/docker on a volume.", file=sys.stderr)
                    return 4
                time.sleep(0.05)
            for image in sorted(Path("/images").glob("*.tar")):
                load(image)
            return run(command)
        finally:
            engine.terminate()


def prepare() -> None:
    """What a container that isn't privileged has read-only: its processes' settings, and its groups of them."""
    mount("proc", Path("/proc"), "proc")
    if (CGROUPS / "cgroup.controllers").exists():
        mount("", CGROUPS, "", WRITABLE)
        delegate()
    else:
        for group in CGROUPS.iterdir():
            mount("", group, "", WRITABLE)


def delegate() -> None:
    """Give groups below ours what ours may limit: the kernel asks that no process is in the group itself."""
    inner = CGROUPS / "with-engine"
    inner.mkdir(exist_ok=True)
    for process in (CGROUPS / "cgroup.procs").read_text().split():
        (inner / "cgroup.procs").write_text(process)
    controllers = (CGROUPS / "cgroup.controllers").read_text().split()
    (CGROUPS / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def mount(source: str, target: Path, kind: str, flags: int = 0) -> None:
    """Mount, where the kernel lets us; where it doesn't, the engine says what it lacks."""
    ctypes.CDLL(None).mount(source.encode(), os.fsencode(target), kind.encode(), flags, None)


def answers() -> bool:
    """Whether the engine can be asked."""
    engine = Engine()
    try:
        engine.request("GET", "/_ping")
        return engine.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        engine.close()


def load(image: Path) -> None:
    """Load what `docker save` wrote."""
    engine = Engine()
    with image.open("rb") as archive:
        engine.request("POST", "/images/load?quiet=1", archive, {"Content-Type": "application/x-tar"})
        answer = engine.getresponse()
        said = answer.read().decode()
    engine.close()
    if answer.status != http.HTTPStatus.OK or '"error"' in said:
        sys.exit(f"with-engine: {image} could not be loaded: {said.strip()}")


def run(command: list[str]) -> int:
    """Run the command to its end; it gets the signals that we get."""
    with subprocess.Popen(command) as running:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: running.send_signal(number))
        code = running.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A Docker daemon, or Podman's service, of a test's own, to be killed and started again: in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import ClassVar

import docker
import pytest
from image import test_image as image_for
from lacking import lacking
from requests.exceptions import RequestException

SECONDS = 60
# Its own mounts, network and processes: the first process there reaps, and takes all along when it ends.
NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")
PREPARED = (
    "cd {folder} && mkdir data && mount -t tmpfs none data && mount -t tmpfs none /run && "
    "mount -t tmpfs none /dev/shm && "
    "echo ready && exec docker-init -- sleep inf"
)


class OwnDaemon:
    """The daemon, by its socket; `start` waits until it answers."""

    required = "own-daemon"
    tools: ClassVar = ("dockerd", "docker-init", "unshare", "nsenter")

    def __init__(self, folder: Path, inside: int, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "daemon.sock"
        self.address = f"unix://{self.socket}"
        self._inside = inside
        self._options = options
        self._log = folder / "log"
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; what a killed one left is cleared, as an init system would."""
        for left in ("docker.pid", "exec/containerd/containerd.pid"):  # a name that another process has by now
            (self.folder / left).unlink(missing_ok=True)
        inside = ("nsenter", f"--target={self._inside}", "--mount", "--net", "--pid")
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen([*inside, *self._command()], stdout=log, stderr=log)
        give_up = time.monotonic() + SECONDS
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > give_up:
                pytest.fail(f"{self.tools[0]} did not come up:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    def _command(self) -> list[str]:
        settings = self.folder / "daemon.json"  # else this machine's own count
        settings.write_text("{}")
        return [
            *("dockerd", f"--config-file={settings}", f"--pidfile={self.folder}/docker.pid", f"--host={self.address}"),
            *(f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec"),
            *("--bridge=none", "--iptables=false", "--ip-forward=false", *self._options),
        ]

    def end(self, number: signal.Signals) -> None:
        """Send the daemon a signal and wait until it is gone."""
        assert self._daemon is not None
        children = Path(f"/proc/{self._daemon.pid}/task/{self._daemon.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), number)
        self._daemon.wait(SECONDS)

    def image(self) -> str:
        with closing(docker.APIClient(self.address)) as client:
            return image_for(client)

    def _answers(self) -> bool:
        with suppress(OSError, docker.errors.DockerException, RequestException):
            with socket.socket(socket.AF_UNIX) as knocking:  # the SDK leaves its own open where nobody is there
                knocking.connect(str(self.socket))
            with closing(docker.APIClient(self.address)) as client:
                return bool(client.ping())
        return False

    def wait(self) -> None:
        """Wait until it is gone, with all that was in its namespaces."""
        if self._daemon is not None:
            self._daemon.wait(SECONDS)


class OwnPodman(OwnDaemon):
    """Podman's service: a container has a monitor of its own, and doesn't notice when that goes."""

    required = "podman"
    tools: ClassVar = ("podman", "catatonit", "docker-init", "unshare", "nsenter")

    def _command(self) -> list[str]:
        settings = self.folder / "containers.conf"  # its own limits may be beyond this machine's
        settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n')
        return [
            *("env", f"CONTAINERS_CONF={settings}", "podman", f"--root={self.folder}/data", "--storage-driver=vfs"),
            *("system", "service", "--time=0", self.address),
        ]


@contextmanager
def own_daemon(*options: str, kind: type[OwnDaemon] = OwnDaemon) -> Iterator[OwnDaemon]:
    """A daemon that is up; skips with the sentence that says what is missing, or fails where it is required."""
    missing = [tool for tool in kind.tools if not shutil.which(tool)]
    why = f"{', '.join(missing)} is not installed" if missing else "" if os.geteuid() == 0 else "only root may do that"
    if why:
        lacking(kind.required, f"no daemon of the test's own can be started: {why}")
    with (
        tempfile.TemporaryDirectory(prefix="own-") as name,  # a unix socket's path has at most 107 bytes
        subprocess.Popen(
            [*NAMESPACES, "sh", "-c", PREPARED.format(folder=name)], stdout=subprocess.PIPE, text=True
        ) as namespaces,
    ):
        daemon = None
        try:
            assert namespaces.stdout is not None
            assert namespaces.stdout.readline() == "ready\n"
            children = Path(f"/proc/{namespaces.pid}/task/{namespaces.pid}/children").read_text().split()
            daemon = kind(Path(name), int(children[0]), *options)
            daemon.start()
            yield daemon
        finally:
            namespaces.kill()
            if daemon:
                daemon.wait()

"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own, that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from small_pipeline import wait_for

DASK = str(Path(sys.executable).with_name("dask"))


@dataclass
class DaskCluster:
    """The processes of a cluster. Their folder for temporary files is their own, as if they were on another host."""

    folder: Path
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    port: int = 0

    @property
    def address(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0"]
        self.scheduler = self._started("scheduler", DASK, "scheduler", *words)
        wait_for(lambda: "Scheduler at:" in self.log("scheduler"))

    def start_worker(self, name: str, *words: str, before: Sequence[str] = ()) -> None:
        there = ["--host", "127.0.0.1", "--no-nanny", "--no-dashboard", "--name", name, "--nthreads", "2"]
        self.workers[name] = self._started(
            name, *before, DASK, "worker", f"tcp://127.0.0.1:{self.port}", *there, *words, TMPDIR=str(self.folder)
        )
        wait_for(lambda: "Registered to:" in self.log(name))

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def kill(self, name: str) -> None:
        process = self.workers.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_scheduler(self) -> None:
        assert self.scheduler
        self.scheduler.send_signal(signal.SIGKILL)
        self.scheduler.wait()

    def _started(self, name: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(words, cwd=self.folder, env={**os.environ, **environment}, stdout=log, stderr=log)

    def end(self) -> None:
        for process in [*self.workers.values(), *([self.scheduler] if self.scheduler else [])]:
            process.kill()
            process.wait()


@contextmanager
def dask_cluster(folder: Path, *workers: str) -> Iterator[DaskCluster]:
    """A scheduler and workers of these names, which are gone afterwards."""
    cluster = DaskCluster(folder)
    try:
        cluster.start_scheduler()
        for name in workers:
            cluster.start_worker(name)
        yield cluster
    finally:
        cluster.end()

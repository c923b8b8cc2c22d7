"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own, that can be killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from small_pipeline import SmallPipeline, wait_for

from cursus_sandbox.pipeline.result import PipelineExecutionResult

WAITING = "print('waiting', flush=True)\nwhile not (IN / 'gate/go').exists(): time.sleep(0.05)\n"
DASK = str(Path(sys.executable).with_name("dask"))


@dataclass
class DaskCluster:
    """The processes of a cluster. Their folder for temporary files is their own, as if they were on another host."""

    folder: Path
    protocol: str = "tcp"
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    port: int = 0

    @property
    def address(self) -> str:
        return f"{'dask' if self.protocol == 'tcp' else 'dask+tls'}://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0"]
        self.scheduler = self._started("scheduler", DASK, "scheduler", "--protocol", self.protocol, *words)
        wait_for(lambda: "Scheduler at:" in self.log("scheduler"))

    def start_worker(self, name: str, *words: str, before: Sequence[str] = (), **environment: str) -> None:
        there = ["--host", "127.0.0.1", "--no-nanny", "--no-dashboard", "--name", name, "--nthreads", "2"]
        line = [*before, DASK, "worker", f"{self.protocol}://127.0.0.1:{self.port}", *there, *words]
        self.workers[name] = self._started(name, *line, **environment)
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
            environment = {**os.environ, "TMPDIR": str(self.folder), **environment}
            return subprocess.Popen(words, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def end(self) -> None:
        for process in [*self.workers.values(), *([self.scheduler] if self.scheduler else [])]:
            process.kill()
            process.wait()


@contextmanager
def dask_cluster(folder: Path, *workers: str, protocol: str = "tcp") -> Iterator[DaskCluster]:
    """A scheduler and workers of these names, which are gone afterwards."""
    cluster = DaskCluster(folder, protocol)
    try:
        cluster.start_scheduler()
        for name in workers:
            cluster.start_worker(name)
        yield cluster
    finally:
        cluster.end()


def branching(small: SmallPipeline) -> None:
    """Add four steps: one reads a file, one of two that read from it fails, and the last depends on that."""
    small.write("given/data.csv", "x\n1\n2\n")
    small.step("first", "print('hello'); say((IN / 'data/data.csv').read_text())", inputs={"data": {}})
    small.steps["first"]["inputs"]["data"] = str(small.folder / "given")
    small.step("left", "say('l' * 1000)", reads={"data": "first:out"}, resources={"cpus": 1, "memory": "200m"})
    small.step("right", "print('no'); sys.exit(3)", reads={"data": "first:out"})
    small.step("last", reads={"data": "right:out"})


def gated(small: SmallPipeline, name: str = "slow", script: str = "say('well')", **options) -> Path:
    """Add a step that waits for a file in a folder of the test's; gives the file."""
    gate = small.folder / f"gate-{name}"
    gate.mkdir()
    (gate / "closed").touch()
    small.step(name, WAITING + script, inputs={"gate": {}}, **options)
    small.steps[name]["inputs"]["gate"] = str(gate)
    return gate / "go"


@contextmanager
def command(small: SmallPipeline, cluster: DaskCluster, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A run on the cluster, as it is typed; killed if it still runs afterwards."""
    line = small.command("--scheduler", cluster.address, *words)
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def processes(word: str) -> list[str]:
    """The command lines of living processes that hold a word."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if word in line]


def refused(small: SmallPipeline, address: str, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        small.command("--scheduler", address, *words), capture_output=True, text=True, check=False, timeout=90
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def log_of(small: SmallPipeline, step: str) -> str:
    return "".join(log.read_text() for log in small.workspace.glob(f"runs/*/steps/{step}/log.txt"))


def comparable(result: PipelineExecutionResult) -> dict:
    """A result's JSON without what differs between any two runs: names, times, memory; and where it was."""
    written = json.dumps(result.model_dump(mode="json")).replace(str(result.folder), "RUN").replace(result.run, "RUN")
    read = json.loads(re.sub(r"attempt-([0-9a-f]{8}-)?1", "attempt-1", written))
    for one in (read, *read["steps"]):
        for name in ("started_at", "seconds", "peak_memory", "memory_peak", "execution_order"):
            one.pop(name, None)
    read["notes"] = [note for note in read["notes"] if not note.startswith("steps run on dask://")]
    return read


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}

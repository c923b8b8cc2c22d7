"""How a run on a Dask cluster would do at a size nobody has here: what is sent is measured, the rest is simulated.

    python tests/bench/scale.py --hosts 1000 --steps 100000 --seconds 60 --jobs 1000

Measured on this machine: the bytes of an errand and of its answer (of the steps of the example), the time to write down
how a step ended, and how long a scheduler and two workers are busy with a task that does nothing. Simulated are
steps of the same length, all of them ready, each passing through three clerks that do one thing at a time (the process
of the run, the scheduler, the disk with the journal), and a host.
"""

from __future__ import annotations

import argparse
import heapq
import pickle
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cursus_sandbox import __version__, plan
from cursus_sandbox.cluster.messages import Letter
from cursus_sandbox.runs.folders import RunFolder, write_json
from cursus_sandbox.secrets.secret_values import SecretValues
from cursus_sandbox.steps.site import Errand

ROOT = Path(__file__).parents[2]
DASK = str(Path(sys.executable).with_name("dask"))
ANSWER = 3.0  # kB: taken for a result with two reports and the manifest of a few files
WORD = 0.6  # kB: the last lines of a log, or what is used


@dataclass(frozen=True)
class Costs:
    """Seconds that each clerk is busy with one step, besides those with one word of it."""

    submit: float
    schedule: float
    write: float
    word: float


def letter_kb() -> float:
    """What is sent for a step of the example, on average."""
    planned = plan(ROOT / "examples/xgboost/dag.yaml")
    folder = RunFolder(Path("/shared/runs/20260101-000000-000"), {"cursus-sandbox.run": "20260101-000000-000"})
    sizes = []
    for step in planned.steps:
        sources = {one.channel: folder.path / "steps" / "before" / one.channel for one in step.inputs}
        errand = Errand(step, sources, folder, SecretValues())
        sizes.append(len(pickle.dumps(Letter("run", 1, errand, "docker", {}, tuple(sources.values()), 0.5))))
    return sum(sizes) / len(sizes) / 1000


def write_seconds() -> float:
    """How long it takes to have one small file safely on disk, under its name."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        begun = time.perf_counter()
        for number in range(50):
            write_json(Path(folder) / f"{number}.json", {"step": "x" * 2000})
        return (time.perf_counter() - begun) / 50


def dask_seconds(tasks: int, payload: bytes) -> tuple[float, float]:
    """Seconds to submit a task, and seconds from one answer to the next, of tasks that do nothing."""
    from distributed import Client

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/scheduler.json"
        words = ["--scheduler-file", file, "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        worker = ["--scheduler-file", file, "--no-nanny", "--no-dashboard", "--nthreads", "4", "--host", "127.0.0.1"]
        quiet = {"cwd": folder, "stderr": subprocess.DEVNULL}
        started = [subprocess.Popen([DASK, "scheduler", "--port", "0", *words], **quiet)]
        started += [subprocess.Popen([DASK, "worker", *worker], **quiet) for _ in range(2)]
        try:
            with Client(scheduler_file=file) as client:
                client.wait_for_workers(2)
                begun = time.perf_counter()
                futures = [client.submit(len, payload, pure=False) for _ in range(tasks)]
                sent = time.perf_counter()
                for one in futures:
                    one.result()
                return (sent - begun) / tasks, (time.perf_counter() - begun) / tasks
        finally:
            for one in started:
                one.kill()
                one.wait()


def simulated(steps: int, places: int, seconds: float, costs: Costs, words: float) -> tuple[float, dict[str, float]]:
    """How long a run takes in all, and how busy each clerk is, as a part of that; `words` are those of one step."""
    stages = [
        ("the run", costs.submit),
        ("the scheduler", costs.schedule + words * costs.word),
        ("a host", seconds),
        ("the run", words * costs.word),
        ("the journal", costs.write),
    ]
    free = dict.fromkeys(("the run", "the scheduler", "the journal"), 0.0)
    busy = dict.fromkeys(free, 0.0)
    waiting = [(0.0, 0)] * min(places, steps)  # since when, and for which of its stages, each step on its way waits
    begun, last = len(waiting), 0.0
    while waiting:
        now, stage = heapq.heappop(waiting)
        clerk, needs = stages[stage]
        if clerk in free:
            now = free[clerk] = max(free[clerk], now) + needs
            busy[clerk] += needs
        else:
            now += needs
        if stage + 1 < len(stages):
            heapq.heappush(waiting, (now, stage + 1))
            continue
        last = max(last, now)
        if begun < steps:
            begun += 1
            heapq.heappush(waiting, (now, 0))
    return last, {clerk: one / last for clerk, one in busy.items()}


def main() -> None:
    """Measure, simulate, and say what is full first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("hosts", 1000), ("steps", 100_000), ("seconds", 60), ("jobs", 1000), ("tasks", 500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--slots", type=int, default=4, help="steps at once on one host")
    asked = parser.parse_args()
    size = letter_kb()
    submit, through = dask_seconds(asked.tasks, bytes(int(size * 1000)))
    costs = Costs(submit=submit, schedule=through, write=write_seconds(), word=through / 10)
    pace = max(0.5, asked.hosts / 400)  # as cluster/site.py has it
    words = 4 + asked.seconds / pace
    places = min(asked.jobs, asked.hosts * asked.slots)
    took, busy = simulated(asked.steps, places, asked.seconds, costs, words)
    ideal = asked.steps * asked.seconds / places
    print(f"cursus-sandbox {__version__}: {asked.steps:,} steps of {asked.seconds} s, {places:,} at once")
    print(f"a step: {size:.1f} kB out, {ANSWER:.1f} kB back, {words:.0f} words of {WORD} kB")
    sent = asked.steps * (size + ANSWER + words * WORD) / 1e6
    print(f"through the scheduler: {sent:.1f} GB in {asked.steps * (2 + words):,.0f} messages; no data of steps")
    print(
        f"busy with a step: run {submit * 1e3:.2f} ms, scheduler {through * 1e3:.2f}, journal {costs.write * 1e3:.2f}"
    )
    print(f"{took / 60:.0f} minutes, {took / ideal - 1:.0%} over what the steps take; {asked.steps / took:.0f} steps/s")
    print(", ".join(f"{clerk} is busy {one:.0%} of the time" for clerk, one in busy.items()))


if __name__ == "__main__":
    main()

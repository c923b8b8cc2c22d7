"""What planning costs: `plan` of chains of 10 to 10,000 steps, whole processes, beside a process that only imports.

    python tests/bench/planning.py

Each row is the median of five runs taken in turn with the others. Memory is the largest resident set of the process
(ru_maxrss). Nothing here fails: it prints.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 5
LENGTHS = (10, 100, 1_000, 10_000)
IMPORTS = "import cursus_sandbox.api, cursus_sandbox.pipeline.resolver"


def chain(length: int, folder: Path) -> Path:
    """A Cursus graph of so many steps in a row."""
    nodes = ["DummyDataLoading", *(f"TabularPreprocessing_{number}" for number in range(length - 1))]
    edges = [[nodes[max(0, place - 1)], nodes[place]] for place in range(1, length)]
    file = folder / f"chain-{length}.dag.json"
    file.write_text(json.dumps({"dag": {"nodes": nodes, "edges": edges}, "metadata": {}}))
    return file


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Seconds and MB of a whole process."""
    began = time.monotonic()
    process = os.posix_spawn(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Run every command in turn, and print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        plan = [sys.executable, "-m", "cursus_sandbox", "plan", "--format", "dot"]
        commands = {"imports only": [sys.executable, "-c", IMPORTS]}
        commands |= {f"{length} steps": [*plan, str(chain(length, Path(folder)))] for length in LENGTHS}
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                taken[name].append(measured(command))
    floor = statistics.median(memory for _, memory in taken["imports only"])
    print(f"{'plan of':<14}{'seconds':>10}{'MB':>8}{'MB above imports':>18}")
    for name, runs in taken.items():
        seconds, memory = (statistics.median(values) for values in zip(*runs, strict=True))
        print(f"{name:<14}{seconds:>10.2f}{memory:>8.0f}{memory - floor:>18.0f}")


if __name__ == "__main__":
    main()

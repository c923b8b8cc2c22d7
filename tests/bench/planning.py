"""What planning costs: `plan` of chains of 10 to 10,000 steps, whole processes, beside a process that only imports.

    python tests/bench/planning.py

Each row is the median of five runs taken in turn with the others; the last column is the time of ten times the steps
over this one's, both without the imports: 10 is linear. Memory is the largest resident set of the process (ru_maxrss).
Nothing here fails: it prints.
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


def configuration(length: int, folder: Path, *, named: bool) -> Path:
    """A Cursus configuration for each step of a chain, under the step's name, or found by job type alone."""
    keys = ["DummyDataLoading", *(f"TabularPreprocessing_{number}" for number in range(length - 1))]
    specific = {
        (key if named else f"settings-{number}"): {
            "__model_type__": "TabularPreprocessingConfig" if number else "DummyDataLoadingConfig",
            "job_type": str(number - 1) if number else "training",
            "label_name": "y",
        }
        for number, key in enumerate(keys)
    }
    file = folder / f"config-{length}-{named}.json"
    content = {"configuration": {"shared": {}, "specific": specific}, "metadata": {"config_types": {}}}
    file.write_text(json.dumps(content))
    return file


def commands(folder: Path) -> dict[str, list[list[str]]]:
    """What is run: for each kind of plan, the command for each length."""
    graphs = [chain(length, folder) for length in LENGTHS]
    by_name = [configuration(length, folder, named=True) for length in LENGTHS]
    by_job_type = [configuration(length, folder, named=False) for length in LENGTHS]
    plan = [sys.executable, "-m", "cursus_sandbox", "plan"]
    return {
        "plan --format dot": [[*plan, str(graph), "--format", "dot"] for graph in graphs],
        "plan": [[*plan, str(graph)] for graph in graphs],
        "plan --json": [[*plan, str(graph), "--json"] for graph in graphs],
        "plan --config, by name": [
            [*plan, str(graph), "--config", str(file)] for graph, file in zip(graphs, by_name, strict=True)
        ],
        "plan --config, by job type": [
            [*plan, str(graph), "--config", str(file)] for graph, file in zip(graphs, by_job_type, strict=True)
        ],
        "plan --explain-config": [
            [*plan, str(graph), "--config", str(file), "--explain-config"]
            for graph, file in zip(graphs, by_name, strict=True)
        ],
    }


def main() -> None:
    """Run every command in turn, and print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        imports = [sys.executable, "-c", IMPORTS]
        kinds = commands(Path(folder))
        taken: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):
            taken.setdefault(("imports", 0), []).append(measured(imports))
            for kind, lines in kinds.items():
                for length, line in zip(LENGTHS, lines, strict=True):
                    taken.setdefault((kind, length), []).append(measured(line))
    medians = {
        key: tuple(statistics.median(values) for values in zip(*runs, strict=True)) for key, runs in taken.items()
    }
    least, floor = medians.pop(("imports", 0))
    print(f"imports only: {least:.2f} s, {floor:.0f} MB\n")
    print(f"{'':<28}{'steps':>7}{'seconds':>9}{'MB above imports':>18}{'10 times as many':>18}")
    for (kind, length), (seconds, memory) in medians.items():
        more = medians.get((kind, length * 10))
        ratio = f"{(more[0] - least) / (seconds - least):18.1f}" if more and seconds > least else ""
        print(f"{kind:<28}{length:>7,}{seconds:>9.2f}{memory - floor:>18.0f}{ratio}")


if __name__ == "__main__":
    main()

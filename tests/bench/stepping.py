"""What a step costs beside its own work: a chain of ten trivial steps, on each engine, beside ten bare processes.

    python tests/bench/stepping.py

Whole processes, the median of five runs taken in turn. The docker row needs a daemon and an image with Python
(`make images`), and is left out with a word where there is none. Nothing here fails: it prints.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cursus_sandbox.engines.docker import why_absent

ROUNDS = 5
LENGTH = 10
IMAGE = "cursus-sandbox-base:latest"
SCRIPT = "#!/bin/sh\necho 1 > /opt/ml/processing/output/one.txt\n"
CONTRACT = """
step_type: Pass
registry: {sagemaker_step_type: Processing}
contract:
  entry_point: pass.sh
  inputs: {given: {path: /opt/ml/processing/input/given, required: false}}
  outputs: {left: {path: /opt/ml/processing/output}}
spec: {outputs: {left: {type: processing_output, aliases: [given]}}, dependencies: {given: {type: processing_output}}}
"""


def pipeline(folder: Path) -> Path:
    """A chain of steps that each write one small file."""
    (folder / "pass.step.yaml").write_text(CONTRACT)
    (folder / "pass.sh").write_text(SCRIPT)
    steps = "".join(f"  Pass_{n}: {{depends_on: [{f'Pass_{n - 1}' if n else ''}]}}\n" for n in range(LENGTH))
    (folder / "dag.yaml").write_text(f"source_dir: .\ncontracts: .\nsteps:\n{steps}")
    return folder / "dag.yaml"


def main() -> None:
    """Run every way in turn, and print the medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = [
            sys.executable,
            "-m",
            "cursus_sandbox",
            "run",
            str(pipeline(folder)),
            "--workspace",
            str(folder / "runs"),
        ]
        ways = {
            "ten bare sh": ["sh", "-c", f"for n in $(seq {LENGTH}); do sh -c 'echo 1' ; done"],
            "--version": [sys.executable, "-m", "cursus_sandbox", "--version"],
            "local": [*run, "--engine", "local"],
        }
        if (away := why_absent()) is None:
            ways["docker"] = [*run, "--engine", "docker", "--image", IMAGE]
        else:
            print(f"docker is left out: {away}")
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, command in ways.items():
                began = time.monotonic()
                subprocess.run(command, check=True, capture_output=True)
                taken[way].append(time.monotonic() - began)
    floor = statistics.median(taken["--version"])
    print(f"{'chain of ten':<14}{'seconds':>10}{'ms a step above --version':>28}")
    for way, seconds in taken.items():
        median = statistics.median(seconds)
        a_step = f"{(median - floor) / LENGTH * 1000:>28.0f}" if way in {"local", "docker"} else ""
        print(f"{way:<14}{median:>10.2f}{a_step}")


if __name__ == "__main__":
    main()

"""Runs that are killed outright at random moments: a few of those that tests/bench/chaos.py does by the hundred."""

import subprocess
import sys
from pathlib import Path

import pytest
from places import image, local

__all__ = ["image", "local"]

CHAOS = Path(__file__).parents[1] / "bench/chaos.py"


@pytest.mark.parametrize(
    ("engine", "runs"), [("local", 4), pytest.param("docker", 2, marks=[pytest.mark.docker, pytest.mark.images])]
)
def test_killed_runs_are_picked_up(engine, runs, request):
    """Whenever it is killed: the same bytes in the end, nothing that was published is run again, nothing is left."""
    request.getfixturevalue({"local": "local", "docker": "image"}[engine])
    command = [sys.executable, CHAOS, "--runs", str(runs), "--engine", engine]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{runs} runs of 10 steps on the {engine} engine, seeds 1 to {runs}, " in done.stdout
    assert " 0 broken" in done.stdout

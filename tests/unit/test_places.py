"""Paths of a worker's host, turned back into the run's."""

import json
import shlex
import subprocess
from pathlib import Path

from cursus_sandbox.cluster.places import Places
from cursus_sandbox.pipeline.result import MountRow, StepExecutionResult, StepStatus

RUN = Path('/home/o\'neill/my "own" runs/7')
HERE = Path("/scratch/errands/1~/runs/7")
DATA = Path("/data")
WORKSPACE = RUN.parents[1]
PLACES = Places({RUN: HERE, DATA: Path("/scratch/errands/1~/given/0/data"), WORKSPACE: Path("/scratch/errands/1~")})


def test_where_a_path_is():
    """What lies below one of the paths lies below its place."""
    assert PLACES.at(RUN / "steps/a") == HERE / "steps/a"
    assert PLACES.at(DATA) == Path("/scratch/errands/1~/given/0/data")


def test_a_value_with_the_paths_of_the_run():
    """Paths and texts of a result are the run's again, whatever else it says stays."""
    result = StepExecutionResult(
        step="a",
        status=StepStatus.FAILED,
        why=f"see {HERE}/log.txt",
        outputs={"out": HERE / "out"},
        mounts=(MountRow(path="/opt/ml", source=PLACES.at(DATA) / "x", mode="private"),),
    )
    back = PLACES.value(result)
    assert back.why == f"see {RUN}/log.txt"
    assert back.outputs == {"out": RUN / "out"}
    assert back.mounts[0].source == DATA / "x"
    assert (back.status, back.step, back.mounts[0].path) == (StepStatus.FAILED, "a", "/opt/ml")


def test_files_of_ours_with_the_paths_of_the_run():
    """In JSON and in a shell's script a path of the run is read as what it is, whatever characters it has."""
    assert json.loads(PLACES.json(json.dumps({"log": str(HERE / "log.txt")}))) == {"log": str(RUN / "log.txt")}
    script = PLACES.script(f"printf %s {shlex.quote(str(HERE / 'a file'))}")
    kept = {"staging": {"workspace": "/scratch/errands/1~", "copies": [f"{DATA}/x", f"{PLACES.at(DATA)}/x"]}}
    assert json.loads(PLACES.json(json.dumps(kept))) == {
        "staging": {"workspace": str(WORKSPACE), "copies": [f"{DATA}/x", f"{DATA}/x"]}
    }
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == str(RUN / "a file")

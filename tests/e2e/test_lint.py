"""Warnings of what AWS would refuse: in plan and check, and as errors with --strict."""

import json
import subprocess
import sys

import pytest

DAG = "contracts: .\nsource_dir: .\nsteps:\n  Load:\n    env: {LONG: %s}\n"
LOAD = "step_type: Load\ncontract: {entry_point: load.py}\n"
SCRIPT = "import os\n\ndef main(*_):\n    print(os.environ.get('SM_HOSTS'))\n"
LONG = "env: LONG has 257 characters; a value of Environment has at most 256"
READS = "load.py:4 reads SM_HOSTS: a processing job has none but those in its Environment"


@pytest.fixture
def command(tmp_path):
    """Run the command in a folder with a pipeline that AWS would not take as it is."""
    (tmp_path / "dag.yaml").write_text(DAG % ("x" * 257))
    (tmp_path / "load.step.yaml").write_text(LOAD)
    (tmp_path / "load.py").write_text(SCRIPT)

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "cursus_sandbox", *words],
            cwd=tmp_path,
            env={"COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_warnings_are_shown(command):
    """Check and plan name each field and its limit, and go on."""
    checked = command("check", "dag.yaml")
    assert (checked.returncode, checked.stdout.splitlines()) == (
        0,
        ["dag.yaml: ok, 1 step", f"warning: Load: {LONG}", f"warning: Load: {READS}"],
    )
    planned = command("plan", "dag.yaml").stdout
    assert f"  warning  {LONG}" in planned
    assert f"  warning  {READS}" in planned
    assert json.loads(command("check", "dag.yaml", "--json").stdout)["warnings"] == [f"Load: {LONG}", f"Load: {READS}"]


@pytest.mark.parametrize("words", [("check",), ("plan",), ("run", "--engine", "process")])
def test_strict_takes_them_for_errors(command, tmp_path, words):
    """With --strict each is an error of its step, with file and line, and nothing is started."""
    ended = command(*words, "dag.yaml", "--strict")
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"error: dag.yaml:4: step 'Load': {LONG}",
        f"dag.yaml:4: step 'Load': {READS}",
        "--strict: what AWS would refuse or lose is an error.",
    ]
    assert not (tmp_path / ".cursus-sandbox").exists()

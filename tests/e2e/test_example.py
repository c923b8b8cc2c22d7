"""The shipped example, through the installed command."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from lacking import lacking

EXAMPLE = Path(__file__).parents[2] / "examples" / "xgboost"
REQUIREMENTS = Path(__file__).parents[2] / "images" / "xgb" / "requirements.txt"
COMMAND = str(Path(sys.executable).with_name("cursus-sandbox"))
TELLS_THE_TIME = {"XGBoostModelEval_calibration/outputs/metrics_output/_HEALTH"}
LEFT_BY_DUNDER_MAIN = {
    f"XGBoostModelEval_calibration/outputs/metrics_output/{name}" for name in ("_HEALTH", "_SUCCESS")
}
STEPS = 10


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example that takes 6,000 flights."""
    _needs("local", *(one for one in _versions() if "not installed" in one))
    copy = shutil.copytree(EXAMPLE, tmp_path / "example")
    document = copy / "dag.yaml"
    text, times = re.subn(r'MAX_ROWS: "\d+"', 'MAX_ROWS: "6000"', document.read_text(encoding="utf-8"))
    assert times == 1
    document.write_text(text, encoding="utf-8")
    return copy


def run(example: Path, *words: str) -> tuple[int, str, Path]:
    """Exit code, summary and run folder of the installed command."""
    workspace = example / f"workspace-{'-'.join(words).replace('/', '')}"
    command = [COMMAND, "run", str(example / "dag.yaml"), "--workspace", str(workspace), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 4:
        reason = done.stderr.partition("error: ")[2]
        lacking("docker", reason)
    assert workspace.is_dir(), done.stderr
    (folder,) = (workspace / "runs").iterdir()
    return done.returncode, done.stdout + done.stderr, folder


def digests(run_folder: Path) -> dict[str, str]:
    """The published files of a run, each with its SHA-256."""
    steps = run_folder / "steps"
    return {
        str(file.relative_to(steps)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(steps.glob("*/outputs/**/*"))
        if file.is_file()
    }


def check_summary(summary: str) -> None:
    assert f"ok: {STEPS} succeeded" in summary
    for line in re.findall(r"^[A-Z]\S* +succeeded .*$", summary, re.MULTILINE):
        assert re.fullmatch(r"\S+ +succeeded +\d+\.\d +\d+ MB", line), line  # seconds and peak memory of every step
    assert len(re.findall(r"^[A-Z]\S* +succeeded ", summary, re.MULTILINE)) == STEPS
    assert float(re.search(r"\bauc_roc +(0\.\d+)", summary)[1]) > 0.6


def containers(run_folder: Path) -> str:
    label = f"label=cursus-sandbox.run={run_folder.name}"
    listing = [["docker", "ps", "-aq", "--filter", label], ["docker", "volume", "ls", "-q", "--filter", label]]
    return "".join(subprocess.run(one, capture_output=True, text=True, check=True).stdout for one in listing)


def test_on_this_machine(example):
    """The example runs, in sandboxes and as plain processes: its AUC makes sense, and nothing is left running.

    Each script's main, called on this machine, leaves what the script leaves in a sandbox, but for its markers.
    """
    code, summary, sandboxed = run(example, "--engine", "local")
    assert code == 0, summary
    check_summary(summary)
    names = ["events.jsonl", "plan.json", "request.json", "result.json", "steps"]
    assert sorted(path.name for path in sandboxed.iterdir()) == names
    left = {path.name for step in (sandboxed / "steps").iterdir() for path in step.iterdir()}
    assert left == {"log.txt", "outputs", "record.json", "step.json"}
    code, summary, plain = run(example, "--engine", "process")
    assert code == 0, summary
    check_summary(summary)
    assert "note: nothing was isolated" in summary
    process, local = digests(plain), digests(sandboxed)
    assert local.keys() - process.keys() == LEFT_BY_DUNDER_MAIN
    assert {name for name in process if process[name] != local[name]} == set()
    assert _processes(str(example)) == []


def test_on_no_data_at_all(example):
    """The example runs to its end on made-up flights, and its model learns from them."""
    code, summary, folder = run(example, "--engine", "local", "--data-source", "synthetic", "--rows", "3000")
    assert code == 0, summary
    check_summary(summary)
    assert [file.name for file in (folder / "inputs/DummyDataLoading/INPUT_DATA").iterdir()] == ["part-0.parquet"]


@pytest.mark.docker
@pytest.mark.images
def test_both_engines_give_the_same_bytes(example):
    """Every published file is the same from containers as from local sandboxes, but for the one that tells the time."""
    _needs("docker", *_versions())
    code, summary, in_containers = run(example, "--engine", "docker", "--image", "xgb:latest")
    assert code == 0, summary
    check_summary(summary)
    assert containers(in_containers) == ""
    code, summary, here = run(example, "--engine", "local")
    assert code == 0, summary
    docker, local = digests(in_containers), digests(here)
    assert docker.keys() == local.keys()
    assert {name for name in docker if docker[name] != local[name]} <= TELLS_THE_TIME
    assert len(docker) > 2 * STEPS


def _needs(name: str, *wrong: str) -> None:
    """Skip for what is wrong, with the sentence that says how to put it right; fail where it is required."""
    if not wrong:
        return
    reason = f"{'; '.join(wrong)}: pip install -e '.[example]' -c images/xgb/requirements.txt"
    lacking(name, reason)


def _versions() -> Iterator[str]:
    """How the libraries here differ from the image's: where they do, the same bytes can't be expected."""
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"([A-Za-z0-9_.-]+)==(\S+)(?:\s+#.*)?", line.strip()):
            try:
                here = version(found[1])
            except PackageNotFoundError:
                here = "not installed"
            if here != found[2]:
                yield f"{found[1]} is {here} here and {found[2]} in the image"


def _processes(word: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found

"""`init`: what it writes can be checked and run, or it says precisely what is missing; nothing is written over."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCORE = """\
import csv, os
from pathlib import Path

rows = list(csv.DictReader(Path("/opt/ml/processing/input/people/people.csv").open()))
with Path("/opt/ml/processing/output/scores/scores.csv").open("w", newline="") as file:
    written = csv.writer(file)
    written.writerow(["id", "score"])
    written.writerows([row["id"], float(row["age"]) * float(os.environ["WEIGHT"])] for row in rows)
"""
PREPARE = """\
import pandas as pd
table = pd.read_csv("/opt/ml/processing/input/rows.csv")
table.to_csv("/opt/ml/processing/train/rows.csv", index=False, header=False)
"""

TRAIN = """\
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
parser.add_argument("--depth", type=int, required=True)
parser.add_argument("--loss", choices=["l1", "l2"], required=True)
told = parser.parse_args()
rows = sum(len(file.read_text().splitlines()) - 1 for file in pathlib.Path(told.train).glob("*.csv"))
json.dump([told.depth, told.loss, rows], open(os.path.join("/opt/ml/model", "model.json"), "w"))
"""


def cursus_sandbox(*words, cwd, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CURSUS_SANDBOX")}
    return subprocess.run(
        [sys.executable, "-m", "cursus_sandbox", *words],
        cwd=cwd,
        env=kept | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("example", ["starter", "xgboost"])
def test_an_example_runs_where_nothing_can_isolate(tmp_path, example):
    """What is begun from an example runs on the process engine, too: a newcomer's machine may allow no other."""
    assert cursus_sandbox("init", "first", "--example", example, cwd=tmp_path).returncode == 0
    ended = cursus_sandbox("run", "first/dag.yaml", "--engine", "process", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout


def test_what_comes_next_can_be_typed(tmp_path):
    """A folder's name with blanks is quoted in the commands that come next."""
    said = cursus_sandbox("init", "my first", cwd=tmp_path).stdout
    assert "next: cursus-sandbox check 'my first/dag.yaml'\n" in said


def commands_of(said):
    """The commands that it says come next, without the program's name."""
    lines = said[said.index("next: ") :].removeprefix("next: ").splitlines()
    return [line.split()[1:] for line in lines]


def run_what_comes_next(said, cwd):
    commands = commands_of(said)
    assert [command[0] for command in commands] == ["check", "run"]
    for command in commands:
        ended = cursus_sandbox(*command, cwd=cwd)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("words", [["first"], [], ["a/deep/one", "--example", "starter"]], ids=" ".join)
def test_an_example_runs(tmp_path, words):
    """What comes next after the example is written succeeds as it is typed."""
    ended = cursus_sandbox("init", *words, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    run_what_comes_next(ended.stdout, tmp_path)


def test_the_flights(tmp_path):
    """The large example is written with all that its check asks for."""
    ended = cursus_sandbox("init", "flights", "--example", "xgboost", cwd=tmp_path)
    assert ended.returncode == 0
    assert cursus_sandbox("check", "flights/dag.yaml", cwd=tmp_path).returncode == 0


def test_a_script(tmp_path):
    """A script's contract is drafted with lines, and runs on synthetic data."""
    (tmp_path / "score.py").write_text(SCORE)
    ended = cursus_sandbox("init", "--from-script", "score.py", cwd=tmp_path)
    assert ended.returncode == 0
    contract = (tmp_path / "contracts/score.step.yaml").read_text()
    assert "people: # score.py:4" in contract
    assert "- WEIGHT # score.py:8" in contract
    run_what_comes_next(ended.stdout, tmp_path)


def test_a_training_script_elsewhere(tmp_path):
    """Required arguments of a training script become hyperparameters; it stays where it is."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text(TRAIN)
    ended = cursus_sandbox("init", "project", "--from-script", "code/train.py", cwd=tmp_path)
    assert ended.returncode == 0
    run_what_comes_next(ended.stdout, tmp_path)
    (model,) = (tmp_path / ".cursus-sandbox").glob("runs/*/steps/Train/outputs/model_output/*")
    assert model.name == "model.tar.gz"


def test_scripts_that_feed_each_other(tmp_path):
    """What a script reads and one before it leaves is wired, and runs; a channel it may do without is told of."""
    (tmp_path / "prepare.py").write_text(PREPARE)
    (tmp_path / "train.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "rows = (Path(os.environ['SM_CHANNEL_TRAIN']) / 'rows.csv').read_text()\n"
        "extra = os.environ.get('SM_CHANNEL_VALIDATION')\n"
        "Path(os.environ['SM_MODEL_DIR'], 'model.txt').write_text(rows)\n"
    )
    (tmp_path / "evaluate.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "print(os.listdir('/opt/ml/processing/model'), Path('/opt/ml/processing/model/model.tar.gz').stat())\n"
    )
    words = ("--from-script", "prepare.py", "--from-script", "train.py", "--from-script", "evaluate.py")
    ended = cursus_sandbox("init", *words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    document = (tmp_path / "dag.yaml").read_text()
    assert "train: Prepare:train # a guess" in document
    assert "model: Train:model_output # a guess" in document
    contract = (tmp_path / "contracts/train.step.yaml").read_text()
    assert "required: true # or false: train.py:4 may do without it" in contract
    run_what_comes_next(ended.stdout, tmp_path)
    (log,) = (tmp_path / ".cursus-sandbox").glob("runs/*/steps/Evaluate/log.txt")
    assert "model.tar.gz" in log.read_text()


def test_the_scripts_of_the_example(tmp_path):
    """All scripts of the large example are read: eight steps, each with the channels of its real contract."""
    scripts = sorted((ROOT / "examples/xgboost/scripts").glob("*.py"))
    words = [word for script in scripts for word in ("--from-script", str(script))]
    ended = cursus_sandbox("init", *words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    for contract in (ROOT / "contracts").glob("*.step.yaml"):
        meant, drafted = (
            json.loads(cursus_sandbox("contracts", "show", name, *more, "--json", cwd=tmp_path).stdout)
            for name, more in ((_type(contract), ["--contracts", str(ROOT / "contracts")]), (_type(contract), []))
        )
        for side in ("inputs", "outputs"):
            paths = {name: one["path"] for name, one in meant[side].items()}
            found = {name: one["path"] for name, one in drafted[side].items()}
            assert found == paths, contract


def _type(contract):
    return next(line.split()[1] for line in contract.read_text().splitlines() if line.startswith("step_type:"))


def test_a_graph(tmp_path):
    """A document stands on the graph; what is missing is said with what to write, and can be written so."""
    graph = {"dag": {"nodes": ["CradleDataLoading", "Score_late"], "edges": [["CradleDataLoading", "Score_late"]]}}
    (tmp_path / "churn.dag.json").write_text(json.dumps(graph))
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps/cradle.step.yaml").write_text(
        "step_type: CradleDataLoading\nregistry: {sagemaker_step_type: CradleDataLoading}\n"
        "contract: {entry_point: x.py, outputs: {DATA: {path: /opt/ml/processing/output/place_holder}}}\n"
    )
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/score.py").write_text("import os; print(os.listdir('/opt/ml/processing/input/data'))\n")
    ended = cursus_sandbox("init", "--from-dag", "churn.dag.json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "note: Score has no contract: a stub of one is drafted" in ended.stdout
    assert "left to fill in, 1 thing:" in ended.stdout
    document = tmp_path / "dag.yaml"
    assert "    # outputs: {DATA: ./folder}" in document.read_text()
    document.write_text(document.read_text().replace("# outputs", "outputs"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/x.csv").write_text("a\n1\n")
    assert cursus_sandbox("check", "dag.yaml", cwd=tmp_path).returncode == 0
    assert cursus_sandbox("run", "dag.yaml", cwd=tmp_path).returncode == 0


def test_a_module_is_read_not_run(tmp_path):
    """A module's graph is written beside the document as JSON; the module itself is never run."""
    (tmp_path / "pipe.py").write_text("open('run', 'w')\ndag = PipelineDAG(nodes=['Package'], edges=[])\n")
    assert cursus_sandbox("init", "--from-dag", "pipe.py", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "run").exists()
    assert json.loads((tmp_path / "pipe.dag.json").read_text())["dag"]["nodes"] == ["Package"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--example", "xgbost"], 2, "there is no example 'xgbost'\n  Did you mean 'xgboost'?"),
        (["--from-dag", "gone.json"], 2, "gone.json: the document does not exist"),
        (["--from-script", "gone.py"], 2, "gone.py: the document does not exist"),
        (["--from-script", "bad.py"], 2, "bad.py:1: this is not Python"),
        (["--from-script", "bad.py", "--example", "starter"], 2, "it can't stand beside --example"),
        (["bad.py"], 2, "bad.py is no folder"),
        (["bad.py/x"], 4, "can't be written: Not a directory"),
        (["there"], 2, "there/dag.yaml is there already\n"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_what_is_refused(tmp_path, words, code, said):
    """What can't be done is said, with what to do, and nothing is written."""
    (tmp_path / "bad.py").write_text("(")
    (tmp_path / "there").mkdir()
    (tmp_path / "there/dag.yaml").write_text("mine")
    ended = cursus_sandbox("init", *words, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert said in ended.stderr
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["bad.py", "there", "there/dag.yaml"]


def test_an_installed_wheel_has_the_examples(tmp_path):
    """From a wheel, with no clone beside it, the example is written and runs."""
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", f"--wheel-dir={tmp_path}", str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        pytest.skip(f"no wheel can be built here: {built.stderr.strip().splitlines()[-1]}")
    (wheel,) = tmp_path.glob("*.whl")
    packages, project = tmp_path / "packages", tmp_path / "project"
    zipfile.ZipFile(wheel).extractall(packages)
    project.mkdir()
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from cursus_sandbox.cli import main; main()"
    for words in (["init"], ["check", "dag.yaml"], ["run", "dag.yaml"], ["init", "x", "--example", "xgboost"]):
        ended = subprocess.run(
            [sys.executable, "-c", program, str(packages), *words],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert shutil.which("python") is None or not list(project.rglob("__pycache__"))

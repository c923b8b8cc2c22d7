"""A configuration on the command line: --config, and `plan --explain-config`."""

import json
import subprocess
import sys

import pytest

DAG = "contracts: .\nsource_dir: .\nsteps:\n  Load_training: {}\n  Load_delta: {}\n"
LOAD = "step_type: Load\ncontract: {entry_point: load.py, env_vars: {optional: {LABEL_FIELD: label}}}\n"
CONFIG = {
    "configuration": {
        "specific": {
            "Load_training": {"__model_type__": "LoadConfig", "job_type": "training", "label_name": "late"},
            "Load_other": {"__model_type__": "LoadConfig", "job_type": "delta", "label_name": "early"},
        }
    }
}


@pytest.fixture
def command(tmp_path):
    """Run the command in a folder with a pipeline and its configuration."""
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "load.step.yaml").write_text(LOAD)
    (tmp_path / "load.py").touch()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))

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


def test_plan_shows_the_configuration(command):
    """A plan names each step's configuration and which of its values each variable is."""
    said = command("plan", "dag.yaml", "--config", "config.json").stdout
    assert "config   Load_training  (direct name, 1.00)" in said
    assert "LABEL_FIELD=early  (config: Load_other.label_name)" in said
    assert "Configurations" not in said


def test_run_with_a_configuration(command, tmp_path):
    """A script that is run sees the values of its step's configuration."""
    script = "def main(inputs, outputs, variables, arguments): print('label is', variables['LABEL_FIELD'])"
    (tmp_path / "load.py").write_text(script)
    ended = command("run", "dag.yaml", "--config", "config.json", "--engine", "process", "--json")
    assert ended.returncode == 0, ended.stderr
    logs = {file.parent.name: file.read_text() for file in tmp_path.glob(".cursus-sandbox/runs/*/steps/*/log.txt")}
    assert logs == {"Load_training": "label is late\n", "Load_delta": "label is early\n"}


def test_a_drawing_explains_no_configuration(command):
    """--explain-config with a drawing is refused: it would say nothing."""
    ended = command("plan", "dag.yaml", "--config", "config.json", "--explain-config", "--format", "dot")
    assert ended.returncode == 2
    assert "leave --format dot away" in ended.stderr
    assert ended.stdout == ""


def test_explain_config(command):
    """--explain-config lists what each step took and what else it might have, with the reason of each."""
    ended = command("plan", "dag.yaml", "--config", "config.json", "--explain-config")
    assert ended.stdout.partition("\nConfigurations\n")[2].splitlines() == [
        "Load_training",
        "  takes   Load_training  (direct name, 1.00): the step's name",
        "  not     Load_other  (semantic similarity, 0.56): same step type, for another job type (delta)",
        "Load_delta",
        "  takes   Load_other  (job type and config type, 0.94): same step type, same job type (delta)",
        "  not     Load_training  (semantic similarity, 0.56): same step type, for another job type (training)",
    ]


def test_explain_config_in_json(command):
    """With --json the same stands in each step's `config`."""
    ended = command("plan", "dag.yaml", "--config", "config.json", "--explain-config", "--json")
    first, second = (step["config"] for step in json.loads(ended.stdout)["steps"])
    assert first["chosen"] == {
        "key": "Load_training",
        "tier": "direct name",
        "confidence": 1.0,
        "reason": "the step's name",
    }
    assert [one["key"] for one in second["others"]] == ["Load_training"]


def test_nothing_to_explain(command):
    """Without a configuration --explain-config says how to give one."""
    said = command("plan", "dag.yaml", "--explain-config").stdout
    assert "Load_delta  (no configuration was given: --config FILE, or config: in the document)" in said


def test_check_reads_the_configuration(command, tmp_path):
    """A configuration that is wrong ends `check` with exit code 2, naming file, line and key."""
    assert command("check", "dag.yaml", "--config", "config.json").returncode == 0
    (tmp_path / "config.json").write_text('{"configuration": {"specific": {\n"Laod_training": {}}}}')
    ended = command("check", "dag.yaml", "--config", "config.json")
    assert ended.returncode == 2
    assert "config.json:2: the configuration 'Laod_training' is for no step of the pipeline" in ended.stderr
    assert "Did you mean 'Load_training'?" in ended.stderr

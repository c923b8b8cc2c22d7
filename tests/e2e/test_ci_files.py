"""What CI is given: the GitHub Action and the pre-commit hook. What they would type is typed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
[HOOK] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path):
    """A pipeline of one step that fails."""
    (tmp_path / "dag.yaml").write_text("source_dir: .\ncontracts: .\nsteps: {Bad: {}}\n")
    (tmp_path / "Bad.step.yaml").write_text("step_type: Bad\ncontract: {entry_point: Bad.py}\n")
    (tmp_path / "Bad.py").write_text("print('broken:: 100%')\nraise SystemExit(3)\n")
    return tmp_path


def typed(script, folder, **environment):
    """A shell block, run as the runner does, with this installation's command on its PATH."""
    found = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "CI": "true"} | environment
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=found,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def step(name):
    """A step of the action with its script and its environment, the inputs being what they are by default."""
    [found] = [one for one in ACTION["runs"]["steps"] if one.get("name") == name]
    defaults = {name: str(one["default"]) for name, one in ACTION["inputs"].items()}
    environment = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda said: defaults[said[1]], value)
        for key, value in found["env"].items()
    }
    return found["run"], environment


def test_the_action_runs_a_pipeline(folder):
    """Its commands run the pipeline, leave JUnit, events and the page, and end with the run's own exit code."""
    summary = folder / "summary.md"
    script, environment = step("Run")
    environment |= {"ENGINE": "local", "ARGUMENTS": "--fail-fast --strict", "GITHUB_ACTIONS": "true"}
    ended = typed(script, folder, GITHUB_STEP_SUMMARY=str(summary), **environment)
    assert ended.returncode == 1, ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr
    assert re.search(r"^::error title=Bad::exit code 3", ended.stderr, re.MULTILINE)
    assert "❌" in summary.read_text(encoding="utf-8")
    out = folder / "cursus-sandbox-report"
    suite = ET.parse(out / "junit.xml").getroot()[0]
    assert (suite.tag, suite.get("failures")) == ("testsuite", "1")
    assert json.loads((out / "events.jsonl").read_text().splitlines()[-1])["event"] == "run_ended"
    script, environment = step("Report")
    assert typed(script, folder, **environment).returncode == 0
    assert "<!doctype html>" in (out / "report.html").read_text(encoding="utf-8")


def test_the_action_reports_its_own_run(folder):
    """The page is of the run that the job made, in the workspace that it named; where none began there is none."""
    clear, run, report = (step(name) for name in ("Clear", "Run", "Report"))
    out = folder / "cursus-sandbox-report"
    for workspace in (".cursus-sandbox", "else/where"):
        arguments = {"ENGINE": "local", "ARGUMENTS": f"--workspace {workspace}"}
        assert typed(run[0], folder, **run[1] | arguments).returncode == 1
        assert typed(report[0], folder, **report[1]).returncode == 0
        [made] = folder.glob(f"{workspace}/runs/*")
        assert made.name in (out / "report.html").read_text(encoding="utf-8")
    for wrong in ("--no-such-option", "--config nowhere.json"):
        for script, environment in (clear, (run[0], run[1] | {"ARGUMENTS": wrong}), report):
            typed(script, folder, **environment)
        assert not (out / "report.html").exists()


def test_the_action_on_wrong_documents(folder):
    """What is wrong with a document is annotated at its line, when it is run and when it is checked."""
    script, environment = step("Run")
    (folder / "dag.yaml").write_text("name: p\nsteps:\n  Bad:\n    depends_on: [Gone]\n")
    said = rf"^::error file={re.escape(str(folder))}/dag.yaml,line=4,title=the documents are wrong::.*'Gone'"
    for command in (script, "cursus-sandbox check dag.yaml"):
        ended = typed(command, folder, **environment, GITHUB_ACTIONS="true")
        assert ended.returncode == 2
        assert re.search(said, ended.stderr, re.MULTILINE), ended.stderr


def test_the_action_is_one():
    """It is composite, each script says its shell, and no input is put into a script's text."""
    assert ACTION["runs"]["using"] == "composite"
    for one in ACTION["runs"]["steps"]:
        assert ("uses" in one) != ("run" in one and one["shell"] == "bash")
        assert "${{" not in one.get("run", "")
    assert ACTION["runs"]["steps"][2]["run"] == 'python -m pip install --quiet "$ACTION"'


def test_the_hook_checks_each_document(folder):
    """Its entry takes all documents that have changed: mistakes of each are said, and the commit is refused."""
    (folder / "other.dag.json").write_text('{"nodes": ["a"], "edges": [["a", "b"]]}')
    (folder / "third.dag.json").write_text("{")
    names = ["dag.yaml", "other.dag.json", "third.dag.json", "sub/dag.yml"]
    assert all(re.search(HOOK["files"], name) for name in names)
    assert not any(re.search(HOOK["files"], name) for name in ("mydag.yaml", "dag.yaml.bak", "config.json"))
    good = typed(f"{HOOK['entry']} dag.yaml", folder)
    assert (good.returncode, good.stdout) == (0, "dag.yaml: ok, 1 step\n"), good.stderr
    bad = typed(f"{HOOK['entry']} {' '.join(names[:3])}", folder)
    assert bad.returncode == 2
    assert "dag.yaml: ok" in bad.stdout
    assert bad.stderr.count("error: ") == 2
    assert "other.dag.json" in bad.stderr
    assert "third.dag.json" in bad.stderr


def test_check_of_several_documents_in_json(folder):
    """Of several documents there is a list, in their order."""
    ended = typed("cursus-sandbox check dag.yaml no.yaml --json", folder)
    assert [one["ok"] for one in json.loads(ended.stdout)] == [True, False]


def test_the_hook_installs_what_it_runs():
    """The package has the command that the hook types."""
    assert HOOK["language"] == "python"
    assert f'{HOOK["entry"].split()[0]} = "cursus_sandbox.cli:main"' in (ROOT / "pyproject.toml").read_text()

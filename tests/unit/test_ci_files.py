"""The CI files that are there to be copied are what they say, and type what the command takes."""

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from cursus_sandbox.cli.main import app

FOLDER = Path(__file__).parents[2] / "docs" / "ci"
FILES = ("github.yml", "gitlab.yml", "Jenkinsfile")


def commands(node: object) -> list[str]:
    """Every text in a YAML document."""
    if isinstance(node, dict):
        return [one for value in node.values() for one in commands(value)]
    if isinstance(node, list):
        return [one for value in node for one in commands(value)]
    return [node] if isinstance(node, str) else []


def test_the_workflow_for_github():
    """It is YAML with a job whose steps run something."""
    steps = yaml.safe_load((FOLDER / "github.yml").read_text())["jobs"]["run"]["steps"]
    assert all({"run", "uses"} & step.keys() for step in steps)
    assert any("cursus-sandbox run" in step.get("run", "") for step in steps)


def test_the_job_for_gitlab():
    """It is YAML with a service that DOCKER_HOST names, and tries again for this machine's trouble alone."""
    job = yaml.safe_load((FOLDER / "gitlab.yml").read_text())["run-pipeline"]
    assert job["variables"]["DOCKER_HOST"] == f"tcp://{job['services'][0]['alias']}:2375"
    assert job["retry"]["exit_codes"] == [4]
    assert any("cursus-sandbox run" in one for one in commands(job))


def test_the_pipeline_for_jenkins():
    """Its braces and quotes are closed."""
    text = (FOLDER / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}") > 5
    assert text.count("'") % 2 == 0
    assert "cursus-sandbox run" in text


@pytest.mark.parametrize("name", FILES)
def test_their_options_are_ours(name):
    """Each option and verb of cursus-sandbox in them is one that it has."""
    verbs = get_command(app).commands
    found = re.findall(r"cursus-sandbox (\w+)((?: [\w./:\"$-]+)*)", (FOLDER / name).read_text())
    assert found
    for verb, words in found:
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", words)) <= options


@pytest.mark.parametrize("name", FILES)
def test_they_keep_the_page(name):
    """The page that they write of a run is among what they keep, and where there was no run it fails nothing."""
    text = (FOLDER / name).read_text()
    kept = text[text.rindex("artifact") :]
    assert "report.html" in kept
    assert "cursus-sandbox report || true" in text

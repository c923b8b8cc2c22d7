"""`contracts list | show | search` and `schema-json`: what they print, in words and in JSON."""

import json
import os
import subprocess
import sys

import pytest

TABLES = """\
step_type: CleanTables
registry: {description: Make tables tidy}
contract:
  entry_point: clean_tables.py
  inputs:
    rows: {path: /opt/ml/processing/input/rows}
    scripts: {path: /opt/ml/processing/input/scripts, required: false}
    rules: {path: /opt/ml/processing/input/rules, required: false}
  outputs:
    table: {path: /opt/ml/processing/output, schema: {fields: [{name: a}]}}
  env_vars: {required: [LABEL], optional: {ROUNDS: "10"}}
  job_arguments: [{flag: --job_type, source: job_type}]
  arguments: {limit: "5"}
  input_source_overrides: {scripts: get_scripts}
  skip_inputs: [rules]
spec:
  dependencies: {rows: {type: training_data, compatible_sources: [Load]}, scripts: {}, rules: {}}
  outputs: {table: {type: processing_output, aliases: [tidy_rows]}}
variants:
  training: {}
  testing: {spec: {dependencies: {rules: {required: true}}, outputs: {table: {aliases: []}}}}
"""


def contracts(*words, cwd, code=0, **environment):
    """Run the command; what it prints on stdout and on stderr."""
    inherited = {name: value for name, value in os.environ.items() if name != "CURSUS_SANDBOX_CONTRACTS"}
    ended = subprocess.run(
        [sys.executable, "-m", "cursus_sandbox", *words],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout, ended.stderr


@pytest.fixture
def folder(tmp_path):
    """A folder with a contract below `contracts/`."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "clean_tables.step.yaml").write_text(TABLES)
    return tmp_path


def test_list(folder):
    """A line for each contract: its type, kind, how many inputs and outputs, and where it is from."""
    said, _ = contracts("contracts", "list", cwd=folder, COLUMNS="120")
    head, first, *_, last = said.splitlines()
    assert head.split() == ["step", "type", "kind", "in", "out", "from"]
    assert first.split() == ["CleanTables", "processing", "3", "1", "contracts/clean_tables.step.yaml"]
    assert last.split() == ["XGBoostTraining", "training", "3", "2", "shipped"]
    rows = json.loads(contracts("contracts", "list", "--json", cwd=folder)[0])
    assert rows[0] == {
        "step_type": "CleanTables",
        "kind": "processing",
        "description": "Make tables tidy",
        "inputs": ["rows", "scripts", "rules"],
        "outputs": ["table"],
        "file": "contracts/clean_tables.step.yaml",
    }


def test_list_with_a_contract_that_is_wrong(folder):
    """What can't be read is said after what can, and the exit code is that of wrong documents."""
    (folder / "contracts" / "bad.step.yaml").write_text("step_type: Bad\ncontract: [x]\n")
    said, error = contracts("contracts", "list", cwd=folder, code=2)
    assert "CleanTables" in said
    assert "contracts/bad.step.yaml:2: contract: a mapping is meant here" in error


def test_show(folder):
    """All that a contract says is shown, in the words of its file."""
    said, _ = contracts("contracts", "show", "clean_tables", cwd=folder, COLUMNS="200")
    assert said.splitlines() == [
        "CleanTables  (processing)",
        "  about     Make tables tidy",
        "  file      contracts/clean_tables.step.yaml",
        "  script    clean_tables.py",
        "  input     rows <- /opt/ml/processing/input/rows  (required, training_data, from Load)",
        "  input     scripts <- /opt/ml/processing/input/scripts  (optional, a folder of yours: get_scripts)",
        "  input     rules <- /opt/ml/processing/input/rules  (optional, not mounted: the script finds it by itself)",
        "  output    table -> /opt/ml/processing/output  (processing_output, alias tidy_rows, 1 column checked)",
        "  env       LABEL  (required)",
        "  env       ROUNDS=10",
        "  argument  --job_type <- job_type",
        "  argument  limit  (5)",
        "  variant   training: as it is",
        "  variant   testing: rules is required, another description of table",
    ]
    kept = json.loads(contracts("contracts", "show", "CleanTables", "--json", cwd=folder)[0])
    assert (kept["kind"], kept["inputs"]["rows"]["path"]) == ("processing", "/opt/ml/processing/input/rows")


def test_show_for_a_job_type(folder):
    """With a job type after its name a contract is shown as it is for that one."""
    kept = json.loads(contracts("contracts", "show", "CleanTables_testing", "--json", cwd=folder)[0])
    assert (kept["inputs"]["rules"]["required"], kept["outputs"]["table"]["aliases"]) == (True, [])


@pytest.mark.parametrize(
    ("name", "meant"), [("CleanTabels", "CleanTables"), ("XGBTraining", "XGBoostTraining"), ("load_x", "")]
)
def test_show_what_is_not_there(folder, name, meant):
    """A step type without a contract is an error that names the nearest."""
    _, error = contracts("contracts", "show", name, cwd=folder, code=2)
    assert f"there is no contract for '{name}'\n" in error
    assert f"Did you mean '{meant}'?" in error or not meant


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("TABLES", "CleanTables: step type CleanTables, description"),
        ("script", "CleanTables: input scripts"),
        ("tidy_", "CleanTables: alias of table tidy_rows"),
    ],
)
def test_search(folder, word, line):
    """A word is found in step types, channels, aliases and descriptions, in any case."""
    assert line in contracts("contracts", "search", word, cwd=folder, COLUMNS="200")[0].splitlines()
    found = json.loads(contracts("contracts", "search", word, "--json", cwd=folder)[0])
    [mine] = [one for one in found if one["step_type"] == "CleanTables"]
    assert ", ".join(mine["matches"]) == line.removeprefix("CleanTables: ")


def test_search_in_vain(folder):
    """A word that no contract has is said so, and is no failure."""
    assert contracts("contracts", "search", "zebra", cwd=folder) == ("", "no contract speaks of 'zebra'\n")


@pytest.mark.parametrize("columns", ["80", "200", "40"])
@pytest.mark.parametrize("words", [["list"], ["show", "clean_tables"], ["search", "model"]], ids=" ".join)
def test_width(folder, words, columns):
    """What is printed is as wide as COLUMNS says; a path that is longer stands whole, on a line of its own."""
    said, _ = contracts("contracts", *words, cwd=folder, COLUMNS=columns)
    wider = [line for line in said.splitlines() if len(line) > int(columns)]
    assert [line for line in wider if len(line.split()) > 1 or "/" not in line] == []


@pytest.mark.parametrize(("document", "title"), [("dag", "dag.yaml"), ("contract", "*.step.yaml")])
def test_schema_json(tmp_path, document, title):
    """The JSON Schema of each document is printed, and nothing else."""
    said, error = contracts("schema-json", document, cwd=tmp_path)
    assert (json.loads(said)["title"], error) == (title, "")

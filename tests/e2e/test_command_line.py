"""The command line: what it prints, quickly, to whom, and with which exit code it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cursus_sandbox import __version__

EXAMPLE = Path(__file__).parents[2] / "examples" / "xgboost" / "dag.yaml"
DAG = "source_dir: .\ncontracts: .\nsteps:\n  Load: {}\n"
LOAD = """\
step_type: Load
contract: {entry_point: load.py, outputs: {rows: {path: /opt/ml/processing/output}}, env_vars: {optional: {WHAT: …}}}
"""


def cursus_sandbox(*words, cwd, **environment):
    """Run the command; its environment is this one's without our own variables."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"COLUMNS", "CURSUS_SANDBOX_CONTRACTS"}
    }
    return subprocess.run(
        [sys.executable, "-m", "cursus_sandbox", *words],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with a pipeline of one step."""
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "load.step.yaml").write_text(LOAD)
    (tmp_path / "load.py").write_text("raise SystemExit(3)\n")
    return tmp_path


def test_version(tmp_path):
    """--version prints the version, alone or beside a command."""
    ended = cursus_sandbox("--version", cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"cursus-sandbox {__version__}\n", "")


@pytest.mark.parametrize("words", ["--version", "--help", "run --help", "contracts --help", "contracts show --help"])
def test_help_is_instant(tmp_path, words):
    """What needs no pipeline imports none of the libraries that a pipeline needs."""
    code = (
        "import sys\nfrom cursus_sandbox.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'pyarrow', 'docker', 'networkx', 'yaml', 'rich'}\n"
        "print('imported:', sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *words.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "imported: []"


def test_plan_imports_no_engine(folder):
    """A plan needs no libraries of engines and of data, and nothing of what runs: none of that is imported."""
    code = (
        "import sys\nfrom cursus_sandbox.cli import main\n"
        "try:\n    main(['plan', 'dag.yaml'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "needless = {'docker', 'pyarrow', 'numpy', 'cursus_sandbox.executor', 'cursus_sandbox.pipeline.result'}\n"
        "print('imported:', sorted(needless & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "imported: []"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--help", ["run", "plan", "check", "--version", "--debug"]),
        ("-h", ["run", "plan", "check"]),
        ("run --help", ["--image", "--engine", "--workspace", "--contracts", "--from", "Examples:", "Exit codes:"]),
        ("plan --help", ["--image", "--contracts", "Examples:", "Starts nothing"]),
        ("check --help", ["--contracts", "--json", "Example:"]),
        ("--help", ["contracts", "schema-json"]),
        ("contracts --help", ["list", "show", "search"]),
        ("contracts show --help", ["TYPE", "--contracts", "--json", "Examples:"]),
        ("schema-json --help", ["dag|contract", "Example:"]),
    ],
)
def test_help(tmp_path, words, said):
    """Help names the commands, the options, examples and exit codes, in plain text that fits a terminal."""
    ended = cursus_sandbox(*words.split(), cwd=tmp_path)
    assert ended.returncode == 0
    assert [word for word in said if word not in ended.stdout] == []
    assert max(map(len, ended.stdout.splitlines())) <= 84
    assert "\x1b" not in ended.stdout


def test_no_command(tmp_path):
    """Without a command the help is shown, and the exit code says that nothing was done."""
    ended = cursus_sandbox(cwd=tmp_path)
    assert ended.returncode == 2
    assert "Usage: cursus-sandbox" in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rnu", "No such command 'rnu'. Did you mean 'run'?"),
        ("runs shwo", "No such command 'shwo'. Did you mean 'show'?"),
        ("frobnicate", "No such command 'frobnicate'."),
        ("runs frobnicate", "No such command 'frobnicate'. There is: "),
        ("--vresion", "No such option: --vresion. Did you mean '--version'?"),
        ("logs --flow x", "No such option: --flow. Did you mean '--follow'?"),
        ("schema-json", "Missing argument 'dag|contract'. Choose from: dag, contract\n"),
        ("plan dag.yaml --json --format dot", "--json: it is not --format dot: leave one away"),
        ("report --format hmtl", "'hmtl' is not one of 'html', 'junit', 'github', 'json'. Did you mean 'html'?"),
    ],
)
def test_a_slip_of_the_keyboard(tmp_path, words, said):
    """A command, option or choice that there is not ends with 2 and names the one that was meant."""
    ended = cursus_sandbox(*words.split(), cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"error: {said}" in ended.stderr or said in ended.stderr
    assert "  Help: cursus-sandbox" in ended.stderr


def test_options_in_groups(tmp_path):
    """A command with many options shows them under headings, each once, and those of no group are few."""
    shown = cursus_sandbox("run", "--help", cwd=tmp_path).stdout
    headings = re.findall(r"^(\S.*):$", shown, re.MULTILINE)
    assert headings[:3] == ["Arguments", "What runs", "Where"]
    options = shown[shown.index("\nOptions:\n") : shown.index("Examples:")]
    assert re.findall(r"^  (?:-\w, )?(--[\w-]+)", options, re.MULTILINE) == ["--help"]


def test_check_in_words_and_in_json(folder):
    """A document that is well is said to be, in a line or in JSON."""
    words = cursus_sandbox("check", "dag.yaml", cwd=folder)
    assert (words.returncode, words.stdout) == (0, "dag.yaml: ok, 1 step\n")
    parsed = json.loads(cursus_sandbox("check", "dag.yaml", "--json", cwd=folder).stdout)
    assert parsed == {"ok": True, "name": "dag", "steps": 1, "warnings": [], "notes": []}


def test_check_says_what_is_worth_a_look(folder):
    """A step without a contract is noted by `check`, `plan` and their JSON, and what is alike is named."""
    (folder / "dag.yaml").write_text(DAG + "  CleanTables_late: {}\n")
    (folder / "clean_tables.py").touch()
    for command in ("check", "plan"):
        words = cursus_sandbox(command, "dag.yaml", cwd=folder, COLUMNS="300")
        assert words.returncode == 0
        assert "no contract for CleanTables was found, so generic channels are taken: nothing -> " in words.stdout
    *_, note = json.loads(cursus_sandbox("check", "dag.yaml", "--json", cwd=folder).stdout)["notes"]
    assert note.startswith("CleanTables_late: no contract for CleanTables was found")


@pytest.mark.parametrize("verb", ["check", "plan", "run"])
def test_problems_in_json(folder, verb):
    """With --json each problem is given with its file and line, and the exit code is as without."""
    (folder / "dag.yaml").write_text(DAG + "  Laod: {}\n")
    ended = cursus_sandbox(verb, "dag.yaml", "--json", cwd=folder)
    assert ended.returncode == 2
    parsed = json.loads(ended.stdout)
    assert parsed["ok"] is False
    assert [(one["file"], one["line"]) for one in parsed["problems"]] == [("dag.yaml", 5)]
    assert "Did you mean 'Load'?" in parsed["problems"][0]["hint"]


def test_plan_in_json(folder):
    """`plan --json` is JSON and nothing else, with what the plan is made of."""
    ended = cursus_sandbox("plan", "dag.yaml", "--json", "--image", "xgb", cwd=folder)
    parsed = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (parsed["execution_order"], parsed["steps"][0]["image"]) == (["Load"], "xgb")
    assert parsed["steps"][0]["environment"]["WHAT"]["value"] == "…"


def test_run_in_json(folder):
    """`run --json` prints the result as JSON on stdout, and what happens meanwhile on stderr."""
    ended = cursus_sandbox("run", "dag.yaml", "--json", "--engine", "local", cwd=folder)
    if ended.returncode == 4:
        pytest.skip(ended.stderr)
    parsed = json.loads(ended.stdout)
    assert (ended.returncode, parsed["success"], parsed["steps"][0]["exit_code"]) == (1, False, 3)
    assert "Load" in ended.stderr


@pytest.mark.parametrize("columns", ["80", "200", "40"])
@pytest.mark.parametrize("command", ["plan", "check"])
def test_output_that_is_no_terminal(columns, command, tmp_path):
    """What goes to a file or pipe has no control codes, and folds as wide as COLUMNS says."""
    ended = cursus_sandbox(command, str(EXAMPLE), cwd=tmp_path, COLUMNS=columns, TERM="xterm-256color")
    assert ended.returncode == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ended.stdout + ended.stderr)
    wide = [line.strip() for line in ended.stdout.splitlines() if len(line) > int(columns)]
    assert command == "check" or [line for line in wide if " " in line] == []  # a path is kept whole


@pytest.mark.parametrize("words", [["plan", "--json"], ["plan"], ["check"]])
def test_a_reader_that_goes_away(words):
    """A pipe whose reader is gone ends the command quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "cursus_sandbox", words[0], str(EXAMPLE), *words[1:]],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert ended.stderr == b""
    assert ended.returncode in {0, 1}


def test_output_that_knows_ascii_only(folder):
    """Where stdout can't write a character it is written as an escape; JSON stays JSON."""
    words = cursus_sandbox("plan", "dag.yaml", cwd=folder, PYTHONIOENCODING="ascii")
    assert (words.returncode, "WHAT=\\u2026" in words.stdout) == (0, True)
    parsed = json.loads(cursus_sandbox("plan", "dag.yaml", "--json", cwd=folder, PYTHONIOENCODING="ascii").stdout)
    assert parsed["steps"][0]["environment"]["WHAT"]["value"] == "…"


@pytest.mark.parametrize("words", [["--debug", "check", "no.yaml"], ["check", "no.yaml", "--debug"]])
def test_debug(tmp_path, words):
    """--debug, wherever it stands, shows where an error came from."""
    ended = cursus_sandbox(*words, cwd=tmp_path)
    assert "Traceback" in ended.stderr
    assert "DocumentError: no.yaml: the document does not exist" in ended.stderr


def test_contracts_of_the_environment(folder):
    """CURSUS_SANDBOX_CONTRACTS names folders of contracts, searched after --contracts and before the document's own."""
    for name, image in (("option", "a.py"), ("variable", "b.py")):
        (folder / name).mkdir()
        (folder / name / "load.step.yaml").write_text(LOAD.replace("load.py", image))
    environment = {"CURSUS_SANDBOX_CONTRACTS": f"{folder / 'variable'}{os.pathsep}"}

    def script(*words, **environment):
        planned = json.loads(cursus_sandbox("plan", "dag.yaml", "--json", *words, cwd=folder, **environment).stdout)
        return planned["steps"][0]["entry_point"]

    assert script() == "load.py"
    assert script(**environment) == "b.py"
    assert script("--contracts", "option", **environment) == "a.py"


def test_limits_and_inputs_of_the_command_line(folder):
    """--timeout, --memory and --source-dir hold where the document says nothing, --input binds a channel."""
    (folder / "load.step.yaml").write_text(
        LOAD.replace("outputs:", "inputs: {a: {path: /opt/ml/input/data/a}}, outputs:")
    )
    words = ["--timeout", "1.5h", "--memory", "1.5GiB", "--input", "Load:a=~/there", "--source-dir", "elsewhere"]
    ended = cursus_sandbox("plan", "dag.yaml", "--json", *words, cwd=folder, HOME="/nobody")
    [step] = json.loads(ended.stdout)["steps"]
    assert (step["timeout"], step["resources"]["memory"]) == (5400, 1536 * 1024**2)
    assert step["inputs"][0]["source"]["path"] == "/nobody/there"
    assert step["source_dir"] == "elsewhere"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_while_it_reads(folder, number, code):
    """Ctrl-C and SIGTERM end the command with their own exit code, also before anything runs."""
    code_to_run = (
        "import os, sys\nfrom cursus_sandbox.cli import main\n"
        "def opened(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('dag.yaml'):\n"
        f"        os.kill(os.getpid(), {number.value})\n"
        "sys.addaudithook(opened)\nmain(['check', 'dag.yaml'])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code_to_run], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (code, "error: interrupted\n")

"""Completion in real shells: what a key press offers, and that it never says anything else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lacking import lacking

BIN = Path(sys.executable).parent
DAG = """\
# steps: of a comment
name: small
steps:
  Load: {}
  Train:   # the model
    inputs:
      rows: "Load:rows"
  "Test_late": {}
env: {Nothing: here}
"""
PRESSED = """\
cd {folder}
source <(cursus-sandbox --show-completion bash 2>/dev/null || _CURSUS_SANDBOX_COMPLETE=source_bash cursus-sandbox)
complete -p cursus-sandbox > /dev/null || exit 9
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_cursus_sandbox_completion cursus-sandbox
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with documents and a workspace of two runs."""
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "churn.dag.json").write_text(json.dumps({"dag": {"nodes": ["Load", "Score"], "edges": []}}))
    (tmp_path / "on.yaml").write_text("dag: churn.dag.json\nsteps:\n  Load: {env: {A: b}}\n")
    (tmp_path / "own.step.yaml").write_text("step_type: Own\n")
    for run, steps in (("20260101-000000-001", ["Load", "Train"]), ("20260102-000000-001", ["Load"])):
        for step in steps:
            (tmp_path / ".cursus-sandbox/runs" / run / "steps" / step).mkdir(parents=True)
    return tmp_path


def environment(folder, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CURSUS_SANDBOX")}
    return kept | {"PATH": f"{BIN}:{kept['PATH']}", "HOME": str(folder)} | more


def bash(folder, words, **more):
    """What bash would offer for words that it has taken apart itself; and what was said on stderr."""
    script = PRESSED.format(folder=folder, words=words)
    return subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("cursus-sandbox contra", "contracts"),
        ("cursus-sandbox run --dat", "--data-source"),
        ("cursus-sandbox run dag.yaml --engine ''", "auto docker local process"),
        ("cursus-sandbox run dag.yaml --only T", "Train Test_late"),
        ("cursus-sandbox run dag.yaml --jobs 2 --until Tr", "Train"),
        ("cursus-sandbox run churn.dag.json --from S", "Score"),
        ("cursus-sandbox run on.yaml --force ''", "Load Score"),
        ("cursus-sandbox diff 2026", "20260102-000000-001 20260101-000000-001"),
        ("cursus-sandbox logs L", "Load"),
        ("cursus-sandbox logs 20260101 : T", "Train"),
        ("cursus-sandbox logs last :", "Load"),
        ("cursus-sandbox logs --workspace elsewhere ''", "last:"),
        ("cursus-sandbox contracts show XGBoostT", "XGBoostTraining"),
        ("cursus-sandbox contracts show O", "Own"),
    ],
)
def test_what_bash_offers(folder, words, offered):
    """Verbs, options, choices, steps of a document, runs and their steps, and contracts are offered, and no more."""
    done = bash(folder, words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == offered.split()


@pytest.mark.parametrize(
    "words",
    [
        "cursus-sandbox run nowhere.yaml --only ''",
        "cursus-sandbox run broken.yaml --only ''",
        "cursus-sandbox run broken.json --only ''",
        "cursus-sandbox run . --only ''",
        "cursus-sandbox diff --workspace broken.json x",
        "cursus-sandbox logs : : \\'",
        "cursus-sandbox frobnicate x",
        "cursus-sandbox logs no:where:",
    ],
)
def test_nothing_to_offer(folder, words):
    """Where nothing can be known nothing is offered, and nothing is said."""
    (folder / "broken.yaml").write_bytes(b"steps:\n  - \xff\n")
    (folder / "broken.json").write_text("{" * 50_000)
    done = bash(folder, words)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_bug_of_ours_stays_silent(folder):
    """What goes wrong while a shell waits is not written over its line."""
    done = bash(folder, "cursus-sandbox logs ''", COMP_CWORD="many")
    assert done.stderr == ""
    said = subprocess.run(
        [BIN / "cursus-sandbox"],
        env=environment(folder, _CURSUS_SANDBOX_COMPLETE="complete_bash"),  # and no COMP_WORDS
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.stdout, said.stderr) == ("", "")


@pytest.mark.parametrize(("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish")])
def test_install(folder, shell, file):
    """--install-completion writes what the shell reads at its start, and says where."""
    if not (program := shutil.which(shell)):
        lacking("shells", f"{shell} is not installed")
    done = subprocess.run(
        [program, "-c", "cursus-sandbox --install-completion; true"],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"{shell} completion installed in " in done.stdout, done.stderr
    assert (folder / file).exists()


def test_what_fish_offers(folder):
    """Fish offers the same, `RUN:STEP` as one word."""
    if not (fish := shutil.which("fish")):
        lacking("shells", "fish is not installed")
    script = (
        "env _CURSUS_SANDBOX_COMPLETE=source_fish cursus-sandbox | source\n"
        "complete -C 'cursus-sandbox logs 20260101:'\ncomplete -C 'cursus-sandbox run dag.yaml --only T'\n"
    )
    done = subprocess.run(
        [fish, "--no-config", "-c", script],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == ["20260101:Load", "20260101:Train", "Test_late", "Train"]


def test_what_zsh_offers(folder):
    """Zsh is given the same, with the words of the help beside them."""
    if not (zsh := shutil.which("zsh")):
        lacking("shells", "zsh is not installed")
    script = (
        'compdef() { :; }; _arguments() { print -r -- "$@"; }; _files() { print files; }\n'
        "source <(_CURSUS_SANDBOX_COMPLETE=source_zsh cursus-sandbox)\n"
        "words=(cursus-sandbox run dag.yaml --only T); CURRENT=5; _cursus_sandbox_completion\n"
        "words=(cursus-sandbox logs 20260101:); CURRENT=3; _cursus_sandbox_completion\n"
        "words=(cursus-sandbox check da); CURRENT=3; _cursus_sandbox_completion\n"
    )
    done = subprocess.run(
        [zsh, "--no-rcs", "-c", script],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [one for one in ("Train", "Test_late", "20260101", "Load") if one not in done.stdout] == []
    assert done.stdout.endswith("files\n")

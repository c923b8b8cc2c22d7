"""A locale of ASCII alone, a stdout that is closed or full, a home that can't be written, a very narrow terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cursus_sandbox.engines.local import why_absent

EXAMPLE = Path(__file__).parents[2] / "examples" / "starter"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture
def folder(tmp_path):
    """The small example, in a folder and with data whose names are more than ASCII."""
    folder = tmp_path / "Übung"
    for file in EXAMPLE.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            there = folder / file.relative_to(EXAMPLE)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(file.read_bytes())
    (folder / "data").rename(folder / "données")
    document = folder / "dag.yaml"
    document.write_text(document.read_text().replace("./data", "./données").replace("name: starter", "name: prénom"))
    return folder


def shell(script, cwd, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CURSUS_SANDBOX", "LC_", "LANG"))}
    command = f'run() {{ {sys.executable} -m cursus_sandbox "$@"; }}; {script}'
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=kept | environment, capture_output=True, timeout=120, check=False
    )


def test_names_in_a_locale_of_ascii(folder):
    """Documents name files in UTF-8 whatever the locale is; what is printed has escapes for what that hasn't."""
    if reason := why_absent():
        pytest.skip(reason)
    ended = shell("run check dag.yaml && run run dag.yaml --engine local", folder, **ASCII)
    assert ended.returncode == 0, ended.stderr
    assert b"pr\\xe9nom" in ended.stdout
    assert b"Traceback" not in ended.stderr
    (log,) = folder.glob(".cursus-sandbox/runs/*/steps/Grown/log.txt")
    assert b"3 people" in log.read_bytes()


def test_the_encoding_that_was_asked_for_stays(folder):
    """PYTHONIOENCODING holds in a locale of ASCII, too."""
    ended = shell("run check nowhere-é.yaml", folder, **ASCII, PYTHONIOENCODING="utf-8")
    assert ended.returncode == 2
    assert "nowhere-é.yaml: the document does not exist" in ended.stderr.decode()


@pytest.mark.parametrize("command", ["--help", "check dag.yaml", "plan dag.yaml", "doctor", "runs list"])
def test_a_stdout_that_is_closed(folder, command):
    """A stdout that was closed before we began is no error."""
    ended = shell(f"run {command} >&-", folder)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_terminal_of_no_columns(folder):
    """COLUMNS=0 says that nobody knows the width: all is said as if it were not there."""
    ended = shell("run run dag.yaml --engine process", folder, COLUMNS="0")
    assert b"outputs and logs:" in ended.stdout
    assert b"succeeded  Count" in ended.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("stderr", ["< /dev/null", "> /dev/full", ">&-"])
def test_a_stderr_that_takes_nothing(folder, stderr, unbuffered):
    """A stderr that can only be read, that is full or closed doesn't change how a run ends."""
    ended = shell(f"run run dag.yaml --engine process 2{stderr}", folder, PYTHONUNBUFFERED=unbuffered)
    assert ended.returncode == 0
    assert b"outputs and logs:" in ended.stdout


@pytest.mark.parametrize("command", ["--help", "plan dag.yaml", "plan dag.yaml --format mermaid", "contracts list"])
def test_a_stdout_that_is_full(folder, command):
    """A disk that is full where the output goes is the machine's fault, and said in a line."""
    ended = shell(f"run {command} > /dev/full", folder)
    assert ended.returncode == 4
    assert ended.stderr == b"error: what was to be said can't be written: No space left on device\n"


def test_a_current_folder_that_is_gone(folder, tmp_path):
    """In a folder that somebody has removed, what needs one says so, and what to do."""
    inside = f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone"
    ended = shell(f"{inside} && run run {folder}/dag.yaml --engine process", folder)
    assert ended.returncode == 4
    assert ended.stderr.endswith(
        b"error: the folder that this was started in is gone\nGo to one that is there:  cd DIR\n"
    )


@pytest.mark.parametrize("options", ["--json", "--quiet", "--junit junit.xml"])
def test_a_result_that_can_not_be_written(folder, options):
    """A run that is well, but whose result finds no room on stdout, ends with 4; what else is written stays."""
    if reason := why_absent():
        pytest.skip(reason)
    ended = shell(f"run run dag.yaml --engine local {options} > /dev/full", folder)
    assert ended.returncode == 4
    assert ended.stderr.endswith(b"error: what was to be said can't be written: No space left on device\n")
    assert (folder / "junit.xml").exists() == ("junit" in options)


@pytest.mark.parametrize("events", ["/dev/full", "- > /dev/full"])
@pytest.mark.parametrize("script", ["", "raise SystemExit(3)"], ids=["well", "failed"])
def test_events_that_can_not_be_written(folder, events, script):
    """Events that find no room are said to be missing; all else is told, and a failed run ends with its own code."""
    if reason := why_absent():
        pytest.skip(reason)
    if script:
        for file in folder.rglob("*.py"):
            file.write_text(script)
    ended = shell(f"run run dag.yaml --engine local -q --junit junit.xml --events {events}", folder)
    assert ended.returncode == (1 if script else 4)
    where = "stdout" if events.startswith("-") else "/dev/full"
    said = f"error: could not write all events to {where}: No space left on device\nName another:  --events FILE\n"
    assert ended.stderr.decode().endswith(said)
    assert (b"failed: " if script else b"ok: ") in ended.stdout + ended.stderr
    assert (folder / "junit.xml").exists()


@pytest.mark.parametrize("command", ["--help", "plan dag.yaml", "doctor", "contracts list", "init new", "rnu"])
def test_a_reader_of_one_line(folder, command):
    """Whoever reads no more than a line is told no more, and gets no traceback."""
    ended = shell(f"run {command} | head -1", folder)
    assert ended.returncode == 0
    assert b"Traceback" not in ended.stderr
    assert b"Broken pipe" not in ended.stderr


def test_a_home_that_can_not_be_written(folder, tmp_path):
    """With a home on a disk that is read-only everything goes on; what belongs there says so, and writes nothing."""
    home = tmp_path / "home"
    home.mkdir()
    mounted = f"mount --bind {home} {home} && mount -o remount,ro,bind {home} && export HOME={home}"
    inside = f"{mounted} && ! touch {home}/x 2>/dev/null"
    if shell(f"unshare --map-root-user --mount bash -c '{inside}'", folder).returncode:
        pytest.skip("no mount can be made here")
    python = f"{sys.executable} -m cursus_sandbox"

    def at_home(words):
        return shell(f"unshare --map-root-user --mount bash -c '{inside}; {python} {words}'", folder)

    for words in ("plan dag.yaml", "check dag.yaml", "doctor", "init new", "contracts list"):
        ended = at_home(words)
        assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False), ended.stdout + ended.stderr
    ended = at_home("--install-completion bash")
    assert b"Traceback" not in ended.stderr
    assert ended.returncode != 0  # 1 where the shell that started the tests is none that it knows
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("command", ["doctor", "plan dag.yaml", "check dag.yaml", "contracts show Grown", "--help"])
def test_twenty_columns(folder, command):
    """In twenty columns nothing breaks, and what is folded is folded there."""
    ended = shell(f"run {command}", folder, COLUMNS="20")
    assert (ended.returncode, ended.stderr) == (0, b"")
    if command == "doctor":  # a path or a word alone may be longer
        assert [
            line for line in ended.stdout.decode().splitlines() if len(line) > 20 and " " in line[24:].strip()
        ] == []


@pytest.mark.parametrize("command", ["run dag.yaml", "runs list", "clean"])
def test_a_workspace_that_is_closed(folder, command):
    """A workspace that may not be looked into is this machine's fault, and said in a line."""
    workspace = folder / "closed"
    workspace.mkdir(mode=0)
    without_rights = "setpriv --bounding-set=-all --inh-caps=-all" if os.geteuid() == 0 else ""
    words = f"{without_rights} {sys.executable} -m cursus_sandbox {command} --workspace closed"
    ended = shell(words, folder)
    assert ended.returncode == 4, ended.stderr
    assert ended.stderr.count(b"error:") == 1
    assert b"Permission denied" in ended.stderr

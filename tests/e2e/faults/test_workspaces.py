"""Workspaces that can't be used, that somebody else uses, that hold garbage, and that have odd names."""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

FOREVER = "print('waiting', flush=True); time.sleep(600)"


def test_the_workspace_is_a_file(box):
    """A workspace that is a file is this machine's failure, and stays what it is: 4."""
    box.step("load")
    box.workspace.write_text("mine")
    ended = box.run(code=4)
    assert "is a file, not a folder" in ended.stderr
    assert "--workspace DIR" in ended.stderr
    assert box.workspace.read_text() == "mine"


def test_a_read_only_workspace(box, disk):
    """A workspace on a disk that is read-only is this machine's failure, said with its path and the way out: 4."""
    folder = disk("1m")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    box.workspace_folder = folder / "workspace"
    box.step("load")
    ended = box.run(code=4)
    assert f"{box.workspace} can't be written to: Read-only file system" in ended.stderr


@pytest.mark.parametrize(
    "name", ["ünïcödé ✓", "a space  and another", "co:lon", "com,ma", "-dash", "quo'te\"s", "$HOME"]
)
def test_odd_names(box, name):
    """Whatever the names of folders are, steps find their files, and a failed one its script."""
    box.folder = box.folder / name
    box.folder.mkdir()
    box.write("given/file.txt", "rows")
    box.step("load", "say((IN / 'data/file.txt').read_text())", reads={"data": "./given"})
    box.step("bad", "print((IN / 'data/said').read_text()); sys.exit(3)", reads={"data": "load:out"})
    ended = box.run(code=1)
    assert (ended.run / "steps/load/outputs/out/said").read_text() == "rows"
    bad = ended.step("bad")
    assert (bad["exit_code"], bad["log_end"]) == (3, ["rows"])
    again = subprocess.run(["sh", bad["by_hand"]], capture_output=True, text=True, check=False, timeout=60)
    assert (again.returncode, again.stdout, again.stderr) == (3, "rows\n", "")


def test_a_second_run_on_a_workspace(box):
    """A second run on a workspace fails within a second, naming the one that has it: 4; on another it goes its way."""
    box.step("slow", FOREVER)
    with box.start() as first:
        first.wait_for_log("slow", "waiting")
        before = time.monotonic()
        second = subprocess.run(box.command(), capture_output=True, text=True, check=False, timeout=60)
        took = time.monotonic() - before
        version = time.monotonic()
        subprocess.run([box.command()[0], "check", str(box.document)], capture_output=True, check=True)
        startup = time.monotonic() - version
        assert second.returncode == 4
        assert f"is in use by process {first.process.pid}, since " in second.stderr
        assert took < 1 + 5 * startup  # what it takes to start a Python on this machine, busy as it is
        box.workspace_folder = box.folder / "another"
        box.steps = {}
        box.step("quick")
        assert box.run(code=0).result["success"]
        box.workspace_folder = None
        assert first.process.poll() is None
        first.process.send_signal(signal.SIGTERM)
        first.ended(code=143)


def test_the_lock_of_the_dead(local_box):
    """A lock file of a process that is gone keeps nobody out, whatever it says."""
    local_box.step("load")
    local_box.workspace.mkdir()
    (local_box.workspace / "lock").write_text("process 1, since 1970-01-01 00:00:00\n")
    assert local_box.run(code=0).result["success"]


@pytest.mark.parametrize("seed", range(6))
def test_garbage_in_the_workspace(local_box, seed):
    """Whatever stands in the files we keep, cut, empty or random, a run does its work, and no verb breaks on it."""
    local_box.step("load", "say('rows')")
    local_box.step("use", "say((IN / 'data/said').read_text())", reads={"data": "load:out"})
    first = local_box.run(code=0)
    chance = random.Random(seed)
    kept = [
        path
        for path in local_box.workspace.rglob("*")
        if path.is_file() and path.name != "lock" and "outputs" not in path.relative_to(first.run.parent.parent).parts
    ]
    for path in kept:
        data = path.read_bytes()
        garbage = [b"", data[: len(data) // 2], chance.randbytes(200), b"[]", b"{}", b"null", b'{"a": ' * 5000]
        path.write_bytes(chance.choice(garbage))
    for words in (["runs", "list"], ["runs", "show"], ["runs", "show", ":load"], ["logs", "load"], ["report"]):
        command = [local_box.command()[0], *words, "--workspace", str(local_box.workspace)]
        told = subprocess.run(command, capture_output=True, check=False, cwd=local_box.folder, timeout=60)
        assert told.returncode in (0, 2), told
        assert b"Traceback" not in told.stderr
    shutil.move(first.run, local_box.folder / "earlier")  # its JSON is broken on purpose
    assert local_box.run(code=0).result["success"]


def test_outputs_that_were_tampered_with(local_box):
    """Outputs that were changed behind our back are not taken over: the step runs again."""
    local_box.step("load", "say('rows')")
    local_box.step("use", "say((IN / 'data/said').read_text())", reads={"data": "load:out"})
    first = local_box.run(code=0)
    said = first.run / "steps/load/outputs/out/said"
    said.chmod(0o644)
    os.utime(said, (0, 0))
    said.write_text("tampered")
    again = local_box.run(code=0)
    assert again.step("load")["status"] == "succeeded"
    assert (again.run / "steps/load/outputs/out/said").read_text() == "rows"

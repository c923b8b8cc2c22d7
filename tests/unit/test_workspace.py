"""The folders of runs, their lock, and what publishing promises."""

import errno
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cursus_sandbox.errors import WorkspaceError
from cursus_sandbox.runs.folders import unwritable
from cursus_sandbox.runs.workspace import Workspace

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "workspace") as entered:
        yield entered


def published(workspace, started, pipeline="flights", step="load"):
    run = workspace.new_run(started, "local")
    run.write("plan.json", {"name": pipeline})
    folder = run.step(step)
    attempt = folder.attempt(1)
    (attempt.outputs / "out").mkdir()
    (attempt.outputs / "out/data").write_text("x")
    folder.publish(attempt.outputs)
    return folder


def test_a_workspace_is_made_and_kept_out_of_git(tmp_path):
    """Entering makes the folder, with the parents it needs, and a .gitignore that leaves it out."""
    with Workspace(tmp_path / "a/b"):
        assert (tmp_path / "a/b/runs").is_dir()
        assert (tmp_path / "a/b/.gitignore").read_text().endswith("*\n")


def test_a_project_is_not_kept_out_of_git(tmp_path):
    """A folder that holds something else gets no .gitignore: it would hide all of that, too."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/dag.yaml").touch()
    (tmp_path / "empty").mkdir()
    for folder in ("project", "empty"):
        with Workspace(tmp_path / folder):
            assert (tmp_path / folder / ".gitignore").exists() == (folder == "empty")


def test_a_second_holder_is_told_of_the_first(workspace):
    """While a workspace is held it can't be entered again; the error names the process and the time, and what to do."""
    with pytest.raises(WorkspaceError, match=rf"in use by process {os.getpid()}, since \d{{4}}-") as raised:
        Workspace(workspace.folder).__enter__()
    assert "--workspace DIR" in str(raised.value)


def test_a_workspace_that_was_left_can_be_entered(tmp_path):
    """Leaving lets go, also when what was done in it failed."""
    with pytest.raises(ZeroDivisionError), Workspace(tmp_path):
        raise ZeroDivisionError
    with Workspace(tmp_path):
        assert (tmp_path / "lock").read_text().startswith("process ")
    assert (tmp_path / "lock").read_text() == ""


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    """The lock is the kernel's: it goes with its process, whatever is written in the file."""
    script = "import os, sys, pathlib; from cursus_sandbox.runs.workspace import Workspace\n"
    script += "Workspace(pathlib.Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", script, tmp_path], check=False).returncode == -9
    assert (tmp_path / "lock").read_text().startswith("process ")
    with Workspace(tmp_path):
        pass


def test_a_copy_of_a_workspace_is_another_one(tmp_path):
    """A workspace keeps its id; a copy of it gets one of its own, so that nobody takes its containers for his."""
    ids = []
    for _ in range(2):
        with Workspace(tmp_path / "one") as workspace:
            ids.append(workspace.id)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with Workspace(tmp_path / "two") as workspace:
        ids.append(workspace.id)
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[2]) == 32


def test_runs_that_nobody_has_ended(workspace):
    """A run is unfinished from its beginning until somebody says that it ended; what can't be read says nothing."""
    first, second = workspace.new_run(NOW, "docker"), workspace.new_run(NOW, "local")
    assert workspace.unfinished() == {first.name: "docker", second.name: "local"}
    workspace.finished(second.name)
    assert workspace.unfinished() == {first.name: "docker"}
    workspace.finished(first.name)
    assert workspace.unfinished() == {}
    (workspace.folder / "unfinished.json").write_text("{")
    assert workspace.unfinished() == {}


def test_attempts_of_a_killed_run(workspace):
    """Attempts go, closed folders in them too, and what was published stays."""
    folder = published(workspace, NOW)
    attempt = folder.attempt(2)
    (attempt.scratch / "closed").mkdir(mode=0)
    assert workspace.run(folder.path.parents[1].name).without_attempts() == []
    assert [path.name for path in folder.path.iterdir()] == ["outputs"]


def test_a_workspace_that_is_a_file(tmp_path):
    """A file in place of the folder, or of a parent of it, is an error that says so."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(WorkspaceError, match="is a file, not a folder"), Workspace(folder):
            pass


def test_a_workspace_whose_path_is_no_text(tmp_path):
    """A path that isn't UTF-8, which no result could hold, is an error that says so before anything is made."""
    folder = tmp_path / os.fsdecode(b"a\xffb")
    with pytest.raises(WorkspaceError, match=r"a\\xffb is not UTF-8"), Workspace(folder):
        pass
    assert not folder.exists()


def test_a_workspace_that_is_read_only(public_folder, without_privileges):
    """A folder that can't be written to is an error that says so."""
    public_folder.chmod(0o555)
    refused = pytest.raises(WorkspaceError, match="can't be written to")
    with without_privileges(), refused, Workspace(public_folder / "workspace"):
        pass


def test_a_lock_that_is_no_file(tmp_path):
    """Something odd in the lock's place is an error, and what was opened is closed."""
    (tmp_path / "lock").mkdir()
    with pytest.raises(WorkspaceError, match="can't be used"), Workspace(tmp_path):
        pass


def test_runs_have_folders_of_their_own(workspace):
    """A run is named after its start; one of the same millisecond, or of a clock that was set back, comes after it."""
    names = [workspace.new_run(at, "local").name for at in (NOW, NOW, NOW - timedelta(days=400))]
    assert names == ["20260102-030405-678", "20260102-030405-679", "20260102-030405-680"]


def test_outputs_appear_whole(workspace):
    """Outputs are published by one rename: before it there is no outputs folder, after it all of it."""
    folder = workspace.new_run(NOW, "local").step("load")
    attempt = folder.attempt(1)
    (attempt.outputs / "out").mkdir()
    assert not folder.outputs.exists()
    folder.publish(attempt.outputs)
    assert sorted(folder.outputs.iterdir()) == [folder.outputs / "out"]
    folder.discard(attempt)
    assert sorted(path.name for path in folder.path.iterdir()) == ["outputs"]


def test_the_newest_outputs_are_found(workspace):
    """What is reused is what the newest run of that pipeline left; runs without outputs, plan or a step don't count."""
    published(workspace, NOW)
    newer = published(workspace, NOW.replace(hour=4))
    published(workspace, NOW.replace(hour=5), pipeline="other")
    workspace.new_run(NOW.replace(hour=6), "local")
    unplanned = published(workspace, NOW.replace(hour=7))
    (unplanned.path.parents[1] / "plan.json").write_text("[]")
    assert workspace.published("flights", "load") == newer
    assert workspace.published("flights", "train") is None


def test_a_json_file_is_replaced_whole(workspace):
    """What can't be written as JSON leaves the file that was there, and text stays readable."""
    run = workspace.new_run(NOW, "local")
    run.write("result.json", {"name": "é"})
    with pytest.raises(TypeError):
        run.write("result.json", {"name": object()})
    assert (run.path / "result.json").read_text() == '{\n  "name": "é"\n}\n'


def test_a_file_that_can_not_be_written(workspace):
    """A file system that refuses is a WorkspaceError that names the file."""
    run = workspace.new_run(NOW, "local")
    (run.path / "result.json").mkdir()
    with pytest.raises(WorkspaceError, match=r"could not write result\.json: Is a directory: .*/result\.json"):
        run.write("result.json", {})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/x"),
            "could not stage: No space left on device: /x\nFree some space, or use another disk:  --workspace DIR",
        ),
        (
            OSError(errno.EMFILE, "Too many open files"),
            "could not stage: Too many open files\nAllow more open files (ulimit -n), or run fewer steps at once: -j N",
        ),
        (OSError("odd"), "could not stage: odd"),
    ],
)
def test_errors_of_the_file_system_in_words(error, said):
    """An error of the file system says what was being done, where, and what helps."""
    assert str(unwritable(error, "stage")) == said


def test_a_relative_workspace_stays_where_it_was_meant(tmp_path, monkeypatch):
    """A relative folder is that of the moment it was named."""
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(Path("here"))
    monkeypatch.chdir("/")
    with workspace:
        assert (tmp_path / "here/runs").is_dir()

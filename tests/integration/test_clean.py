"""Earlier runs go when they are not wanted any more, and nothing else does."""

import json
import subprocess
from datetime import datetime, timedelta

import pytest
from small_pipeline import COMMAND, SmallPipeline, said, statuses, succeeded

import cursus_sandbox
from cursus_sandbox import DocumentError, WorkspaceError
from cursus_sandbox.runs.history import KeptRun
from cursus_sandbox.runs.pruning import Bounds, Sized, dispensable
from cursus_sandbox.runs.workspace import Workspace

MIB = 1024**2


def writing(small: SmallPipeline, megabytes: int = 1) -> SmallPipeline:
    """A step that leaves so many megabytes, which nothing compresses away."""
    small.step("Write", f"(OUT / 'out/data.bin').write_bytes(os.urandom({megabytes} * 1024 * 1024)); say('well')")
    return small


def runs(small: SmallPipeline) -> list[str]:
    return sorted(one.name for one in (small.workspace / "runs").iterdir())


def clean(small: SmallPipeline, *words: str) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "clean", "--workspace", str(small.workspace), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_newest_are_kept(small):
    """As many runs are kept as asked for, the newest; what was removed is said, with its size."""
    names = [succeeded(writing(small).run(cache=False)).run for _ in range(3)]
    done = clean(small, "--keep", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("removed run")] == [
        f"removed run {name}" for name in names[:2]
    ]
    assert "removed 2 runs, 2 MB; 1 run kept, 1 MB" in done.stdout
    assert runs(small) == names[2:]


def test_a_dry_run_removes_nothing(small):
    """A dry run says the same, and removes nothing."""
    first, second = (succeeded(writing(small).run(cache=False)).run for _ in range(2))
    done = clean(small, "--keep", "1", "--dry-run", "--json")
    told = json.loads(done.stdout)
    assert (told["removed"], told["kept"], told["dry_run"]) == ([first], [second], True)
    assert told["freed"] >= MIB
    assert runs(small) == [first, second]


def test_a_dry_run_where_nothing_can_be_written(small):
    """A dry run writes nothing: it says the same of a workspace that is read-only, and of one where a run goes on."""
    first, _ = (succeeded(writing(small).run(cache=False)).run for _ in range(2))
    before = set(small.workspace.rglob("*"))
    with Workspace(small.workspace):
        assert cursus_sandbox.clean(small.workspace, keep=1, dry_run=True).removed == (first,)
    words = " ".join([COMMAND, "clean", "--workspace", str(small.workspace), "--keep", "1", "--dry-run"])
    mounted = f"mount --bind {small.workspace} {small.workspace} && mount -o remount,ro,bind {small.workspace}"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{mounted} || exit 77; {words}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 77:
        pytest.skip("no mount can be made here")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"would remove run {first}" in done.stdout
    assert set(small.workspace.rglob("*")) == before


def test_shared_files_count_once(small):
    """What a run took over costs nothing again, and stays when the run that made it goes."""
    first = succeeded(writing(small).run())
    second = succeeded(small.run())
    assert statuses(second) == {"Write": "reused"}
    size = json.loads(clean(small, "--dry-run", "--json").stdout)["size"]
    assert MIB <= size < 2 * MIB
    clean(small, "--keep", "1")
    assert runs(small) == [second.run] != [first.run]
    assert said(second.step_results["Write"]) == "well"
    assert statuses(succeeded(small.run())) == {"Write": "reused"}


def test_a_removed_run_is_not_taken_over(small):
    """A step whose only run was removed runs again."""
    succeeded(writing(small).run())
    small.step("Write", "say('other')")
    succeeded(small.run())
    clean(small, "--keep", "1")
    assert all(link.exists() for link in (small.workspace / "cache" / "keys").iterdir())
    writing(small)
    assert statuses(succeeded(small.run())) == {"Write": "succeeded"}


def test_what_is_beyond_a_size_goes_by_itself(small):
    """After a run the oldest runs go until the rest fits into the workspace's size, and the result says so."""
    writing(small, 2)
    names = [succeeded(small.run(cache=False, max_size="5m")).run for _ in range(2)]
    assert runs(small) == names
    third = succeeded(small.run(cache=False, max_size="5m"))
    assert runs(small) == [names[1], third.run]
    assert any(note.startswith("1 old run removed: the workspace is to hold") for note in third.notes)


def kept(days: float, size: int) -> Sized:
    started = datetime.now().astimezone() - timedelta(days=days)

    class Run(KeptRun):
        @property
        def started_at(self):
            return started

    return Sized(Run(None, is_running=False), size)


@pytest.mark.parametrize(
    ("bounds", "left"),
    [
        (Bounds(), 4),
        (Bounds(runs=2), 2),
        (Bounds(age=timedelta(days=3)), 2),
        (Bounds(size=25), 2),
        (Bounds(size=1), 1),
        (Bounds(runs=3, size=25), 2),
    ],
)
def test_bounds(bounds, left):
    """What is beyond any of the bounds goes, the oldest first; the newest run stays in any case."""
    newest_first = [kept(0, 10), kept(2, 10), kept(4, 10), kept(6, 10)]
    gone = dispensable(newest_first, bounds, now=datetime.now().astimezone())
    assert gone == newest_first[left:][::-1]


def test_a_workspace_in_use_is_left_alone(small):
    """While a run holds the workspace nothing is removed."""
    succeeded(writing(small).run())
    with Workspace(small.workspace), pytest.raises(WorkspaceError, match="in use"):
        cursus_sandbox.clean(small.workspace, keep=1)


def test_no_workspace(small):
    """Where there are no runs that is said, and no workspace is made."""
    with pytest.raises(DocumentError, match="no run is kept"):
        cursus_sandbox.clean(small.workspace)
    assert not small.workspace.exists()
    done = clean(small, "--keep", "0")
    assert done.returncode == 2


def sizes(small: SmallPipeline) -> tuple[int, int]:
    """What the workspace noted that its runs take, and what `clean` finds that they do."""
    noted = json.loads((small.workspace / "size.json").read_text())["bytes"]
    return noted, cursus_sandbox.clean(small.workspace, dry_run=True).size


def test_logs_count(small):
    """What runs have but outputs counts, too: a log alone makes a workspace too large."""
    small.step("Talk", "print('x' * 3_000_000); say('well')")
    names = [succeeded(small.run(cache=False, max_size="5m")).run for _ in range(3)]
    assert runs(small) == names[2:]


def test_what_runs_take_is_known_without_a_look_at_all(small):
    """What is noted, run by run, is what there is: of shared files one, of attempts that failed, of killed runs."""
    small.step("Fail", f"(OUT / 'out/x').write_bytes(b'x' * {MIB}); sys.exit(1)")
    writing(small)
    for _ in range(2):
        assert not small.run().success
    with Workspace(small.workspace) as held:
        killed = held.new_run(datetime.now().astimezone(), "local").step("Write")
        killed.log.write_bytes(b"x" * MIB)
    assert not small.run(cache=False).success
    noted, found = sizes(small)
    assert found > 6 * MIB
    assert abs(noted - found) <= 64 * 1024


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("[")])
def test_a_size_that_is_not_known(small, damage):
    """A workspace whose size nobody noted is measured."""
    writing(small, 2)
    for _ in range(2):
        succeeded(small.run(cache=False, max_size="5m"))
    damage(small.workspace / "size.json")
    last = succeeded(small.run(cache=False, max_size="5m"))
    assert len(runs(small)) == 2
    assert runs(small)[-1] == last.run

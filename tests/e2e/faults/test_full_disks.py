"""Disks that are full, and files that can't be opened: a step's failure where a step met it, else this machine's."""

import json
import shutil
import subprocess
import sys
from contextlib import suppress

import pytest
from black_box import runs

FILLS = """
print('writing', flush=True)
with (OUT / 'out/huge').open('wb') as huge:
    while True:
        huge.write(bytes(1 << 20))
        huge.flush()
"""


@pytest.fixture
def on_disk(box, disk):
    """A black box whose workspace is on a disk of its own."""

    def on(size):
        box.workspace_folder = disk(size) / "workspace"
        return box

    return on


def filled(disk):
    """A file that takes all that is left of a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def test_a_step_that_fills_the_disk(on_disk):
    """A step that fills the workspace's disk has failed, for want of space, and how full it was is said: 1."""
    box = on_disk("40m")
    box.step("fills", FILLS)
    box.step("after", reads={"data": "fills:out"})
    ended = box.run(code=1)
    fills = ended.step("fills")
    assert (fills["status"], fills["exit_code"]) == ("failed", 1)
    assert "no space: of the 40 MB of the workspace's disk 0 MB are free" in fills["why"]
    assert fills["log_end"][-1].endswith("[Errno 28] No space left on device")
    assert json.loads((ended.run / "result.json").read_text()) == ended.result


def test_a_full_disk_and_a_long_log(on_disk):
    """A step that writes much to its log while the disk is full has failed all the same; the log has its end."""
    box = on_disk("8m")
    goes_on = "for number in range(100_000): print('line', number, file=sys.stderr)\n"
    box.step("fills", FILLS.replace("print", "# print").replace("with ", "try:\n  with ") + f"finally:\n  {goes_on}")
    fills = box.run(code=1).step("fills")
    assert "no space" in fills["why"]
    assert fills["log_end"][-1].endswith("No space left on device")
    (log,) = box.workspace.glob("runs/*/steps/fills/log.txt")
    assert "a part of the log is missing here" in log.read_text()


def test_a_step_that_fills_another_disk(box):
    """Where the workspace's disk has room, the others that a step may have filled are named."""
    fills = "(Path('/dev/shm/huge')).write_bytes(bytes(20 << 20))"
    box.step("fills", fills, resources={"shm_size": "8m"})
    why = box.run(code=1).step("fills")["why"]
    assert "no space, and the workspace's disk has" in why
    assert "/dev/shm, which has 8 MB" in why


def test_no_room_for_us(on_disk):
    """Where we can't write down what comes of a run, that is this machine's failure: 4; what was kept before stays."""
    box = on_disk("4m")
    box.step("load", "say('rows')")
    before = box.run(code=0)
    kept = {file: file.read_bytes() for file in before.run.glob("*.json")}
    ballast = filled(box.workspace.parent)
    ended = box.run(code=4)
    assert "No space left on device" in ended.stderr
    assert "Free some space, or use another disk:  --workspace DIR" in ended.stderr
    assert {file: file.read_bytes() for file in kept} == kept
    ballast.unlink()
    assert box.run(code=0).result["success"]


def test_room_is_made_on_a_full_disk(on_disk):
    """`clean` makes room on a disk that is full; a report that finds none there leaves no part of it."""
    box = on_disk("4m")
    box.step("load", "say('rows')")
    for _ in range(2):
        box.run(code=0)
    filled(box.workspace.parent)
    page = box.workspace.parent / "report.html"

    def ended(*words):
        command = [sys.executable, "-m", "cursus_sandbox", *words, "--workspace", box.workspace]
        return subprocess.run(command, capture_output=True, check=False)

    assert (ended("report", "-o", page).returncode, page.exists()) == (4, False)
    assert ended("clean", "--keep", "1").returncode == 0
    assert len(runs(box.workspace)) == 1


def test_no_room_in_the_middle(on_disk):
    """A disk that fills up while a step that has no need of it runs: 4, or the step's own end, and JSON stays whole."""
    box = on_disk("4m")
    box.step("slow", "print('waiting', flush=True)\nwhile not list(IN.glob('go')): time.sleep(0.05)", timeout="1s")
    with box.start() as running:
        running.wait_for_log("slow", "waiting")
        ballast = filled(box.workspace.parent)
        ended = running.ended(code=4)
    assert "No space left on device" in ended.stderr
    ballast.unlink()
    shutil.rmtree(box.workspace)


def test_too_few_open_files(local_box):
    """Where this machine lets us open too few files, that is said, and how to get more: 4."""
    local_box.step("load", "say('rows')")
    ended = local_box.run(code=4, prefix=["prlimit", "--nofile=12:12"])
    assert "Too many open files" in ended.stderr
    assert "Allow more open files (ulimit -n)" in ended.stderr


def test_a_low_limit_of_open_files_is_raised(local_box):
    """A low limit that may be raised is raised: forty steps at once run with 64 open files allowed."""
    for number in range(40):
        local_box.step(f"step{number}", "say('well')")
    assert local_box.run("--jobs", "40", code=0, prefix=["prlimit", "--nofile=64:4096"]).result["success"]

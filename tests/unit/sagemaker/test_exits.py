"""What an exit is said to mean."""

from pathlib import Path

import pytest

from cursus_sandbox.engines.engine import Exit, Why
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Resources
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.exits import Disk, meaning, no_space, remarks

STEP = PlannedStep(name="train", step_type="Train", kind=StepKind.TRAINING, source_dir=Path(), timeout=90.0)
SMALL = PlannedStep(
    name="train", step_type="Train", kind=StepKind.TRAINING, resources=Resources(memory=64 << 20, shm_size=64 << 20)
)
FULL = ": a bus error, as when /dev/shm is full, which has 64 MB. Give it more:  resources: {shm_size: 4g}"


@pytest.mark.parametrize(
    ("step", "ended", "said"),
    [
        (STEP, Exit(3, 1.0), "exit code 3"),
        (STEP, Exit(255, 1.0), "exit code 255"),
        (STEP, Exit(126, 1.0), "the command could not be run: it is not executable (exit code 126)"),
        (STEP, Exit(127, 1.0), "the command was not found (exit code 127)"),
        (STEP, Exit(0, 90.0, why=Why.TIMEOUT), "timed out after 90 s"),
        (STEP, Exit(137, 1.0, why=Why.OUT_OF_MEMORY), "out of memory (exit code 137)"),
        (SMALL, Exit(137, 1.0, why=Why.OUT_OF_MEMORY), "out of memory, the limit is 64 MB (exit code 137)"),
        (STEP, Exit(137, 1.0), "killed by SIGKILL (exit code 137), not by us (it has no memory limit)"),
        (SMALL, Exit(137, 1.0), "killed by SIGKILL (exit code 137), not by us and not by its memory limit of 64 MB"),
        (STEP, Exit(139, 1.0), "killed by SIGSEGV (exit code 139): a crash in native code"),
        (STEP, Exit(143, 1.0), "killed by SIGTERM (exit code 143), not by us"),
        (
            STEP,
            Exit(153, 1.0),
            "killed by SIGXFSZ (exit code 153): a file larger than its limit (ulimit -f)",
        ),
        (STEP, Exit(129, 1.0), "killed by SIGHUP (exit code 129)"),
        (SMALL, Exit(135, 1.0), f"killed by SIGBUS (exit code 135){FULL}"),
    ],
)
def test_what_an_exit_means(step, ended, said):
    """Each way to end is said in words, with its exit code and, where that is known, what to do."""
    assert meaning(step, ended) == said


def test_what_is_odd_about_a_good_end():
    """A step that lost a process to its memory limit and went on has a remark that names the limit."""
    assert remarks(STEP, Exit(0, 1.0)) == ()
    assert remarks(SMALL, Exit(0, 1.0, lost_a_process=True)) == (
        "one of its processes was killed for want of memory, the limit is 64 MB, and it went on without it",
    )


GB = 1024**3


@pytest.mark.parametrize(
    ("disk", "full"),
    [
        (Disk(size=40 << 20, free=0), True),
        (Disk(size=40 << 20, free=1 << 20), False),
        (Disk(size=250 * GB, free=10 << 20), True),
        (Disk(size=250 * GB, free=GB), False),
    ],
)
def test_a_full_disk(disk, full):
    """A disk is full when as good as nothing is left of it."""
    assert disk.is_full is full


def test_no_space():
    """Where a log says that there was no space, the full disk is named; where it doesn't, nothing is said."""
    said = b"OSError: [Errno 28] No space left on device\n"
    assert no_space(STEP, b"all well\n", Disk(size=40 << 20, free=0)) is None
    assert no_space(STEP, said, Disk(size=40 << 20, free=0)) == (
        "no space: of the 40 MB of the workspace's disk 0 MB are free"
    )
    assert no_space(SMALL, said, Disk(size=250 * GB, free=GB)) == (
        "no space, and the workspace's disk has 1,024 MB free: it was /dev/shm, which has 64 MB "
        "(resources: {shm_size: …}), or the disk of the container's other folders"
    )

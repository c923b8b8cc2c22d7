"""What the kernel tells of a container's first process, and of a process that waits at a gate."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox.engines.docker_gate import Gate
from cursus_sandbox.engines.docker_process import FirstProcess

ANY_CONTAINER = "/"  # part of each path of a cgroup


def process_or_skip(child: subprocess.Popen[bytes]) -> FirstProcess:
    found = FirstProcess.of(ANY_CONTAINER, child.pid)
    if found is None:
        pytest.skip("this kernel doesn't tell how another's process has ended: that takes Linux 6.15")
    return found


@pytest.mark.parametrize(("line", "well"), [("read _", True), ("read _; exit 3", False), ("read _; kill $$", False)])
def test_how_it_has_ended(line, well):
    """A process that ended with 0 has succeeded, and no other; one that runs has not ended."""
    with subprocess.Popen(["sh", "-c", line], stdin=subprocess.PIPE) as child, closing(process_or_skip(child)) as one:
        assert not one.has_ended(0)
        assert not one.succeeded()
        child.communicate(b"go\n")
        assert one.has_ended(10)
        assert one.succeeded() is well


def test_another_s_process():
    """A number that a daemon elsewhere has given, or of a process that is gone, is nobody's."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert FirstProcess.of("0" * 64, child.pid) is None
    assert FirstProcess.of(ANY_CONTAINER, child.pid) is None
    assert FirstProcess.of(ANY_CONTAINER, 0) is None


def test_who_waits_at_a_gate_reads_no_end(tmp_path: Path):
    """As long as the gate's keeper lives somebody may write to it, though a signal interrupts what the keeper does."""
    gate = Gate(tmp_path, PurePosixPath("/there"))
    with closing(gate):
        waiting = os.open(tmp_path / gate.there.name, os.O_RDONLY | os.O_NONBLOCK)
        with pytest.raises(BlockingIOError):
            os.read(waiting, 1)
        gate.open()
        assert os.read(waiting, 9) == b"\n"
        os.close(waiting)
    assert list(tmp_path.iterdir()) == []

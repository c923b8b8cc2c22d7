"""The process engine: the promises it keeps, held by the same tests; and what it says to what it can't do."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
import test_promises as promises
from conftest import Bench

from cursus_sandbox.engines.engine import Job, Mount, MountMode
from cursus_sandbox.engines.process import ProcessEngine
from cursus_sandbox.errors import EngineError


@pytest.fixture
def bench(tmp_path):
    with ProcessEngine(grace=0.5) as engine:
        yield Bench(engine, tmp_path, None)


class TestEnvironment:
    """2. It sees the job's environment and nothing of the host's; the host's files it does see."""

    test_variables_of_the_host_stay_out = promises.TestEnvironment.test_variables_of_the_host_stay_out
    test_home_can_be_written = promises.TestEnvironment.test_home_can_be_written
    test_home_can_be_chosen = promises.TestEnvironment.test_home_can_be_chosen

    def test_what_it_leaves_at_home_is_gone(self, bench):
        """A job's HOME, its folder for temporary files and the one it starts in are its own, and emptied afterwards."""
        job = bench.job("touch $HOME/a $TMPDIR/b c; echo $HOME $TMPDIR $PWD")
        assert bench.engine.run(job, bench.log.extend).code == 0
        assert all(Path(one).is_relative_to(job.scratch) for one in bench.log.decode().split())
        assert list(job.scratch.iterdir()) == []


class TestLog(promises.TestLog):
    """4. Its stdout and stderr reach `log` as bytes, in order, while it runs."""


class TestExit(promises.TestExit):
    """5. Its exit code comes back in Exit; 128+n if a signal ended it; `why` says timeout, memory, interrupted."""

    def test_a_file_that_may_not_be_executed_is_126(self, bench, tmp_path):
        """A file without the right to be executed is the step's failure, and the log says so."""
        (tmp_path / "script").write_text("#!/bin/sh\n")
        assert bench.run("", argv=(str(tmp_path / "script"),)).code == 126
        assert bench.log.decode() == f"{tmp_path / 'script'}: Permission denied\n"

    def test_output_of_who_left_is_not_waited_for(self, bench, tmp_path):
        """A process that left the session and holds the job's output doesn't keep its run from ending."""
        number = tmp_path / "number"
        ended = bench.run(f"setsid sh -c 'echo $$ > {number}; exec sleep 4330' & until [ -s {number} ]; do :; done")
        os.kill(int(number.read_text()), 9)
        assert (ended.code, ended.why) == (0, None)


class TestHonesty:
    """6. What it could not learn it does not invent: it raises EngineError."""

    def test_container_paths_are_refused(self, bench, tmp_path):
        """A job with mounts or a working folder is an error: it would not find them."""
        mount = Mount(tmp_path, PurePosixPath("/opt/ml"), MountMode.PRIVATE)
        for settings in ({"mounts": (mount,)}, {"working_dir": PurePosixPath("/opt/ml")}):
            with pytest.raises(EngineError, match="job 'test' is to see container paths"):
                bench.run("true", **settings)

    def test_a_job_without_a_command_is_refused(self, bench):
        """Without an image there is no command but the job's."""
        with pytest.raises(EngineError, match="job 'test' has no command"):
            bench.run("", argv=())

    def test_a_command_that_is_too_long_is_no_exit_code(self, bench):
        """What keeps the machine from starting a command is an error of the machine."""
        with pytest.raises(EngineError, match=r"could not be started: .*Argument list too long"):
            bench.run("x" * 3_000_000)


class TestThreads(promises.TestThreads):
    """7. `run` may be called from several threads at once."""


class TestWatching(promises.TestWatching):
    """11. A watcher is told what the job uses, soon after it has begun and then about twice a second."""


class TestLeaving:
    """8. Leaving the `with` block leaves nothing running and nothing behind."""

    test_background_processes_end_with_the_step = promises.TestLeaving.test_background_processes_end_with_the_step
    test_leaving_ends_what_runs = promises.TestLeaving.test_leaving_ends_what_runs

    def test_file_descriptors_are_closed(self, bench):
        """After jobs that succeed, and that never started, no file descriptor is left open."""
        before = len(list(Path("/proc/self/fd").iterdir()))
        bench.run("true")
        bench.run("", argv=("/nonexistent",))
        assert len(list(Path("/proc/self/fd").iterdir())) == before


class TestReaping:
    """12. What a process that was killed left running is killed by `reap`, and nothing else is."""

    test_what_a_killed_caller_left_is_removed = promises.TestReaping.test_what_a_killed_caller_left_is_removed


def test_a_run_takes_the_time_it_takes(bench):
    """`seconds` is the time from start to end on a clock that doesn't jump."""
    promises.test_a_run_takes_the_time_it_takes(bench)


ON_A_TERMINAL = """
import sys
from pathlib import Path
from cursus_sandbox.engines.engine import Job, Limits
from cursus_sandbox.engines.process import ProcessEngine
argv = ("sh", "-c", "test -t 0 && test -t 1 && read line && sleep 0.3 && echo said $line >&2; exit 4")
with ProcessEngine(terminal=True) as engine:
    job = Job(name="test", scratch=Path(sys.argv[1]), argv=argv, limits=Limits(timeout=0.1))
    ended = engine.run(job, lambda data: print("logged", data))
    print("ended", ended.code, ended.why)
"""


def test_a_job_on_the_terminal(tmp_path):
    """With `terminal` a job has this process's own stdin, stdout and stderr, its exit code counts, no timeout does."""
    reading, writing = pty.openpty()
    with os.fdopen(reading, "r+b", buffering=0) as here, os.fdopen(writing, "r+b", buffering=0) as terminal:
        argv = [sys.executable, "-c", ON_A_TERMINAL, str(tmp_path)]
        with subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal) as process:
            here.write(b"hello\n")
            assert process.wait(20) == 0
        shown = here.read(65536).decode().replace("\r", "")
    assert shown == "hello\nsaid hello\nended 4 None\n"


def test_a_visitor_is_refused(tmp_path):
    """A job that serves a port is refused, and what to do is said: all jobs here share the machine's own ports."""
    with ProcessEngine() as engine:
        job = Job(name="serve", scratch=tmp_path, argv=("true",), port=8080)
        with pytest.raises(EngineError, match=r"serves a port.*\n.*--engine docker or --engine local"):
            engine.run(job, lambda _: None, lambda _: None)

"""13. A job that was prepared runs like one that wasn't, and sees nothing of that."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import docker
import pytest

from cursus_sandbox.engines import arriving
from cursus_sandbox.engines.docker import LABEL, DockerEngine
from cursus_sandbox.engines.docker_daemon import Daemon
from cursus_sandbox.engines.engine import Exit, Job, Limits, Mount, MountMode, Why
from cursus_sandbox.errors import EngineError

IN = PurePosixPath("/opt/ml/processing/input/data")
OUT = PurePosixPath("/opt/ml/processing/output/data")
LOOK = (
    f"env; cat {IN}/* /proc/1/cmdline /proc/1/environ /etc/hosts; ls -A {OUT}; ls /proc/1/fd; ls /proc/self/fd; "
    "while read -r _ _ _ _ there _; do echo $there; done < /proc/self/mountinfo"
)

PREPARES = """
import sys
from pathlib import Path, PurePosixPath
from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.engines.engine import Job, Mount, MountMode
mounts = tuple(Mount(Path(here), PurePosixPath(there), MountMode(mode)) for here, there, mode in {mounts!r})
with DockerEngine.connect() as engine:
    prepared = engine.prepare(Job("test", Path({scratch!r}), ("true",), image={image!r}, mounts=mounts))
    print(prepared.container if prepared and prepared.started else "", flush=True)
    sys.stdin.read()
"""

UNSEEN = """
import sys
from pathlib import Path, PurePosixPath
from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.engines.engine import Job, Mount, MountMode
folder = Path(sys.argv[1])
(folder / "out").mkdir()
(folder / "scratch").mkdir()
out = Mount(folder / "out", PurePosixPath("/out"), MountMode.WRITABLE)
command = ("sh", "-c", "echo hello > /out/f")
job = Job("test", folder / "scratch", command, image=sys.argv[2], mounts=(out,))
with DockerEngine.connect() as engine:
    print(engine.prepare(job), engine._without_gate)
    print(engine.run(job, print).code, (folder / "out/f").read_text().strip())
"""


def job_to_come(bench, name: str, script: str, **settings) -> tuple[Job, Path]:
    """A job with an input that isn't there yet, and where it will be."""
    source, out = bench.folder / name / "in", bench.folder / name / "out"
    out.mkdir(parents=True)
    mounts = (Mount(source, IN, MountMode.PRIVATE), Mount(out, OUT, MountMode.WRITABLE))
    return bench.job(script, mounts=mounts, **settings), source


def arrive(source: Path, **files: str) -> None:
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)


def run_ahead(bench, script: str, name: str = "ahead", **settings) -> tuple[Exit, Path]:
    """Prepare a job where the engine does that, have its input come, and run it; gives that input, too."""
    job, source = job_to_come(bench, name, script, **settings)
    prepared = bench.engine.prepare(job)
    arrive(source, f="hello\n")
    return (prepared.run(bench.log.extend) if prepared else bench.engine.run(job, bench.log.extend)), source


def containers(bench) -> list[dict]:
    with closing(docker.from_env().api) as client:
        return client.containers(all=True, filters={"label": f"{LABEL}={bench.engine.id}"})


def gate_or_skip(bench, job: Job):
    """A job that stands at its gate."""
    prepared = bench.engine.prepare(job)
    if prepared is None or prepared.started is None:
        pytest.skip("this daemon's init isn't on this machine: it has no gates")
    return prepared


class TestPrepared:
    """On every engine, whether it does anything ahead or not."""

    def test_the_input_is_there_and_private(self, bench):
        """A prepared job finds an input that came later, changes it, and its source keeps its bytes."""
        ended, source = run_ahead(bench, f"cat {IN}/f; echo x >> {IN}/f; touch {IN}/new; cat {IN}/f > {OUT}/left")
        assert ended.code == 0, bench.log
        assert bench.log == b"hello\n"
        assert (source / "f").read_text() == "hello\n"
        assert [one.name for one in source.iterdir()] == ["f"]
        assert (source.parent / "out/left").read_text() == "hello\nx\n"
        assert (source.parent / "out/left").stat().st_uid == os.geteuid()

    def test_nothing_is_left_of_it(self, bench):
        """Neither a run nor a leave leaves anything beside what the job was given."""
        run_ahead(bench, "true")
        job, _ = job_to_come(bench, "left", "true")
        if prepared := bench.engine.prepare(job):
            prepared.leave()
        assert sorted(one.name for one in bench.folder.iterdir()) == ["ahead", "left", "scratch-0", "scratch-1"]
        assert list(job.scratch.iterdir()) == []

    def test_its_exit_code_comes_back(self, bench):
        """Exit codes are the command's, also where there is no such command."""
        assert run_ahead(bench, "exit 7")[0].code == 7
        assert run_ahead(bench, "", "missing", argv=("/no/such/command",))[0].code == 127

    def test_an_input_that_never_comes_is_said(self, bench):
        """What is wrong with a job is said when it runs."""
        job, source = job_to_come(bench, "ahead", "true")
        prepared = bench.engine.prepare(job)
        with pytest.raises(Exception, match=f"{source}.*does not exist"):
            _ = prepared.run(bench.log.extend) if prepared else bench.engine.run(job, bench.log.extend)

    def test_an_interrupted_engine_starts_none(self, bench):
        """A prepared job that is run after an interruption is not begun."""
        job, source = job_to_come(bench, "ahead", f"touch {OUT}/begun")
        prepared = bench.engine.prepare(job)
        arrive(source)
        bench.engine.interrupt()
        ended = prepared.run(bench.log.extend) if prepared else bench.engine.run(job, bench.log.extend)
        assert ended.why is Why.INTERRUPTED
        assert list((source.parent / "out").iterdir()) == []


class TestGate:
    """The docker engine starts the container before."""

    def test_the_job_can_not_tell(self, docker_bench):
        """Its variables, arguments, first process, mounts and open files are those of a job that wasn't prepared."""
        settings = {"environment": {"SM_HP_batch-size": "1", "TWO": "a\nb", "EMPTY": ""}, "working_dir": IN}
        job, source = job_to_come(docker_bench, "plain", LOOK, **settings)
        arrive(source, f="hello\n")
        docker_bench.engine.run(job, docker_bench.log.extend)
        plain = bytes(docker_bench.log)
        docker_bench.log.clear()
        job, source = job_to_come(docker_bench, "ahead", LOOK, **settings)
        prepared = gate_or_skip(docker_bench, job)
        arrive(source, f="hello\n")
        prepared.run(docker_bench.log.extend)
        assert b"hello" in plain
        assert told(docker_bench.log) == told(plain)

    def test_the_image_s_own_command_is_started(self, docker_bench):
        """An image with an entry point of its own starts with it, and with the job's arguments behind."""
        with closing(docker.from_env().api) as client:
            made = client.create_container(docker_bench.image, "-")["Id"]
            changes = ['ENTRYPOINT ["echo", "entry"]', 'CMD ["its", "own"]', "ENV A=image B=image"]
            image = client.commit(made, changes=changes)["Id"]
            client.remove_container(made)
            try:
                for number, (argv, said) in enumerate([((), "entry its own\n"), (("a", "b c"), "entry a b c\n")]):
                    docker_bench.log.clear()
                    run_ahead(docker_bench, "", f"ahead-{number}", image=image, argv=argv)
                    assert docker_bench.log.decode() == said
                docker_bench.log.clear()
                run_ahead(docker_bench, "", "env", image=image, entrypoint=("env",), argv=(), environment={"B": "job"})
                assert {"A=image", "B=job"} <= set(docker_bench.log.decode().splitlines())
            finally:
                give_up = time.monotonic() + 30
                while containers(docker_bench) and time.monotonic() < give_up:  # they go in their own time
                    time.sleep(0.05)
                client.remove_image(image, force=True)

    def test_its_time_counts_from_its_run(self, docker_bench):
        """The wait at the gate is no part of its seconds, nor of its timeout."""
        job, source = job_to_come(docker_bench, "ahead", "sleep 0.2", limits=Limits(timeout=2))
        prepared = gate_or_skip(docker_bench, job)
        run_ahead(docker_bench, "sleep 2", "other")
        arrive(source)
        ended = prepared.run(docker_bench.log.extend)
        assert (ended.code, ended.why) == (0, None)
        assert ended.seconds < 2

    def test_a_timeout_ends_it(self, docker_bench):
        """Signals reach the command behind a gate as they do without."""
        script = "trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
        ended, _ = run_ahead(docker_bench, script, limits=Limits(timeout=0.5))
        assert (ended.code, ended.why) == (3, Why.TIMEOUT)
        assert docker_bench.log == b"ready\ntold\n"

    def test_its_memory_is_limited(self, docker_bench):
        """A job that takes more than its limit is ended, and that is why."""
        script = "exec perl -e '$x = \"x\" x (256 * 1024 * 1024); print length $x'"
        ended, _ = run_ahead(docker_bench, script, limits=Limits(memory=64 * 1024**2))
        assert (ended.code, ended.why) == (137, Why.OUT_OF_MEMORY)

    def test_its_end_is_known_before_the_daemon_says_so(self, docker_bench, monkeypatch, kernel_tells):
        """That all is well, and the whole log, comes from the kernel; the daemon is heard before it is taken away."""
        heard, hears = threading.Event(), Daemon.end_of

        def late(daemon: Daemon, container: str) -> dict:
            heard.wait()
            return hears(daemon, container)

        monkeypatch.setattr(Daemon, "end_of", late)
        try:
            ended, _ = run_ahead(docker_bench, "perl -e 'print \"$_\\n\" for 1 .. 100000'")
            there = containers(docker_bench)
        finally:
            heard.set()
        assert ended.code == 0
        assert docker_bench.log == b"".join(b"%d\n" % n for n in range(1, 100001))
        assert len(there) == 1

    def test_any_other_end_is_the_daemon_s_to_tell(self, docker_bench, monkeypatch):
        """Where the exit code isn't 0, the daemon's word is waited for."""
        said = Daemon.end_of
        monkeypatch.setattr(Daemon, "end_of", lambda *asked: said(*asked) | {"OOMKilled": True})
        ended, _ = run_ahead(docker_bench, "exit 7")
        assert (ended.code, ended.why) == (7, Why.OUT_OF_MEMORY)

    def test_a_daemon_that_says_another_exit_code(self, docker_bench, monkeypatch, kernel_tells):
        """It is an error of the machine, told on leaving, where kernel and daemon don't agree."""
        said = Daemon.end_of
        monkeypatch.setattr(Daemon, "end_of", lambda *asked: said(*asked) | {"ExitCode": 3})
        engine = DockerEngine.connect()
        ended, _ = run_ahead(replace(docker_bench, engine=engine), "true")
        assert ended.code == 0
        with pytest.raises(EngineError, match="exit code 0, and its daemon says 3"):
            engine.__exit__(None, None, None)

    def test_who_comes_to_a_gate_shows_that_the_daemon_sees_its_folder(self, docker_bench):
        """Nothing is looked for beforehand: the job's own container is the only one that is made."""
        began = time.time()
        gate_or_skip(docker_bench, job_to_come(docker_bench, "ahead", "true")[0]).leave()
        labelled = {"event": "create", "label": f"{LABEL}={docker_bench.engine.id}"}
        with closing(docker.from_env().api) as client:
            told = client.events(since=began, until=time.time(), filters=labelled, decode=True)
            assert len(list(told)) == 1

    def test_a_daemon_that_does_not_see_the_folder_runs_the_job_all_the_same(self, docker_bench, tmp_path):
        """Where nobody comes to a gate for want of its folder there is none, and the job's files are carried."""
        own_mounts = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        if subprocess.run([*own_mounts, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this machine gives no mount namespace: run as root")
        words = [sys.executable, str(tmp_path), UNSEEN, docker_bench.image]
        script = 'mount -t tmpfs none "$1" && exec "$0" -c "$2" "$1" "$3"'
        done = subprocess.run([*own_mounts, "sh", "-c", script, *words], capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("None set()\n0 hello\n", "")

    def test_a_process_that_died_at_its_gate(self, docker_bench):
        """A job whose process is killed while it waits has not begun: it is run as if it hadn't been prepared."""
        job, source = job_to_come(docker_bench, "ahead", f"cat {IN}/f")
        prepared = gate_or_skip(docker_bench, job)
        with closing(docker.from_env().api) as client:
            client.kill(prepared.container)
        arrive(source, f="hello\n")
        assert prepared.run(docker_bench.log.extend).code == 0
        assert docker_bench.log == b"hello\n"

    def test_large_inputs_are_not_copied(self, docker_bench, monkeypatch):
        """Where the inputs are more than is copied in no time, the job runs as if it hadn't been prepared."""
        job, source = job_to_come(docker_bench, "ahead", f"grep -q 'overlay' /proc/mounts && cat {IN}/f")
        prepared = gate_or_skip(docker_bench, job)
        monkeypatch.setattr(arriving, "MOST_BYTES", 3)
        arrive(source, f="hello\n")
        assert prepared.run(docker_bench.log.extend).code == 0
        assert docker_bench.log == b"hello\n"

    def test_an_image_without_a_shell_is_made_ahead_only(self, docker_bench):
        """The first container finds out, the next are made and not started; all of them run."""
        image = image_of_one_program("cat")
        made = []
        for number in range(3):
            settings = {"image": image, "entrypoint": ("/program",), "argv": (f"{IN}/f",)}
            job, source = job_to_come(docker_bench, f"ahead-{number}", "", **settings)
            prepared = docker_bench.engine.prepare(job)
            made.append(prepared and [one["State"] for one in containers(docker_bench) if one["Image"] == image])
            arrive(source, f="hello\n")
            ended = (
                prepared.run(docker_bench.log.extend)
                if prepared
                else docker_bench.engine.run(job, docker_bench.log.extend)
            )
            assert ended.code == 0, docker_bench.log
        assert docker_bench.log == b"hello\n" * 3
        assert made[0] is None
        assert "created" in made[1]

    def test_whoever_dies_takes_the_gate_along(self, docker_bench):
        """A container that waits ends by itself when the one who is to open its gate was killed."""
        job, _ = job_to_come(docker_bench, "ahead", "true")
        given = [(str(one.source), str(one.target), str(one.mode)) for one in job.mounts]
        program = PREPARES.format(mounts=given, scratch=str(job.scratch), image=docker_bench.image)
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            container = process.stdout.readline().strip()
            if not container:
                process.stdin.close()
                pytest.skip("this daemon's init isn't on this machine: it has no gates")
            process.send_signal(signal.SIGKILL)
        with closing(docker.from_env().api) as client:
            try:
                assert client.wait(container, timeout=30)["StatusCode"] == 125
            finally:
                client.remove_container(container, force=True)


@pytest.fixture
def kernel_tells(docker_bench) -> None:
    """A kernel that says how another's process has ended, and a daemon whose processes are seen from here."""
    prepared = gate_or_skip(docker_bench, job_to_come(docker_bench, "kernel", "true")[0])
    told = prepared.started.process is not None
    prepared.leave()
    if not told:
        pytest.skip("this kernel doesn't tell how another's process has ended: that takes Linux 6.15")


def told(log: bytes) -> list[bytes]:
    """The words of a log, in any order: that of variables means nothing."""
    return sorted(re.split(rb"[\0\n]", log))


def image_of_one_program(program: str) -> str:
    """An image with one program, its libraries and nothing else; no shell."""
    path = Path(shutil.which(program, path="/usr/bin:/bin"))
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    libraries = [Path(word) for word in listed.split() if word.startswith("/")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        archive.add(path, "program")
        for library in libraries:
            archive.add(library, str(library).lstrip("/"))
    with closing(docker.from_env().api) as client:
        tag = f"cursus-sandbox-test:only-{program}"
        client.import_image_from_data(buffer.getvalue(), repository="cursus-sandbox-test", tag=f"only-{program}")
    return tag

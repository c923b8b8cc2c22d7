"""The promises of an engine, each held by every engine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from uuid import uuid4

import docker
import pytest
from conftest import engine_or_skip

from cursus_sandbox.engines.docker import LABEL, DockerEngine
from cursus_sandbox.engines.engine import Door, Exit, Limits, Mount, MountMode, Why
from cursus_sandbox.errors import EngineError

IN = PurePosixPath("/opt/ml/processing/input/data")
OUT = PurePosixPath("/opt/ml/processing/output/data")
MIB = 1024**2
TMP = PurePosixPath("/tmp")


def folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def private(source: Path, target: PurePosixPath = IN) -> Mount:
    return Mount(source, target, MountMode.PRIVATE)


def writable(source: Path, target: PurePosixPath = OUT) -> Mount:
    return Mount(source, target, MountMode.WRITABLE)


def processes(word: str) -> list[str]:
    """The command lines of living processes on this machine that hold a word."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in line:
            lines.append(line)
    return lines


class TestMounts:
    """1. The command sees each mount at its container path; a private input's source never changes."""

    def test_what_is_written_to_a_writable_mount_lands_in_its_source(self, bench, tmp_path):
        """A step reads its input and its output is on the host, owned by the caller."""
        source, out = folder(tmp_path / "in", f="hello\n"), folder(tmp_path / "out")
        bench.output(f"cat {IN}/f > {OUT}/copy", mounts=(private(source), writable(out)))
        assert (out / "copy").read_text() == "hello\n"
        assert (out / "copy").stat().st_uid == os.geteuid()

    def test_a_private_folder_is_changed_for_the_job_only(self, bench, tmp_path):
        """A step changes, adds and deletes files of a private input; the source keeps its bytes and its entries."""
        source = folder(tmp_path / "in", changed="a\n", deleted="b\n")
        script = f"cd {IN}; echo x >> changed; rm deleted; echo n > new; mkdir -p d/e; cat changed new; ls"
        assert bench.output(script, mounts=(private(source),)) == "a\nx\nn\nchanged\nd\nnew\n"
        assert {path.name: path.read_text() for path in source.iterdir()} == {"changed": "a\n", "deleted": "b\n"}

    def test_a_private_file_is_changed_for_the_job_only(self, bench, tmp_path):
        """A single file is a mount too: the step may write it and its source keeps its bytes."""
        source = folder(tmp_path / "in", f="a\n") / "f"
        assert bench.output(f"echo x >> {IN}/f; cat {IN}/f", mounts=(private(source, IN / "f"),)) == "a\nx\n"
        assert source.read_text() == "a\n"

    def test_a_read_only_mount_refuses_writes(self, bench, tmp_path):
        """A step can't write, add, rename or delete in a read-only mount."""
        source = folder(tmp_path / "in", f="a\n")
        script = (
            f"cd {IN}; for c in 'touch f' 'touch n' 'mv f g' 'rm f' 'chmod 777 f'; do $c && echo did $c; done; true"
        )
        assert "did" not in bench.output(script, mounts=(Mount(source, IN, MountMode.READ_ONLY),))
        assert [path.name for path in source.iterdir()] == ["f"]

    def test_a_private_mount_inside_a_private_mount_leaves_both_sources_alone(self, bench, tmp_path):
        """Nested channels work in any order given, and no mount point is left behind in the outer one's source."""
        outer, inner = folder(tmp_path / "outer", o="o\n"), folder(tmp_path / "inner", i="i\n")
        file = folder(tmp_path / "file", f="f\n") / "f"
        mounts = (private(file, IN / "deep/er/f"), private(inner, IN / "model"), private(outer, IN))
        script = f"cd {IN}; echo x >> o; echo x >> model/i; cat o model/i deep/er/f"
        assert bench.output(script, mounts=mounts) == "o\nx\ni\nx\nf\n"
        assert [path.name for path in outer.iterdir()] == ["o"]
        assert (inner / "i").read_text() == "i\n"

    def test_odd_names_are_mounted_like_any_other(self, bench, tmp_path):
        """Spaces, colons, commas, backslashes, quotes and accents in a source's path mean nothing."""
        source = folder(tmp_path / "a b:c,d\\e'f\"é", f="odd\n")
        mounts = (private(source), Mount(source, OUT, MountMode.READ_ONLY))
        assert bench.output(f"echo x >> {IN}/f; cat {IN}/f {OUT}/f", mounts=mounts) == "odd\nx\nodd\n"

    def test_a_link_as_source_is_followed(self, bench, tmp_path):
        """A source that is a symbolic link to a folder is that folder."""
        (tmp_path / "link").symlink_to(folder(tmp_path / "in", f="a\n"))
        assert bench.output(f"cat {IN}/f", mounts=(private(tmp_path / "link"),)) == "a\n"

    def test_a_source_of_closed_folders_is_copied_on_write(self, bench, tmp_path):
        """Folders the step closes in its private input don't keep scratch from being deleted."""
        source = folder(tmp_path / "in", f="a\n")
        job = bench.job(f"cd {IN}; mkdir -p x/y; touch x/y/z; chmod 0 x/y x", mounts=(private(source),))
        assert bench.engine.run(job, bench.log.extend).code == 0
        shutil.rmtree(job.scratch)


class TestEnvironment:
    """2. It sees the job's environment and nothing of the host's."""

    def test_variables_of_the_host_stay_out(self, bench, monkeypatch):
        """A variable of the calling process isn't there; the job's own are, with any bytes a value may have."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
        said = bench.output("env", environment={"MODE": "a=b c\n'd' é"})
        assert "MODE=a=b c\n'd' é\n" in said
        assert "AWS" not in said
        assert "do-not-leak" not in said

    def test_home_can_be_written(self, bench):
        """HOME is a folder the step can write to, whoever it runs as."""
        assert bench.output("touch $HOME/x && echo well") == "well\n"

    def test_home_can_be_chosen(self, bench):
        """The job's own HOME is kept."""
        assert bench.output("echo $HOME", environment={"HOME": "/opt/home"}) == "/opt/home\n"

    def test_files_of_the_host_stay_out(self, bench, tmp_path):
        """What lies in the host's /tmp and in the caller's folders isn't there."""
        secret = folder(tmp_path / "secret", f="s")
        assert (
            bench.output(f"ls {secret} 2>/dev/null; ls -A /tmp /run; ls -A /home /var/run 2>/dev/null || true").find(
                "secret"
            )
            == -1
        )

    def test_no_rights_are_left(self, bench):
        """A step has no capability, can gain none, and runs as the caller."""
        status = bench.output("cat /proc/self/status; echo uid $(id -u):$(id -g)")
        assert "CapEff:\t0000000000000000" in status
        assert "CapBnd:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        assert f"uid {os.geteuid()}:{os.getegid()}" in status

    def test_a_step_sees_its_own_processes_only(self, bench):
        """The process table holds the step and nothing of the host's."""
        assert len(bench.output("ls /proc | grep -c '^[0-9]'").strip()) == 1

    def test_shared_memory_has_the_size_asked_for(self, bench):
        """/dev/shm takes what the job asks for and not more."""
        limits = Limits(shm_size=2 * MIB)
        script = "head -c 1m /dev/zero > /dev/shm/a && ! head -c 3m /dev/zero 2>/dev/null > /dev/shm/b"
        bench.output(script, limits=limits)

    def test_the_working_folder_is_the_jobs(self, bench, tmp_path):
        """A job starts in its working folder."""
        source = folder(tmp_path / "in")
        assert bench.output("pwd", mounts=(private(source),), working_dir=IN) == f"{IN}\n"


class TestNetwork:
    """3. It has no network unless the job asks for one."""

    def test_only_the_loopback_is_there(self, bench):
        """A step sees no interface but lo."""
        lines = bench.output("cat /proc/net/dev").splitlines()[2:]
        assert [line.split(":")[0].strip() for line in lines] == ["lo"]

    def test_the_host_is_algo_1(self, bench):
        """The step's own name is algo-1, and resolves to itself."""
        assert bench.output("hostname; getent hosts algo-1").split()[:2] == ["algo-1", "127.0.0.1"]

    def test_a_network_is_there_when_asked_for(self, bench):
        """A job that asks for a network gets an interface more, where this machine has one to give."""
        host = {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]}
        if host == {"lo"}:
            pytest.skip("this machine has no network itself")
        assert len(bench.output("cat /proc/net/dev", network=True).splitlines()) > 3

    def test_a_network_is_the_jobs_own(self, docker_bench):
        """A job with a network is not on the bridge where all other containers are, and its network goes with it."""
        client = docker.from_env()
        seen = []

        def hear(_: bytes) -> None:
            [container] = client.containers.list(filters={"label": f"{LABEL}={engine.id}"})
            seen.extend(container.attrs["NetworkSettings"]["Networks"])

        with DockerEngine.connect() as engine:
            engine.run(docker_bench.job("echo ready; sleep 0.3", network=True), hear)
        [name] = seen
        assert name.startswith("cursus-sandbox-")
        assert client.networks.list(filters={"label": f"{LABEL}={engine.id}"}) == []
        client.close()


class TestCluster:
    """10. The jobs of a cluster reach each other by host name, and nobody else unless the cluster has an outside."""

    def started(self, bench, cluster, scripts, threads, log, **settings):
        """The jobs of a cluster, each with its host name and script, under way."""
        jobs = [
            bench.job(script, hostname=f"algo-{number}", cluster=cluster, **settings)
            for number, script in enumerate(scripts, 1)
        ]
        return [threads.submit(bench.engine.run, job, log) for job in jobs]

    def test_hosts_find_each_other(self, docker_bench, tmp_path):
        """Each of two hosts resolves the other's name while both run; the network is gone afterwards."""
        mounts = (writable(folder(tmp_path / "out")),)
        finds = (
            "n=0; until getent hosts {0}; do sleep 0.05; n=$((n+1)); [ $n -lt 400 ] || exit 9; done; touch {1}/{0}; "
        )
        waits = "until [ -e {1}/{2} ]; do sleep 0.05; n=$((n+1)); [ $n -lt 800 ] || exit 8; done"
        names = [("algo-2", OUT, "algo-1"), ("algo-1", OUT, "algo-2")]
        scripts = [(finds + waits).format(*each) for each in names]
        said = bytearray()
        with (
            docker_bench.engine.cluster(["algo-1", "algo-2"], outside=False, labels={}) as cluster,
            ThreadPoolExecutor(2) as threads,
        ):
            started = self.started(docker_bench, cluster, scripts, threads, said.extend, mounts=mounts)
            ends = [one.result(60) for one in started]
        assert [one.code for one in ends] == [0, 0], said
        assert b"algo-1" in said
        assert b"algo-2" in said
        client = docker.from_env()
        assert client.networks.list(filters={"label": f"{LABEL}={docker_bench.engine.id}"}) == []
        client.close()

    @pytest.mark.parametrize("outside", [True, False])
    def test_a_way_out_is_there_when_asked_for(self, docker_bench, outside):
        """A cluster without an outside is on a network that the daemon lets nothing out of."""
        client = docker.from_env()
        with docker_bench.engine.cluster(
            ["algo-1", "algo-2"], outside=outside, labels={"cursus-sandbox.run": "r"}
        ) as cluster:
            [network] = client.networks.list(names=[cluster.network])
            assert network.attrs["Internal"] is not outside
            assert network.attrs["Labels"]["cursus-sandbox.run"] == "r"
        client.close()

    def test_stopping_ends_them_all(self, docker_bench, endless):
        """A cluster that is stopped ends its jobs, starts no more of them, and leaves other jobs alone."""
        with (
            docker_bench.engine.cluster(["algo-1", "algo-2"], outside=False, labels={}) as cluster,
            ThreadPoolExecutor(2) as threads,
        ):
            hear = lambda _: cluster.stop.set()  # noqa: E731
            ends = [
                one.result(60)
                for one in self.started(docker_bench, cluster, ["echo up; exec " + endless] * 2, threads, hear)
            ]
            assert {(one.code, one.why) for one in ends} == {(143, Why.INTERRUPTED)}
            assert docker_bench.run("true", cluster=cluster).why is Why.INTERRUPTED
        assert docker_bench.run("true").code == 0

    def test_an_engine_without_clusters_says_so(self, local_bench):
        """The local engine refuses a cluster, and says what to do."""
        with (
            pytest.raises(EngineError, match="has one host"),
            local_bench.engine.cluster(["algo-1", "algo-2"], outside=False, labels={}),
        ):
            pass


class TestLog:
    """4. Its stdout and stderr reach `log` as bytes, in order, while it runs."""

    def test_bytes_are_kept_and_nothing_is_lost(self, bench):
        """Invalid UTF-8, NUL, carriage returns and an unterminated last line arrive as they were written."""
        assert bench.run(r"printf 'a\377b\000c\r\nlast'").code == 0
        assert bytes(bench.log) == b"a\xffb\0c\r\nlast"

    def test_the_last_line_is_never_lost(self, bench):
        """An unterminated last line arrives each time, also when it is all there is."""
        for _ in range(5):
            assert bench.output("printf end") == "end"

    def test_both_streams_are_heard(self, bench):
        """Stdout and stderr both arrive, each in its order."""
        said = bench.output("echo 1; echo a >&2; echo 2; echo b >&2")
        assert [line for line in said.split() if line.isdigit()] == ["1", "2"]
        assert [line for line in said.split() if line.isalpha()] == ["a", "b"]

    def test_output_arrives_while_the_step_runs(self, bench):
        """A line is delivered before the step goes on: the step waits for a file that its own output brings about."""
        gate = bench.gate()
        job = bench.job(f"echo ready; {gate.wait}; echo on", mounts=gate.mounts, limits=Limits(timeout=20))
        log = bytearray()

        def hear(data: bytes) -> None:
            log.extend(data)
            gate.opened()

        assert bench.engine.run(job, hear).why is None
        assert bytes(log) == b"ready\non\n"

    def test_much_output_arrives_whole(self, bench):
        """Megabytes, and lines longer than a daemon's buffer, arrive byte for byte."""
        script = "head -c 20000 /dev/zero; echo; echo next; head -c 5000000 /dev/zero; printf end"
        assert bench.run(script).code == 0
        assert bytes(bench.log) == b"\0" * 20000 + b"\nnext\n" + b"\0" * 5000000 + b"end"

    def test_an_error_of_the_reader_ends_the_job(self, bench, endless):
        """When the log can't be written, the error comes out of `run` and the step doesn't go on."""

        def full(data: bytes) -> None:
            raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space left"):
            bench.engine.run(bench.job(f"echo x; {endless}"), full)
        assert processes(endless.split()[1]) == []


class TestExit:
    """5. Its exit code comes back in Exit; 128+n if a signal ended it; `why` says timeout, memory, interrupted."""

    @pytest.mark.parametrize(
        ("script", "code"),
        [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143), ("exit 137", 137), ("exit 255", 255)],
    )
    def test_the_code_is_the_steps_own(self, bench, script, code):
        """The exit code is the command's, 128+n for a signal, and says nothing about why."""
        ended = bench.run(script)
        assert (ended.code, ended.why) == (code, None)

    def test_a_missing_command_is_127(self, bench):
        """A command that isn't there is the step's failure, as a shell counts it, and the log says so."""
        assert bench.run("", argv=("/nonexistent/command",)).code == 127
        assert b"/nonexistent/command" in bench.log

    def test_a_command_that_is_no_program_is_126(self, bench):
        """A command that can't be executed is the step's failure, as a shell counts it."""
        assert bench.run("", argv=("/etc",)).code == 126

    def test_arguments_are_not_read_by_a_shell(self, bench):
        """Entrypoint and arguments are executed as they stand: no variable, glob or quote is expanded."""
        assert bench.output("", entrypoint=("env", "echo"), argv=("$HOME", "*", "'")) == "$HOME * '\n"

    def test_a_timeout_is_said(self, bench):
        """A step that is too slow gets TERM, and its end is a timeout."""
        ended = bench.run("sleep 4322", limits=Limits(timeout=0.3))
        assert (ended.code, ended.why) == (143, Why.TIMEOUT)
        assert 0.3 <= ended.seconds < 5

    def test_a_timeout_that_is_handled_is_still_a_timeout(self, bench):
        """A step that tidies up on TERM and exits 0 has timed out all the same."""
        ended = bench.run("trap 'echo bye; exit 0' TERM; while :; do sleep 0.02; done", limits=Limits(timeout=0.4))
        assert (ended.code, ended.why) == (0, Why.TIMEOUT)
        assert bench.log == b"bye\n"

    def test_a_timeout_that_is_ignored_is_a_kill(self, bench):
        """A step that ignores TERM is killed when the grace is over."""
        ended = bench.run("trap '' TERM; while :; do sleep 0.02; done", limits=Limits(timeout=0.3))
        assert (ended.code, ended.why) == (137, Why.TIMEOUT)

    def test_the_jobs_grace_counts_when_its_time_is_up(self, bench):
        """A step whose time is up has the time it was promised to save what it has, however hasty the engine is."""
        script = "trap 'sleep 0.9; echo saved; exit 0' TERM; while :; do sleep 0.02; done"
        ended = bench.run(script, limits=Limits(timeout=0.3, grace=60))
        assert (ended.code, ended.why, bench.log) == (0, Why.TIMEOUT, b"saved\n")

    def test_out_of_memory_is_said(self, bench):
        """A step that takes more memory than it may is killed, and that is why."""
        ended = bench.run("head -c 1000m /dev/zero | tail", limits=Limits(memory=128 * MIB))
        assert (ended.code, ended.why) == (137, Why.OUT_OF_MEMORY)

    def test_a_limit_that_is_kept_is_no_reason(self, bench):
        """A step within its limits ends as it would without them."""
        limits = Limits(memory=256 * MIB, cpus=0.5, timeout=60)
        ended = bench.run("head -c 8m /dev/zero | tail > /dev/null", limits=limits)
        assert (ended.code, ended.why) == (0, None)

    def test_peak_memory_is_measured(self, bench):
        """A step of a third of a second has a peak: what it held, within reason."""
        ended = bench.run("sleep 0.3 & { head -c 60m /dev/zero; sleep 0.3; } | tail >/dev/null")
        assert 50 * MIB < ended.peak_memory < 200 * MIB

    @pytest.mark.parametrize(("calls", "code"), [(1, 143), (2, 137)])
    def test_an_interruption_is_said(self, bench, calls, code):
        """Another thread ends the job: with TERM first, and at once when it insists. Later jobs don't start."""
        ended = bench.interrupted(calls)
        assert (ended.code, ended.why) == (code, Why.INTERRUPTED)
        later = bench.engine.run(bench.job("echo never"), bench.log.extend)
        assert (later.why, bytes(bench.log)) == (Why.INTERRUPTED, b"")


class TestHonesty:
    """6. What it could not learn it does not invent: it raises EngineError."""

    def test_a_missing_source_is_named(self, bench, tmp_path):
        """All sources that aren't there are named, and nothing is made in their place."""
        mounts = (private(tmp_path / "no"), writable(tmp_path / "none"))
        with pytest.raises(EngineError, match=r"(?s)/no .*does not exist.*/none .*does not exist"):
            bench.run("true", mounts=mounts)
        assert not (tmp_path / "no").exists()

    def test_a_special_file_is_no_source(self, bench, tmp_path):
        """Sockets, pipes and devices are refused, also behind a link."""
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "socket"))
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "link").symlink_to("/dev/null")
        (tmp_path / "nowhere").symlink_to("gone")
        kinds = {"socket": "a socket", "pipe": "a pipe", "link": "a device", "nowhere": "does not exist"}
        for name, kind in kinds.items():
            with pytest.raises(EngineError, match=kind):
                bench.run("true", mounts=(private(tmp_path / name),))

    def test_targets_are_absolute_and_single(self, bench, tmp_path):
        """A relative target and two mounts at one place are refused."""
        for targets in ([PurePosixPath("a")], [IN / "..", OUT], [IN, IN]):
            with pytest.raises(EngineError, match="job 'test' can't be given its mounts"):
                bench.run("true", mounts=tuple(private(tmp_path, target) for target in targets))

    def test_a_mount_inside_a_read_only_one_needs_its_place(self, bench, tmp_path):
        """A mount point that would have to be made in a read-only mount is an error that says so."""
        outer = Mount(folder(tmp_path / "outer"), IN, MountMode.READ_ONLY)
        with pytest.raises(EngineError, match="read-only and has no such entry"):
            bench.run("true", mounts=(outer, private(folder(tmp_path / "inner"), IN / "x")))


class TestThreads:
    """7. `run` may be called from several threads at once."""

    def test_jobs_run_at_the_same_time(self, bench):
        """Four jobs that wait for one another all end, each with its own code and log."""
        gate = bench.gate()
        here = threading.Barrier(4, action=gate.opened, timeout=30)
        script = f"echo here; {gate.wait}; echo $N; exit $N"
        jobs = [
            bench.job(script, environment={"N": str(n)}, mounts=gate.mounts, limits=Limits(timeout=60))
            for n in range(4)
        ]
        logs = [bytearray() for _ in jobs]

        def run(n: int) -> Exit:
            def hear(data: bytes) -> None:
                logs[n].extend(data)
                if data == b"here\n":
                    here.wait()

            return bench.engine.run(jobs[n], hear)

        with ThreadPoolExecutor(4) as threads:
            exits = list(threads.map(run, range(4)))
        assert [ended.code for ended in exits] == [0, 1, 2, 3]
        assert [bytes(log) for log in logs] == [f"here\n{n}\n".encode() for n in range(4)]

    def test_an_interruption_ends_them_all(self, bench):
        """One call ends every job that runs."""
        ready = threading.Barrier(3)

        def run(n: int) -> Exit:
            return bench.engine.run(bench.job(f"echo {n}; sleep 4324"), lambda _: ready.wait(20) and None)

        with ThreadPoolExecutor(2) as threads:
            runs = [threads.submit(run, n) for n in range(2)]
            ready.wait(20)
            bench.engine.interrupt()
            assert {ended.result().why for ended in runs} == {Why.INTERRUPTED}


class TestLeaving:
    """8. Leaving the `with` block leaves nothing running and nothing behind."""

    def test_background_processes_end_with_the_step(self, bench, endless):
        """What a step leaves in the background is gone when `run` returns, even when it let go of its output."""
        assert bench.run(f"{endless} >/dev/null 2>&1 & {endless} & exit 5").code == 5
        assert processes(endless.split()[1]) == []

    def test_scratch_is_empty_afterwards(self, bench, tmp_path):
        """Nothing is left in scratch, and its owner can delete it, whatever was deleted or mounted in an overlay."""
        inner = private(folder(tmp_path / "inner", i="i"), IN / "deep/er")
        mounts = (private(folder(tmp_path / "in", f="a", g="b")), inner)
        job = bench.job(f"echo x > {IN}/new; rm {IN}/f {IN}/deep/er/i; mv {IN}/g {IN}/h; touch /tmp/t", mounts=mounts)
        bench.engine.run(job, bench.log.extend)
        assert list(job.scratch.iterdir()) == []
        shutil.rmtree(job.scratch)

    def test_file_descriptors_are_closed(self, bench, tmp_path):
        """An engine that was left has closed all it had opened."""
        mounts = (private(folder(tmp_path / "in")),)
        before = len(list(Path("/proc/self/fd").iterdir()))
        with engine_or_skip(bench.engine.name) as engine:
            engine.run(bench.job("true", mounts=mounts), bench.log.extend)
            engine.run(bench.job("", argv=("/nonexistent",)), bench.log.extend)
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_leaving_ends_what_runs(self, bench, endless):
        """A job that still runs when the block is left is killed, and its `run` returns."""
        started, exits = threading.Event(), []

        def run() -> None:
            exits.append(bench.engine.run(bench.job(f"echo ready; {endless}"), lambda _: started.set()))

        thread = threading.Thread(target=run)
        thread.start()
        assert started.wait(20)
        bench.engine.__exit__(None, None, None)
        thread.join(20)
        assert [ended.why for ended in exits] == [Why.INTERRUPTED]
        assert processes(endless.split()[1]) == []

    @pytest.mark.docker
    def test_no_container_and_no_volume_is_left(self, docker_bench, tmp_path):
        """After runs that succeed, fail, time out and never start, the daemon holds nothing of this engine."""
        mounts = (private(folder(tmp_path / "in")),)
        docker_bench.run("true", mounts=mounts)
        docker_bench.run("false", mounts=mounts)
        docker_bench.run("sleep 4327", mounts=mounts, limits=Limits(timeout=0.1))
        docker_bench.run("", argv=("/nonexistent",), mounts=mounts)
        with pytest.raises(EngineError):
            docker_bench.run("true", image="cursus-sandbox-test:none", mounts=mounts)
        docker_bench.engine.__exit__(None, None, None)  # until then containers may be on their way out
        mine = {"label": f"{LABEL}={docker_bench.engine.id}"}
        client = docker.from_env().api
        try:
            assert client.containers(all=True, filters=mine) == []
            assert not client.volumes(filters=mine)["Volumes"]
        finally:
            client.close()


ORPHANED = """
import json, os, signal, sys, threading
from pathlib import Path, PurePosixPath
from cursus_sandbox.engines.engine import Job, Mount, MountMode
name, folder, image, script, label, clustered = sys.argv[1:]
folder = Path(folder)
if name == "docker":
    from cursus_sandbox.engines.docker import DockerEngine as Engine
    engine = Engine.connect()
elif name == "local":
    from cursus_sandbox.engines.local import LocalEngine as Engine
    engine = Engine.connect()
else:
    from cursus_sandbox.engines.process import ProcessEngine as Engine
    engine = Engine()
scratch = folder / "scratch"
scratch.mkdir(parents=True)
(folder / "in").mkdir()
(folder / "in/f").touch()
mounts = (Mount(folder / "in", PurePosixPath("/opt/ml/in"), MountMode.PRIVATE),) if engine.makes_mounts else ()
job = dict(name="orphan", scratch=scratch, image=image or None, argv=("sh", "-c", script), mounts=mounts)
job["labels"] = {"cursus-sandbox.test": label}
def log(data):
    os.write(1, data)
with engine:
    if clustered == "yes":
        with engine.cluster(["algo-1"], outside=False, labels=job["labels"]) as cluster:
            engine.run(Job(**job, cluster=cluster), log)
    else:
        engine.run(Job(**job), log)
"""


def orphaned(bench, endless: str, label: str, *, clustered: bool = False) -> Path:
    """The folder of a job whose caller was killed while it ran."""
    scratch = bench.folder / label
    change = "rm /opt/ml/in/f; " if bench.engine.makes_mounts else ""
    script = f"{change}echo ready; {endless} & {endless}"
    words = (bench.engine.name, str(scratch), bench.image or "", script, label, "yes" if clustered else "no")
    with subprocess.Popen([sys.executable, "-c", ORPHANED, *words], stdout=subprocess.PIPE) as caller:
        assert caller.stdout.readline() == b"ready\n"
        caller.kill()
    return scratch


def labelled(label: str) -> tuple[int, int, int]:
    """How many containers, volumes and networks have a label."""
    mine = {"label": f"cursus-sandbox.test={label}"}
    with closing(docker.from_env().api) as client:
        found = client.containers(all=True, filters=mine), client.volumes(filters=mine)["Volumes"] or []
        return *(len(some) for some in found), len(client.networks(filters=mine))


class TestReaping:
    """12. What a process that was killed left running or lying about is removed by `reap`, and nothing else is."""

    def test_what_a_killed_caller_left_is_removed(self, bench, endless):
        """Nothing with the labels is there any more, no process runs, and the owner can delete the scratch."""
        label, other = uuid4().hex, f"sleep 4322.{uuid4().int}"
        mine, ready = orphaned(bench, endless, label), threading.Event()
        with ThreadPoolExecutor(1) as thread:
            job = bench.job(f"echo ready; {other}", labels={"cursus-sandbox.test": "no"})
            kept = thread.submit(bench.engine.run, job, lambda _: ready.set())
            assert ready.wait(20)
            bench.engine.reap({"cursus-sandbox.test": label}, below=mine)
            give_up = time.monotonic() + 20  # the kernel ends a sandbox when it comes to it
            while (left := processes(endless.split()[1])) and time.monotonic() < give_up:
                kept.done()
            assert left == []
            assert not kept.done()
            bench.engine.interrupt()
            bench.engine.interrupt()
            assert kept.result().why is Why.INTERRUPTED
        if bench.image:
            assert labelled(label) == (0, 0, 0)
        shutil.rmtree(mine)

    def test_nothing_to_reap(self, bench, tmp_path):
        """Where nobody left anything, nothing is done."""
        bench.engine.reap({"cursus-sandbox.test": uuid4().hex}, below=tmp_path)

    @pytest.mark.docker
    def test_a_killed_caller_s_network_is_removed(self, docker_bench, endless):
        """The network of a cluster goes with its containers."""
        label = uuid4().hex
        mine = orphaned(docker_bench, endless, label, clustered=True)
        assert labelled(label) == (1, 1, 1)
        docker_bench.engine.reap({"cursus-sandbox.test": label}, below=mine)
        assert labelled(label) == (0, 0, 0)

    @pytest.mark.docker
    def test_what_is_being_removed_already(self, docker_bench, endless):
        """A container whose removal somebody has begun is waited for, and what it held goes with it."""
        label = uuid4().hex
        mine = orphaned(docker_bench, endless, label)
        with closing(docker.from_env().api) as client, ThreadPoolExecutor(1) as thread:
            (container,) = client.containers(filters={"label": f"cursus-sandbox.test={label}"})
            begun = thread.submit(client.remove_container, container["Id"], force=True)
            while client.inspect_container(container["Id"])["State"]["Status"] == "running":
                pass
            docker_bench.engine.reap({"cursus-sandbox.test": label}, below=mine)
            assert labelled(label) == (0, 0, 0)
            begun.result()


def test_a_run_takes_the_time_it_takes(bench):
    """`seconds` is the time from start to end on a clock that doesn't jump."""
    before = time.monotonic()
    ended = bench.run("sleep 0.2")
    assert 0.2 <= ended.seconds <= time.monotonic() - before


# Perl's own words, without a module: it may be all there is. Answers each connection with what it is told, once it has
# read a line.
SERVER = r"""
$| = 1; $SIG{TERM} = sub { print "told to end\n"; exit 0 };
socket(S, 2, 1, 0) or die; setsockopt(S, 1, 2, 1);
bind(S, pack("S n C4 x8", 2, 8080, 127, 0, 0, 1)) or die; listen(S, 9); print "listening\n";
while (accept(C, S)) { $line = <C>; syswrite(C, "$ARGV[0] heard $line"); close(C) }
"""


def serving(name: str = "server") -> dict:
    return {"argv": ("perl", "-e", SERVER, name), "port": 8080, "limits": Limits(timeout=60)}


def asked(door: Door, line: bytes) -> bytes:
    """What the job's port answers; asks until it listens."""
    while not door.closed.is_set():
        with suppress(OSError), door.connected() as connection:
            connection.sendall(line + b"\n")
            connection.shutdown(socket.SHUT_WR)
            if answer := b"".join(iter(lambda: connection.recv(4096), b"")):
                return answer
        door.closed.wait(0.01)
    return b""


class TestVisit:
    """9. A visitor reaches the job's port, though the job has no network; when it leaves, the job ends."""

    def test_a_visitor_is_answered_and_the_job_ends(self, bench):
        """A visitor talks to a server on the job's own loopback; when it has left, the server gets TERM."""
        heard = []
        ended = bench.run("", visitor=lambda door: heard.append(asked(door, b"hello")), **serving())
        assert heard == [b"server heard hello\n"]
        assert (ended.code, ended.why) == (0, Why.VISITED)
        assert bench.log == b"listening\ntold to end\n"

    def test_a_server_that_ignores_term_is_killed(self, bench):
        """A server that doesn't end when its visitor has left is killed when the grace is over."""
        ended = bench.run("", visitor=lambda door: None, argv=("sh", "-c", "trap '' TERM; sleep 4330"), port=8080)
        assert (ended.code, ended.why) == (137, Why.VISITED)

    def test_a_job_that_ends_by_itself_closes_its_door(self, bench):
        """A visitor learns that the job has ended, and the exit is the job's own."""
        heard = []
        ended = bench.run("exit 7", visitor=lambda door: heard.append(asked(door, b"hello")), port=8080)
        assert (ended.code, ended.why) == (7, None)
        assert heard in ([b""], [])  # it may have ended before the way to it was open

    def test_an_error_of_the_visitor_ends_the_job(self, bench):
        """What a visitor raises comes out of `run`, and the job doesn't go on."""

        def fail(_: Door) -> None:
            raise RuntimeError("the visitor's own")

        with pytest.raises(RuntimeError, match="the visitor's own"):
            bench.run("", visitor=fail, **serving())

    def test_a_visited_job_has_no_network(self, bench):
        """A job with a port sees no interface but lo, and nobody else gets at its port."""
        seen = []

        def look(door: Door) -> None:
            asked(door, b"hello")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", 18080), 1)
            seen.append(True)

        server = SERVER.replace("8080", "18080") + 'open(F, "/proc/net/dev"); '
        server = 'open(F, "/proc/net/dev"); print <F>; ' + server
        bench.run("", visitor=look, argv=("perl", "-e", server, "x"), port=18080, limits=Limits(timeout=60))
        lines = bench.log.decode().partition("listening")[0].splitlines()[2:]
        assert [line.split(":")[0].strip() for line in lines] == ["lo"]
        assert seen == [True]

    def test_jobs_at_the_same_port_are_told_apart(self, bench):
        """Two jobs listen on port 8080 at the same time, and each visitor reaches its own."""
        both, heard = threading.Barrier(2, timeout=30), {}

        def visit(name: str) -> Exit:
            def visitor(door: Door) -> None:
                both.wait()
                heard[name] = asked(door, b"hello")
                both.wait()

            return bench.run("", visitor=visitor, **serving(name))

        with ThreadPoolExecutor(2) as threads:
            exits = list(threads.map(visit, ("one", "two")))
        assert {ended.why for ended in exits} == {Why.VISITED}
        assert heard == {"one": b"one heard hello\n", "two": b"two heard hello\n"}

    def test_many_bytes_arrive_whole(self, bench):
        """Megabytes go through the door in both directions at once, on several connections."""
        server = SERVER.replace("$line = <C>;", "if (fork() == 0) { while (sysread(C, $b, 65536)) { $all .= $b } ")
        server = server.replace('syswrite(C, "$ARGV[0] heard $line"); close(C)', "syswrite(C, $all); exit } close(C)")
        sent, back = os.urandom(3_000_000), []

        def visitor(door: Door) -> None:
            asked(door, b"x")
            with ThreadPoolExecutor(4) as threads:
                back.extend(threads.map(lambda _: asked(door, sent), range(4)))

        bench.run("", visitor=visitor, argv=("perl", "-e", server, "x"), port=8080, limits=Limits(timeout=60))
        assert [one == sent + b"\n" for one in back] == [True] * 4

    def test_an_interruption_ends_a_visit(self, bench):
        """A job that is interrupted while it is visited ends, and its visitor learns of it."""
        left = []

        def visitor(door: Door) -> None:
            asked(door, b"hello")
            bench.engine.interrupt()
            left.append(door.closed.wait(20))

        assert bench.run("", visitor=visitor, **serving()).why is Why.INTERRUPTED
        assert left == [True]


class TestWatching:
    """11. A watcher is told what the job uses, soon after it has begun and then about twice a second."""

    def test_memory_and_processor_time_are_told_while_it_runs(self, bench):
        """A step that counts and holds memory: both are told more than once, and processor time only grows."""
        told = []
        script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 0.7; echo $i"
        bench.engine.run(bench.job(script), bench.log.extend, watcher=told.append)
        assert len(told) > 1
        assert all(one.memory > 0 for one in told)
        seconds = [one.cpu_seconds for one in told]
        assert seconds == sorted(seconds)
        assert seconds[-1] > 0.05

    def test_an_error_of_the_watcher_ends_the_job(self, bench):
        """It comes out as it is, and nothing goes on running."""

        def watcher(_: object) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            bench.engine.run(bench.job("sleep 31.4159"), bench.log.extend, watcher=watcher)
        assert processes("31.4159") == []

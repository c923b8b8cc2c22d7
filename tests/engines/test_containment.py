"""What a job can't do unless it is asked for, seen from inside: one table of probes, on each engine."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from pathlib import Path, PurePosixPath

import pytest
from conftest import CARRIED

from cursus_sandbox.engines.engine import Limits, Mount, MountMode
from cursus_sandbox.engines.local import _bubblewrap
from cursus_sandbox.engines.sandbox import Sandbox
from cursus_sandbox.errors import EngineError

IN = PurePosixPath("/opt/ml/processing/input/data")
OUT = PurePosixPath("/opt/ml/processing/output/data")
MIB = 1024**2
NOBODY = 65534
FORKS = "$n = 0; while ($n < 3000) { $p = fork; last unless defined $p; if (!$p) { sleep 60; exit } $n++ } print $n"

# What is tried, and what it says where it can't be done.
PROBES = {
    "it has no capability": ("grep -c '^Cap\\(Eff\\|Prm\\|Inh\\|Bnd\\|Amb\\):.0*$' /proc/self/status", "5"),
    "it can gain no right": ("grep NoNewPrivs: /proc/self/status", "NoNewPrivs:\t1"),
    "it is nobody but the caller": ("id -u", str(os.geteuid())),
    "it can't give files away": ("touch /tmp/f; perl -e 'print chown(12345, 1, \"/tmp/f\") ? 1 : 0'", "0"),
    "it can't become another": ("perl -e '$< = 12345; print $< == 12345 ? 1 : 0'", "0"),
    "it can't make a device": (
        """perl -e 'my $path = "/tmp/null"; print syscall(133, $path, 0020666, 259) == 0 ? 1 : 0'""",
        "0",
    ),
    "it can't mount": (
        """perl -e 'my ($what, $path) = ("tmpfs", "/tmp"); print syscall(165, $what, $path, $what, 0, 0) ? 0 : 1'""",
        "0",
    ),
    "it has no raw socket": ("perl -e 'print socket(my $s, 2, 3, 1) ? 1 : 0'", "0"),
    "it reaches no address": (
        """perl -e 'socket(my $s, 2, 1, 0);
        print connect($s, pack("SnC4x8", 2, 80, 169, 254, 169, 254)) ? 1 : 0'""",
        "0",
    ),
    "it has no way out": ("cat /proc/net/route | tail -n +2 | wc -l", "0"),
    "it finds no socket of a daemon": ("ls -d /var/run/docker.sock /run/docker.sock 2>/dev/null | wc -l", "0"),
    "it finds no socket at all": ("ls -A /run 2>/dev/null | grep -v secrets | grep -v cursus-sandbox | wc -l", "0"),
    "its /tmp is its own": ("ls -A /tmp | wc -l", "0"),
    "it is the only one with processes": ("ls /proc | grep -c '^[0-9]*$' | grep -c '^[0-9]$'", "1"),
    "its words are no shell's": ("echo '$(id)' `echo x`", "$(id) x"),
    "it has no disk": ("ls /dev | grep -c '^[shv]d[a-z]\\|^nvme\\|^loop\\|^mem$\\|^kmsg$'", "0"),
    "it can't see the kernel's memory": ("head -c 1 /proc/kcore 2>/dev/null | wc -c", "0"),
    "it can't change the kernel": ("{ true > /proc/sys/kernel/core_pattern; } 2>/dev/null && echo 1 || echo 0", "0"),
    "nothing is in its environment but what is its own": (
        "env | grep -v '^PATH=\\|^HOME=\\|^HOSTNAME=\\|^PWD=\\|^SHLVL=\\|^_=\\|^MINE=' | wc -l",
        "0",
    ),
}


@pytest.mark.parametrize("what", PROBES)
def test_what_a_job_cannot_do(bench, monkeypatch, what):
    """Each probe of the table finds the door closed."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    script, said = PROBES[what]
    assert bench.output(f"{script} || true", environment={"MINE": "1"}).strip() == said


def test_homes_of_the_host_are_hidden(bench, tmp_path):
    """No home, no key, and no folder of the caller's is there, whatever its path."""
    (tmp_path / "id_rsa").write_text("key")
    there = [str(Path.home() / name) for name in (".ssh", ".aws", ".docker", ".config", ".netrc")]
    probes = [*there, str(tmp_path), str(tmp_path / "id_rsa"), "/home", "/mnt", "/media", "/srv"]
    listed = bench.output("for f in " + " ".join(probes) + "; do ls -A $f 2>/dev/null; done; true")
    assert listed == ""


def test_sockets_of_the_host_are_hidden(bench, tmp_path):
    """A listening socket in the host's /tmp, and the abstract ones, can't be reached."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0cursus-sandbox-test")
        listening.listen()
        script = """perl -e 'socket(my $s, 1, 1, 0);
        print connect($s, pack("Sa*", 1, "\\0cursus-sandbox-test")) ? 1 : 0'"""
        assert bench.output(script) == "0"


def test_files_of_an_input_stay_as_they_are(bench, tmp_path):
    """A hard link to an input, or a set-user-id bit on it, doesn't reach the producer's file."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "program").write_text("x")
    before = (source / "program").stat()
    bench.output(
        f"chmod 6777 {IN}/program; ln {IN}/program {IN}/other; echo y > {IN}/program",
        mounts=(Mount(source, IN, MountMode.PRIVATE),),
    )
    after = (source / "program").stat()
    assert (after.st_mode, after.st_nlink, after.st_ino) == (before.st_mode, 1, before.st_ino)
    assert (source / "program").read_text() == "x"


def test_processes_are_counted(docker_bench):
    """A job that forks without end gets no further than its limit, and is ended."""
    assert 900 < int(docker_bench.output(f"perl -e '{FORKS}'", limits=Limits(timeout=60))) <= 1024


def test_processes_are_counted_in_a_sandbox(local_bench):
    """So does one of an ordinary user in a sandbox. Root has no such limit: the kernel's exception."""
    program = _bubblewrap()
    if os.geteuid() == 0 and not all(folder.stat().st_mode & 0o001 for folder in program.parents):
        pytest.skip(f"{program} lies where only root may go")
    line = [
        str(program),
        "--unshare-all",
        "--die-with-parent",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)

        def forked():
            with Sandbox(line, ["perl", "-e", FORKS], scratch=folder) as sandbox:
                while said := sandbox.status.read(4096):
                    sandbox.hear(said)
                (folder / "said").write_bytes(sandbox.output.read())

        _as_ordinary_user(forked)
        assert 900 < int((folder / "said").read_text()) <= 1024


def _as_ordinary_user(do):
    """Do it in a process of its own, which root gives up all of its rights for."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            do()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_memory_holds_swap_too(bench):
    """What a job takes beyond its memory ends it; it doesn't go to swap."""
    ended = bench.run("perl -e 'my $x = \"x\" x 300_000_000; print length $x'", limits=Limits(memory=64 * MIB))
    assert (ended.code, ended.why) == (137, "out of memory")


class TestReadOnlyRoot:
    """A root that can't be written."""

    def test_only_its_own_folders_can_be_written(self, request, bench, tmp_path):
        """Its mounts, /tmp and /dev/shm are all there is to write to; HOME is one of them.

        Where files have to be carried into the root, that is refused.
        """
        (tmp_path / "out").mkdir()
        if request.node.callspec.params["bench"] == CARRIED:
            with pytest.raises(EngineError, match="has a read-only root, and its files are carried"):
                bench.run("true", read_only_root=True)
            return
        tried = [str(OUT), "/tmp", "/dev/shm", "$HOME", "/", "/opt", "/opt/ml", "/usr", "/root", "/run", "/var/tmp"]
        script = "; ".join(f"touch {folder}/x 2>/dev/null && echo {folder}" for folder in tried) + "; true"
        said = bench.output(
            script, read_only_root=True, mounts=(Mount(tmp_path / "out", OUT, MountMode.WRITABLE),), working_dir=OUT
        )
        assert said.split() == [str(OUT), "/tmp", "/dev/shm", "/tmp"]
        assert (tmp_path / "out/x").exists()

    def test_programs_in_tmp_have_no_set_user_id(self, docker_bench):
        """What is mounted at /tmp takes no devices and no set-user-id programs."""
        mounts = docker_bench.output("cat /proc/mounts", read_only_root=True)
        (tmp,) = re.findall(r"^\S+ /tmp tmpfs (\S+)", mounts, re.MULTILINE)
        assert {"nosuid", "nodev"} <= set(tmp.split(","))


class TestRuntimes:
    """A container runtime of one's choice."""

    def test_a_runtime_that_the_daemon_has(self, docker_bench):
        """A job runs in the runtime it names."""
        assert docker_bench.output("echo well", runtime="runc") == "well\n"

    def test_a_runtime_that_it_has_not(self, docker_bench):
        """A runtime that the daemon doesn't have is named, with those it has, and nothing is started."""
        with pytest.raises(EngineError, match=r"has no runtime 'gone-1'; it has .*runc") as raised:
            docker_bench.run("true", runtime="gone-1")
        assert "daemon.json" in raised.value.hint

    def test_the_local_engine_has_none(self, local_bench):
        """Where there are no containers, a runtime changes nothing."""
        assert local_bench.output("echo well", runtime="runsc") == "well\n"

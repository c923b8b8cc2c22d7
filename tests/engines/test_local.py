"""What only the local engine has: this machine's own root, and its Python."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox.engines import local
from cursus_sandbox.engines.bwrap import bwrap_argv
from cursus_sandbox.engines.engine import Job, Limits, Mount, MountMode
from cursus_sandbox.engines.local import LocalEngine, why_absent
from cursus_sandbox.engines.machine import Machine, this_machine
from cursus_sandbox.engines.mounts import Placed, Private
from cursus_sandbox.engines.sandbox import arguments_file
from cursus_sandbox.errors import EngineError

IN = PurePosixPath("/opt/ml/in")
MACHINE = Machine(
    folders=(Path("/usr"), Path("/etc"), Path("/home/me/venv")),
    python=Path("/home/me/venv/bin/python3"),
    links={Path("/bin"): "usr/bin"},
    gpus=(Path("/dev/nvidia0"),),
    resolv_conf=Path("/run/resolve/resolv.conf"),
)


def options(*placed: Placed, hosts: Path | None = Path("/s/hosts"), **settings) -> list[str]:
    job = Job(**{"name": "j", "scratch": Path("/s"), "argv": ("a",)} | settings)
    return bwrap_argv(job, placed, MACHINE, tmp=Path("/s/tmp"), hosts=hosts, user=(1000, 1000))


def follows(part: list[str], whole: list[str]) -> bool:
    return any(whole[n : n + len(part)] == part for n in range(len(whole)))


class TestOptions:
    def test_everything_is_decided_in_one_list(self):
        """A job that asks for nothing sees the system read-only, a /tmp of its own, and its name in /etc/hosts."""
        assert " ".join(options()) == (
            "--unshare-all --hostname algo-1 --new-session --die-with-parent --cap-drop ALL "
            "--proc /proc --dev /dev --perms 1777 --size 1073741824 --tmpfs /dev/shm "
            "--dir /opt/ml --dir /root --dir /run --dir /var/tmp --bind /s/tmp /tmp "
            "--symlink usr/bin /bin --ro-bind /usr /usr --ro-bind /etc /etc --ro-bind /home/me/venv /home/me/venv "
            "--symlink /home/me/venv/bin/python3 /run/cursus-sandbox/bin/python "
            "--symlink /home/me/venv/bin/python3 /run/cursus-sandbox/bin/python3 "
            "--ro-bind /s/hosts /etc/hosts --chdir / --clearenv --setenv PATH "
            "/home/me/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/cursus-sandbox/bin "
            "--setenv HOME /tmp"
        )

    def test_mounts_come_last_and_in_order(self):
        """Each kind of mount has its own option."""
        made = options(
            Placed(Path("/a"), IN, writable=True, overlay=Private.OVERLAY, upper=Path("/u"), work=Path("/w")),
            Placed(Path("/b"), IN / "b", writable=True, overlay=Private.MEMORY_OVERLAY),
            Placed(Path("/c"), IN / "c", writable=True),
            Placed(Path("/d"), IN / "d", writable=False),
        )
        assert (
            "--overlay-src /a --overlay /u /w /opt/ml/in --overlay-src /b --tmp-overlay /opt/ml/in/b "
            "--bind /c /opt/ml/in/c --ro-bind /d /opt/ml/in/d --chdir /"
        ) in " ".join(made)

    def test_a_network_brings_its_resolver(self):
        """With a network the host's resolver is seen where /etc/resolv.conf leads, and its hosts file stays."""
        made = options(hosts=None, network=True)
        assert made[:2] == ["--unshare-all", "--share-net"]
        assert follows(["--ro-bind", "/run/resolve/resolv.conf", "/run/resolve/resolv.conf"], made)
        assert "/etc/hosts" not in made

    def test_what_was_asked_for_is_there(self):
        """GPU devices, shared memory, working folder and variables are the job's."""
        made = options(limits=Limits(gpus=1, shm_size=7), working_dir=IN, environment={"PATH": "/p", "A": "1"})
        assert follows(["--dev-bind", "/dev/nvidia0", "/dev/nvidia0"], made)
        assert follows(["--size", "7", "--tmpfs", "/dev/shm"], made)
        assert follows(["--chdir", "/opt/ml/in", "--clearenv", "--setenv", "PATH", "/p"], made)
        assert made[-3:] == ["--setenv", "A", "1"]

    def test_another_user_is_a_number_in_the_sandbox(self):
        """A user of the job's own is the caller under another number."""
        assert follows(["--unshare-user", "--uid", "7", "--gid", "8"], options(user="7:8"))
        assert "--uid" not in options(user="1000")


def test_the_machine_is_seen_without_homes_and_sockets():
    """The folders of the system and of this interpreter are seen; /tmp, /run, /var, homes and /opt/ml are not."""
    machine = this_machine()
    seen = {*machine.folders, *machine.links}
    assert {Path("/usr"), Path("/etc")} <= seen
    assert any(folder in Path(sys.executable).parents for folder in seen)
    assert not seen & {Path(name) for name in ("/", "/home", "/root", "/tmp", "/run", "/var", "/opt", "/opt/ml")}


def test_python_is_the_one_that_runs_here(local_bench):
    """`python` and `python3` in the sandbox are this interpreter, with its libraries."""
    script = "for p in python python3; do $p -c 'import sys; print(sys.prefix)'; done"
    assert local_bench.output(script) == f"{sys.prefix}\n" * 2


@pytest.mark.parametrize("way", list(Private))
def test_private_folders_can_be_made_in_each_way(local_bench, tmp_path, way):
    """Overlay on disk, overlay in memory and copy look the same to a step."""
    (tmp_path / "in/d").mkdir(parents=True)
    (tmp_path / "in/d/f").write_text("a\n")
    local_bench.engine.private_folders = way
    mounts = (Mount(tmp_path / "in", IN, MountMode.PRIVATE),)
    assert local_bench.output(f"echo x >> {IN}/d/f; rm -r {IN}/d/none; cat {IN}/d/f; true", mounts=mounts).endswith(
        "a\nx\n"
    )
    assert (tmp_path / "in/d/f").read_text() == "a\n"


def test_the_way_is_decided_once_and_said(local_bench, tmp_path):
    """The first private folder decides for the engine, and the engine says how."""
    assert local_bench.engine.private_folders is None
    local_bench.run("true", mounts=(Mount(tmp_path, IN, MountMode.PRIVATE),))
    assert local_bench.engine.private_folders in Private


def test_a_user_is_a_number_here(local_bench):
    """A step may have another number; names and "image" need an image, which is said."""
    assert local_bench.output("id -u; id -g", user="4321:77") == "4321\n77\n"
    with pytest.raises(EngineError, match="knows users by number only"):
        local_bench.run("true", user="image")


def test_a_job_without_a_command_is_refused(local_bench):
    """There is no image here that would bring a command."""
    with pytest.raises(EngineError, match="has no command"):
        local_bench.run("", argv=())


def test_processors_are_rounded_up(local_bench):
    """Half a processor is one; more than there are is all."""
    assert local_bench.output("nproc", limits=Limits(cpus=0.5)) == "1\n"
    local_bench.output("nproc", limits=Limits(cpus=1000))


def test_secrets_are_not_in_the_process_list(local_bench):
    """The values of variables aren't in any command line of this machine."""

    def hear(data: bytes) -> None:
        lines = [path.read_bytes() for path in Path("/proc").glob(f"{data.decode().strip()}*/cmdline")]
        assert not any(b"hush-hush" in line for line in lines)

    assert local_bench.engine.run(local_bench.job("echo", environment={"S": "hush-hush"}), hear).code == 0


def test_paths_that_are_no_text(tmp_path):
    """A path reaches bubblewrap as the bytes it is, UTF-8 or not."""
    with arguments_file(["--bind", os.fsdecode(b"/a\xff"), "/b"], tmp_path) as arguments:
        assert arguments.read() == b"--bind\0/a\xff\0/b\0"


def test_images_are_not_asked_for(local_bench):
    """The engine has no images, and says so in what it is."""
    assert local_bench.engine.require(["a:1"]) == {}
    assert not local_bench.engine.runs_images


def test_a_machine_without_namespaces_is_told_what_to_do(monkeypatch, tmp_path):
    """Where bubblewrap can't make namespaces the error says so, what to allow, and what to use instead."""
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(local, "_bubblewrap", lambda: refusing)
    with pytest.raises(EngineError, match="No permissions to create new namespace") as caught:
        LocalEngine.connect()
    assert "kernel.unprivileged_userns_clone" in caught.value.hint
    assert "No permissions" in why_absent()


def test_a_sandbox_is_found_by_its_scratch(local_bench):
    """`reap` ends a sandbox by where its scratch is, whether or not the kernel has; the job can't see that."""
    job = local_bench.job("env; echo ready; sleep 4331")
    started = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(local_bench.engine.run, job, lambda data: (local_bench.log.extend(data), started.set()))
        assert started.wait(20)
        local_bench.engine.reap({}, below=local_bench.folder / "elsewhere")
        assert not running.done()
        local_bench.engine.reap({}, below=local_bench.folder)
        with pytest.raises(EngineError, match="could not be made"):
            running.result(20)
    assert b"SCRATCH" not in local_bench.log

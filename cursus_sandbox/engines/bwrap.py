"""The arguments of bubblewrap for a job: everything that is decided about a local sandbox (bwrap(1), version 0.11)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cursus_sandbox.engines.engine import SHM_SIZE, Job
from cursus_sandbox.engines.machine import Machine
from cursus_sandbox.engines.mounts import Placed, Private

FOLDERS = ("/opt/ml", "/root", "/run", "/var/tmp")  # noqa: S108 - empty, and there as in a container
TOOLS = "/run/cursus-sandbox/bin"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def bwrap_argv(
    job: Job, placed: Sequence[Placed], machine: Machine, *, tmp: Path, hosts: Path | None, user: tuple[int, int]
) -> list[str]:
    """Give bubblewrap's options for a job, its command not among them.

    Order is meaning: later mounts lie on earlier ones, so the machine comes first, then `tmp` as /tmp, then the
    interpreter (which may live in /tmp), then the job's own. bwrap's own first process stays: as process 1 of its
    namespace a step could be ended neither by TERM nor by `kill -9 $$`; it gives the true exit code all the same, in
    its JSON status. Variables are set here, never in bwrap's own environment, where LD_PRELOAD would reach it.
    """
    return [
        "--unshare-all",
        *(["--share-net"] if job.network else []),
        *_user(job, user),
        *("--hostname", job.hostname, "--new-session", "--die-with-parent", "--cap-drop", "ALL"),
        *_system(job, machine, tmp, hosts),
        *(option for mount in placed for option in _mount(mount)),
        *(["--remount-ro", "/"] if job.read_only_root else []),  # last: places for mounts are made in it
        *("--chdir", str(job.working_dir or "/"), "--clearenv"),
        *(option for name, value in environment(job, machine).items() for option in ("--setenv", name, value)),
    ]


def system_options(machine: Machine) -> list[str]:
    """Give the options that show a machine's folders, read-only. Its root as a whole has mounts that come and go."""
    options: list[str] = []
    for link, leads_to in machine.links.items():
        options += ["--symlink", leads_to, str(link)]
    for folder in machine.folders:
        options += ["--ro-bind", str(folder), str(folder)]
    return options


def environment(job: Job, machine: Machine) -> dict[str, str]:
    """Give the job's variables, over a PATH that finds this interpreter first and a HOME that can be written."""
    path = f"{machine.python.parent}:{PATH}:{TOOLS}"
    return {"PATH": path, "HOME": "/tmp"} | dict(job.environment)  # noqa: S108 - the sandbox's own


def _user(job: Job, caller: tuple[int, int]) -> list[str]:
    """Show the caller under the number the job asks for: its files stay the caller's on this machine."""
    if job.user is None:
        return []
    uid, _, gid = job.user.partition(":")
    wanted = (int(uid), int(gid or caller[1]))
    return [] if wanted == caller else ["--unshare-user", "--uid", str(wanted[0]), "--gid", str(wanted[1])]


def _system(job: Job, machine: Machine, tmp: Path, hosts: Path | None) -> list[str]:
    options = ["--proc", "/proc", *(word for path in machine.settings for word in ("--ro-bind", str(path), str(path)))]
    options += ["--dev", "/dev"]
    options += ["--perms", "1777", "--size", str(job.limits.shm_size or SHM_SIZE), "--tmpfs", "/dev/shm"]  # noqa: S108
    if job.limits.gpus:
        for device in machine.gpus:
            options += ["--dev-bind", str(device), str(device)]
    for empty in FOLDERS:
        options += ["--dir", empty]
    options += ["--bind", str(tmp), "/tmp"]  # noqa: S108
    options += system_options(machine)
    for program in ("python", "python3"):
        options += ["--symlink", str(machine.python), f"{TOOLS}/{program}"]
    if hosts is not None:
        options += ["--ro-bind", str(hosts), "/etc/hosts"]
    if job.network and machine.resolv_conf and not _seen(machine.resolv_conf, machine):
        options += ["--ro-bind", str(machine.resolv_conf), str(machine.resolv_conf)]
    return options


def _mount(placed: Placed) -> list[str]:
    target = str(placed.target)
    match placed.overlay:
        case Private.OVERLAY:
            return ["--overlay-src", str(placed.source), "--overlay", str(placed.upper), str(placed.work), target]
        case Private.MEMORY_OVERLAY:
            return ["--overlay-src", str(placed.source), "--tmp-overlay", target]
        case _:
            return ["--bind" if placed.writable else "--ro-bind", str(placed.source), target]


def _seen(path: Path, machine: Machine) -> bool:
    return any(folder in path.parents for folder in machine.folders)

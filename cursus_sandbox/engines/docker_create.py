"""The body of `POST /containers/create` for a job, in the Engine API's own field names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cursus_sandbox.engines.engine import PROCESSES, SHM_SIZE, Job
from cursus_sandbox.engines.mounts import Placed

# What root needs in a container to be root over its files, and to step down to another user as some images do.
ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")

# One file that doesn't rotate: a rotation under way takes lines from whoever follows the log. With 10m x 2 the follower
# of 200 MB got 70 MB of it and an error (Engine 20.10); with one file of 1g, all of it.
LOG_OPTIONS = {"max-size": "1g", "max-file": "1", "compress": "false"}


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """What of a daemon shapes a container."""

    cpus: int
    local_log: bool  # it has the `local` log driver
    maps_users: bool = False  # a container's user is another one outside: userns-remap, somebody else's rootless daemon
    root_is_caller: bool = False  # it is the caller's own rootless daemon
    keeps_containers: bool = False  # they live on while it is away: live-restore, Podman
    is_podman: bool = False
    has_cgroups: bool = True  # each container has its own: not so where it is rootless, and has been given none
    unenforced: tuple[str, ...] = ()  # the limits that its containers aren't held to, as `resources` name them
    runtimes: tuple[str, ...] = ()
    init: Path | None = None  # its init binary, where this machine has it and shares its kernel

    @property
    def caller(self) -> str:
        """The user and group in a container that the caller is, outside of it."""
        return "0:0" if self.root_is_caller else f"{os.geteuid()}:{os.getegid()}"


def creation(
    job: Job,
    placed: Sequence[Placed],
    *,
    volumes: Mapping[PurePosixPath, str],
    hosts: Path | None,
    network: str | None = None,
    user: str,
    labels: Mapping[str, str],
    facts: DaemonFacts,
) -> dict[str, object]:
    """Give a container's settings: least rights, no network unless asked for, exactly the job's command.

    `volumes` maps the container paths of overlay mounts to volume names; `network` is the one it joins, under its host
    name; `user` is who the job runs as when it doesn't
    say. Entrypoint and Cmd follow the table of SageMaker's processing jobs: an entrypoint drops the image's command,
    arguments alone keep the image's entrypoint.
    """
    settings: dict[str, object] = {
        "Image": job.image,
        "Hostname": job.hostname,
        "Env": [f"{name}={value}" for name, value in environment(job, user).items()],
        "Labels": dict(labels),
        "NetworkDisabled": network is None,  # halves the time to start: no network sandbox is made
        "Tty": False,
        "HostConfig": _host(job, placed, volumes=volumes, hosts=hosts, network=network, facts=facts),
    }
    if network is not None:
        endpoint: dict[str, object] = {"Aliases": [job.hostname]}
        if job.cluster:
            endpoint["IPAMConfig"] = {"IPv4Address": job.cluster.addresses[job.hostname]}
        settings["NetworkingConfig"] = {"EndpointsConfig": {network: endpoint}}
    if job.entrypoint:
        settings["Entrypoint"] = list(job.entrypoint)
    if job.argv:
        settings["Cmd"] = list(job.argv)
    if job.working_dir:
        settings["WorkingDir"] = str(job.working_dir)
    if job.user != "image":
        settings["User"] = job.user or user
    return settings


def environment(job: Job, user: str) -> dict[str, str]:
    """Give the job's variables, and a HOME that can be written where a bare number would get `/`."""
    runs_as = job.user or user
    has_one = runs_as == "image" or is_root(runs_as)
    home = {} if has_one and not job.read_only_root else {"HOME": "/tmp"}  # noqa: S108 - the container's
    return home | dict(job.environment)


def is_root(user: str) -> bool:
    """Whether a user of a container, as `uid[:gid]` or by name, is root."""
    return user.partition(":")[0] in ("0", "root")


def overlay_options(placed: Placed) -> dict[str, str]:
    """Give the options of a `local` volume that lays a writable layer over a folder."""
    layers = {"lowerdir": placed.source, "upperdir": placed.upper, "workdir": placed.work}
    options = ",".join(f"{name}={_escaped(path)}" for name, path in layers.items())
    return {"type": "overlay", "device": "overlay", "o": options}


def _host(
    job: Job,
    placed: Sequence[Placed],
    *,
    volumes: Mapping[PurePosixPath, str],
    hosts: Path | None,
    network: str | None,
    facts: DaemonFacts,
) -> dict[str, object]:
    mounts = [_mount(mount, volumes.get(mount.target)) for mount in placed]
    if hosts is not None:
        mounts.append({"Type": "bind", "Source": str(hosts), "Target": "/etc/hosts", "ReadOnly": True})
    host: dict[str, object] = {
        "Mounts": mounts,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,  # or TERM would not reach a command that has no handler for it, and orphans would stay zombies
        "PidsLimit": PROCESSES,
        "ShmSize": job.limits.shm_size or SHM_SIZE,
        "AutoRemove": False,
    }
    if job.read_only_root:
        host |= {"ReadonlyRootfs": True, "Tmpfs": {"/tmp": "rw,nosuid,nodev,mode=1777"}}  # noqa: S108 - the container's
    if job.runtime:
        host["Runtime"] = job.runtime
    if job.user is not None and (job.user == "image" or is_root(job.user)):
        host["CapAdd"] = list(ROOT_CAPABILITIES)
    host["NetworkMode"] = network or "none"
    if job.cluster:
        others = job.cluster.addresses.items()
        host["ExtraHosts"] = [f"{name}:{address}" for name, address in others if name != job.hostname]
    if facts.local_log:
        host["LogConfig"] = {"Type": "local", "Config": LOG_OPTIONS}
    if job.limits.memory is not None:
        host |= {"Memory": job.limits.memory, "MemorySwap": job.limits.memory}
    if job.limits.cpus is not None and "cpus" not in facts.unenforced:  # it would be refused
        host["NanoCpus"] = int(min(job.limits.cpus, facts.cpus) * 1e9)
    if job.limits.gpus:
        host["DeviceRequests"] = [{"Driver": "", "Count": job.limits.gpus, "Capabilities": [["gpu"]]}]
    return host


def _mount(placed: Placed, volume: str | None) -> dict[str, object]:
    if volume:
        return {
            "Type": "volume",
            "Source": volume,
            "Target": str(placed.target),
            "ReadOnly": not placed.writable,
            "VolumeOptions": {"NoCopy": True},  # the image's own files at that path are not wanted
        }
    return {"Type": "bind", "Source": str(placed.source), "Target": str(placed.target), "ReadOnly": not placed.writable}


def _escaped(path: Path | None) -> str:
    """Give a path in overlayfs' option syntax, where `:` parts layers and `,` parts options."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")

"""What a Docker daemon is, has, and was left with: for whoever wants to know before a step is to run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from docker.errors import APIError, DockerException

from cursus_sandbox.engines.docker import LABEL, podman_sockets
from cursus_sandbox.engines.docker_daemon import Daemon, is_rootless
from cursus_sandbox.engines.docker_places import Places
from cursus_sandbox.engines.engine import Job

MADE_FROM = "cursus-sandbox.inputs"  # the label of the images that this project's builder makes
OF_WORKSPACE = "cursus-sandbox.workspace"
_ASKED_FOR = "python:3.11-slim-bookworm"  # what our base stands on


@dataclass(frozen=True, slots=True)
class Survey:
    """What a daemon says of itself."""

    address: str
    version: str
    api_version: str
    storage: str
    root: str
    cgroups: str
    cgroup_driver: str
    is_rootless: bool
    missing_limits: tuple[str, ...]
    runtimes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """Containers, volumes and networks with our label, by the workspace they are of."""

    containers: dict[str, int] = field(default_factory=dict)
    volumes: dict[str, int] = field(default_factory=dict)
    networks: dict[str, int] = field(default_factory=dict)


def survey() -> Survey:
    """What the daemon that a run would take says of itself; EngineError where none answers."""
    with _daemon() as daemon:
        info = daemon.info
        limits = {"memory": "MemoryLimit", "swap": "SwapLimit", "processors": "CpuCfsQuota", "processes": "PidsLimit"}
        return Survey(
            address=daemon.address,
            version=str(info.get("ServerVersion", "?")),
            api_version=str(daemon.client.api_version),
            storage=str(info.get("Driver", "?")),
            root=str(info.get("DockerRootDir", "")),
            cgroups=f"v{info.get('CgroupVersion', '1')}",
            cgroup_driver=str(info.get("CgroupDriver", "?")),
            is_rootless=is_rootless(info),
            missing_limits=tuple(name for name, key in limits.items() if info.get(key) is False),
            runtimes=tuple(sorted(info.get("Runtimes") or ())),
        )


def images() -> dict[str, str]:
    """The images that this project's builder has made, by name, each with the digest of what it was made from."""
    with _daemon() as daemon:
        found = daemon.client.images(filters={"label": MADE_FROM})
        return {
            tag: one["Labels"][MADE_FROM] for one in found for tag in one.get("RepoTags") or () if "<none>" not in tag
        }


def left() -> Left:
    """What is there with our label, of runs that go on and of others."""
    with _daemon() as daemon:
        labelled = {"label": [LABEL]}
        return Left(
            containers=_by_workspace(daemon.client.containers(all=True, filters=labelled)),
            volumes=_by_workspace(daemon.client.volumes(filters=labelled)["Volumes"] or ()),
            networks=_by_workspace(daemon.client.networks(filters=labelled)),
        )


def sees(folder: Path) -> bool | None:
    """Whether the daemon sees a folder of this machine, through a container that never runs; None without any image."""
    with _daemon() as daemon:
        there = daemon.client.images(filters={"label": MADE_FROM}) or daemon.client.images()
        if not there:
            return None
        job = Job(name="doctor", image=there[0]["Id"], scratch=folder)
        return Places(daemon, labels={}).at(folder, job, ours=True) is not None


def registry() -> str:
    """What the daemon hears from the registry that it is set up with: nothing where it answers, else its complaint."""
    with _daemon() as daemon:
        try:
            daemon.client.inspect_distribution(_ASKED_FOR)  # type: ignore[no-untyped-call]
        except APIError as error:
            said = str(error.explanation or error)
            return "" if any(word in said.lower() for word in ("not found", "toomany", "denied")) else said
        except (DockerException, requests.exceptions.RequestException) as error:
            return str(error)
    return ""


@contextmanager
def _daemon() -> Iterator[Daemon]:
    """The daemon that a run would take."""
    others: Sequence[str] = ()
    if not os.environ.get("DOCKER_HOST"):
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        sockets = podman_sockets(Path(runtime) if runtime else None)
        others = [one for one in sockets if Path(one.removeprefix("unix://")).exists()]
    daemon = Daemon.first(None, *others, patience=0)
    with closing(daemon.client), daemon.asking("say what it has"):
        yield daemon


def _by_workspace(found: Any) -> dict[str, int]:
    counted: dict[str, int] = {}
    for one in found:
        workspace = (one.get("Labels") or {}).get(OF_WORKSPACE, "")
        counted[workspace] = counted.get(workspace, 0) + 1
    return counted

"""The container that brings connections to a port of another one, which has no network: it shares that one's loopback.

Nothing is assumed of the image: what runs is this machine's own Python, whose folders lie over the image's.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cursus_sandbox.engines.docker_daemon import Daemon, removal
from cursus_sandbox.engines.engine import Door, Job
from cursus_sandbox.engines.machine import Machine, this_machine
from cursus_sandbox.engines.visit import RELAY, Way, await_relay

_PROGRAM = "/run/cursus-sandbox/relay.py"
_DOOR = "/run/cursus-sandbox/port"
_NOT_WANTED = ("etc", "sys", "opt")


def through_relay(daemon: Daemon, container: str, labels: Mapping[str, str]) -> Way:
    """Give the way to a port of a running container whose daemon sees this machine's Python."""

    @contextmanager
    def way(job: Job, door: Door) -> Iterator[None]:
        settings = _creation(job, container, door, user=daemon.facts.caller, labels=labels)
        with ExitStack() as cleanup:
            with daemon.asking(f"start the relay of job '{job.name}'"):
                relay: str = daemon.client.create_container_from_config(settings)["Id"]  # type: ignore[no-untyped-call]
                cleanup.push(removal(daemon.remove_container, relay))
                daemon.client.start(relay)

            def complaint() -> str | None:
                with daemon.asking(f"look at the relay of job '{job.name}'"):
                    if daemon.state(relay)["Running"]:
                        return None
                    said: bytes = daemon.client.logs(relay)
                return said.decode(errors="replace").strip() or "the relay ended"

            await_relay(job, door, complaint)
            yield

    return way


def relay_sources() -> tuple[Path, ...]:
    """Give the folders of this machine that a relay needs to see."""
    return (*_python(this_machine()).values(), RELAY)


def _creation(job: Job, container: str, door: Door, *, user: str, labels: Mapping[str, str]) -> dict[str, object]:
    """Give the settings of a container that serves the door of a job that runs in `container`."""
    return {
        "Image": job.image,
        "Entrypoint": [str(Path(sys.executable).resolve()), "-I", "-S", _PROGRAM],
        "Cmd": [_DOOR, str(job.port)],
        "Env": [f"LD_LIBRARY_PATH={sysconfig.get_config_var('LIBDIR') or ''}"],
        "User": user,
        "WorkingDir": "/",
        "Labels": dict(labels),
        "Healthcheck": {"Test": ["NONE"]},
        "Tty": False,
        "HostConfig": {
            "NetworkMode": f"container:{container}",
            "Mounts": [
                *(_mount(folder, at) for at, folder in sorted(_python(this_machine()).items())),
                _mount(RELAY, Path(_PROGRAM)),
                _mount(door.path.parent, Path(_DOOR), writable=True),
            ],
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": 1024,
        },
    }


def _python(machine: Machine) -> dict[Path, Path]:
    """Give the folders an interpreter needs by where they show; where this machine has a link, what it leads to."""
    folders = {folder: folder for folder in machine.folders if folder.parts[1] not in _NOT_WANTED}
    return folders | {link: link.resolve() for link in machine.links}


def _mount(source: Path, target: Path, *, writable: bool = False) -> dict[str, object]:
    return {"Type": "bind", "Source": str(source), "Target": str(target), "ReadOnly": not writable}

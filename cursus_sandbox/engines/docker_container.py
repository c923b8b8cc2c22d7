"""A job's container: made with its files and its network, started, or refused; all of it goes with a cleanup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from cursus_sandbox.engines.docker_create import creation
from cursus_sandbox.engines.docker_daemon import Daemon, Refused, removal
from cursus_sandbox.engines.docker_files import Files
from cursus_sandbox.engines.docker_gate import Gate, behind
from cursus_sandbox.engines.docker_networks import make_network
from cursus_sandbox.engines.engine import Job

_EXEC_FAILED = (126, 127)


class OverlayRefused(Exception):  # noqa: N818 - a turn in the road, not an error
    """The daemon can't mount an overlay volume: it isn't on this machine, or its kernel doesn't let it."""


class CommandRefused(Exception):  # noqa: N818 - a job's end
    """The command can't be executed, which is the job's failure: the exit code, and what the daemon says of it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def make(
    job: Job,
    daemon: Daemon,
    files: Files,
    cleanup: ExitStack,
    *,
    labels: Mapping[str, str],
    gate: Gate | None = None,
    more: Mapping[str, object] | None = None,
) -> str:
    """Make a container with what it needs, and with `more` settings; give its id. A `gate` is for a daemon here.

    Raises what the SDK raises.
    """

    def removed(remove: Callable[[str], None], thing: str) -> None:
        cleanup.push(removal(remove, thing))

    files.lay_out(removed)
    network = job.cluster.network if job.cluster else None
    if network is None and job.network:
        network = make_network(daemon, internal=False, labels=labels)
        removed(daemon.remove_network, network)
    settings = creation(
        job,
        files.placed,
        volumes=files.volumes,
        hosts=files.hosts,
        network=network,
        user=daemon.facts.caller,
        labels=labels,
        facts=daemon.facts,
    )
    if gate is not None and daemon.facts.init is not None:
        settings = behind(gate.there, settings, daemon.image_config(job.image or ""), init=daemon.facts.init)
    settings |= more or {}
    container: str = daemon.client.create_container_from_config(settings)["Id"]  # type: ignore[no-untyped-call]
    removed(daemon.remove_container, container)
    files.fill(container)
    return container


def start(job: Job, daemon: Daemon, files: Files, container: str) -> None:
    """Start a container. CommandRefused and OverlayRefused say what of it was refused; all else is the machine's."""
    try:
        with daemon.asking(f"start the container of job '{job.name}'"):
            daemon.client.start(container)
    except Refused as refused:
        with daemon.asking(f"inspect container {container[:12]}"):
            code = daemon.state(container)["ExitCode"]
        if code in _EXEC_FAILED and "exec" in refused.reason:
            raise CommandRefused(code, refused.reason) from refused
        if files.overlaid and "volume" in refused.reason and "mount" in refused.reason:
            raise OverlayRefused from refused
        raise

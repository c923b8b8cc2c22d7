"""A Docker daemon: what an engine asks of it, and what it means when it doesn't answer.

An answer that says no is `Refused`; silence is an EngineError that says the connection was lost, never a guess.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from cursus_sandbox.engines.docker_create import DaemonFacts
from cursus_sandbox.engines.docker_reach import SECONDS_TO_ANSWER, address_of, cause, client_of, knock, remedy
from cursus_sandbox.engines.engine import Fetching
from cursus_sandbox.errors import EngineError

LOST = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.Timeout,
    urllib3.exceptions.HTTPError,
    ConnectionError,
    TimeoutError,
)
SECONDS_TO_RECONNECT = 30.0
SECONDS_TO_REMOVE = 30.0
SECONDS_BETWEEN_LOOKS = 0.02
SECONDS_BETWEEN_KNOCKS = (0.1, 2.0)  # the first pause, then twice as long each time, up to the second
ENDED_FROM_OUTSIDE = (128 + 9, 128 + 15)
EVENTS_REMEMBERED = 256
GONE_OR_GOING = (404, 409)
_OF_PODMAN = "BuildahVersion"  # told of itself by Podman, whose containers have monitors: they live on without it
_LIMITS = {"memory": "MemoryLimit", "cpus": "CpuCfsQuota"}
_KERNEL_RUNTIMES = ("runc", "crun", "io.containerd.runc.v2")
_INIT_FOLDERS = (  # where a daemon looks for its init, more or less
    *("/usr/local/libexec/docker", "/usr/libexec/docker", "/usr/local/lib/docker", "/usr/lib/docker"),
    *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
)
_LAYER_STATES = {"Pulling fs layer": False, "Already exists": True, "Pull complete": True}


class Refused(EngineError):  # noqa: N818 - an answer
    """The daemon answered, and said no; `reason` is its own sentence."""

    def __init__(self, what: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{what}: {reason}", hint=hint)
        self.reason = reason


class Daemon:
    """One daemon, its address, its facts and its own `info`; safe to ask from several threads."""

    def __init__(
        self,
        client: docker.APIClient,
        facts: DaemonFacts,
        *,
        address: str,
        patience: float = SECONDS_TO_RECONNECT,
        info: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.client = client
        self.facts = facts
        self.info = info
        self.address = address
        self._patience = patience
        self._away_since: float | None = None
        self._configs: dict[str, dict[str, Any]] = {}  # of images, by their ids

    @classmethod
    def first(cls, *base_urls: str | None, patience: float = SECONDS_TO_RECONNECT) -> Self:
        """Give the first daemon that answers; None is the one that DOCKER_HOST names, or the default socket.

        EngineError names each address that was tried, why it didn't answer, and what to do. `patience`
        is the seconds to wait for a daemon that went away.
        """
        tried, remedies = [], []
        for base_url in base_urls:
            address = address_of(base_url)
            try:
                knock(address)
                client = client_of(base_url)
            except (DockerException, requests.exceptions.RequestException, ValueError, TypeError, OSError) as error:
                tried.append(f"{address} ({cause(error)})")
                remedies.append(remedy(address, error))
                continue
            with cls(client, DaemonFacts(cpus=1, local_log=False), address=address).asking("say what it is"):
                info = client.info()
            own = is_rootless(info) and _is_of_the_caller(address)
            facts = DaemonFacts(
                cpus=info["NCPU"],
                local_log="local" in (info.get("Plugins") or {}).get("Log", ()),
                keeps_containers=bool(info.get("LiveRestoreEnabled")) or _OF_PODMAN in info,
                is_podman=_OF_PODMAN in info,
                has_cgroups=info.get("CgroupDriver") != "none",
                maps_users=not own and (is_rootless(info) or "name=userns" in _security(info)),
                root_is_caller=own,
                unenforced=tuple(name for name, key in _LIMITS.items() if info.get(key) is False),
                runtimes=tuple(info.get("Runtimes") or ()),
                init=_init_binary(info) if address.startswith("unix://") else None,
            )
            return cls(client, facts, address=address, patience=patience, info=info)
        raise EngineError(
            "no Docker daemon answers at " + ", nor at ".join(tried),
            hint="\n".join(
                [*dict.fromkeys(remedies), "Or run the steps with this machine's own Python:  --engine local"]
            ),
        )

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn what goes wrong while asking into an EngineError that says what was asked."""
        try:
            self._reach()
        except OSError as error:
            raise self._lost(what, error) from error
        try:
            yield
        except ImageNotFound as error:
            hint = "Build the images with `make images`, or let them be fetched with --pull."
            raise Refused(f"the Docker daemon could not {what}", error.explanation or str(error), hint=hint) from error
        except APIError as error:
            raise Refused(f"the Docker daemon could not {what}", error.explanation or str(error)) from error
        except (DockerException, requests.exceptions.RequestException, *LOST) as error:
            raise self._lost(what, error) from error

    def state(self, container: str) -> dict[str, Any]:
        """`State` of `GET /containers/{id}/json`; raises what the SDK raises, EngineError for a vanished container."""
        try:
            state: dict[str, Any] = self._inspected(container)["State"]
        except NotFound as error:
            raise EngineError(
                f"container {container[:12]} was removed from outside before its exit code could be read",
                hint="Run it again, and leave containers with the label cursus-sandbox.engine alone.",
            ) from error
        return state

    def end_of(self, container: str) -> dict[str, Any]:
        """Wait for a *started* container and give its last state.

        A connection that breaks is not an end: the daemon is asked again for a while. A daemon that stops ends its
        containers with TERM and KILL, unless they live on without it, so what it says of one after it was started
        again tells nothing of the job.
        """
        lost = False
        with self.asking(f"wait for container {container[:12]}"):
            while True:
                try:
                    self.client.wait(container, timeout=None)
                except NotFound:
                    pass  # the inspection below says so
                except LOST:
                    lost = True
                state, again = self._state_in_the_end(container)
                lost = lost or again
                if not state["Running"]:
                    break
            if not state["OOMKilled"] and (lost or state["ExitCode"] in ENDED_FROM_OUTSIDE):
                lost = not self._remembers(container, state)
            else:
                lost = False
        if lost and not self.facts.keeps_containers:
            raise EngineError(
                f"the connection to the Docker daemon at {self.address} was lost, and it killed the container",
                hint="Run it again; nothing is known about the job itself.",
            )
        return state

    def image(self, image: str) -> str | None:
        """Give the id of an image, None when the daemon hasn't got it."""
        try:
            found = self.client.inspect_image(image)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return None
        self._configs[found["Id"]] = found.get("Config") or {}
        return str(found["Id"])

    def image_config(self, image: str) -> dict[str, Any]:
        """Give what an image says of the containers made of it; ImageNotFound where there is none."""
        if (known := self._configs.get(image)) is not None:
            return known
        return self.client.inspect_image(image).get("Config") or {}  # type: ignore[no-untyped-call]

    def image_user(self, image: str) -> str:
        """Give the user that an image starts as, as it names it; root where it names none."""
        return str(self.image_config(image).get("User") or "0")

    def pull(self, image: str, fetching: Fetching | None = None) -> str:
        """Pull an image; the registry's complaint when that failed, else an empty text."""
        layers: dict[str, bool] = {}
        try:
            for message in self.client.pull(image, stream=True, decode=True):
                if "error" in message:
                    return str(message["error"])
                layer, status = message.get("id"), message.get("status")
                if layer and status in _LAYER_STATES:
                    layers[layer] = _LAYER_STATES[status]
                    if fetching:
                        fetching(image, sum(layers.values()), len(layers))
        except APIError as error:
            return str(error.explanation or error)
        return ""

    def remove_container(self, container: str) -> None:
        """Remove a container, killing what runs in it."""
        with self.asking(f"remove container {container[:12]}"), _gone_is_fine():
            self.client.remove_container(container, v=True, force=True)

    def remove_volume(self, volume: str) -> None:
        """Remove a volume; an overlay's folders stay."""
        with self.asking(f"remove volume {volume[:12]}"), _gone_is_fine():
            self.client.remove_volume(volume)

    def remove_network(self, network: str) -> None:
        """Remove a network that nobody is in any more."""
        with self.asking(f"remove network {network[:12]}"), _gone_is_fine():
            self.client.remove_network(network)

    def mount_again(self, container: str) -> None:
        """Mount and unmount the volumes of a container that has ended: looking for a path in it does that.

        An overlay in which a file was deleted leaves a root-owned device in `work/work`, which nobody else can delete
        there; at its next mount the kernel empties that folder. No program of the image is needed for it.
        """
        url = f"{self.client.base_url}/v{self.client.api_version}/containers/{container}/archive"
        self.client.head(url, params={"path": "/"}, timeout=SECONDS_TO_ANSWER).raise_for_status()

    def sweep(self, labels: Mapping[str, str]) -> None:
        """Remove every container, volume and network with all these labels; running containers are killed."""
        mine = {"label": [f"{name}={value}" for name, value in labels.items()]}
        self._remove_containers(mine)
        with self.asking("list what a run left behind"):
            volumes = self.client.volumes(filters=mine)["Volumes"] or []
        for volume in volumes:
            self.remove_volume(volume["Name"])
        with self.asking("list what a run left behind"):
            networks = self.client.networks(filters=mine)
        for network in networks:
            self.remove_network(network["Id"])

    def _remove_containers(self, filters: Mapping[str, Any]) -> None:
        """Remove them, and see that they are gone: a removal that who was killed had begun still holds the volumes."""
        known: set[str] = set()
        give_up = time.monotonic() + SECONDS_TO_REMOVE
        while time.monotonic() < give_up:
            with self.asking("list what a run left behind"):
                found = {one["Id"] for one in self.client.containers(all=True, filters=filters)}
            if not found:
                return
            for container in found - known:
                self._empty_overlays(container)
                self.remove_container(container)
            if found <= known:
                time.sleep(SECONDS_BETWEEN_LOOKS)
            known |= found

    def _empty_overlays(self, container: str) -> None:
        """End a container, and mount it once more for what its overlays left; that it can't be is no reason to stop."""
        with suppress(APIError, requests.exceptions.HTTPError, *LOST):
            with suppress(APIError):  # it isn't running
                self.client.kill(container)
                self.client.wait(container, timeout=SECONDS_TO_ANSWER)
            self.mount_again(container)

    def _lost(self, what: str, error: Exception) -> EngineError:
        return EngineError(
            f"the connection to the Docker daemon at {self.address} was lost: could not {what} ({cause(error)})",
            hint=f"{remedy(self.address, error)} Then run it again: what had ended by then is kept.",
        )

    def _inspected(self, container: str) -> dict[str, Any]:
        """What `GET /containers/{id}/json` says. Podman's (4.3) fails where a process ends just then: asked twice."""
        try:
            found: dict[str, Any] = self.client.inspect_container(container)
        except APIError as error:
            if not error.is_server_error():
                raise
            time.sleep(SECONDS_BETWEEN_LOOKS)
            found = self.client.inspect_container(container)
        return found

    def _remembers(self, container: str, state: Mapping[str, Any]) -> bool:
        """Whether the daemon is still the one that started a container: it remembers the last 256 events of its life.

        A connection of ours may still be to the one before, so a new one is made.
        """
        for adapter in self.client.adapters.values():
            adapter.close()
        until = f"{max(_seconds(state['FinishedAt']), _seconds(state['StartedAt'])):.6f}"  # by its own clock
        made = json.dumps({"container": [container], "event": ["create", "start"]})
        return self._happened(until, made) > 0 or self._happened(until, "{}") >= EVENTS_REMEMBERED

    def _happened(self, until: str, filters: str) -> int:
        """How many events of `GET /events` before a time a daemon knows of."""
        url = f"{self.client.base_url}/v{self.client.api_version}/events"
        parameters = {"since": "1", "until": until, "filters": filters}
        with closing(self.client.get(url, params=parameters, timeout=SECONDS_TO_ANSWER, stream=True)) as answer:
            return sum(1 for line in answer.iter_lines() if line)

    def _reach(self) -> None:
        """Knock, again for a while where the daemon is away; once that was in vain, until it is back only once."""
        pause, longest = SECONDS_BETWEEN_KNOCKS
        while True:
            try:
                knock(self.address)
            except (ConnectionError, FileNotFoundError, TimeoutError):
                now = time.monotonic()
                self._away_since = self._away_since or now
                left = self._away_since + self._patience - now
                if left <= 0:
                    raise
                time.sleep(min(pause, left))
                pause = min(2 * pause, longest)
            else:
                self._away_since = None
                return

    def _state_in_the_end(self, container: str) -> tuple[dict[str, Any], bool]:
        """Give the state of a container, and whether the daemon had to be asked again for it."""
        give_up = time.monotonic() + self._patience
        again = False
        while True:
            try:
                knock(self.address)
                return self.state(container), again
            except (*LOST, OSError) as lost:
                again = True
                error: Exception = lost
                try:
                    self._reach()
                except OSError as away:
                    error = away
                if time.monotonic() > give_up:
                    raise self._lost(f"learn how container {container[:12]} ended", error) from error


def removal(
    remove: Callable[[str], None], thing: str
) -> Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], None]:
    """Give what an ExitStack is to do on leaving: take a thing away."""

    def leave(_: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        try:
            remove(thing)
        except EngineError:
            if error is None:  # else the first error is the one to tell; what stays is swept on leaving
                raise

    return leave


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        if error.status_code not in GONE_OR_GOING:
            raise


def is_rootless(info: Mapping[str, Any]) -> bool:
    """Whether a daemon has no root's rights, by its `GET /info`; Podman says so in a word of its own."""
    return "name=rootless" in _security(info) or bool(info.get("Rootless"))


def _security(info: Mapping[str, Any]) -> set[str]:
    """The names of what secures a daemon's containers, by its `GET /info`."""
    return {option.split(",")[0] for option in info.get("SecurityOptions") or ()}


def _is_of_the_caller(address: str) -> bool:
    """Whether a daemon's socket is the caller's: so is the daemon that made it, then."""
    with suppress(OSError):
        return Path(address.removeprefix("unix://")).stat().st_uid == os.geteuid()
    return False


def _init_binary(info: Mapping[str, Any]) -> Path | None:
    """Give the init of a daemon that runs processes of this machine's own kernel, None where it isn't found here."""
    if info.get("KernelVersion") != os.uname().release or info.get("DefaultRuntime") not in _KERNEL_RUNTIMES:
        return None
    found = shutil.which(info.get("InitBinary") or "", path=os.pathsep.join(_INIT_FOLDERS))
    return Path(found).resolve() if found else None


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()

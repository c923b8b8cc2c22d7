"""What the builder asks of a Docker daemon."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import docker
from docker import auth
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image
from requests.exceptions import RequestException
from terminal import LAST, BuildError, say

INPUTS = "cursus-sandbox.inputs"  # the label that holds a digest over what an image was made from
THROWN_AWAY = "cursus-sandbox.stage=thrown-away"  # the label of a stage that is in no image once it is built
REGISTRY_PATIENCE = 20  # seconds that a registry may stay silent
DAEMON_PATIENCE = 600  # seconds that the daemon may take for one answer; unpacking an archive is one
UNAVAILABLE = (DockerException, RequestException)


class Daemon:
    """A Docker daemon, and the images that lost their tag to a new one while it was used."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.replaced: list[str] = []

    def find(self, tag: str) -> Image | None:
        """An image, by tag or id; None where there is none."""
        try:
            return self.client.images.get(tag)
        except ImageNotFound:
            return None

    def id(self, tag: str) -> str:
        """The id of an image that must be there."""
        image = self.find(tag)
        if image is None:
            raise BuildError(f"{tag} is not in the daemon, though it was just made.\n  Is something removing images?")
        return str(image.id)

    def is_made_from(self, tag: str, inputs: str) -> bool:
        """Whether an image is there and was made from these inputs."""
        image = self.find(tag)
        return image is not None and image.labels.get(INPUTS) == inputs

    def pull(self, tag: str) -> str:
        """Pull an image; gives why it could not be had, or nothing."""
        name, version = tag.split(":")
        registry, _ = auth.resolve_repository_name(name)
        headers = {"X-Registry-Auth": auth.get_config_header(self.client.api, registry) or b""}
        params = {"fromImage": name, "tag": version}
        try:
            with closing(self.events("/images/create", REGISTRY_PATIENCE, params=params, headers=headers)) as events:
                for event in events:
                    if "error" in event:
                        return str(event["error"])
                    if event.get("status") == "Pull complete":
                        say(f"  {event['id']} pulled")
        except RequestException as error:
            cause = root(error)
            return f"nothing was heard for {REGISTRY_PATIENCE} s" if isinstance(cause, TimeoutError) else str(cause)
        return ""

    def load(self, tag: str, archive: Path, *, inputs: str) -> None:
        """Make an image of the root file system in a tar archive."""
        say(f"  importing {archive.stat().st_size / 1e6:.0f} MB")
        repository, name = tag.split(":")
        label = f"LABEL {INPUTS}={inputs}"
        with self.retagging(tag):
            answer = self.client.api.import_image_from_file(str(archive), repository, name, [label])
            if '"error"' in answer:
                raise BuildError(f"{tag} could not be imported: {answer.strip()}")
            self.client.api.tag(json.loads(answer.splitlines()[-1])["status"], repository, name)  # Podman gives none

    def build(self, tag: str, context: IO[bytes], *, inputs: str, arguments: dict[str, str], cache: bool) -> None:
        """Build an image from the tar archive of its context, with no network and no settings of this machine."""
        last: deque[str] = deque(maxlen=LAST)
        params = {
            "t": tag,
            "labels": json.dumps({INPUTS: inputs}),
            "buildargs": json.dumps(arguments),
            "networkmode": "none",
            "nocache": not cache,
            "rm": True,
            "forcerm": True,
        }
        headers = {"Content-Type": "application/x-tar"}
        request = self.events("/build", None, params=params, headers=headers, data=context)
        with self.retagging(tag), closing(request) as events:
            for event in events:
                if "error" in event:
                    raise BuildError(f"{tag} could not be built:", [*last, event["error"]])
                for line in event.get("stream", "").splitlines():
                    last.append(line)
                    if line.upper().startswith("STEP "):  # Podman shouts
                        say(f"  {' '.join(line.split())}")

    def events(self, path: str, patience: float | None, **request: Any) -> Generator[dict[str, Any], None, None]:
        """What the daemon tells while it does something long, which it leaves off when the block is left.

        docker-py has the same calls, but they can't be limited in time nor cut off.
        """
        api = self.client.api
        url = f"{api.base_url}/v{api.api_version}{path}"
        with closing(api.post(url, stream=True, timeout=patience, **request)) as answer:
            for line in answer.iter_lines():
                event = json.loads(line)
                yield event if answer.ok else {"error": event["message"]}

    def output(self, image: str, command: Sequence[str]) -> str:
        """What a command prints in a container of an image, which has no network."""
        container = self.client.containers.create(image, list(command), network_disabled=True)
        try:
            container.start()
            code = container.wait()["StatusCode"]
            printed = container.logs().decode()
        finally:
            container.remove(force=True)
        if code:
            raise BuildError(f"{command[0]} ended with {code} in {image}:\n  {printed.strip()}")
        return printed

    @contextmanager
    def retagging(self, tag: str) -> Iterator[None]:
        """Note which image has a tag before another gets it, and say how large the new one is."""
        if former := self.find(tag):
            self.replaced.append(str(former.id))
        yield
        say(f"{tag} is built: {self.client.images.get(tag).attrs['Size'] / 1e6:.0f} MB")

    def tidy(self) -> None:
        """Remove the images that have been replaced and the stages that are in none."""
        for former in reversed(self.replaced):  # what stands on another goes before it
            image = self.find(former)
            if image is None or image.tags:
                continue
            try:
                self.client.images.remove(former)
            except APIError as error:
                say(f"the former {former[:19]} stays: {error.explanation}")
        thrown_away = {"dangling": True, "label": THROWN_AWAY}
        for _ in range(20):  # a build that was cut off ends a moment later
            self.client.images.prune(filters=thrown_away)
            if not self.client.images.list(filters=thrown_away):
                break
            time.sleep(0.5)


@contextmanager
def daemon() -> Iterator[Daemon]:
    """The daemon that DOCKER_HOST names, or this machine's, or else Podman's service."""
    errors: list[Exception] = []
    for where in (None, *podman()):
        try:
            client = (
                docker.DockerClient(where, timeout=DAEMON_PATIENCE)
                if where
                else docker.from_env(timeout=DAEMON_PATIENCE)
            )
            client.ping()
            break
        except UNAVAILABLE as error:
            errors.append(error)
    else:
        named = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        raise BuildError(
            f"No Docker daemon answers at {named} ({root(errors[0])}).\n"
            "  Start it, or set DOCKER_HOST to one that runs.\n"
            "  Without Docker, `cursus-sandbox run --engine local` needs no image."
        ) from errors[0]
    with closing(client):
        yield Daemon(client)


def podman() -> list[str]:
    """Where Podman's service may be, the user's own before root's; nowhere where DOCKER_HOST names a daemon."""
    if os.environ.get("DOCKER_HOST"):
        return []
    folders = [folder for folder in (os.environ.get("XDG_RUNTIME_DIR"), "/run") if folder]
    return [f"unix://{folder}/podman/podman.sock" for folder in folders]


def root(error: BaseException) -> BaseException:
    """The first of the errors that led to this one: the socket's, where there was one."""
    while error.__context__:
        error = error.__context__
    return error

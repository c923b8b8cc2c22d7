"""Builds the images that steps run in: `python images/build.py [--all | NAME...]`.

An image is a folder beside this file with a Dockerfile and, where it needs Python packages, a requirements.txt with every
version pinned. It is rebuilt only when one of these or the image below it changes. The base stands on
python:3.11-slim-bookworm; where no registry answers, on the same made from Debian packages.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import signal
import sys
import tarfile
import tempfile
from collections import deque
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

import debian
import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image
from requests.exceptions import RequestException
from terminal import BuildError, say
from wheels import Target, wheels

HERE = Path(__file__).parent
PYTHON = "python:3.11-slim-bookworm"
DEBIAN = "cursus-sandbox-debian:bookworm"
INPUTS = "cursus-sandbox.inputs"  # the label that holds a digest over what an image was built from
THROWN_AWAY = "cursus-sandbox.stage=thrown-away"  # the label of a stage that is in no image once it is built
REGISTRY_PATIENCE = 20  # seconds that a registry may stay silent
DAEMON_PATIENCE = 600  # seconds that the daemon may take for one answer; unpacking an archive is one


class Build:
    """One run of the builder against one daemon; leaving the `with` block removes what it replaced or threw away."""

    def __init__(self, client: docker.DockerClient, *, force: bool, registry: bool) -> None:
        self.client = client
        self.force = force
        self.registry = registry
        self.done: set[str] = set()
        self.replaced: list[str] = []

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *_: object) -> None:
        for old in reversed(self.replaced):  # what was built on top goes first
            image = self.find(old)
            if image and not image.tags:
                try:
                    self.client.images.remove(old)
                except APIError as error:
                    say(f"the former {old[:19]} stays: {error.explanation}")
        self.client.images.prune(filters={"dangling": True, "label": THROWN_AWAY})

    def image(self, name: str) -> None:
        """Build an image, and first the ones of ours below it, unless they are what they would become."""
        if name in self.done:
            return
        self.done.add(name)
        tag, below = tag_of(name), images_below(name)
        for other in below:
            self.image(other)
        parents = [self.id(tag_of(other)) for other in below] or [self.foundation()]
        inputs = digest(HERE / name, parents)
        if not self.force and self.is_made_from(tag, inputs):
            say(f"{tag} is up to date")
            return
        say(f"building {tag}")
        requirements = HERE / name / "requirements.txt"
        packages = wheels(requirements, self.target(parents[0])) if requirements.is_file() else None
        with tempfile.TemporaryFile() as context:
            pack(context, HERE / name, packages)
            self.build(tag, context, inputs=inputs, foundation=parents[0])
        say(f"{tag} is built: {self.size(tag)}")

    def foundation(self) -> str:
        """The id of the image that the base is built on: Python's own, or what stands for it here."""
        recipe = debian.recipe()
        if self.registry and (python := self.find(PYTHON)):
            return str(python.id)
        if not self.force and self.is_made_from(DEBIAN, recipe):
            return self.id(DEBIAN)
        if self.registry:
            say(f"pulling {PYTHON}")
            why = self.pull(PYTHON)
            if not why:
                return self.id(PYTHON)
            say(f"no registry answers: {why}")
        say(f"building {DEBIAN} from Debian packages, in place of {PYTHON}")
        with tempfile.TemporaryDirectory(prefix="cursus-sandbox-") as folder:
            archive = debian.archive(Path(folder))
            say(f"  importing {archive.stat().st_size / 1e6:.0f} MB")
            self.remember(DEBIAN)
            label = [f"LABEL {INPUTS}={recipe}"]
            self.client.api.import_image_from_file(str(archive), *DEBIAN.split(":"), changes=label)
        say(f"{DEBIAN} is built: {self.size(DEBIAN)}")
        return self.id(DEBIAN)

    def pull(self, tag: str) -> str:
        """Pull an image; gives why it could not be had, or nothing."""

        def out_of_patience(_signal: int, _frame: FrameType | None) -> NoReturn:
            raise TimeoutError(f"nothing was heard for {REGISTRY_PATIENCE} s")

        signal.signal(signal.SIGALRM, out_of_patience)
        signal.alarm(REGISTRY_PATIENCE)
        try:
            for event in self.client.api.pull(tag, stream=True, decode=True):
                signal.alarm(REGISTRY_PATIENCE)
                if "error" in event:
                    return str(event["error"])
                if "Pull complete" in event.get("status", ""):
                    say(f"  {event['id']}: pulled")
        except (DockerException, RequestException, TimeoutError) as error:
            return str(error.explanation if isinstance(error, APIError) else error)
        finally:
            signal.alarm(0)
        return ""

    def target(self, image: str) -> Target:
        """What a wheel must match to be installed in an image."""
        container = self.client.containers.create(image, ["python", "-c", Target.QUESTION], network_disabled=True)
        try:
            container.start()
            failed = container.wait()["StatusCode"]
            answer = container.logs().decode().split()
        finally:
            container.remove(force=True)
        if failed:
            raise BuildError(f"Python does not run in {image}:\n  {' '.join(answer)}")
        return Target(*answer)

    def build(self, tag: str, context: IO[bytes], *, inputs: str, foundation: str) -> None:
        """Build a context into an image with no network, and label it with the digest over its inputs."""
        self.remember(tag)
        last: deque[str] = deque(maxlen=20)
        events = self.client.api.build(
            fileobj=context,
            custom_context=True,
            tag=tag,
            labels={INPUTS: inputs},
            buildargs={"FROM": foundation},
            network_mode="none",
            use_config_proxy=False,
            nocache=self.force,
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:
            if "error" in event:
                raise BuildError("\n  ".join([f"{tag} could not be built; its last lines:", *last, event["error"].strip()]))
            for line in event.get("stream", "").splitlines():
                last.append(line)
                if line.startswith("Step "):
                    say(f"  {line.strip()}")

    def find(self, tag: str) -> Image | None:
        """An image of the daemon, by tag or id."""
        try:
            return self.client.images.get(tag)
        except ImageNotFound:
            return None

    def id(self, tag: str) -> str:
        """The id of an image that must be there."""
        image = self.find(tag)
        if image is None:
            raise BuildError(f"The daemon does not have {tag}, though it was just made.\n  Is something else removing images?")
        return str(image.id)

    def size(self, tag: str) -> str:
        """The size of an image, with the images below it."""
        return f"{self.client.images.get(tag).attrs['Size'] / 1e6:.0f} MB"

    def is_made_from(self, tag: str, inputs: str) -> bool:
        """Whether an image is there and was built from these inputs."""
        image = self.find(tag)
        return image is not None and image.labels.get(INPUTS) == inputs

    def remember(self, tag: str) -> None:
        """Note the image that is about to lose its tag, to remove it in the end."""
        if image := self.find(tag):
            self.replaced.append(str(image.id))


def names() -> list[str]:
    """The images that there are: the folders here that have a Dockerfile."""
    return sorted(path.parent.name for path in HERE.glob("*/Dockerfile"))


def tag_of(name: str) -> str:
    """What an image is called in the daemon."""
    return "cursus-sandbox-base:latest" if name == "base" else f"{name}:latest"


def images_below(name: str) -> list[str]:
    """The images of ours that a Dockerfile starts from."""
    starts = re.findall(r"^FROM (\S+)", (HERE / name / "Dockerfile").read_text(), re.MULTILINE)
    return [other for other in names() if tag_of(other) in starts]


def digest(folder: Path, parents: list[str]) -> str:
    """A digest over an image's files and the ids of the images below it."""
    parts = [*parents]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts.append(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def pack(context: IO[bytes], folder: Path, packages: Path | None) -> None:
    """Write a build's context: the image's folder, and its wheels in `wheels/`."""
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(folder, arcname=".")
        if packages:
            tar.add(packages, arcname="wheels")
    context.seek(0)


def connect() -> docker.DockerClient:
    """A client of the daemon that DOCKER_HOST names, or of this machine's."""
    try:
        client = docker.from_env(timeout=DAEMON_PATIENCE)
        client.ping()
    except (DockerException, RequestException) as error:
        where = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        raise BuildError(
            f"No Docker daemon answers at {where}.\n"
            "  Start it, or set DOCKER_HOST to one that runs. Without Docker, `cursus-sandbox run --engine local` needs no image.\n"
            f"  ({error})"
        ) from error
    return client


def main() -> int:
    """Build what the command line names; gives 0, or 4 where this machine can't."""
    parser = argparse.ArgumentParser(prog="images/build.py", description="Build the images that steps run in.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to build: {', '.join(names())} (default: all)")
    parser.add_argument("--all", action="store_true", help="build every image")
    parser.add_argument("--force", action="store_true", help="build even what is up to date")
    parser.add_argument("--no-registry", action="store_true", help="ask no registry: make the base from Debian packages")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in names()]:
        parser.error(f"there is no image {', '.join(unknown)}; there is: {', '.join(names())}")
    try:
        with closing(connect()) as client, Build(client, force=arguments.force, registry=not arguments.no_registry) as build:
            for name in names() if arguments.all or not arguments.names else arguments.names:
                build.image(name)
    except BuildError as error:
        print(f"\n{error}", file=sys.stderr)
        return 4
    except (DockerException, RequestException, OSError) as error:
        print(f"\nThe images could not be built: {error}", file=sys.stderr)
        return 4
    return 0


def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End as an interrupted process does, through every `with` and `finally`."""
    raise SystemExit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

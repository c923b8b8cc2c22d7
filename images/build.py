"""Builds the images that steps run in: `python images/build.py [--all | NAME...]`.

An image is a folder beside this file with a Dockerfile and, where it needs Python packages, a requirements.txt with
every version pinned. It is rebuilt only when one of these or the image below it changes. The base stands on
python:3.11-slim-bookworm, the engine of `dind` comes from docker:27-dind; where no registry answers, both are made from
Debian packages.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import re
import signal
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

import debian
from daemon import UNAVAILABLE, Daemon, daemon
from terminal import BuildError, say
from wheels import Target, cache, own_wheel, wheels

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
PACKAGE = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "cursus_sandbox",
    "contracts",
    "examples",
)  # what our own wheel is made of


@dataclass(frozen=True, slots=True)
class Foundation:
    """An image of somebody else's, and what stands for it where no registry answers."""

    tag: str
    stand_in: str
    system: debian.System


PYTHON = Foundation("python:3.11-slim-bookworm", "cursus-sandbox-debian:bookworm", debian.SYSTEM)
ENGINE = Foundation("docker:27-dind", "cursus-sandbox-engine:bookworm", debian.ENGINE)


class Build:
    """One run of the builder."""

    def __init__(self, daemon: Daemon, *, force: bool, registry: bool) -> None:
        self.daemon = daemon
        self.force = force
        self.registry = registry
        self.done: set[str] = set()

    def image(self, name: str) -> None:
        """Build an image, and first the ones of ours below it, unless they are what they would become."""
        if name in self.done:
            return
        self.done.add(name)
        for below in images_below(name):
            self.image(below)
        tag = tag_of(name)
        parents = [self.daemon.id(tag_of(below)) for below in images_below(name)] or [self.foundation(PYTHON)]
        arguments = {"FROM": parents[0]}
        if says(name, "ARG ENGINE="):
            arguments["ENGINE"] = self.foundation(ENGINE)
        carried = [REPOSITORY / part for part in PACKAGE] if says(name, "COPY package ") else []
        inputs = digest([HERE / name, *carried], [*parents, *list(arguments.values())[1:]])
        if not self.force and self.daemon.is_made_from(tag, inputs):
            say(f"{tag} is up to date")
            return
        say(f"building {tag}")
        requirements = HERE / name / "requirements.txt"
        packages = wheels(requirements, self.target(parents[0])) if requirements.is_file() else None
        with tempfile.TemporaryFile() as context, tempfile.TemporaryDirectory(prefix="cursus-sandbox-") as folder:
            package = own_wheel(REPOSITORY, Path(folder)) if carried else None
            pack(context, HERE / name, wheels=packages, package=package)
            self.daemon.build(tag, context, inputs=inputs, arguments=arguments, cache=not self.force)

    def is_stale(self, name: str) -> bool:
        """Whether an image is there and not what it would become; nothing is built, pulled or said for that."""
        made = self.daemon.find(tag_of(name))
        if made is None:
            return False
        below = [*images_below(name)]
        if any(self.is_stale(one) or self.daemon.find(tag_of(one)) is None for one in below):
            return True
        wanted = [] if below else [PYTHON]
        if says(name, "ARG ENGINE="):
            wanted.append(ENGINE)
        stands_on = [self.daemon.find(one.tag) or self.daemon.find(one.stand_in) for one in wanted]
        parents = [self.daemon.id(tag_of(one)) for one in below] + [str(one.id) for one in stands_on if one]
        carried = [REPOSITORY / part for part in PACKAGE] if says(name, "COPY package ") else []
        return not self.daemon.is_made_from(tag_of(name), digest([HERE / name, *carried], parents))

    def foundation(self, wanted: Foundation) -> str:
        """The id of an image of somebody else's, or of what stands for it here."""
        tag, stand_in = wanted.tag, wanted.stand_in
        recipe = debian.recipe(wanted.system)
        if self.registry and self.daemon.find(tag):
            return self.daemon.id(tag)
        if not self.force and self.daemon.is_made_from(stand_in, recipe):
            return self.daemon.id(stand_in)
        if self.registry:
            say(f"pulling {tag}")
            why = self.daemon.pull(tag)
            if not why:
                return self.daemon.id(tag)
            say(f"no registry answers: {why}")
        say(f"building {stand_in} from Debian packages, in place of {tag}")
        with tempfile.TemporaryDirectory(prefix="cursus-sandbox-") as folder:
            self.daemon.load(stand_in, debian.archive(wanted.system, Path(folder)), inputs=recipe)
        return self.daemon.id(stand_in)

    def target(self, image: str) -> Target:
        """What a wheel must match to be installed in an image."""
        return Target(*self.daemon.output(image, ["python", "-c", Target.QUESTION]).split())


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


def says(name: str, words: str) -> bool:
    """Whether an image's Dockerfile has a line that begins so."""
    lines = (HERE / name / "Dockerfile").read_text().splitlines()
    return any(line.startswith(words) for line in lines)


def digest(parts: list[Path], parents: list[str]) -> str:
    """A digest over an image's files and the ids of the images below it."""
    found = [(path, part) for part in parts for path in (part, *part.rglob("*")) if path.is_file()]
    files = sorted(one for one in found if "__pycache__" not in one[0].parts)
    contents = [f"{path.relative_to(part)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path, part in files]
    return hashlib.sha256("\n".join([*parents, *contents]).encode()).hexdigest()


def pack(context: IO[bytes], folder: Path, **folders: Path | None) -> None:
    """Write a build's context: the image's folder, and others below it."""
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(folder, arcname=".")
        for name, other in folders.items():
            if other:
                tar.add(other, arcname=name)
    context.seek(0)


@contextmanager
def alone() -> Iterator[None]:
    """Wait for the user's other builds: they share the cache, and one would throw away the other's stages."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build of the images to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Build what the command line names; gives 0, or 4 where this machine can't."""
    parser = argparse.ArgumentParser(prog="images/build.py", description="Build the images that steps run in.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names())} (all, if none is named)"
    )
    parser.add_argument("--all", action="store_true", help="build every image")
    parser.add_argument("--force", action="store_true", help="build even what is up to date")
    parser.add_argument(
        "--no-registry", action="store_true", help="make the base from Debian packages, ask no registry"
    )
    parser.add_argument("--stale", action="store_true", help="build nothing, print the images that would be built anew")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in names()]:
        parser.error(f"there is no image {', '.join(unknown)}; there is: {', '.join(names())}")
    try:
        if arguments.stale:
            with daemon() as docker:
                build = Build(docker, force=False, registry=False)
                print(*(tag_of(name) for name in arguments.names or names() if build.is_stale(name)), sep="\n")
            return 0
        with alone(), daemon() as docker, ExitStack() as leaving:
            leaving.callback(docker.tidy)
            build = Build(docker, force=arguments.force, registry=not arguments.no_registry)
            for name in names() if arguments.all or not arguments.names else arguments.names:
                build.image(name)
    except BuildError as error:
        print(f"\n{error}", file=sys.stderr)
        return 4
    except (*UNAVAILABLE, OSError) as error:
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

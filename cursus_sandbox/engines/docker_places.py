"""Where a daemon finds the files of this machine: at their own paths, at others, or nowhere.

A daemon on this machine sees all of them. One whose socket was mounted into the container that we run in sees what was
mounted into it, under the host's paths: a path of ours would be missing there, or be another folder of that name. One
in another container or on another machine sees what it shares with us, if anything (GitLab's `docker:dind` shares the
builds folder). So nothing is believed: a name that we have just made up must be seen by the daemon at the place. To
look takes a container that never runs; one that is started at once, behind a gate, can be the look itself.
"""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from docker.errors import APIError, ImageNotFound, NotFound

from cursus_sandbox.engines.docker_archive import seen
from cursus_sandbox.engines.docker_daemon import Daemon
from cursus_sandbox.engines.engine import Job

MOUNTS = Path("/proc/self/mountinfo")
_AT = PurePosixPath("/place")
_OWN = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")  # a container has these from its daemon's folder for it

Moved = Callable[[Path], Path | None]


class Places:
    """What a daemon sees of this machine: asked once for each of its mounts, when a file there is first needed.

    The mounts are those there are then: it takes a millisecond to read them, and each job has a dozen files.
    """

    def __init__(self, daemon: Daemon, *, labels: Mapping[str, str], mounts: Path = MOUNTS) -> None:
        self._daemon = daemon
        self._labels = labels
        self._mounts = mounts
        self._lock = threading.Lock()
        self._known: dict[Path, Moved | None] = {}
        self._points: frozenset[str] | None = None
        self._own_mounts: list[tuple[Path, Path]] | None = None

    def at(self, path: Path, job: Job, *, ours: bool = False) -> Path | None:
        """Give where the daemon finds a file or folder, None where it doesn't; raises what the SDK raises.

        It is looked at through the image of a job, of which nothing runs. In a folder that is `ours` a file is made to
        be looked for; anything else is recognised by its size, mode and time.
        """
        path = path.resolve()
        mount = self.mount_of(path)
        with self._lock:
            if mount not in self._known:
                self._known[mount] = self._found(path, job, ours=ours)
            moved = self._known[mount]
        return moved(path) if moved else None

    def presumed(self, folder: Path) -> Places | Presumed:
        """These places, where the file system of a folder is taken to be seen as it is unless more is known of it.

        Only for who finds out at once, by other means, whether it is, and who is refused where it isn't there.
        """
        mount = self.mount_of(folder.resolve())
        return self if self.is_known(mount) else Presumed(self, mount)

    def is_known(self, mount: Path) -> bool:
        """Whether it has been found out what the daemon sees of a mount."""
        with self._lock:
            return mount in self._known

    def mount_of(self, path: Path) -> Path:
        """Give where the file system of a path is mounted."""
        if self._points is None:
            self._points = mount_points(self._mounts)
        return mount_point(path, self._points)

    def proven(self, folder: Path) -> None:
        """Take note that the daemon sees a folder as it is, for it has shown us what is done in it."""
        with self._lock:
            self._known.setdefault(self.mount_of(folder.resolve()), _unmoved)

    def is_seen(self, path: Path, job: Job) -> bool:
        """Whether the daemon finds a file or folder at its own path."""
        return self.at(path, job) == path.resolve()

    def _found(self, path: Path, job: Job, *, ours: bool) -> Moved | None:
        for moved in (_unmoved, self._translated):
            there = moved(path)
            if there and self._sees(path, there, job, ours=ours):
                return moved
        return None

    def _translated(self, path: Path) -> Path | None:
        """A path of the container that we run in as the daemon knows it: below the longest of its mounts."""
        if self._own_mounts is None:
            self._own_mounts = self._mounts_of_our_container()
        around = [(at, source) for at, source in self._own_mounts if at == path or at in path.parents]
        if not around:
            return None
        at, source = max(around, key=lambda one: len(one[0].parts))
        return source / path.relative_to(at)

    def _mounts_of_our_container(self) -> list[tuple[Path, Path]]:
        container = own_container(self._mounts)
        if container is None:
            return []
        try:
            mounts = self._daemon.client.inspect_container(container)["Mounts"]
        except NotFound:  # a container of another daemon
            return []
        return [(Path(one["Destination"]), Path(one["Source"])) for one in mounts if one.get("Source")]

    def _sees(self, path: Path, there: Path, job: Job, *, ours: bool) -> bool:
        if not ours:
            return self._looks_alike(path, there, job)
        sign = path / f".cursus-sandbox-{uuid.uuid4().hex}"
        sign.touch()
        try:
            return self._looks_alike(sign, there, job, name=sign.name)
        finally:
            sign.unlink()

    def _looks_alike(self, path: Path, there: Path, job: Job, *, name: str = "") -> bool:
        """Look through a container that never runs."""
        settings = {
            "Image": job.image,
            "Cmd": ["-"],
            "Labels": {**job.labels, **self._labels},
            "NetworkDisabled": True,
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [{"Type": "bind", "Source": str(there), "Target": str(_AT), "ReadOnly": True}],
            },
        }
        try:
            container: str = self._daemon.client.create_container_from_config(settings)["Id"]  # type: ignore[no-untyped-call]
        except ImageNotFound:
            raise
        except APIError:  # it isn't there, or isn't shared
            return False
        try:
            found = seen(self._daemon, container, _AT / name)
        finally:
            self._daemon.remove_container(container)
        if found is None:
            return False
        mine = path.stat()
        modified = datetime.fromtimestamp(mine.st_mtime_ns // 1_000 / 1e6, UTC)
        size, mode = mine.st_size, mine.st_mode & 0o777
        return (found.size, found.mode) == (size, mode) and abs((found.modified - modified).total_seconds()) < 1e-3  # noqa: PLR2004 -- rounding


@dataclass(frozen=True, slots=True)
class Presumed:
    """What a daemon sees, where one mount that nothing is known of is taken to be seen as it is."""

    places: Places
    mount: Path

    def at(self, path: Path, job: Job, *, ours: bool = False) -> Path | None:
        """As with Places."""
        path = path.resolve()
        if self.places.mount_of(path) == self.mount and not self.places.is_known(self.mount):
            return path
        return self.places.at(path, job, ours=ours)


def own_container(mounts: Path = MOUNTS) -> str | None:
    """Give the id of the container that we run in, None outside of one.

    Its `/etc/hostname` and the like are files from the daemon's folder for it. The host name would say the same, unless
    it was chosen.
    """
    for _, root, point in _lines(mounts):
        match = re.search(r"/containers/([0-9a-f]{64})/", root)
        if match and point in _OWN:
            return match[1]
    return None


def mount_points(mounts: Path = MOUNTS) -> frozenset[str]:
    """Give where file systems are mounted."""
    return frozenset(point for _, _, point in _lines(mounts))


def mount_point(path: Path, points: Collection[str]) -> Path:
    """Give which of the mount points a path is below; the path itself where there is none."""
    place = str(path)
    while place not in points:
        above = os.path.dirname(place)  # noqa: PTH120 -- a Path for each would take ten times as long
        if above == place:
            return path
        place = above
    return Path(place)


def _lines(mounts: Path) -> list[tuple[str, str, str]]:
    """Device, root and mount point of each mount (proc(5), mountinfo)."""
    with suppress(OSError):
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        fields = [line.split(" ") for line in lines]
        return [(one[2], _plain(one[3]), _plain(one[4])) for one in fields if len(one) > 4]  # noqa: PLR2004
    return []


def _plain(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _unmoved(path: Path) -> Path | None:
    return path

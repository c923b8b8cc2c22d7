"""How a job's files get to its container: mounted where the daemon sees them, else carried there and back.

Carried files travel as archives into volumes of the job's own, before it starts and after it has ended. That takes
the time of copying them, and gives any user of the container files of its own: so it serves too for a job that runs as
somebody else than the caller, and what that leaves belongs to the caller when it has come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cursus_sandbox.engines.docker_archive import fetch, put
from cursus_sandbox.engines.docker_create import is_root, overlay_options
from cursus_sandbox.engines.docker_daemon import Daemon
from cursus_sandbox.engines.docker_places import Places, Presumed
from cursus_sandbox.engines.engine import Job, Mount, MountMode
from cursus_sandbox.engines.mounts import Placed, Private, hosts_file, hosts_text, place
from cursus_sandbox.engines.travel import Parcel, packed, text_entry
from cursus_sandbox.errors import EngineError
from cursus_sandbox.untrusted import empty

HOSTS = PurePosixPath("/etc/hosts")
_SHELVES = PurePosixPath("/mounts")

Removed = Callable[[Callable[[str], None], str], None]


def files_of(
    job: Job,
    daemon: Daemon,
    places: Places | Presumed | None,
    private: Private,
    *,
    labels: Mapping[str, str],
) -> Mounted | Carried:
    """Give the way a job's files take; raises what the SDK raises. Without `places` they are carried.

    EngineError where they would have to be, and can't: Podman's service (4.3) takes an archive for a container that
    doesn't run, and what of it is for a volume is lost.
    """
    owner = _owner(job, daemon)
    at = None if places is None else _all_seen(job, places)
    is_caller = owner is not None and owner[0] == int(daemon.facts.caller.partition(":")[0])
    if at is not None and is_caller and not daemon.facts.maps_users:
        return Mounted(daemon, job, at, private, labels=labels)
    if daemon.facts.is_podman:
        if at is None:
            why, hint = "it does not see this machine's files", "Put the workspace and its inputs where it sees them."
        elif is_caller:
            why, hint = "its users are others outside of it", "Run on a service of your own."
        else:
            why, hint = f"the job is to run as user {job.user}", "Leave `user` away, as --user: it is you, then."
        raise EngineError(
            f"the files of job '{job.name}' can't come to its container: Podman takes none for volumes, and {why}",
            hint=f"{hint} Or use Docker.",
        )
    return Carried(daemon, job, owner, labels=labels)


class Mounted:
    """Files that the daemon sees, at the path that `at` gives for each of ours.

    `placed`, `volumes` and `hosts` are what the container is to be made with; `overlaid` says whether an overlay is
    among them, which a daemon may refuse.
    """

    def __init__(
        self,
        daemon: Daemon,
        job: Job,
        at: Callable[[Path], Path],
        private: Private,
        *,
        labels: Mapping[str, str],
    ) -> None:
        self._daemon = daemon
        self._at = at
        self._labels = dict(labels)
        self._mine = place(job, private)
        self.placed = [self._there(mount) for mount in self._mine]
        self.volumes: dict[PurePosixPath, str] = {}
        self.hosts = None if has_network(job) else at(hosts_file(job))
        self.overlaid = any(mount.overlay for mount in self.placed)

    def lay_out(self, removed: Removed) -> None:
        """Make the overlays."""
        for mount in self.placed:
            if mount.overlay:
                options = overlay_options(mount)
                made = self._daemon.client.create_volume(driver="local", driver_opts=options, labels=self._labels)
                removed(self._daemon.remove_volume, made["Name"])
                self.volumes[mount.target] = made["Name"]

    def fill(self, container: str) -> None:
        """Nothing is missing."""

    def bring_back(self, container: str) -> None:
        """All is there already; what an overlay keeps from being deleted is."""
        if any(_is_occupied(mount.work) for mount in self._mine):
            self._daemon.mount_again(container)

    def _there(self, mount: Placed) -> Placed:
        upper, work = mount.upper and self._at(mount.upper), mount.work and self._at(mount.work)
        return replace(mount, source=self._at(mount.source), upper=upper, work=work)


class Carried:
    """Files that are carried: each folder in a volume, each other file in the container's own layer.

    A container that never runs has all volumes on shelves beside each other, where they are filled and emptied: in the
    job's own, one may lie inside another, or be read-only. `owner` is the number of who the job runs as, None if it
    isn't known.
    """

    hosts: Path | None = None
    overlaid = False

    def __init__(self, daemon: Daemon, job: Job, owner: tuple[int, int] | None, *, labels: Mapping[str, str]) -> None:
        if job.read_only_root:
            raise EngineError(
                f"job '{job.name}' has a read-only root, and its files are carried: those outside of folders can't be",
                hint="Leave --read-only-root away, or run as yourself on a daemon that sees this machine's files.",
            )
        self._daemon = daemon
        self._job = job
        self._owner = owner
        self._labels = dict(labels)
        mounts = sorted(job.mounts, key=lambda mount: len(mount.target.parts))
        self._folders = [mount for mount in mounts if mount.source.is_dir()]
        self._files = [mount for mount in mounts if not mount.source.is_dir()]
        self.placed = [_placed(mount) for mount in self._folders]
        self.volumes: dict[PurePosixPath, str] = {}
        self._shelves = ""

    def lay_out(self, removed: Removed) -> None:
        """Make the volumes and fill them."""
        for mount in self._folders:
            made = self._daemon.client.create_volume(driver="local", labels=self._labels)
            removed(self._daemon.remove_volume, made["Name"])
            self.volumes[mount.target] = made["Name"]
        shelves = [
            {"Type": "volume", "Source": volume, "Target": str(shelf), "VolumeOptions": {"NoCopy": True}}
            for volume, shelf in zip(self.volumes.values(), map(_shelf, range(len(self._folders))), strict=True)
        ]
        settings = {
            "Image": self._job.image,
            "Cmd": ["-"],
            "Labels": self._labels,
            "NetworkDisabled": True,
            "HostConfig": {"NetworkMode": "none", "Mounts": shelves},
        }
        self._shelves = self._daemon.client.create_container_from_config(settings)["Id"]  # type: ignore[no-untyped-call]
        removed(self._daemon.remove_container, self._shelves)
        parcels = [self._parcel(mount, _shelf(n)) for n, mount in enumerate(self._folders)]
        parcels += [self._parcel(mount, place) for mount in self._files if (place := self._inside(mount))]
        put(self._daemon, self._shelves, packed(*parcels))

    def fill(self, container: str) -> None:
        """Put the files that are in no folder of the job's into the container itself."""
        put(self._daemon, container, self._loose())

    def bring_back(self, container: str) -> None:
        """Give each writable source what its volume holds now."""
        for n, mount in enumerate(self._folders):
            if mount.mode is MountMode.WRITABLE:
                arrived = self._brought(self._shelves, _shelf(n), n)
                empty(mount.source)
                for path in list(arrived.iterdir()):
                    path.rename(mount.source / path.name)
        for n, mount in enumerate(self._files, len(self._folders)):
            if mount.mode is MountMode.WRITABLE:
                place = self._inside(mount)
                arrived = self._brought(self._shelves if place else container, place or mount.target, n)
                for path in arrived.iterdir():
                    path.replace(mount.source)

    def _brought(self, container: str, path: PurePosixPath, number: int) -> Path:
        arrived = self._job.scratch / f"arrived-{number}"
        arrived.mkdir()
        fetch(self._daemon, container, path, arrived)
        return arrived

    def _loose(self) -> Iterator[bytes]:
        if not has_network(self._job):
            yield text_entry(HOSTS, hosts_text(self._job))
        yield from packed(*(self._parcel(mount, mount.target) for mount in self._files if not self._inside(mount)))

    def _inside(self, mount: Mount) -> PurePosixPath | None:
        """Where on the shelves a file lies that is mounted inside of a folder."""
        around = [(n, one) for n, one in enumerate(self._folders) if one.target in mount.target.parents]
        if not around:
            return None
        n, folder = around[-1]  # the innermost: they are sorted
        return _shelf(n) / mount.target.relative_to(folder.target)

    def _parcel(self, mount: Mount, name: PurePosixPath) -> Parcel:
        return Parcel(mount.source.resolve(), name, self._owner, writable=mount.mode is not MountMode.READ_ONLY)


def has_network(job: Job) -> bool:
    """Whether Docker gives a container of this job a network, and an `/etc/hosts` with it."""
    return job.network or job.cluster is not None


def _owner(job: Job, daemon: Daemon) -> tuple[int, int] | None:
    """The number of the user and of the group that a job runs as; None where only its image knows."""
    user = job.user or daemon.facts.caller
    if user == "image":
        user = daemon.image_user(job.image or "")
    uid, _, gid = user.partition(":")
    if is_root(user):
        uid, gid = "0", gid if gid.isdigit() else "0"
    return (int(uid), int(gid) if gid.isdigit() else 0) if uid.isdigit() else None


def _all_seen(job: Job, places: Places | Presumed) -> Callable[[Path], Path] | None:
    """What gives the daemon's path for each file of a job, None where it doesn't see all of them."""
    if places.at(job.scratch, job, ours=True) is None:
        return None
    found = {mount.source: places.at(mount.source, job) for mount in job.mounts}
    if not all(found.values()):
        return None

    def at(path: Path) -> Path:
        there = found.get(path) or places.at(path, job)
        if there is None:
            raise EngineError(f"{path} was seen by the daemon, and is not any more")
        return there

    return at


Files = Mounted | Carried


def _placed(mount: Mount) -> Placed:
    return Placed(mount.source, mount.target, mount.mode is not MountMode.READ_ONLY)


def _shelf(number: int) -> PurePosixPath:
    return _SHELVES / str(number)


def _is_occupied(work: Path | None) -> bool:
    """Tell whether an overlay left something in its working folder that this user can't delete."""
    if work is None:
        return False
    try:
        empty(work)
    except PermissionError:
        return True
    return False

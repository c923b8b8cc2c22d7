"""What is found of this machine, judged: each a line that says how it is, and what to do where it isn't well.

Every function here is pure: it is given what was learned, or the error that kept it from being learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cursus_sandbox.engines.docker_survey import Left, Survey
from cursus_sandbox.engines.mounts import Private
from cursus_sandbox.errors import SandboxError

GIB = 1024**3
_LITTLE, _TOO_LITTLE = 5 * GIB, GIB // 2
_FEW_INODES = 10_000
_LOOK = {"docker engine": "Ask it yourself:  docker info"}
_SMALL_SHM = 64 * 1024**2


class State(StrEnum):
    """How it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about this machine: its name, how it is, in words, and what to do."""

    name: str
    state: State
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on a disk; `inodes` is None where they don't run out."""

    free: int
    inodes: int | None
    writable: bool


@dataclass(frozen=True, slots=True)
class LocalFacts:
    """What the local engine can do."""

    version: str
    private: Private


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part of the package, and what of it isn't installed."""

    name: str
    missing: tuple[str, ...]


def python(version: tuple[int, int, int], own: str, platform: str) -> Finding:
    """The Python that steps of the local engine run on, and our own version."""
    return Finding("python", State.OK, f"Python {'.'.join(map(str, version))}, cursus-sandbox {own}, {platform}")


def local(facts: LocalFacts | Exception) -> list[Finding]:
    """The local engine, and how it gives a step a private folder."""
    if isinstance(facts, Exception):
        return [_from_error("local engine", State.FAIL, facts)]
    found = [Finding("local engine", State.OK, f"{facts.version}; user namespaces are allowed")]
    if facts.private is Private.OVERLAY:
        return [*found, Finding("overlay", State.OK, "inputs that a step may write to are overlays, on this disk")]
    how = "are copied" if facts.private is Private.COPY else "are overlays, what is written there is kept in memory"
    remedy = (
        "Linux 5.11 or later is needed, and a workspace on a disk that takes overlays: not NFS, not another overlay."
    )
    return [*found, Finding("overlay", State.WARN, f"inputs that a step may write to {how}", remedy)]


def docker(survey: Survey | Exception) -> list[Finding]:
    """The daemon: where it is, what it is, and what it can hold steps to."""
    if isinstance(survey, Exception):
        return [_from_error("docker engine", State.FAIL, survey)]
    mode = "rootless" if survey.is_rootless else "with root's rights"
    found = [
        Finding("docker engine", State.OK, f"{survey.version}, API {survey.api_version}, {survey.address}, {mode}"),
        Finding("docker cgroups", State.OK, f"{survey.cgroups}, driver {survey.cgroup_driver}"),
    ]
    if survey.storage == "vfs":
        remedy = "Each container is a whole copy: let the daemon use overlay2, or fuse-overlayfs."
        found.append(Finding("docker storage", State.WARN, "driver vfs", remedy))
    else:
        found.append(Finding("docker storage", State.OK, f"driver {survey.storage}"))
    hard = [one for one in survey.missing_limits if one != "swap"]
    if hard:
        remedy = "Delegate these cgroup controllers to the daemon; until then steps are held to no such limit."
        found.append(Finding("docker limits", State.WARN, f"not enforced: {', '.join(hard)}", remedy))
    else:
        swap = ", but not swap" if survey.missing_limits else ""
        found.append(Finding("docker limits", State.OK, f"memory and processors are enforced{swap}"))
    return found


def sharing(seen: bool | Exception | None) -> Finding | None:  # noqa: FBT001 -- a fact like the others
    """Whether the daemon sees the workspace, or files have to travel."""
    if isinstance(seen, Exception):
        return _from_error("docker files", State.WARN, seen)
    if seen is None:
        return None
    if seen:
        return Finding("docker files", State.OK, "the daemon sees the workspace: its files are mounted")
    remedy = "To have them mounted, share the workspace's folder with the daemon, under the same path."
    return Finding("docker files", State.WARN, "the daemon doesn't see the workspace: files are carried", remedy)


def gpus(number: int, runtimes: Iterable[str]) -> Finding:
    """The GPUs there are device files of, and whether containers can have them."""
    if not number:
        return Finding("gpu", State.OK, "none here")
    words = f"{number} GPU{'s' * (number != 1)}"
    if "nvidia" in runtimes:
        return Finding("gpu", State.OK, f"{words}; containers have them by the runtime nvidia")
    return Finding(
        "gpu", State.WARN, f"{words}, and docker has no runtime nvidia", "Install NVIDIA's container toolkit."
    )


def room(name: str, facts: Room | Exception) -> Finding:
    """What is left on a disk."""
    if isinstance(facts, Exception):
        return _from_error(name, State.WARN, facts)
    free = f"{facts.free / GIB:.1f} GB free"
    inodes = "" if facts.inodes is None else f", room for {facts.inodes:,} files"
    if not facts.writable:
        return Finding(name, State.FAIL, f"it can't be written to; {free}", "Choose another folder:  --workspace DIR")
    few = facts.inodes is not None and facts.inodes < _FEW_INODES
    state = State.FAIL if facts.free < _TOO_LITTLE else State.WARN if facts.free < _LITTLE or few else State.OK
    remedy = "" if state is State.OK else "Make room, or:  cursus-sandbox clean --keep 1"
    return Finding(name, state, free + inodes, remedy)


def shared_memory(facts: Room | Exception) -> Finding:
    """The memory that secrets lie in which are files, and in which data loaders of the process engine meet."""
    if isinstance(facts, Exception):
        return _from_error("/dev/shm", State.WARN, facts)  # noqa: S108 -- it is spoken of
    free = f"{facts.free / 1024**2:,.0f} MB free"
    if facts.writable and facts.free >= _SMALL_SHM:
        return Finding("/dev/shm", State.OK, free)  # noqa: S108
    what = free if facts.writable else "it can't be written to"
    return Finding("/dev/shm", State.WARN, what, "In a container, start it with a larger one:  --shm-size 1g")  # noqa: S108


def images(found: Mapping[str, str] | Exception, stale: Iterable[str], *, can_build: bool) -> Finding:
    """The images of ours that are built, and those that are not what they would become."""
    if isinstance(found, Exception):
        return _from_error("images", State.WARN, found)
    old = sorted(set(stale) & set(found))
    if old:
        return Finding("images", State.WARN, f"older than what they are made of: {', '.join(old)}", "make images")
    if found:
        return Finding("images", State.OK, f"built here: {', '.join(sorted(found))}")
    remedy = "make images" if can_build else ""
    return Finding("images", State.OK, "none of ours; steps run in any that --image names", remedy)


def registry(complaint: str | Exception) -> Finding:
    """Whether the registry that docker is set up with can be asked."""
    if complaint == "":
        return Finding("registry", State.OK, "it answers")
    why = str(complaint).strip().rpartition(": ")[2] or "no reason given"  # what goes before speaks of addresses
    remedy = "Images that are here will do; `make images` then builds from packages. Behind a proxy, tell the daemon."
    return Finding("registry", State.WARN, f"it doesn't answer: {why}", remedy)


def s3(found: str) -> Finding:
    """Where credentials for S3 are; never what they are."""
    if found:
        return Finding("s3", State.OK, f"credentials: {found}")
    return Finding("s3", State.OK, "no credentials; needed for s3:// inputs, but for --s3 anonymous=true")


def extras(found: Iterable[Extra]) -> Finding:
    """The optional parts of the package."""
    there = [one.name for one in found if not one.missing]
    away = [one.name for one in found if one.missing]
    words = [
        *([f"installed: {', '.join(there)}"] if there else ()),
        *([f"not installed: {', '.join(away)}"] if away else ()),
    ]
    remedy = f"pip install 'cursus-sandbox[{','.join(away)}]', if you want what they are for." if away else ""
    return Finding("extras", State.OK, "; ".join(words) or "there are none", remedy)


def leftovers(found: Left | Exception, workspace: str, *, in_use: bool) -> Finding:
    """Containers, volumes and networks of runs that are dead; those of other workspaces are only counted."""
    if isinstance(found, Exception):
        return _from_error("left behind", State.WARN, found)
    by_kind = {"container": found.containers, "volume": found.volumes, "network": found.networks}
    mine = {kind: some.get(workspace, 0) for kind, some in by_kind.items()} if workspace and not in_use else {}
    others = {kind: sum(some.values()) - some.get(workspace, 0) for kind, some in by_kind.items()}
    elsewhere = f"{_counted(others)} of other workspaces, whose runs may go on" if any(others.values()) else ""
    if any(mine.values()):
        what = "; ".join(one for one in (f"{_counted(mine)} of runs that were killed", elsewhere) if one)
        return Finding("left behind", State.WARN, what, "cursus-sandbox clean")
    if elsewhere:
        return Finding("left behind", State.OK, elsewhere)
    return Finding("left behind", State.OK, "nothing of dead runs" if not in_use else "a run goes on in the workspace")


def can_run(found: Iterable[Finding]) -> bool:
    """Whether an engine that isolates steps can be had."""
    return any(one.name in ("local engine", "docker engine") and one.state is not State.FAIL for one in found)


def judged_together(found: Iterable[Finding]) -> list[Finding]:
    """The findings, with an engine that is away no more than a warning where another can do its work."""
    every = list(found)
    if not can_run(every):
        return every
    return [
        Finding(one.name, State.WARN, one.what, one.remedy)
        if one.name in ("local engine", "docker engine") and one.state is State.FAIL
        else one
        for one in every
    ]


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}{'s' * (number != 1)}" for kind, number in numbers.items() if number)


def _from_error(name: str, state: State, error: Exception) -> Finding:
    if isinstance(error, SandboxError):
        return Finding(name, state, " ".join(error.what.split()), " ".join(error.hint.split()))
    return Finding(name, state, " ".join(str(error).split()) or type(error).__name__, _LOOK.get(name, ""))

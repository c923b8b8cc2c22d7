"""Looking at this machine, all at once, and no longer than a while: what doesn't answer by then is said not to."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import Any

from cursus_sandbox.doctor.findings import Extra, LocalFacts, Room

SECONDS = 2.5
SECONDS_TO_TIDY = 3.0
_LOOKING = "doctor-"


class SilentError(Exception):
    """A look that took too long."""


def looked(probes: Mapping[str, Callable[[], Any]], *, seconds: float = SECONDS) -> dict[str, Any]:
    """What each probe gives, or the exception that it ended with; SilentError for those that still look.

    Each has a thread of its own, which nobody waits for in the end: a disk that is away holds it for ever.
    """
    found: dict[str, Any] = {}

    def look(name: str, probe: Callable[[], Any]) -> None:
        try:
            found[name] = probe()
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is what there is to say
            found[name] = error

    threads = [
        threading.Thread(target=look, args=one, name=f"{_LOOKING}{one[0]}", daemon=True) for one in probes.items()
    ]
    for thread in threads:
        thread.start()
    give_up = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, give_up - time.monotonic()))
    silent = SilentError(f"no answer within {seconds:g} s")
    return {name: found.get(name, silent) for name in probes}


def let_end(*names: str, seconds: float = SECONDS_TO_TIDY) -> None:
    """Wait for looks that took too long, and make something to look with: they take it away when they end."""
    give_up = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread.name in {f"{_LOOKING}{name}" for name in names}:
            thread.join(max(0.0, give_up - time.monotonic()))


def local(workspace: Path) -> LocalFacts:
    """What the local engine can do on the disk of a workspace; EngineError where it can't be had."""
    from cursus_sandbox.engines.local import LocalEngine  # noqa: PLC0415 -- each probe brings its own

    engine = LocalEngine.connect()
    with tempfile.TemporaryDirectory(dir=_writable(workspace), prefix=".cursus-sandbox-doctor-") as folder:
        return LocalFacts(engine.version, engine.private_in(Path(folder)))


def shared(workspace: Path) -> bool | None:
    """Whether the daemon sees the disk of a workspace."""
    from cursus_sandbox.engines.docker_survey import sees  # noqa: PLC0415

    with tempfile.TemporaryDirectory(dir=_writable(workspace), prefix=".cursus-sandbox-doctor-") as folder:
        return sees(Path(folder))


def room(folder: Path) -> Room:
    """What is free where a folder is, or would be made."""
    there = _there(folder)
    found = os.statvfs(there)
    return Room(
        free=found.f_bavail * found.f_frsize,
        inodes=found.f_favail if found.f_files else None,
        writable=_takes_files(there),
    )


def credentials(environment: Mapping[str, str], home: Path) -> str:
    """Where AWS's tools would find credentials, as far as files and variables tell."""
    if environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        return "in the environment"
    file = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws/credentials")
    if file.is_file() and "aws_access_key_id" in file.read_text(encoding="utf-8", errors="replace").lower():
        return f"in {file}"
    for name in (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ):
        if environment.get(name):
            return f"by {name}"
    config = Path(environment.get("AWS_CONFIG_FILE") or home / ".aws/config")
    return f"a profile in {config}" if config.is_file() else ""


def extras(package: str = "cursus-sandbox") -> list[Extra]:
    """The optional parts of a package, each with what of it is missing."""
    wanted: dict[str, list[str]] = {}
    for line in requires(package) or ():
        if found := re.search(r"extra == ['\"]([^'\"]+)['\"]", line):
            wanted.setdefault(found[1], []).append(re.split(r"[\s;<>=!~\[]", line)[0])
    return [
        Extra(name, tuple(one for one in names if not _is_installed(one))) for name, names in sorted(wanted.items())
    ]


def platform() -> str:
    """The system and the processor."""
    system = os.uname()
    return f"{system.sysname} {system.release.split('-')[0]} {system.machine}"


def python_version() -> tuple[int, int, int]:
    """This Python's version."""
    return sys.version_info[:3]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _there(folder: Path) -> Path:
    """The folder, or the nearest around it that is there."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.exists())


def _writable(folder: Path) -> Path | None:
    there = _there(folder)
    return there if _takes_files(there) else None


def _takes_files(folder: Path) -> bool:
    """Whether a file can be made in a folder: root may do anything, but not everywhere."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False

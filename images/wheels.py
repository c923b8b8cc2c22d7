"""The wheels of a requirements.txt, for the Python of an image rather than for the one that runs this.

pip on this machine fetches them, so its own mirror, proxy and certificates count, and none of them reaches the image.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from terminal import BuildError, run, say

SHOW = r"^\s*(Downloading|Building wheel for .* started)"


@dataclass(frozen=True, slots=True)
class Target:
    """What a wheel must match: an image's Python, its machine and its glibc."""

    python: str
    machine: str
    glibc: str

    # Run by the image's Python; prints the three in order.
    QUESTION = "import platform as p; print(p.python_version(), p.machine(), p.libc_ver()[1])"

    @classmethod
    def this_machine(cls) -> Target:
        """What runs this."""
        return cls(platform.python_version(), platform.machine(), platform.libc_ver()[1])

    def is_served_by(self, builder: Target) -> bool:
        """Whether what another Python compiles runs here: the same minor version and machine, no newer glibc."""
        if builder.machine != self.machine or _numbers(builder.python)[:2] != _numbers(self.python)[:2]:
            return False
        return _numbers(builder.glibc) <= _numbers(self.glibc)

    def platforms(self) -> list[str]:
        """The platform tags that run there, newest first; pip wants each by name."""
        major, minor = self.glibc.split(".")[:2]
        return [f"manylinux_{major}_{n}_{self.machine}" for n in range(int(minor), 16, -1)] + [
            f"manylinux2014_{self.machine}"
        ]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def wheels(requirements: Path, target: Target) -> Path:
    """A folder with a wheel for each pinned requirement, from the user's cache or fetched into it.

    It appears whole or not at all, and takes the place of the one for the previous pins of the same image.
    """
    pins = hashlib.sha256(requirements.read_bytes() + repr(target).encode()).hexdigest()[:16]
    folder = cache() / requirements.parent.name / pins
    if folder.is_dir():
        say(f"  wheels are in {folder}")
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as temporary:
        fetched = Path(temporary, "wheels")
        fetch(requirements, target, fetched)
        fetched.replace(folder)
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other)
    return folder


def cache() -> Path:
    """Where wheels are kept from one build to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "cursus-sandbox", "wheels")


def fetch(requirements: Path, target: Target, folder: Path) -> None:
    """Download the requirements into `folder`; what has no wheel is built here, and must come out pure or fit."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    match = [f"--python-version={target.python}", *(f"--platform={tag}" for tag in target.platforms())]
    failed = f"{requirements}: pip could not fetch the wheels for Python {target.python} on {target.machine}"
    download = [*pip, "download", "--no-deps", "--prefer-binary", "--progress-bar=off", *match, f"--dest={folder}"]
    run([*download, f"--requirement={requirements}"], show=SHOW, failed=failed)
    for source in [path for path in folder.iterdir() if path.suffix != ".whl"]:
        run(
            [*pip, "wheel", "--no-deps", f"--wheel-dir={folder}", str(source)],
            show=SHOW,
            failed=f"{requirements}: {source.name} is not a wheel and could not be built into one",
        )
        source.unlink()
    if strange := [path.name for path in folder.iterdir() if not fits(path.name, target)]:
        raise BuildError(f"{requirements}: built for this machine's Python, not for the image's: {', '.join(strange)}")


def own_wheel(project: Path, folder: Path) -> Path:
    """A folder with the wheel of a project of our own."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run(
        [*pip, "wheel", "--no-deps", f"--wheel-dir={folder}", str(project)],
        show=SHOW,
        failed=f"{project} could not be built into a wheel",
    )
    return folder


def fits(wheel: str, target: Target) -> bool:
    """Whether a wheel is pure, for one of the target's platforms, or built here by a Python and a glibc that fit."""
    platforms = wheel.removesuffix(".whl").split("-")[-1].split(".")
    if platforms == [f"linux_{target.machine}"]:
        return target.is_served_by(Target.this_machine())
    return platforms == ["any"] or not set(platforms).isdisjoint(target.platforms())

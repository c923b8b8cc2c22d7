"""Root file systems of Debian bookworm, with its Python or its Docker engine, for where no registry answers.

The packages come from where this machine's own apt gets them, through its proxy and certificates; nothing of that stays
in the result, which therefore has no apt sources.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from terminal import BuildError, run, say

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "netbase", "python-is-python3", "python3", "python3-pip", "python3-venv", "tzdata")
# Documentation and translations, as in Debian's slim images; and the marker of PEP 668: scripts call pip themselves.
LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/lib/python3*/EXTERNALLY-MANAGED",
)
KEPT = "/usr/share/doc/*/copyright"
DOWNLOADED = ("/var/cache/apt/archives/*.deb", "/var/lib/apt/lists/*")
OF_THIS_MACHINE = (
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/apt/apt.conf.d/99mmdebstrap",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d/*",
)
KEYRINGS = Path("/usr/share/keyrings")
MERGED = Path("/usr/share/mmdebstrap/hooks/merged-usr")  # else /usr is merged by a package that needs all of Perl
TOOL = ("mmdebstrap", "debian-archive-keyring")


@dataclass(frozen=True, slots=True)
class System:
    """A root file system: mmdebstrap's variant, its packages, and what is done in the end.

    With `picked`, places by pattern, it is nothing but the files of these patterns at these places.
    """

    variant: str
    packages: tuple[str, ...]
    options: tuple[str, ...] = ()
    picked: Mapping[str, str] = field(default_factory=dict)


_CLEANED = f'--customize-hook=cd "$1" && rm -f {" ".join(f".{pattern}" for pattern in OF_THIS_MACHINE)}'
SYSTEM = System("apt", PACKAGES, (_CLEANED,))
# The places are those of Docker's own image of its engine.
ENGINE = System(
    "extract",
    ("docker.io", "libdevmapper1.02.1"),
    picked={
        "usr/sbin/dockerd": "usr/local/bin/dockerd",
        "usr/bin/containerd": "usr/local/bin/containerd",
        "usr/bin/containerd-shim-runc-v2": "usr/local/bin/containerd-shim-runc-v2",
        "usr/sbin/runc": "usr/local/bin/runc",
        "usr/bin/tini-static": "usr/local/bin/docker-init",
        "usr/lib/*/libdevmapper.so.1.02.1": "usr/local/lib/libdevmapper.so.1.02.1",
    },
)


def recipe(system: System) -> str:
    """A digest over what the result is made from; the packages' versions, which are the day's, are not in it."""
    parts = [*mmdebstrap(system, Path("debian.tar"), [], []), *system.picked.values()]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def archive(system: System, folder: Path) -> Path:
    """Make the root file system and give the tar archive that holds it, in `folder`.

    mmdebstrap makes it, installed first if need be and may be; debootstrap where there is no apt.
    """
    tar = folder / "debian.tar"
    if not shutil.which("mmdebstrap") and shutil.which("apt-get") and os.geteuid() == 0:
        install_mmdebstrap()
    if shutil.which("mmdebstrap"):
        show = r"^I: (running apt-get|downloading|extracting|installing|creating)|^[EW]: "
        run(
            mmdebstrap(system, tar, sources(), settings()), show=show, failed="Debian's packages could not be installed"
        )
    elif shutil.which("debootstrap") and system is SYSTEM:
        root = folder / "root"
        show = r"^I: (Retrieving InRelease|Extracting base|Installing core|Configuring python3\.)|^[EW]: "
        run(debootstrap(root), show=show, failed="Debian's packages could not be installed")
        run(packed(tar, root), show="^tar: ", failed=f"{root} could not be packed")
    else:
        raise BuildError(
            "Nothing can be made from Debian packages: mmdebstrap is not installed.\n"
            f"  On Debian or Ubuntu, as root: apt-get install {' '.join(TOOL)}"
        )
    return picked(tar, system.picked) if system.picked else tar


def picked(tar: Path, places: Mapping[str, str]) -> Path:
    """An archive of some of another's files."""
    few = tar.with_suffix(".few.tar")
    with tarfile.open(tar) as whole, tarfile.open(few, "w") as archive:
        for member in whole:
            for pattern, place in places.items():
                if member.isreg() and fnmatch(member.name.removeprefix("./"), pattern):
                    member.name = place
                    archive.addfile(member, whole.extractfile(member))
    return few


def mmdebstrap(system: System, tar: Path, sources: list[str], settings: list[str]) -> list[str]:
    """The command that makes the archive: as root, or as a user whom the kernel gives a user namespace."""
    return [
        "mmdebstrap",
        f"--variant={system.variant}",
        f"--include={','.join(system.packages)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        f"--dpkgopt=path-include={KEPT}",
        *settings,
        *system.options,
        SUITE,
        str(tar),
        *sources,
    ]


def debootstrap(root: Path) -> list[str]:
    """The command that makes the root file system on a machine without apt; only root may run it."""
    return ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]


def packed(tar: Path, root: Path) -> list[str]:
    """The command that makes the archive of a root file system."""
    excluded = [f"--exclude=.{pattern}" for pattern in (*LEFT_OUT, *DOWNLOADED, *OF_THIS_MACHINE)]
    return ["tar", "--create", f"--file={tar}", "--numeric-owner", "--anchored", *excluded, f"--directory={root}", "."]


def sources() -> list[str]:
    """The Debian mirrors of this machine, as apt source lines for bookworm; without any, the tool has its own."""
    listed = apt("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(CODENAME)", "Created-By: Packages")
    found = re.findall(r"^Debian (\S+) [a-z]+((?:-updates|-security)?)$", listed, re.MULTILINE)
    return list(dict.fromkeys(f"deb {uri} {SUITE}{part} main" for uri, part in found))


def settings() -> list[str]:
    """The options that depend on this machine: its keys, and its apt's proxies, certificates, retries and dates."""
    dump = apt("apt-config", "dump", "--no-empty")
    acquire = re.findall(r'^(Acquire::(?:https?|Check-|Retries|ForceIP).* ".*");$', dump, re.MULTILINE)
    folders = {"--keyring": KEYRINGS, "--hook-dir": MERGED}
    there = [f"{option}={folder}" for option, folder in folders.items() if folder.is_dir()]
    return [*there, *(f"--aptopt={option}" for option in acquire)]


def apt(*argv: str) -> str:
    """What an apt command prints; nothing where there is no apt."""
    if not shutil.which(argv[0]):
        return ""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout


def install_mmdebstrap() -> None:
    """Install mmdebstrap through apt-get."""
    say("mmdebstrap is not installed: installing it with apt-get")
    failed = f"apt-get could not install {' '.join(TOOL)}"
    run(["apt-get", "update"], show="^[EW]: ", failed=failed)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *TOOL]
    run(["env", "DEBIAN_FRONTEND=noninteractive", *install], show="^Setting up|^[EW]: ", failed=failed)

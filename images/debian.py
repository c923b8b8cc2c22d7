"""A root file system with Debian bookworm and its Python 3.11, made from packages where no registry answers.

The packages come from where this machine's own apt gets them, through its proxy and certificates; nothing of that stays in
the result, which therefore has no apt sources.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from terminal import BuildError, run, say

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "netbase", "python-is-python3", "python3", "python3-pip", "python3-venv", "tzdata")
# Documentation and translations, as in Debian's slim images; and the marker of PEP 668, because scripts call pip themselves.
LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/lib/python3*/EXTERNALLY-MANAGED",
)
KEPT = "/usr/share/doc/*/copyright"
OF_THIS_MACHINE = ("etc/resolv.conf", "etc/hostname", "etc/apt/sources.list", "etc/apt/apt.conf.d/99mmdebstrap")
KEYRINGS = Path("/usr/share/keyrings")


def recipe() -> str:
    """A digest over what the result is made from, this module included; the packages' own versions are not in it."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def archive(folder: Path) -> Path:
    """Make the root file system and give the tar archive that holds it, in `folder`."""
    tar = folder / "debian.tar"
    if not (shutil.which("mmdebstrap") or shutil.which("debootstrap")):
        install_mmdebstrap()
    if shutil.which("mmdebstrap"):
        command = mmdebstrap(tar, sources(), acquire_options())
        run(command, show=r"^I: (?!cleaning|keeping|automatically)", failed="Debian's packages could not be installed")
        return tar
    root = folder / "root"
    run(debootstrap(root), show=r"^I: (Installing|Configuring|Extracting) ", failed="debootstrap failed")
    for name in OF_THIS_MACHINE:
        (root / name).unlink(missing_ok=True)
    patterns = [f"--exclude=.{pattern}" for pattern in LEFT_OUT]
    run(["tar", "--create", "--numeric-owner", *patterns, f"--file={tar}", f"--directory={root}", "."], show="^$", failed="tar")
    return tar


def mmdebstrap(tar: Path, sources: list[str], options: list[str]) -> list[str]:
    """The command that makes the archive: as root, or as a user whom the kernel gives a user namespace."""
    return [
        "mmdebstrap",
        "--variant=apt",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        f"--dpkgopt=path-include={KEPT}",
        *(f"--aptopt={option}" for option in options),
        *([f"--keyring={KEYRINGS}"] if KEYRINGS.is_dir() else []),
        *(f'--customize-hook=rm -f "$1/{name}"' for name in OF_THIS_MACHINE),
        '--customize-hook=rm -rf "$1"/etc/apt/sources.list.d/*',
        SUITE,
        str(tar),
        *sources,
    ]


def debootstrap(root: Path) -> list[str]:
    """The same with debootstrap, for root on a system that has no apt."""
    return ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]


def sources() -> list[str]:
    """This machine's Debian mirrors, as apt source lines for bookworm; empty (mmdebstrap's own) where it has none."""
    listed = apt("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(CODENAME)", "Created-By: Packages")
    found = re.findall(r"^Debian (\S+) [a-z]+((?:-updates|-security)?)$", listed, re.MULTILINE)
    return list(dict.fromkeys(f"deb {uri} {SUITE}{part} main" for uri, part in found))


def acquire_options() -> list[str]:
    """This machine's apt settings about proxies, certificates, retries and dates."""
    dump = apt("apt-config", "dump", "--no-empty")
    return re.findall(r'^(Acquire::(?:https?|Check-|Retries|ForceIP).* ".*");$', dump, re.MULTILINE)


def apt(*argv: str) -> str:
    """What an apt command prints; nothing where there is no apt."""
    if not shutil.which(argv[0]):
        return ""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout


def install_mmdebstrap() -> None:
    """Install mmdebstrap through apt-get, for root on Debian and its kin; for others say how to get it."""
    packages = ["mmdebstrap", "debian-archive-keyring"]
    if os.geteuid() or not shutil.which("apt-get"):
        raise BuildError(
            "The base can't be made from Debian packages: neither mmdebstrap nor debootstrap is installed.\n"
            f"  On Debian or Ubuntu, as root: apt-get install {' '.join(packages)}"
        )
    say("mmdebstrap is not installed: installing it with apt-get")
    failed = f"apt-get could not install {' '.join(packages)}"
    run(["apt-get", "update"], show="^[EW]: ", failed=failed)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    run(["env", "DEBIAN_FRONTEND=noninteractive", *install], show="^Setting up", failed=failed)

"""What of this machine a local sandbox sees: the system's folders and the Python that is running, read-only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "nix", "gnu")
SETTINGS = tuple(Path("/proc", name) for name in ("sys", "sysrq-trigger", "irq", "bus", "fs"))
PROCESSORS = (Path("/sys/devices/system/cpu"), Path("/sys/devices/system/node"))  # BLAS and OpenMP count them there


@dataclass(frozen=True, slots=True)
class Machine:
    """Folders seen at their own paths, links made again, the interpreter in use, and a GPU's device files."""

    folders: tuple[Path, ...]
    python: Path
    links: Mapping[Path, str] = field(default_factory=dict)
    gpus: tuple[Path, ...] = ()
    resolv_conf: Path | None = None
    settings: tuple[Path, ...] = ()  # of the kernel, which root could change without any capability


def this_machine(*, also: tuple[Path, ...] = ()) -> Machine:
    """Look at the machine.

    Seen: /usr, /bin, /sbin, /lib*, /etc, what lies in /opt but for `ml`, the prefixes of the interpreter (virtual
    environment, the installation below it, pyenv, conda), and `also`. Not seen: homes, /tmp, /run, /var, and the source
    folders of editable installs, which may hold the data of other steps: name them in `also`.
    """
    system = [Path("/", name) for name in SYSTEM if Path("/", name).exists()]
    links = {path: str(path.readlink()) for path in system if path.is_symlink()}
    folders = [path for path in system if path not in links]
    opt = Path("/opt")
    folders += [path for path in _entries(opt) if path != opt / "ml" and path.is_dir()]
    folders += [path for path in PROCESSORS if path.is_dir()]
    python = Path(sys.executable)
    for folder in (*_prefixes(python), *also):
        if folder.is_dir() and not any(folder == seen or seen in folder.parents for seen in folders):
            folders.append(folder)
    resolv_conf = Path("/etc/resolv.conf").resolve()
    return Machine(
        folders=tuple(folders),
        python=python,
        links=links,
        gpus=tuple(sorted(Path("/dev").glob("nvidia*"))),
        resolv_conf=resolv_conf if resolv_conf.is_file() else None,
        settings=tuple(path for path in SETTINGS if path.exists()) if os.geteuid() == 0 else (),
    )


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _prefixes(python: Path) -> list[Path]:
    """Give the folders an interpreter needs, at each name it goes by: a link may lead through several."""
    found = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), Path(sys.base_exec_prefix)]
    link = python
    while link.is_symlink():
        link = Path(os.path.normpath(link.parent / link.readlink()))
        found.append(link.parent.parent)
    found += [folder.resolve() for folder in found]
    return [folder for folder in dict.fromkeys(found) if folder != Path("/")]

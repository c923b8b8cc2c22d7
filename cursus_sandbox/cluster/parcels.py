"""A file or folder as a value: names, modes and what is in each file. The bytes themselves go another way."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cursus_sandbox.runs.contents import Content

_MODE = 0o777


@dataclass(frozen=True, slots=True)
class Packed:
    """A file in a parcel."""

    content: Content
    mode: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """All that is in a folder, each by its path from there, and the folder itself by ""; or one file, by "".

    Of folders there is the mode, of links what they lead to. What stayed `behind` can't be read.
    """

    files: Mapping[str, Packed]
    folders: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    behind: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many bytes there are in it."""
        return sum(one.content.size for one in self.files.values())


def packed(
    top: Path, content: Callable[[Path], Content], *, leave_out: Collection[str] = (), but_not: Path | None = None
) -> Parcel:
    """A parcel of a file or folder; `content` says what is in a file. What is no file, folder or link does not count.

    Nor does what is named as one of `leave_out`, nor the folder `but_not`.
    """
    files: dict[str, Packed] = {}
    folders: dict[str, int] = {}
    links: dict[str, str] = {}
    behind: list[str] = []
    waiting = [top]
    while waiting:
        path = waiting.pop()
        name, status = ("", path.stat()) if path == top else (os.path.relpath(path, top), path.lstat())
        try:
            if stat.S_ISDIR(status.st_mode):
                waiting += [one for one in path.iterdir() if one.name not in leave_out and one != but_not]
                folders[name] = status.st_mode & _MODE
            elif stat.S_ISLNK(status.st_mode):
                links[name] = os.readlink(path)  # noqa: PTH115 -- as it is written
            elif stat.S_ISREG(status.st_mode):
                files[name] = Packed(content(path), status.st_mode & _MODE)
        except PermissionError:
            behind.append(name)
    return Parcel(files, folders, links, tuple(behind))


def one_file(name: str, file: Path, content: Callable[[Path], Content]) -> Parcel:
    """A parcel of a folder with this file in it, by that name, and nothing else."""
    around = {str(folder) if folder.name else "": 0o755 for folder in Path(name).parents}
    return Parcel({name: Packed(content(file), file.stat().st_mode & _MODE)}, around)


def unpacked(
    parcel: Parcel,
    top: Path,
    bring: Callable[[Packed, Path], object],
    each: Callable[[Callable[[tuple[str, Packed]], object], Iterable[tuple[str, Packed]]], None],
) -> None:
    """Lay a parcel out; `bring` brings a file to its place, `each` has that done with each of them."""
    top.parent.mkdir(parents=True, exist_ok=True)
    for name in sorted(parcel.folders):  # those around come first
        (top / name).mkdir(exist_ok=True)
    each(lambda one: bring(one[1], top / one[0]), parcel.files.items())
    for name, leads_to in parcel.links.items():
        (top / name).symlink_to(leads_to)
    for name in sorted(parcel.folders, reverse=True):
        (top / name).chmod(parcel.folders[name])

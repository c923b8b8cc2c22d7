"""The first look at what a step left, before anything else on this machine opens, walks, packs or moves it.

A step's code is not trusted: it may leave folders that are too deep to walk, more files than anybody meant, files that
are nothing but a hole, programs that run as their owner. What is no regular file and no folder is for the data checks
to refuse (`tables.files`); nothing here follows or opens it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cursus_sandbox.sagemaker.layout import StepFolders
from cursus_sandbox.untrusted import remove

FILES = 100_000
DEEPEST = 200  # folders within one another
HOLES = 64 * 1024**3  # bytes that files seem to have and nobody wrote

_FOLDER, _FILE = 0o700, 0o400  # what the owner needs to upload it, as SageMaker does whatever the modes


def surveyed(folders: StepFolders, *, files: int = FILES) -> str | None:
    """Why what a step left can't be taken; None when it can.

    On the way every file loses the bits that would run it as another user, and whoever owns it may read it again:
    what S3 keeps has no modes.
    """
    holes = 0
    for seen, (path, status, depth) in enumerate(_entries(folders.outputs, *folders.beside), start=1):
        if seen > files:
            return f"it left more than {files:,} files: pack them, or allow more:  resources: {{files: …}}"
        if depth > DEEPEST:
            remove(path)  # so that whoever looks into the attempt, or deletes it, may recurse
            return f"it left folders nested more than {DEEPEST} deep"
        if stat.S_ISREG(status.st_mode):
            holes += max(status.st_size - status.st_blocks * 512, 0)
            if holes > HOLES:
                return f"it left files that are holes: {holes / 1024**3:,.0f} GB that nobody wrote"
            if not _tamed(path, status.st_mode, status.st_mode & 0o777 | _FILE):
                return f"it left a program that runs as another user and can't be changed: {path.name!a}"
    return None


def _entries(*tops: Path) -> Iterator[tuple[Path, os.stat_result, int]]:
    """Everything below some folders, unsorted, so that however much there is, little is in memory at once."""
    waiting = [(top, 0) for top in tops if top.is_dir() and not top.is_symlink()]
    while waiting:
        folder, depth = waiting.pop()
        _tamed(folder, mode := folder.lstat().st_mode, mode & 0o7777 | _FOLDER)
        try:
            listed = os.scandir(folder)
        except OSError:  # another user's: the data checks say so where it matters
            continue
        with listed:
            for entry in listed:
                path, status = Path(entry.path), entry.stat(follow_symlinks=False)
                yield path, status, depth
                if stat.S_ISDIR(status.st_mode) and depth <= DEEPEST:
                    waiting.append((path, depth + 1))


def _tamed(path: Path, mode: int, wanted: int) -> bool:
    """Whether a file's or folder's mode does no harm any more."""
    if mode & 0o7777 != wanted:
        try:
            path.chmod(wanted)
        except PermissionError:
            return not mode & (stat.S_ISUID | stat.S_ISGID)
    return True

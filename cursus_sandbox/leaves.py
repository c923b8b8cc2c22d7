"""What lies below a folder. Who lays folders out and who reads them to know them again see the same by that.

Of a step's source folder it is code: what is shipped, and what counts for whether the step runs again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

NOT_CODE = ("__pycache__", ".git", ".pytest_cache", ".mypy_cache", ".ruff_cache")


def code(
    source_dir: Path, workspace: Path | None, *, follow: bool = False
) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
    """What of a source folder is code, as `leaves` has it: all but the workspace, `.git` and what tools keep there."""
    return leaves(source_dir, leave_out=NOT_CODE, but_not=workspace, follow=follow)


def leaves(
    root: Path, *, leave_out: Collection[str] = (), but_not: Path | None = None, follow: bool = False
) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
    """All below a folder that is no folder, by its path from there; of an empty folder its path with a slash, and None.

    A folder's own come first, in order, then what its folders hold. `leave_out` are names that don't count, `but_not`
    is a folder that doesn't, by whatever path. With `follow` a link to a folder is such a folder, unless it leads to
    what it lies in: that would have no end. Other links, and without `follow` all, are told as they are.
    """
    hidden = os.path.realpath(but_not) if but_not else None
    left: tuple[str, ...] = ()  # the real folders that a link led out of, on the way to one
    waiting = [("", os.fspath(root), os.path.realpath(root), left)]
    while waiting:
        prefix, folder, real, left = waiting.pop()
        with os.scandir(folder) as scanned:
            entries = sorted((entry for entry in scanned if entry.name not in leave_out), key=lambda entry: entry.name)
        empty, folders = True, []
        for entry in entries:
            name, inside, behind = f"{prefix}{entry.name}", os.path.join(real, entry.name), left  # noqa: PTH118
            if follow and entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112 -- no error for a bad link
                inside, behind = os.path.realpath(entry.path), (*left, real)
                if any(_is_within(one, inside) for one in behind):
                    continue
            elif not entry.is_dir(follow_symlinks=False):
                empty = False
                yield name, entry
                continue
            if inside != hidden:
                empty = False
                folders.append((f"{name}/", entry.path, inside, behind))
        if empty and prefix:
            yield prefix, None
        waiting += reversed(folders)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")

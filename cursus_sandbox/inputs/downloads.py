"""What was fetched from S3 and is kept, and which of it goes where it takes too much: what was not read for longest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Download:
    """An object that is kept: its folder, and when it was last read, in seconds since 1970."""

    home: Path
    read_at: float


def downloads(folder: Path) -> list[Download]:
    """All objects that are kept in a folder, those that were read last at first."""
    found = [Download(home, home.stat().st_mtime) for home in folder.glob("*/")]
    return sorted(found, key=lambda one: one.read_at, reverse=True)


def read_now(home: Path) -> None:
    """Note that an object is read. In its folder's time: a file's own would say that it has changed."""
    os.utime(home)

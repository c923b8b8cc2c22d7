"""Black boxes on every engine that is here, and disks that can be filled."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from black_box import BlackBox
from places import ENGINES, REQUIRED, image, local

__all__ = ["image", "local"]


@pytest.fixture(params=ENGINES)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> BlackBox:
    """A small pipeline for the installed command, on each engine in turn."""
    needed = request.getfixturevalue("image" if request.param == "docker" else "local")
    return BlackBox(tmp_path, request.param, needed)


@pytest.fixture
def local_box(tmp_path: Path, local: None) -> BlackBox:
    """The same on the local engine, where the engine makes no difference."""
    return BlackBox(tmp_path, "local")


@pytest.fixture
def docker_box(tmp_path: Path, image: str) -> BlackBox:
    """The same on docker alone."""
    return BlackBox(tmp_path, "docker", image)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a real, small disk: `disk("40m")` is the folder where it is mounted."""
    mounted = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk {len(mounted)}"
        folder.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if made.returncode:
            if "disks" in REQUIRED:
                raise AssertionError(made.stderr)
            pytest.skip(f"to mount a small disk takes root: {made.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)

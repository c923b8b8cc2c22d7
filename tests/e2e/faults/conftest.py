"""Black boxes on every engine that is here, disks that can be filled, and a clock that can be set."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from black_box import BlackBox
from lacking import lacking
from places import ENGINES, image, local

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


@dataclass
class Clock:
    """The wall clock of one command; the machine's, that of its steps, and every other clock stay as they are."""

    file: Path
    environment: dict[str, str]

    def set(self, *, days: int) -> None:
        """Set it so far after the machine's, or before."""
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{days * 24 * 3600}\n")
        beside.replace(self.file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock for a command that is started with this environment: what the C library says of CLOCK_REALTIME."""
    compiler = shutil.which("cc")
    if compiler is None:
        lacking("clocks", "to set a command's clock takes a C compiler:  apt-get install gcc libc6-dev")
    folder = tmp_path / "clock"
    folder.mkdir()
    library = folder / "wall_clock.so"
    source = Path(__file__).with_name("wall_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    (folder / "sitecustomize.py").write_text("import os\nos.environ.pop('LD_PRELOAD')\n")  # what it starts is not meant
    environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(folder / "seconds"), "PYTHONPATH": str(folder)}
    made = Clock(folder / "seconds", environment)
    made.set(days=0)
    return made


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
            lacking("disks", f"to mount a small disk takes root: {made.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)

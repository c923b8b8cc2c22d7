"""The machine that figures are of, what else it is busy with, and the file they are kept in."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

OF_WHO_MEASURES = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME")


def variables() -> dict[str, str]:
    """This process's variables, but for those with which Python would be slower than it is where it is used."""
    return {name: value for name, value in os.environ.items() if name not in OF_WHO_MEASURES}


def load() -> float:
    """How many processes wanted a processor over the last minute, on average."""
    return round(os.getloadavg()[0], 2)


def write(file: Path, part: str, found: dict[str, Any], *, load: tuple[float, float]) -> None:
    """Put one part's figures into a file that holds others', with what they were measured on."""
    known = json.loads(file.read_text()) if file.exists() else {}
    known[part] = {"when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": described(), "load": load, **found}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(known, indent=1) + "\n")


def described() -> dict[str, object]:
    """The processors, memory, kernel and versions."""
    docker = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=False
    )
    return {
        "processors": len(os.sched_getaffinity(0)),
        "model": _field("/proc/cpuinfo", "model name"),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1024**3:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "docker": docker.stdout.strip(),
    }


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return ""

"""The examination of a machine: what is looked at, and how it is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cursus_sandbox import __version__
from cursus_sandbox.capacity import this_machine
from cursus_sandbox.doctor import findings, probes
from cursus_sandbox.doctor.findings import Finding
from cursus_sandbox.engines import docker_survey
from cursus_sandbox.runs.history import is_held

_CLONE = Path(__file__).parents[2]
_SHM = Path("/dev/shm")  # noqa: S108 -- it is only looked at
BUILDER = _CLONE / "images" / "build.py"


def examined(workspace: Path, environment: Mapping[str, str], home: Path) -> list[Finding]:
    """What is found of this machine, for runs in a workspace; in the order it should be read, in three seconds."""
    facts = probes.looked(
        {
            "local": partial(probes.local, workspace),
            "docker": docker_survey.survey,
            "images": docker_survey.images,
            "stale": _stale,
            "left": docker_survey.left,
            "sees": partial(probes.shared, workspace),
            "registry": docker_survey.registry,
            "workspace": partial(probes.room, workspace),
            "shm": partial(probes.room, _SHM),
            "credentials": partial(probes.credentials, environment, home),
            "extras": probes.extras,
        }
    )
    return findings.judged_together(_judged(facts, workspace))


def _judged(facts: Mapping[str, Any], workspace: Path) -> Iterator[Finding]:
    yield findings.python(probes.python_version(), __version__, probes.platform())
    yield from findings.local(facts["local"])
    survey = facts["docker"]
    yield from findings.docker(survey)
    is_there = not isinstance(survey, Exception)
    if is_there and (shared := findings.sharing(facts["sees"])):
        yield shared
    yield findings.gpus(this_machine().gpus, survey.runtimes if is_there else ())
    yield findings.room("workspace", facts["workspace"])
    if is_there and survey.root and Path(survey.root).is_dir():
        yield findings.room(
            "docker's data", probes.looked({"root": partial(probes.room, Path(survey.root))}, seconds=0.2)["root"]
        )
    yield findings.shared_memory(facts["shm"])
    if is_there:
        stale = facts["stale"] if isinstance(facts["stale"], list) else []
        yield findings.images(facts["images"], stale, can_build=BUILDER.is_file())
        yield findings.registry(facts["registry"])
        yield findings.leftovers(facts["left"], _identity(workspace), in_use=is_held(workspace))
    found = facts["credentials"]
    yield findings.s3("" if isinstance(found, Exception) else found)
    if not isinstance(facts["extras"], Exception):
        yield findings.extras(facts["extras"])


def _stale() -> list[str]:
    """The images that are not what they would become, in a clone of the repository, whose builder knows."""
    if not BUILDER.is_file():
        return []
    done = subprocess.run(
        [sys.executable, BUILDER, "--stale"], capture_output=True, text=True, timeout=probes.SECONDS, check=True
    )
    return done.stdout.split()


def _identity(workspace: Path) -> str:
    try:
        said = json.loads((workspace / "id.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    return str(said.get("id", "")) if isinstance(said, dict) else ""

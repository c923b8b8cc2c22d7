"""What a worker that was killed has left running on its host: found there, and removed.

Each errand that runs on a host has a file of its own, locked by the worker at it. The lock is the kernel's: who gets it
knows that the worker is dead.

TEMP/cursus-sandbox-<user>/<task>.json
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cursus_sandbox.cluster.host_files import own_folder
from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.errors import EngineError
from cursus_sandbox.runs.folders import RunFolder
from cursus_sandbox.untrusted import remove


@contextmanager
def at_work(run: RunFolder, engine: str, home: Path | None = None) -> Iterator[None]:
    """Leave word of a task while it runs: on which engine, with which labels, below which folder; `home` is its own."""
    file = _folder() / f"{run.task}.json"
    begun = file.with_suffix(".begun")
    with begun.open("x", encoding="utf-8") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            word = {"engine": engine, "labels": dict(run.labels), "below": str(run.path), "task": run.task}
            json.dump(word | ({"home": str(home)} if home else {}), opened)
            opened.flush()
            begun.rename(file)  # with its lock: nobody ever sees it without, and takes its worker for dead
            yield
        finally:
            begun.unlink(missing_ok=True)
            file.unlink(missing_ok=True)


def reap_orphans(engine_of: Callable[[str], Engine]) -> None:
    """Remove what dead workers left on this host. What can't be reached now stays for the next one who looks."""
    for file in _folder().glob("*.json"):
        with suppress(OSError, EngineError, ValueError, KeyError), file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = json.load(opened)
            run = RunFolder(Path(left["below"]), left["labels"], task=left["task"])
            with engine_of(left["engine"]) as engine:
                engine.reap(run.labels, below=run.path)
            run.without_hidden()
            if home := left.get("home"):
                remove(Path(home))
            file.unlink(missing_ok=True)


def _folder() -> Path:
    return own_folder(Path(tempfile.gettempdir()) / f"cursus-sandbox-{os.geteuid()}")

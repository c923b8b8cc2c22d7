"""What a worker that was killed has left running on its host: found there, and removed.

Each errand that runs on a host has a file of its own, locked by the worker at it. The lock is the kernel's: who gets it
knows that the worker is dead.

TEMP/cursus-sandbox-<user>/<task>.json
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.errors import EngineError
from cursus_sandbox.runs.folders import RunFolder


@contextmanager
def at_work(run: RunFolder, engine: str) -> Iterator[None]:
    """Leave word of a task while it runs: on which engine, with which labels, and below which folder."""
    file = _folder() / f"{run.task}.json"
    with file.open("x", encoding="utf-8") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        json.dump({"engine": engine, "labels": dict(run.labels), "below": str(run.path), "task": run.task}, opened)
        opened.flush()
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def reap_orphans(engine_of: Callable[[str], Engine]) -> None:
    """Remove what dead workers left on this host. What can't be reached now stays for the next one who looks."""
    for file in _folder().glob("*.json"):
        with suppress(OSError, EngineError, ValueError, KeyError), file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            written = opened.read()
            if written:  # or it died before it began
                left = json.loads(written)
                run = RunFolder(Path(left["below"]), left["labels"], task=left["task"])
                with engine_of(left["engine"]) as engine:
                    engine.reap(run.labels, below=run.path)
                run.without_hidden()
            file.unlink(missing_ok=True)


def _folder() -> Path:
    """The folder of the caller's own on this host; OSError where somebody else has put it there."""
    folder = Path(tempfile.gettempdir()) / f"cursus-sandbox-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not ours")
    return folder

"""The folders of shells in the sandboxes of earlier runs, each there while its shell is open.

WORKSPACE/shells/<id>/lock  scratch/

A shell doesn't hold the workspace: runs go on beside it. Each holds a lock of its own, by which the next run knows
whether anybody is left to look after what it made.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cursus_sandbox.runs.folders import hidden, remove_hidden
from cursus_sandbox.untrusted import remove

_LABEL = "cursus-sandbox.shell"


@dataclass(frozen=True, slots=True)
class ShellFolder:
    """One shell's folder. `engine` is the one it runs on."""

    path: Path
    engine: str

    @property
    def labels(self) -> dict[str, str]:
        """What is on all that an engine makes for it, and on nothing else."""
        return {_LABEL: self.path.name}

    @property
    def scratch(self) -> Path:
        """An empty folder, the engine's own."""
        return self.path / "scratch"

    def hidden(self) -> Path:
        """A new folder for what must not stay on a disk."""
        return hidden(self._hidden, self.path)

    def without_hidden(self) -> None:
        """Take away what a killed shell had hidden."""
        remove_hidden(self._hidden, self.path)

    @property
    def _hidden(self) -> str:
        return f"cursus-sandbox-shell-{self.path.name}-"


@contextmanager
def open_shell(workspace: Path, engine: str) -> Iterator[ShellFolder]:
    """A folder for a shell that is about to open, removed when left.

    It is somewhere else where the workspace can't be written to: then nobody finds it after this process was killed.
    """
    name = uuid.uuid4().hex
    folder = ShellFolder((workspace / "shells" / name).absolute(), engine)
    try:
        folder.path.mkdir(parents=True)
    except OSError:
        folder = ShellFolder(Path(tempfile.mkdtemp(prefix="cursus-sandbox-shell-")), engine)
    lock = os.open(folder.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, engine.encode())
        folder.scratch.mkdir()
        yield folder
    finally:
        with suppress(OSError):  # what another user's process left: the next run tries again
            remove(folder.path)
        os.close(lock)


@contextmanager
def dead_shells(workspace: Path) -> Iterator[list[ShellFolder]]:
    """The shells that nobody looks after any more; while this is entered nobody else takes them for dead."""
    found: list[tuple[int, ShellFolder]] = []
    try:
        for file in sorted((workspace / "shells").glob("*/lock")):
            lock = os.open(file, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            found.append((lock, ShellFolder(file.parent, os.pread(lock, 100, 0).decode("utf-8", "replace"))))
        yield [folder for _, folder in found]
    finally:
        for lock, _ in found:
            os.close(lock)

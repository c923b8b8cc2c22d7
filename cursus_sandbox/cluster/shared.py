"""What the hosts of a cluster share, shown to each worker before anything starts: a folder, or a prefix of S3."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from cursus_sandbox.cluster.store import Store
from cursus_sandbox.errors import EngineError, MachineError
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.runs.folders import unwritable

Trouble = tuple[str, str]  # what is wrong, and what to do
_APPEARS = 10.0  # seconds that a file of another host may need to be seen


class Shared(Protocol):
    """What is shared, as a value that every host gets."""

    def shown(self, nonce: str) -> AbstractContextManager[None]:
        """Have a nonce in it for workers to find, which is gone afterwards. MachineError where that can't be."""

    def trouble(self, nonce: str) -> Trouble | None:
        """What is wrong with it here, if the nonce isn't seen, or nothing can be written to it."""


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A folder that is at the same path on every host."""

    path: Path

    @contextmanager
    def shown(self, nonce: str) -> Iterator[None]:
        """Have it in a file."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / _name(nonce)).write_text(nonce, encoding="utf-8")
        except OSError as error:
            raise unwritable(error, f"use the workspace {self.path}") from error
        try:
            yield
        finally:
            for file in self.path.glob(f"{_name(nonce)}*"):
                file.unlink()

    def trouble(self, nonce: str) -> Trouble | None:
        """Whether the file is seen, and another can be written."""
        file = self.path / _name(nonce)
        try:
            await_paths([file])
            read = file.read_text(encoding="utf-8")
            (self.path / f"{_name(nonce)}-{uuid4().hex}").write_text(nonce, encoding="utf-8")
        except (MachineError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else "what was just written there is not seen"
        else:
            if read == nonce:
                return None
            why = "another folder is there"
        hint = (
            "Mount one shared folder at the same path on every host:  --workspace /shared/DIR\n"
            "Or have files go through a prefix of S3:  --store s3://BUCKET/PREFIX"
        )
        return f"the workspace {self.path} is not shared with it: {why}", hint


@dataclass(frozen=True, slots=True)
class SharedStore:
    """A prefix of S3 that every host may read from and write to; of folders, none is shared."""

    at: S3Objects

    @contextmanager
    def shown(self, nonce: str) -> Iterator[None]:
        """Have it in an object."""
        with closing(Store(self.at)) as store:
            store.require()
            store.write(_name(nonce), nonce.encode())
            try:
                yield
            finally:
                store.remove(_name(nonce))

    def trouble(self, nonce: str) -> Trouble | None:
        """Whether the object is seen, and can be written."""
        try:
            with closing(Store(self.at)) as store:
                if store.read(_name(nonce)) != nonce.encode():
                    return f"another {self.at.uri} is there", "Is the server the same?  --s3 endpoint_url=…"
                store.write(_name(nonce), nonce.encode())
        except MachineError as error:
            return error.what, error.hint
        return None


def await_paths(paths: Sequence[Path]) -> None:
    """Wait for files to be seen that another host has made: a network's file system may take a moment."""
    give_up = time.monotonic() + _APPEARS
    for path in paths:
        while not path.exists():
            if time.monotonic() > give_up:
                raise EngineError(
                    f"{path} is not seen there",
                    hint="What steps read must be at the same path on every host: put it into the shared folder.",
                )
            time.sleep(0.05)


def _name(nonce: str) -> str:
    return f".shared-{nonce}"

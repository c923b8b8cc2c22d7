"""Which engine: by its name, or by what is asked for and what is here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from cursus_sandbox.engines.engine import Engine, EngineKind
from cursus_sandbox.errors import EngineError, did_you_mean

EngineName = Literal["auto", "docker", "local", "process"]


def choose_engine(name: str, images: Iterable[str], *, pdb: bool = False) -> tuple[Engine, tuple[str, ...]]:
    """The engine of that name, and what should be said of the choice; EngineError if it can't be had.

    `auto` is docker where an image is named and a daemon answers. Where no image is named it is local, or process where
    nothing can make a sandbox: an image that was asked for is never quietly left aside. With `pdb` it can be process
    only, on this terminal.
    """
    named = ", ".join(sorted(set(images)))
    if pdb and name != "process":
        raise EngineError(f"the engine '{name}' has no terminal for pdb", hint="Step through with:  --engine process")
    match name:
        case "process":
            return _process(terminal=pdb), (f"the process engine runs no image: {named} is not used",) if named else ()
        case "docker":
            return _docker(), ()
        case "local":
            return _local(), (f"the local engine runs no image: {named} is not used",) if named else ()
        case "auto" if named:
            try:
                return _docker(), ()
            except EngineError as error:
                raise EngineError(
                    f"{named} was asked for, and nothing here can run an image: {error.what}",
                    hint=error.hint,
                ) from error
        case "auto":
            try:
                note = "no image is named: the steps run with this machine's own Python, on the local engine"
                return _local(), (note,)
            except EngineError as error:
                note = f"no image is named, and the local engine can't be used here: {error.what}"
                return _process(), (" ".join(note.split()),)
        case _:
            raise _no_such(name)


def kind(name: str, images: Iterable[str]) -> type[EngineKind]:
    """What is known of the engine of that name wherever it is; of `auto`, docker where an image is named."""
    match name:
        case "docker":
            from cursus_sandbox.engines.docker import DockerEngine

            return DockerEngine
        case "local":
            from cursus_sandbox.engines.local import LocalEngine

            return LocalEngine
        case "process":
            from cursus_sandbox.engines.process import ProcessEngine

            return ProcessEngine
        case "auto":
            return kind("docker" if any(images) else "local", ())
        case _:
            raise _no_such(name)


def _docker() -> Engine:
    """The Docker daemon's engine, else Podman's; an address in DOCKER_HOST is the only one that is tried."""
    from cursus_sandbox.engines.docker import DockerEngine, podman_sockets

    try:
        return DockerEngine.connect()
    except EngineError:
        if os.environ.get("DOCKER_HOST"):
            raise
        runtime_dir = os.environ.get("XDG_RUNTIME_DIR")
        sockets = podman_sockets(Path(runtime_dir) if runtime_dir else None)
        there = [socket for socket in sockets if Path(socket.removeprefix("unix://")).exists()]
        if not there:
            raise
        return DockerEngine.connect(*there)


def _local() -> Engine:
    from cursus_sandbox.engines.local import LocalEngine

    return LocalEngine.connect()


def _process(*, terminal: bool = False) -> Engine:
    from cursus_sandbox.engines.process import ProcessEngine

    return ProcessEngine(terminal=terminal)


def _no_such(name: str) -> EngineError:
    return EngineError(f"there is no engine '{name}'", hint=did_you_mean(name, get_args(EngineName)))

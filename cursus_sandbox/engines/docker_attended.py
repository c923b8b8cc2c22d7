"""A container on this process's own terminal: through the daemon's `attach`, which hands on what is typed and said."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self

from docker.errors import APIError
from requests.exceptions import RequestException

from cursus_sandbox.engines.docker_archive import seen
from cursus_sandbox.engines.docker_container import CommandRefused
from cursus_sandbox.engines.docker_daemon import LOST, Daemon
from cursus_sandbox.engines.docker_log import frames
from cursus_sandbox.engines.engine import Job
from cursus_sandbox.engines.terminal import is_terminal, lend
from cursus_sandbox.errors import EngineError

_PIECE = 65536


def attended_settings() -> dict[str, object]:
    """What such a container is made with besides: a terminal if there is one; its stdin ends when ours does."""
    streams = dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "StdinOnce"), True)
    return {**streams, "Tty": is_terminal()}


def attended(job: Job, daemon: Daemon, container: str, start: Callable[[], None]) -> int:
    """Start a container that was made with these settings, on this process's terminal; gives its exit code."""
    with daemon.asking(f"attach to the container of job '{job.name}'"):
        _require_program(daemon, container, job)
        attachment = _Attachment(daemon, container, terminal=is_terminal())
    with attachment as far:  # what it says is not lost: it has not been started
        try:
            start()
        except CommandRefused as refused:
            sys.stderr.write(f"{refused.reason}\n")
            return refused.code
        lend(far)
    code: int = daemon.end_of(container)["ExitCode"]
    return code


def _require_program(daemon: Daemon, container: str, job: Job) -> None:
    """Raise EngineError where the container has no such file as the job's program, if its path says where that is."""
    program = PurePosixPath((*job.entrypoint, *job.argv, "")[0])
    if program.is_absolute() and seen(daemon, container, program) is None:
        raise EngineError(
            f"image '{job.image}' has no {program}",
            hint="Name a program that it has:  -- COMMAND, or look at the step's files from here.",
        )


class _Attachment:
    """The connection to a container, as `terminal.lend` takes it."""

    def __init__(self, daemon: Daemon, container: str, *, terminal: bool) -> None:
        self._daemon, self._container, self._terminal = daemon, container, terminal
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        self._answer: Any = daemon.client.attach_socket(container, params=wanted)
        self._socket: socket.socket = getattr(self._answer, "_sock", self._answer)
        self._socket.settimeout(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()
        self._answer.close()

    def said(self) -> Iterator[tuple[int, bytes]]:
        """What the container writes, until it has ended or the daemon is away: its end says which."""
        with suppress(*LOST):
            pieces = iter(partial(self._socket.recv, _PIECE), b"")
            yield from ((1, data) for data in pieces) if self._terminal else frames(pieces)

    def hear(self, data: bytes) -> None:
        """Type it."""
        self._socket.sendall(data)

    def hear_no_more(self) -> None:
        """End what is typed, where the connection can."""
        if not isinstance(self._socket, ssl.SSLSocket):
            self._socket.shutdown(socket.SHUT_WR)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the size of our terminal; a container that has ended has none."""
        with suppress(APIError, RequestException, *LOST):
            self._daemon.client.resize(self._container, rows, columns)

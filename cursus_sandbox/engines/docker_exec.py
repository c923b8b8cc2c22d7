"""The way to a port of a container whose daemon sees no socket of this machine: through the daemon's own connection.

Each connection is a process more in the job's container, which hands its stdin and stdout on. It needs a `python3`
there: an image that serves a model has one.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from cursus_sandbox.engines.docker_daemon import LOST, Daemon
from cursus_sandbox.engines.docker_log import frames
from cursus_sandbox.engines.engine import Door, Job
from cursus_sandbox.engines.visit import Way
from cursus_sandbox.errors import EngineError

# Runs in the image, whatever its Python 3. It waits for a first byte, so that nothing comes before we listen.
_PROGRAM = """
import os, socket, sys, threading
port = socket.socket()
port.connect(("127.0.0.1", int(sys.argv[1])))
os.read(0, 1)
def there():
    for data in iter(lambda: os.read(0, 65536), b""):
        port.sendall(data)
    port.shutdown(socket.SHUT_WR)
threading.Thread(target=there, daemon=True).start()
with os.fdopen(1, "wb", 0) as out:
    for data in iter(lambda: port.recv(65536), b""):
        while data:
            data = data[out.write(data):]
"""
_PYTHON = ("python3", "-I", "-S", "-c")
_PIECE = 65536


def through_exec(daemon: Daemon, container: str) -> Way:
    """Give the way to a port of a running container."""

    @contextmanager
    def way(job: Job, door: Door) -> Iterator[None]:
        _require_python(daemon, container, job)
        with _listening(door) as listening:
            threading.Thread(target=_serve, args=(daemon, container, job, listening), daemon=True).start()
            try:
                yield
            finally:
                listening.shutdown(socket.SHUT_RDWR)

    return way


@contextmanager
def _listening(door: Door) -> Iterator[socket.socket]:
    folder = os.open(door.path.parent, os.O_PATH | os.O_CLOEXEC)
    with socket.socket(socket.AF_UNIX) as listening:
        try:
            listening.bind(f"/proc/self/fd/{folder}/{door.path.name}")  # a path of its own may be too long
        finally:
            os.close(folder)
        listening.listen(128)
        yield listening


def _require_python(daemon: Daemon, container: str, job: Job) -> None:
    with daemon.asking(f"look for python3 in the container of job '{job.name}'"):
        client = daemon.client
        made = client.exec_create(container, [*_PYTHON, ""])["Id"]
        said: bytes = client.exec_start(made)
        code = client.exec_inspect(made)["ExitCode"]
    if code:
        raise EngineError(
            f"port {job.port} of job '{job.name}' can't be reached: its image has no python3 that runs "
            f"({said.decode(errors='replace').strip()[-200:] or code})",
            hint="The daemon sees no file of this machine, so the way leads through a python3 in the image.",
        )


def _serve(daemon: Daemon, container: str, job: Job, listening: socket.socket) -> None:
    while True:
        try:
            outside, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_hand_on, args=(daemon, container, job, outside), daemon=True).start()


def _hand_on(daemon: Daemon, container: str, job: Job, outside: socket.socket) -> None:
    """Hand one connection on; where nobody listens, or the daemon is away, it is closed."""
    with outside, suppress(OSError, DockerException, RequestException, *LOST):
        made = daemon.client.exec_create(container, [*_PYTHON, _PROGRAM, str(job.port)], stdin=True)["Id"]
        answer: Any = daemon.client.exec_start(made, socket=True)
        inside: socket.socket = getattr(answer, "_sock", answer)
        with closing(answer), closing(inside):
            inside.settimeout(None)
            inside.sendall(b"!")
            there = threading.Thread(target=_send, args=(outside, inside), daemon=True)
            there.start()
            for stream, data in frames(iter(partial(inside.recv, _PIECE), b"")):
                if stream == 1:
                    outside.sendall(data)
            outside.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                outside.shutdown(socket.SHUT_RD)
            there.join()


def _send(outside: socket.socket, inside: socket.socket) -> None:
    """Send what the visitor says; when it says no more, the server is told, where the connection can."""
    with suppress(OSError):
        while data := outside.recv(_PIECE):
            inside.sendall(data)
        if not isinstance(inside, ssl.SSLSocket):
            inside.shutdown(socket.SHUT_WR)

"""A container's log: followed while it runs, made whole when it has ended.

Why not `attach`: it blocks the step when nobody reads (moby#41827). Why not the follower alone: when a container ends,
the daemon drops what a follower hasn't been given yet. Measured on Engine 20.10, with both the `json-file` and the
`local` driver: an unterminated last line was lost in 25 of 60 follows, and never when the log was read again after the
end, which costs 15 ms and 7 ms per MB. So that is done, and what was delivered before is skipped.

The `local` driver keeps bytes; `json-file` replaces invalid UTF-8. `local` drops the newline of a line longer than
16384 bytes, which is put back here. A line of a multiple of 16384 bytes, and such a long line at the very end of the
log, stay without. stdout and stderr are two pipes: each is in order, the two are merged as the daemon read them.

Podman's service (4.3) leaves the stream of one follower in some sixty open when the container has ended: once nothing
has come for a second it is cut off.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, Protocol

import requests
from docker.errors import DockerException
from docker.types import CancellableStream

from cursus_sandbox.engines.docker_daemon import LOST, Daemon

SECONDS_OF_SILENCE = 1.0
PIECE = 16384  # what the daemon reads at a time; a longer line comes in pieces of that size (moby's logger/copier.go)
_AT_ONCE = 65536
_HEADER = struct.Struct(">BxxxL")
GROWN = b"\n[cursus-sandbox: the log grew beyond what the daemon keeps; a part of it is missing here]\n"

Frame = tuple[int, bytes]


class Log(Protocol):
    """What a container writes, on its way to whoever wants it."""

    def follow(self) -> None:
        """Deliver what comes until the end."""

    def cut(self) -> None:
        """Follow no more, in another thread than the one that does."""

    def complete(self, followed: Future[None]) -> None:
        """Deliver, of a container that has ended, what is missing when it has been `followed` to its end."""


class ContainerLog:
    """The log that a daemon keeps of one container, handed to `deliver` once and in order."""

    def __init__(self, daemon: Daemon, container: str, deliver: Callable[[bytes], None]) -> None:
        self._daemon = daemon
        self._container = container
        self._deliver = deliver
        self._pieces = Pieces()
        self._stream: CancellableStream[Any] | None = None
        self.delivered = 0

    def follow(self) -> None:
        """Deliver what comes until the daemon ends the stream, which says nothing about the container.

        What a broken connection takes away comes when the log is made whole.
        """
        with suppress(requests.exceptions.RequestException, *LOST):
            for frame in self._frames(follow=True):
                self._hand_on(frame)

    def cut(self) -> None:
        """Follow no more; of a daemon behind SSH that can't be."""
        if self._stream:
            with suppress(OSError, DockerException, AttributeError):  # it may be about to end by itself
                self._stream.close()

    def complete(self, followed: Future[None]) -> None:
        """Deliver, of a container that has ended, what the follower was not given."""
        delivered = -1
        while wait([followed], SECONDS_OF_SILENCE).not_done and delivered != self.delivered:
            delivered = self.delivered
        if not followed.done():
            self.cut()
        followed.result()
        before, seen = self.delivered, 0
        with self._daemon.asking(f"read the log of container {self._container[:12]}"):
            for frame in self._frames(follow=False):
                seen += 1
                if seen > before:
                    self._hand_on(frame)
        if seen < before:
            self._deliver(GROWN)

    def _hand_on(self, frame: Frame) -> None:
        self._deliver(self._pieces.joined(frame))
        self.delivered += 1

    def _frames(self, *, follow: bool) -> Iterator[Frame]:
        """Give the frames of `GET /containers/{id}/logs`: the SDK's own reader drops the stream's number."""
        client = self._daemon.client
        url = f"{client.base_url}/v{client.api_version}/containers/{self._container}/logs"
        parameters = {"stdout": 1, "stderr": 1, "follow": int(follow)}
        with client.get(url, params=parameters, stream=True, timeout=None) as response:
            response.raise_for_status()
            if follow:
                self._stream = CancellableStream(iter(()), response)
            yield from frames(response.raw.stream(_AT_ONCE, decode_content=False))


class Pieces:
    """Puts back the newline of a line that came in pieces."""

    def __init__(self) -> None:
        self._open: set[int] = set()  # streams in the middle of a long line
        self._owed = b""

    def joined(self, frame: Frame) -> bytes:
        """Give the bytes of a frame, after the newline that the one before it lacked."""
        stream, data = frame
        owed, self._owed = self._owed, b""
        if data.endswith(b"\n"):
            self._open.discard(stream)
        elif len(data) >= PIECE:
            self._open.add(stream)
        elif stream in self._open:  # the short last piece of a long line
            self._open.discard(stream)
            self._owed = b"\n"
        return owed + data


def frames(pieces: Iterable[bytes]) -> Iterator[Frame]:
    """Give stream number and bytes of each frame, wherever they are cut (Engine API, "Stream format" of attach)."""
    left = b""
    for piece in pieces:
        data, at = left + piece, 0
        while len(data) >= at + _HEADER.size:
            stream, length = _HEADER.unpack_from(data, at)
            begin = at + _HEADER.size
            if len(data) < begin + length:
                break
            at = begin + length
            if length:
                yield stream, data[begin:at]
        left = data[at:]

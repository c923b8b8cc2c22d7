"""A batch transform as the platform does it: waits until a model's server is well, sends records, keeps the answers.

Sources: "Use Your Own Inference Code with Batch Transform", CreateTransformJob.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cursus_sandbox.engines.engine import Door
from cursus_sandbox.pipeline.transform import AssembleWith, BatchStrategy, TransformSettings
from cursus_sandbox.sagemaker.records import MB, RecordError, objects, payloads
from cursus_sandbox.sagemaker.serving import PORT

_PING_TIMEOUT = 2.0
_SECONDS_BETWEEN_PINGS = 0.05
_MAX_PAYLOAD = 6  # MB
_LARGEST_ANSWER = 256 * MB  # as many as are sent at once are in memory
_SHOWN = 300  # bytes of an answer


class TransformError(Exception):
    """Why a transform fails: its server isn't well, refuses a record, or the records can't be sent."""


@dataclass(slots=True)
class Transform:
    """One transform, to be sent to the door of a running server. `failure` says why it failed, once it has.

    `tell` gets a line for the job's log at each stage.
    """

    settings: TransformSettings
    source: Path
    output: Path
    tell: Callable[[str], None]
    failure: str | None = None
    done: bool = False
    _door: Door = field(init=False)

    def visit(self, door: Door) -> None:
        """Do it all; what goes wrong with the server or the records is in `failure`."""
        self._door = door
        try:
            self._await_health()
            plan = _Parameters.of(self.settings, self._offered())
            for key, file in objects(self.source):
                self._transform(key, file, plan)
            self.done = True
        except TransformError as error:
            self.failure = str(error)

    def _await_health(self) -> None:
        """Ask GET /ping until it says 200."""
        seconds = self.settings.container_startup_health_check_timeout_in_seconds
        give_up = time.monotonic() + seconds
        last = "nobody listened at port 8080"
        while time.monotonic() < give_up:
            try:
                answer = self._asked("GET", "/ping", timeout=min(_PING_TIMEOUT, seconds))
            except TimeoutError:
                last = f"GET /ping was not answered in {_PING_TIMEOUT:g} s"
            except (OSError, http.client.HTTPException):
                pass
            except ValueError as error:
                last = str(error)
            else:
                if answer.status == http.client.OK:
                    return
                last = f"GET /ping said {answer}"
            if self._door.closed.wait(_SECONDS_BETWEEN_PINGS):
                raise TransformError(f"its server ended before it was healthy: {last}")
        raise TransformError(f"its server was not healthy within {seconds} s: {last}")

    def _offered(self) -> dict[str, object]:
        """What GET /execution-parameters says, which a server need not have."""
        try:
            answer = self._asked("GET", "/execution-parameters", timeout=_PING_TIMEOUT)
            found = json.loads(answer.body) if answer.status == http.client.OK else {}
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        return found if isinstance(found, dict) else {}

    def _transform(self, key: str, file: Path, plan: _Parameters) -> None:
        """One object: its answers in the order of its records, in `<key>.out`."""
        target = self.output / f"{key}.out"
        target.parent.mkdir(parents=True, exist_ok=True)
        bodies = payloads(
            file,
            split=self.settings.split_type,
            strategy=plan.strategy,
            compression=self.settings.compression_type,
            most=plan.max_payload * MB,
        )
        try:
            with target.open("wb") as out, ThreadPoolExecutor(plan.concurrent, thread_name_prefix="record") as threads:
                sent = sum(self._kept(answer, out) for answer in self._answers(bodies, threads, plan.concurrent))
        except (RecordError, TransformError) as error:
            raise TransformError(f"{key}: {error}") from error
        self.tell(f"{key}: {sent} requests")

    def _answers(self, bodies: Iterator[bytes], threads: ThreadPoolExecutor, most: int) -> Iterator[bytes]:
        waiting: deque[Future[bytes]] = deque()
        for body in bodies:
            waiting.append(threads.submit(self._invoke, body))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _kept(self, answer: bytes, out: BinaryIO) -> int:
        out.write(answer)
        if self.settings.assemble_with is AssembleWith.LINE and not answer.endswith(b"\n"):
            out.write(b"\n")
        return 1

    def _invoke(self, body: bytes) -> bytes:
        headers = {"Content-Type": self.settings.content_type, "Accept": self.settings.accept}
        seconds = self.settings.invocations_timeout_in_seconds
        try:
            answer = self._asked(
                "POST",
                "/invocations",
                body,
                headers={name: value for name, value in headers.items() if value is not None},
                timeout=seconds,
            )
        except TimeoutError:
            raise TransformError(f"POST /invocations was not answered in {seconds} s") from None
        except ValueError as error:
            raise TransformError(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            what = "its server ended" if self._door.closed.wait(_PING_TIMEOUT) else "the connection was closed"
            raise TransformError(f"POST /invocations was not answered: {what} ({error})") from error
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            raise TransformError(f"POST /invocations said {answer}")
        return answer.body

    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
        timeout: float,
    ) -> _Answer:
        """Ask once; TimeoutError where the whole answer isn't there in time, ValueError where it is too large."""
        connection = _Connection(self._door, timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            answer = _Answer(response.status, response.reason, response.read(_LARGEST_ANSWER + 1))
            if len(answer.body) > _LARGEST_ANSWER:
                raise ValueError(f"{path} answered with more than {_LARGEST_ANSWER // MB} MB")
            return answer
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str
    body: bytes

    def __str__(self) -> str:
        said = " ".join(self.body[:_SHOWN].decode(errors="replace").split())
        return f"{self.status} {self.reason}" + (f": {said}" if said else "")


@dataclass(frozen=True, slots=True)
class _Parameters:
    """What holds: what was set, else what the server offers, else the default."""

    concurrent: int
    strategy: BatchStrategy
    max_payload: int  # MB

    @classmethod
    def of(cls, settings: TransformSettings, offered: dict[str, object]) -> _Parameters:
        strategy = next((one for one in BatchStrategy if offered.get("BatchStrategy") in (one.name, one.value)), None)
        payload = settings.max_payload_in_mb
        return cls(
            concurrent=settings.max_concurrent_transforms or _number(offered.get("MaxConcurrentTransforms")) or 1,
            strategy=settings.batch_strategy or strategy or BatchStrategy.MULTI_RECORD,
            max_payload=payload if payload is not None else _number(offered.get("MaxPayloadInMB")) or _MAX_PAYLOAD,
        )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


class _Connection(http.client.HTTPConnection):
    """HTTP through a door, `timeout` seconds for all of it."""

    def __init__(self, door: Door, timeout: float) -> None:
        super().__init__("localhost", PORT, timeout=timeout)
        self._door = door
        self._give_up = time.monotonic() + timeout

    def connect(self) -> None:
        self.sock: socket.socket = _Hurried(self._door.connected(self.timeout), self._give_up)


class _Hurried(socket.socket):
    """A connection on which nothing is read after a moment, however little of it comes at once.

    A socket's own timeout begins anew with each byte.
    """

    def __init__(self, connected: socket.socket, give_up: float) -> None:
        timeout = connected.gettimeout()
        super().__init__(fileno=connected.detach())
        self.settimeout(timeout)
        self._give_up = give_up

    def recv_into(self, *arguments: Any) -> int:
        left = self._give_up - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left)
        return super().recv_into(*arguments)

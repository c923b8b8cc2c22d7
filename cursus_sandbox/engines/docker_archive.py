"""The Engine API's archives: files of a container that need not run, through `/containers/{id}/archive`.

The daemon mounts the container's volumes and binds for it, so that it reads and writes them as itself, with no program
of the image.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, cast

import requests
from docker.errors import create_api_error_from_http_exception

from cursus_sandbox.engines.docker_daemon import Daemon
from cursus_sandbox.engines.docker_reach import SECONDS_TO_ANSWER
from cursus_sandbox.engines.travel import unpack

_STAT = "X-Docker-Container-Path-Stat"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file or folder as a daemon sees it. `modified` is to the microsecond."""

    size: int
    mode: int
    modified: datetime


def seen(daemon: Daemon, container: str, path: PurePosixPath) -> Seen | None:
    """Give what a container has at a path, None where that is nothing."""
    response = daemon.client.head(_url(daemon, container), params={"path": str(path)}, timeout=SECONDS_TO_ANSWER)
    if not response.ok:
        return None
    told = json.loads(base64.b64decode(response.headers[_STAT]))
    return Seen(told["size"], told["mode"] & 0o777, datetime.fromisoformat(told["mtime"]))


def put(daemon: Daemon, container: str, pieces: Iterable[bytes]) -> None:
    """Unpack a tar stream at the root of a container; raises what the SDK raises."""
    response = daemon.client.put(_url(daemon, container), params={"path": "/"}, data=pieces, timeout=None)
    _require_ok(response)


def fetch(daemon: Daemon, container: str, path: PurePosixPath, folder: Path) -> None:
    """Bring a file, or what is in a folder, from a container to an empty folder."""
    url = _url(daemon, container)
    plain = {"Accept-Encoding": "identity"}  # else the daemon compresses, and we would have to undo it
    parameters = {"path": str(path)}
    with closing(daemon.client.get(url, params=parameters, headers=plain, stream=True, timeout=None)) as response:
        _require_ok(response)
        unpack(cast("IO[bytes]", response.raw), folder)


def _require_ok(response: requests.Response) -> None:
    try:
        response.raise_for_status()
    except requests.exceptions.HTTPError as error:
        create_api_error_from_http_exception(error)  # raises


def _url(daemon: Daemon, container: str) -> str:
    client = daemon.client
    return f"{client.base_url}/v{client.api_version}/containers/{container}/archive"

"""Where a Dask scheduler is: `dask://host:port`, or `dask+tls://host:port`."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from cursus_sandbox.errors import EngineError

_PORT = 8786
_SCHEMES = {"dask": "tcp", "dask+tls": "tls"}
_SECONDS = 5.0


def contact(address: str) -> str:
    """The address as Dask has it: `tcp://host:port`. ValueError where it is none."""
    try:
        parts = urlsplit(address)
        scheme, host, port = _SCHEMES[parts.scheme], parts.hostname, parts.port or _PORT
    except (KeyError, ValueError):
        host = None
    if not host or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(f"{address!r} is neither local nor the address of a Dask scheduler, dask://HOST:8786")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def require_scheduler(address: str) -> None:
    """EngineError, within seconds, where no scheduler is at a contact address, but nobody or somebody else."""
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or _PORT), timeout=_SECONDS).close()
    except OSError as error:
        raise EngineError(
            f"nobody answers at {parts.netloc}: {error.strerror or error}",
            hint="Start a scheduler there (dask scheduler), or run here:  --scheduler local",
        ) from error
    try:
        told = asyncio.run(asyncio.wait_for(_identity(address), _SECONDS))
    except Exception:  # noqa: BLE001 -- whoever answers there may say anything
        told = ""
    if told != "Scheduler":
        what = f"it is a {told.lower()}" if told else "it does not answer as one that we can talk to"
        raise EngineError(
            f"what listens at {parts.netloc} is no Dask scheduler: {what}",
            hint="Is it the scheduler's port (8786), and not its dashboard's (8787) or a worker's?",
        )


async def _identity(address: str) -> str:
    """What kind of Dask's servers is there."""
    from distributed.core import rpc
    from distributed.security import Security

    async with rpc(address, connection_args=Security().get_connection_args("client"), timeout=_SECONDS) as there:
        return str((await there.identity()).get("type", ""))

"""How a Docker daemon is reached: its address, a knock at it, and what to do where nobody answers."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import requests
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import DockerException, InvalidVersion
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnectionPool
from docker.utils import kwargs_from_env

SECONDS_TO_ANSWER = 120
SECONDS_TO_KNOCK = 10.0
CONNECTIONS_KEPT = 64


def address_of(base_url: str | None) -> str:
    """Give an address as it is told to a user."""
    if base_url:
        return base_url
    with suppress(DockerException):
        base_url = kwargs_from_env().get("base_url")
    return base_url or DEFAULT_UNIX_SOCKET.removeprefix("http+")


def client_of(base_url: str | None) -> docker.APIClient:
    """Give the SDK's client for an address; None is the one that DOCKER_HOST names, or the default socket."""
    environment = kwargs_from_env() if base_url is None else {"base_url": base_url}
    client = docker.APIClient(**environment, timeout=SECONDS_TO_ANSWER)
    if address_of(base_url).startswith("unix://"):
        client.trust_env = False  # or each request looks for proxies and passwords first: a millisecond
        client.get_adapter(client.base_url).close()
        client.mount(client.base_url, OnePool(address_of(base_url).removeprefix("unix://")))
    return client


class OnePool(UnixHTTPAdapter):
    """Reaches a socket of this machine, over connections that serve one request after the other.

    The SDK's own keeps a pool for each URL (docker-py 7, transport/unixconn.py): nearly every request connects anew,
    and a pool may be closed, when there are too many, while its connection is given back, which is then lost.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"http+unix://{path}", SECONDS_TO_ANSWER, max_pool_size=CONNECTIONS_KEPT)

    def get_connection(self, url: str | bytes, proxies: Any = None) -> UnixHTTPConnectionPool:  # noqa: ARG002
        """Give the pool, whatever is asked for."""
        return super().get_connection("any", proxies)


def knock(address: str) -> None:
    """Connect to a daemon's socket once: the SDK leaves its own open when nobody is there, or has one from before."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.connect(address.removeprefix("unix://"))
    elif (url := urlsplit(address)).scheme in ("tcp", "http", "https") and url.hostname and url.port:
        socket.create_connection((url.hostname, url.port), SECONDS_TO_KNOCK).close()


def remedy(address: str, error: Exception) -> str:
    """What to do about a daemon that can't be asked."""
    path = Path(address.removeprefix("unix://"))
    if isinstance(error, PermissionError):
        with suppress(OSError, KeyError):
            group = grp.getgrgid(path.stat().st_gid).gr_name
            user = pwd.getpwuid(os.geteuid()).pw_name
            return f"{path} is for the group '{group}': sudo usermod -aG {group} {user}, and log in again."
        return f"Ask for the right to open {path}."
    if isinstance(error, InvalidVersion):
        return "Docker Engine 20.10 or later is needed, or Podman's service of its API."
    if isinstance(error, OSError | requests.exceptions.ConnectionError):
        return "Start the daemon (Linux: sudo systemctl start docker), or set DOCKER_HOST to one that runs."
    return "Set DOCKER_HOST to a Docker daemon: unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST."


def cause(error: BaseException | None) -> str:
    """Give the sentence of the operating system below an SDK's error, or the error itself."""
    link = error
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
        link = link.__cause__ or link.__context__
    return str(error)

"""The networks that a daemon makes: one for a job that asks for one, one for several hosts; never Docker's default.

On the default bridge everybody meets.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Mapping, Sequence

from docker.types import IPAMConfig, IPAMPool

from cursus_sandbox.engines.docker_daemon import Daemon, Refused

_TRIES = 5


def make_network(daemon: Daemon, *, internal: bool, labels: Mapping[str, str], subnet: str | None = None) -> str:
    """Make a bridge of its own, which `internal` keeps from leading out; gives its name."""
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]) if subnet else None
    name = f"cursus-sandbox-{uuid.uuid4().hex[:12]}"
    with daemon.asking("make a network"):
        daemon.client.create_network(name, driver="bridge", internal=internal, labels=dict(labels), ipam=ipam)
    return name


def make_network_of(
    daemon: Daemon, hosts: Sequence[str], *, internal: bool, labels: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """Make a bridge with an address for each host; gives its name and the addresses.

    Docker gives out addresses of its choice only; to choose them takes a subnet of our choice. Which one is free, it
    says itself: the subnet of a network that it made is asked for again. Somebody may be quicker: hence tries.
    """
    for left in reversed(range(_TRIES)):
        first = make_network(daemon, internal=internal, labels=labels)
        with daemon.asking("look at a network"):
            subnet = daemon.client.inspect_network(first)["IPAM"]["Config"][0]["Subnet"]
        daemon.remove_network(first)
        try:
            name = make_network(daemon, internal=internal, labels=labels, subnet=subnet)
        except Refused:
            if left:
                continue
            raise
        own = ipaddress.ip_network(subnet).hosts()
        next(own)  # the gateway's
        return name, {host: str(address) for host, address in zip(hosts, own, strict=False)}
    raise AssertionError

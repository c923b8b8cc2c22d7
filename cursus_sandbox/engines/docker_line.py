"""A container's settings as a `docker run` line: what an engine asks of the API, for somebody to type."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

# How each setting of HostConfig is typed; None is for what a container by hand has no need of.
_OPTIONS: dict[str, Callable[[Any], list[str]] | None] = {
    "Mounts": lambda mounts: [word for mount in mounts for word in ("--mount", _mount(mount))],
    "CapDrop": lambda names: [word for name in names for word in ("--cap-drop", name)],
    "CapAdd": lambda names: [word for name in names for word in ("--cap-add", name)],
    "SecurityOpt": lambda options: [word for one in options for word in ("--security-opt", one)],
    "Init": lambda wanted: ["--init"] * bool(wanted),
    "PidsLimit": lambda number: ["--pids-limit", str(number)],
    "ShmSize": lambda size: ["--shm-size", str(size)],
    "Memory": lambda size: ["--memory", str(size)],
    "MemorySwap": lambda size: ["--memory-swap", str(size)],
    "NanoCpus": lambda number: ["--cpus", f"{number / 1e9:g}"],
    "NetworkMode": lambda name: ["--network", name],
    "ExtraHosts": lambda hosts: [word for one in hosts for word in ("--add-host", one)],
    "DeviceRequests": lambda requests: ["--gpus", str(requests[0]["Count"])],
    "ReadonlyRootfs": lambda wanted: ["--read-only"] * bool(wanted),
    "Tmpfs": lambda folders: [word for at, how in folders.items() for word in ("--tmpfs", f"{at}:{how}")],
    "Runtime": lambda name: ["--runtime", name],
    "AutoRemove": None,
    "LogConfig": None,
}


def docker_run(settings: Mapping[str, Any], *, program: str = "docker") -> list[str] | None:
    """The line for a body of `POST /containers/create`: the container goes when it has ended, and has no labels.

    None for a setting that has no option here: a line without it would be another container's.
    """
    if not settings["HostConfig"].keys() <= _OPTIONS.keys():
        return None
    line = [program, "run", "--rm", "--hostname", settings["Hostname"]]
    for key, value in settings["HostConfig"].items():
        if option := _OPTIONS[key]:
            line += option(value)
    if settings["HostConfig"]["NetworkMode"] == "none":
        line += ["--add-host", f"{settings['Hostname']}:127.0.0.1"]
    for variable in settings["Env"]:
        line += ["--env", variable]
    for key, word in (("User", "--user"), ("WorkingDir", "--workdir")):
        if key in settings:
            line += [word, settings[key]]
    entrypoint = settings.get("Entrypoint", [])
    if entrypoint:
        line += ["--entrypoint", entrypoint[0]]
    return [*line, settings["Image"], *entrypoint[1:], *settings.get("Cmd", [])]


def _mount(mount: Mapping[str, Any]) -> str:
    """A mount in the CSV that `--mount` reads: a path may hold a comma, a colon, or a quote."""
    text = io.StringIO()
    fields = [f"type={mount['Type']}", f"source={mount['Source']}", f"target={mount['Target']}"]
    csv.writer(text, lineterminator="").writerow([*fields, *(["readonly"] if mount["ReadOnly"] else [])])
    return text.getvalue()

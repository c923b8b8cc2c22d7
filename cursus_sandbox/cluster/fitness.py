"""Which workers are fit to run errands: each is asked before anything starts."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

from distributed import Client

from cursus_sandbox import __version__
from cursus_sandbox.cluster.messages import Fitness, Question
from cursus_sandbox.cluster.summons import summons_at_once
from cursus_sandbox.cluster.waiting import scheduler_gone
from cursus_sandbox.errors import EngineError


def fitness(client: Client, question: Question) -> dict[str, Fitness]:
    """Each worker's, by its address; EngineError for the first that is unfit, or where there is none."""
    _require_versions(client)
    with question.shared.shown(question.nonce):
        answers = answers_of_all(client, "fitness", pickle.dumps(question))
    found = dict[str, Fitness]()
    for address, answer in answers.items():
        if isinstance(answer, ImportError):
            raise EngineError(
                f"worker {address} can't run steps: {answer}",
                hint=f"Install there what is here:  pip install 'cursus-sandbox[dask]=={__version__}'",
            )
        if isinstance(answer, BaseException):
            raise EngineError(f"worker {address} can't run steps: {type(answer).__name__}: {answer}")
        one: Fitness = pickle.loads(answer)
        if one.trouble:
            raise EngineError(f"worker {address}, host {one.host}: {one.trouble[0]}", hint=one.trouble[1])
        found[address] = one
    if not found:
        raise EngineError("the scheduler has no worker any more", hint="Start one, and run again.")
    return found


def answers_of_all(client: Client, name: str, asked: bytes) -> dict[str, Any]:
    """Every worker's answer, by its address, or the error that stands for it."""
    try:
        answers: dict[str, Any] = client.run(summons_at_once(), __version__, name, asked, on_error="return")
    except OSError as error:
        raise scheduler_gone() from error
    return answers


def _require_versions(client: Client) -> None:
    """EngineError where a scheduler or a worker has another Python, or another Dask."""
    found: Any = client.get_versions()
    ours = _told(found["client"])
    workers = {f"worker {address}": one for address, one in found["workers"].items()}
    for who, one in {"the scheduler": found["scheduler"], **workers}.items():
        theirs = _told(one)
        if differs := [name for name in ours if ours[name] != theirs[name]]:
            said = ", ".join(f"{name} {theirs[name]}, here {ours[name]}" for name in differs)
            raise EngineError(f"{who} has {said}", hint="Install the same versions on all of them, and here.")


def _told(versions: Mapping[str, Any]) -> dict[str, str]:
    packages = versions["packages"]
    told = {name: str(packages.get(name)) for name in ("distributed", "dask", "cloudpickle", "msgpack")}
    return {"Python": ".".join(str(packages.get("python")).split(".")[:2]), **told}

"""What steps ask for, in Dask's resources: CPU, MEMORY (bytes) and GPU, as workers declare them when they start."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from cursus_sandbox.errors import EngineError
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.pipeline.ready_queue import demand

Amounts = Mapping[str, float]
EXAMPLE = 'dask worker … --resources "CPU=4 MEMORY=16e9"'


@dataclass(frozen=True, slots=True)
class Declared:
    """What each worker has declared, by its address; what none of them declares is not asked for."""

    workers: Mapping[str, Amounts]

    def asked(self, step: PlannedStep, *, hosts: int = 1) -> dict[str, float]:
        """What a step asks of its worker."""
        known = {name for one in self.workers.values() for name in one}
        return {name: amount for name, amount in _wanted(step, hosts).items() if name in known}

    def hold(self, asked: Amounts) -> bool:
        """Whether there is a worker that could."""
        return any(all(one.get(name, 0) >= amount for name, amount in asked.items()) for one in self.workers.values())

    def require(self, step: PlannedStep, *, hosts: int = 1) -> None:
        """EngineError where no worker can ever hold the step."""
        asked = self.asked(step, hosts=hosts)
        if not self.hold(asked):
            most = _listed({name: max(one.get(name, 0) for one in self.workers.values()) for name in asked})
            raise EngineError(
                f"step '{step.name}' asks for {_listed(asked)}, and no worker has that: the most of each is {most}",
                hint=f"Start one that has it, {EXAMPLE}, or let the step ask for less (resources, instance_type).",
            )

    def notes(self, steps: Collection[PlannedStep]) -> Iterator[str]:
        """What to say of resources that steps ask for and no worker declares."""
        known = {name for one in self.workers.values() for name in one}
        missing = sorted({name for step in steps for name in _wanted(step, 1)} - known)
        if missing:
            yield f"no worker declares {', '.join(missing)}, so none is counted there: {EXAMPLE}"


def _wanted(step: PlannedStep, hosts: int) -> dict[str, float]:
    wanted = demand(step, hosts=hosts)
    amounts = {"CPU": float(wanted.cpus), "MEMORY": float(wanted.memory), "GPU": float(wanted.gpus)}
    return {name: amount for name, amount in amounts.items() if amount}


def _listed(amounts: Amounts) -> str:
    return ", ".join(f"{name}={amount:.10g}" for name, amount in amounts.items())

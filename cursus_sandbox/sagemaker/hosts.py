"""The hosts of a job: SageMaker calls them algo-1, algo-2, …, and tells each of all."""

from __future__ import annotations

from dataclasses import dataclass

INSTANCE_TYPE = "ml.m5.xlarge"


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a job, and the names of all of them in order."""

    name: str = "algo-1"
    all: tuple[str, ...] = ("algo-1",)
    instance_type: str = INSTANCE_TYPE


def hosts(count: int = 1, instance_type: str = INSTANCE_TYPE) -> tuple[Host, ...]:
    """The hosts of a job on so many instances."""
    names = tuple(f"algo-{number}" for number in range(1, count + 1))
    return tuple(Host(name, names, instance_type) for name in names)

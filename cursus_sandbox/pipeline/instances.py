"""SageMaker's instance types: what each has, which one a step runs on, and what this machine can give of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

from cursus_sandbox.errors import did_you_mean
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.cursus_config import EffectiveConfig
from cursus_sandbox.pipeline.dag import PipelineDefaults, Resources, StepConfiguration
from cursus_sandbox.pipeline.plan import PlannedStep

_MIB, _GIB = 1024**2, 1024**3
_MOST = 100  # ClusterConfig.InstanceCount, ResourceConfig.InstanceCount
_VERBS = {StepKind.TRAINING: "training", StepKind.TRANSFORM: "transform"}
_LARGEST = 16_384  # GB: ClusterConfig.VolumeSizeInGB

# Of these families a `large` has 2 virtual processors, an `xlarge` 4, an `Nxlarge` 4 N; here is the GiB of each one.
_GIB_PER_CPU = {
    **dict.fromkeys(("m4", "m5", "m5d", "m6i", "m6id", "m7i", "g4dn", "g5", "g6"), 4.0),
    **dict.fromkeys(("c5", "c5d", "c6i", "c6id", "c7i"), 2.0),
    **dict.fromkeys(("r5", "r5d", "r6i", "r6id", "r7i"), 8.0),
}
_WITH_GPUS = {"g4dn": {12: 4}, "g5": {12: 4, 24: 4, 48: 8}, "g6": {12: 4, 24: 4, 48: 8}}  # one in the other sizes
_OTHERS = {  # processors, GiB, GPUs
    "ml.t3.medium": (2, 4, 0),
    "ml.t3.large": (2, 8, 0),
    "ml.t3.xlarge": (4, 16, 0),
    "ml.t3.2xlarge": (8, 32, 0),
    "ml.c4.large": (2, 3.75, 0),
    "ml.c4.xlarge": (4, 7.5, 0),
    "ml.c4.2xlarge": (8, 15, 0),
    "ml.c4.4xlarge": (16, 30, 0),
    "ml.c4.8xlarge": (36, 60, 0),
    "ml.p2.xlarge": (4, 61, 1),
    "ml.p2.8xlarge": (32, 488, 8),
    "ml.p2.16xlarge": (64, 732, 16),
    "ml.p3.2xlarge": (8, 61, 1),
    "ml.p3.8xlarge": (32, 244, 4),
    "ml.p3.16xlarge": (64, 488, 8),
    "ml.p3dn.24xlarge": (96, 768, 8),
    "ml.p4d.24xlarge": (96, 1152, 8),
    "ml.p5.48xlarge": (192, 2048, 8),
}
_SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "24xlarge")
_NAME = re.compile(r"ml\.([a-z0-9]+)\.(?:(large)|([0-9]*)xlarge)")


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a machine has; `memory` in bytes."""

    cpus: int
    memory: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Instances:
    """On what, and on how many of it, a step runs. `name` and `volume`, in GB, are None where nobody says."""

    name: str | None
    count: int
    resources: Resources
    volume: int | None = None
    notes: tuple[str, ...] = ()


def instances(
    step: StepConfiguration, defaults: PipelineDefaults, kind: StepKind, config: EffectiveConfig | None
) -> Instances:
    """The instance type of a step (its own word, the pipeline's, its Cursus configuration's), and its limits.

    What the step or the pipeline says of `resources` goes before what the type has.
    """
    configured, number, volume = _configured(kind, config)
    name = step.instance_type or defaults.instance_type or configured
    found = _of_type(name, defaults.instance_types) if name else None
    notes: tuple[str, ...] = ()
    if name and found is None:
        write = f"instance_types: {{{name}: {{cpus: …, memory: …}}}}"
        plain = [f"ml.{family}.{size}" for family in _GIB_PER_CPU for size in _SIZES]
        near = did_you_mean(name, [*_OTHERS, *plain, *defaults.instance_types], or_list=False)
        what = f"what {name} has is not known here, so it sets no limits. {near}".rstrip()
        notes = (f"{what} Say what it has:  {write}",)
    said = {key: value for key, value in step.resources if value is not None}
    if defaults.memory is not None:
        said = {"memory": defaults.memory} | said
    resources = (found or Resources()).model_copy(update=said)
    return Instances(name, step.instance_count or number or 1, resources, volume, notes)


def fitted(step: PlannedStep, machine: Capacity) -> PlannedStep:
    """The step with no more than a machine has, and a note of what it doesn't get. A second time changes nothing."""
    if not step.runs:
        return step
    given: dict[str, float | int] = {}
    wanted, there = [], []
    for key, has in (("cpus", machine.cpus), ("memory", machine.memory), ("gpus", machine.gpus)):
        wants = getattr(step.resources, key)
        if wants is not None and wants > has:
            given[key] = has
            wanted.append(_amount(key, wants))
            there.append(_amount(key, has))
    if not given:
        return step
    who = f"{step.instance_type} has" if step.instance_type else "it asks for"
    note = f"{who} {_listed(wanted)}; this machine has {_listed(there)}, and it runs with that"
    return replace(step, resources=step.resources.model_copy(update=given), notes=(*step.notes, note))


def _of_type(name: str, own: Mapping[str, Resources]) -> Resources | None:
    """What a type has: by the document's own table, else by the one above; None if it is in neither."""
    if name in own:
        return own[name]
    if name in _OTHERS:
        processors, gib, with_gpus = _OTHERS[name]
        return Resources(cpus=processors, memory=int(gib * _GIB), gpus=with_gpus or None)
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in _GIB_PER_CPU:
        return None
    family, large, times = match.groups()
    size = int(times or 1)
    cpus = 2 if large else 4 * size
    gpus = _WITH_GPUS[family].get(size, 1) if family in _WITH_GPUS else None
    return Resources(cpus=cpus, memory=int(cpus * _GIB_PER_CPU[family] * _GIB), gpus=gpus)


def _configured(kind: StepKind, config: EffectiveConfig | None) -> tuple[str | None, int | None, int | None]:
    """Type and number of instances and the size of their disks, as Cursus' builders take them from a configuration."""
    values = config.values if config else {}
    verb = _VERBS.get(kind, "processing")
    types = [f"{verb}_instance_type"]
    if verb == "processing":
        size = "large" if values.get("use_large_processing_instance") is True else "small"
        types = [f"processing_instance_type_{size}", *types]
    names = [name for key in (*types, "instance_type") if isinstance(name := values.get(key), str) and name]
    counts = (f"{verb}_instance_count", "instance_count")
    numbers = [one for key in counts if _is_number(one := values.get(key), _MOST)]
    volume = values.get(f"{verb}_volume_size")
    return next(iter(names), None), next(iter(numbers), None), volume if _is_number(volume, _LARGEST) else None


def _is_number(value: object, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _amount(key: str, value: float) -> str:
    match key:
        case "memory":
            return f"{value / _MIB:,.0f} MB"
        case "gpus":
            return f"{value:g} GPU{'s' * (value != 1)}" if value else "no GPU"
        case _:
            return f"{value:g} cpu{'s' * (value != 1)}"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

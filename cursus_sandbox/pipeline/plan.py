"""The plan: everything that is decided before anything runs. Frozen, printable, and all that execution needs.

Dataclasses that pydantic only writes: nothing reads a plan back, and a pipeline may have ten thousand steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter

from cursus_sandbox.pipeline.config_matching import ConfigResolution
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Distribution, Encoding, Resources, Start, UploadMode
from cursus_sandbox.pipeline.retries import NEVER, Retries
from cursus_sandbox.pipeline.secrets import Secret
from cursus_sandbox.pipeline.source import Source, StepOutput
from cursus_sandbox.pipeline.transform import TransformSettings
from cursus_sandbox.tables.schema import TableSchema

_NO_LIMITS = Resources()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An environment variable's value and who said so."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInput:
    """An input that is bound, and where it shows in the container.

    `parts` are the sub-folders of the source that SageMaker would mount as channels of their own (`train`, `val`, …).
    """

    channel: str
    path: PurePosixPath
    source: Source
    reason: str
    score: float | None = None  # what speaks for the binding, from 0 to 1; None if it was pinned
    required: bool = True
    parts: tuple[str, ...] = ()
    distribution: Distribution = Distribution.REPLICATED
    table_schema: TableSchema | None = None
    asked_in: Mapping[str, str] = field(default_factory=dict)  # the file and line that asks for a column

    def mounts(self) -> list[tuple[PurePosixPath, str]]:
        """Each container path and what shows there, in words."""
        if not self.parts:
            return [(self.path, str(self.source))]
        return [(self.path / part, f"{self.source}/{part}") for part in self.parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOutput:
    """An output the step promises, or, when `bound`, the folder that stands for it."""

    channel: str
    path: PurePosixPath | None = None
    required: bool = True
    bound: Path | None = None
    upload_mode: UploadMode = UploadMode.END_OF_JOB
    table_schema: TableSchema | None = None
    asked_in: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step, decided: what it runs, on what, with what, leaving what."""

    name: str
    step_type: str
    kind: StepKind
    contract_file: Path | None = None
    job_type: str | None = None
    skip: str | None = None  # why it isn't run
    depends_on: tuple[str, ...] = ()
    config: ConfigResolution | None = None  # None where no configuration was given
    inputs: tuple[PlannedInput, ...] = ()
    outputs: tuple[PlannedOutput, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()  # what AWS would refuse or lose; slips in its contract
    image: str | None = None
    source_dir: Path | None = None
    ships_source_dir: bool = False
    entry_point: str | None = None
    start: Start = Start.SCRIPT
    arguments: tuple[str, ...] = ()
    hyperparameters: dict[str, str] = field(default_factory=dict)
    encoding: Encoding = Encoding.PLAIN  # of the hyperparameters
    environment: dict[str, Setting] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    timeout: float | None = None
    grace: float | None = None  # from TERM to KILL when the time is up
    retries: Retries = NEVER
    instance_type: str | None = None
    instance_count: int = 1
    volume_size: int | None = None  # GB, as the job is told; a disk here is what it is
    resources: Resources = _NO_LIMITS
    log_limit: int | None = None  # bytes
    network: bool = False
    read_only_root: bool = False
    runtime: str | None = None  # of its container, where not the daemon's default
    pip_shim: bool = True  # without a network, pip looks at what is installed and nowhere else
    user: str | None = None
    transform: TransformSettings | None = None  # of a Transform step
    cache: bool = True  # whether what it left may be taken over by a later run

    @property
    def runs(self) -> bool:
        """Whether anything is done for it."""
        return self.skip is None

    @property
    def starts(self) -> bool:
        """Whether a container is started for it: to create a model, none is."""
        return self.runs and self.kind is not StepKind.MODEL


@dataclass(frozen=True, kw_only=True)
class PipelineExecutionPlan:
    """A pipeline's steps in an order they can run in."""

    name: str
    steps: tuple[PlannedStep, ...]
    remarks: tuple[str, ...] = ()  # on how it would do in AWS, on no step in particular

    def __str__(self) -> str:
        """What each step reads, and why: what `print` shows."""
        said = [f"{self.name}: {len(self.steps)} steps, {sum(step.runs for step in self.steps)} to run"]
        for step in self.steps:
            said += [f"  {step.name}{f' (skipped: {step.skip})' if step.skip else ''}"]
            said += [f"    {one.channel} <- {one.source} ({one.reason})" for one in step.inputs]
        return "\n".join(said)

    @cached_property
    def step_configs(self) -> Mapping[str, PlannedStep]:
        """Each step by its name."""
        return {step.name: step for step in self.steps}

    @property
    def execution_order(self) -> tuple[str, ...]:
        """Step names; each comes after all it depends on."""
        return tuple(step.name for step in self.steps)

    @property
    def dependencies(self) -> Mapping[str, tuple[str, ...]]:
        """What each step waits for."""
        return {step.name: step.depends_on for step in self.steps}

    @property
    def data_flow_map(self) -> Mapping[str, Mapping[str, str]]:
        """`{step: {channel: "producer:channel"}}` for every input that comes from another step."""
        return {
            step.name: {one.channel: str(one.source) for one in step.inputs if isinstance(one.source, StepOutput)}
            for step in self.steps
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth a look before running, each with the step it is said of: the first, and how many more."""
        return _once((step.name, note) for step in self.steps for note in step.notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What AWS would refuse or lose, told in the same way."""
        return _once((step.name, warning) for step in self.steps for warning in step.warnings)

    def readers(self, step: str, channel: str) -> tuple[tuple[PlannedStep, PlannedInput], ...]:
        """The inputs that read this output."""
        return self._readers.get((step, channel), ())

    @cached_property
    def _readers(self) -> Mapping[tuple[str, str], tuple[tuple[PlannedStep, PlannedInput], ...]]:
        found: dict[tuple[str, str], list[tuple[PlannedStep, PlannedInput]]] = {}
        for step in self.steps:
            for one in step.inputs:
                if isinstance(one.source, StepOutput):
                    found.setdefault((one.source.step, one.source.channel), []).append((step, one))
        return {key: tuple(readers) for key, readers in found.items()}

    def as_json(self) -> dict[str, Any]:
        """The plan as `plan --json` prints it and `plan.json` keeps it."""
        return {**self.views(), "steps": [step_as_json(step) for step in self.steps]}

    def views(self) -> dict[str, Any]:
        """What its JSON says before the steps."""
        return {
            "name": self.name,
            **({"remarks": list(self.remarks)} if self.remarks else {}),
            "execution_order": list(self.execution_order),
            "dependencies": {name: list(before) for name, before in self.dependencies.items()},
            "data_flow_map": {name: dict(flow) for name, flow in self.data_flow_map.items()},
        }


def _once(said: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    steps: dict[str, list[str]] = {}
    for step, text in said:
        steps.setdefault(text, []).append(step)
    return tuple(
        f"{first}{f' and {len(more):,} more' if more else ''}: {text}" for text, (first, *more) in steps.items()
    )


def step_as_json(step: PlannedStep) -> dict[str, Any]:
    """What a step says that isn't a default, as JSON has it."""
    written: dict[str, Any] = _steps().dump_python(step, mode="json", exclude_defaults=True, by_alias=True)
    return written


@cache
def _steps() -> TypeAdapter[PlannedStep]:
    return TypeAdapter(PlannedStep)

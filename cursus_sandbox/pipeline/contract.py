"""A step's contract: what it reads, writes and is told, at which paths. Written in Cursus' `*.step.yaml` format.

The format is Cursus' own (`cursus/core/base/step_interface.py`): its other keys are accepted and ignored. Ours is the
optional `schema:` of a channel.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import combinations, product
from pathlib import PurePosixPath
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cursus_sandbox.pipeline.values import ChannelName, ContainerPath, EntryPoint, EnvironmentName, StepName, Text
from cursus_sandbox.tables.schema import TableSchema

_TRAINING_DATA = PurePosixPath("/opt/ml/input/data")
_SPLITS = ("train", "val", "test")

# Where the platform itself puts something, and where it puts the code.
_PLATFORM = (
    ("the step's messages", PurePosixPath("/opt/ml/output")),
    ("the job's settings", PurePosixPath("/opt/ml/input/config")),
)
_CODE = (
    ("the code", PurePosixPath("/opt/ml/processing/input/code")),
    ("the code", PurePosixPath("/opt/ml/code")),
)


class _Channel(NamedTuple):
    section: str
    name: str

    def __str__(self) -> str:
        return f"{self.section.removesuffix('s')} '{self.name}'"


class ChannelError(ValueError):
    """A channel that can't lie where it does; `at` is its place in the contract."""

    def __init__(self, what: str, channel: _Channel) -> None:
        super().__init__(what)
        self.at = (channel.section, channel.name)


class StepKind(StrEnum):
    """What SageMaker does with a step, as far as a sandbox can follow."""

    PROCESSING = "processing"
    TRAINING = "training"
    NOTHING_TO_RUN = "nothing to run"


class _Tolerant(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class InputChannel(_Tolerant):
    """A folder (or, where the path names a file, a file) the step reads.

    `channels` are SageMaker training channels: the source's sub-folders `train`, `val`, … appear below `path`.
    """

    path: ContainerPath | None = None
    required: bool = True
    channels: tuple[ChannelName, ...] = ()
    table_schema: TableSchema | None = Field(default=None, alias="schema")
    type: str | None = None
    data_type: str | None = None
    compatible_sources: tuple[str, ...] = ()
    semantic_keywords: tuple[str, ...] = ()


class OutputChannel(_Tolerant):
    """A folder the step leaves behind; `aliases` are the input names it answers to. Not `required`: may stay empty."""

    path: ContainerPath | None = None
    required: bool = True
    table_schema: TableSchema | None = Field(default=None, alias="schema")
    type: str | None = None
    data_type: str | None = None
    aliases: tuple[str, ...] = ()


class JobArgument(_Tolerant):
    """A command-line flag whose value comes from the step's configuration; left out while it has none."""

    flag: Annotated[Text, Field(pattern=r"^--?[A-Za-z0-9]")]
    source: Text


class ScriptContract(_Tolerant):
    """One step type: its script, its channels, its environment and its arguments."""

    step_type: StepName
    sagemaker_step_type: str = "Processing"
    entry_point: EntryPoint | None = None
    source_dir: bool = False
    inputs: dict[ChannelName, InputChannel] = Field(default_factory=dict)
    outputs: dict[ChannelName, OutputChannel] = Field(default_factory=dict)
    arguments: dict[str, Text] = Field(default_factory=dict)
    job_arguments: tuple[JobArgument, ...] = ()
    required_env_vars: tuple[EnvironmentName, ...] = ()
    optional_env_vars: dict[EnvironmentName, Text] = Field(default_factory=dict)
    local_inputs: frozenset[str] = frozenset()
    unmounted_inputs: frozenset[str] = frozenset()

    @property
    def kind(self) -> StepKind:
        """Only Processing and Training jobs run a script; the other verbs are calls to AWS."""
        match self.sagemaker_step_type:
            case "Processing":
                return StepKind.PROCESSING
            case "Training":
                return StepKind.TRAINING
            case _:
                return StepKind.NOTHING_TO_RUN

    @field_validator("inputs", "outputs", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or {}

    @model_validator(mode="after")
    def _paths_apart(self) -> Self:
        """It can always be told whose a file is: no two channels share a folder, and nothing else lies in an output.

        An input may lie inside another, or at the code's own path: it then brings the code.
        """
        outputs = [(_Channel("outputs", name), port.path) for name, port in self.outputs.items() if port.path]
        inputs = [(_Channel("inputs", name), path) for name in self.inputs for path in self.paths_of(name)]
        for (one, path), (other, other_path) in combinations((*inputs, *outputs), 2):
            if path == other_path:
                raise ChannelError(f"{one} and {other} share the path {path}", other)
        for one, path in outputs:
            for inside, inside_path in (*inputs, *outputs, *_PLATFORM, *_CODE):
                if path in inside_path.parents:
                    raise ChannelError(f"{one} ({path}) holds {inside} ({inside_path})", one)
        for (one, path), (what, taken) in (*product(inputs, _PLATFORM), *product(outputs, (*_PLATFORM, *_CODE))):
            if path == taken:
                raise ChannelError(f"{one} lies at {path}, the place of {what}", one)
        return self

    def fan_out(self, channel: str) -> tuple[str, ...]:
        """The training channels of an input at /opt/ml/input/data itself, which is none: the folders below it are.

        Cursus fans `input_path` out to train, val and test even where the contract names no channels, and makes of any
        other input there the channel of its name (cursus/steps/builders: the training handlers).
        """
        port = self.inputs[channel]
        if self.kind is not StepKind.TRAINING or port.path != _TRAINING_DATA:
            return ()
        return port.channels or (_SPLITS if channel == "input_path" else ())

    def paths_of(self, channel: str) -> tuple[PurePosixPath, ...]:
        """Where an input shows: one path, or one for each of the folders it fans out to."""
        path = self.inputs[channel].path
        if path is None:
            return ()
        if parts := self.fan_out(channel):
            return tuple(path / part for part in parts)
        if self.kind is StepKind.TRAINING and path == _TRAINING_DATA:
            return (path / channel,)
        return (path,)


def contract_fields(tree: dict[str, Any]) -> dict[str, Any]:
    """A `*.step.yaml` tree as the fields of a ScriptContract: its sections laid over one another, not judged yet."""
    contract = _section(tree, "contract")
    spec = _section(tree, "spec")
    env = _section(contract, "env_vars")
    inputs = _ports(contract, "inputs", spec, "dependencies", _ASKED)
    outputs = _ports(contract, "outputs", spec, "outputs", _OFFERED)
    fields = {
        "step_type": tree.get("step_type"),
        "sagemaker_step_type": _section(tree, "registry").get("sagemaker_step_type"),
        "entry_point": contract.get("entry_point"),
        "source_dir": contract.get("source_dir"),
        "inputs": inputs,
        "outputs": outputs,
        "arguments": contract.get("arguments"),
        "job_arguments": contract.get("job_arguments"),
        "required_env_vars": env.get("required"),
        "optional_env_vars": env.get("optional"),
        "local_inputs": list(_section(contract, "input_source_overrides")),
        "unmounted_inputs": contract.get("skip_inputs"),
    }
    return {name: value for name, value in fields.items() if value is not None}


_ASKED = ("type", "data_type", "compatible_sources", "semantic_keywords")
_OFFERED = ("type", "data_type", "aliases")

# Where a field of ScriptContract stands in the file, so that an error can name its line.
CONTRACT_PLACES: dict[str, tuple[str, ...]] = {
    "step_type": ("step_type",),
    "sagemaker_step_type": ("registry", "sagemaker_step_type"),
    "required_env_vars": ("contract", "env_vars", "required"),
    "optional_env_vars": ("contract", "env_vars", "optional"),
    "local_inputs": ("contract", "input_source_overrides"),
    "unmounted_inputs": ("contract", "skip_inputs"),
}


def _section(tree: dict[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}


def _ports(
    contract: dict[str, Any], section: str, spec: dict[str, Any], same: str, keys: tuple[str, ...]
) -> dict[str, Any]:
    """A section's channels, each with what the spec says of it."""
    described = _section(spec, same)
    return {
        name: {**port, **{key: value for key in keys if (value := _section(described, name).get(key)) is not None}}
        if isinstance(port, dict)
        else port
        for name, port in _section(contract, section).items()
    }

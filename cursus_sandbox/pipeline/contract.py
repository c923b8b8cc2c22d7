"""A step's contract: what it reads, writes and is told, at which paths. Written in Cursus' `*.step.yaml` format.

The format is Cursus' own (`cursus/core/base/step_interface.py`): its other keys are accepted and ignored. Ours is the
optional `schema:` of a channel.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import combinations
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from cursus_sandbox.pipeline.values import ContainerPath, EnvironmentName, StepName, Text
from cursus_sandbox.tables.schema import TableSchema


class StepKind(StrEnum):
    """What SageMaker does with a step, as far as a sandbox can follow."""

    PROCESSING = "processing"
    TRAINING = "training"
    NOTHING_TO_RUN = "nothing to run"


def _python_file(name: str | None) -> str | None:
    if name is not None and (name.startswith("/") or ".." in PurePosixPath(name).parts):
        raise ValueError("an entry point is a file name relative to its source folder")
    return name


class _Tolerant(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class InputChannel(_Tolerant):
    """A folder (or, where the path names a file, a file) the step reads.

    `channels` are SageMaker training channels: the source's sub-folders `train`, `val`, … appear below `path`.
    """

    path: ContainerPath | None = None
    required: bool = True
    channels: tuple[Text, ...] = ()
    table_schema: TableSchema | None = Field(default=None, alias="schema")
    compatible_sources: tuple[str, ...] = ()


class OutputChannel(_Tolerant):
    """A folder the step leaves behind; `aliases` are the input names it answers to. Not `required`: may stay empty."""

    path: ContainerPath | None = None
    required: bool = True
    table_schema: TableSchema | None = Field(default=None, alias="schema")
    aliases: tuple[str, ...] = ()


class JobArgument(_Tolerant):
    """A command-line flag whose value comes from the step's configuration; left out while it has none."""

    flag: Annotated[Text, Field(pattern=r"^--?[A-Za-z0-9]")]
    source: Text


class ScriptContract(_Tolerant):
    """One step type: its script, its channels, its environment and its arguments."""

    step_type: StepName
    sagemaker_step_type: str = "Processing"
    entry_point: Annotated[Text | None, AfterValidator(_python_file)] = None
    source_dir: bool = False
    inputs: dict[str, InputChannel] = Field(default_factory=dict)
    outputs: dict[str, OutputChannel] = Field(default_factory=dict)
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
        """Outputs may not share a folder, nor lie in one another: it could not be told whose a file is."""
        outputs = [(name, port.path) for name, port in self.outputs.items() if port.path]
        for (name, path), (other, other_path) in combinations(outputs, 2):
            if path == other_path:
                raise ValueError(f"outputs '{name}' and '{other}' share the path {path}")
            if path in other_path.parents or other_path in path.parents:
                raise ValueError(f"outputs '{name}' ({path}) and '{other}' ({other_path}) overlap")
        inputs = [(name, port.path) for name, port in self.inputs.items() if port.path]
        for (name, path), (other, other_path) in combinations(inputs, 2):
            if path == other_path:
                raise ValueError(f"inputs '{name}' and '{other}' share the path {path}")
        for name, path in inputs:
            for other, other_path in outputs:
                if path == other_path:
                    raise ValueError(f"input '{name}' and output '{other}' share the path {path}")
        return self


def contract_fields(tree: dict[str, Any]) -> dict[str, Any]:
    """A `*.step.yaml` tree as the fields of a ScriptContract: its sections laid over one another, not judged yet."""
    contract = _section(tree, "contract")
    spec = _section(tree, "spec")
    env = _section(contract, "env_vars")
    inputs = {
        name: {**port, "compatible_sources": _of(spec, "dependencies", name, "compatible_sources")}
        if isinstance(port, dict)
        else port
        for name, port in _section(contract, "inputs").items()
    }
    outputs = {
        name: {**port, "aliases": _of(spec, "outputs", name, "aliases")} if isinstance(port, dict) else port
        for name, port in _section(contract, "outputs").items()
    }
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


def _of(spec: dict[str, Any], section: str, name: str, key: str) -> Any:
    return _section(_section(spec, section), name).get(key) or ()

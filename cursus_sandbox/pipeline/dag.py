"""The pipeline as it is written: a graph of named steps and what the document adds to each of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from cursus_sandbox.pipeline.retries import Retried
from cursus_sandbox.pipeline.secrets import SecretWritten
from cursus_sandbox.pipeline.source import Folder, InputSource, S3Settings
from cursus_sandbox.pipeline.transform import TransformSettings
from cursus_sandbox.pipeline.values import (
    Duration,
    EntryPoint,
    EnvironmentName,
    HostPath,
    Size,
    StepName,
    Text,
    User,
    text,
)
from cursus_sandbox.tables.schema import TableSchema


class _Ours(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class PipelineDAG(_Ours):
    """Steps and the order between them, as in a Cursus `*.dag.json`. The order of `nodes` means nothing."""

    nodes: tuple[StepName, ...] = ()
    edges: tuple[tuple[StepName, StepName], ...] = ()


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _hyperparameter(value: Any) -> Any:
    """Anything JSON has; text is what a step can be told."""
    return text(value) if isinstance(value, str) else value


def _mapping_or_list(value: Any) -> str:
    return "tuple[text]" if isinstance(value, list | tuple) else "dict[text]"


# Which of the two is meant is told by what is there, so that an error speaks of that one alone.
Arguments = Annotated[
    Annotated[dict[Text, Text], Tag("dict[text]")] | Annotated[tuple[Text, ...], Tag("tuple[text]")],
    Discriminator(_mapping_or_list),
]


_Listed = WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}})


class Start(StrEnum):
    """Who starts a step's script: the sandbox, as the platform's script mode would; or the image, which has its own.

    With `image`, a Processing job runs the image's entry point and command, and a Training job `IMAGE train`.
    """

    SCRIPT = "script"
    IMAGE = "image"


class Encoding(StrEnum):
    """How a hyperparameter becomes text: `str` of it, as the SDK's Estimator has it, or JSON, as its framework ones."""

    PLAIN = "plain"
    JSON = "json"


class Distribution(StrEnum):
    """What each of several hosts gets of an input: S3DataDistributionType's words."""

    REPLICATED = "FullyReplicated"
    SHARDED = "ShardedByS3Key"


class UploadMode(StrEnum):
    """When an output is uploaded: S3UploadMode's words."""

    END_OF_JOB = "EndOfJob"
    CONTINUOUS = "Continuous"


def network(value: Any) -> Any:
    """Whether there is one: `none` and `bridge` are Docker's words for no and yes."""
    return {"none": False, "bridge": True}.get(value, value) if isinstance(value, str) else value


Runtime = Annotated[Text, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]  # its name, as the daemon knows it
Network = Annotated[bool, BeforeValidator(network), WithJsonSchema({"enum": [True, False, "none", "bridge"]})]


class Resources(_Ours):
    """What a step may use: `memory` and `shm_size` in bytes; `files` is how many it may leave."""

    cpus: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    memory: Size | None = None
    gpus: Annotated[int | None, Field(ge=0)] = None
    shm_size: Size | None = None
    files: Annotated[int | None, Field(ge=1)] = None


class StepConfiguration(_Ours):
    """What the document says of one step. Everything is optional: the contract and the defaults say the rest."""

    contract: Text | None = None
    job_type: Text | None = None
    depends_on: Annotated[tuple[StepName, ...], BeforeValidator(_names), _Listed] = ()
    inputs: dict[Text, InputSource] = Field(default_factory=dict)
    outputs: dict[Text, Folder] = Field(default_factory=dict)
    schemas: dict[Text, TableSchema] = Field(default_factory=dict)
    env: dict[EnvironmentName, Text] = Field(default_factory=dict)
    secrets: dict[EnvironmentName, SecretWritten] = Field(default_factory=dict)
    arguments: Arguments = ()
    image: Text | None = None
    source_dir: HostPath | None = None
    entry_point: EntryPoint | None = None
    start: Start | None = None
    hyperparameters: dict[Text, Annotated[Any, BeforeValidator(_hyperparameter)]] = Field(default_factory=dict)
    hyperparameter_encoding: Encoding | None = None
    timeout: Duration | None = None
    grace: Duration | None = None
    retries: Retried = 0
    instance_type: Text | None = None
    instance_count: Annotated[int | None, Field(ge=1, le=100)] = None
    distribution: dict[Text, Distribution] = Field(default_factory=dict)
    upload_mode: dict[Text, UploadMode] = Field(default_factory=dict)
    resources: Resources = Resources()
    log_limit: Size | None = None
    network: Network | None = None
    read_only_root: bool | None = None
    runtime: Runtime | None = None
    pip_shim: bool | None = None
    user: User | None = None
    skip: bool = False
    cache: bool = True
    transform: TransformSettings | None = None


class PipelineDefaults(_Ours):
    """What holds for every step that doesn't say otherwise."""

    image: Text | None = None
    env: dict[EnvironmentName, Text] = Field(default_factory=dict)
    secrets: dict[EnvironmentName, SecretWritten] = Field(default_factory=dict)
    source_dir: HostPath | None = None
    timeout: Duration | None = None
    grace: Duration | None = None
    memory: Size | None = None
    instance_type: Text | None = None
    instance_types: dict[Text, Resources] = Field(default_factory=dict)
    log_limit: Size | None = None
    network: Network | None = None
    read_only_root: bool | None = None
    runtime: Runtime | None = None
    user: User | None = None
    pip_shim: bool | None = None
    s3: S3Settings = S3Settings()


class Pipeline(_Ours):
    """One document, whichever of its forms it was written in."""

    name: str
    dag: PipelineDAG
    steps: dict[str, StepConfiguration] = Field(default_factory=dict)
    defaults: PipelineDefaults = PipelineDefaults()
    form: Literal["ours", "cursus"] = "ours"

"""The pipeline as it is written: a graph of named steps and what the document adds to each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from cursus_sandbox.pipeline.retries import Retried
from cursus_sandbox.pipeline.secrets import SecretWritten
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
    host_path,
    text,
)
from cursus_sandbox.tables.schema import TableSchema

_REFERENCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*):([A-Za-z0-9_.-]+)")


class _Ours(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PipelineDAG(_Ours):
    """Steps and the order between them, as in a Cursus `*.dag.json`. The order of `nodes` means nothing."""

    nodes: tuple[StepName, ...] = ()
    edges: tuple[tuple[StepName, StepName], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """An input that comes from another step: `step:channel`."""

    step: str
    channel: str

    def __str__(self) -> str:
        return f"{self.step}:{self.channel}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """An input or output that is a file or folder of this machine.

    Of an input, the file may be a manifest: what is read is what it lists (S3DataType ManifestFile).
    """

    path: Path
    is_manifest: bool = False

    def __str__(self) -> str:
        return f"what {self.path} lists" if self.is_manifest else str(self.path)


class Synthetic(_Ours):
    """An input that is made up from the schema of its channel: the same data for the same seed.

    With `nasty` the first rows hold every edge a type has.
    """

    rows: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0
    nasty: bool = False

    def __str__(self) -> str:
        return f"synthetic, {self.rows:,} rows, seed {self.seed}{', nasty' if self.nasty else ''}"


Source = StepOutput | Located | Synthetic


def source(value: Any) -> Any:
    """`step:channel` is another step's output, anything else a path.

    `{synthetic: {rows: 1000}}` is made up, `{manifest: ./files.json}` what a file lists.

    A path with a colon is written `./a:b`.
    """
    if isinstance(value, StepOutput | Located | Synthetic):
        return value
    if isinstance(value, dict) and list(value) == ["synthetic"]:
        return Synthetic.model_validate(value["synthetic"] or {})
    if isinstance(value, dict) and list(value) == ["manifest"]:
        return Located(path=host_path(value["manifest"]), is_manifest=True)
    if isinstance(value, dict | list):
        raise ValueError(  # noqa: TRY004 -- pydantic's way to say it
            "an input is STEP:CHANNEL or a path, as text, or {synthetic: {rows: 1000}}, or {manifest: FILE}"
        )
    written = text(value)
    if "://" in written:
        raise ValueError(f"{written}: only files and folders of this machine can be bound")
    if found := _REFERENCE.fullmatch(written):
        return StepOutput(step=found[1], channel=found[2])
    return Located(path=host_path(written))


def located(value: Any) -> Any:
    """A path of this machine, where no step can be meant."""
    return value if isinstance(value, Located) else Located(path=host_path(value))


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
_Written = WithJsonSchema({"type": "string"})
_Synthetic = {
    "type": "object",
    "properties": {
        "synthetic": {
            "type": ["object", "null"],
            "properties": {
                "rows": {"type": "integer", "minimum": 0},
                "seed": {"type": "integer", "minimum": 0},
                "nasty": {"type": "boolean"},
            },
            "additionalProperties": False,
        }
    },
    "required": ["synthetic"],
    "additionalProperties": False,
}
_Manifest = {
    "type": "object",
    "properties": {"manifest": {"type": "string"}},
    "required": ["manifest"],
    "additionalProperties": False,
}
_InputWritten = WithJsonSchema({"anyOf": [{"type": "string"}, _Synthetic, _Manifest]})


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
    inputs: dict[Text, Annotated[Source, BeforeValidator(source), _InputWritten]] = Field(default_factory=dict)
    outputs: dict[Text, Annotated[Located, BeforeValidator(located), _Written]] = Field(default_factory=dict)
    schemas: dict[Text, TableSchema] = Field(default_factory=dict)
    env: dict[EnvironmentName, Text] = Field(default_factory=dict)
    secrets: dict[EnvironmentName, SecretWritten] = Field(default_factory=dict)
    arguments: Arguments = ()
    image: Text | None = None
    source_dir: HostPath | None = None
    entry_point: EntryPoint | None = None
    start: Start | None = None
    hyperparameters: dict[Text, Annotated[Any, BeforeValidator(_hyperparameter)]] = Field(default_factory=dict)
    hyperparameter_encoding: Encoding = Encoding.PLAIN
    timeout: Duration | None = None
    grace: Duration | None = None
    retries: Retried = 0
    instance_type: Text | None = None
    instance_count: Annotated[int | None, Field(ge=1, le=100)] = None
    distribution: dict[Text, Distribution] = Field(default_factory=dict)
    upload_mode: dict[Text, UploadMode] = Field(default_factory=dict)
    resources: Resources = Resources()
    network: Network | None = None
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
    network: Network | None = None
    user: User | None = None
    pip_shim: bool | None = None


class Pipeline(_Ours):
    """One document, whichever of its forms it was written in."""

    name: str
    dag: PipelineDAG
    steps: dict[str, StepConfiguration] = Field(default_factory=dict)
    defaults: PipelineDefaults = PipelineDefaults()
    form: Literal["ours", "cursus"] = "ours"

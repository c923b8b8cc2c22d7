"""A step's contract: what it reads, writes and is told, at which paths. How it is written is `pipeline.interface`'s."""

from __future__ import annotations

from enum import StrEnum
from itertools import combinations, product
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.interface import OLDER_NAMES, older_fields
from cursus_sandbox.pipeline.values import ChannelName, ContainerPath, EntryPoint, EnvironmentName, StepName, Text
from cursus_sandbox.tables.schema import TableSchema

TRAINING_DATA = PurePosixPath("/opt/ml/input/data")
_MODEL = PurePosixPath("/opt/ml/model")
RECORDS = PurePosixPath("/invocations")  # where a transform's are posted to
_SPLITS = ("train", "val", "test")

# Where the platform itself puts something, and where it puts the code.
_PLATFORM = (
    ("the step's messages", PurePosixPath("/opt/ml/output")),
    ("the job's settings", PurePosixPath("/opt/ml/config")),
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
    MODEL = "create model"
    TRANSFORM = "transform"
    NOTHING_TO_RUN = "nothing to run"


_SERVED = (StepKind.MODEL, StepKind.TRANSFORM)
KINDS = {  # by Cursus' `sagemaker_step_type`; most other verbs are calls to AWS
    "Processing": StepKind.PROCESSING,
    "Training": StepKind.TRAINING,
    "CreateModel": StepKind.MODEL,
    "Transform": StepKind.TRANSFORM,
}


class _Tolerant(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", populate_by_name=True)


class InputChannel(_Tolerant):
    """A folder (or, where the path names a file, a file) the step reads.

    `channels` are SageMaker training channels: the source's sub-folders `train`, `val`, … appear as those.
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
    """One step type: its script, its channels, its environment and its arguments.

    `variants` are what it is for certain job types, each a whole contract. `local_inputs` come from this machine, never
    from a step: each with the configuration's attribute that names it in Cursus. `unmounted_inputs` the script looks up
    by itself. What is `delegated` runs in an SDK of Cursus'; `sdk_class` is the class of SageMaker's SDK that makes the
    job. `file` is where the contract was found, and `field_lines` the line of each field of the schema of a channel
    (`("inputs", "data")`), `like_lines` of the `like` in one, `slips` what is likely misspelt in the file; a `generic`
    one stands for a contract that was not found.
    """

    step_type: StepName
    description: str = ""
    sagemaker_step_type: str = "Processing"
    delegated: bool = False
    config_class: Text | None = None
    sdk_class: Text | None = None
    entry_point: EntryPoint | None = None
    source_dir: bool = False
    inputs: dict[ChannelName, InputChannel] = Field(default_factory=dict)
    outputs: dict[ChannelName, OutputChannel] = Field(default_factory=dict)
    arguments: dict[str, Text] = Field(default_factory=dict)
    job_arguments: tuple[JobArgument, ...] = ()
    required_env_vars: tuple[EnvironmentName, ...] = ()
    optional_env_vars: dict[EnvironmentName, Text] = Field(default_factory=dict)
    local_inputs: dict[str, Text] = Field(default_factory=dict)
    unmounted_inputs: frozenset[str] = frozenset()
    variants: dict[str, ScriptContract] = Field(default_factory=dict)
    file: Path | None = None
    field_lines: dict[tuple[str, str], dict[str, int]] = Field(default_factory=dict, exclude=True)
    like_lines: dict[tuple[str, str], int] = Field(default_factory=dict, exclude=True)
    slips: tuple[Problem, ...] = Field(default=(), exclude=True)
    generic: bool = False

    @property
    def kind(self) -> StepKind:
        """Processing and Training jobs run a script, Transform a model's server."""
        if self.delegated:
            return StepKind.NOTHING_TO_RUN
        return KINDS.get(self.sagemaker_step_type, StepKind.NOTHING_TO_RUN)

    @field_validator("inputs", "outputs", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or {}

    @model_validator(mode="after")
    def _paths_of_models(self) -> Self:
        """A model lies at /opt/ml/model, wherever it is said to; a transform's records lie nowhere, they are posted."""
        if self.kind in _SERVED:
            for name, port in self.inputs.items():
                is_model = self.kind is StepKind.MODEL or name.lower().startswith("model") or port.path == _MODEL
                self.inputs[name] = port.model_copy(update={"path": _MODEL if is_model else RECORDS, "channels": ()})
            path = _MODEL if self.kind is StepKind.MODEL else RECORDS
            for name, output in self.outputs.items():
                self.outputs[name] = output.model_copy(update={"path": path})
        return self

    @model_validator(mode="after")
    def _paths_apart(self) -> Self:
        """It can always be told whose a file is: no two channels share a folder, and nothing else lies in an output.

        An input may lie inside another, or at the code's own path: it then brings the code.
        """
        if self.kind in _SERVED:
            return self
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

    @classmethod
    def from_script_contract(cls, contract: object, *, step_type: str | None = None) -> Self:
        """The contract of an object in Cursus' older shape: with `expected_input_paths`, `expected_output_paths`, ….

        `step_type` is, unless given, the object's own, else the one its entry point is named after. DocumentError with
        every problem.
        """
        shape = {name: getattr(contract, name) for name in OLDER_NAMES if hasattr(contract, name)}
        if "expected_input_paths" not in shape:
            what = f"{type(contract).__name__} is no contract: it has no expected_input_paths"
            raise DocumentError(
                [Problem(what, hint="A contract is a ScriptContract, or an object in its older shape.")]
            )
        fields = older_fields(shape, step_type or getattr(contract, "step_type", None))
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            name = fields.get("step_type", type(contract).__name__)
            problems = []
            for one in error.errors(include_url=False):
                place, what = ".".join(map(str, one["loc"])) or "channels", one["msg"].removeprefix("Value error, ")
                problems.append(Problem(f"contract '{name}', {place}: {what}"))
            raise DocumentError(problems) from None

    def for_job_type(self, job_type: str | None) -> ScriptContract:
        """What it is for this job type: the variant of that name, else the contract itself, as in Cursus."""
        return self.variants.get(job_type, self) if job_type else self

    def fan_out(self, channel: str) -> tuple[str, ...]:
        """The training channels that an input becomes of which each brings one folder of its source.

        Cursus fans out what names its channels, wherever its path lies, and `input_path` into train, val and test even
        where the contract names none (cursus/core/base/builder_templates.py: TrainingHandler).
        """
        if self.kind is not StepKind.TRAINING:
            return ()
        return self.inputs[channel].channels or (_SPLITS if channel == "input_path" else ())

    def paths_of(self, channel: str) -> tuple[PurePosixPath, ...]:
        """Where an input shows: one path, or one for each of the folders it fans out to.

        A training job's inputs are channels, and channels lie at /opt/ml/input/data/<channel>, whatever the contract
        says. Cursus takes a channel's name from a path below that folder, else it is the input's own
        (`TrainingHandler.channels_for`).
        """
        path = self.inputs[channel].path
        if path is None or self.kind is not StepKind.TRAINING:
            return () if path is None else (path,)
        inside = path != TRAINING_DATA and path.is_relative_to(TRAINING_DATA)
        names = self.fan_out(channel) or (path.relative_to(TRAINING_DATA).parts[0] if inside else channel,)
        return tuple(TRAINING_DATA / name for name in names)

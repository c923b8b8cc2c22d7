"""What the caller says over a document: the defaults of its steps, and what its root inputs are bound to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.dag import Pipeline, StepConfiguration
from cursus_sandbox.pipeline.secrets import SecretWritten
from cursus_sandbox.pipeline.source import S3Settings, given
from cursus_sandbox.pipeline.values import Duration, EnvironmentName, HostPath, Size, User

Value = TypeVar("Value")
AnyPath = str | os.PathLike[str]


class Overrides(BaseModel):
    """What counts before the document's defaults; what a step says for itself stays.

    `inputs` bind root inputs: `{"step:channel": file, folder, pattern or s3://bucket/prefix}`; `s3` says how S3 is
    reached. A size may be written as `2g`, a time as `10m`, as in a document.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str | None = None
    source_dir: HostPath | None = None
    timeout: Duration | None = None
    grace: Duration | None = None
    network: bool | None = None
    read_only_root: bool | None = None
    runtime: str | None = None
    pip_shim: bool | None = None
    user: User | None = None
    memory: Size | None = None
    log_limit: Size | None = None
    secrets: dict[EnvironmentName, SecretWritten] = Field(default_factory=dict)
    inputs: dict[str, Any] = Field(default_factory=dict)
    s3: S3Settings = S3Settings()

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Those among options of `run`, `plan` or `check`; DocumentError with each that can't be, never quoting it."""
        said = {name: value for name, value in options.items() if name in cls.model_fields and value is not None}
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            problems = [Problem(f"{_named(one['loc'])}: {_without_words(one['msg'])}") for one in found]
            raise DocumentError(problems) from None


def option(name: str, read: Callable[[Any], Value], given: Any) -> Value | None:
    """The value of an option of Python's as it is read, None if it isn't given; DocumentError with its name."""
    try:
        return None if given is None else read(given)
    except ValueError as error:
        raise DocumentError([Problem(f"{name}: {error}")]) from None


def refuse_empty(options: Mapping[str, Any]) -> None:
    """DocumentError with each option that is an empty text: a path would be the current folder, an image none."""
    empty = [name for name, value in options.items() if isinstance(value, str) and not value]
    if empty:
        raise DocumentError([Problem(f"{name}: it is empty", hint="Is a variable not set?") for name in empty])


def overridden(pipeline: Pipeline, overrides: Overrides) -> tuple[Pipeline, list[Problem]]:
    """The pipeline as the caller will have it, and what of that can't be."""
    defaults = pipeline.defaults
    said = overrides.model_dump(exclude={"secrets", "inputs", "s3"}, exclude_none=True)
    merged = {"s3": overrides.s3.over(defaults.s3), "secrets": {**defaults.secrets, **overrides.secrets}}
    steps = dict(pipeline.steps)
    problems = []
    for target, path in overrides.inputs.items():
        name, colon, channel = target.partition(":")
        if colon and channel and name in pipeline.dag.nodes:
            step = steps.get(name, StepConfiguration())
            try:
                steps[name] = step.model_copy(update={"inputs": {**step.inputs, channel: given(path)}})
            except ValueError as error:
                problems.append(Problem(f"the input {target}={path}: {_reason(error)}"))
            continue
        what = (
            f"the input '{target}' names no step of the pipeline" if colon else f"the input '{target}' has no channel"
        )
        hint = (did_you_mean(name, pipeline.dag.nodes) if colon and channel else "") or "Write it as STEP:CHANNEL=PATH."
        problems.append(Problem(what, hint=hint))
    update = {"defaults": defaults.model_copy(update={**said, **merged}), "steps": steps}
    return pipeline.model_copy(update=update), problems


def _reason(error: ValueError) -> str:
    """What is wrong, without pydantic's words around it."""
    if isinstance(error, ValidationError):
        return "; ".join(_without_words(one["msg"]) for one in error.errors())
    return str(error)


def _named(place: tuple[str | int, ...]) -> str:
    """An option, and what in it, without pydantic's word for a key."""
    return ".".join(str(part) for part in place if part != "[key]")


def _without_words(message: str) -> str:
    return message.removeprefix("Value error, ")

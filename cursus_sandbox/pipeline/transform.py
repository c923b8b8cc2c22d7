"""What a Transform step is told about its records: CreateTransformJob's names and limits, in snake case."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cursus_sandbox.pipeline.values import Text

_MOST_MB = 100  # MaxPayloadInMB, and MaxConcurrentTransforms x MaxPayloadInMB
_NOT_DONE = ("RecordIO", "TFRecord")


class SplitType(StrEnum):
    """How an object is split into records."""

    NONE = "None"
    LINE = "Line"


class BatchStrategy(StrEnum):
    """Whether a request holds one record, or as many as fit."""

    SINGLE_RECORD = "SingleRecord"
    MULTI_RECORD = "MultiRecord"

    @property
    def variable(self) -> str:
        """As the container is told."""
        return self.name


class CompressionType(StrEnum):
    """How the input is compressed; the container gets it plain."""

    NONE = "None"
    GZIP = "Gzip"


class AssembleWith(StrEnum):
    """What comes between the answers to an object's records."""

    NONE = "None"
    LINE = "Line"


class TransformSettings(BaseModel):
    """How records reach the model and come back; what isn't said, the container may say, else the platform's default.

    The last two are a client's: ModelClientConfig.InvocationsTimeoutInSeconds, and of an endpoint's
    ProductionVariant.ContainerStartupHealthCheckTimeoutInSeconds.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    content_type: Text | None = None
    accept: Text | None = None
    split_type: SplitType = SplitType.NONE
    compression_type: CompressionType = CompressionType.NONE
    batch_strategy: BatchStrategy | None = None
    max_payload_in_mb: Annotated[int | None, Field(ge=0, le=_MOST_MB)] = None
    max_concurrent_transforms: Annotated[int | None, Field(ge=0)] = None
    assemble_with: AssembleWith = AssembleWith.NONE
    invocations_timeout_in_seconds: Annotated[int, Field(ge=1, le=3600)] = 600
    container_startup_health_check_timeout_in_seconds: Annotated[int, Field(ge=1, le=3600)] = 240

    @field_validator("split_type", "compression_type", "assemble_with", mode="before")
    @classmethod
    def _nothing_is_none(cls, value: Any) -> Any:
        """In YAML `None` is text and `null` is nothing; both mean that it isn't split, compressed, assembled."""
        if value in _NOT_DONE:
            raise ValueError(f"{value} records are not read here; the split types are None and Line")
        return "None" if value is None else value

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.batch_strategy is BatchStrategy.MULTI_RECORD and self.split_type is SplitType.NONE:
            raise ValueError("batch_strategy MultiRecord needs records: give it  split_type: Line")
        at_once = (self.max_concurrent_transforms or 1) * (self.max_payload_in_mb or 0)
        if at_once > _MOST_MB:
            product = "max_concurrent_transforms x max_payload_in_mb"
            raise ValueError(f"{product} is {at_once}; CreateTransformJob takes at most {_MOST_MB}")
        return self

    def environment(self) -> dict[str, str]:
        """What the container is told of it: what was set, and nothing else."""
        told = {
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": _text(self.max_payload_in_mb),
            "SAGEMAKER_BATCH_STRATEGY": self.batch_strategy and self.batch_strategy.variable,
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": _text(self.max_concurrent_transforms),
        }
        return {name: value for name, value in told.items() if value is not None}

    def said(self) -> str:
        """What was set, in words."""
        return ", ".join(f"{name}={value}" for name, value in self.model_dump(mode="json", exclude_unset=True).items())


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)

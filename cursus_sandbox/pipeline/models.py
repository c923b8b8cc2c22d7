"""How a Transform step comes by its model: the image and the environment are the model's, unless it has its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import StepConfiguration
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep, Setting
from cursus_sandbox.pipeline.source import StepOutput

MODEL = PurePosixPath("/opt/ml/model")


def model_of(step: PlannedStep) -> PlannedInput | None:
    """The input that brings a Transform step its model."""
    return next((one for one in step.inputs if one.path == MODEL), None)


def records_of(step: PlannedStep) -> PlannedInput | None:
    """The input whose records are sent to the model."""
    return next((one for one in step.inputs if one.path != MODEL), None)


def with_model(
    step: PlannedStep, planned: Mapping[str, PlannedStep], written: StepConfiguration | None = None
) -> PlannedStep:
    """A Transform step that reads what a CreateModel step made, with that model's image and environment.

    A model with a script of its own is told of it as SageMaker's frameworks are (SAGEMAKER_PROGRAM, …).
    """
    if step.kind is StepKind.MODEL and step.entry_point and step.source_dir:
        told = {
            "SAGEMAKER_PROGRAM": step.entry_point,
            "SAGEMAKER_SUBMIT_DIRECTORY": str(MODEL / "code"),
            "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
            "SAGEMAKER_REGION": "us-east-1",
        }
        settings = {name: Setting(value=value, origin="platform") for name, value in told.items()}
        return replace(step, environment=dict(sorted((settings | step.environment).items())))
    brought = model_of(step) if step.kind is StepKind.TRANSFORM else None
    if brought is None or not isinstance(brought.source, StepOutput):
        return step
    model = planned.get(brought.source.step)
    if model is None or model.kind is not StepKind.MODEL:
        return step
    return replace(
        step,
        image=(written.image if written else None) or model.image,
        environment=dict(sorted((model.environment | step.environment).items())),
    )

"""What AWS would refuse or lose of a planned step, read off the plan: each with the API's field and its limit.

Source: the service model of SageMaker (2017-07-24) that botocore ships: CreateProcessingJob, CreateTrainingJob,
CreateModel, CreateTransformJob.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Start
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.layout import CHECKPOINTS, MODEL, OUTPUT_DATA, command_of

_PROCESSING = PurePosixPath("/opt/ml/processing")
_CHANNELS = PurePosixPath("/opt/ml/input/data")
_PORTS = 10  # ProcessingInputs, ProcessingOutputConfig.Outputs
_CHANNEL_COUNT = 20  # InputDataConfig
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9.\-_]{1,64}")
_WORDS, _WORD = 100, 256  # ContainerEntrypoint, ContainerArguments
_PATH = 256
_VARIABLE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_VARIABLES = {  # of Environment: how many, a name's length, a value's
    StepKind.PROCESSING: (100, 256, 256),
    StepKind.TRAINING: (100, 512, 512),
    StepKind.MODEL: (100, 1024, 1024),
    StepKind.TRANSFORM: (16, 1024, 10_240),
}
_ALL_OF_A_MODEL_S = 32 * 1024  # bytes, names and values
_HYPERPARAMETERS, _HYPERPARAMETER_NAME, _HYPERPARAMETER = 100, 256, 2500
_IMAGE = 255
_NAME = 63  # of jobs; of steps in SageMaker Pipelines 64
_SECONDS = {StepKind.PROCESSING: 777_600, StepKind.TRAINING: 2_419_200}
_SHOWN = 30


def refusals(step: PlannedStep) -> Iterator[str]:
    """A sentence for each thing AWS would refuse or lose; nothing of a step that isn't run."""
    if not step.runs or step.kind not in _VARIABLES:
        return
    if len(step.name) > _NAME:
        yield f"its name has {len(step.name)} characters; a job's name has at most {_NAME}"
    if step.image and len(step.image) > _IMAGE:
        yield f"image: its name has {len(step.image)} characters; ImageUri takes {_IMAGE}"
    yield from _environment(step)
    if step.kind in _SECONDS:
        yield from _job(step)


def _job(step: PlannedStep) -> Iterator[str]:
    most = _SECONDS[step.kind]
    if step.timeout and step.timeout > most:
        yield f"timeout: {step.timeout:g} s; StoppingCondition.MaxRuntimeInSeconds takes at most {most}"
    yield from _command(step)
    yield from _training(step) if step.kind is StepKind.TRAINING else _processing(step)


def underscored(steps: Iterable[PlannedStep]) -> str | None:
    """What to say of names that serve in SageMaker Pipelines, and not as the name of a job."""
    names = [step.name for step in steps if step.runs and "_" in step.name]
    if not names:
        return None
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return (
        f"'{names[0]}'{more}: SageMaker Pipelines takes underscores in a step's name, ProcessingJobName and "
        "TrainingJobName don't"
    )


def _environment(step: PlannedStep) -> Iterator[str]:
    variables, name_length, length = _VARIABLES[step.kind]
    if len(step.environment) > variables:
        yield f"env: {len(step.environment)} variables; Environment takes {variables}"
    for name, setting in step.environment.items():
        if not _VARIABLE_NAME.fullmatch(name) or len(name) > name_length:
            yield (
                f"env: {_short(name)} can't be a variable's name; Environment takes [a-zA-Z_][a-zA-Z0-9_]*, up to "
                f"{name_length}"
            )
        if len(setting.value) > length:
            yield f"env: {name} has {len(setting.value):,} characters; a value of Environment has at most {length:,}"
    whole = sum(len(f"{name}{setting.value}".encode()) for name, setting in step.environment.items())
    if step.kind is StepKind.MODEL and whole > _ALL_OF_A_MODEL_S:
        yield f"env: {whole:,} bytes in all; names and values of a model's Environment have at most 32 KB"


def _processing(step: PlannedStep) -> Iterator[str]:
    inputs = [path for one in step.inputs for path, _ in one.mounts()]
    outputs = [one.path for one in step.outputs if one.path is not None]
    code = int(step.entry_point is not None)
    if len(inputs) + code > _PORTS:
        brought = " with its code's" if code else ""
        yield f"inputs: {len(inputs) + code}{brought}; ProcessingInputs takes {_PORTS}"
    if len(outputs) > _PORTS:
        yield f"outputs: {len(outputs)}; ProcessingOutputConfig.Outputs takes {_PORTS}"
    for what, field, paths in (("input", "S3Input", inputs), ("output", "S3Output", outputs)):
        for path in paths:
            if not path.is_relative_to(_PROCESSING) or path == _PROCESSING:
                yield f"{what} at {path}: {field}.LocalPath begins with {_PROCESSING}/"
            elif len(str(path)) > _PATH:
                yield f"{what} at {_short(str(path))}: {field}.LocalPath has at most {_PATH} characters"


def _command(step: PlannedStep) -> Iterator[str]:
    if step.kind is StepKind.TRAINING and step.start is Start.SCRIPT:
        if step.arguments:  # what it is called with besides are hyperparameters, and the toolkit's doing
            yield (
                f"arguments: {_short(' '.join(step.arguments))} are not passed to a training script, "
                "HyperParameters are; AlgorithmSpecification.ContainerArguments would take the place of `train`"
            )
        return
    entrypoint, arguments, _ = command_of(step)
    for field, words in (("ContainerEntrypoint", entrypoint), ("ContainerArguments", arguments)):
        if len(words) > _WORDS:
            yield f"arguments: {len(words)} of them; AppSpecification.{field} takes {_WORDS}"
        for word in words:
            if len(word) > _WORD:
                yield f"arguments: {_short(word)} has {len(word):,} characters; one of {field} has at most {_WORD}"


def _training(step: PlannedStep) -> Iterator[str]:
    channels = [path for one in step.inputs for path, _ in one.mounts()]
    if len(channels) > _CHANNEL_COUNT:
        yield f"inputs: {len(channels)} channels; InputDataConfig takes {_CHANNEL_COUNT}"
    for path in channels:
        if path.parent == _CHANNELS and not _CHANNEL_NAME.fullmatch(path.name):
            yield f"input at {path}: ChannelName takes letters, digits, '.', '-' and '_', up to 64"
    yield from _hyperparameters(step.hyperparameters)
    for output in step.outputs:
        if output.path and not any(output.path.is_relative_to(kept) for kept in (MODEL, OUTPUT_DATA, CHECKPOINTS)):
            yield (
                f"output '{output.channel}' at {output.path}: a training job keeps what lies in {MODEL}, {OUTPUT_DATA} "
                f"and {CHECKPOINTS}, nothing else"
            )


def _hyperparameters(given: Mapping[str, str]) -> Iterator[str]:
    if len(given) > _HYPERPARAMETERS:
        yield f"hyperparameters: {len(given)} of them; HyperParameters takes {_HYPERPARAMETERS}"
    for name, value in given.items():
        if len(name) > _HYPERPARAMETER_NAME:
            yield f"hyperparameters: the name {_short(name)}; a key of HyperParameters has at most 256 characters"
        if len(value) > _HYPERPARAMETER:
            yield f"hyperparameters: {name} has {len(value):,} characters; a value has at most {_HYPERPARAMETER:,}"


def _short(text: str) -> str:
    return f"'{text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}'"

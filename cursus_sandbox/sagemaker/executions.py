"""What AWS says of an execution's jobs, saved as JSON: where each has read from and written to.

ListPipelineExecutionSteps names the job of each step; DescribeProcessingJob, DescribeTrainingJob and
DescribeTransformJob have the URIs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_JOBS = ("ProcessingJob", "TrainingJob", "TransformJob")
_WELL = {"Completed", "Succeeded", None}


def is_description(response: Mapping[str, Any]) -> bool:
    """Whether it is one of the answers that are read here."""
    return "PipelineExecutionSteps" in response or any(f"{job}Name" in response for job in _JOBS)


def uris_of(responses: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Where each `step:channel` and `step:/opt/ml/…` is; a name goes with each answer, the step's where nobody says it.

    A transform job's records lie nowhere: `step:TransformInput` and `step:TransformOutput` are theirs.
    Outputs of jobs that did not end well are left out. ValueError where steps are listed and no job is described.
    """
    answers = list(responses)
    steps: dict[str, str] = {}
    for _, answer in answers:
        for step in answer.get("PipelineExecutionSteps") or ():
            for made in (step.get("Metadata") or {}).values():
                if isinstance(made, Mapping) and "Arn" in made:
                    steps[str(made["Arn"])] = str(step["StepName"])
    found: dict[str, str] = {}
    described = [(name, answer) for name, answer in answers if "PipelineExecutionSteps" not in answer]
    for name, answer in described:
        arn = next((str(answer[f"{job}Arn"]) for job in _JOBS if f"{job}Arn" in answer), "")
        step = steps.get(arn, name)
        found |= {f"{step}:{place}": uri for place, uri in _uris(answer) if isinstance(uri, str)}
    if steps and not described:
        job = next(iter(steps)).rpartition("/")[2]
        raise ValueError(
            f"it lists steps, and says of no job where it wrote: save what describe-…-job says of {job}, too"
        )
    return found


def _uris(answer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "ProcessingJobName" in answer:
        yield from _of_processing(answer)
    elif "TrainingJobName" in answer:
        yield from _of_training(answer)
    else:
        if answer.get("TransformJobStatus") in _WELL:
            yield "TransformOutput", _at(answer, "TransformOutput", "S3OutputPath")
        yield "TransformInput", _at(answer, "TransformInput", "DataSource", "S3DataSource", "S3Uri")


def _of_processing(answer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for one in answer.get("ProcessingInputs") or ():
        yield str(_at(one, "S3Input", "LocalPath")), _at(one, "S3Input", "S3Uri")
    if answer.get("ProcessingJobStatus") in _WELL:
        for one in _at(answer, "ProcessingOutputConfig", "Outputs") or ():
            yield str(one.get("OutputName")), _at(one, "S3Output", "S3Uri")
            yield str(_at(one, "S3Output", "LocalPath")), _at(one, "S3Output", "S3Uri")


def _of_training(answer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A training job writes model.tar.gz and, beside it, output.tar.gz (OutputDataConfig.S3OutputPath)."""
    for one in answer.get("InputDataConfig") or ():
        yield f"/opt/ml/input/data/{one.get('ChannelName')}", _at(one, "DataSource", "S3DataSource", "S3Uri")
    if answer.get("TrainingJobStatus") in _WELL:
        yield "/opt/ml/model", _at(answer, "ModelArtifacts", "S3ModelArtifacts")
        if prefix := _at(answer, "OutputDataConfig", "S3OutputPath"):
            folder = f"{str(prefix).rstrip('/')}/{answer['TrainingJobName']}/output"
            yield "/opt/ml/output/data", f"{folder}/output.tar.gz"


def _at(answer: Any, *keys: str) -> Any:
    for key in keys:
        answer = answer.get(key) if isinstance(answer, Mapping) else None
    return answer

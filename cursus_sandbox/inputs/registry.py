"""S3OutputPathRegistry: where an earlier execution has left what, so that one of its steps can run again on that."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field

from cursus_sandbox.errors import DocumentError, Problem, did_you_mean, nearest_path
from cursus_sandbox.pipeline.contract import RECORDS
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedInput, PlannedStep
from cursus_sandbox.pipeline.result import PipelineExecutionResult
from cursus_sandbox.pipeline.selection import Selection
from cursus_sandbox.pipeline.source import S3Objects, S3Settings, StepOutput, given
from cursus_sandbox.sagemaker.executions import is_description, uris_of

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]")
_LARGEST = 64 * 1024 * 1024  # bytes
_FORM = '{"step:channel": "s3://bucket/prefix"}'


class S3OutputPathRegistry(BaseModel):
    """Where each output of an execution is: `{"step:channel": URI}`, of S3 or of this machine.

    Instead of a channel a path of the container may stand, of an output or of an input: `step:/opt/ml/model`. Names of
    steps are compared by letters and digits alone: `Preprocess-Training` is `preprocess_training`.
    """

    paths: dict[str, str] = Field(default_factory=dict)

    def register_step_output(self, step_name: str, logical_name: str, s3_uri: str) -> None:
        """Write down where an output is."""
        self.paths[f"{step_name}:{logical_name}"] = s3_uri

    def get_step_output_path(self, step_name: str, logical_name: str) -> str | None:
        """Where an output is, if that is known."""
        wanted = _folded(step_name), logical_name
        exact = self.paths.get(f"{step_name}:{logical_name}")
        return exact or next((uri for key, uri in self.paths.items() if _key(key) == wanted), None)

    @classmethod
    def of_run(cls, result: PipelineExecutionResult) -> Self:
        """What a run of this machine has left."""
        outputs = {
            f"{step.step}:{channel}": path.absolute().as_uri()
            for step in result.steps
            for channel, path in step.outputs.items()
            if path.exists()
        }
        return cls(paths=outputs)

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> Self:
        """A registry of a file, or of what AWS said of an execution: a file of it, or a folder of such files.

        DocumentError where it is neither.
        """
        path = Path(file)
        try:
            files = sorted(path.glob("*.json")) if path.is_dir() else [path]
            answers = [answer for one in files for answer in _answers(one)]
        except OSError as error:
            what = f"the registry {path} can't be read: {error.strerror}"
            raise DocumentError([Problem(what, hint=nearest_path(path, whole=True))]) from error
        if not answers:
            raise DocumentError([Problem(f"the registry {path} holds no *.json")])
        if len(answers) == 1 and not is_description(answers[0][1]):
            return cls(paths=_written(path, answers[0][1]))
        if odd := next((name for name, answer in answers if not is_description(answer)), None):
            hint = "It holds what list-pipeline-execution-steps and describe-processing-job or -training-job said."
            raise DocumentError([Problem(f"{path}: '{odd}' is no description of a job that AWS gives", hint=hint)])
        try:
            paths = uris_of(answers)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DocumentError([Problem(f"the registry {path} is of no use: {error}")]) from error
        if problems := [*_unreadable(path, paths)]:
            raise DocumentError(problems)
        return cls(paths=paths)

    def rebound(
        self, plan: PipelineExecutionPlan, selection: Selection, s3: S3Settings | None = None
    ) -> PipelineExecutionPlan:
        """The plan with what the selected steps read of others taken from here; where all run, all that they read.

        DocumentError for an output of a step that isn't selected, and isn't here.
        """
        chosen = selection.steps(plan)
        everything = len(chosen) == len(plan.steps)
        problems: list[Problem] = []
        steps = []
        for step in plan.steps:
            inputs = []
            for one in step.inputs if step.name in chosen else ():
                source = one.source
                if isinstance(source, StepOutput) and (everything or source.step not in chosen):
                    uri = self._uri(step, one, plan.step_configs[source.step], source)
                    if uri is not None:
                        found = given(uri)
                        found = found.over(s3) if s3 is not None and isinstance(found, S3Objects) else found
                        inputs.append(
                            replace(one, source=found, reason=f"what '{source}' was in the registered execution")
                        )
                        continue
                    if not everything and one.required:
                        what = f"step '{step.name}' reads '{source}', and the registry doesn't know where that is"
                        problems.append(Problem(what, hint=did_you_mean(str(source), self.paths)))
                inputs.append(one)
            steps.append(replace(step, inputs=tuple(inputs)) if step.name in chosen else step)
        if problems:
            raise DocumentError(problems)
        return replace(plan, steps=tuple(steps))

    def _uri(self, step: PlannedStep, one: PlannedInput, producer: PlannedStep, source: StepOutput) -> str | None:
        """What the step itself has read, if that is known; else what its producer has written."""
        read = "TransformInput" if one.path == RECORDS else str(one.path)
        own = None if one.parts else self.get_step_output_path(step.name, read)
        output = next((output.path for output in producer.outputs if output.channel == source.channel), None)
        written = "TransformOutput" if output == RECORDS else str(output or "")
        names = (source.channel, written)
        return own or next((uri for name in names if (uri := self.get_step_output_path(producer.name, name))), None)


def _answers(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a file, each with the file's name."""
    if file.stat().st_size > _LARGEST:
        raise DocumentError([Problem(f"the registry {file} is larger than 64 MB")])
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DocumentError([Problem(f"the registry {file} is no JSON: {error}")]) from error
    for one in content if isinstance(content, list) else [content]:
        if not isinstance(one, dict):
            raise DocumentError([Problem(f"the registry {file} is not of the form {_FORM}")])
        yield file.stem, one


def _written(file: Path, content: Mapping[str, Any]) -> dict[str, str]:
    """Our own form, or Cursus' `step_outputs`; every URI of it is one that can be read."""
    if isinstance(nested := content.get("step_outputs"), dict):
        content = {
            f"{step}:{channel}": info.get("s3_uri") if isinstance(info, dict) else info
            for step, outputs in nested.items()
            if isinstance(outputs, dict)
            for channel, info in outputs.items()
        }
    problems = []
    for key, uri in content.items():
        step, colon, channel = key.partition(":")
        if not (step and colon and channel and isinstance(uri, str)):
            problems.append(Problem(f"the registry {file}: '{key}' is not of the form {_FORM}"))
        else:
            problems += _unreadable(file, {key: uri})
    if problems or not content:
        raise DocumentError(problems or [Problem(f"the registry {file} is empty", hint=f"It is of the form {_FORM}.")])
    return dict(content)


def _unreadable(file: Path, paths: Mapping[str, str]) -> Iterator[Problem]:
    """The URIs that nothing can be read from."""
    for key, uri in paths.items():
        try:
            given(uri)
        except ValueError as error:
            yield Problem(f"the registry {file}: '{key}': {error}")


def _key(key: str) -> tuple[str, str]:
    step, _, channel = key.partition(":")
    return _folded(step), channel


def _folded(name: str) -> str:
    return _NOT_IN_NAMES.sub("", name.lower())

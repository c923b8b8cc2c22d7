"""One step, run: its inputs checked, its container run, its outputs checked and published."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from cursus_sandbox.engines.engine import Engine, Exit, Why
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.sagemaker.artifacts import archive
from cursus_sandbox.sagemaker.hosts import INSTANCE_TYPE, hosts
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.layout import StepFolders, sagemaker_job
from cursus_sandbox.sagemaker.script_main import main_job
from cursus_sandbox.sagemaker.staging import exit_message, keep_checkpoints, stage
from cursus_sandbox.sagemaker.strays import strays
from cursus_sandbox.tables.report import DataCompatibilityReport
from cursus_sandbox.tables.validator import DataCompatibilityValidator
from cursus_sandbox.workspace import RunFolder, StepFolder

_LARGEST_METRICS = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class StepRun:
    """A step about to run. `sources` gives the file or folder of each input."""

    step: PlannedStep
    sources: Mapping[str, Path]
    run: RunFolder
    engine: Engine
    validator: DataCompatibilityValidator
    strict: bool = False

    def result(self, starting: Callable[[], None]) -> StepExecutionResult:
        """Run the step, again if it may be, and say what came of it. Raises EngineError and OSError only.

        `starting` is called when its inputs are well and its container is about to start.
        """
        step = self._without_absent_inputs()
        read = tuple(self._checked_inputs(step))
        folder = self.run.step(step.name)
        if not self._pass(read):
            return StepExecutionResult(
                step=step.name,
                status=StepStatus.FAILED,
                why="not started: its input data breaks the contract",
                data_broken=True,
                reports=read,
            )
        starting()
        started = datetime.now().astimezone()
        attempt = folder.attempt(1)
        with folder.log.open("wb", buffering=0) as log:
            for number in range(1, step.retries + 2):
                ended = self._attempt(step, attempt, log)
                if (ended.code == 0 and ended.why is None) or ended.why is Why.INTERRUPTED or number > step.retries:
                    break
                log.write(f"\n--- attempt {number} ended: {_sentence(step, ended)}; once more ---\n\n".encode())
                before, attempt = attempt, folder.attempt(number + 1)
                keep_checkpoints(step, before, attempt)
                folder.discard(before)
        well = ended.code == 0 and ended.why is None
        message = exit_message(step.kind, attempt, failed=not well and ended.why is not Why.INTERRUPTED)
        result = StepExecutionResult(
            step=step.name,
            status=StepStatus.FAILED,
            exit_code=ended.code,
            started_at=started,
            seconds=ended.seconds,
            peak_memory=ended.peak_memory,
            attempts=number,
            message=message.text,
            log=folder.log,
            reports=read,
            warnings=strays(step, attempt) if self.engine.makes_mounts else (),
        )
        if not well:
            status = StepStatus.STOPPED if ended.why is Why.INTERRUPTED else StepStatus.FAILED
            return result.model_copy(update={"status": status, "why": _sentence(step, ended)})
        if not message.readable:
            why = "/opt/ml/output/message is not UTF-8, and SageMaker fails a job for that"
            return result.model_copy(update={"why": why})
        if self.strict and result.warnings:
            return result.model_copy(update={"why": "it left warnings, and --strict takes them for errors"})
        return self._finished(step, folder, attempt, result)

    def _pass(self, reports: Iterable[DataCompatibilityReport]) -> bool:
        return all(report.compatible and not (self.strict and report.warnings) for report in reports)

    def _without_absent_inputs(self) -> PlannedStep:
        """The step without the optional inputs that nobody left anything for."""
        there = tuple(one for one in self.step.inputs if one.required or self.sources[one.channel].exists())
        return replace(self.step, inputs=there)

    def _checked_inputs(self, step: PlannedStep) -> list[DataCompatibilityReport]:
        """The checks the producer's own could not make: this reader's schema, its parts, and data from outside."""
        return [
            self.validator.check(
                self.sources[one.channel],
                one.table_schema,
                data=str(one.source),
                reader=f"{step.name}:{one.channel}",
                parts=one.parts,
                schema_from=f"contract '{step.step_type}'",
            )
            for one in step.inputs
            if one.table_schema or one.parts or self._is_news(one)
        ]

    def _is_news(self, one: PlannedInput) -> bool:
        """Whether nobody has looked at it in this run: it comes from outside, or an optional output was not left."""
        source = self.sources[one.channel]
        return not source.is_relative_to(self.run.path) or not source.exists()

    def _attempt(self, step: PlannedStep, folders: StepFolders, log: BinaryIO) -> Exit:
        labels = {"cursus-sandbox.run": self.run.name, "cursus-sandbox.step": step.name}
        if self.engine.makes_mounts:
            image = step.image if self.engine.runs_images else None
            job, staging = sagemaker_job(
                step,
                sources=self.sources,
                folders=folders,
                identity=JobIdentity(step.name, self.run.name),
                host=hosts(instance_type=step.instance_type or INSTANCE_TYPE)[0],
                image=image,
                labels=labels,
            )
        else:
            job, staging = main_job(step, sources=self.sources, folders=folders, labels=labels)
        stage(staging)
        return self.engine.run(job, lambda data: _write(log, data))

    def _finished(
        self, step: PlannedStep, folder: StepFolder, attempt: StepFolders, result: StepExecutionResult
    ) -> StepExecutionResult:
        """Check what the step left, and publish it if it keeps the contract."""
        left = [output for output in step.outputs if output.path is not None]
        kept = [output for output in left if output.required or any((attempt.outputs / output.channel).iterdir())]
        wrote = tuple(
            self.validator.check(
                attempt.outputs / output.channel,
                output.table_schema,
                data=f"{step.name}:{output.channel}",
                schema_from=f"contract '{step.step_type}'",
            )
            for output in kept
        )
        reports = (*result.reports, *wrote)
        if not self._pass(wrote):
            why = "its outputs break the contract"
            return result.model_copy(update={"why": why, "data_broken": True, "reports": reports})
        metrics = _metrics(attempt.outputs)
        for output in left:
            if output not in kept:
                (attempt.outputs / output.channel).rmdir()
        archive(step, attempt)
        folder.publish(attempt.outputs)
        folder.discard(attempt)
        return result.model_copy(
            update={
                "status": StepStatus.SUCCEEDED,
                "reports": reports,
                "outputs": {output.channel: folder.outputs / output.channel for output in kept},
                "metrics": metrics,
            }
        )


def _write(log: BinaryIO, data: bytes) -> None:
    """Write all of it: an unbuffered file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[log.write(view) :]


def _sentence(step: PlannedStep, ended: Exit) -> str:
    """What an exit means."""
    match ended.why:
        case Why.TIMEOUT:
            return f"timed out after {step.timeout:g} s"
        case Why.OUT_OF_MEMORY:
            limit = f", the limit is {step.resources.memory / 1024**2:,.0f} MB" if step.resources.memory else ""
            return f"out of memory{limit} (exit code {ended.code})"
        case Why.INTERRUPTED:
            return "interrupted"
    match ended.code:
        case 126:
            return "the command could not be run: it is not executable (exit code 126)"
        case 127:
            return "the command was not found (exit code 127)"
        case code if code > 128 and code - 128 in {one.value for one in signal.Signals}:  # noqa: PLR2004
            return f"killed by {signal.Signals(code - 128).name} (exit code {code})"
        case code:
            return f"exit code {code}"


def _metrics(outputs: Path) -> dict[str, float]:
    """The numbers at the top of each channel's `metrics.json`; anything else is no metric."""
    found: dict[str, float] = {}
    for file in sorted(outputs.glob("*/metrics.json")):
        if file.is_symlink() or not file.is_file() or file.stat().st_size > _LARGEST_METRICS:
            continue
        try:
            content = json.loads(file.read_bytes())
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            found |= {name: number for name, value in content.items() if (number := _number(value)) is not None}
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

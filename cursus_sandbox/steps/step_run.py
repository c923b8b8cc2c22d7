"""One step, run: its inputs checked, its container run, its outputs checked and published."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cursus_sandbox.bytes_done import Stopped, Until, heard
from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.pipeline.events import DataChecked, Observer, Progress
from cursus_sandbox.pipeline.golden import SUFFIX
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedOutput, PlannedStep
from cursus_sandbox.pipeline.result import MountRow, StepExecutionResult, StepStatus
from cursus_sandbox.runs.folders import RunFolder, StepFolder
from cursus_sandbox.runs.records import Damaged, Manifest, manifest_of
from cursus_sandbox.sagemaker.artifacts import archive
from cursus_sandbox.sagemaker.layout import StepFolders
from cursus_sandbox.sagemaker.staging import ExitMessage, exit_message
from cursus_sandbox.sagemaker.strays import strays
from cursus_sandbox.secrets.masking import Mask
from cursus_sandbox.steps.ahead import Reserved, without_absent_inputs
from cursus_sandbox.steps.attempt import AttemptEnd
from cursus_sandbox.steps.attempts import Attempts, LastAttempt, Place
from cursus_sandbox.tables.report import DataCompatibilityReport
from cursus_sandbox.tables.validator import DataCompatibilityValidator
from cursus_sandbox.untrusted import opened

_LARGEST_METRICS = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a step. Where that is well, what it left is still to be published: the outputs of `left`.

    `manifest` says what they are; None where that can't be told.
    """

    result: StepExecutionResult
    left: StepFolders | None = None
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class StepRun:
    """A step about to run. `sources` gives the file or folder of each input; `tell` hears what happens.

    Of what it leaves so many bytes are read `at_once`; a manifest says of the rest that nobody has read it.

    `stopping` is set when it is not to be tried again, its `place` is left when it has run well; `mask` hides its
    secrets. What is `reserved` may serve its first attempt.
    """

    step: PlannedStep
    sources: Mapping[str, Path]
    run: RunFolder
    engine: Engine
    validator: DataCompatibilityValidator
    tell: Observer
    stopping: threading.Event
    place: Place
    mask: Mask
    reserved: Reserved
    strict: bool = False
    at_once: float = math.inf

    def done(self) -> Done:
        """Run the step, again if it may be, and say what came of it. Raises EngineError and OSError only."""
        step = without_absent_inputs(self.step, self.sources)
        until = Until(self.stopping)
        try:
            with heard(until):
                read = tuple(self._checked_inputs(step))
            until.add(0)
        except Stopped:
            return Done(StepExecutionResult(step=step.name, status=StepStatus.STOPPED, why="interrupted"))
        folder = self.run.step(step.name)
        if not self._pass(read):
            why = "not started: its input data breaks the contract"
            return Done(
                StepExecutionResult(step=step.name, status=StepStatus.FAILED, why=why, data_broken=True, reports=read)
            )
        started = datetime.now().astimezone()
        last = Attempts(
            step, self.sources, self.run, self.engine, self.tell, self.stopping, self.place, self.mask, self.reserved
        ).last()
        if last.end.well:
            self.place.leave(step)
        ended, step, attempt = last.end, last.step, last.folders
        message = exit_message(step.kind, attempt, failed=not ended.well and not last.interrupted)
        result = StepExecutionResult(
            step=step.name,
            status=StepStatus.FAILED,
            exit_code=ended.code,
            started_at=started,
            seconds=ended.exit.seconds,
            peak_memory=ended.exit.peak_memory,
            memory_limit=step.resources.memory,
            attempts=last.number,
            earlier_attempts=last.before,
            message=message.text,
            log=folder.log,
            mounts=_mounts(ended),
            reports=read,
            warnings=(
                *ended.warnings,
                *(strays(step, attempt) if self.engine.makes_mounts and not ended.unfit else ()),
            ),
        )
        result = self._judged(result, last, message, folder)
        if result.status is StepStatus.FAILED:
            from cursus_sandbox.steps.failure import with_particulars  # noqa: PLC0415 -- most steps don't fail

            return Done(with_particulars(result, last, self.engine, folder, self.tell))
        return Done(result, last.folders, self._manifest(last.folders)) if result.success else Done(result)

    def _judged(
        self, result: StepExecutionResult, last: LastAttempt, message: ExitMessage, folder: StepFolder
    ) -> StepExecutionResult:
        """Say whether it is well."""
        if not last.end.well:
            status = StepStatus.STOPPED if last.interrupted else StepStatus.FAILED
            return result.model_copy(update={"status": status, "why": self.mask.text(last.end.sentence(last.step))})
        if last.end.unfit:
            return result.model_copy(update={"why": last.end.unfit, "data_broken": True})
        if not message.readable:
            why = "/opt/ml/output/message is not UTF-8, and SageMaker fails a job for that"
            return result.model_copy(update={"why": why})
        if self.strict and result.warnings:
            return result.model_copy(update={"why": "it left warnings, and --strict takes them for errors"})
        return self._finished(last.step, folder, last.folders, result)

    def _pass(self, reports: Iterable[DataCompatibilityReport]) -> bool:
        return all(report.compatible and not (self.strict and report.warnings) for report in reports)

    def _checked_inputs(self, step: PlannedStep) -> list[DataCompatibilityReport]:
        """The checks the producer's own could not make: this reader's schema, its parts, and data from outside."""
        looked_at = [one for one in step.inputs if one.table_schema or one.parts or self._is_news(one)]
        reports = []
        for number, one in enumerate(looked_at):
            self._progress(f"checking its input {one.channel}", number, len(looked_at))
            report = self.validator.check(
                self.sources[one.channel],
                one.table_schema,
                data=str(one.source),
                reader=f"{step.name}:{one.channel}",
                parts=one.parts,
                schema_from=_asks(step, one),
                asked_in=one.asked_in,
            )
            self._tell_of(report)
            reports.append(report)
        return reports

    def _progress(self, what: str, done: int | None = None, total: int | None = None) -> None:
        self.tell(Progress(what=what, step=self.step.name, done=done, total=total))

    def _tell_of(self, report: DataCompatibilityReport) -> None:
        self.tell(
            DataChecked(
                step=self.step.name,
                data=report.data,
                reader=report.reader,
                rows=report.rows,
                errors=len(report.errors),
                warnings=len(report.warnings),
            )
        )

    def _is_news(self, one: PlannedInput) -> bool:
        """Whether nobody has looked at it in this run: it comes from outside, or an optional output was not left."""
        source = self.sources[one.channel]
        return not source.is_relative_to(self.run.path / "steps") or not source.exists()

    def _finished(
        self, step: PlannedStep, folder: StepFolder, attempt: StepFolders, result: StepExecutionResult
    ) -> StepExecutionResult:
        """Check what the step left: it is ready to be published if it keeps the contract."""
        left = [output for output in step.outputs if output.path is not None]
        kept = [output for output in left if output.required or any((attempt.outputs / output.channel).iterdir())]
        wrote = tuple(self._checked_outputs(step, kept, attempt))
        reports = (*result.reports, *wrote)
        if not self._pass(wrote):
            why = "its outputs break the contract"
            return result.model_copy(update={"why": why, "data_broken": True, "reports": reports})
        metrics = _metrics(attempt.outputs)
        for output in left:
            if output not in kept:
                (attempt.outputs / output.channel).rmdir()
        self._progress("publishing its outputs")
        archive(step, attempt)
        return result.model_copy(
            update={
                "status": StepStatus.SUCCEEDED,
                "reports": reports,
                "outputs": {output.channel: folder.outputs / output.channel for output in kept},
                "metrics": metrics,
            }
        )

    def _checked_outputs(
        self, step: PlannedStep, outputs: Sequence[PlannedOutput], attempt: StepFolders
    ) -> Iterator[DataCompatibilityReport]:
        for number, output in enumerate(outputs):
            self._progress(f"checking its output {output.channel}", number, len(outputs))
            report = self.validator.check(
                attempt.outputs / output.channel,
                output.table_schema,
                data=f"{step.name}:{output.channel}",
                schema_from=_asks(step, output),
                asked_in=output.asked_in,
            )
            self._tell_of(report)
            yield report

    def _manifest(self, left: StepFolders) -> Manifest | None:
        """What is in the outputs, as far as that can be told."""
        try:
            return manifest_of(left.outputs, at_once=self.at_once)
        except Damaged:
            return None


def _asks(step: PlannedStep, channel: PlannedInput | PlannedOutput) -> str:
    """Whose schema a channel's is: the contract's, or the file of what was blessed where all of it is from there."""
    files = {place.rpartition(":")[0] for place in channel.asked_in.values()}
    if len(files) == 1 and (file := files.pop()).endswith(SUFFIX):
        return Path(file).name
    return f"contract '{step.step_type}'"


def _mounts(ended: AttemptEnd) -> tuple[MountRow, ...]:
    """What the step saw where; of a step on several hosts, nothing is told."""
    mounts = ended.laid_out[0].mounts if ended.laid_out else ()
    return tuple(MountRow(path=str(one.target), source=one.source, mode=one.mode) for one in mounts)


def _metrics(outputs: Path) -> dict[str, float]:
    """The numbers at the top of each channel's `metrics.json`; anything else is no metric."""
    found: dict[str, float] = {}
    for file in sorted(outputs.glob("*/metrics.json")):
        try:
            with opened(file) as written:
                text = written.read(_LARGEST_METRICS + 1)
            content = json.loads(text) if len(text) <= _LARGEST_METRICS else None
        except (OSError, ValueError, RecursionError):
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

"""One step, run: its inputs checked, its container run, its outputs checked and published."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cursus_sandbox.engines.engine import Engine, Exit, Why
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.events import DataChecked, Observer, Progress, StepStarted
from cursus_sandbox.pipeline.models import model_of, records_of
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedOutput, PlannedStep
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.sagemaker.artifacts import archive
from cursus_sandbox.sagemaker.hosts import INSTANCE_TYPE, hosts
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.layout import StepFolders, sagemaker_job
from cursus_sandbox.sagemaker.model import ModelError, create_model, model_folder
from cursus_sandbox.sagemaker.offline import pip_failure
from cursus_sandbox.sagemaker.script_main import main_job
from cursus_sandbox.sagemaker.serving import serving_job
from cursus_sandbox.sagemaker.staging import exit_message, keep_checkpoints, stage
from cursus_sandbox.sagemaker.strays import strays
from cursus_sandbox.sagemaker.transform import Transform
from cursus_sandbox.several_hosts import HostsRun
from cursus_sandbox.step_watch import StepWatch, Writer
from cursus_sandbox.tables.report import DataCompatibilityReport
from cursus_sandbox.tables.validator import DataCompatibilityValidator
from cursus_sandbox.workspace import RunFolder, StepFolder

_NOTHING_RAN = Exit(code=0, seconds=0.0)
_TAIL = 64 * 1024  # bytes
_LARGEST_METRICS = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class StepRun:
    """A step about to run. `sources` gives the file or folder of each input; `tell` hears what happens."""

    step: PlannedStep
    sources: Mapping[str, Path]
    run: RunFolder
    engine: Engine
    validator: DataCompatibilityValidator
    tell: Observer
    strict: bool = False

    def result(self) -> StepExecutionResult:
        """Run the step, again if it may be, and say what came of it. Raises EngineError and OSError only."""
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
        started = datetime.now().astimezone()
        attempt = folder.attempt(1)
        with folder.log.open("wb", buffering=0) as file:
            log = StepWatch(step.name, self.tell, file)
            for number in range(1, step.retries + 2):
                self.tell(StepStarted(step=step.name, attempt=number))
                ended = self._attempt(step, attempt, log)
                if ended.well or ended.exit.why is Why.INTERRUPTED or number > step.retries:
                    break
                _write(log, f"\n--- attempt {number} ended: {ended.sentence(step)}; once more ---\n\n".encode())
                log.again()
                before, attempt = attempt, folder.attempt(number + 1)
                keep_checkpoints(step, before, attempt)
                folder.discard(before)
            log.end()
        message = exit_message(step.kind, attempt, failed=not ended.well and ended.exit.why is not Why.INTERRUPTED)
        result = StepExecutionResult(
            step=step.name,
            status=StepStatus.FAILED,
            exit_code=ended.code,
            started_at=started,
            seconds=ended.exit.seconds,
            peak_memory=ended.exit.peak_memory,
            attempts=number,
            message=message.text,
            log=folder.log,
            reports=read,
            warnings=(*ended.warnings, *(strays(step, attempt) if self.engine.makes_mounts else ())),
        )
        if not ended.well:
            status = StepStatus.STOPPED if ended.exit.why is Why.INTERRUPTED else StepStatus.FAILED
            why = ended.sentence(step)
            if step.pip_shim and not step.network and not ended.exit.why and (pip := pip_failure(_tail(folder.log))):
                why = f"{why}: {pip}"
            return result.model_copy(update={"status": status, "why": why})
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
                schema_from=f"contract '{step.step_type}'",
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
        return not source.is_relative_to(self.run.path) or not source.exists()

    def _attempt(self, step: PlannedStep, folders: StepFolders, log: StepWatch) -> _Ended:
        identity = JobIdentity(step.name, self.run.name)
        if step.kind is StepKind.MODEL:
            return self._modelled(step, folders, identity)
        labels = {"cursus-sandbox.run": self.run.name, "cursus-sandbox.step": step.name}
        image = step.image if self.engine.runs_images else None
        if step.kind is StepKind.TRANSFORM:
            return self._transformed(step, folders, log, image=image, labels=labels)
        if step.instance_count > 1 and self.engine.makes_clusters:
            run = HostsRun(step, self.sources, identity, self.engine, image, labels)
            hosts_exit = run.ended(folders, lambda data: _write(log, data), log.used)
            return _Ended(hosts_exit.exit, host=hosts_exit.failed, warnings=hosts_exit.clashes)
        if self.engine.makes_mounts:
            job, staging = sagemaker_job(
                step,
                sources=self.sources,
                folders=folders,
                identity=identity,
                host=hosts(instance_type=step.instance_type or INSTANCE_TYPE)[0],
                image=image,
                labels=labels,
            )
        else:
            job, staging = main_job(step, sources=self.sources, folders=folders, labels=labels)
        self._progress("laying out its files")
        stage(staging)
        self._progress("starting")
        return _Ended(self.engine.run(job, lambda data: _write(log, data), watcher=log.used))

    def _modelled(self, step: PlannedStep, folders: StepFolders, identity: JobIdentity) -> _Ended:
        """Make a model: nothing is run for it, its archive is unpacked."""
        started = time.monotonic()
        self._progress("unpacking its model")
        folders.messages.mkdir(parents=True)
        try:
            for output in step.outputs:
                folder = folders.outputs / output.channel
                folder.mkdir(parents=True)
                create_model(step, self.sources[step.inputs[0].channel], folder, identity)
        except ModelError as error:
            return _Ended(_NOTHING_RAN, failure=f"{step.inputs[0].channel}: {error}")
        return _Ended(Exit(0, time.monotonic() - started))

    def _transformed(
        self,
        step: PlannedStep,
        folders: StepFolders,
        log: StepWatch,
        *,
        image: str | None,
        labels: Mapping[str, str],
    ) -> _Ended:
        """Run a model's server, send it the records, and end it."""
        model, records = model_of(step), records_of(step)
        if model is None or records is None or step.transform is None or not step.outputs:
            missing = "a model" if model is None else "records" if records is None else "an output"
            return _Ended(_NOTHING_RAN, failure=f"a transform needs {missing}, and nothing is bound to it")
        try:
            unpacked = model_folder(self.sources[model.channel], folders.staged / "model")
        except ModelError as error:
            return _Ended(_NOTHING_RAN, failure=f"{model.channel}: {error}")
        job, staging = serving_job(step, model=unpacked, folders=folders, image=image, labels=labels)
        stage(staging)
        transform = Transform(
            step.transform,
            source=self.sources[records.channel],
            output=folders.outputs / step.outputs[0].channel,
            tell=lambda line: _write(log, f"--- {line} ---\n".encode()),
        )
        ended = self.engine.run(job, lambda data: _write(log, data), transform.visit, log.used)
        return _Ended(ended, done=transform.done, failure=transform.failure)

    def _finished(
        self, step: PlannedStep, folder: StepFolder, attempt: StepFolders, result: StepExecutionResult
    ) -> StepExecutionResult:
        """Check what the step left, and publish it if it keeps the contract."""
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

    def _checked_outputs(
        self, step: PlannedStep, outputs: Sequence[PlannedOutput], attempt: StepFolders
    ) -> Iterator[DataCompatibilityReport]:
        for number, output in enumerate(outputs):
            self._progress(f"checking its output {output.channel}", number, len(outputs))
            report = self.validator.check(
                attempt.outputs / output.channel,
                output.table_schema,
                data=f"{step.name}:{output.channel}",
                schema_from=f"contract '{step.step_type}'",
            )
            self._tell_of(report)
            yield report


@dataclass(frozen=True, slots=True)
class _Ended:
    """How an attempt ended. Of a server `done` is whether it had answered all; `failure` says why it won't do.

    Of several hosts `host` is the one that failed.
    """

    exit: Exit
    done: bool = False
    failure: str | None = None
    host: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def code(self) -> int | None:
        """The exit code of what ran; None where that was told to end, or nothing ran."""
        return None if self.exit.why is Why.VISITED or (self.failure and not self.exit.seconds) else self.exit.code

    @property
    def well(self) -> bool:
        if self.done:
            return True
        return self.failure is None and self.exit.code == 0 and self.exit.why is None

    def sentence(self, step: PlannedStep) -> str:
        """Why it isn't well: what ended a server by force says more than what its client saw of that."""
        if self.failure is None or self.exit.why not in (None, Why.VISITED):
            return f"{self.host}: {_sentence(step, self.exit)}" if self.host else _sentence(step, self.exit)
        if step.kind is StepKind.TRANSFORM and self.exit.why is None and self.exit.seconds:
            return f"{self.failure} ({_sentence(step, self.exit)})"
        return self.failure


def _write(log: Writer, data: bytes) -> None:
    """Write all of it: an unbuffered file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[log.write(view) :]


def _tail(log: Path) -> bytes:
    """The last of a log."""
    with log.open("rb") as opened:
        opened.seek(max(log.stat().st_size - _TAIL, 0))
        return opened.read()


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
        case Why.VISITED:
            return "ended when all was done"
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

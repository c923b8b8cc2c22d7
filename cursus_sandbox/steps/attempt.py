"""One attempt at a step: its job is made, laid out on disk and run; what that came to, in code and words."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cursus_sandbox.amount import Amount
from cursus_sandbox.bytes_done import heard
from cursus_sandbox.engines.engine import Engine, EngineKind, Exit, Job, Why
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.events import Observer, Progress
from cursus_sandbox.pipeline.models import model_of, records_of
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.runs.folders import RunFolder
from cursus_sandbox.sagemaker.exits import meaning, remarks
from cursus_sandbox.sagemaker.hosts import INSTANCE_TYPE, hosts
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.layout import Staging, StepFolders, sagemaker_job
from cursus_sandbox.sagemaker.model import ModelError, create_model, model_folder
from cursus_sandbox.sagemaker.script_main import main_job
from cursus_sandbox.sagemaker.serving import serving_job
from cursus_sandbox.sagemaker.staging import stage
from cursus_sandbox.steps.ahead import Ready
from cursus_sandbox.steps.watch import StepWatch, write
from cursus_sandbox.tables.reading import get_ready

_SECONDS_OF_A_SHORT_JOB = 0.25
_NOTHING_RAN = Exit(code=0, seconds=0.0)


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended. Of a server `done` is whether it had answered all; `failure` says why it won't do.

    Of several hosts `host` is the one that failed; `unfit` says why what one of them left can't be taken. `laid_out` is
    the job and what was put on disk for it, of several hosts of the one that failed; None where there was none.
    """

    exit: Exit
    done: bool = False
    failure: str | None = None
    host: str | None = None
    warnings: tuple[str, ...] = ()
    unfit: str | None = None
    laid_out: tuple[Job, Staging] | None = None

    @property
    def code(self) -> int | None:
        """The exit code of what ran; None where that was told to end, or nothing ran."""
        return None if self.exit.why is Why.VISITED or (self.failure and not self.exit.seconds) else self.exit.code

    @property
    def well(self) -> bool:
        """Whether what it left can be looked at."""
        if self.done:
            return True
        return self.failure is None and self.exit.code == 0 and self.exit.why is None

    def sentence(self, step: PlannedStep) -> str:
        """Why it isn't well: what ended a server by force says more than what its client saw of that."""
        if self.failure is None or self.exit.why not in (None, Why.VISITED):
            return f"{self.host}: {meaning(step, self.exit)}" if self.host else meaning(step, self.exit)
        if step.kind is StepKind.TRANSFORM and self.exit.why is None and self.exit.seconds:
            return f"{self.failure} ({meaning(step, self.exit)})"
        return self.failure


def job_of(
    step: PlannedStep, sources: Mapping[str, Path], folders: StepFolders, run: RunFolder, engine: EngineKind
) -> tuple[Job, Staging]:
    """The one job of a step on one host, and what is put on disk for it. Of sources, none need be there."""
    if not engine.makes_mounts:
        return main_job(step, sources=sources, folders=folders, labels=_labels(step, run))
    return sagemaker_job(
        step,
        sources=sources,
        folders=folders,
        identity=JobIdentity(step.name, run.name),
        host=hosts(instance_type=step.instance_type or INSTANCE_TYPE)[0],
        image=step.image if engine.runs_images else None,
        labels=_labels(step, run),
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt about to be made. `sources` gives the file or folder of each input; `tell` hears what happens.

    What is `ready` is laid out.
    """

    step: PlannedStep
    sources: Mapping[str, Path]
    run: RunFolder
    engine: Engine
    folders: StepFolders
    log: StepWatch
    tell: Observer
    ready: Ready | None = None

    def end(self) -> AttemptEnd:
        """Make it, to its end. Raises EngineError and OSError only."""
        step, folders = self.step, self.folders
        identity = JobIdentity(step.name, self.run.name)
        if step.kind is StepKind.MODEL:
            return self._modelled(identity)
        labels = _labels(step, self.run)
        image = step.image if self.engine.runs_images else None
        if step.kind is StepKind.TRANSFORM:
            return self._transformed(image, labels)
        if step.instance_count > 1 and self.engine.makes_clusters:
            from cursus_sandbox.steps.several_hosts import HostsRun  # noqa: PLC0415 -- most steps have one

            run = HostsRun(step, self.sources, identity, self.engine, image, labels)
            hosts_exit = run.ended(folders, self._write, self.log.used)
            warnings = (*hosts_exit.clashes, *remarks(step, hosts_exit.exit))
            return AttemptEnd(
                hosts_exit.exit,
                host=hosts_exit.failed,
                warnings=warnings,
                unfit=hosts_exit.unfit,
                laid_out=hosts_exit.laid_out,
            )
        if self.ready:
            laid_out, run_job = (self.ready.job, self.ready.staging), self.ready.run
        else:
            laid_out = job, staging = job_of(step, self.sources, folders, self.run, self.engine)
            self._lay_out(staging)
            run_job = partial(self.engine.run, job)
        self._progress("starting")
        with heard(Amount(self.tell, "copying its files", step=step.name)), _reading_loaded_meanwhile():
            ended = run_job(self._write, watcher=self.log.used)
        return AttemptEnd(ended, warnings=remarks(step, ended), laid_out=laid_out)

    def _modelled(self, identity: JobIdentity) -> AttemptEnd:
        """Make a model: nothing is run for it, its archive is unpacked."""
        step, folders = self.step, self.folders
        started = time.monotonic()
        self._progress("unpacking its model")
        folders.messages.mkdir(parents=True)
        try:
            for output in step.outputs:
                folder = folders.outputs / output.channel
                folder.mkdir(parents=True)
                source = self.sources[step.inputs[0].channel]
                create_model(step, source, folder, identity, workspace=folders.workspace)
        except ModelError as error:
            return AttemptEnd(_NOTHING_RAN, failure=f"{step.inputs[0].channel}: {error}")
        return AttemptEnd(Exit(0, time.monotonic() - started))

    def _transformed(self, image: str | None, labels: Mapping[str, str]) -> AttemptEnd:
        """Run a model's server, send it the records, and end it."""
        from cursus_sandbox.sagemaker.transform import Transform  # noqa: PLC0415 -- http.client, ssl and email with it

        step, folders = self.step, self.folders
        model, records = model_of(step), records_of(step)
        if model is None or records is None or step.transform is None or not step.outputs:
            missing = "a model" if model is None else "records" if records is None else "an output"
            return AttemptEnd(_NOTHING_RAN, failure=f"a transform needs {missing}, and nothing is bound to it")
        try:
            unpacked = model_folder(self.sources[model.channel], folders.staged / "model")
        except ModelError as error:
            return AttemptEnd(_NOTHING_RAN, failure=f"{model.channel}: {error}")
        job, staging = serving_job(step, model=unpacked, folders=folders, image=image, labels=labels)
        stage(staging)
        transform = Transform(
            step.transform,
            source=self.sources[records.channel],
            output=folders.outputs / step.outputs[0].channel,
            tell=lambda line: self._write(f"--- {line} ---\n".encode()),
        )
        ended = self.engine.run(job, self._write, transform.visit, self.log.used)
        return AttemptEnd(ended, done=transform.done, failure=transform.failure, laid_out=(job, staging))

    def _lay_out(self, staging: Staging) -> None:
        doing = "laying out its files"
        self._progress(doing)
        with heard(Amount(self.tell, doing, step=self.step.name)):
            stage(staging)

    def _write(self, data: bytes) -> None:
        write(self.log, data)

    def _progress(self, what: str) -> None:
        self.tell(Progress(what=what, step=self.step.name))


def _labels(step: PlannedStep, run: RunFolder) -> dict[str, str]:
    return {**run.labels, "cursus-sandbox.step": step.name}


@contextmanager
def _reading_loaded_meanwhile() -> Iterator[None]:
    """Have what reading its outputs takes loaded while a job runs that takes its time: it may leave tables."""
    loading = threading.Timer(_SECONDS_OF_A_SHORT_JOB, get_ready)
    loading.start()
    try:
        yield
    finally:
        loading.cancel()

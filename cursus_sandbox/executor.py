"""PipelineExecutor: walks the schedule, several steps at a time, and writes down what came of each."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from pathlib import Path

from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.errors import DocumentError, ExitCode, MachineError, Problem, Terminated, WorkspaceError
from cursus_sandbox.pipeline.dag import Located, Pipeline, PipelineDAG, Source, StepOutput
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.pipeline.result import (
    Observer,
    PipelineExecutionResult,
    StepEnded,
    StepExecutionResult,
    StepStarted,
    StepStatus,
)
from cursus_sandbox.pipeline.schedule import Schedule
from cursus_sandbox.pipeline.selection import Selection
from cursus_sandbox.planning import create_plan
from cursus_sandbox.step_run import StepRun
from cursus_sandbox.tables.validator import DataCompatibilityValidator
from cursus_sandbox.workspace import RunFolder, Workspace


def _nobody_listens(_: object) -> None:
    pass


class PipelineExecutor:
    """Runs pipelines in a workspace, on an engine.

    `jobs` is how many steps may run at once (default: one per processor). With `fail_fast` the first failure stops
    the steps that run and starts no other; without, only what depends on the failed step is skipped. `notes` are
    carried into the result.
    """

    def __init__(
        self,
        workspace_dir: str | os.PathLike[str],
        *,
        engine: Engine,
        jobs: int | None = None,
        fail_fast: bool = False,
        pull: bool = False,
        observer: Observer = _nobody_listens,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.workspace_dir = Path(workspace_dir)
        self.engine = engine
        self.jobs = jobs
        self.fail_fast = fail_fast
        self.pull = pull
        self.observer = observer
        self.notes = notes

    def execute_pipeline(
        self,
        dag: PipelineExecutionPlan | Pipeline | PipelineDAG | str | os.PathLike[str],
        data_source: str = "local",
        *,
        selection: Selection = Selection(),
    ) -> PipelineExecutionResult:
        """Run a plan, a document or a graph to its end.

        A failed step is in the result. Raises DocumentError when nothing could be started for what the documents say,
        MachineError when this machine could not go on; what had ended by then is in the run's folder.
        """
        if data_source != "local":
            raise DocumentError(
                [Problem(f"there is no data source '{data_source}'", hint="'local' binds files and folders.")]
            )
        plan = dag if isinstance(dag, PipelineExecutionPlan) else _planned(dag)
        chosen = selection.steps(plan)
        with Workspace(self.workspace_dir) as workspace:
            reused = _earlier_outputs(plan, chosen, workspace)
            images = _images(plan, chosen, self.engine)
            with self.engine:
                digests = self.engine.require(images, pull=self.pull)
                started = datetime.now().astimezone()
                folder = workspace.new_run(started)
                folder.write("plan.json", plan.as_json())
                walk = _Walk(self, plan, folder, digests, chosen=chosen, reused=reused, started=started)
                return walk.result()


class _Walk:
    """One walk through a plan. Results are kept in one thread; only StepRun works in others."""

    def __init__(
        self,
        executor: PipelineExecutor,
        plan: PipelineExecutionPlan,
        folder: RunFolder,
        images: Mapping[str, str],
        *,
        chosen: frozenset[str],
        reused: Mapping[str, Path],
        started: datetime,
    ) -> None:
        self.executor = executor
        self.plan = plan
        self.folder = folder
        self.images = images
        self.chosen = chosen
        self.reused = reused
        self.started = started
        self.validator = DataCompatibilityValidator()
        self.schedule = Schedule(plan.dependencies)
        self.results: dict[str, StepExecutionResult] = {}
        self.running: dict[Future[StepExecutionResult], str] = {}
        self.interrupted: ExitCode | None = None
        self.broken: MachineError | None = None

    def result(self) -> PipelineExecutionResult:
        clock = time.monotonic()
        jobs = self.executor.jobs or os.cpu_count() or 1
        with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="step") as threads:
            try:
                self._walk(threads)
            except KeyboardInterrupt as signal:
                self.interrupted = ExitCode.TERMINATED if isinstance(signal, Terminated) else ExitCode.INTERRUPTED
                self._stop()
        for name in self.plan.execution_order:
            if name not in self.results:
                why = "interrupted" if self.interrupted else "the run was stopped"
                self._keep(StepExecutionResult(step=name, status=StepStatus.SKIPPED, why=f"not started: {why}"))
        result = PipelineExecutionResult(
            pipeline=self.plan.name,
            run=self.folder.name,
            folder=self.folder.path,
            engine=self.executor.engine.name,
            notes=self.executor.notes,
            images=dict(self.images),
            started_at=self.started,
            seconds=time.monotonic() - clock,
            interrupted=self.interrupted,
            steps=tuple(self.results[name] for name in self.plan.execution_order),
        )
        self.folder.write("result.json", result.model_dump(mode="json"))
        if self.broken:
            raise self.broken
        return result

    def _walk(self, threads: ThreadPoolExecutor) -> None:
        self._start_ready(threads)
        while self.running:
            done, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in done:
                self._end(future)
            if self.broken or (self.executor.fail_fast and not all(one.success for one in self.results.values())):
                self._stop()
                return
            self._start_ready(threads)

    def _stop(self) -> None:
        """End what runs, and wait until it has ended; a second Ctrl-C makes it end at once."""
        self.executor.engine.interrupt()
        for future in [one for one in self.running if one.cancel()]:
            del self.running[future]
        while self.running:
            try:
                done, _ = wait(self.running, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                self.executor.engine.interrupt()
            else:
                for future in done:
                    self._end(future)

    def _start_ready(self, threads: ThreadPoolExecutor) -> None:
        """Start every ready step; those with nothing to run end at once and may make others ready."""
        while ready := self.schedule.ready():
            for name in ready:
                step = self.plan.step_configs[name]
                if ended := self._without_running(step):
                    self._keep(ended)
                    self.schedule.succeeded(name)
                else:
                    sources = {one.channel: self._source(one.source) for one in step.inputs}
                    run = StepRun(step, sources, self.folder, self.executor.engine, self.validator)
                    self.running[threads.submit(self._run, run)] = name

    def _run(self, run: StepRun) -> StepExecutionResult:
        self.executor.observer(StepStarted(run.step.name))
        return run.result()

    def _end(self, future: Future[StepExecutionResult]) -> None:
        name = self.running.pop(future)
        try:
            ended = future.result()
        except MachineError as error:
            self.broken = self.broken or error
            ended = StepExecutionResult(step=name, status=StepStatus.STOPPED, why=error.what)
        except OSError as error:
            self.broken = self.broken or WorkspaceError(f"step '{name}': {error}", hint="Is the disk full?")
            ended = StepExecutionResult(step=name, status=StepStatus.STOPPED, why=str(error))
        self._keep(ended)
        if ended.success:
            self.schedule.succeeded(name)
            return
        for lost in self.schedule.failed(name):
            why = f"it depends on '{name}', which {ended.status}"
            self._keep(StepExecutionResult(step=lost, status=StepStatus.SKIPPED, why=why))

    def _keep(self, ended: StepExecutionResult) -> None:
        self.results[ended.step] = ended
        self.folder.step(ended.step).write("step.json", ended.model_dump(mode="json"))
        self.executor.observer(StepEnded(ended))

    def _without_running(self, step: PlannedStep) -> StepExecutionResult | None:
        """The result of a step for which no container is started; None if it is to run."""
        if step.name in self.reused:
            folder = self.reused[step.name]
            outputs = {one.name: one for one in sorted(folder.iterdir())}
            why = f"outputs of run {folder.parents[2].name}"
            return StepExecutionResult(step=step.name, status=StepStatus.REUSED, why=why, outputs=outputs)
        bound = {output.channel: output.bound for output in step.outputs if output.bound}
        if step.skip is not None:
            return StepExecutionResult(step=step.name, status=StepStatus.SKIPPED, why=step.skip, outputs=bound)
        if step.name not in self.chosen:
            return StepExecutionResult(step=step.name, status=StepStatus.SKIPPED, why="not selected")
        return None

    def _source(self, source: Source) -> Path:
        """Where an input's file or folder is; a folder that an optional output did not leave is not there."""
        match source:
            case Located():
                return source.path.resolve()
            case StepOutput():
                outputs = self.results[source.step].outputs
                return outputs.get(
                    source.channel, self.folder.path / "steps" / source.step / "outputs" / source.channel
                )


def _planned(dag: Pipeline | PipelineDAG | str | os.PathLike[str]) -> PipelineExecutionPlan:
    graph = dag if isinstance(dag, Pipeline | PipelineDAG) else Path(dag)
    return create_plan(graph, runnable=True)


def _earlier_outputs(plan: PipelineExecutionPlan, chosen: frozenset[str], workspace: Workspace) -> dict[str, Path]:
    """The outputs of earlier runs that the chosen steps read; DocumentError if there are none."""
    found: dict[str, Path] = {}
    problems = []
    for step in plan.steps:
        if step.name not in chosen or not step.runs:
            continue
        for one in step.inputs:
            if not isinstance(one.source, StepOutput) or one.source.step in chosen:
                continue
            producer = plan.step_configs[one.source.step]
            if not producer.runs or producer.name in found:
                continue
            if outputs := workspace.published(plan.name, producer.name):
                found[producer.name] = outputs
            else:
                what = f"step '{step.name}' reads '{one.source}', and no earlier run in {workspace.folder} left that"
                problems.append(Problem(what, hint=f"Run it first:  --until {producer.name}"))
    if problems:
        raise DocumentError(problems)
    return found


def _images(plan: PipelineExecutionPlan, chosen: frozenset[str], engine: Engine) -> list[str]:
    """The images this run needs; DocumentError for a step without one, where the engine can't do without."""
    if not engine.runs_images:
        return []
    running = [step for step in plan.steps if step.runs and step.name in chosen]
    problems = [
        Problem(f"step '{step.name}' has no image", hint="Name one:  --image NAME, or run it here:  --engine local")
        for step in running
        if step.image is None
    ]
    if problems:
        raise DocumentError(problems)
    return sorted({step.image for step in running if step.image})

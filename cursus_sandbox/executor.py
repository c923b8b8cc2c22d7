"""PipelineExecutor: walks the schedule, several steps at a time, and writes down what came of each."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from cursus_sandbox.cache import Cache, refusals
from cursus_sandbox.capacity import fitted_to_this_machine, this_machine
from cursus_sandbox.documents import Contracts
from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.errors import DocumentError, EngineError, ExitCode, Problem, SandboxError, Terminated
from cursus_sandbox.ingredients import Ingredients, Surroundings
from cursus_sandbox.journal import Journal
from cursus_sandbox.pipeline.dag import Start
from cursus_sandbox.pipeline.events import Event, Observer, Progress, RunEnded, RunStarted, RunStopping, StepEnded
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedInput, PlannedStep
from cursus_sandbox.pipeline.ready_queue import ReadyQueue, demand, seconds_to_go
from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.pipeline.schedule import Schedule
from cursus_sandbox.pipeline.selection import Selection
from cursus_sandbox.pipeline.source import StepOutput, Unfed
from cursus_sandbox.planning import DataSource, Document, Overrides, PipelineDAGResolver, unfed_of
from cursus_sandbox.pruning import GIB, MOST_BY_DEFAULT, Bounds, pruned
from cursus_sandbox.records import set_aside
from cursus_sandbox.recovery import recovery
from cursus_sandbox.registry import S3OutputPathRegistry
from cursus_sandbox.run_folders import RunFolder, StepFolder, unwritable
from cursus_sandbox.sagemaker.script_main import NOT_EXERCISED
from cursus_sandbox.secret_values import SecretValues, fingerprints, secret_values
from cursus_sandbox.sources import Fetched, brought, fetch
from cursus_sandbox.step_run import StepRun
from cursus_sandbox.tables.memo import Memo
from cursus_sandbox.tables.validator import DataCompatibilityValidator
from cursus_sandbox.workspace import Workspace

AnyPath = str | os.PathLike[str]
TestingMode = Literal["pre_execution", "post_execution"]


def _nobody_listens(_: object) -> None:
    pass


class PipelineExecutor:
    """Runs pipelines in a workspace, on an engine: the local one if none is given.

    `jobs` is how many steps may run at once (default: one per processor). With `fail_fast` the first failure stops
    the steps that run and starts no other; without, only what depends on the failed step is skipped. `observer` is
    called from several threads. With `strict` what SageMaker would lose of a step's files, and what is odd about
    its data, fails it; without `values` no report holds what was in the data. What a step left in an earlier run is
    taken over where nothing that it depends on has changed, but not without `cache`, nor for the steps in `force`.
    When all runs of the workspace take more than `max_size` bytes, the oldest are removed.
    `notes` are carried into the result. `environment` is where the secrets of steps are looked for, this process's own
    if none is given.
    `contracts`, `source_dir` and `image` are for a document or graph that doesn't name its own, such as a bare
    PipelineDAG. An engine serves one run at a time.
    With `testing_mode="post_execution"` steps read what those before them have left in the execution that the
    `registry` knows: those of a selection what the others have left; where all run, each of them.
    """

    def __init__(  # noqa: PLR0913 -- options are many
        self,
        workspace_dir: AnyPath,
        *,
        engine: Engine | None = None,
        contracts: Contracts = (),
        source_dir: AnyPath | None = None,
        image: str | None = None,
        jobs: int | None = None,
        fail_fast: bool = False,
        strict: bool = False,
        values: bool = True,
        pull: bool = False,
        cache: bool = True,
        force: Iterable[str] = (),
        max_size: int | None = MOST_BY_DEFAULT,
        observer: Observer | None = None,
        notes: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        testing_mode: TestingMode = "pre_execution",
        registry: S3OutputPathRegistry | None = None,
    ) -> None:
        self.workspace_dir = Path(workspace_dir)
        self.engine = engine
        self.contracts = tuple(contracts)
        self.overrides = Overrides(image=image, source_dir=Path(source_dir) if source_dir is not None else None)
        self.jobs = jobs
        self.fail_fast = fail_fast
        self.strict = strict
        self.values = values
        self.pull = pull
        self.cache = cache
        self.force = tuple(force)
        self.max_size = max_size
        self.observer = observer or _nobody_listens
        self.notes = notes
        self.environment = os.environ if environment is None else environment
        self.registry = registry if testing_mode == "post_execution" else None
        if testing_mode == "post_execution" and registry is None:
            raise DocumentError(
                [Problem("testing_mode is post_execution, and no registry says what was written in that execution")],
                hint='Read one:  registry=S3OutputPathRegistry.read("registry.json")',
            )

    def execute_pipeline(
        self,
        dag: PipelineExecutionPlan | Document,
        data_source: DataSource = "local",
        *,
        selection: Selection = Selection(),
    ) -> PipelineExecutionResult:
        """Run a plan, a document or a graph to its end.

        A failed step is in the result. Raises DocumentError when nothing could be started for what the documents say,
        MachineError when this machine could not go on; what had ended by then is in the run's folder.
        """
        unfed = unfed_of(data_source)
        if not isinstance(dag, PipelineExecutionPlan):
            planned = self._planned(dag, unfed, selection)
        else:
            planned = self.registry.rebound(dag, selection) if self.registry else dag
        plan = fitted_to_this_machine(planned)
        chosen = selection.steps(plan)
        Selection(only=self.force).steps(plan)  # they must be there
        engine = self.engine or _local_engine(_named_images(plan, chosen))
        _refuse_servers(plan, chosen, engine)
        images = _images(plan, chosen, engine)
        alone = (*_on_one_host(plan, chosen, engine, strict=self.strict), *_without_runtime(plan, chosen, engine))
        starting = [step for step in plan.steps if step.starts and step.name in chosen]
        secrets = secret_values(starting, self.environment, engine=engine)
        with engine:
            if images:
                self.observer(Progress(what=f"looking for {', '.join(images)}"))
            digests = engine.require(images, pull=self.pull)  # before the workspace: what can't run leaves none
            with Workspace(self.workspace_dir) as workspace:
                recovered = recovery(workspace, [engine])
                reused = _earlier_outputs(plan, chosen, workspace)
                seconds = workspace.seconds_of(plan.name)
                fetched = fetch(
                    plan, chosen, workspace.folder / "downloads", lambda what: self.observer(Progress(what=what))
                )
                started = datetime.now().astimezone()
                folder = workspace.new_run(started, engine.name)
                Memo(folder.checks).forget()
                folder.write("plan.json", plan.as_json())
                with folder.journal() as journal:
                    walk = _Walk(
                        self,
                        engine,
                        plan,
                        folder,
                        digests,
                        journal,
                        chosen=chosen,
                        reused=reused,
                        seconds=seconds,
                        secrets=secrets,
                        fetched=fetched,
                        started=started,
                    )
                    walk.notes += (*alone, *recovered, *fetched.notes)
                    result = walk.result()
                workspace.finished(folder.name)
                return result.model_copy(update={"notes": (*result.notes, *self._bounded(workspace, walk.written))})

    def _bounded(self, workspace: Workspace, written: int) -> Iterator[str]:
        """Keep the workspace within its size: the oldest runs go. To measure it takes a look at every file in it."""
        if self.max_size is None or not written or workspace.grown(written) <= self.max_size:
            return
        done = pruned(workspace.folder, Bounds(size=self.max_size))
        workspace.measured(done.size)
        if done.removed:
            runs = f"{len(done.removed)} old run{'s' * (len(done.removed) != 1)}"
            yield f"{runs} removed: the workspace is to hold {self.max_size / GIB:g} GiB at most (--max-size)"

    def _planned(self, dag: Document, unfed: Unfed | None, selection: Selection) -> PipelineExecutionPlan:
        resolver = PipelineDAGResolver(dag, contracts=self.contracts, overrides=self.overrides, unfed=unfed)
        return resolver.create_execution_plan(runnable=True, registry=self.registry, selection=selection)


class _Walk:
    """One walk through a plan.

    It has a thread of its own, in which results are kept and files are written: a signal's KeyboardInterrupt strikes
    the main thread between any two instructions, but only there, where nothing is done but to wait.
    """

    def __init__(  # noqa: PLR0913 -- all that a walk takes along
        self,
        executor: PipelineExecutor,
        engine: Engine,
        plan: PipelineExecutionPlan,
        folder: RunFolder,
        images: Mapping[str, str],
        journal: Journal,
        *,
        chosen: frozenset[str],
        reused: Mapping[str, StepFolder],
        seconds: Mapping[str, float],
        secrets: Mapping[str, SecretValues],
        fetched: Fetched,
        started: datetime,
    ) -> None:
        self.executor = executor
        self.engine = engine
        self.plan = plan
        self.folder = folder
        self.images = images
        self.journal = journal
        self.chosen = chosen
        self.reused = reused
        self.secrets = secrets
        self.fetched = fetched
        self.started = started
        self.validator = DataCompatibilityValidator(values=executor.values, memo=Memo(folder.checks))
        self.cache = Cache(
            plan.name,
            Surroundings(
                engine=engine.name,
                runs_images=engine.runs_images,
                makes_mounts=engine.makes_mounts,
                images=images,
                workspace=folder.path.parents[1],
                secrets=fingerprints(secrets),
                fetched=fetched,
            ),
            strict=executor.strict,
            values=executor.values,
            refused=refusals(plan.steps, forced=executor.force, use=executor.cache),
        )
        self.schedule = Schedule(plan.dependencies)
        self.jobs = executor.jobs or os.cpu_count() or 1
        self.notes = (*executor.notes, *_not_exercised(engine))
        self.results: dict[str, StepExecutionResult] = {}
        self.queue = ReadyQueue(
            {step.name: demand(step, hosts=step.instance_count if engine.makes_clusters else 1) for step in plan.steps},
            to_go=seconds_to_go(plan.dependencies, seconds),
            capacity=this_machine(),
            jobs=self.jobs,
        )
        self.running: dict[Future[StepExecutionResult], str] = {}
        self.stopped: str | None = None  # why nothing more is started
        self.stopping = threading.Event()
        self.interrupted: ExitCode | None = None
        self.broken: BaseException | None = None

    def result(self) -> PipelineExecutionResult:
        """Walk to the end; what a signal or a broken machine leaves undone is in the result that is saved."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="walk") as thread:
            walk = thread.submit(self._saved_result)
            while not walk.done():
                try:
                    wait([walk])
                except KeyboardInterrupt as signal:
                    self.interrupted = ExitCode.TERMINATED if isinstance(signal, Terminated) else ExitCode.INTERRUPTED
                    self._stop("interrupted")
            return walk.result()

    def _saved_result(self) -> PipelineExecutionResult:
        clock = time.monotonic()
        self._tell(
            RunStarted(
                pipeline=self.plan.name,
                run=self.folder.name,
                folder=self.folder.path,
                engine=self.engine.name,
                steps={name: tuple(self.plan.dependencies[name]) for name in self.plan.execution_order},
            )
        )
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="step") as threads:
            with self._unbroken("walk through the plan"):
                self._start_ready(threads)
            while self.running:
                done, _ = wait(self.running, return_when=FIRST_COMPLETED)
                with self._unbroken("walk through the plan"):
                    for future in done:
                        self._end(future)
                    self._start_ready(threads)
        for name in self.plan.execution_order:
            if name not in self.results:
                self._keep(self._not_started(name))
        result = PipelineExecutionResult(
            pipeline=self.plan.name,
            run=self.folder.name,
            folder=self.folder.path,
            engine=self.engine.name,
            notes=(*self.notes, *self.plan.warnings, *self.plan.notes),
            images=dict(self.images),
            started_at=self.started,
            seconds=time.monotonic() - clock,
            interrupted=_exit_code_of(self.broken) or self.interrupted,
            steps=tuple(self.results[name] for name in self.plan.execution_order),
        )
        self.cache.contents.save()
        with self._unbroken("save the result"):
            self.folder.write("result.json", result.model_dump(mode="json"))
        self._tell(RunEnded(run=result.run, outcome=result.outcome, exit_code=result.exit_code, seconds=result.seconds))
        if self.broken:
            raise self.broken
        return result

    @property
    def written(self) -> int:
        """How many bytes the steps that ran have left."""
        ran = [name for name, ended in self.results.items() if ended.status is StepStatus.SUCCEEDED]
        return sum(
            file.size for name in ran if name in self.cache.kept for file in self.cache.kept[name].record.files.values()
        )

    def _stop(self, why: str) -> None:
        """Start nothing more and end what runs; a second time, at once."""
        self.stopped = self.stopped or why
        first = not self.stopping.is_set()
        self.stopping.set()
        self.engine.interrupt()
        if first:  # told in a thread of its own: a second signal strikes this one
            threading.Thread(target=self._tell, args=(RunStopping(why=why),), daemon=True).start()

    @contextmanager
    def _unbroken(self, doing: str) -> Iterator[None]:
        """Go on after an error, but only to stop what runs and to save what there is; it is raised in the end."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 -- raised in the end
            self._break(unwritable(error, doing) if isinstance(error, OSError) else error)

    def _break(self, error: BaseException) -> None:
        self.broken = self.broken or error
        self._stop("this machine could not go on")

    def _start_ready(self, threads: ThreadPoolExecutor) -> None:
        """Start ready steps while there is room; those with nothing to run end at once and may make others ready."""
        ready = deque(self.schedule.ready())
        while ready and not self.stopped:
            step = self.plan.step_configs[ready.popleft()]
            if ended := self._without_running(step):
                self._keep(ended)
                self.schedule.succeeded(step.name)
                ready += self.schedule.ready()
            else:
                self.queue.offer([step.name])
        while not self.stopped and (name := self.queue.start_next()):
            self.running[threads.submit(self._run, self.plan.step_configs[name])] = name

    def _run(self, step: PlannedStep) -> StepExecutionResult:
        if self.stopped:
            return self._not_started(step.name)
        if (earlier := self.reused.get(step.name)) is not None:
            outputs = self.cache.brought(step.name, earlier, self.folder)
            left = {one.name: one for one in sorted(outputs.iterdir())}
            why = f"outputs of run {earlier.run}"
            return StepExecutionResult(step=step.name, status=StepStatus.REUSED, why=why, outputs=left)
        answer = self.cache.answer(step)
        if answer.damaged is not None:
            set_aside(answer.damaged)
            self.notes += (f"{step.name}: {answer.why}; it is set aside",)
        because = answer.why
        if answer.kept is not None:
            try:
                return self.cache.taken_over(step, answer.kept, self.folder, answer.why)
            except PermissionError as error:
                because = f"what it left can't be taken over: {error.strerror}"
        return self._ran(step, answer.ingredients).model_copy(update={"because": because})

    def _ran(self, step: PlannedStep, ingredients: Ingredients | None) -> StepExecutionResult:
        sources = {one.channel: self._source(step, one) for one in step.inputs}
        secrets = self.secrets.get(step.name, SecretValues())

        def keep(folder: StepFolder, outputs: Path, result: StepExecutionResult) -> None:
            self.cache.keep(step, ingredients, folder, outputs, secrets.mask.value(result))

        run = StepRun(
            step,
            sources,
            self.folder,
            secrets.handed_by(self.engine),
            self.validator,
            self._tell,
            keep,
            self.stopping,
            secrets.mask,
            strict=self.executor.strict,
        )
        result = run.result()
        if secrets and not result.success:  # what it answered is in the result, masked
            self.folder.step(step.name).discard_staged()
        return secrets.mask.value(result)

    def _not_started(self, name: str) -> StepExecutionResult:
        return StepExecutionResult(step=name, status=StepStatus.SKIPPED, why=f"not started: {self.stopped}")

    def _end(self, future: Future[StepExecutionResult]) -> None:
        name = self.running.pop(future)
        self.queue.ended(name)
        error = future.exception()
        if error is None:
            ended = future.result()
        else:
            if isinstance(error, OSError):
                error = unwritable(error, f"run step '{name}'")
            why = error.what if isinstance(error, SandboxError) else f"{type(error).__name__}: {error}"
            log = self.folder.step(name).log
            ended = StepExecutionResult(
                step=name, status=StepStatus.STOPPED, why=why, log=log if log.exists() else None
            )
            self._break(error)
        self._keep(ended)
        if ended.success:
            self.schedule.succeeded(name)
            return
        for lost in self.schedule.failed(name):
            why = f"it depends on '{name}', which {ended.status}"
            self._keep(StepExecutionResult(step=lost, status=StepStatus.SKIPPED, why=why))
        if self.executor.fail_fast and not self.stopped:
            self._stop(f"step '{name}' failed")

    def _keep(self, ended: StepExecutionResult) -> None:
        self.results[ended.step] = ended
        if ended.status not in (StepStatus.SKIPPED, StepStatus.REUSED):
            with self._unbroken(f"keep the result of step '{ended.step}'"):
                self.folder.step(ended.step).write("step.json", ended.model_dump(mode="json"))
        self._tell(StepEnded(result=ended))

    def _tell(self, event: Event) -> None:
        """Write it down, and tell the observer; from any thread."""
        self.journal(event)
        with self._unbroken("say what happens"):
            self.executor.observer(event)

    def _without_running(self, step: PlannedStep) -> StepExecutionResult | None:
        """The result of a step for which no container is started; None if it is to run."""
        bound = {output.channel: output.bound.resolve() for output in step.outputs if output.bound}
        if step.skip is not None:
            self.cache.stands_for.update({(step.name, channel): folder for channel, folder in bound.items()})
            return StepExecutionResult(step=step.name, status=StepStatus.SKIPPED, why=step.skip, outputs=bound)
        if step.name not in self.chosen and step.name not in self.reused:
            return StepExecutionResult(step=step.name, status=StepStatus.SKIPPED, why="not selected")
        return None

    def _source(self, step: PlannedStep, one: PlannedInput) -> Path:
        """Where an input's file or folder is; a folder that an optional output did not leave is not there."""
        source = one.source
        if isinstance(source, StepOutput):
            outputs = self.results[source.step].outputs
            return outputs.get(source.channel, self.folder.path / "steps" / source.step / "outputs" / source.channel)
        return brought(step, one, source, self.folder.path / "inputs" / step.name / one.channel, fetched=self.fetched)


def _on_one_host(
    plan: PipelineExecutionPlan, chosen: frozenset[str], engine: Engine, *, strict: bool
) -> tuple[str, ...]:
    """What to say where an engine runs one host of several; with `strict` that is an EngineError."""
    several = [step.name for step in plan.steps if step.starts and step.name in chosen and step.instance_count > 1]
    if not several or engine.makes_clusters:
        return ()
    what = f"{', '.join(several)}: several instances are asked for, and the {engine.name} engine has one host"
    if strict:
        raise EngineError(what, hint="Use --engine docker, or give the step  instance_count: 1.")
    return (f"{what}, which sees algo-1 alone and all of its input",)


def _without_runtime(plan: PipelineExecutionPlan, chosen: frozenset[str], engine: Engine) -> tuple[str, ...]:
    """What to say where containers of another runtime are asked for, and an engine has none."""
    asked = sorted({step.runtime for step in plan.steps if step.starts and step.name in chosen and step.runtime})
    if not asked or engine.runs_images:
        return ()
    return (f"the {engine.name} engine has no container runtimes: {', '.join(asked)} is not used",)


def _not_exercised(engine: Engine) -> tuple[str, ...]:
    """What an engine without container paths leaves untried."""
    return () if engine.makes_mounts else (NOT_EXERCISED,)


def _exit_code_of(error: BaseException | None) -> ExitCode | None:
    if error is None:
        return None
    return error.exit_code if isinstance(error, SandboxError) else ExitCode.BUG


def _local_engine(images: list[str]) -> Engine:
    """The engine when none was given; EngineError where an image was asked for, which it would leave aside."""
    if images:
        raise EngineError(
            f"{', '.join(images)} was asked for, and the executor was given no engine that runs images",
            hint="Give it one, engine=DockerEngine.connect(), or engine=LocalEngine.connect() to do without images.",
        )
    from cursus_sandbox.engines.local import LocalEngine  # noqa: PLC0415 -- only where it is wanted

    return LocalEngine.connect()


def _refuse_servers(plan: PipelineExecutionPlan, chosen: frozenset[str], engine: Engine) -> None:
    """EngineError, before anything runs, for transforms on an engine that can't reach a server."""
    serving = [step.name for step in plan.steps if step.starts and step.transform and step.name in chosen]
    if serving and not engine.makes_mounts:
        raise EngineError(
            f"step '{serving[0]}' is a transform, and the {engine.name} engine can't run a model's server",
            hint="Use --engine docker or --engine local, or leave the step out:  skip: true.",
        )


def _earlier_outputs(
    plan: PipelineExecutionPlan, chosen: frozenset[str], workspace: Workspace
) -> dict[str, StepFolder]:
    """The folders with the outputs of earlier runs that the chosen steps read; DocumentError if there are none."""
    found: dict[str, StepFolder] = {}
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
            if earlier := workspace.published(plan.name, producer.name):
                found[producer.name] = earlier
            else:
                what = f"step '{step.name}' reads '{one.source}', and no earlier run in {workspace.folder} left that"
                problems.append(Problem(what, hint=f"Run it first:  --until {producer.name}"))
    if problems:
        raise DocumentError(problems)
    return found


def _images(plan: PipelineExecutionPlan, chosen: frozenset[str], engine: Engine) -> list[str]:
    """The images this run needs; DocumentError for a step without one, where the engine can't do without."""
    if not engine.runs_images:
        problems = [
            Problem(
                f"step '{step.name}' is started by its image, and the engine '{engine.name}' runs none",
                hint="Run it in containers:  --engine docker, or leave it out:  steps: {STEP: {skip: true}}",
            )
            for step in plan.steps
            if step.starts and step.name in chosen and step.start is Start.IMAGE
        ]
        if problems:
            raise DocumentError(problems)
        return []
    problems = [
        Problem(f"step '{step.name}' has no image", hint="Name one:  --image NAME, or run it here:  --engine local")
        for step in plan.steps
        if step.starts and step.name in chosen and step.image is None
    ]
    if problems:
        raise DocumentError(problems)
    return _named_images(plan, chosen)


def _named_images(plan: PipelineExecutionPlan, chosen: frozenset[str]) -> list[str]:
    return sorted({step.image for step in plan.steps if step.starts and step.name in chosen and step.image})

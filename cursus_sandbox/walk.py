"""One walk through a plan: several steps at a time, and what came of each written down."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from queue import SimpleQueue

from cursus_sandbox.engines.engine import EngineKind
from cursus_sandbox.errors import ExitCode, SandboxError, Terminated
from cursus_sandbox.interruptions import Interruptions
from cursus_sandbox.outcomes import Outcomes, Provisions, Rules
from cursus_sandbox.pipeline.events import Event, RunEnded, RunStarted, RunStopping, StepEnded
from cursus_sandbox.pipeline.look_ahead import LookAhead
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.pipeline.ready_queue import Demand, ReadyQueue, demand, seconds_to_go
from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.pipeline.schedule import Schedule
from cursus_sandbox.runs.folders import unwritable
from cursus_sandbox.runs.journal import Journal
from cursus_sandbox.sagemaker.script_main import NOT_EXERCISED


class Walk:
    """One walk through a plan, in a run's folder.

    It has a thread of its own, in which results are kept and files are written: the caller's does nothing but to wait
    for signals, and to answer one after the other.
    """

    def __init__(
        self, rules: Rules, given: Provisions, journal: Journal, *, notes: Iterable[str], started: datetime
    ) -> None:
        self.rules = rules
        self.site = given.site
        self.plan = plan = given.plan
        self.folder = given.folder
        self.images = given.images
        self.journal = journal
        self.notes = (*notes, *_not_exercised(given.site))
        self.started = started
        self.stopping = threading.Event()
        self.results: dict[str, StepExecutionResult] = {}
        self.unwritten: deque[StepExecutionResult] = deque()
        self.jobs = rules.jobs or given.site.jobs
        to_go = seconds_to_go(plan.dependencies, given.seconds)
        self.outcomes = Outcomes(rules, given, self.results, to_go=to_go, tell=self._tell, stopping=self.stopping)
        self.schedule = Schedule(plan.dependencies)
        may_run = {step.name for step in plan.steps if step.skip is None and step.name in given.chosen}
        self.look_ahead = LookAhead(plan.dependencies, to_go, may_run=may_run, most=self.jobs)
        self.queue = ReadyQueue(
            {step.name: self._demand(step) for step in plan.steps},
            to_go=to_go,
            capacity=given.site.capacity,
            jobs=self.jobs,
        )
        self.running: dict[Future[StepExecutionResult], str] = {}
        self.news: SimpleQueue[Callable[[], object]] = SimpleQueue()  # what steps leave to the walk's own thread
        self.turns: dict[str, threading.Event] = {}  # of steps that wait to be tried again
        self.stopped: str | None = None  # why nothing more is started
        self.interrupted: ExitCode | None = None
        self.broken: BaseException | None = None

    def result(self, interruptions: Interruptions) -> PipelineExecutionResult:
        """Walk to the end; what a signal or a broken machine leaves undone is in the result that is saved."""
        interruptions.hold()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="walk") as thread:
            walk = thread.submit(self._saved_result)
            walk.add_done_callback(lambda _: interruptions.over())
            while signal := interruptions.next():
                self.interrupted = ExitCode.TERMINATED if isinstance(signal, Terminated) else ExitCode.INTERRUPTED
                self._stop("interrupted")
            result = walk.result()
        interruptions.answered = result.interrupted is not None
        return result

    def _saved_result(self) -> PipelineExecutionResult:
        clock = time.monotonic()
        self._tell(
            RunStarted(
                pipeline=self.plan.name,
                run=self.folder.name,
                folder=self.folder.path,
                engine=self.site.name,
                steps={name: tuple(self.plan.dependencies[name]) for name in self.plan.execution_order},
            )
        )
        with self.outcomes.sweeper, ThreadPoolExecutor(len(self.plan.steps) or 1, thread_name_prefix="step") as threads:
            with self._unbroken("walk through the plan"):
                self._start_ready(threads)
            while self.running:
                happened = self.news.get()
                with self._unbroken("walk through the plan"):
                    happened()
                    self._start_ready(threads)
                    self._expect_next()
                self._write_results()
        for name in self.plan.execution_order:
            if name not in self.results:
                self._keep(self._not_started(name))
        self._write_results()
        result = PipelineExecutionResult(
            pipeline=self.plan.name,
            run=self.folder.name,
            folder=self.folder.path,
            engine=self.site.name,
            notes=(*self.notes, *self.outcomes.notes, *self.plan.warnings, *self.plan.notes),
            images=dict(self.images),
            started_at=self.started,
            seconds=time.monotonic() - clock,
            interrupted=_exit_code_of(self.broken) or self.interrupted,
            steps=tuple(self.results[name] for name in self.plan.execution_order),
        )
        self.outcomes.finish()
        with self._unbroken("save the result"):
            self.folder.write("result.json", result.model_dump(mode="json"))
        self._tell(RunEnded(run=result.run, outcome=result.outcome, exit_code=result.exit_code, seconds=result.seconds))
        if self.broken:
            raise self.broken
        return result

    def _stop(self, why: str) -> None:
        """Start nothing more and end what runs; a second time, at once."""
        self.stopped = self.stopped or why
        first = not self.stopping.is_set()
        self.stopping.set()
        self.site.interrupt()
        for turn in tuple(self.turns.values()):
            turn.set()
        if first:  # told in a thread of its own: an observer may take its time, and a second signal wants to be heard
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
            if ended := self.outcomes.without_running(step):
                self._keep(ended)
                self.schedule.succeeded(step.name)
                ready += self.schedule.ready()
            else:
                self.queue.offer([step.name])
                self.look_ahead.ready(step.name)
        while not self.stopped and (name := self.queue.start_next()):
            if turn := self.turns.pop(name, None):
                turn.set()
                continue
            self.look_ahead.started(name)
            future = threads.submit(self._run, self.plan.step_configs[name])
            self.running[future] = name
            future.add_done_callback(lambda done: self.news.put(partial(self._end, done)))

    def _expect_next(self) -> None:
        """Have the site get ready for the steps that are likely to start next."""
        if self.stopped:
            return
        for name in self.look_ahead.news():
            if errand := self.outcomes.errand_to_come(self.plan.step_configs[name]):
                self.site.expect(errand)

    def pause(self, step: PlannedStep, seconds: float) -> bool:
        """Leave a step's place to others for so long, then wait for one with the memory that it is to have now.

        Whether it may be tried again: it isn't where the run is to end.
        """
        self.news.put(partial(self.queue.ended, step.name))
        self.stopping.wait(seconds)
        turn = self.turns[step.name] = threading.Event()
        self.news.put(partial(self.queue.offer, [step.name], demand=self._demand(step)))
        if not self.stopping.is_set():
            turn.wait()
        return not self.stopping.is_set()

    def leave(self, step: PlannedStep) -> None:
        """Let others run while what a step left is looked at."""
        self.news.put(partial(self.queue.ran, step.name))

    def _demand(self, step: PlannedStep) -> Demand:
        return demand(step, hosts=step.instance_count if self.site.makes_clusters else 1)

    def _run(self, step: PlannedStep) -> StepExecutionResult:
        if self.stopped:
            return self._not_started(step.name)
        begins = partial(self.news.put, partial(self.look_ahead.runs, step.name))
        return self.outcomes.of(step, self, begins=begins)

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
        if self.rules.fail_fast and not self.stopped:
            self._stop(f"step '{name}' failed")

    def _keep(self, ended: StepExecutionResult) -> None:
        self.results[ended.step] = ended
        self.look_ahead.ended(ended.step)
        self.site.give_up(ended.step)
        self.unwritten.append(ended)
        self._tell(StepEnded(result=ended))

    def _write_results(self) -> None:
        """Write down how steps have ended: that takes the disk's time, and those that come next have started by now."""
        while self.unwritten:
            ended = self.unwritten.popleft()
            if ended.status not in (StepStatus.SKIPPED, StepStatus.REUSED):
                with self._unbroken(f"keep the result of step '{ended.step}'"):
                    self.folder.step(ended.step).write("step.json", ended.model_dump(mode="json"))

    def _tell(self, event: Event) -> None:
        """Write it down, and tell the observer; from any thread."""
        self.journal(event)
        with self._unbroken("say what happens"):
            self.rules.observer(event)


def _not_exercised(engine: EngineKind) -> tuple[str, ...]:
    """What an engine without container paths leaves untried."""
    return () if engine.makes_mounts else (NOT_EXERCISED,)


def _exit_code_of(error: BaseException | None) -> ExitCode | None:
    if error is None:
        return None
    return error.exit_code if isinstance(error, SandboxError) else ExitCode.BUG

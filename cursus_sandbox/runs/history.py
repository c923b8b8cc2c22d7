"""The runs that a workspace has kept: which there are, and what came of each."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.events import RunStarted, StepEnded, StepSampled, StepStarted
from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.runs.folders import INGREDIENTS
from cursus_sandbox.runs.journal import recorded
from cursus_sandbox.runs.records import RECORD, Record

LAST = "last"
Sample = tuple[float, int | None, float | None]
Ingredients = Mapping[str, Mapping[str, str]]
_INGREDIENTS: TypeAdapter[Ingredients] = TypeAdapter(Ingredients)


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run's folder. A run that was killed, or still runs, has no `result` but may have the results of some steps."""

    folder: Path
    is_running: bool

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def result(self) -> PipelineExecutionResult | None:
        """What came of it; None where nobody wrote that down, or it can't be read."""
        try:
            return PipelineExecutionResult.model_validate_json((self.folder / "result.json").read_bytes())
        except (OSError, ValidationError):
            return None

    @property
    def plan(self) -> dict[str, Any]:
        """The plan as it was written; empty where it can't be read."""
        try:
            read = json.loads((self.folder / "plan.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def started_at(self) -> datetime:
        """When its folder was made, as its name says."""
        date, clock, *_ = f"{self.name}--".split("-")
        try:
            return datetime.strptime(date + clock, "%Y%m%d%H%M%S").astimezone()
        except ValueError:
            return datetime.fromtimestamp(self.folder.stat().st_mtime).astimezone()

    @property
    def usage(self) -> Mapping[str, Sequence[Sample]]:
        """What each step used over time: seconds since it first began, memory, processors. Of what was written down."""
        began: dict[str, datetime] = {}
        found: dict[str, list[Sample]] = {}
        for one in recorded(self.folder / "events.jsonl"):
            match one.event:
                case StepStarted():
                    began.setdefault(one.event.step, one.at)
                case StepSampled() as sampled if sampled.step in began:
                    seconds = (one.at - began[sampled.step]).total_seconds()
                    found.setdefault(sampled.step, []).append((seconds, sampled.memory, sampled.cpu))
                case _:
                    pass
        return found

    @property
    def ingredients(self) -> Mapping[str, Ingredients]:
        """What each step that ran came of: its code, its inputs, each with a word for what is in it."""
        found: dict[str, Ingredients] = {}
        for file in (self.folder / "steps").glob(f"*/{INGREDIENTS}"):
            with suppress(OSError, ValidationError):
                found[file.parent.name] = _INGREDIENTS.validate_json(file.read_bytes())
        for file in (self.folder / "steps").glob(f"*/{RECORD}"):
            try:
                found[file.parent.name] = Record.model_validate_json(file.read_bytes()).ingredients
            except (OSError, ValidationError):
                continue
        return found

    @property
    def so_far(self) -> PipelineExecutionResult:
        """What is known of a run that has no result: the steps that ended, those that were under way, the others."""
        engine, started, last = "?", dict[str, datetime](), self.started_at
        ended = {step.step: step for step in self.ended_steps()}
        for one in recorded(self.folder / "events.jsonl"):
            last = one.at
            match one.event:
                case RunStarted():
                    engine = one.event.engine
                case StepStarted():
                    started.setdefault(one.event.step, one.at)
                case StepEnded():
                    ended.setdefault(one.event.result.step, one.event.result)
                case _:
                    pass
        if self.is_running:
            last = datetime.now(UTC)

        def step(name: str) -> StepExecutionResult:
            if name in ended:
                return ended[name]
            if name not in started:
                why = "it waits" if self.is_running else "not started: the run was ended from outside"
                return StepExecutionResult(step=name, status=StepStatus.SKIPPED, why=why)
            log = self.folder / "steps" / name / "log.txt"
            return StepExecutionResult(
                step=name,
                status=StepStatus.STOPPED,
                why="it runs" if self.is_running else "it was running when the run was ended from outside",
                started_at=started[name],
                seconds=max((last - started[name]).total_seconds(), 0.0),
                attempts=1,
                log=log if log.exists() else None,
            )

        names = self.plan.get("execution_order") or list(ended)
        return PipelineExecutionResult(
            pipeline=str(self.plan.get("name", "?")),
            run=self.name,
            folder=self.folder,
            engine=engine,
            started_at=self.started_at,
            seconds=max((last - self.started_at).total_seconds(), 0.0),
            steps=tuple(step(str(name)) for name in names),
        )

    def ended_steps(self) -> Iterator[StepExecutionResult]:
        """The results of the steps that have ended, in the order they did; of a run that has no result of its own."""
        found = sorted((self.folder / "steps").glob("*/step.json"), key=lambda file: file.stat().st_mtime)
        for file in found:
            try:
                yield StepExecutionResult.model_validate_json(file.read_bytes())
            except (OSError, ValidationError):
                continue

    @property
    def waiting(self) -> tuple[str, ...]:
        """The steps of its plan that have neither a log nor an end so far."""
        names = [str(step.get("name")) for step in self.plan.get("steps", ())]
        folders = {name: self.folder / "steps" / name for name in names}
        return tuple(
            name
            for name, folder in folders.items()
            if not (folder / "log.txt").exists() and not (folder / "step.json").exists()
        )

    def step(self, name: str) -> Path:
        """The folder of a step that was started; DocumentError names those there are."""
        folder = self.folder / "steps" / name
        if folder.parent != self.folder / "steps" or not folder.is_dir():
            started = [one.name for one in (self.folder / "steps").glob("*/")]
            known = [*started, *(str(step.get("name")) for step in self.plan.get("steps", ()))]
            if name in known:
                what = f"step '{name}' was not started in run {self.name}"
                raise DocumentError([Problem(what, hint=self._where_it_ran(name))])
            raise DocumentError([Problem(f"run {self.name} has no step '{name}'", hint=did_you_mean(name, known))])
        return folder

    def _where_it_ran(self, name: str) -> str:
        """Which run is the newest that has a log of a step; one that took over what it left has an empty one."""
        logs = self.folder.parent.glob(f"*/steps/{escape(name)}/log.txt")
        runs = [log.parents[2].name for log in logs if log.stat().st_size]
        return f"It last wrote a log in run {max(runs)}: name it as  {max(runs)}:{name}" if runs else ""


def kept_runs(workspace: Path) -> list[KeptRun]:
    """All runs, the newest last; none where there is no workspace."""
    folders = sorted(one for one in (workspace / "runs").glob("*/") if one.is_dir())
    if not folders:
        return []
    running = is_held(workspace)
    newest = folders[-1]
    return [KeptRun(one, running and one is newest and not (one / "result.json").exists()) for one in folders]


def kept_run(workspace: Path, name: str) -> KeptRun:
    """The run of that name, or of the only one that begins so; `last` is the newest. DocumentError if there is none."""
    runs = kept_runs(workspace)
    if not runs:
        raise DocumentError([Problem(f"no run is kept in {workspace}", hint="Is it another folder?  --workspace DIR")])
    if name == LAST:
        return runs[-1]
    begins = [run for run in runs if run.name.startswith(name)]
    for run in begins:
        if run.name == name:
            return run
    if len(begins) == 1:
        return begins[0]
    if begins:
        first = ", ".join(run.name for run in begins[:6])
        raise DocumentError([Problem(f"'{name}' is the beginning of {len(begins)} runs: {first}")])
    names = [run.name for run in runs]
    raise DocumentError(
        [
            Problem(
                f"there is no run '{name}' in {workspace}",
                hint=did_you_mean(name, names) or f"The newest is {names[-1]}.",
            )
        ]
    )


def step_of(workspace: Path, given: str) -> tuple[KeptRun, str]:
    """The run and the step that `RUN:STEP`, or a step alone, names; a step alone is one of the newest run."""
    run, colon, step = given.rpartition(":")
    return kept_run(workspace, run if colon else LAST), step


def is_held(workspace: Path) -> bool:
    """Whether a run holds the workspace's lock now."""
    try:
        lock = os.open(workspace / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(lock)

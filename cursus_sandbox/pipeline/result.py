"""What came of a run: one value per step, one for the whole. Every report reads these."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from cursus_sandbox.errors import ExitCode, did_you_mean
from cursus_sandbox.tables.report import DataCompatibilityReport


class StepStatus(StrEnum):
    """How a step ended; the words are those SageMaker has for a pipeline's steps, where it has one."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    REUSED = "reused"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FailedAttempt(_Value):
    """How an attempt ended that was followed by another; memory in bytes. `outputs` is the folder of what it left."""

    why: str
    exit_code: int | None
    seconds: float
    peak_memory: int | None
    memory_limit: int | None
    outputs: Path | None = None


class MountRow(_Value):
    """What a step saw at a path of its container: `mode` is read_only, private (a copy of its own), or writable."""

    path: str
    source: Path
    mode: str


class StepExecutionResult(_Value):
    """One step's end. `seconds` count the container only; `peak_memory` is in bytes, None if it could not be learned.

    All figures are those of the last of its `attempts`; what came of those before is in `earlier_attempts`.

    `why` is a sentence for people, `because` one that says of a step that ran why no earlier run's outputs would do;
    `outputs` gives each channel's folder; `reports` are the data checks before the step started and after it ended;
    `metrics` are the numbers of a `metrics.json` it left; `warnings` say what SageMaker would lose of what it wrote.
    `mounts` say what it saw where. Of a failed step there are the end of its log and a script that runs it by hand.
    """

    step: str
    status: StepStatus
    why: str = ""
    because: str = ""
    exit_code: int | None = None
    data_broken: bool = False
    started_at: datetime | None = None
    seconds: float = 0.0
    peak_memory: int | None = None
    memory_limit: int | None = None
    attempts: int = 0
    earlier_attempts: tuple[FailedAttempt, ...] = ()
    message: str = ""
    log: Path | None = None
    log_end: tuple[str, ...] = ()
    mounts: tuple[MountRow, ...] = ()
    by_hand: Path | None = None
    outputs: dict[str, Path] = Field(default_factory=dict)
    reports: tuple[DataCompatibilityReport, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether its dependants may go on."""
        return self.status in (StepStatus.SUCCEEDED, StepStatus.REUSED, StepStatus.SKIPPED)

    @property
    def has_sandbox(self) -> bool:
        """Whether it failed where something ran for it: that is kept, and a shell can be opened there."""
        return self.status is StepStatus.FAILED and (self.exit_code is not None or bool(self.mounts))


class PipelineExecutionResult(_Value):
    """A run: its steps in the order of the plan.

    `interrupted` is the exit code of what ended it before its time: a signal, or a machine that could not go on.
    """

    pipeline: str
    run: str
    folder: Path
    engine: str
    notes: tuple[str, ...] = ()
    images: dict[str, str] = Field(default_factory=dict)
    started_at: datetime
    seconds: float
    interrupted: ExitCode | None = None
    steps: tuple[StepExecutionResult, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def success(self) -> bool:
        """Whether no step failed, was stopped, or was skipped because of another."""
        return self.exit_code is ExitCode.OK

    @computed_field  # type: ignore[prop-decorator]
    @property
    def exit_code(self) -> ExitCode:
        """What the process ends with: a failed step weighs more than broken data, and either more than one stopped."""
        if self.interrupted is not None:
            return self.interrupted
        failed = [step for step in self.steps if step.status is StepStatus.FAILED]
        if failed:
            return ExitCode.DATA if all(step.data_broken for step in failed) else ExitCode.STEP_FAILED
        stopped = any(step.status is StepStatus.STOPPED for step in self.steps)
        return ExitCode.STEP_FAILED if stopped else ExitCode.OK

    @property
    def outcome(self) -> str:
        """In a word how it ended: ok, failed or interrupted."""
        return "interrupted" if self.interrupted else "ok" if self.success else "failed"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def memory_peak(self) -> int | None:
        """The largest peak of any step, in bytes."""
        return max((step.peak_memory for step in self.steps if step.peak_memory is not None), default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def execution_order(self) -> tuple[str, ...]:
        """The steps that ran, in the order they started."""
        ran = [step for step in self.steps if step.started_at is not None]
        return tuple(step.step for step in sorted(ran, key=lambda step: step.started_at or self.started_at))

    @model_validator(mode="before")
    @classmethod
    def _computed_again(cls, raw: Any) -> Any:
        """Drop what is computed, so that a result can be read back from its own JSON."""
        computed = cls.model_computed_fields
        return {key: value for key, value in raw.items() if key not in computed} if isinstance(raw, dict) else raw

    def __str__(self) -> str:
        """How it ended, and each step: what `print` shows."""
        said = [f"{self.pipeline}: {self.outcome} in {self.seconds:.1f} s, run {self.run} in {self.folder}"]
        said += [f"  {step.step}: {step.status}{f', {step.why}' if step.why else ''}" for step in self.steps]
        return "\n".join(said)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from cursus_sandbox.pipeline.notebook import table  # noqa: PLC0415 -- for them alone

        return table(self)

    def __getitem__(self, step: str) -> StepExecutionResult:
        """The result of a step, such as `result["XGBoostTraining"].outputs["model_output"]`, which is a folder."""
        __tracebackhide__ = True  # in a test, the line that asked is what is wrong
        if (found := self.step_results.get(step)) is None:
            raise KeyError(f"no step is called '{step}'. {did_you_mean(step, self.step_results)}".rstrip())
        return found

    @property
    def first_failed(self) -> str | None:
        """The step that failed first, rather one that ran than one that could not be started; None if none failed."""
        failed = [step for step in self.steps if step.status is StepStatus.FAILED]
        ended = [step for step in failed if step.started_at is not None]

        def end(step: StepExecutionResult) -> datetime:
            return (step.started_at or self.started_at) + timedelta(seconds=step.seconds)

        return min(ended, key=end).step if ended else failed[0].step if failed else None

    @property
    def step_results(self) -> dict[str, StepExecutionResult]:
        """Each step's result by its name."""
        return {step.step: step for step in self.steps}

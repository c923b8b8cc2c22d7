"""What happens in a run, told as it does: the one stream that views, journals and reports read.

An event holds no time: who hears it looks at the clock, and a journal writes the time beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cursus_sandbox.errors import ExitCode
from cursus_sandbox.pipeline.result import StepExecutionResult


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunStarted(_Event):
    """A run begins. `steps` are all of its plan, in its order, each with those it waits for."""

    event: Literal["run_started"] = "run_started"
    pipeline: str
    run: str
    folder: Path
    engine: str
    steps: dict[str, tuple[str, ...]]


class Progress(_Event):
    """Work of ours that may take a while: of a step, or before any; `done` of `total` such things, if they are counted.

    With `in_bytes` they are bytes; of some works it isn't known how many there will be.
    The next event of the step, or of the run, says that it is over.
    """

    event: Literal["progress"] = "progress"
    what: str
    step: str | None = None
    done: int | None = None
    total: int | None = None
    in_bytes: bool = False


class StepStarted(_Event):
    """A step's inputs are well, and its container is about to start; again, when an attempt has failed."""

    event: Literal["step_started"] = "step_started"
    step: str
    attempt: int = 1


class StepSampled(_Event):
    """What a step's container uses: bytes of memory, and how many processors it kept busy since the last sample.

    Of a step on several hosts the memory is of the host that holds most, and the processors are of all.
    """

    event: Literal["step_sampled"] = "step_sampled"
    step: str
    memory: int | None
    cpu: float | None


class StepLogged(_Event):
    """What a step wrote since it was last heard, about twice a second: the last lines, and of a long one its beginning.

    `left_out` counts the lines that are in its log alone.
    """

    event: Literal["step_logged"] = "step_logged"
    step: str
    lines: tuple[str, ...]
    left_out: int = 0


class DataChecked(_Event):
    """A step's data were looked at. `data` is who wrote them, `reader` the input they were looked at for."""

    event: Literal["data_checked"] = "data_checked"
    step: str
    data: str
    reader: str | None
    rows: int | None
    errors: int
    warnings: int


class StepEnded(_Event):
    """A step has come to its end, run or not."""

    event: Literal["step_ended"] = "step_ended"
    result: StepExecutionResult


class RunStopping(_Event):
    """Nothing more is started, and what runs is told to end."""

    event: Literal["run_stopping"] = "run_stopping"
    why: str


class RunEnded(_Event):
    """A run has come to its end."""

    event: Literal["run_ended"] = "run_ended"
    run: str
    outcome: str
    exit_code: ExitCode
    seconds: float


Event = Annotated[
    RunStarted | Progress | StepStarted | StepSampled | StepLogged | DataChecked | StepEnded | RunStopping | RunEnded,
    Field(discriminator="event"),
]
Observer = Callable[[Event], None]

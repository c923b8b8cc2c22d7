"""When a step that failed is run again, and with what: `retries: 2`, or what it may be run again for, and how."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from cursus_sandbox.pipeline.values import Duration

_LONGEST_WAIT = 60.0  # seconds
_DOUBLINGS = 16  # beyond, every wait is the longest


class Cause(StrEnum):
    """Why an attempt failed: by its memory limit, by its time, or by itself."""

    OUT_OF_MEMORY = "oom"
    TIMEOUT = "timeout"
    EXIT = "exit"


def _listed(value: Any) -> Any:
    """One cause may stand alone."""
    return (value,) if isinstance(value, str) else value


_NAMED: dict[str, Any] = {"enum": [str(cause) for cause in Cause]}
_ONE_OR_MORE = WithJsonSchema({"anyOf": [_NAMED, {"type": "array", "items": _NAMED}]})


class Retries(BaseModel):
    """How often a step that failed is run again, and for what.

    With `memory_factor`, what ran out of memory gets so many times as much. `backoff` is the seconds before the second
    attempt; each later wait is twice as long as the one before (SageMaker's StepRetryPolicy: IntervalSeconds 1,
    BackoffRate 2), at most a minute.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    count: Annotated[int, Field(ge=0, le=100)]
    on: Annotated[tuple[Cause, ...], BeforeValidator(_listed), _ONE_OR_MORE] = tuple(Cause)
    memory_factor: Annotated[float, Field(ge=1, le=64, allow_inf_nan=False)] = 1.0
    backoff: Duration = 1.0

    def allow(self, cause: Cause, attempt: int) -> bool:
        """Whether there is another attempt after this one, the first being 1."""
        return attempt <= self.count and cause in self.on

    def wait(self, attempt: int) -> float:
        """The seconds between this attempt and the next."""
        return min(self.backoff * 2.0 ** min(attempt - 1, _DOUBLINGS), _LONGEST_WAIT)

    def memory(self, cause: Cause, limit: int | None, most: int) -> int | None:
        """What the next attempt may hold, where this one's limit was `limit` and the machine has `most`."""
        if limit is None or cause is not Cause.OUT_OF_MEMORY:
            return limit
        return max(limit, min(int(limit * self.memory_factor), most))

    def said(self) -> str:
        """In words, for a plan."""
        times = f"{self.count} {'retry' if self.count == 1 else 'retries'}"
        after = "" if set(self.on) == set(Cause) else f" after {', '.join(self.on)}"
        return times + after + (f", {self.memory_factor:g} times the memory" if self.memory_factor > 1 else "")


NEVER = Retries(count=0)


def _number_or_mapping(value: Any) -> str:
    return "dict[retries]" if isinstance(value, dict | Retries) else "tuple[count]"


# Which of the two is meant is told by what is there, so that an error speaks of that one alone.
Retried = Annotated[
    Annotated[int, Field(ge=0, le=100), Tag("tuple[count]")] | Annotated[Retries, Tag("dict[retries]")],
    Discriminator(_number_or_mapping),
]


def retries_of(said: int | Retries) -> Retries:
    """What a number alone means."""
    return said if isinstance(said, Retries) else Retries(count=said)

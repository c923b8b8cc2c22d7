"""What a run and the workers of a cluster say to each other, as values that are pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cursus_sandbox.pipeline.events import Event
from cursus_sandbox.steps.site import Errand
from cursus_sandbox.steps.step_run import Done

Trouble = tuple[str, str]  # what is wrong, and what to do


@dataclass(frozen=True, slots=True)
class Question:
    """Asked of every worker before anything starts. `nonce` lies in `folder`; `images` are to be there, or pulled."""

    engine: str
    folder: Path
    nonce: str
    images: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    pull: bool = False


@dataclass(frozen=True, slots=True)
class Fitness:
    """A worker's answer: its host, its Python and packages, the digests of the images, or what is wrong with it."""

    host: str
    python: str
    digests: Mapping[str, str]
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """An errand, and all that its worker has to know besides.

    `run` is the topic of the run, `number` the errand's own; `there` are the paths that must be seen. What goes on is
    told every `pace` seconds.
    """

    run: str
    number: int
    errand: Errand
    engine: str
    digests: Mapping[str, str]
    there: tuple[Path, ...]
    pace: float


@dataclass(frozen=True, slots=True)
class Word:
    """What was told of an errand while it ran; `task` is who is at it: of an errand that is run again, another."""

    task: str
    worker: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an errand, or why it could not be run there; `last` is what had not been told yet, of `words`."""

    last: Word
    words: int
    done: Done | None = None
    trouble: Trouble | None = None

"""What a run and the workers of a cluster say to each other, as values that are pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cursus_sandbox.cluster.enclosed import Enclosed
from cursus_sandbox.cluster.parcels import Parcel
from cursus_sandbox.cluster.shared import Shared, Trouble
from cursus_sandbox.pipeline.events import Event
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.steps.site import Errand
from cursus_sandbox.steps.step_run import Done


@dataclass(frozen=True, slots=True)
class Question:
    """Asked of every worker before anything starts. `nonce` is in what is shared; `images` are there, or pulled."""

    engine: str
    shared: Shared
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


Parcels = Mapping[Path, Parcel | None]
"""What lies at paths of the run's host."""


@dataclass(frozen=True, slots=True)
class Freight:
    """What an errand reads, in a store."""

    store: S3Objects
    parcels: Enclosed[Parcels]


@dataclass(frozen=True, slots=True)
class Letter:
    """An errand, and all that its worker has to know besides.

    `run` is the topic of the run, `number` the errand's own; `there` are the paths that must be seen, or, where no
    folder is shared, what they read is `freight`. What goes on is told every `pace` seconds.
    """

    run: str
    number: int
    errand: Errand
    engine: str
    digests: Mapping[str, str]
    there: tuple[Path, ...]
    pace: float
    freight: Freight | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """What was told of an errand while it ran; `task` is who is at it: of an errand that is run again, another."""

    task: str
    worker: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an errand, or why it could not be run there; `last` is what had not been told yet, of `words`.

    Where no folder is shared, `left` is the step's folder.
    """

    last: Word
    words: int
    done: Done | None = None
    trouble: Trouble | None = None
    left: Enclosed[Parcel] | None = None

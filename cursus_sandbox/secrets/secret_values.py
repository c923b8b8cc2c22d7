"""What the secrets of a run are: read before anything starts, handed to steps, and masked in all that they say.

A plan names where secrets are kept (`env:VARIABLE`, `file:PATH`), and never what they are: whatever is made of a plan,
a report, a journal, a key of a cache, can't hold one. Here alone are their values, in memory, from the start of a run
to its end; as a file, in memory too, only while a step runs that wants one.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from cursus_sandbox.engines.engine import (
    Cluster,
    Engine,
    EngineKind,
    Exit,
    Fetching,
    Job,
    Mount,
    MountMode,
    Visitor,
    Watcher,
)
from cursus_sandbox.errors import DocumentError, EngineError, Problem
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.pipeline.secrets import SECRETS, Handed, Secret
from cursus_sandbox.secrets.masking import SHORTEST, Mask
from cursus_sandbox.untrusted import opened, remove

_LARGEST = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class SecretValues:
    """The secrets of one step: by name, those of its environment and those it gets as files."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def mask(self) -> Mask:
        """What takes them out of a text."""
        return Mask([*(value.encode() for value in self.variables.values()), *self.files.values()])

    @property
    def fingerprint(self) -> str:
        """What changes with the values and doesn't tell them: slow on purpose, for they may be short."""
        told = repr((sorted(self.variables.items()), sorted(self.files.items()))).encode()
        return hashlib.scrypt(told, salt=b"cursus-sandbox", n=2**14, r=8, p=1, dklen=32).hex() if self else ""

    def __bool__(self) -> bool:
        return bool(self.variables or self.files)

    def handed_by(self, engine: Engine, hidden: Callable[[], Path]) -> Engine:
        """The engine, handing them to each job; itself where there are none. `hidden` makes folders for those files."""
        return _Handing(engine, self, hidden) if self else engine


def secret_values(
    steps: Iterable[PlannedStep], environment: Mapping[str, str], *, engine: EngineKind
) -> dict[str, SecretValues]:
    """The secrets of the steps that have any; DocumentError with all that can't be had, before anything starts."""
    found: dict[str, SecretValues] = {}
    problems: list[Problem] = []
    for step in steps:
        values, wrong = values_of(step.name, step.secrets, environment, engine=engine)
        problems += wrong
        if values:
            found[step.name] = values
    if problems:
        raise DocumentError(problems, hint="Nothing was started.")
    return found


def values_of(
    step: str, secrets: Mapping[str, Secret], environment: Mapping[str, str], *, engine: EngineKind
) -> tuple[SecretValues, list[Problem]]:
    """The secrets of a step as far as they can be had, and what is wrong with the others."""
    variables, files = dict[str, str](), dict[str, bytes]()
    problems: list[Problem] = []
    for name, one in secrets.items():
        try:
            value = _read(one, environment)
            if one.handed is Handed.FILE and not engine.makes_mounts:
                raise _Unfit(f"it is to be a file, and the {engine.name} engine has no {SECRETS}")
            if one.handed is Handed.FILE:
                files[name] = value
            else:
                variables[name] = _as_text(value)
        except _Unfit as unfit:
            what = f"step '{step}' needs the secret {name} ({one}): {unfit}"
            problems.append(Problem(what, ("steps", step, "secrets", name)))
    return SecretValues(variables, files), problems


def fingerprints(secrets: Mapping[str, SecretValues]) -> dict[str, str]:
    """What changes with the secrets of each step; it is made once of those that several steps share."""
    made: list[tuple[SecretValues, str]] = []
    found = {}
    for step, values in secrets.items():
        known = next((one for shared, one in made if shared == values), None)
        if known is None:
            known = values.fingerprint
            made.append((values, known))
        found[step] = known
    return found


class _Unfit(Exception):  # noqa: N818 - a turn in the road, not an error
    """Why a secret can't be handed over; without the secret."""


def _read(secret: Secret, environment: Mapping[str, str]) -> bytes:
    if secret.path is None:
        value = os.fsencode(environment.get(str(secret.variable), ""))
        if not value:
            raise _Unfit("this variable is not set")
    else:
        try:
            with opened(secret.path.resolve()) as file:
                value = file.read(_LARGEST + 1)
        except OSError as error:
            said = error.strerror if error.errno != errno.ENXIO else None
            raise _Unfit(f"this file can't be read: {said or 'it is no regular file'}") from None
    if len(value) > _LARGEST:
        raise _Unfit("it is larger than a megabyte")
    if len(value.strip()) < SHORTEST:
        raise _Unfit(f"it has fewer than {SHORTEST} characters, and could not be masked")
    return value


def _as_text(value: bytes) -> str:
    """A value for a variable, without the end of a file's last line."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise _Unfit("it is no text: hand it over as a file,  {from: …, as: file}") from None
    if "\0" in text:
        raise _Unfit("it holds a NUL, which no variable can: hand it over as a file,  {from: …, as: file}")
    return text.removesuffix("\n").removesuffix("\r")


class _Handing:
    """An engine that hands secrets to every job, and keeps them out of what it logs and of its errors."""

    def __init__(self, engine: Engine, secrets: SecretValues, hidden: Callable[[], Path]) -> None:
        self._engine, self._secrets, self._mask, self._hidden = engine, secrets, secrets.mask, hidden
        self.name = engine.name
        self.runs_images = engine.runs_images
        self.makes_mounts = engine.makes_mounts
        self.makes_clusters = engine.makes_clusters
        self.unenforced = engine.unenforced

    def __enter__(self) -> Self:
        self._engine.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._engine.__exit__(kind, error, traceback)

    def require(
        self,
        images: Iterable[str],
        *,
        pull: bool = False,
        fetching: Fetching | None = None,
        runtimes: Iterable[str] = (),
    ) -> Mapping[str, str]:
        return self._engine.require(images, pull=pull, fetching=fetching, runtimes=runtimes)

    def cluster(
        self, hosts: Sequence[str], *, outside: bool, labels: Mapping[str, str]
    ) -> AbstractContextManager[Cluster]:
        return self._engine.cluster(hosts, outside=outside, labels=labels)

    def prepare(self, job: Job) -> None:  # noqa: ARG002
        return None  # they are handed over when it runs

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:
        self._engine.reap(labels, below=below)

    def by_hand(self, job: Job) -> str | None:  # noqa: ARG002
        return None  # it would have to hold them; and what it needs is taken away, for that might hold one

    def interrupt(self) -> None:
        self._engine.interrupt()

    def attended(self, job: Job) -> int:
        with self._given(job) as given:
            return self._engine.attended(given)

    def run(
        self, job: Job, log: Callable[[bytes], None], visitor: Visitor | None = None, watcher: Watcher | None = None
    ) -> Exit:
        masked = self._mask.stream(log)
        with self._given(job) as given:
            ended = self._engine.run(given, masked.feed, visitor, watcher)
            masked.end()
        return ended

    @contextmanager
    def _given(self, job: Job) -> Iterator[Job]:
        """The job with its secrets, as long as it runs."""
        folder = self._hidden() if self._secrets.files else None
        try:
            yield replace(
                job,
                environment={**job.environment, **self._secrets.variables},
                mounts=(*job.mounts, *(_written(self._secrets.files, folder) if folder else ())),
            )
        except EngineError as error:
            raise EngineError(self._mask.text(error.what), hint=self._mask.text(error.hint)) from None
        finally:
            if folder:
                remove(folder)


def _written(files: Mapping[str, bytes], folder: Path) -> list[Mount]:
    """The files, in a folder that nobody else may enter; whoever the job runs as may read each."""
    for name, value in files.items():
        (folder / name).write_bytes(value)
        (folder / name).chmod(0o444)
    return [Mount(folder / name, SECRETS / name, MountMode.READ_ONLY) for name in files]

"""The error tree: one exit code per branch, each message in three parts.

*What* is wrong, *where*, and *what to do*. A step that fails is a result, not an error: nothing here is raised for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the process says when it ends; documented for CI, so never renumbered."""

    OK = 0
    STEP_FAILED = 1
    DOCUMENTS = 2
    DATA = 3
    MACHINE = 4
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document: what, where and what to do.

    `at` is the place in the pipeline's own terms (`("steps", "train", "inputs", "data")`), for whoever knows which file
    and line that is; `file` and `line` are set once it is known.
    """

    what: str
    at: tuple[str | int, ...] = ()
    hint: str = ""
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        where = f"{self.file}{line}: " if self.file else ""
        return "\n  ".join([f"{where}{self.what}", *self.hint.splitlines()])


def did_you_mean(name: str, known: Iterable[str], *, or_list: bool = True, prefix: str = "") -> str:
    """A hint that names the nearest known name; a `prefix` that all of them have makes none nearer.

    When nothing is near it lists what there is, if that is wanted and the list is short; else it is empty.
    """
    names = sorted(set(known))
    if near := _near(name.removeprefix(prefix), (one.removeprefix(prefix) for one in names)):
        return f"Did you mean '{prefix}{near}'?"
    if or_list and names and len(names) <= 12:  # noqa: PLR2004 -- a longer list does not help
        return f"There is: {', '.join(names)}."
    return ""


def nearly(name: str, known: Iterable[str]) -> str | None:
    """The name that another is all but the same as: a slip, though what was given might have been meant."""
    return _near(name, sorted(known), alike=0.85)


def _near(name: str, known: Iterable[str], *, alike: float = 0.6) -> str | None:
    """The name that another is most likely a slip for."""
    names = list(known)
    if len(names) > 1_000:  # noqa: PLR2004 -- beyond, only what begins alike is compared: it takes seconds otherwise
        names = [other for other in names if other[:1].lower() == name[:1].lower()][:1_000]
    folded = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=alike)
    return folded[near[0]] if near else None


def nearest_path(path: Path, *, whole: bool = False) -> str:
    """A hint that names the file or folder beside a path that isn't there, if one is called nearly the same.

    The ends of names don't count: all documents end in .yaml. It is the `whole` path where that is what was typed.
    """
    try:
        beside = {one.stem: one.name for one in path.parent.iterdir() if one.name != path.name}
    except OSError:
        return ""
    near = _near(path.stem, beside)
    if near is None:
        return ""
    return f"Did you mean '{path.with_name(beside[near]) if whole else beside[near]}'?"


class SandboxError(Exception):
    """Base of everything raised on purpose. `str()` is what the user reads."""

    exit_code = ExitCode.BUG

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(f"{what}\n{hint}" if hint else what)
        self.what = what
        self.hint = hint


class DocumentError(SandboxError):
    """The documents are wrong: every problem found, and nothing was started."""

    exit_code = ExitCode.DOCUMENTS

    def __init__(self, problems: Iterable[Problem], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), hint=hint)


class MachineError(SandboxError):
    """This machine could not do what was asked: a disk, a lock, a daemon, an image."""

    exit_code = ExitCode.MACHINE


class EngineError(MachineError):
    """An engine could not run a job, or could not learn how it ended. Never raised for a step that merely failed."""


class WorkspaceError(MachineError):
    """The workspace can't be used: not a folder, not writable, or held by another run."""


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: everything is stopped and saved as for Ctrl-C; only the exit code differs."""

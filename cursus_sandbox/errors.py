"""The error tree: one exit code per branch, each message in three parts.

*What* is wrong, *where*, and *what to do*. A step that fails is a result, not an error: nothing here is raised for it.
"""

from __future__ import annotations

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
    """One thing that is wrong with a document: what, where (`file:line` when known), and what to do."""

    what: str
    file: Path | None = None
    line: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{where}{self.what}" + (f"\n  {self.hint}" if self.hint else "")


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

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MachineError(SandboxError):
    """This machine could not do what was asked: a disk, a lock, a daemon, an image."""

    exit_code = ExitCode.MACHINE


class EngineError(MachineError):
    """An engine could not run a job, or could not learn how it ended. Never raised for a step that merely failed."""


class WorkspaceError(MachineError):
    """The workspace can't be used: not a folder, not writable, or held by another run."""

"""What is said before a shell opens in the sandbox of a failed step."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from cursus_sandbox.pipeline.result import StepExecutionResult
from cursus_sandbox.reports.text import shown


def shell_lines(step: StepExecutionResult, *, run: str, command: Sequence[str], folder: Path | None) -> Iterator[str]:
    """Which step it is, what to type for its own command, what lies where, and what becomes of changes.

    `command` is empty where the image starts itself; `folder` is the attempt's, where there are no container paths.
    """
    yield f"{step.step} of run {run}, as its last attempt left it: {step.why}"
    yield "its command: " + (shlex.join(command) if command else "what its image starts by itself")
    if folder is not None:
        yield f"its folder: {shown(folder)}, and you are in it: nothing is isolated here"
    else:
        width = max((len(row.path) for row in step.mounts), default=0)
        yield from (f"  {row.path:<{width}}  {shown(row.source)}" for row in step.mounts)
        yield "what you change is this shell's own, and goes with it"

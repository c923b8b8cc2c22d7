"""What can be typed about a run, or a step of one."""

from __future__ import annotations

import shlex
from pathlib import Path

from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.reports.text import shown


def typed(verb: str, result: PipelineExecutionResult, step: str | None = None, *, options: str = "") -> str:
    """A command of ours about a run, or a step of it, as it can be typed from here."""
    named = shlex.quote(result.run if step is None else f"{result.run}:{step}")
    workspace = result.folder.absolute().parent.parent
    elsewhere = workspace != Path.cwd() / ".cursus-sandbox"
    where = f"--workspace {shlex.quote(shown(workspace))}" if elsewhere else ""
    return " ".join(one for one in ("cursus-sandbox", verb, named, options, where) if one)


def by_hand(step: StepExecutionResult, result: PipelineExecutionResult) -> tuple[str, str] | None:
    """How to get to where a step failed, in words and as a command: its script, else a shell in its sandbox."""
    if step.by_hand is not None:
        return "once more, by hand", f"sh {shlex.quote(shown(step.by_hand))}"
    if step.has_sandbox:
        return "a shell where it failed", typed("shell", result, step.step)
    return None

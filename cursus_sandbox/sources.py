"""Where root inputs and code come from. Today: files and folders of this machine."""

from __future__ import annotations

import stat
from pathlib import Path

from cursus_sandbox.errors import Problem
from cursus_sandbox.pipeline.dag import Located
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.sagemaker.layout import script_of


def missing_sources(plan: PipelineExecutionPlan) -> list[Problem]:
    """Every script, input and stand-in folder the plan names that can't be used, before anything is started."""
    problems: list[Problem] = []
    for step in plan.steps:
        if step.runs:
            problems += _script(step)
            problems += [
                problem
                for one in step.inputs
                if isinstance(one.source, Located)
                for problem in _unusable(
                    f"input '{one.channel}' of step '{step.name}'",
                    one.source.path,
                    ("steps", step.name, "inputs", one.channel),
                    folder=bool(one.parts),
                )
            ]
        problems += [
            problem
            for output in step.outputs
            if output.bound
            for problem in _unusable(
                f"output '{output.channel}' of step '{step.name}'",
                output.bound,
                ("steps", step.name, "outputs", output.channel),
            )
        ]
    return problems


def _script(step: PlannedStep) -> list[Problem]:
    script = script_of(step)
    at = ("steps", step.name)
    if script is None:
        return [
            Problem(
                f"step '{step.name}' runs {step.entry_point}, and no source folder says where that is",
                at,
                "Give the folder of your scripts:  --source-dir DIR, or  source_dir:  in the document.",
            )
        ]
    try:
        if script.is_file():
            return []
        hint = "Check source_dir and entry_point." if script.parent.is_dir() else f"There is no folder {script.parent}."
        what = "that is a folder" if script.is_dir() else "that is no file" if script.exists() else "it does not exist"
    except OSError as error:
        what, hint = f"it can't be looked at: {error.strerror}", "Check source_dir and entry_point."
    return [Problem(f"step '{step.name}' runs the script {script}, and {what}", at, hint)]


def _unusable(what: str, path: Path, at: tuple[str, ...], *, folder: bool = False) -> list[Problem]:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return [Problem(f"{what} is {path}, and there is no such file or folder", at)]
    except OSError as error:
        return [Problem(f"{what} is {path}, which can't be looked at: {error.strerror}", at)]
    if stat.S_ISDIR(mode):
        return []
    if not stat.S_ISREG(mode):
        return [
            Problem(f"{what} is {path}, which is no file or folder", at, "Sockets, pipes and devices can't be read.")
        ]
    if folder:
        return [Problem(f"{what} is the file {path}; a folder with its training channels is meant", at)]
    return []

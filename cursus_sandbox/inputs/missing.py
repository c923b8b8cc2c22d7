"""What a plan names and this machine hasn't: scripts, files, folders, and schemas to make data from."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cursus_sandbox.errors import Problem, did_you_mean, nearest_path
from cursus_sandbox.inputs.manifests import listed
from cursus_sandbox.inputs.sources import itself, matches
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedInput, PlannedStep
from cursus_sandbox.pipeline.source import Located, Synthetic
from cursus_sandbox.sagemaker.layout import script_of

_NAMED = 3  # of many files that are no files


def missing_sources(plan: PipelineExecutionPlan) -> list[Problem]:
    """Every script, input and stand-in folder the plan names that can't be used, before anything is started."""
    problems = _missing_folders(plan)
    left = [f"{step.name}:{output.channel}" for step in plan.steps for output in step.outputs]
    for step in plan.steps:
        if step.runs:
            problems += _script(step)
            problems += [
                problem
                for one in step.inputs
                if isinstance(one.source, Located)
                for problem in _given(step, one, one.source, left)
            ]
            problems += [
                problem
                for one in step.inputs
                if isinstance(one.source, Synthetic)
                for problem in _unmakeable(step, one, one.source)
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


def _given(step: PlannedStep, one: PlannedInput, source: Located, left: Iterable[str]) -> list[Problem]:
    """What is wrong with the files that an input is bound to, or with the manifest that lists them.

    What steps have `left` may be what was meant.
    """
    at = ("steps", step.name, "inputs", one.channel)
    what = f"input '{one.channel}' of step '{step.name}'"
    if source.is_manifest:
        return _unusable(what, source.path, at) or _unlisted(what, source, at)
    if whole := itself(source):
        return [
            replace(problem, hint=_outputs_like(whole.name, left) or problem.hint)
            for problem in _unusable(what, whole, at, folder=bool(one.parts))
        ]
    files = matches(source)
    if not files:
        return [Problem(f"{what} is {source}, and nothing there matches", at, _near_pattern(source))]
    return [problem for file in files.values() for problem in _unusable(what, file, at)][:_NAMED]


def _unlisted(what: str, source: Located, at: tuple[str, ...]) -> list[Problem]:
    if source.path.is_dir():
        return [Problem(f"{what} is the folder {source.path}, where a manifest is meant", at)]
    try:
        listed(source.path)
    except (ValueError, OSError) as error:
        return [Problem(f"{what} is what {source.path} lists, but {error}", at)]
    return []


def _outputs_like(name: str, left: Iterable[str]) -> str:
    """A hint for a step's output that is not written as one: by its step alone, say, or with a dot."""
    meant = [one for one in left if name in (one.partition(":")[0], one.replace(":", "."))]
    return f"What a step leaves is STEP:CHANNEL in the document: {', '.join(meant)}." if meant else ""


def _near_pattern(source: Located) -> str:
    """A hint for a pattern that matches nothing: the folder that is missing, or what lies there instead."""
    folder, pattern = source.path, source.pattern or ""
    if not _is_folder(folder):
        return f"There is no folder {folder}. {nearest_path(folder)}".rstrip()
    try:
        there = [one.name for one in folder.iterdir() if not one.name.startswith(".")]
    except OSError as error:
        return f"{folder} can't be looked at: {error.strerror}"
    return did_you_mean(pattern, there) if there else f"{folder} is empty."


def _unmakeable(step: PlannedStep, one: PlannedInput, source: Synthetic) -> list[Problem]:
    """Why no data can be made up for an input, if so: a table without rows tells."""
    from cursus_sandbox.tables.synthetic import Recipe, batches  # noqa: PLC0415

    at = ("steps", step.name, "inputs", one.channel)
    what = f"input '{one.channel}' of step '{step.name}' is synthetic, and"
    if one.table_schema is None or not one.table_schema.fields:
        hint = f"Say what is in it:  schemas: {{{one.channel}: {{fields: [{{name: …, type: …}}]}}}}"
        return [Problem(f"{what} it has no schema to make data from", at, hint)]
    try:
        differ = bool(one.table_schema.primary_key) or any(
            field.constraints.unique for field in one.table_schema.fields
        )
        next(batches(one.table_schema, Recipe(rows=source.rows if differ else 0)))
    except ValueError as error:
        return [Problem(f"{what} {error}", at)]
    return []


def _missing_folders(plan: PipelineExecutionPlan) -> list[Problem]:
    """Source folders that aren't there, each said once however many steps run scripts from it."""
    users: dict[Path, list[str]] = {}
    for step in plan.steps:
        if step.runs and step.entry_point and step.source_dir and not _is_folder(step.source_dir):
            users.setdefault(step.source_dir, []).append(step.name)
    problems = []
    for folder, steps in users.items():
        which = f"step '{steps[0]}'" if len(steps) == 1 else f"{len(steps)} steps"
        at: tuple[str, ...] = ("steps", steps[0], "source_dir") if len(steps) == 1 else ("source_dir",)
        what = f"the scripts of {which} are looked for in {folder}, and there is no such folder"
        problems.append(Problem(what, at, nearest_path(folder)))
    return problems


def _script(step: PlannedStep) -> list[Problem]:
    if step.entry_point is None:  # its image starts itself
        return []
    script = script_of(step)
    at = ("steps", step.name)
    if script is None:
        what = f"step '{step.name}' runs {step.entry_point}, and no source folder says where that is"
        hint = "Give the folder of your scripts:  --source-dir DIR, or  source_dir:  in the document."
        return [Problem(what, at, hint)]
    try:
        if step.source_dir and not _is_folder(step.source_dir):
            return []
        if script.is_file():
            return _unreadable(f"step '{step.name}' runs the script", script, at)
        is_what = "is a folder" if script.is_dir() else "is no file" if script.exists() else "does not exist"
    except OSError as error:
        is_what = f"can't be looked at: {error.strerror}"
    hint = nearest_path(script) or "Check its source_dir and entry_point."
    return [Problem(f"step '{step.name}' runs the script {script}, which {is_what}", at, hint)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _unusable(what: str, path: Path, at: tuple[str, ...], *, folder: bool = False) -> list[Problem]:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return [Problem(f"{what} is {path}, and there is no such file or folder", at, nearest_path(path))]
    except OSError as error:
        return [Problem(f"{what} is {path}, which can't be looked at: {error.strerror}", at)]
    if stat.S_ISDIR(mode):
        return _unreadable(f"{what} is", path, at, os.R_OK | os.X_OK)
    if not stat.S_ISREG(mode):
        return [
            Problem(f"{what} is {path}, which is no file or folder", at, "Sockets, pipes and devices can't be read.")
        ]
    if folder:
        return [Problem(f"{what} is the file {path}; a folder with its training channels is meant", at)]
    return _unreadable(f"{what} is", path, at)


def _unreadable(what: str, path: Path, at: tuple[str, ...], rights: int = os.R_OK) -> list[Problem]:
    if os.access(path, rights, effective_ids=True):
        return []
    hint = f"Give yourself the right:  chmod {'u+rx' if rights & os.X_OK else 'u+r'} {shlex.quote(str(path))}"
    return [Problem(f"{what} {path}, which can't be read: permission denied", at, hint)]

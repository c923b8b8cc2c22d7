"""A shell, or any command, in the sandbox of a failed step: what the step's last attempt saw, as it left that.

Whatever could be written to is private to the shell: what is changed there changes nothing outside of it. Where there
are no container paths, it is the attempt's own folder, and published outputs are elsewhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cursus_sandbox.engines.engine import Engine, Job, Mount, MountMode
from cursus_sandbox.errors import DocumentError, EngineError, MachineError, Problem, did_you_mean
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.runs.folders import StepFolder
from cursus_sandbox.runs.history import KeptRun
from cursus_sandbox.runs.shells import ShellFolder
from cursus_sandbox.sagemaker.staging import stage
from cursus_sandbox.steps.kept_job import KeptJob, kept_job

_SHELL = ("/bin/sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
_AGAIN = "Run it again:  cursus-sandbox rerun --failed"
_THERE = ("/bin/sh", "-c", 'cd "$0" && exec "$@"')


def failed_job(run: KeptRun, name: str) -> tuple[StepExecutionResult, KeptJob]:
    """How a step failed, and its job; DocumentError says why there is none."""
    results = (run.result or run.so_far).step_results
    if name not in results:
        what = f"run {run.name} has no step '{name}'"
        raise DocumentError([Problem(what, hint=did_you_mean(name, results))])
    step = results[name]
    kept = kept_job(StepFolder(run.folder / "steps" / name)) if step.status is StepStatus.FAILED else None
    if kept is None:
        hint = "A shell opens in the sandbox of a step that failed there. What is known of this one:"
        raise DocumentError(
            [Problem(_why_none(run, step), hint=f"{hint}  cursus-sandbox explain {shlex.quote(f'{run.name}:{name}')}")]
        )
    return step, kept


def shell_job(
    kept: KeptJob, place: ShellFolder, *, command: Sequence[str], variables: Mapping[str, str], mounts: bool
) -> Job:
    """The job of a shell in another job's sandbox, or of a command there.

    `variables` are those of the terminal; `mounts` says whether the engine makes any.
    """
    job = kept.job
    entrypoint = tuple(command) or _SHELL
    if not mounts:
        entrypoint = (*_THERE, str(job.scratch.parent), *entrypoint)
    return replace(
        job,
        entrypoint=entrypoint,
        argv=(),
        scratch=place.scratch,
        environment={**variables, **job.environment},
        mounts=tuple(_private(mount) for mount in job.mounts),
        limits=replace(job.limits, timeout=None),
        labels={"cursus-sandbox.step": job.name, **place.labels},
    )


def lay_out(kept: KeptJob) -> None:
    """Put on disk again what has been taken away since, as of a step with secrets; MachineError where it can't."""
    needed = [*kept.staging.texts, *(mount.source for mount in kept.job.mounts)]
    try:
        if not all(path.exists() for path in needed):
            stage(kept.staging)
        gone = [path for path in needed if not path.exists()]
    except OSError as error:
        what = f"what step '{kept.job.name}' saw can't be laid out again: {error.strerror or error}: {error.filename}"
        raise MachineError(what, hint=_AGAIN) from error
    if gone:
        raise MachineError(f"what step '{kept.job.name}' saw is not there any more: {gone[0]}", hint=_AGAIN)


def image_of(kept: KeptJob, images: Mapping[str, str], engine: Engine) -> str | None:
    """The image that a step ran in, by its digest where its name has become another's; EngineError if it is gone."""
    name = kept.job.image
    if name is None:
        return None
    digest = images.get(name)
    if digest is None:
        engine.require([name])
        return name
    if _digests([name], engine).get(name) == digest:
        return name
    if not _digests([digest], engine):
        raise EngineError(f"the image that step '{kept.job.name}' ran in is gone: {name}, {digest}", hint=_AGAIN)
    return digest


def _digests(images: Iterable[str], engine: Engine) -> Mapping[str, str]:
    try:
        return engine.require(images)
    except EngineError:
        return {}


def _private(mount: Mount) -> Mount:
    return replace(mount, mode=MountMode.PRIVATE) if mount.mode is MountMode.WRITABLE else mount


def _why_none(run: KeptRun, step: StepExecutionResult) -> str:
    """Why there is no sandbox of a step to go back to."""
    named = f"step '{step.step}' of run {run.name}"
    match step.status:
        case StepStatus.FAILED if not step.attempts:
            return f"{named} was not started: {step.why}"
        case StepStatus.FAILED:
            return f"the sandbox of {named} was not kept"
        case StepStatus.SUCCEEDED | StepStatus.REUSED:
            left = next(iter(step.outputs.values()), None)
            return f"{named} has not failed, and its sandbox is gone" + (
                f"; what it left: {left.parent}" if left else ""
            )
        case _:
            return f"{named} has no sandbox: {step.why or step.status}"

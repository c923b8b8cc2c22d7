"""The job of a Transform step: a model's server, with nothing of the records it will get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cursus_sandbox.engines.engine import Job, Mount, MountMode
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.layout import MODEL, TRAINING_CODE, Staging, StepFolders, command_of, limits_of

PORT = 8080
GRACE = 30.0  # seconds a server has after TERM


def serving_job(
    step: PlannedStep,
    *,
    model: Path,
    folders: StepFolders,
    image: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> tuple[Job, Staging]:
    """The server of a transform as one job, and what to put on disk for it. `model` is the unpacked model's folder."""
    entrypoint, arguments, working_dir = command_of(step)
    mounts = [Mount(model, MODEL, MountMode.PRIVATE)]
    sources: tuple[tuple[Path, Path], ...] = ()
    if step.entry_point and step.source_dir:
        mounts.append(Mount(folders.staged / "source", TRAINING_CODE, MountMode.WRITABLE))
        sources = ((step.source_dir, folders.staged / "source"),)
    told = step.transform.environment() if step.transform else {}
    job = Job(
        name=step.name,
        scratch=folders.scratch,
        entrypoint=entrypoint,
        argv=arguments,
        image=image,
        environment={name: setting.value for name, setting in step.environment.items()} | told,
        mounts=tuple(mounts),
        working_dir=working_dir,
        limits=replace(limits_of(step), grace=GRACE),
        network=step.network,
        user=step.user,
        read_only_root=step.read_only_root,
        runtime=step.runtime,
        port=PORT,
        labels=labels or {},
    )
    outputs = [folders.outputs / output.channel for output in step.outputs]
    made = (*outputs, folders.messages, folders.scratch)
    return job, Staging(folders=made, sources=sources, workspace=folders.workspace)

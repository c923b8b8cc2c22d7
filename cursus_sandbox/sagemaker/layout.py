"""Where everything lies in a SageMaker container. A planned step and some folders become a Job; nothing is done here.

Sources: "How Amazon SageMaker AI Runs Your Processing Container Image", "How Amazon SageMaker AI Provides Training
Information", and the sagemaker-training toolkit for script mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cursus_sandbox.engines.engine import Job, Limits, Mount, MountMode
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep
from cursus_sandbox.sagemaker.configuration import training_configuration

PROCESSING_CODE = PurePosixPath("/opt/ml/processing/input/code")
TRAINING_CODE = PurePosixPath("/opt/ml/code")
INPUT_CONFIG = PurePosixPath("/opt/ml/input/config")
OUTPUT = PurePosixPath("/opt/ml/output")
OUTPUT_DATA = PurePosixPath("/opt/ml/output/data")
MODEL = PurePosixPath("/opt/ml/model")
CHECKPOINTS = PurePosixPath("/opt/ml/checkpoints")


@dataclass(frozen=True, slots=True)
class StepFolders:
    """The host folders of one attempt at a step: what it leaves, what is prepared for it, an engine's own."""

    outputs: Path
    staged: Path
    scratch: Path

    @property
    def messages(self) -> Path:
        """The folder the step sees as /opt/ml/output."""
        return self.staged / "output"


@dataclass(frozen=True, slots=True)
class Staging:
    """What must be on disk before the job starts."""

    folders: tuple[Path, ...] = ()
    texts: Mapping[Path, str] = field(default_factory=dict)
    links: tuple[tuple[Path, Path], ...] = ()  # (file, where it shows): a hard link serves, where there can be one
    copies: tuple[tuple[Path, Path], ...] = ()


def sagemaker_job(
    step: PlannedStep,
    *,
    sources: Mapping[str, Path],
    folders: StepFolders,
    image: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> tuple[Job, Staging]:
    """The step as one job, and what to put on disk for it. `sources` gives each bound input's file or folder."""
    inputs, links = _input_mounts(step.inputs, sources, folders)
    code, copies = _code_mounts(step, folders)
    output_mounts = [
        Mount(folders.outputs / one.channel, one.path, MountMode.WRITABLE)
        for one in step.outputs
        if one.path is not None
    ]
    mounts = [*inputs, *code, *output_mounts, Mount(folders.messages, OUTPUT, MountMode.WRITABLE)]
    created = [mount.source for mount in output_mounts] + [folders.messages, folders.scratch]
    texts: dict[Path, str] = {}
    if step.kind is StepKind.TRAINING:
        config = folders.staged / "config"
        texts = {config / name: text for name, text in training_configuration(step).items()}
        mounts.append(Mount(config, INPUT_CONFIG, MountMode.READ_ONLY))
        created.append(folders.messages / "data")  # the mount point of /opt/ml/output/data
        taken = {mount.target for mount in mounts}
        for path in (MODEL, OUTPUT_DATA, CHECKPOINTS):
            if path not in taken:
                spare = folders.staged / path.name
                mounts.append(Mount(spare, path, MountMode.WRITABLE))
                created.append(spare)
    entrypoint, arguments, working_dir = command_of(step)
    job = Job(
        name=step.name,
        scratch=folders.scratch,
        entrypoint=entrypoint,
        argv=arguments,
        image=image,
        environment={name: setting.value for name, setting in step.environment.items()},
        mounts=tuple(sorted(mounts, key=lambda mount: len(mount.target.parts))),
        working_dir=working_dir,
        limits=Limits(
            cpus=step.resources.cpus,
            memory=step.resources.memory,
            gpus=step.resources.gpus,
            shm_size=step.resources.shm_size,
            timeout=step.timeout,
        ),
        network=step.network,
        user=step.user,
        labels=labels or {},
    )
    return job, Staging(folders=tuple(created), texts=texts, links=tuple(links), copies=tuple(copies))


def script_of(step: PlannedStep) -> Path | None:
    """The script on this machine, or None when no source folder is known."""
    return step.source_dir / step.entry_point if step.source_dir and step.entry_point else None


def command_of(step: PlannedStep) -> tuple[tuple[str, ...], tuple[str, ...], PurePosixPath | None]:
    """Entry point, arguments and working folder; a script-mode training job gets its hyperparameters as options."""
    entry_point = step.entry_point or ""
    interpreter = "bash" if entry_point.endswith(".sh") else "python3"
    if step.kind is StepKind.TRAINING:
        return (interpreter, entry_point), (*_options(step.hyperparameters), *step.arguments), TRAINING_CODE
    if step.ships_source_dir:
        return (interpreter, entry_point), step.arguments, PROCESSING_CODE
    return (interpreter, str(PROCESSING_CODE / PurePosixPath(entry_point).name)), step.arguments, None


def code_paths(step: PlannedStep) -> tuple[PurePosixPath, ...]:
    """Where the code shows.

    A Processing contract with a source folder finds it at /opt/ml/code as well: Cursus' scripts of that kind look
    there for their hyperparameters.
    """
    if step.kind is StepKind.TRAINING:
        return (TRAINING_CODE,)
    return (PROCESSING_CODE, TRAINING_CODE) if step.ships_source_dir else (PROCESSING_CODE,)


def _options(hyperparameters: Mapping[str, str]) -> Iterable[str]:
    """As the toolkit's `to_cmd_args`: sorted by name, one dash for a one-letter name."""
    for name, value in sorted(hyperparameters.items()):
        yield f"-{name}" if len(name) == 1 else f"--{name}"
        yield value


def _code_mounts(step: PlannedStep, folders: StepFolders) -> tuple[list[Mount], list[tuple[Path, Path]]]:
    """The code as SageMaker brings it: one file for a plain script, else the whole source folder."""
    if step.source_dir is None or step.entry_point is None:
        return [], []
    if step.ships_source_dir:
        return [Mount(step.source_dir, path, MountMode.PRIVATE) for path in code_paths(step)], []
    code = folders.staged / "code"
    script = step.source_dir / step.entry_point
    return [Mount(code, PROCESSING_CODE, MountMode.WRITABLE)], [(script, code / script.name)]


def _input_mounts(
    inputs: Iterable[PlannedInput], sources: Mapping[str, Path], folders: StepFolders
) -> tuple[list[Mount], list[tuple[Path, Path]]]:
    """Each input, private and writable; one object arrives alone in its folder, under its own name."""
    mounts = []
    links = []
    for one in inputs:
        source = sources[one.channel]
        if one.parts:
            mounts += [Mount(source / part, one.path / part, MountMode.PRIVATE) for part in one.parts]
        elif source.is_dir() or (one.path.suffix and one.path.suffix == source.suffix):
            mounts.append(Mount(source, one.path, MountMode.PRIVATE))
        else:
            alone = folders.staged / "inputs" / one.channel
            links.append((source, alone / source.name))
            mounts.append(Mount(alone, one.path, MountMode.PRIVATE))
    return mounts, links

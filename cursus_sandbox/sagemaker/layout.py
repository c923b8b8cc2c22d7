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
from cursus_sandbox.pipeline.dag import Start
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep
from cursus_sandbox.sagemaker.configuration import processing_configuration, training_configuration
from cursus_sandbox.sagemaker.framework import REQUIREMENTS, RUNPROC, SOURCE_ARCHIVE, installing, runproc
from cursus_sandbox.sagemaker.hosts import Host
from cursus_sandbox.sagemaker.hyperparameters import options, script_mode
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.offline import OFFLINE, PIP_OF_HOME, PIP_OF_IMAGE
from cursus_sandbox.sagemaker.toolkit import toolkit_variables

ML = PurePosixPath("/opt/ml")
PROCESSING = PurePosixPath("/opt/ml/processing")
PROCESSING_CODE = PurePosixPath("/opt/ml/processing/input/code")
PROCESSING_ENTRYPOINT = PurePosixPath("/opt/ml/processing/input/entrypoint")
TRAINING_CODE = PurePosixPath("/opt/ml/code")
PROCESSING_CONFIG = PurePosixPath("/opt/ml/config")
TRAINING_CONFIG = PurePosixPath("/opt/ml/input/config")
OUTPUT = PurePosixPath("/opt/ml/output")
OUTPUT_DATA = PurePosixPath("/opt/ml/output/data")
MODEL = PurePosixPath("/opt/ml/model")
CHECKPOINTS = PurePosixPath("/opt/ml/checkpoints")
_LEFT_BESIDE = ("model", "data", "checkpoints", "ml", "output")  # of what is staged, what a step may write to
_WORDS = {StepKind.TRAINING: ("train",), StepKind.TRANSFORM: ("serve",)}  # what an image that starts itself is told


@dataclass(frozen=True, slots=True)
class StepFolders:
    """The host folders of one attempt at a step: what it leaves, what is prepared for it, an engine's own."""

    outputs: Path
    staged: Path
    scratch: Path
    workspace: Path | None = None  # in which they lie: no code is

    @property
    def messages(self) -> Path:
        """The folder the step sees as /opt/ml/output."""
        return self.staged / "output"

    @property
    def beside(self) -> tuple[Path, ...]:
        """The folders, as far as they are there, in which a step leaves what is in none of its outputs."""
        return tuple(folder for name in _LEFT_BESIDE if (folder := self.staged / name).is_dir())

    @property
    def around(self) -> Path:
        """The folder the step sees around its inputs and outputs."""
        return self.staged / "ml"


@dataclass(frozen=True, slots=True)
class Staging:
    """What must be on disk before the job starts."""

    folders: tuple[Path, ...] = ()
    texts: Mapping[Path, str] = field(default_factory=dict)
    links: tuple[tuple[Path, Path], ...] = ()  # (file, where it shows): a hard link serves, where there can be one
    copies: tuple[tuple[Path, Path], ...] = ()  # (file or folder, where its copy goes)
    sources: tuple[tuple[Path, Path], ...] = ()  # (source folder, where a copy of what is code in it goes)
    archives: tuple[tuple[Path, Path], ...] = ()  # (source folder, the .tar.gz of what is code in it)
    workspace: Path | None = None  # no code is in it


def sagemaker_job(
    step: PlannedStep,
    *,
    sources: Mapping[str, Path],
    folders: StepFolders,
    identity: JobIdentity,
    host: Host = Host(),
    image: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> tuple[Job, Staging]:
    """The step as one job, and what to put on disk for it. `sources` gives each bound input's file or folder."""
    entrypoint, arguments, working_dir = command_of(step)
    inputs, links = _input_mounts(step.inputs, sources, folders)
    code = _code(step, folders)
    output_mounts = [
        Mount(folders.outputs / one.channel, one.path, MountMode.WRITABLE)
        for one in step.outputs
        if one.path is not None
    ]
    mounts = [*inputs, *code.mounts, *output_mounts, Mount(folders.messages, OUTPUT, MountMode.WRITABLE)]
    created = [mount.source for mount in output_mounts] + [folders.messages, folders.scratch]
    config = folders.staged / "config"
    environment = {name: setting.value for name, setting in step.environment.items()}
    if step.kind is StepKind.TRAINING:
        scripted = step.start is Start.IMAGE and step.entry_point is not None
        told = script_mode(step, identity, str(TRAINING_CODE)) if scripted else step.hyperparameters
        written = training_configuration(step, host, told)
        mounts.append(Mount(config, TRAINING_CONFIG, MountMode.READ_ONLY))
        environment |= {"TRAINING_JOB_NAME": identity.name, "TRAINING_JOB_ARN": identity.arn(step.kind)}
        if step.start is Start.SCRIPT:
            environment |= toolkit_variables(step, identity.name, host)
        taken = {mount.target for mount in mounts}
        for path in (MODEL, OUTPUT_DATA, CHECKPOINTS):
            if path not in taken:
                spare = folders.staged / path.name
                mounts.append(Mount(spare, path, MountMode.WRITABLE))
                created.append(spare)
    else:
        written = processing_configuration(
            step, identity, host, entrypoint=entrypoint, arguments=arguments, code=_code_inputs(step, identity)
        )
        mounts.append(Mount(config, PROCESSING_CONFIG, MountMode.READ_ONLY))
    around = folder_around(step)
    if around and all(mount.target != around for mount in mounts):
        mounts.append(Mount(folders.around, around, MountMode.WRITABLE))
        created.append(folders.around)
    texts = {config / name: text for name, text in written.items()} | code.texts
    if step.pip_shim and not step.network:
        pip = folders.staged / "pip" / "pip.conf"
        texts[pip] = OFFLINE
        mounts.append(Mount(pip, PIP_OF_IMAGE if image else PIP_OF_HOME, MountMode.READ_ONLY))
    points, empty_files = _mount_points(mounts)
    job = Job(
        name=step.name,
        scratch=folders.scratch,
        entrypoint=entrypoint,
        argv=arguments,
        image=image,
        environment=environment,
        mounts=tuple(sorted(mounts, key=lambda mount: len(mount.target.parts))),
        working_dir=working_dir,
        limits=limits_of(step),
        network=step.network,
        user=step.user,
        read_only_root=step.read_only_root,
        runtime=step.runtime,
        hostname=host.name,
        labels=labels or {},
    )
    staging = Staging(
        folders=(*created, *points),
        texts=dict.fromkeys(empty_files, "") | texts,
        links=tuple(links),
        copies=code.copies,
        sources=code.sources,
        archives=code.archives,
        workspace=folders.workspace,
    )
    return job, staging


def folder_around(step: PlannedStep) -> PurePosixPath | None:
    """The folder around a step's inputs and outputs that is its own: /opt/ml is the platform's to mount over.

    An image that starts itself may have files of its own there, and keeps them where the platform mounts nothing.
    """
    if step.start is Start.SCRIPT:
        return ML
    return PROCESSING if step.kind is StepKind.PROCESSING else None


def checkpoint_folders(step: PlannedStep, folders: StepFolders) -> list[Path]:
    """The host folders a training job sees at /opt/ml/checkpoints and below; a processing job has none."""
    if step.kind is not StepKind.TRAINING:
        return []
    paths = {one.channel: one.path for one in step.outputs if one.path and one.path.is_relative_to(CHECKPOINTS)}
    spare = [] if CHECKPOINTS in paths.values() else [folders.staged / CHECKPOINTS.name]
    return spare + [folders.outputs / channel for channel in paths]


def script_of(step: PlannedStep) -> Path | None:
    """The script on this machine, or None when no source folder is known."""
    return step.source_dir / step.entry_point if step.source_dir and step.entry_point else None


def limits_of(step: PlannedStep) -> Limits:
    """What the step may use."""
    return Limits(
        cpus=step.resources.cpus,
        memory=step.resources.memory,
        gpus=step.resources.gpus,
        shm_size=step.resources.shm_size,
        timeout=step.timeout,
        grace=step.grace,
    )


def command_of(step: PlannedStep) -> tuple[tuple[str, ...], tuple[str, ...], PurePosixPath | None]:
    """Entry point, arguments and working folder; a script-mode training job gets its hyperparameters as options.

    An image that starts itself keeps its entry point: a Processing job's arguments take the place of its command, a
    Training job gets `train`, unless it has arguments, a model's server `serve` ("How Amazon SageMaker AI Runs Your
    Processing Container Image", "How Amazon SageMaker AI Runs Your Training Image", AlgorithmSpecification, "Use Your
    Own Inference Code with Batch Transform").
    """
    if step.start is Start.IMAGE:
        word = _WORDS.get(step.kind, ())
        return (), word if step.kind is StepKind.TRANSFORM else step.arguments or word, None
    entry_point = step.entry_point or ""
    interpreter = "bash" if entry_point.endswith(".sh") else "python3"
    if step.kind is StepKind.TRANSFORM:
        return (interpreter, entry_point), step.arguments, TRAINING_CODE
    if step.kind is StepKind.TRAINING:
        command = (interpreter, entry_point)
        required = step.source_dir is not None and (step.source_dir / REQUIREMENTS).is_file()
        words = (*options(step.hyperparameters), *step.arguments)
        return installing(command) if required else command, words, TRAINING_CODE
    if is_unpacked(step):
        return ("/bin/bash", str(PROCESSING_ENTRYPOINT / RUNPROC)), step.arguments, None
    if step.ships_source_dir:
        return (interpreter, entry_point), step.arguments, PROCESSING_CODE
    return (interpreter, str(PROCESSING_CODE / PurePosixPath(entry_point).name)), step.arguments, None


def is_unpacked(step: PlannedStep) -> bool:
    """Whether the code comes as an archive, which is unpacked in the container: a Processing job's source folder.

    That is how the SDK's FrameworkProcessor ships one. Where an input has the code's own path it is there already.
    """
    ships = step.kind is StepKind.PROCESSING and step.ships_source_dir and step.start is Start.SCRIPT
    return ships and step.source_dir is not None and all(one.path != PROCESSING_CODE for one in step.inputs)


def goes_alone(step: PlannedStep) -> bool:
    """Whether of the step's code its script alone is in the container, without what lies beside it here."""
    brought = any(one.path == PROCESSING_CODE for one in step.inputs)
    return step.start is Start.SCRIPT and not (step.ships_source_dir or brought)


def code_paths(step: PlannedStep) -> tuple[PurePosixPath, ...]:
    """Where the code shows.

    A Processing contract with a source folder finds it at /opt/ml/code as well: Cursus' scripts of that kind look
    there for their hyperparameters.
    """
    if step.kind is not StepKind.PROCESSING:
        return (TRAINING_CODE,)
    return (PROCESSING_CODE, TRAINING_CODE) if step.ships_source_dir else (PROCESSING_CODE,)


def _code_inputs(step: PlannedStep, identity: JobIdentity) -> list[tuple[str, PurePosixPath, str]]:
    """The Processing input that brings the code, unless one of the step's own does."""
    if step.source_dir is None or step.entry_point is None or any(one.path == PROCESSING_CODE for one in step.inputs):
        return []
    if is_unpacked(step):
        return [
            ("code", PROCESSING_CODE, identity.file_uri(Path(SOURCE_ARCHIVE))),
            ("entrypoint", PROCESSING_ENTRYPOINT, identity.file_uri(Path(RUNPROC))),
        ]
    brought = step.source_dir if step.ships_source_dir else step.source_dir / step.entry_point
    return [("code", PROCESSING_CODE, identity.file_uri(brought))]


@dataclass(frozen=True, slots=True)
class _Code:
    """How the code gets into the container."""

    mounts: tuple[Mount, ...] = ()
    copies: tuple[tuple[Path, Path], ...] = ()
    sources: tuple[tuple[Path, Path], ...] = ()
    archives: tuple[tuple[Path, Path], ...] = ()
    texts: dict[Path, str] = field(default_factory=dict)


def _code(step: PlannedStep, folders: StepFolders) -> _Code:
    """The code as SageMaker brings it: one file for a plain script, else the source folder's code, packed or not.

    Where an input has the code's own path (Cursus' GraphSubgraphExtraction), it brings the code, and only the script
    is laid into it.
    """
    if step.source_dir is None or step.entry_point is None:
        return _Code()
    script = step.source_dir / step.entry_point
    code = folders.staged / "code"
    brought = {one.path for one in step.inputs}
    mounts = []
    copies = []
    sources: list[tuple[Path, Path]] = []
    archives: list[tuple[Path, Path]] = []
    texts: dict[Path, str] = {}
    for path in code_paths(step):
        if path == PROCESSING_CODE and is_unpacked(step):
            entrypoint = folders.staged / "entrypoint"
            mounts += [
                Mount(code, path, MountMode.WRITABLE),
                Mount(entrypoint, PROCESSING_ENTRYPOINT, MountMode.WRITABLE),
            ]
            archives.append((step.source_dir, code / SOURCE_ARCHIVE))
            texts[entrypoint / RUNPROC] = runproc(step.entry_point)
        elif path in brought:
            name = step.entry_point if step.ships_source_dir else script.name
            mounts.append(Mount(script, path / name, MountMode.PRIVATE))
        elif step.ships_source_dir:
            own = folders.staged / ("code" if path == PROCESSING_CODE else "source")
            mounts.append(Mount(own, path, MountMode.WRITABLE))
            sources.append((step.source_dir, own))
        else:
            mounts.append(Mount(code, path, MountMode.WRITABLE))
            copies.append((script, code / script.name))
    return _Code(tuple(mounts), tuple(copies), tuple(sources), tuple(archives), texts)


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
        elif file := as_file(source, one.path):
            mounts.append(Mount(file, one.path, MountMode.PRIVATE))
        elif not source.is_file():  # a folder, if need be one that is still to come
            mounts.append(Mount(source, one.path, MountMode.PRIVATE))
        else:
            alone = folders.staged / "inputs" / one.channel
            links.append((source, alone / source.name))
            mounts.append(Mount(alone, one.path, MountMode.PRIVATE))
    return mounts, links


def as_file(source: Path, path: PurePosixPath) -> Path | None:
    """The file that shows at a path like `…/hyperparameters.json`, which names a file; None where a folder does.

    That is the source itself, or in a folder the file of that name, else the only one of its suffix.
    """
    if not path.suffix:
        return None
    if not source.is_dir():
        return source if source.suffix == path.suffix else None
    files = [one for one in source.iterdir() if one.is_file() and not one.is_symlink()]
    named = [one for one in files if one.name == path.name] or [one for one in files if one.suffix == path.suffix]
    return named[0] if len(named) == 1 else None


def _mount_points(mounts: Iterable[Mount]) -> tuple[list[Path], list[Path]]:
    """The folders and the files that mounts need to be there in other mounts: what an engine makes may be root's."""
    points: list[Path] = []
    files: list[Path] = []
    by_target = {mount.target: mount for mount in mounts}
    for mount in by_target.values():
        around = next((by_target[parent] for parent in mount.target.parents if parent in by_target), None)
        if around and around.mode is not MountMode.PRIVATE:
            point = around.source / mount.target.relative_to(around.target)
            (files if mount.source.is_file() else points).append(point)
    return points, files

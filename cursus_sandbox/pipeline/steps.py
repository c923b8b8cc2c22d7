"""One step, decided: its contract, the document and its predecessors become a PlannedStep."""

from __future__ import annotations

from collections.abc import Sequence

from cursus_sandbox.errors import Problem, did_you_mean
from cursus_sandbox.pipeline.config_assignment import Assigned
from cursus_sandbox.pipeline.configuration import arguments, encoding, environment, hyperparameters, transform_settings
from cursus_sandbox.pipeline.contract import ScriptContract, StepKind
from cursus_sandbox.pipeline.dag import Pipeline, Start, StepConfiguration, UploadMode
from cursus_sandbox.pipeline.inputs import Contracts, StepInputs, refined, why_skipped
from cursus_sandbox.pipeline.instances import instances
from cursus_sandbox.pipeline.limits import GRACE, RUNTIME, configured_runtime
from cursus_sandbox.pipeline.plan import PlannedOutput, PlannedStep
from cursus_sandbox.pipeline.retries import retries_of
from cursus_sandbox.pipeline.source import Unfed

_READ_BY = {
    "transform": (StepKind.TRANSFORM, "Transform"),
    "hyperparameters": (StepKind.TRAINING, "Training"),
    "hyperparameter_encoding": (StepKind.TRAINING, "Training"),
}


def planned_step(
    name: str,
    *,
    pipeline: Pipeline,
    contracts: Contracts,
    depends_on: Sequence[str],
    assigned: Assigned | None = None,
    lenient: bool = False,
    unfed: Unfed | None = None,
) -> tuple[PlannedStep, list[Problem]]:
    """The step, and what is wrong with it. `contracts` gives each step's contract and job type.

    `assigned` is its Cursus configuration; None where the pipeline has none. `made` feeds what nothing else does.
    """
    contract, job_type = contracts[name]
    config = assigned.config if assigned else None
    step = pipeline.steps.get(name, StepConfiguration())
    defaults = pipeline.defaults
    problems = [*_unknown_channels(name, contract, step), *_misplaced(name, contract, step)]
    skip = why_skipped(contract, step, defaults)
    inputs = StepInputs(
        name,
        pipeline=pipeline,
        contracts=contracts,
        depends_on=depends_on,
        config=config,
        lenient=lenient,
        unfed=unfed,
    )
    settings, missing = environment(name, contract, step, defaults, config)
    transform, unreadable, untransformed = transform_settings(contract, step, config)
    notes = list(inputs.notes)
    if skip is None:
        problems += inputs.problems + missing + unreadable
        notes += untransformed
        notes += assigned.notes(contract.step_type, settings) if assigned else ()
    on = instances(step, defaults, contract.kind, config)
    if skip is None:
        notes += on.notes
        if contract.kind is StepKind.TRANSFORM and on.count > 1:
            notes.append(f"{on.count} instances are asked for: here one host answers all records")
        continuous = [channel for channel, mode in step.upload_mode.items() if mode is UploadMode.CONTINUOUS]
        notes += [f"output '{one}' is uploaded at the end, not while it runs (S3UploadMode)" for one in continuous]
    entry_point = step.entry_point or contract.entry_point
    planned = PlannedStep(
        name=name,
        step_type=contract.step_type,
        kind=contract.kind,
        contract_file=contract.file,
        job_type=job_type,
        skip=skip,
        depends_on=tuple(depends_on),
        config=assigned.resolution if assigned else None,
        inputs=tuple(inputs.bound),
        outputs=tuple(
            PlannedOutput(
                channel=channel,
                path=output.path,
                required=output.required,
                bound=step.outputs[channel].path if channel in step.outputs else None,
                upload_mode=step.upload_mode.get(channel, UploadMode.END_OF_JOB),
                table_schema=refined(output.table_schema, step.schemas.get(channel)),
            )
            for channel, output in contract.outputs.items()
        ),
        notes=tuple(notes),
        image=step.image or defaults.image,
        source_dir=step.source_dir or defaults.source_dir,
        ships_source_dir=contract.source_dir or contract.kind is not StepKind.PROCESSING,
        entry_point=entry_point,
        start=step.start or (Start.SCRIPT if entry_point else Start.IMAGE),
        arguments=arguments(contract, step, job_type, config),
        hyperparameters=hyperparameters(step, how := encoding(contract, step)),
        encoding=how,
        environment=settings,
        secrets=defaults.secrets | step.secrets,
        timeout=step.timeout or defaults.timeout or configured_runtime(config) or RUNTIME,
        grace=step.grace or defaults.grace or GRACE,
        retries=retries_of(step.retries),
        instance_type=on.name,
        instance_count=on.count,
        volume_size=on.volume,
        resources=on.resources,
        log_limit=step.log_limit or defaults.log_limit,
        network=bool(step.network if step.network is not None else defaults.network),
        read_only_root=bool(step.read_only_root if step.read_only_root is not None else defaults.read_only_root),
        runtime=step.runtime or defaults.runtime,
        pip_shim=next((one for one in (step.pip_shim, defaults.pip_shim) if one is not None), True),
        user=step.user or defaults.user,
        cache=step.cache,
        transform=transform,
    )
    return planned, problems


def _misplaced(name: str, contract: ScriptContract, step: StepConfiguration) -> list[Problem]:
    """What the document says of a step whose kind of job never reads it."""
    problems = []
    for key, (kind, verb) in _READ_BY.items():
        said = key in step.model_fields_set and getattr(step, key) not in (None, {})
        if said and contract.kind is not kind:
            job = f"contract '{contract.step_type}' is a {contract.sagemaker_step_type} step"
            hint = f"Only the contract of a {verb} step reads it."
            if contract.kind is StepKind.PROCESSING and kind is StepKind.TRAINING:
                hint += " A Processing script is told by  env:  and  arguments:."
            problems.append(Problem(f"step '{name}' has  {key}:, and {job}", ("steps", name, key), hint))
    return problems


def _unknown_channels(name: str, contract: ScriptContract, step: StepConfiguration) -> list[Problem]:
    problems = []
    for key, named, known in (
        ("inputs", step.inputs, contract.inputs),
        ("distribution", step.distribution, contract.inputs),
        ("outputs", step.outputs, contract.outputs),
        ("upload_mode", step.upload_mode, contract.outputs),
        ("schemas", step.schemas, {**contract.inputs, **contract.outputs}),
    ):
        word = {"distribution": "input", "upload_mode": "output", "schemas": "channel"}.get(key, key.removesuffix("s"))
        problems += [
            Problem(
                f"step '{name}': contract '{contract.step_type}' has no {word} '{channel}'",
                ("steps", name, key, channel),
                did_you_mean(channel, known),
            )
            for channel in named
            if channel not in known
        ]
    return problems

"""One step, decided: its contract, the document and its predecessors become a PlannedStep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cursus_sandbox.errors import Problem, did_you_mean
from cursus_sandbox.pipeline.configuration import arguments, environment, hyperparameters
from cursus_sandbox.pipeline.contract import ScriptContract, StepKind
from cursus_sandbox.pipeline.dag import Pipeline, Source, StepConfiguration, StepOutput
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedOutput, PlannedStep
from cursus_sandbox.pipeline.wiring import Wiring, outputs_of, wirings
from cursus_sandbox.tables.schema import TableSchema, merged

Contracts = Mapping[str, tuple[ScriptContract, str | None]]


def planned_step(
    name: str, *, pipeline: Pipeline, contracts: Contracts, depends_on: Sequence[str]
) -> tuple[PlannedStep, list[Problem]]:
    """The step, and what is wrong with it. `contracts` gives each step's contract and job type."""
    contract, job_type = contracts[name]
    step = pipeline.steps.get(name, StepConfiguration())
    defaults = pipeline.defaults
    problems = [*_unknown_channels(name, contract, step)]
    skip = why_skipped(contract, step)
    bindings, unbound, notes = _inputs(name, pipeline=pipeline, contracts=contracts, depends_on=depends_on)
    settings, missing = environment(name, contract, step, defaults)
    if skip is None:
        problems += unbound + missing
    resources = step.resources
    if resources.memory is None and defaults.memory is not None:
        resources = resources.model_copy(update={"memory": defaults.memory})
    planned = PlannedStep(
        name=name,
        step_type=contract.step_type,
        kind=contract.kind,
        job_type=job_type,
        skip=skip,
        depends_on=tuple(depends_on),
        inputs=tuple(bindings),
        outputs=tuple(
            PlannedOutput(
                channel=channel,
                path=output.path,
                required=output.required,
                bound=step.outputs[channel].path if channel in step.outputs else None,
                table_schema=_schema(output.table_schema, step.schemas.get(channel)),
            )
            for channel, output in contract.outputs.items()
        ),
        notes=tuple(notes),
        image=step.image or defaults.image,
        source_dir=step.source_dir or defaults.source_dir,
        ships_source_dir=contract.source_dir or contract.kind is StepKind.TRAINING,
        entry_point=step.entry_point or contract.entry_point,
        arguments=arguments(contract, step, job_type),
        hyperparameters=hyperparameters(step),
        environment=settings,
        timeout=step.timeout or defaults.timeout,
        retries=step.retries,
        resources=resources,
        network=bool(step.network),
        user=step.user,
    )
    return planned, problems


def why_skipped(contract: ScriptContract, step: StepConfiguration) -> str | None:
    """Why nothing runs for a step; None if it runs."""
    if step.outputs:
        return "its outputs are bound to folders"
    if step.skip:
        return "the document says skip"
    if contract.kind is StepKind.NOTHING_TO_RUN:
        return f"{contract.sagemaker_step_type} has no script to run here"
    if not (step.entry_point or contract.entry_point):
        return "its contract has no entry point"
    return None


def _unknown_channels(name: str, contract: ScriptContract, step: StepConfiguration) -> list[Problem]:
    problems = []
    for key, named, known in (
        ("inputs", step.inputs, contract.inputs),
        ("outputs", step.outputs, contract.outputs),
        ("schemas", step.schemas, {**contract.inputs, **contract.outputs}),
    ):
        word = key.removesuffix("s") if key != "schemas" else "channel"
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


def _inputs(
    name: str, *, pipeline: Pipeline, contracts: Contracts, depends_on: Sequence[str]
) -> tuple[list[PlannedInput], list[Problem], list[str]]:
    """The bound inputs, the required ones that can't be bound, and notes on the optional ones."""
    contract, _ = contracts[name]
    step = pipeline.steps.get(name, StepConfiguration())
    candidates = outputs_of(depends_on, {before: contracts[before][0] for before in depends_on})
    fed = {str(source) for source in step.inputs.values()}
    found = wirings(
        {key: port for key, port in contract.inputs.items() if key not in (*step.inputs, *contract.local_inputs)},
        [one for one in candidates if str(one.source) not in fed],
    )
    bound: list[PlannedInput] = []
    problems: list[Problem] = []
    notes: list[str] = []
    for channel, port in contract.inputs.items():
        at = ("steps", name, "inputs", channel)
        asked = f"step '{name}' needs its input '{channel}'"
        source: Source | None = step.inputs.get(channel)
        wired = Wiring() if source else found.get(channel, Wiring())
        reason = "pinned" if source else ""
        if wired.rivals:
            listed = ", ".join(map(str, wired.rivals))
            if port.required:
                hint = f"Pin one:  inputs: {{{channel}: {wired.rivals[0]}}}"
                problems.append(Problem(f"{asked}, and several outputs fit it equally well: {listed}", at, hint))
                continue
            notes.append(
                f"optional input '{channel}' stays unbound: several outputs fit equally well ({listed}); pin one"
            )
        if wired.binding and wired.evidence:
            source, reason = wired.binding, ", ".join(wired.evidence.reasons)
            if not (wired.evidence.named or wired.evidence.listed):
                notes.append(f"input '{channel}' <- {source} is a guess ({reason}): pin it if it is right")
        if isinstance(source, StepOutput) and (wrong := _unreadable(name, source, pipeline, contracts, at)):
            if port.required or reason == "pinned":
                problems.append(wrong)
            else:
                notes.append(f"optional input '{channel}' stays unbound: nothing runs for step '{source.step}'")
            continue
        if source is None:
            if port.required:
                offered = ", ".join(str(one.source) for one in candidates)
                what = f"{asked}, and " + (
                    f"no output of its predecessors fits: {offered}" if offered else "no step before it leaves anything"
                )
                problems.append(Problem(what, at, f"Bind it:  inputs: {{{channel}: step:channel or ./folder}}"))
            continue
        if channel in contract.unmounted_inputs or port.path is None:
            continue
        parts = contract.fan_out(channel)
        bound.append(
            PlannedInput(
                channel=channel,
                path=port.path if parts else contract.paths_of(channel)[0],
                source=source,
                reason=reason,
                score=round(wired.evidence.score, 3) if wired.evidence else None,
                required=port.required,
                parts=parts,
                table_schema=_schema(port.table_schema, step.schemas.get(channel)),
            )
        )
    if not problems:
        notes += _empty_edges(bound, depends_on, step, contracts)
    return bound, problems, notes


def _empty_edges(
    bound: Sequence[PlannedInput], depends_on: Sequence[str], step: StepConfiguration, contracts: Contracts
) -> list[str]:
    """What to say of the graph's edges over which nothing goes; `depends_on` may well be meant to order only."""
    carried = {one.source.step for one in bound if isinstance(one.source, StepOutput)}
    return [
        f"the edge from '{before}' carries nothing: no output of it feeds an input"
        for before in depends_on
        if before not in carried and before not in step.depends_on and contracts[before][0].outputs
    ]


def _unreadable(
    name: str, source: StepOutput, pipeline: Pipeline, contracts: Contracts, at: tuple[str, ...]
) -> Problem | None:
    """Why nothing can be read from this output, if so."""
    contract, _ = contracts[source.step]
    step = pipeline.steps.get(source.step, StepConfiguration())
    if source.channel not in contract.outputs:
        return Problem(
            f"step '{name}' reads '{source}', but '{source.step}' has no output '{source.channel}'",
            at,
            did_you_mean(source.channel, contract.outputs),
        )
    if source.channel not in step.outputs and (why := why_skipped(contract, step)):
        return Problem(
            f"step '{name}' reads '{source}', but nothing runs for '{source.step}' ({why})",
            at,
            f"Bind it to a folder:  steps: {{{source.step}: {{outputs: {{{source.channel}: ./folder}}}}}}",
        )
    return None


def _schema(of_contract: TableSchema | None, of_step: TableSchema | None) -> TableSchema | None:
    return merged(of_contract, of_step) if of_contract and of_step else of_step or of_contract

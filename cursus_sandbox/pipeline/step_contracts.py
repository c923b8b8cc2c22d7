"""Which contract each step of a pipeline keeps to, and its job type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pydantic import ValidationError

from cursus_sandbox.errors import Problem, did_you_mean
from cursus_sandbox.pipeline.config_assignment import ConfigAssignment
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.dag import Pipeline, StepConfiguration
from cursus_sandbox.pipeline.derivation import default_job_type, job_type_of
from cursus_sandbox.pipeline.generic import generic_contract
from cursus_sandbox.pipeline.inputs import Contracts
from cursus_sandbox.pipeline.names import Named, StepTypes, snake
from cursus_sandbox.pipeline.source import StepOutput


def named_type(node: str, step: StepConfiguration | None, types: StepTypes) -> Named:
    """What a step says of its type: by `contract`, else by its name; the label is its name's in any case."""
    found = types.of(node)
    return found if step is None or step.contract is None else Named(types.called(step.contract), found.label)


def step_contracts(
    pipeline: Pipeline, contracts: Mapping[str, ScriptContract], before: Callable[[str], Iterable[str]]
) -> tuple[Contracts, list[Problem]]:
    """Each step's contract and the job type that the document gives it; and what is wrong with the rest.

    A step whose contract was not found gets a generic one; where we wrote the document, a slip in a name is a problem.
    `before` gives a step's predecessors.
    """
    types = StepTypes(contracts)
    chosen: dict[str, tuple[ScriptContract, str | None]] = {}
    problems: list[Problem] = []
    unknown: list[str] = []
    for name in dict.fromkeys(pipeline.dag.nodes):
        step = pipeline.steps.get(name, StepConfiguration())
        found = named_type(name, step, types)
        if found.step_type is not None:
            chosen[name] = (contracts[found.step_type], step.job_type or found.label)
        elif found.step_types or step.contract is not None or (pipeline.form == "ours" and types.meant(name)):
            problems.append(_unclear(name, step, found, types))
        else:
            unknown.append(name)
    outputs = _outputs_named(pipeline) if unknown else {}
    for name in unknown:
        step = pipeline.steps.get(name, StepConfiguration())
        fed = any(one not in chosen or chosen[one][0].outputs for one in before(name))
        try:
            contract, label = generic_contract(name, step, outputs=outputs.get(name, ()), fed=fed)
        except ValidationError as error:
            problems.append(_no_channel(name, error))
        else:
            chosen[name] = (contract, step.job_type or label)
    return chosen, problems


def for_job_types(chosen: Contracts, assignment: ConfigAssignment) -> Contracts:
    """Each step's contract as it is for its job type: the document's, its configuration's, else Cursus' default."""
    found: dict[str, tuple[ScriptContract, str | None]] = {}
    for name, (contract, named) in chosen.items():
        assigned = assignment.steps.get(name)
        config = assigned.config if assigned else None
        job_type = named or (config and job_type_of(config)) or default_job_type(contract.step_type)
        found[name] = (contract.for_job_type(job_type), job_type)
    return found


def contract_notes(contract: ScriptContract, job_type: str | None, known: Iterable[str]) -> list[str]:
    """What is worth a look in how a step came by its contract."""
    if contract.generic:
        channels = f"{_listed(contract.inputs)} -> {_listed(contract.outputs)}"
        what = f"no contract for {contract.step_type} was found, so generic channels are taken: {channels}"
        hint = did_you_mean(contract.step_type, known, or_list=False)
        meant = f" {hint}" if hint else ""
        file = f"contracts/{snake(contract.step_type)}.step.yaml"
        return [f"{what}. Write {file} for others; `init --from-script` drafts one.{meant}"]
    if job_type and contract.variants:
        there = ", ".join(contract.variants)
        return [
            f"contract {contract.step_type} has no variant for job type '{job_type}', so its base holds; it has {there}"
        ]
    return []


def _unclear(name: str, step: StepConfiguration, found: Named, types: StepTypes) -> Problem:
    at = ("steps", name, "contract") if step.contract else ("steps", name)
    wanted = step.contract or name
    if found.step_types:
        what = f"step '{name}': '{wanted}' may stand for any of {', '.join(found.step_types)}"
        return Problem(what, at, f"Say which:  contract: {found.step_types[0]}")
    meant = None if step.contract else types.meant(name)
    hint = f"Did you mean '{meant}'?" if meant else did_you_mean(wanted, types.names) or "No contract was found at all."
    what = f"step '{name}' has no contract: '{wanted}' is no known step type"
    return Problem(what, at, f"{hint} Contracts are *.step.yaml files; --contracts adds a folder.")


def _outputs_named(pipeline: Pipeline) -> dict[str, list[str]]:
    """The outputs of each step that others are pinned to."""
    named: dict[str, list[str]] = {}
    for step in pipeline.steps.values():
        for source in step.inputs.values():
            if isinstance(source, StepOutput):
                named.setdefault(source.step, []).append(source.channel)
    return named


def _no_channel(name: str, error: ValidationError) -> Problem:
    message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
    what = f"step '{name}' has no contract, and with the channels the document names none can be made: {message}"
    return Problem(what, ("steps", name), "Write a contract for it: a *.step.yaml file; --contracts adds a folder.")


def _listed(channels: Iterable[str]) -> str:
    return ", ".join(channels) or "nothing"

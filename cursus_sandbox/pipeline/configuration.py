"""What a step is told: environment, job arguments, hyperparameters, each from its contract and from the document."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cursus_sandbox.errors import Problem
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.dag import PipelineDefaults, StepConfiguration
from cursus_sandbox.pipeline.plan import Setting


def environment(
    name: str, contract: ScriptContract, step: StepConfiguration, defaults: PipelineDefaults
) -> tuple[dict[str, Setting], list[Problem]]:
    """The contract's defaults, the pipeline's `env` over them, the step's `env` over both; sorted by name."""
    settings = {key: Setting(value=value, origin="contract") for key, value in contract.optional_env_vars.items()}
    settings |= {key: Setting(value=value, origin="pipeline") for key, value in defaults.env.items()}
    settings |= {key: Setting(value=value, origin="step") for key, value in step.env.items()}
    missing = [key for key in contract.required_env_vars if key not in settings]
    problems = []
    if missing:
        names, values = ", ".join(missing), ", ".join(f"{key}: …" for key in missing)
        what = f"step '{name}' needs the environment variable{'s' * (len(missing) > 1)} {names}, and nothing sets "
        hint = f"Contract '{contract.step_type}' requires it: add  env: {{{values}}}  to the step."
        problems.append(Problem(what + ("them" if len(missing) > 1 else "it"), ("steps", name, "env"), hint))
    return dict(sorted(settings.items())), problems


def arguments(contract: ScriptContract, step: StepConfiguration, job_type: str | None) -> tuple[str, ...]:
    """The command line after the script.

    A list in the document is taken as it is, also an empty one. Otherwise, in this order: the contract's
    `job_arguments` that have a value (the step's `arguments` by flag or by source, or `job_type`), the contract's other
    `arguments` with their defaults, the step's remaining `arguments`. An entry of `arguments` that is a `job_arguments`
    flag too is only its description there (Cursus' Bedrock contracts), and is left out while it has no value.
    """
    if isinstance(step.arguments, tuple) and "arguments" in step.model_fields_set:
        return step.arguments
    written = dict(step.arguments) if isinstance(step.arguments, Mapping) else {}
    given = {flag.lstrip("-"): value for flag, value in written.items()}
    words: list[str] = []
    taken = set()
    for argument in contract.job_arguments:
        flag = argument.flag.lstrip("-")
        taken |= {flag, argument.source}
        value = given.get(flag, given.get(argument.source, job_type if argument.source == "job_type" else None))
        if value is not None:
            words += [argument.flag, value]
    flags = {flag.lstrip("-"): flag for flag in (*contract.arguments, *written)}
    values = {flag.lstrip("-"): value for flag, value in contract.arguments.items()} | given
    for name, flag in flags.items():
        if name not in taken:
            words += [flag if flag.startswith("-") else f"--{flag}", values[name]]
    return tuple(words)


def hyperparameters(step: StepConfiguration) -> dict[str, str]:
    """Each value as the text that CreateTrainingJob takes: text as it is, everything else as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in step.hyperparameters.items()}

"""What a step is told: environment, job arguments, hyperparameters, and of its records if it is a transform.

Each comes from the step's contract, from its Cursus configuration where there is one, and from the document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import ValidationError

from cursus_sandbox.errors import Problem, did_you_mean
from cursus_sandbox.pipeline.contract import ScriptContract, StepKind
from cursus_sandbox.pipeline.cursus_config import EffectiveConfig
from cursus_sandbox.pipeline.dag import Encoding, PipelineDefaults, StepConfiguration
from cursus_sandbox.pipeline.derivation import as_text, derived_environment
from cursus_sandbox.pipeline.plan import Setting
from cursus_sandbox.pipeline.secrets import Handed
from cursus_sandbox.pipeline.transform import TransformSettings

# The SDK's estimators that are its Framework, which writes hyperparameters as JSON (sagemaker/estimator.py).
_FRAMEWORKS = frozenset(
    {"Chainer", "HuggingFace", "MXNet", "PyTorch", "RLEstimator", "SKLearn", "TensorFlow", "XGBoost"}
)

# Of a Transform step's configuration: what its job is told of records, and what isn't done here; Cursus' defaults.
_RECORDS = {"content_type": "text/csv", "accept": "text/csv", "split_type": "Line", "assemble_with": "Line"}
_DATA_PROCESSING = {"input_filter": "$[1:]", "join_source": "Input", "output_filter": "$[-1]"}


def environment(
    name: str,
    contract: ScriptContract,
    step: StepConfiguration,
    defaults: PipelineDefaults,
    config: EffectiveConfig | None = None,
) -> tuple[dict[str, Setting], list[Problem]]:
    """The contract's defaults, each over the one before: the configuration, the pipeline's `env`, the step's `env`.

    Sorted by name; without what is a secret.
    """
    settings = {key: Setting(value=value, origin="contract") for key, value in contract.optional_env_vars.items()}
    if config is not None:
        declared = (*contract.required_env_vars, *contract.optional_env_vars)
        settings |= derived_environment(config, contract.step_type, declared)
    settings |= {key: Setting(value=value, origin="pipeline") for key, value in defaults.env.items()}
    settings |= {key: Setting(value=value, origin="step") for key, value in step.env.items()}
    secret = {key for key, one in (defaults.secrets | step.secrets).items() if one.handed is Handed.ENVIRONMENT}
    settings = {key: setting for key, setting in settings.items() if key not in secret}
    missing = [key for key in contract.required_env_vars if key not in settings and key not in secret]
    problems = []
    if missing:
        names, values = ", ".join(missing), ", ".join(f"{key}: …" for key in missing)
        what = f"step '{name}' needs the environment variable{'s' * (len(missing) > 1)} {names}, and nothing sets "
        hint = f"Contract '{contract.step_type}' requires it: add  env: {{{values}}}  to the step."
        unasked = [key for key in (*defaults.env, *step.env, *sorted(secret)) if key not in contract.optional_env_vars]
        meant = [key for key in unasked if did_you_mean(key, missing, or_list=False)]
        if meant:
            hint += f" Is it meant by {', '.join(dict.fromkeys(meant))}?"
        problems.append(Problem(what + ("them" if len(missing) > 1 else "it"), ("steps", name, "env"), hint))
    return dict(sorted(settings.items())), problems


def arguments(
    contract: ScriptContract, step: StepConfiguration, job_type: str | None, config: EffectiveConfig | None = None
) -> tuple[str, ...]:
    """The command line after the script.

    In this order: the contract's `job_arguments` that have a value (the step's `arguments` by flag or by source,
    `job_type`, else the configuration's), the contract's other `arguments` with their defaults, the step's remaining
    `arguments`. An entry of `arguments` that is a `job_arguments` flag too is only its description there (Cursus'
    Bedrock contracts), and is left out while it has no value.

    Where the step's `arguments` are a list, it is added word by word, and a flag in it takes the place of the
    contract's; an empty list leaves the command line empty.
    """
    listed = step.arguments if isinstance(step.arguments, tuple) else ()
    if not listed and isinstance(step.arguments, tuple) and "arguments" in step.model_fields_set:
        return ()
    written = dict(step.arguments) if isinstance(step.arguments, Mapping) else {}
    given = {flag.lstrip("-"): value for flag, value in written.items()}
    words: list[str] = []
    taken = {word.lstrip("-").partition("=")[0] for word in listed if word.startswith("-")}
    for argument in contract.job_arguments:
        flag = argument.flag.lstrip("-")
        value = given.get(flag, given.get(argument.source))
        if value is None:
            value = job_type if argument.source == "job_type" else _configured(config, argument.source)
        if value is not None and flag not in taken:
            words += [argument.flag, value]
        taken |= {flag, argument.source}
    flags = {flag.lstrip("-"): flag for flag in (*contract.arguments, *written)}
    values = {flag.lstrip("-"): value for flag, value in contract.arguments.items()} | given
    for name, flag in flags.items():
        if name not in taken:
            words += [flag if flag.startswith("-") else f"--{flag}", values[name]]
    return (*words, *listed)


def _configured(config: EffectiveConfig | None, name: str) -> str | None:
    return as_text(config.values.get(name)) if config else None


def transform_settings(
    contract: ScriptContract, step: StepConfiguration, config: EffectiveConfig | None = None
) -> tuple[TransformSettings | None, list[Problem], list[str]]:
    """What a Transform step is told about its records, what is wrong with that, and what is worth a look.

    The document's `transform` over what the configuration says, and that over the defaults of Cursus' own class
    (cursus/steps/configs/config_batch_transform_step.py). Of another kind of step None.
    """
    if contract.kind is not StepKind.TRANSFORM:
        return None, [], []
    said = step.transform.model_dump(exclude_unset=True) if step.transform else {}
    if config is None:
        return TransformSettings.model_validate(said), [], []
    values = {**_RECORDS, **_DATA_PROCESSING, **config.values}
    undone = [f"{key}={values[key]}" for key in _DATA_PROCESSING if values[key] not in (None, "", "$", "None")]
    whole = "the model gets whole records, and its answers are kept as they are"
    notes = [f"DataProcessing is not done here ({', '.join(undone)}): {whole}"] if undone else []
    try:
        configured = {key: values[key] for key in _RECORDS}
        return TransformSettings.model_validate({**configured, **said}), [], notes
    except ValidationError as error:
        problems = []
        for one in error.errors(include_url=False):
            key = str(next(iter(one["loc"]), "transform"))
            what = f"the configuration '{config.key}', {key}: {one['msg'].removeprefix('Value error, ')}"
            hint = "The step's own  transform:  goes before it."
            problems.append(Problem(what, ("config", "configuration", "specific", config.key, key), hint))
        return None, problems, notes


def encoding(contract: ScriptContract, step: StepConfiguration) -> Encoding:
    """How hyperparameters become text: the document's word, else as the class of the SDK does it that makes the job."""
    by_class = Encoding.JSON if contract.sdk_class in _FRAMEWORKS else Encoding.PLAIN
    return step.hyperparameter_encoding or by_class


def hyperparameters(step: StepConfiguration, how: Encoding) -> dict[str, str]:
    """Each value as the text that CreateTrainingJob takes: `str` of it, or JSON."""
    encoded = json.dumps if how is Encoding.JSON else str
    return {key: encoded(value) for key, value in step.hyperparameters.items()}

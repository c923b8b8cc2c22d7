"""Hyperparameters on their way to a script: what script mode adds to them, and the options it makes of them.

As the sagemaker-training toolkit does it (`environment.py`, `mapping.py`), whatever the encoding in the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cursus_sandbox.pipeline.dag import Encoding
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.identity import REGION, JobIdentity

_RESERVED = ("default_user_module_name", "_tuning_objective_metric")
_PREFIX = "sagemaker_"
_OF_PLATFORM = {
    *("sagemaker_program", "sagemaker_submit_directory", "sagemaker_enable_cloudwatch_metrics", "sagemaker_region"),
    *("sagemaker_container_log_level", "sagemaker_job_name", "sagemaker_s3_output"),
}


def script_mode(step: PlannedStep, identity: JobIdentity, folder: str) -> dict[str, str]:
    """The step's hyperparameters, and below them those that tell the toolkit which script to run, and from where.

    The SDK's estimators add the same; only their folder is an archive in S3.
    """
    told = {
        "sagemaker_program": step.entry_point,
        "sagemaker_submit_directory": folder,
        "sagemaker_container_log_level": 20,
        "sagemaker_job_name": identity.name,
        "sagemaker_region": REGION,
    }
    plain = step.encoding is Encoding.PLAIN
    return {name: str(value) if plain else json.dumps(value) for name, value in told.items()} | step.hyperparameters


def options(hyperparameters: Mapping[str, str]) -> Iterator[str]:
    """The command-line options of a script: sorted by name, one dash for a one-letter name, without the platform's own.

    A value that is JSON is read as such and written as Python does; a mapping becomes `a=1,b=2`.
    """
    for name, value in sorted(decoded(hyperparameters).items()):
        yield f"-{name}" if len(name) == 1 else f"--{name}"
        yield _word(value)


def decoded(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """The script's own hyperparameters as values: what is JSON is read as such, anything else stays text."""
    return {
        name: _value(text)
        for name, text in hyperparameters.items()
        if not name.startswith(_PREFIX) and name not in _RESERVED
    }


def framework_parameters(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """Those for a framework's container: `sagemaker_*`, but for those that only the platform and the toolkit read."""
    return {
        name: _value(text)
        for name, text in hyperparameters.items()
        if name.startswith(_PREFIX) and name not in _OF_PLATFORM
    }


def of_platform(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """Those that only the platform and the toolkit read, such as `sagemaker_region`."""
    return {name: _value(text) for name, text in hyperparameters.items() if name in _OF_PLATFORM}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _word(value: Any) -> str:
    match value:
        case None:
            return ""
        case dict():
            return ",".join(f"{key}={one}" for key, one in sorted(value.items()))
        case _:
            return str(value)

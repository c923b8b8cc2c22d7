"""A planned step as a call of its script's own `main`, on this machine's paths: for engines without container paths.

Cursus' scripts share one signature, `main(input_paths, output_paths, environ_vars, job_args)`, with a host folder for
each channel of the contract. What stands in `if __name__ == "__main__":` is not run: no argparse, no container path, no
conversion of environment variables, no `_SUCCESS` marker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from cursus_sandbox.engines.engine import Job
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep
from cursus_sandbox.pipeline.secrets import Handed
from cursus_sandbox.sagemaker.configuration import training_configuration
from cursus_sandbox.sagemaker.hosts import Host
from cursus_sandbox.sagemaker.layout import Staging, StepFolders, as_file, limits_of, script_of

NOT_EXERCISED = (
    "nothing was isolated and no container path, __main__ or argparse was exercised: each script's main() was called "
    "as you, with your files and network"
)
RUNNER = Path(__file__).with_name("call_main.py")
_HYPERPARAMETERS = "hyperparameters_s3_uri"  # Cursus' training scripts look there, else in the code's folder below


def main_job(
    step: PlannedStep,
    *,
    sources: Mapping[str, Path],
    folders: StepFolders,
    labels: Mapping[str, str] | None = None,
) -> tuple[Job, Staging]:
    """The call as one job, and what to put on disk for it. `sources` gives each bound input's file or folder.

    Inputs are copied, for a script may write to them; that costs their size in time and room, but where the file
    system shares blocks. The script itself is read where it lies. A training step's hyperparameters come as the file
    that SageMaker makes of them, under the name `hyperparameters`, and the source folder's `hyperparams` stands for a
    `hyperparameters_s3_uri` that is not bound, as in Cursus' `__main__`.
    """
    inputs, copies = _inputs(step.inputs, sources, folders.staged / "inputs")
    outputs = {one.channel: folders.outputs / one.channel for one in step.outputs if one.path is not None}
    texts: dict[Path, str] = {}
    if step.kind is StepKind.TRAINING:
        file = folders.staged / "config" / "hyperparameters.json"
        texts[file] = training_configuration(step, Host(), step.hyperparameters)[file.name]
        beside = {"hyperparameters": file}
        if step.source_dir and (shipped := step.source_dir / "hyperparams").is_dir():
            beside[_HYPERPARAMETERS] = shipped
        inputs = beside | inputs
    script = script_of(step)
    environment = {name: setting.value for name, setting in step.environment.items()}
    call = folders.staged / "call.json"
    texts[call] = json.dumps(
        {
            "script": str(script.resolve()) if script else None,
            "input_paths": {channel: str(path) for channel, path in inputs.items()},
            "absent": str(folders.staged / "absent"),
            "output_paths": {channel: str(path) for channel, path in outputs.items()},
            "environ_vars": environment,
            "secrets": [name for name, one in step.secrets.items() if one.handed is Handed.ENVIRONMENT],
            "job_args": arguments_as_parsed(step.arguments),
        },
        indent=2,
    )
    job = Job(
        name=step.name,
        scratch=folders.scratch,
        entrypoint=("python3", "-B"),
        argv=(str(RUNNER), str(call)),
        environment=environment,
        limits=limits_of(step),
        network=True,
        labels=labels or {},
    )
    made = (*outputs.values(), folders.messages, folders.scratch)
    return job, Staging(folders=made, texts=texts, copies=tuple(copies))


def arguments_as_parsed(arguments: Iterable[str]) -> dict[str, str | bool | list[str] | None]:
    """What argparse makes of `--name value`, as far as that can be told without the script's parser.

    Values stay strings; an option without a value is True, one with several a list, and the last of its name counts.
    What comes before the first option is under `arguments`. `job_type` is there in any case: scripts for which it is
    optional read it without asking.
    """
    found: dict[str, list[str]] = {}
    values = before = list[str]()
    for word in arguments:
        if word.startswith("-") and word.lstrip("-")[:1].isalpha():
            option, equals, value = word.partition("=")
            values = found[option.lstrip("-").replace("-", "_")] = [value] if equals else []
        else:
            values.append(word)
    parsed = {name: True if not some else some[0] if len(some) == 1 else some for name, some in found.items()}
    return {"job_type": None} | ({"arguments": before} if before else {}) | parsed


def _inputs(
    inputs: Iterable[PlannedInput], sources: Mapping[str, Path], folder: Path
) -> tuple[dict[str, Path], list[tuple[Path, Path]]]:
    """Where each input will be, and the copies that bring it there: alike what shows in a container."""
    paths = {}
    copies = []
    for one in inputs:
        source, place = sources[one.channel], folder / one.channel
        paths[one.channel] = place
        if one.parts:
            copies += [(source / part, place / part) for part in one.parts]
        elif file := as_file(source, one.path):
            paths[one.channel] = place / one.path.name
            copies.append((file, place / one.path.name))
        else:
            copies.append((source, place if source.is_dir() else place / source.name))
    return paths, copies

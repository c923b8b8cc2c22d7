"""The contract of a step whose contract was not found: what its name and the document let one guess.

See docs/decisions/0005-generic-contracts.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.dag import StepConfiguration
from cursus_sandbox.pipeline.names import snake

_PROCESSING = "/opt/ml/processing"
_TRAINING = "/opt/ml/input/data"
_LABELLED = re.compile(r"([A-Z][A-Za-z0-9]*)_(.+)")  # as Cursus writes nodes; of another name nothing is a label


def generic_contract(
    node: str, step: StepConfiguration, *, outputs: Iterable[str], fed: bool
) -> tuple[ScriptContract, str | None]:
    """A contract, and the node's label. `outputs` are those the document names, `fed`: a step before it leaves some.

    A name that ends in Training, or hyperparameters, make it a training job; everything else is a processing job. No
    output must have anything in it. Raises ValidationError where the channels that the document names can't be.
    """
    found = _LABELLED.fullmatch(node)
    step_type, label = (found[1], found[2]) if found else (node, None)
    named = list(step.inputs)
    left = list(dict.fromkeys([*step.outputs, *outputs, *(one for one in step.schemas if one not in step.inputs)]))
    if step_type.endswith("Training") or step.hyperparameters:
        kind = "Training"
        inputs = {name: f"{_TRAINING}/{name}" for name in named if name != "input_path"}
        if "input_path" in named or (fed and not named):
            inputs["input_path"] = _TRAINING
        paths = {"model_output": "/opt/ml/model", "evaluation_output": "/opt/ml/output/data"}
        paths |= {name: f"/opt/ml/checkpoints/{name}" for name in left if name not in paths}
    else:
        kind = "Processing"
        inputs = {name: f"{_PROCESSING}/input/{name}" for name in named or (["data"] if fed else [])}
        paths = {name: f"{_PROCESSING}/output/{name}" for name in left} or {"processed_data": f"{_PROCESSING}/output"}
    contract = ScriptContract.model_validate(
        {
            "step_type": step_type,
            "sagemaker_step_type": kind,
            "entry_point": f"{snake(step_type)}.py",
            "inputs": {name: {"path": path} for name, path in inputs.items()},
            "outputs": {name: {"path": path, "required": False} for name, path in paths.items()},
            "generic": True,
        }
    )
    return contract, label

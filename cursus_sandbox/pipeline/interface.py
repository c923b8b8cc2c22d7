"""The ways a contract is written, as the fields of a ScriptContract: laid over one another, not judged yet.

`*.step.yaml` is Cursus' own format (`cursus/core/base/step_interface.py`): its other keys are accepted and ignored.
Ours is the optional `schema:` of a channel. The older shape is a Python object (`cursus/core/base/contract_base.py`,
until 2.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from cursus_sandbox.pipeline.names import pascal

Tree = dict[str, Any]

OLDER_NAMES = (
    "entry_point",
    "expected_input_paths",
    "expected_output_paths",
    "expected_arguments",
    "required_env_vars",
    "optional_env_vars",
    "description",
)

# What the spec says of a channel. Where both sections say `required`, Cursus goes by the spec's.
_ASKED = ("required", "type", "data_type", "compatible_sources", "semantic_keywords")
_OFFERED = ("type", "data_type", "aliases")
_IN_SPEC = {"inputs": ("dependencies", _ASKED), "outputs": ("outputs", _OFFERED)}
_VARYING = ("contract", "spec")
_PLACES: dict[str, tuple[str, ...]] = {
    "step_type": ("step_type",),
    "sagemaker_step_type": ("registry", "sagemaker_step_type"),
    "config_class": ("registry", "config_class"),
    "sdk_class": ("compute", "sdk_class"),
    "description": ("registry", "description"),
    "required_env_vars": ("contract", "env_vars", "required"),
    "optional_env_vars": ("contract", "env_vars", "optional"),
    "local_inputs": ("contract", "input_source_overrides"),
    "unmounted_inputs": ("contract", "skip_inputs"),
}


def contract_fields(tree: Tree) -> dict[str, Any]:
    """A `*.step.yaml` tree, without its variants.

    A sink leaves no outputs, whatever is written (`ProcessingHandler.get_outputs`). `circular_ref_check` guards Cursus
    against references that can't arise here.
    """
    contract = section(tree, "contract")
    env = section(contract, "env_vars")
    fields = {
        "step_type": tree.get("step_type"),
        "description": section(tree, "registry").get("description"),
        "sagemaker_step_type": section(tree, "registry").get("sagemaker_step_type"),
        "config_class": section(tree, "registry").get("config_class"),
        "sdk_class": section(tree, "compute").get("sdk_class"),
        "delegated": section(tree, "patterns").get("step_assembly") == "delegation",
        "entry_point": contract.get("entry_point"),
        "source_dir": contract.get("source_dir"),
        "inputs": _ports(tree, "inputs"),
        "outputs": _ports(tree, "outputs") if contract.get("sink") is not True else {},
        "arguments": contract.get("arguments"),
        "job_arguments": contract.get("job_arguments"),
        "required_env_vars": env.get("required"),
        "optional_env_vars": env.get("optional"),
        "local_inputs": contract.get("input_source_overrides"),
        "unmounted_inputs": contract.get("skip_inputs"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def variant(tree: Tree, job_type: str) -> Tree:
    """The tree as it is for a job type that it has a variant for.

    As in Cursus (`StepInterface.from_yaml`): mappings are merged at every depth, lists and values are replaced.
    """
    body = section(section(tree, "variants"), job_type)
    laid = {name: _laid_over(section(tree, name), section(body, name)) for name in body if name in _VARYING}
    return {**tree, **laid}


def places_of(place: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], ...]:
    """Where in a `*.step.yaml` a field of ScriptContract may stand, what counts first, so that an error has a line."""
    if not place:
        return (("contract",),)
    head, *rest = place
    if str(head) in _IN_SPEC and len(rest) > 1:
        described, keys = _IN_SPEC[str(head)]
        if rest[1] in keys:
            return (("spec", described, *rest), ("contract", *place))
    return ((*_PLACES.get(str(head), ("contract", str(head))), *rest),)


def older_fields(shape: Mapping[str, Any], step_type: str | None = None) -> dict[str, Any]:
    """The older shape: what stands under OLDER_NAMES.

    It doesn't say which inputs are required. Cursus' own list the one first that always is: that one is; the others are
    fed by their names or not at all. An argument whose value has blanks in it is only described by it, as in Cursus'
    Bedrock contracts.
    """
    entry_point = shape.get("entry_point")
    inputs, outputs = (shape.get(f"expected_{name}_paths") or {} for name in ("input", "output"))
    arguments = shape.get("expected_arguments") or {}
    paths = [str(path) for some in (inputs, outputs) if isinstance(some, Mapping) for path in some.values()]
    training = any(path.startswith(("/opt/ml/input/data", "/opt/ml/model")) for path in paths)
    if isinstance(arguments, Mapping):
        arguments = {name: value for name, value in arguments.items() if " " not in str(value)}
    fields = {
        "step_type": step_type or (pascal(PurePosixPath(entry_point).stem) if isinstance(entry_point, str) else None),
        "description": next(iter(str(shape.get("description") or "").strip().splitlines()), ""),
        "sagemaker_step_type": "Training" if training else "Processing",
        "entry_point": entry_point,
        "inputs": _channels(inputs, required=lambda index: index == 0),
        "outputs": _channels(outputs, required=lambda _: True),
        "arguments": arguments,
        "required_env_vars": shape.get("required_env_vars"),
        "optional_env_vars": shape.get("optional_env_vars"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def section(tree: Mapping[str, Any], name: str) -> Tree:
    """A part of a tree that is a mapping; an empty one where something else stands, or nothing."""
    value = tree.get(name)
    return value if isinstance(value, dict) else {}


def _channels(paths: Any, *, required: Callable[[int], bool]) -> Any:
    if not isinstance(paths, Mapping):
        return paths
    return {name: {"path": path, "required": required(index)} for index, (name, path) in enumerate(paths.items())}


def _ports(tree: Tree, name: str) -> dict[str, Any]:
    """A section's channels, each with what the spec says of it."""
    same, keys = _IN_SPEC[name]
    described = section(section(tree, "spec"), same)
    return {
        channel: {**port, **{key: value for key in keys if (value := section(described, channel).get(key)) is not None}}
        if isinstance(port, dict)
        else port
        for channel, port in section(section(tree, "contract"), name).items()
    }


def _laid_over(base: Tree, over: Tree) -> Tree:
    merged = dict(base)
    for name, value in over.items():
        known = merged.get(name)
        merged[name] = _laid_over(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged

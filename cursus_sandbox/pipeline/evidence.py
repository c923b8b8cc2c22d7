"""How well an output suits an input: what speaks for it, and how much.

The parts and their weights are Cursus' own (cursus/core/deps/dependency_resolver.py): type, data type, names,
compatible sources, keywords. What is decided from them is not: see `wiring`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import PurePosixPath

from cursus_sandbox.pipeline.contract import InputChannel, OutputChannel

_TYPE, _TYPE_NEAR = 0.4, 0.2
_DATA_TYPE, _DATA_TYPE_NEAR = 0.2, 0.1
_NAME, _SAME_NAME, _ALIAS = 0.25, 0.05, 0.02
_NOISE = 0.3  # names less alike than this have a few letters in common
_SOURCE = 0.1
_KEYWORDS = 0.05

_NEAR_TYPES = {
    "training_data": {"processing_output"},
    "processing_output": {"training_data"},
    "hyperparameters": {"custom_property"},
    "payload_samples": {"processing_output"},
}
_NEAR_DATA_TYPES = ({"S3Uri", "String"}, {"Integer", "Float"})

# SageMaker: what lies at the first path when a job ends is what a later job finds below the second.
_PATHS = (
    ("/opt/ml/model", ("/opt/ml/input/data", "/opt/ml/model", "/opt/ml/processing/input/model")),
    ("/opt/ml/output/data", ("/opt/ml/input/data",)),
    ("/opt/ml/processing/output", ("/opt/ml/processing/input", "/opt/ml/input/data")),
)

_SHORT = {
    "config": "configuration",
    "params": "parameters",
    "hyperparams": "hyperparameters",
    "preprocess": "preprocessing",
    "eval": "evaluation",
    "reg": "registration",
    "pkg": "package",
    "packaged": "package",
}
_MEANINGS = {  # what comes first counts: `model_evaluation` is an evaluation, `model_data` a model
    "hyperparameters": {"hyperparameters", "hyperparameter"},
    "the evaluation": {"evaluation", "metrics", "predictions", "scores"},
    "the model": {"model", "models", "checkpoint"},
    "the data": {"data", "dataset", "table", "records"},
}
_SAY_NOTHING = {"a", "an", "and", "for", "in", "of", "s3", "the", "to", "uri"}
_ALSO_KNOWN_AS = {
    "MIMSPackaging": "Package",
    "MIMSPayload": "Payload",
    "ModelRegistration": "Registration",
    "PytorchTraining": "PyTorchTraining",
    "PytorchModel": "PyTorchModel",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a binding. `score` is between 0 and 1.

    `named`: the output has the input's name, or has it as an alias. `listed`: its step type is a compatible source.
    `only_type`: nothing but its type speaks for it.
    """

    score: float
    reasons: tuple[str, ...]
    named: bool = False
    listed: bool = False
    only_type: bool = False


@lru_cache(maxsize=100_000)
def evidence(name: str, port: InputChannel, *, output: str, offered: OutputChannel, step_type: str) -> Evidence | None:
    """What speaks for feeding an input from an output of a step of that type; None if they are of different kinds."""
    kind = _kind(name, port, output, offered)
    if kind is None:
        return None
    points, reasons = kind
    points += _data_type(port, offered)
    same, alias = output == name, name in offered.aliases
    likeness = 1.0 if same or alias else similarity(name, (output, *offered.aliases))
    points += _NAME * likeness + (_SAME_NAME if same else _ALIAS if alias else 0)
    reasons += ["same name"] if same else ["alias"] if alias else [f"names {likeness:.0%} alike"] if likeness else []
    listed = is_listed(step_type, port.compatible_sources)
    if port.compatible_sources:
        points += _SOURCE if listed else -_SOURCE
        reasons.append("a listed source" if listed else "not a listed source")
    if port.semantic_keywords:
        found = [word for word in port.semantic_keywords if word.lower() in output.lower()]
        points += _KEYWORDS * len(found) / len(port.semantic_keywords)
    typed = port.type is not None and offered.type is not None
    return Evidence(
        score=min(max(points, 0.0), 1.0),
        reasons=tuple(reasons),
        named=same or alias,
        listed=listed,
        only_type=typed and not (likeness or listed),
    )


def is_listed(step_type: str, sources: Iterable[str]) -> bool:
    """Whether a step type is among the compatible sources, under one of the names Cursus has had for it."""
    return any(step_type in (one, one.removesuffix("Step"), _ALSO_KNOWN_AS.get(one)) for one in sources)


def path_fits(port: InputChannel, offered: OutputChannel) -> bool:
    """Whether SageMaker could bring what lies at the output's path to the input's."""
    return any(
        _within(offered.path, left) and any(_within(port.path, found) for found in below) for left, below in _PATHS
    )


def similarity(name: str, names: Iterable[str]) -> float:
    """How alike a name and the most alike of some names are, from 0 to 1; 0 when no more than chance makes them."""
    best = max((_alike(name, other) for other in names), default=0.0)
    return best if best >= _NOISE else 0.0


def _kind(name: str, port: InputChannel, output: str, offered: OutputChannel) -> tuple[float, list[str]] | None:
    """Points for the type. Contracts without types are judged by their names and paths."""
    if port.type is None or offered.type is None:
        if path_fits(port, offered):
            return _TYPE, ["path rule"]
        if output == name or name in offered.aliases:
            return _TYPE, []
        meant = _meaning(name)
        return (_TYPE, [f"both name {meant}"]) if meant and meant in map(_meaning, (output, *offered.aliases)) else None
    if port.type == offered.type:
        return _TYPE, [f"type {port.type}"]
    if offered.type in _NEAR_TYPES.get(port.type, ()):
        return _TYPE_NEAR, [f"type {offered.type} serves as {port.type}"]
    return None


def _data_type(port: InputChannel, offered: OutputChannel) -> float:
    wanted, given = port.data_type or "S3Uri", offered.data_type or "S3Uri"
    if wanted == given:
        return _DATA_TYPE
    return _DATA_TYPE_NEAR if any({wanted, given} <= near for near in _NEAR_DATA_TYPES) else 0.0


def _meaning(name: str) -> str | None:
    """What a channel's name says is in it, if it is one of the names that everyone uses."""
    words = set(_words(name))
    return next((meaning for meaning, said in _MEANINGS.items() if words & said), None)


@lru_cache(maxsize=100_000)
def _alike(one: str, other: str) -> float:
    left, right = _words(one), _words(other)
    if not left or not right:
        return 0.0
    if left == right:
        return 1.0
    first, second = set(left), set(right)
    shared = len(first & second) / len(first | second)
    within = first <= second or second <= first
    ratio = SequenceMatcher(None, " ".join(left), " ".join(right), autojunk=False).ratio()
    return 0.3 * ratio + 0.5 * shared + 0.2 * within


def _words(name: str) -> tuple[str, ...]:
    lowered = name.lower().replace("_", " ").replace("-", " ").replace(".", " ")
    return tuple(_SHORT.get(word, word) for word in lowered.split() if word not in _SAY_NOTHING)


def _within(path: PurePosixPath | None, folder: str) -> bool:
    return path is not None and path.is_relative_to(folder)

"""The step configurations of a pipeline as Cursus keeps them: what all steps share, and what each says for itself.

Cursus writes them to one JSON file (`cursus/core/config_fields/unified_config_manager.py`): `configuration.shared`,
`configuration.specific` by key, and `metadata.config_types`, the class of each key. The keys are step names as a rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from types import MemberDescriptorType, SimpleNamespace
from typing import Any

from pydantic import BaseModel

from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.names import folded

MODEL_TYPE = "__model_type__"
_TYPE_INFO = "__type_info__"

_BASE_CLASS = re.compile(r"Base[A-Za-z]*Config|[A-Za-z]*ConfigBase")
_BASE_KEY = re.compile(r"(Base|Processing)(Pipeline|Step)?(Config)?(Base)?", re.IGNORECASE)
_OLD_NAMES = {"cradledataload": "cradledataloading", "mimspackaging": "package", "mimspayload": "payload"}


@dataclass(frozen=True, slots=True)
class CursusConfig:
    """What one key of the file says: its values without Cursus' marks, and the class they were written from."""

    key: str
    values: Mapping[str, Any]
    config_class: str | None = None

    @property
    def job_type(self) -> str | None:
        """The job type it is written for."""
        value = self.values.get("job_type")
        return value if isinstance(value, str) and value else None

    @property
    def is_base(self) -> bool:
        """Whether it is no step's own, but what the configurations of several steps are derived from."""
        of_class = self.config_class is not None and _BASE_CLASS.fullmatch(self.config_class)
        return bool(of_class or _BASE_KEY.fullmatch(self.key))

    @property
    def is_for_processing(self) -> bool:
        """Whether a base holds for processing steps alone."""
        return "processing" in f"{self.key}{self.config_class or ''}".lower()


@dataclass(frozen=True, slots=True)
class EffectiveConfig:
    """What holds for one step: each value, and in which part of the file it stands."""

    key: str
    values: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict)

    def origin(self, *names: str) -> str:
        """Where a value comes from, as the plan says it: `config: XGBoostTraining.label_name`."""
        return f"config: {'.'.join((self.places.get(names[0], self.key), *names))}"


@dataclass(frozen=True)
class CursusConfigs:
    """All step configurations there are. `config_types` is the file's `metadata.config_types`."""

    specific: Mapping[str, CursusConfig]
    shared: Mapping[str, Any] = field(default_factory=dict)
    processing_shared: Mapping[str, Any] = field(default_factory=dict)
    config_types: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        configs: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        *,
        shared: Mapping[str, Any] | None = None,
        processing_shared: Mapping[str, Any] | None = None,
    ) -> CursusConfigs:
        """From mappings, or from objects, Cursus' own or any with attributes, by key.

        DocumentError with every one that is neither.
        """
        if problems := [_no_config(key, value) for key, value in configs.items() if not _is_config(value)]:
            raise DocumentError(problems)
        types = (metadata or {}).get("config_types") or {}
        return cls(
            {key: _config(key, value, types.get(key)) for key, value in configs.items()},
            shared=plain(shared or {}),
            processing_shared=plain(processing_shared or {}),
            config_types=types,
        )

    @cached_property
    def of_steps(self) -> Mapping[str, CursusConfig]:
        """Those that are some step's own."""
        return {key: one for key, one in self.specific.items() if not one.is_base}

    @cached_property
    def _bases(self) -> tuple[CursusConfig, ...]:
        return tuple(one for one in self.specific.values() if one.is_base)

    def effective(self, key: str, *, processing: bool) -> EffectiveConfig:
        """What is shared, the bases over it, the key's own values over all; `processing` is the kind of the step."""
        wide = [one for one in self._bases if not one.is_for_processing]
        narrow = [one for one in self._bases if one.is_for_processing and processing]
        layers: list[tuple[str, Mapping[str, Any]]] = [
            ("shared", self.shared),
            *((one.key, one.values) for one in wide),
            ("processing_shared", self.processing_shared if processing else {}),
            *((one.key, one.values) for one in narrow),
            (key, self.specific[key].values),
        ]
        values: dict[str, Any] = {}
        places: dict[str, str] = {}
        for name, layer in layers:
            values |= layer
            places |= dict.fromkeys(layer, name)
        return EffectiveConfig(key, values, places)


def canonical(name: str) -> str:
    """A name as it is compared: without case and separators, today's name for an old one."""
    key = folded(name)
    return _OLD_NAMES.get(key, key)


def step_type_of_class(config_class: str) -> str:
    """The step type that a configuration class is for: `XGBoostTrainingConfig`, `XGBoostModelStepConfig`."""
    return config_class.removesuffix("Config").removesuffix("Step")


def plain(value: Any) -> Any:
    """A value without the marks of its type: `{"__type_info__": "list", "value": […]}` is the list."""
    match value:
        case BaseModel():
            return plain(value.model_dump())
        case Mapping():
            for inside in ("value", "__data__"):
                if _TYPE_INFO in value and inside in value:
                    return plain(value[inside])
            return {key: plain(one) for key, one in value.items() if key not in {MODEL_TYPE, _TYPE_INFO}}
        case list() | tuple():
            return [plain(one) for one in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return plain(_attributes(value))
        case _:
            return value


def _config(key: str, value: Any, config_class: str | None) -> CursusConfig:
    if isinstance(value, Mapping):
        named = value.get(MODEL_TYPE, config_class)
        return CursusConfig(key, plain(value), named)
    values = value if isinstance(value, BaseModel) else _attributes(value)
    named = config_class if isinstance(value, SimpleNamespace) else type(value).__name__
    return CursusConfig(key, plain(values), named)


def _is_config(value: Any) -> bool:
    """Whether it is a mapping, or an object that is no class and none of Python's own values."""
    if isinstance(value, Mapping):
        return isinstance(plain(value), dict)
    return not isinstance(value, type) and all(cls.__module__ != "builtins" for cls in type(value).__mro__[:-1])


def _no_config(key: str, value: Any) -> Problem:
    is_class = isinstance(value, type)
    what = f"the class {value.__name__}" if is_class else f"of type {type(value).__name__}"
    hint = f"Make one:  {value.__name__}(…)." if is_class else "It is a mapping, or an object with attributes."
    return Problem(f"the configuration '{key}' is {what}, and no configuration", hint=hint)


def _attributes(value: object) -> dict[str, Any]:
    """What an object says by its attributes, those of its classes too; none that is private, a method or a property.

    Of its hyperparameters, an object in Cursus' configurations, what they say.
    """
    of_classes = {name: one for cls in reversed(type(value).__mro__) for name, one in vars(cls).items()}
    in_slots = [name for name, one in of_classes.items() if isinstance(one, MemberDescriptorType)]
    said = {name: one for name, one in of_classes.items() if not hasattr(one, "__get__")}
    said |= {name: getattr(value, name) for name in in_slots if hasattr(value, name)}
    said |= getattr(value, "__dict__", {})
    inner = said.get("hyperparameters")
    if hasattr(inner, "__dict__") and not isinstance(inner, BaseModel):
        said["hyperparameters"] = _attributes(inner)
    return {name: one for name, one in said.items() if not name.startswith("_")}

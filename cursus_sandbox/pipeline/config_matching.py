"""Which configuration is a step's: candidates in tiers, each with its confidence and reason.

The tiers and keywords are Cursus' (`cursus/step_catalog/adapters/config_resolver.py`), with three differences: a tier
counts before a confidence, a configuration of another known step type is never taken, and of two that fit equally well
neither is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from cursus_sandbox.pipeline.cursus_config import CursusConfig, CursusConfigs, canonical, step_type_of_class
from cursus_sandbox.pipeline.job_types import JobTypes, family, label_of, likeness, without_job_type

CERTAIN = 0.7  # below it, the plan says that it is a guess

_PATTERNS = ("load", "preprocess", "train", "eval", "infer", "calibrat", "packag", "payload", "regist", "transform")
_SHOWN = 20  # of a step's other candidates, so many are kept
_SAME_TYPE = 0.8  # how sure the same step type makes, as Cursus counts it


class ConfigTier(StrEnum):
    """How a configuration was found; what comes first counts more."""

    DIRECT = "direct name"
    METADATA = "metadata.config_types"
    JOB_TYPE = "job type and config type"
    SEMANTIC = "semantic similarity"
    PATTERN = "pattern"


_RANK = {tier: rank for rank, tier in enumerate(ConfigTier)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCandidate:
    """A configuration that may be a step's; `confidence` from 0 to 1."""

    key: str
    tier: ConfigTier
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigResolution:
    """A step's configuration and what else was considered, best first; none is chosen where two fit equally well.

    `more` fit no better than the last of `others`, and are only counted.
    """

    chosen: ConfigCandidate | None = None
    others: tuple[ConfigCandidate, ...] = ()
    more: int = 0

    @property
    def candidates(self) -> tuple[ConfigCandidate, ...]:
        """All that were considered."""
        return ((self.chosen,) if self.chosen else ()) + self.others

    @property
    def rivals(self) -> tuple[ConfigCandidate, ...]:
        """Those that fit equally well, so that none was chosen."""
        return () if self.chosen else tuple(one for one in self.others if _order(one)[:2] == _order(self.others[0])[:2])


@dataclass(frozen=True, slots=True)
class Node:
    """A step as far as its configuration goes; `label` is its job type, the suffix of its name as a rule."""

    name: str
    step_type: str
    label: str | None = None


class ConfigMatcher:
    """Finds configurations for steps.

    `step_types` are all that are known, those of the pipeline among them; `classes` the step types of the configuration
    classes that aren't named after theirs.
    """

    def __init__(
        self, configs: CursusConfigs, step_types: Iterable[str], *, classes: Mapping[str, str] | None = None
    ) -> None:
        self.configs = configs
        self._classes = classes or {}
        self.step_types = {canonical(one): one for one in step_types}
        self._types = {key: self._step_type(one) for key, one in configs.of_steps.items()}
        self._folded: dict[str, list[str]] = {}
        self._untyped: list[CursusConfig] = []
        by_type: dict[str, list[tuple[str, str]]] = {}
        for key, step_type in self._types.items():
            self._folded.setdefault(key.lower(), []).append(key)
            if step_type is None:
                self._untyped.append(configs.specific[key])
            else:
                by_type.setdefault(step_type, []).append((key, self._job_type(configs.specific[key])))
        self._by_type = {step_type: JobTypes(keys, first=configs.config_types) for step_type, keys in by_type.items()}

    def resolution(self, node: Node, *, exhaustive: bool = False) -> ConfigResolution:
        """The step's configuration; with `exhaustive`, what else could be is looked for even where the name says it."""
        named = list(self._named(node))
        if named and not exhaustive:
            return _decided(named)
        similar, more = self._similar(node, exhaustive=exhaustive)
        keys = {one.key for one in named}
        resolution = _decided([*named, *(one for one in similar if one.key not in keys)], more=more)
        return resolution if exhaustive or resolution.rivals else replace(resolution, others=(), more=0)

    def knows(self, config_class: str) -> bool:
        """Whether a configuration class belongs to a known step type."""
        return self.type_of_class(config_class) in self.step_types

    def type_of_class(self, config_class: str) -> str:
        """The step type a configuration class is for, canonical, whether or not it is known."""
        return canonical(self._classes.get(config_class) or step_type_of_class(config_class))

    def _step_type(self, config: CursusConfig) -> str | None:
        """The known step type a configuration is for, by its class, else by its key; canonical."""
        if config.config_class is not None:
            found = self.type_of_class(config.config_class)
            return found if found in self.step_types else None
        head = config.key
        while head and canonical(head) not in self.step_types:
            head = head.rpartition("_")[0]
        return canonical(head) if head else None

    def _named(self, node: Node) -> Iterator[ConfigCandidate]:
        if node.name in self._types:
            yield ConfigCandidate(key=node.name, tier=ConfigTier.DIRECT, confidence=1.0, reason="the step's name")
            return
        for key in self._folded.get(node.name.lower(), ()):
            why = "the step's name but for capitals"
            yield ConfigCandidate(key=key, tier=ConfigTier.DIRECT, confidence=0.99, reason=why)

    def type_of(self, key: str) -> str | None:
        """The known step type of a configuration, canonical."""
        return self._types[key]

    def _similar(self, node: Node, *, exhaustive: bool) -> tuple[list[ConfigCandidate], int]:
        """The best of those that could be its own, and how many more there are."""
        listed = self.configs.config_types.get(node.name)
        step_type = self.type_of_class(listed) if listed else canonical(node.step_type)
        same = self._by_type.get(step_type, JobTypes(()))
        label = (node.label or "").lower()
        found_at_once = label and label in same.keys and not exhaustive  # nothing fits better than the same job type
        near = [label] if found_at_once else same.near(label)
        heads = [key for job_type in near for key in same.keys[job_type][: _SHOWN + 1]]
        found = [self._of_same_type(node, self.configs.specific[key], alone=len(same) == 1) for key in heads]
        guesses = (self._of_pattern(node, one) for one in self._untyped)
        return [*found, *(one for one in guesses if one is not None)], len(same) - len(heads)

    def _of_same_type(self, node: Node, config: CursusConfig, *, alone: bool) -> ConfigCandidate:
        tier, confidence, reason = self._by_job_type(node, config, alone=alone)
        confidence = round(confidence, 3)
        return ConfigCandidate(key=config.key, tier=tier, confidence=confidence, reason=f"same step type, {reason}")

    def _by_job_type(self, node: Node, config: CursusConfig, *, alone: bool) -> tuple[ConfigTier, float, str]:
        label, job_type = (node.label or "").lower(), self._job_type(config)
        listed = config.key in self.configs.config_types or node.name in self.configs.config_types
        if listed and label == job_type:
            return ConfigTier.METADATA, 0.95, f"same job type ({label or 'none'})"
        if listed and alone and not label:
            return ConfigTier.METADATA, 0.9, "the only one of this type"
        if label and label == job_type:
            return ConfigTier.JOB_TYPE, 0.7 + 0.3 * _SAME_TYPE, f"same job type ({label})"
        if label and job_type and (meant := family(label)) is not None and meant == family(job_type):
            alike = _SAME_TYPE * likeness(label, job_type)
            return ConfigTier.JOB_TYPE, 0.7 + 0.3 * alike, f"job types {label} and {job_type} both mean {meant}"
        if not (label and job_type):
            said = f"for job type {job_type}" if job_type else "for no job type in particular"
            return ConfigTier.SEMANTIC, 0.7, said
        return ConfigTier.SEMANTIC, 0.5 + 0.2 * likeness(label, job_type), f"for another job type ({job_type})"

    def _job_type(self, config: CursusConfig) -> str:
        return (config.job_type or label_of(config.key, self._types[config.key] or "") or "").lower()

    @staticmethod
    def _of_pattern(node: Node, config: CursusConfig) -> ConfigCandidate | None:
        """By words both names hold besides their job types, where the configuration's type is unknown."""
        mine = f"{node.step_type}_{without_job_type(node.name, node.label)}".lower()
        other = f"{without_job_type(config.key, node.label)}_{config.config_class or ''}".lower()
        words = [word for word in _PATTERNS if word in mine and word in other]
        if not words:
            return None
        meant = family(node.label or "")
        agree = meant is not None and meant == family(config.job_type or "")
        return ConfigCandidate(
            key=config.key,
            tier=ConfigTier.PATTERN,
            confidence=0.8 if agree else 0.6,
            reason=f"both names hold {', '.join(words)}" + (f", both job types mean {meant}" if agree else ""),
        )


def _decided(found: Iterable[ConfigCandidate], *, more: int = 0) -> ConfigResolution:
    """The best of the candidates, if one is."""
    ordered = sorted(found, key=_order)
    more += max(0, len(ordered) - _SHOWN - 1)
    match ordered[: _SHOWN + 1]:
        case [first, second, *_] as all_of_them if _order(first)[:2] == _order(second)[:2]:
            return ConfigResolution(others=tuple(all_of_them), more=more)
        case [first, *rest]:
            return ConfigResolution(chosen=first, others=tuple(rest), more=more)
        case _:
            return ConfigResolution()


def _order(candidate: ConfigCandidate) -> tuple[int, float, str]:
    return _RANK[candidate.tier], -candidate.confidence, candidate.key

"""The configurations of all steps together: whose is which, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cursus_sandbox.errors import Problem, did_you_mean
from cursus_sandbox.pipeline.config_matching import CERTAIN, ConfigMatcher, ConfigResolution, ConfigTier, Node
from cursus_sandbox.pipeline.cursus_config import MODEL_TYPE, CursusConfigs, EffectiveConfig, canonical
from cursus_sandbox.pipeline.dag import Pipeline, StepConfiguration
from cursus_sandbox.pipeline.derivation import entry_point_of, is_elsewhere
from cursus_sandbox.pipeline.plan import Setting

_NAMED = 3  # of several names, a sentence holds so many
_SPECIFIC = ("config", "configuration", "specific")


@dataclass(frozen=True, slots=True)
class Assigned:
    """A step's configuration and how it was found; `config` is None where none was."""

    resolution: ConfigResolution
    config: EffectiveConfig | None = None
    config_class: str | None = None
    of_type: str | None = None  # the step type of that class, canonical

    def notes(self, step_type: str, environment: Mapping[str, Setting]) -> Iterator[str]:
        """What is worth a look before running."""
        chosen = self.resolution.chosen
        if chosen is None or self.config is None:
            why = (
                f"{_listed([one.key for one in self.resolution.rivals], more=self.resolution.more)} fit equally well"
                if self.resolution.rivals
                else "none fits"
            )
            yield f"no configuration was found for it ({why}): it runs on its contract's defaults"
            return
        if chosen.confidence < CERTAIN:
            sure = f"{chosen.tier}, {chosen.confidence:.2f}: {chosen.reason}"
            yield f"its configuration '{chosen.key}' is a guess ({sure}): name it after the step if it is right"
        if self.of_type is not None and self.of_type != canonical(step_type):
            yield f"its configuration '{chosen.key}' is a {self.config_class}, and the step a {step_type}"
        _, unused = entry_point_of(self.config)
        if unused:
            yield unused
        for name, setting in environment.items():
            if setting.origin.startswith("config: ") and is_elsewhere(setting.value):
                yield f"{name}={setting.value} ({setting.origin}) is no place of this machine"


@dataclass(frozen=True, slots=True)
class ConfigAssignment:
    """By step name what was decided, and the problems of all configurations."""

    steps: Mapping[str, Assigned]
    problems: tuple[Problem, ...]


def config_assignment(
    configs: CursusConfigs,
    nodes: Iterable[Node],
    *,
    step_types: Iterable[str],
    classes: Mapping[str, str] | None = None,
    processing: frozenset[str] = frozenset(),
    exhaustive: bool = False,
) -> ConfigAssignment:
    """Each step's configuration; `step_types` and `classes` are ConfigMatcher's, `processing` the processing steps."""
    nodes = tuple(nodes)
    matcher = ConfigMatcher(configs, (*step_types, *(node.step_type for node in nodes)), classes=classes)
    steps = {}
    for node in nodes:
        resolution = matcher.resolution(node, exhaustive=exhaustive)
        if resolution.chosen is None:
            steps[node.name] = Assigned(resolution)
        else:
            key = resolution.chosen.key
            effective = configs.effective(key, processing=node.name in processing)
            named = configs.specific[key].config_class
            steps[node.name] = Assigned(resolution, effective, named, matcher.type_of_class(named) if named else None)
    problems = [
        *_shared_claims(steps),
        *_of_nobody(configs, steps, matcher),
        *_unknown_classes(configs, steps, matcher),
    ]
    return ConfigAssignment(steps, tuple(problems))


def with_entry_points(pipeline: Pipeline, assignment: ConfigAssignment) -> Pipeline:
    """The pipeline in which a step that names no script has that of its configuration."""
    steps = dict(pipeline.steps)
    for name, one in assignment.steps.items():
        step = steps.get(name, StepConfiguration())
        script = entry_point_of(one.config)[0] if one.config else None
        if script and step.entry_point is None:
            steps[name] = step.model_copy(update={"entry_point": script})
    return pipeline.model_copy(update={"steps": steps})


def _shared_claims(steps: Mapping[str, Assigned]) -> Iterator[Problem]:
    """Two steps that a configuration fits equally well, where neither is named in it."""
    claims: dict[tuple[str, ConfigTier, float], list[str]] = {}
    for name, one in steps.items():
        if (chosen := one.resolution.chosen) is not None and chosen.key != name:
            claims.setdefault((chosen.key, chosen.tier, chosen.confidence), []).append(name)
    for (key, tier, confidence), names in claims.items():
        if len(names) > 1:
            what = f"the configuration '{key}' fits the steps {_listed(names)} equally well ({tier}, {confidence:.2f})"
            yield Problem(what, (*_SPECIFIC, key), "Give each a configuration under its own name.")


def _listed(names: Sequence[str], *, more: int = 0) -> str:
    """The first of some names, and how many more there are."""
    shown, rest = [f"'{name}'" for name in names[:_NAMED]], len(names[_NAMED:]) + more
    return " and ".join([*shown, f"{rest:,} more"] if rest else shown)


def _of_nobody(configs: CursusConfigs, steps: Mapping[str, Assigned], matcher: ConfigMatcher) -> Iterator[Problem]:
    used = _used(steps)
    free = steps.keys() - configs.of_steps.keys()
    undecided = {
        matcher.type_of(one.resolution.rivals[0].key)
        for one in steps.values()
        if one.resolution.rivals and one.resolution.more
    }
    for key, one in configs.of_steps.items():
        if key not in used and matcher.type_of(key) not in undecided:
            of_class = f" (a {one.config_class})" if one.config_class else ""
            what = f"the configuration '{key}'{of_class} is for no step of the pipeline"
            near = did_you_mean(key, free, or_list=False)
            hint = near or "Take it away, or name it after its step."
            yield Problem(what, (*_SPECIFIC, key), hint)


def _unknown_classes(
    configs: CursusConfigs, steps: Mapping[str, Assigned], matcher: ConfigMatcher
) -> Iterator[Problem]:
    used = _used(steps)
    for key, one in configs.of_steps.items():
        if key in used and one.config_class and not matcher.knows(one.config_class):
            what = f"the configuration '{key}' is a '{one.config_class}', and no known step type is configured by that"
            hint = did_you_mean(one.config_class, [f"{name}Config" for name in matcher.step_types.values()])
            yield Problem(what, (*_SPECIFIC, key, MODEL_TYPE), hint)


def _used(steps: Mapping[str, Assigned]) -> set[str]:
    """The keys that are some step's, or would be if another didn't fit it as well."""
    found = {one.resolution.chosen.key for one in steps.values() if one.resolution.chosen}
    return found.union(rival.key for one in steps.values() for rival in one.resolution.rivals)

"""Names that a pipeline gives its steps, and that no contract asks for, though for one that is nearly the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from cursus_sandbox.errors import nearly
from cursus_sandbox.pipeline.dag import Pipeline, PipelineDefaults, StepConfiguration
from cursus_sandbox.pipeline.inputs import Contracts
from cursus_sandbox.pipeline.secrets import Handed


def slips(pipeline: Pipeline, contracts: Contracts) -> dict[str, list[str]]:
    """What to note of which step: each variable and secret that is likely a slip for one that nothing sets.

    Any variable may be given, so it is no mistake by itself. What is given to all steps need be known to one of them.
    """
    found: dict[str, list[str]] = {}
    for_all = _given(pipeline.defaults)
    asked = {name: {*one.required_env_vars, *one.optional_env_vars} for name, (one, _) in contracts.items()}
    by = {variable: name for name in reversed(asked) for variable in asked[name]}  # the first step that asks for it
    for name, word, near in _slips(for_all, by.keys(), set()):
        said = f"{word} {name} is given to all steps, and no contract asks for it. Did you mean '{near}'?"
        found.setdefault(by[near], []).append(said)
    for step, configuration in pipeline.steps.items():
        for name, word, near in _slips(_given(configuration), asked.get(step, set()), for_all.keys()):
            said = f"{word} {name} is not asked for by its contract. Did you mean '{near}'?"
            found.setdefault(step, []).append(said)
    return found


def _given(by: PipelineDefaults | StepConfiguration) -> Mapping[str, str]:
    """The variables that are set, each with the word for how."""
    secrets = (name for name, one in by.secrets.items() if one.handed is Handed.ENVIRONMENT)
    return {**dict.fromkeys(by.env, "the variable"), **dict.fromkeys(secrets, "the secret")}


def _slips(
    given: Mapping[str, str], asked: AbstractSet[str], elsewhere: AbstractSet[str]
) -> Iterator[tuple[str, str, str]]:
    """The names that are given and not asked for, with what is nearly the same, asked for, and not set."""
    for name, word in given.items():
        if name not in asked and (near := nearly(name, asked - given.keys() - elsewhere)):
            yield name, word, near

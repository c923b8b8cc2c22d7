"""Schemas that are said to be like another channel's, made what they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cursus_sandbox.errors import Problem, did_you_mean
from cursus_sandbox.pipeline.dag import Pipeline, StepConfiguration
from cursus_sandbox.pipeline.inputs import Contracts, refined
from cursus_sandbox.tables.schema import Like, TableSchema, like_another


def without_likes(pipeline: Pipeline, contracts: Contracts) -> tuple[Pipeline, Contracts, list[Problem]]:
    """The same, with every `like` replaced by the columns it stands for; and what is wrong with those that can't be."""
    likes = _Likes(pipeline, contracts)
    alike = [port for port in likes.ports() if likes.written(port).like]
    steps, chosen = dict(pipeline.steps), dict(contracts)
    for port in alike:
        schema = likes.schema(port, ())
        contract, job_type = chosen[port.step]
        ports = dict(getattr(contract, port.section))
        ports[port.channel] = ports[port.channel].model_copy(update={"table_schema": schema})
        chosen[port.step] = (contract.model_copy(update={port.section: ports}), job_type)
    for port in alike:
        if step := steps.get(port.step):
            kept = {name: one for name, one in step.schemas.items() if name != port.channel}
            steps[port.step] = step.model_copy(update={"schemas": kept})
    return pipeline.model_copy(update={"steps": steps}), chosen, list(dict.fromkeys(likes.problems))


class _Port(NamedTuple):
    step: str
    section: str  # of its contract
    channel: str

    def __str__(self) -> str:
        return f"{self.step}:{self.channel}"


@dataclass
class _Likes:
    pipeline: Pipeline
    contracts: Contracts
    problems: list[Problem] = field(default_factory=list)

    def ports(self) -> Iterator[_Port]:
        """Every channel that has a schema."""
        for name, (contract, _) in self.contracts.items():
            said = self._step(name).schemas
            for section, channels in (("inputs", contract.inputs), ("outputs", contract.outputs)):
                yield from (
                    _Port(name, section, one) for one, port in channels.items() if port.table_schema or one in said
                )

    def written(self, port: _Port) -> TableSchema:
        """Its schema as the contract and the document have it."""
        contract, _ = self.contracts[port.step]
        of_contract = getattr(contract, port.section)[port.channel].table_schema
        return refined(of_contract, self._step(port.step).schemas.get(port.channel)) or TableSchema()

    def schema(self, port: _Port, seen: tuple[_Port, ...]) -> TableSchema:
        """Its schema with the columns of the one that it is like; `seen` are those that are like this one."""
        own = self.written(port)
        if own.like is None:
            return own
        base = self._base(port, own.like, (*seen, port))
        return like_another(base, own)

    def _base(self, port: _Port, like: Like, seen: tuple[_Port, ...]) -> TableSchema:
        """The schema that a channel's is like; an empty one, and a problem, where there is none."""
        other = self._other(port, like)
        if other is None:
            return TableSchema()
        if other in seen:
            circle = " -> ".join(map(str, (*seen, other)))
            self._refuse(port, f"they are like each other in a circle: {circle}", "Write the fields in one of them.")
            return TableSchema()
        base = self.schema(other, seen)
        names = [one.name for one in base.fields]
        if not names:
            self._refuse(port, f"'{other}' has no fields", "Write its `schema:` first.")
        for name in like.minus:
            if names and name not in names:
                self._refuse(port, f"minus: '{other}' has no field '{name}'", did_you_mean(name, names))
        return base

    def _other(self, port: _Port, like: Like) -> _Port | None:
        """The channel that a schema is like: of its own step, or of another, by its name or by its type."""
        step = like.step or port.step
        if step not in self.contracts:
            types: dict[str, str] = {}
            for name, (contract, _) in self.contracts.items():
                types.setdefault(contract.step_type, name)
            if step not in types:
                hint = did_you_mean(step, [*self.contracts, *types])
                self._refuse(port, f"no step is called '{step}', and none is of that type", hint)
                return None
            step = types[step]
        contract, _ = self.contracts[step]
        for section, channels in (("outputs", contract.outputs), ("inputs", contract.inputs)):
            other = _Port(step, section, like.channel)
            if like.channel in channels and other != port:
                return other
        known = {one for one in (*contract.inputs, *contract.outputs) if (step, one) != (port.step, port.channel)}
        self._refuse(port, f"step '{step}' has no other channel '{like.channel}'", did_you_mean(like.channel, known))
        return None

    def _step(self, name: str) -> StepConfiguration:
        return self.pipeline.steps.get(name) or StepConfiguration()

    def _refuse(self, port: _Port, what: str, hint: str) -> None:
        problem = Problem(f"the schema of '{port}' is like another, but {what}", ("steps", port.step), hint)
        of_step = self._step(port.step).schemas.get(port.channel)
        contract, _ = self.contracts[port.step]
        if of_step and of_step.like:
            problem = replace(problem, at=("steps", port.step, "schemas", port.channel, "like"))
        elif contract.file is not None:
            problem = replace(problem, file=contract.file, line=contract.like_lines.get((port.section, port.channel)))
        self.problems.append(problem)

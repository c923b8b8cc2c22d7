"""Contract against contract, before there are any data: what can't be enough for a reader, and what might not be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cursus_sandbox.errors import Problem
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedInput, PlannedOutput, PlannedStep
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.promises import schema_mismatches

_LISTED = 5  # columns in a note


def held_to_promises(plan: PipelineExecutionPlan) -> tuple[PipelineExecutionPlan, list[Problem]]:
    """The plan with a note where a promise might not be enough for a reader; and where it can't be, whatever comes."""
    problems: list[Problem] = []
    notes: dict[str, list[str]] = {}
    for step, output, reader, one in _edges(plan):
        if not (step.runs and reader.runs and output.table_schema and one.table_schema):
            continue
        asks = f"input '{one.channel}' of step '{reader.name}'"
        found = schema_mismatches(output.table_schema, one.table_schema, asks=asks)
        problems += [
            Problem(
                f"step '{step.name}' promises '{output.channel}', and {finding.message}",
                ("steps", reader.name, "inputs", one.channel),
                finding.hint,
            )
            for finding in found
            if finding.severity is Severity.ERROR
        ]
        doubts = [finding for finding in found if finding.severity is Severity.WARNING]
        notes.setdefault(reader.name, []).extend(_notes(doubts, f"{step.name}:{output.channel}", one.channel))
    steps = (replace(one, notes=(*one.notes, *notes[one.name])) if notes.get(one.name) else one for one in plan.steps)
    return replace(plan, steps=tuple(steps)), problems


def _edges(
    plan: PipelineExecutionPlan,
) -> Iterator[tuple[PlannedStep, PlannedOutput, PlannedStep, PlannedInput]]:
    for step in plan.steps:
        for output in step.outputs:
            for reader, one in plan.readers(step.name, output.channel):
                yield step, output, reader, one


def _notes(doubts: list[Mismatch], source: str, channel: str) -> Iterator[str]:
    """What a reader asks for that isn't promised, in few words however many columns there are."""
    for kind, words in ((Kind.NULL, "may hold gaps in"), (Kind.MISSING_COLUMN, "may lack")):
        columns = [one.column or "" for one in doubts if one.kind is kind]
        if columns:
            listed = ", ".join(columns[:_LISTED])
            more = f" and {len(columns) - _LISTED} more" if len(columns) > _LISTED else ""
            yield f"by its contract, {source} {words} {listed}{more}, which input '{channel}' does not allow"
    for one in doubts:
        if one.kind not in {Kind.NULL, Kind.MISSING_COLUMN}:
            yield f"of {source}, {one.message}"

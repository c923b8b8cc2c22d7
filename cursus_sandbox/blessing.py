"""What a run has seen, blessed: the schemas that later runs are checked against."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from cursus_sandbox.documents.golden import golden_file, golden_text
from cursus_sandbox.pipeline.golden import GoldenSchemas
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan
from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepStatus
from cursus_sandbox.pipeline.source import Located
from cursus_sandbox.runs.folders import unwritable
from cursus_sandbox.tables.inference import NoSingleTableError, seen
from cursus_sandbox.tables.schema import TableSchema


def blessed(
    document: Path, before: GoldenSchemas, plan: PipelineExecutionPlan, result: PipelineExecutionResult
) -> tuple[str, ...]:
    """Write the schemas of what the steps left, and of what they were given from outside; say what was written.

    Those of steps that did not run stay as they were. Nothing is written unless the whole run is well.
    """
    file = golden_file(document)
    if not result.success:
        return (f"{file}: not written, for the run is not well",)
    schemas = {step: dict(before.get(step, {})) for step in plan.execution_order}
    notes = []
    written = 0
    for step, channel, path, asked in _seen(plan, result):
        try:
            found = seen(path, asked)
        except NoSingleTableError as error:
            notes.append(f"{step}:{channel} is not in {file.name}: {error}")
            schemas[step].pop(channel, None)
            continue
        if found is not None:
            schemas[step][channel] = found
            written += 1
    _replace(file, golden_text(document, schemas, when=f"{datetime.now().astimezone():%Y-%m-%d}"))
    return (f"{file}: the schemas of {written} channel{'s' * (written != 1)}, as seen in this run", *notes)


def _seen(
    plan: PipelineExecutionPlan, result: PipelineExecutionResult
) -> Iterator[tuple[str, str, Path, TableSchema | None]]:
    for step in plan.steps:
        ended = result.step_results[step.name]
        if ended.status is not StepStatus.SUCCEEDED:
            continue
        for one in step.inputs:
            if (
                isinstance(one.source, Located)
                and not (one.source.is_manifest or one.source.pattern)
                and one.source.path.exists()
            ):
                yield step.name, one.channel, one.source.path, one.table_schema
        for output in step.outputs:
            if output.channel in ended.outputs:
                yield step.name, output.channel, ended.outputs[output.channel], output.table_schema


def _replace(file: Path, text: str) -> None:
    """Written beside and renamed over: whole, or not at all."""
    beside = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        with beside.open("w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise unwritable(error, f"write {file}") from error

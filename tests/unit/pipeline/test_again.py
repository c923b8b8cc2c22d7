"""Which steps of a run are to run once more."""

from datetime import UTC, datetime
from pathlib import Path

from cursus_sandbox import PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.pipeline.selection import Again, unfinished


def run(**steps):
    results = tuple(StepExecutionResult(step=name, status=status, why=why) for name, (status, why) in steps.items())
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return PipelineExecutionResult(
        pipeline="p", run="r", folder=Path("/r"), engine="local", started_at=at, seconds=1.0, steps=results
    )


def test_what_did_not_end_well():
    """What failed or was stopped, and what was skipped for that; not what nobody asked for."""
    result = run(
        a=("succeeded", ""),
        b=("failed", "exit code 1"),
        c=("skipped", "it depends on 'b', which failed"),
        d=("skipped", "not selected"),
        e=("skipped", "the document says so"),
        f=("stopped", "interrupted"),
        g=("skipped", "not started: interrupted"),
        h=("reused", "unchanged since run q"),
    )
    assert unfinished(result, ["e"]) == Again("r", ("b", "f", "c", "g"), ("b", "f"))


def test_nothing_failed():
    """A run in which all went well has nothing to run again."""
    assert unfinished(run(a=("succeeded", ""), d=("skipped", "not selected")), []) is None

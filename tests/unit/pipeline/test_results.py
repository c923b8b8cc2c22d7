"""What came of a run."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cursus_sandbox.errors import ExitCode
from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.report import DataCompatibilityReport

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WELL = {"status": StepStatus.SUCCEEDED}
FAILED = {"status": StepStatus.FAILED, "exit_code": 3, "why": "exit code 3"}
BROKEN = {"status": StepStatus.FAILED, "data_broken": True}
STOPPED = {"status": StepStatus.STOPPED}
SKIPPED = {"status": StepStatus.SKIPPED}
REUSED = {"status": StepStatus.REUSED}


def result(*steps, interrupted=None):
    """A run whose steps ended so."""
    return PipelineExecutionResult(
        pipeline="small",
        run="1",
        folder=Path("runs/1"),
        engine="local",
        started_at=NOON,
        seconds=1.5,
        interrupted=interrupted,
        steps=tuple(StepExecutionResult(**{"step": f"s{number}", **step}) for number, step in enumerate(steps)),
    )


@pytest.mark.parametrize(
    ("steps", "interrupted", "code"),
    [
        ((), None, ExitCode.OK),
        ((WELL, SKIPPED, REUSED), None, ExitCode.OK),
        ((WELL, FAILED, SKIPPED), None, ExitCode.STEP_FAILED),
        ((BROKEN, SKIPPED), None, ExitCode.DATA),
        ((BROKEN, FAILED), None, ExitCode.STEP_FAILED),
        ((BROKEN, STOPPED), None, ExitCode.DATA),
        ((STOPPED, SKIPPED), None, ExitCode.STEP_FAILED),
        ((WELL, STOPPED), ExitCode.INTERRUPTED, ExitCode.INTERRUPTED),
        ((FAILED, STOPPED), ExitCode.TERMINATED, ExitCode.TERMINATED),
    ],
)
def test_exit_code(steps, interrupted, code):
    """An interruption weighs most, then a failed step, then broken data, then a step that was stopped for another."""
    ended = result(*steps, interrupted=interrupted)
    assert ended.exit_code is code
    assert ended.success is (code is ExitCode.OK)


@pytest.mark.parametrize(
    ("status", "success"), [(status, status not in ("failed", "stopped")) for status in StepStatus]
)
def test_step_success(status, success):
    """After a step that failed or was stopped its dependants don't go on."""
    assert StepExecutionResult(step="s", status=status).success is success


def test_memory_peak():
    """The peak is the largest that is known; unknown stays unknown."""
    peaks = ({**WELL, "peak_memory": peak} for peak in (5, None, 9))
    assert result(*peaks).memory_peak == 9
    assert result(WELL).memory_peak is None


def test_execution_order():
    """The order is that of the starts, of the steps that started."""
    starts = ({**WELL, "started_at": NOON + timedelta(seconds=seconds)} for seconds in (5, 1))
    assert result(*starts, SKIPPED).execution_order == ("s1", "s0")


def test_by_name():
    """Each step's result is found by its name."""
    assert result(WELL, FAILED).step_results["s1"].exit_code == 3


def full_result():
    """A run with something in every field."""
    finding = Mismatch(kind=Kind.TYPE, severity=Severity.ERROR, message="m", file="f", column="c", count=2)
    report = DataCompatibilityReport(data="s0:out", reader="s1:in", files=1, tables=1, rows=5, findings=(finding,))
    step = {
        **FAILED,
        "started_at": NOON,
        "seconds": 0.1,
        "peak_memory": 2**40,
        "attempts": 2,
        "message": "é\n",
        "log": Path("a/log.txt"),
        "outputs": {"out": Path("a/out")},
        "reports": (report,),
        "metrics": {"auc": 0.7},
    }
    made = result(step, SKIPPED, interrupted=ExitCode.TERMINATED)
    return made.model_copy(update={"notes": ("n",), "images": {"xgb:latest": "sha256:1"}})


def test_read_back():
    """A result read back from its own JSON is the same; what is computed is computed again."""
    kept = full_result()
    text = json.dumps(kept.model_dump(mode="json"))
    assert PipelineExecutionResult.model_validate(json.loads(text)) == kept
    assert PipelineExecutionResult.model_validate_json(kept.model_dump_json()) == kept
    forged = {**json.loads(text), "interrupted": None, "success": True, "exit_code": 0}
    assert PipelineExecutionResult.model_validate(forged).exit_code is ExitCode.STEP_FAILED


def test_computed_values_are_in_the_json():
    """The JSON says what can be computed, so that its readers needn't."""
    written = json.loads(result({**WELL, "started_at": NOON, "peak_memory": 7}).model_dump_json())
    assert {name: written[name] for name in ("success", "exit_code", "memory_peak", "execution_order")} == {
        "success": True,
        "exit_code": 0,
        "memory_peak": 7,
        "execution_order": ["s0"],
    }


def test_step_read_back():
    """A step's result read back from its own JSON is the same."""
    for step in full_result().steps:
        assert StepExecutionResult.model_validate(json.loads(step.model_dump_json())) == step


def test_printed():
    """Printed, a result is how it ended, and a line a step."""
    assert str(result(WELL, FAILED)) == (
        "small: failed in 1.5 s, run 1 in runs/1\n  s0: succeeded\n  s1: failed, exit code 3"
    )


def test_a_notebook_shows_a_table():
    """A row a step, names and reasons as text; of a large pipeline first what failed, and how many more there are."""
    hostile = {**FAILED, "step": "<script>x</script>", "why": "a & b", "started_at": NOON, "peak_memory": 5 << 20}
    shown = result(hostile, WELL)._repr_html_()
    assert "<script>" not in shown
    assert "a &amp; b" in shown
    assert shown.count("<tr>") == 3
    many = result(*[WELL] * 499, FAILED)._repr_html_()
    assert many.count("<tr>") == 201
    assert "exit code 3" in many
    assert "and 300 steps more" in many

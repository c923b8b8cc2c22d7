"""Where a run stands, as the live view shows it."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len

from cursus_sandbox.pipeline.events import (
    DataChecked,
    Progress,
    RunEnded,
    RunStarted,
    RunStopping,
    StepEnded,
    StepLogged,
    StepSampled,
    StepStarted,
)
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.reports.board import Board, clock

AT = datetime(2026, 1, 2, tzinfo=UTC)


def begun(**steps):
    return RunStarted(
        pipeline="flights", run="1", folder=Path("/r"), engine="docker", steps={k: tuple(v) for k, v in steps.items()}
    )


def ended(step, status=StepStatus.SUCCEEDED, **said):
    usual = {"started_at": AT, "seconds": 61.0, "peak_memory": 300 << 20}
    return StepEnded(result=StepExecutionResult(**(usual | said), step=step, status=status))


def picture(*events, now=70.0, columns=100, rows=24, **options):
    board = Board(0.0)
    for event in events:
        board.hear(event, 10.0)
    return [line.plain.rstrip() for line in board.lines(now, columns=columns, rows=rows, plain=True, **options)]


def test_each_step_has_its_state():
    """What ended, what runs with its memory and last line, what waits and for what, and how many of each there are."""
    assert picture(
        begun(load=[], train=["load"], score=["train", "load"], aside=[]),
        StepStarted(step="load"),
        ended("load", metrics={"auc": 0.71234}),
        DataChecked(step="train", data="load:rows", reader="train:rows", rows=5, errors=0, warnings=0),
        StepStarted(step="train"),
        StepSampled(step="train", memory=512 << 20, cpu=1.25),
        StepLogged(step="train", lines=("epoch 4", "epoch 5 \x1b[2J", "")),
    ) == [
        "1:10  flights on docker",
        "+ load     1:01   300 MB           auc 0.7123",
        "| train    1:00   512 MB  1.2 cpu  epoch 5 \\x1b[2J",
        ". score                            waits for train",
        ". aside                            ready",
        "1 run, 1 succeeded, 2 wait",
    ]


def test_what_is_done_before_any_step():
    """Work of our own is shown as long as no step is known."""
    assert picture(Progress(what="fetching xgb", done=3, total=12), now=1) == [
        "0:01  cursus-sandbox",
        "| fetching xgb, 3 of 12",
        "",
    ]


def test_how_far_a_work_is():
    """Bytes are said as such, with their total where it is known."""
    half = Progress(what="fetching 3 objects from S3", done=50 << 20, total=120 << 20, in_bytes=True)
    assert picture(half, now=1)[1] == "| fetching 3 objects from S3, 50 MB of 120 MB"
    read = Progress(what="reading what it depends on", step="a", done=3 << 30, in_bytes=True)
    assert picture(begun(a=[]), read)[1].endswith("reading what it depends on, 3.0 GB")


def test_work_of_ours_for_a_step():
    """While a step is staged or checked that is said; its own words come back when it writes."""
    first = begun(a=[]), StepStarted(step="a", attempt=2)
    checking = Progress(step="a", what="checking its output x", done=1, total=3)
    assert "attempt 2: runs" in picture(*first)[1]
    assert picture(*first, checking)[1].endswith("attempt 2: checking its output x, 1 of 3")
    assert picture(*first, checking, StepLogged(step="a", lines=("x",)))[1].endswith("attempt 2: x")


def test_why_a_step_failed_and_that_the_run_ends():
    """The reason is beside the step; that the rest is told to end is below."""
    lines = picture(
        begun(a=[], b=["a"]),
        ended("a", StepStatus.FAILED, why="exit code 1"),
        ended("b", StepStatus.SKIPPED, started_at=None, seconds=0.0, peak_memory=None, why="not started"),
        RunStopping(why="interrupted"),
        RunEnded(run="1", outcome="failed", exit_code=1, seconds=1.0),
    )
    assert lines[1:] == [
        "x a    1:01   300 MB           failed: exit code 1",
        "- b                            skipped: not started",
        "stopping: interrupted  1 failed, 1 skipped",
    ]


def test_what_still_runs_while_the_run_ends():
    """While what runs is given time to end, how to end it at once is said below."""
    lines = picture(begun(a=[], b=["a"]), StepStarted(step="a", attempt=1), RunStopping(why="interrupted"))
    assert lines[-1] == "stopping: interrupted  1 run, 1 wait  (Ctrl-C kills at once)"


@pytest.mark.parametrize("columns", [8, 19, 40, 79, 199])
def test_no_line_is_longer_than_the_terminal(columns):
    """At any width every step has its line, with at least the end of its clock; wide characters count twice."""
    names = {"TabularPreprocessing_training": [], "列車データの前処理": [], "a": []}
    board = Board(0.0)
    for event in (begun(**names), *(StepLogged(step=name, lines=("列" * 300,)) for name in names)):
        board.hear(event, 0.0)
    lines = board.lines(5.0, columns=columns, rows=24)
    assert len(lines) == 5
    assert max(cell_len(line.plain) for line in lines) <= columns
    if columns >= 19:
        assert all("0:05" in line.plain for line in lines[:-1])


def test_what_matters_is_shown_where_there_is_no_room_for_all():
    """Of five hundred steps: those that run, that failed, that ended last, that wait; in the order of the plan."""
    steps = {f"s{number}": [f"s{number - 1}"] if number else [] for number in range(500)}
    board = Board(0.0)
    board.hear(begun(**steps), 0.0)
    for number in range(250):
        status = StepStatus.FAILED if number == 3 else StepStatus.SUCCEEDED
        board.hear(ended(f"s{number}", status), float(number))
    board.hear(StepStarted(step="s250"), 250.0)
    before = time.process_time()
    lines = [line.plain for line in board.lines(260.0, columns=80, rows=10, plain=True)]
    assert time.process_time() - before < 0.1
    assert [line.split()[1] for line in lines[1:-1]] == ["s3", "s245", "s246", "s247", "s248", "s249", "s250"]
    assert lines[-1].startswith("1 run, 249 succeeded, 1 failed, 249 wait  (493 not shown)")


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (59.9, "0:59"), (725, "12:05"), (3723, "1:02:03")])
def test_a_clock(seconds, said):
    """Minutes and seconds, and hours where there are some."""
    assert clock(seconds) == said

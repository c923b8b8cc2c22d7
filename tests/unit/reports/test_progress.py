"""What is said while a run goes on, line by line."""

import io
import os
import re

import pytest
from rich.console import Console

from cursus_sandbox.pipeline.events import (
    DataChecked,
    Progress,
    RunStopping,
    StepEnded,
    StepLogged,
    StepSampled,
    StepStarted,
)
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.reports import progress
from cursus_sandbox.reports.progress import ProgressLines

EVENTS = [
    Progress(what="looking for xgb:latest"),
    StepStarted(step="load"),
    StepSampled(step="load", memory=1, cpu=1.0),
    StepLogged(step="load", lines=("a \x1b[2J", "b"), left_out=7),
    Progress(what="checking its output rows", step="load", done=0, total=2),
    DataChecked(step="load", data="load:rows", reader=None, rows=1200, errors=0, warnings=1),
    StepStarted(step="load", attempt=2),
    StepEnded(result=StepExecutionResult(step="load", status=StepStatus.SUCCEEDED, seconds=1.26)),
    StepEnded(result=StepExecutionResult(step="[bold]x", status=StepStatus.SKIPPED, why="because of \x1b " + "y" * 50)),
    RunStopping(why="interrupted"),
]


def said(*events, **options):
    stream = io.StringIO()
    lines = ProgressLines(Console(file=stream, width=40), **options)
    for event in events:
        lines(event)
    found = stream.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in found)
    return [line[10:] for line in found]


def test_a_line_for_what_matters():
    """A step has a line when it starts and one when it ends, with the time; a line is never folded."""
    assert said(*EVENTS) == [
        "working    looking for xgb:latest",
        "started    load",
        "started    load  attempt 2",
        "succeeded  load  1.3 s",
        "skipped    [bold]x  because of \\x1b " + "y" * 50,
        "stopping   interrupted",
    ]


def test_verbose():
    """Checks, works and logs have their lines too, what would command a terminal is made visible."""
    assert said(*EVENTS[3:6], verbose=True) == [
        "log        load | … 7 lines left out …",
        "log        load | a \\x1b[2J",
        "log        load | b",
        "working    load  checking its output rows",
        "checked    load:rows  1,200 rows, 0 errors, 1 warnings",
    ]


def test_a_long_work_is_heard_of_now_and_then(monkeypatch):
    """A work that goes on for ten seconds gets a line, and one more for each ten after that."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    lines = ProgressLines(Console(file=stream))
    for done in range(250):
        now[0] += 0.125
        lines(Progress(what="copying", step="load", done=done, total=250))
    assert [line[10:] for line in stream.getvalue().splitlines()] == [
        "working    load  copying, 80 of 250",
        "working    load  copying, 160 of 250",
        "working    load  copying, 240 of 250",
    ]


def test_lines_that_nobody_reads():
    """A reader that goes away doesn't end the run: the lines after that are not written."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    lines = ProgressLines(Console(file=stream))
    for _ in range(3):
        lines(StepStarted(step="load"))
    assert lines.silent
    with pytest.raises(BrokenPipeError):
        stream.close()

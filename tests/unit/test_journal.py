"""The journal of a run: what is written, what is left out, and what can be read again."""

import errno
import io
import json
import os
from datetime import UTC, datetime

import pytest

from cursus_sandbox.pipeline.events import Progress, StepEnded, StepLogged, StepSampled, StepStarted
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.runs import journal
from cursus_sandbox.runs.journal import Journal, recorded


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when told."""
    now = [1000.0]
    monkeypatch.setattr(journal.time, "monotonic", lambda: now[0])
    return now


def test_what_is_written_is_read_again(tmp_path):
    """Each event comes back as it was, with the time it was written at; names are whatever they are."""
    told = [
        Progress(what="looking for é\ud800"),
        StepStarted(step="a\nb"),
        StepEnded(result=StepExecutionResult(step="a\nb", status=StepStatus.SKIPPED, why="not selected")),
    ]
    file = tmp_path / "events.jsonl"
    before = datetime.now(UTC).replace(microsecond=0)
    with Journal(file.open("wb")) as write:
        for event in told:
            write(event)
    kept = list(recorded(file))
    assert [one.event for one in kept][1:] == told[1:]
    assert all(before <= one.at <= datetime.now(UTC) for one in kept)
    assert json.loads(file.read_text().splitlines()[1])["event"] == "step_started"


def test_what_a_crash_left_is_read_as_far_as_it_goes(tmp_path):
    """A line that was cut off, or says what nobody knows, is passed over; a journal that isn't there is empty."""
    file = tmp_path / "events.jsonl"
    with Journal(file.open("wb")) as write:
        write(StepStarted(step="a"))
    whole = file.read_bytes()
    file.write_bytes(b'{"at": "2026-01-01T00:00:00+00:00", "event": "new"}\n[]\n\xff\n' + whole + whole[:30])
    assert [one.event for one in recorded(file)] == [StepStarted(step="a")]
    assert list(recorded(tmp_path / "none")) == []


def test_a_day_of_samples_is_some_hundred(clock):
    """Twice a second at first, then ever fewer: a day's job has as many as can be drawn."""
    file = io.BytesIO()
    write = Journal(file)
    for _ in range(24 * 3600 * 2):
        clock[0] += 0.5
        write(StepSampled(step="a", memory=1, cpu=1.0))
    assert 300 < file.getvalue().count(b"\n") < 800


def test_two_steps_are_thinned_apart(clock):
    """What one step says doesn't keep another from being heard; of a log the last line is kept."""
    file = io.BytesIO()
    write = Journal(file)
    for step in ("a", "b", "a"):
        write(StepLogged(step=step, lines=("one", "two"), left_out=3))
    said = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(one["step"], one["lines"], one["left_out"]) for one in said] == [("a", ["two"], 4), ("b", ["two"], 4)]


def test_a_journal_that_nobody_reads_falls_silent():
    """Into a closed pipe nothing more is written, and nobody is bothered."""
    reading, writing = os.pipe()
    os.close(reading)
    with Journal(os.fdopen(writing, "wb", buffering=0)) as write:
        write(StepStarted(step="a"))
        write(StepStarted(step="b"))
    assert write.lost is None


class Short(io.BytesIO):
    """A file on a disk that is nearly full: it takes what there is room for, then nothing."""

    room = 40

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(data[: self.room])
        self.room -= taken
        return taken


def test_a_journal_that_was_cut_off_says_so():
    """Where not all of an event found room the journal falls silent, and knows why."""
    write = Journal(Short())
    for _ in range(2):
        write(StepStarted(step="a"))
    assert write.lost.errno == errno.ENOSPC

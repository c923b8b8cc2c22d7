"""What is told of a step while it runs."""

import io

import pytest

from cursus_sandbox.engines.engine import Usage
from cursus_sandbox.pipeline.events import StepLogged, StepSampled
from cursus_sandbox.steps import watch as step_watch
from cursus_sandbox.steps.watch import StepWatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when told."""
    now = [1000.0]
    monkeypatch.setattr(step_watch.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(clock, told):
    return StepWatch("a", told.append, io.BytesIO())


def test_a_log_is_told_twice_a_second(watch, told, clock):
    """What is written at once is told together, later; a line that isn't whole waits for its end."""
    watch.write(b"one\ntwo\nth")
    assert told == []
    clock[0] += 0.5
    watch.write(b"ree\nfo")
    watch.write(b"ur\n")
    assert told == [StepLogged(step="a", lines=("one", "two", "three"))]
    watch.write(b"end")
    watch.end()
    assert told[1:] == [StepLogged(step="a", lines=("four", "end"))]
    assert watch._log.getvalue() == b"one\ntwo\nthree\nfour\nend"


def test_of_much_the_last_is_told(watch, told):
    """Of a hundred thousand lines the last fifty, cut where they are long, and how many there were before."""
    for number in range(100_000):
        watch.write(b"%d %s\n" % (number, b"x" * 600))
    watch.end()
    (said,) = told
    assert len(said.lines) + said.left_out == 100_000
    assert said.lines[-1].startswith("99999 x")
    assert len(said.lines) <= 50
    assert max(map(len, said.lines)) == 500


def test_a_bar_that_is_drawn_over_is_told_as_it_is(watch, told):
    """Of a line with no end that is drawn over and over, what was drawn last; twice the same is said once."""
    usage = Usage(memory=1, cpu_seconds=None)
    watch.write(b"10%\r20%\r")
    watch.used(usage)
    watch.used(usage)
    watch.write(b"30%\r\n")
    watch.used(usage)
    assert [one.lines for one in told if isinstance(one, StepLogged)] == [("20%",), ("30%",)]


def test_processors_are_counted_between_two_samples(watch, told, clock):
    """How many were kept busy since the last sample; a second attempt begins anew."""
    clock[0] += 2
    watch.used(Usage(memory=5, cpu_seconds=1.0))
    clock[0] += 1
    watch.used(Usage(memory=6, cpu_seconds=4.0))
    watch.again()
    clock[0] += 1
    watch.used(Usage(memory=7, cpu_seconds=0.5))
    assert told == [
        StepSampled(step="a", memory=5, cpu=0.5),
        StepSampled(step="a", memory=6, cpu=3.0),
        StepSampled(step="a", memory=7, cpu=0.5),
    ]

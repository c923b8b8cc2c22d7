"""When a job is told to end."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

from cursus_sandbox.engines.ending import Ending, Runs
from cursus_sandbox.engines.engine import Limits, Why


def test_nothing_is_due_before_its_time():
    """A job without a timeout is left alone, and one with a timeout until then."""
    assert Ending(None, 1).due(10**9) is None
    assert Ending(5.0, 1).due(4.9) is None


def test_term_comes_first_and_kill_after_the_grace():
    """At its deadline a job gets TERM once, and KILL once when the grace is over."""
    ending = Ending(5.0, 1)
    assert ending.due(5.0) is SIGTERM
    ending.sent(SIGTERM, 5.0, Why.TIMEOUT)
    assert ending.due(5.9) is None
    assert ending.due(6.0) is SIGKILL
    ending.sent(SIGKILL, 6.0, Why.TIMEOUT)
    assert ending.due(9.0) is None


def test_a_signal_that_reached_nobody_is_due_again():
    """What wasn't sent stays due."""
    ending = Ending(5.0, 1)
    assert (ending.due(5.0), ending.due(5.1)) == (SIGTERM, SIGTERM)


def test_a_second_interruption_does_not_wait():
    """One interruption is TERM, a second KILL at once."""
    ending = Ending(None, 60)
    assert ending.due(1.0, interruptions=1) is SIGTERM
    ending.sent(SIGTERM, 1.0, Why.INTERRUPTED)
    assert ending.due(1.1, interruptions=2) is SIGKILL


def test_who_waits_gives_less_time_than_the_limit_does():
    """A job whose time is up has the platform's time to end, until somebody interrupts."""
    ending = Ending.of(Limits(timeout=5.0, grace=120.0), started=0.0, grace=10)
    assert ending.due(5.0) is SIGTERM
    ending.sent(SIGTERM, 5.0, Why.TIMEOUT)
    assert ending.due(124.9) is None
    assert ending.due(125.0) is SIGKILL
    assert (ending.due(14.9, interruptions=1), ending.due(15.0, interruptions=1)) == (None, SIGKILL)


def test_the_first_reason_stands():
    """A timed-out job that is killed for its memory has timed out."""
    ending = Ending(5.0, 60)
    ending.sent(SIGTERM, 5.0, Why.TIMEOUT)
    assert ending.due(5.1, out_of_memory=True) is SIGKILL
    ending.sent(SIGKILL, 5.1, Why.OUT_OF_MEMORY)
    assert ending.why is Why.TIMEOUT


def test_runs_end_when_the_last_one_is_over():
    """Ending waits for what is under way, and says when it gave up."""
    runs = Runs()
    with runs.one():
        assert not runs.end(0.01)
    assert runs.end(0.01)
    assert runs.interruptions == 4

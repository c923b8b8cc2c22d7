"""When a step that failed may be run again, after what wait, and with how much memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cursus_sandbox.pipeline.retries import NEVER, Cause, Retries, retries_of

MB = 1024**2


def test_a_number_alone():
    """A number allows so many attempts more, after any failure, with the same memory."""
    retries = retries_of(2)
    assert [retries.allow(Cause.EXIT, attempt) for attempt in (1, 2, 3)] == [True, True, False]
    assert retries.allow(Cause.OUT_OF_MEMORY, 1)
    assert retries.memory(Cause.OUT_OF_MEMORY, 64 * MB, most=1024 * MB) == 64 * MB
    assert not NEVER.allow(Cause.EXIT, 1)


def test_only_after_some_failures():
    """What `on` doesn't name is not tried again; one cause may stand alone."""
    retries = Retries.model_validate({"count": 3, "on": "oom"})
    assert (retries.allow(Cause.OUT_OF_MEMORY, 1), retries.allow(Cause.EXIT, 1)) == (True, False)


def test_waits_double():
    """Each wait is twice as long as the one before it, and none is longer than a minute."""
    retries = Retries.model_validate({"count": 9, "backoff": "5s"})
    assert [retries.wait(attempt) for attempt in (1, 2, 3, 4, 5, 100)] == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize(
    ("cause", "limit", "most", "next_limit"),
    [
        (Cause.OUT_OF_MEMORY, 100, 1000, 200),
        (Cause.OUT_OF_MEMORY, 100, 150, 150),
        (Cause.OUT_OF_MEMORY, 100, 50, 100),
        (Cause.OUT_OF_MEMORY, None, 1000, None),
        (Cause.EXIT, 100, 1000, 100),
        (Cause.TIMEOUT, 100, 1000, 100),
    ],
)
def test_more_memory(cause, limit, most, next_limit):
    """Only what ran out of memory gets more of it, as far as the machine has it, and nothing ever gets less."""
    assert Retries(count=1, memory_factor=2).memory(cause, limit, most) == next_limit


@given(some.integers(1, 2**62), some.floats(1, 64), some.integers(1, 2**62))
def test_memory_never_shrinks(limit, factor, most):
    """Whatever the factor, the next limit is no smaller, and no larger than the machine or the limit before it."""
    following = Retries(count=1, memory_factor=factor).memory(Cause.OUT_OF_MEMORY, limit, most)
    assert limit <= following <= max(limit, most)


def test_in_words():
    """A plan says how often, after what, and with how much more."""
    assert retries_of(1).said() == "1 retry"
    assert Retries(count=3, on=(Cause.OUT_OF_MEMORY,), memory_factor=1.5).said() == (
        "3 retries after oom, 1.5 times the memory"
    )

"""Which steps are expected next."""

from cursus_sandbox.pipeline.look_ahead import LookAhead
from cursus_sandbox.pipeline.ready_queue import seconds_to_go

CHAIN = {"a": (), "b": ("a",), "c": ("b",), "d": ("c",)}
DIAMOND = {"top": (), "m1": ("top",), "m2": ("top",), "m3": ("top",), "bottom": ("m1", "m2", "m3")}


def ahead(dependencies, most=9, **seconds):
    return LookAhead(dependencies, seconds_to_go(dependencies, seconds), may_run=dependencies.keys(), most=most)


def test_nothing_is_expected_before_anything_runs():
    """Of a run that takes everything over, no step is expected."""
    look = ahead(CHAIN)
    look.ready("a")
    look.started("a")
    assert look.news() == []


def test_a_chain_is_expected_in_order():
    """What comes after a step that runs is expected, the next first."""
    look = ahead(CHAIN)
    look.runs("a")
    assert look.news() == ["b", "c", "d"]


def test_no_more_are_expected_than_there_may_be():
    """Another step is expected when one of those that were has started or ended, and each only once."""
    look = ahead(CHAIN, most=2)
    look.runs("a")
    assert look.news() == ["b", "c"]
    assert look.news() == []
    look.ended("a")
    look.ready("b")
    look.started("b")
    look.runs("b")
    assert look.news() == ["d"]


def test_what_waits_for_room_comes_first():
    """Ready steps that wait for room are nearer than those that wait for them; the longest way to go comes first."""
    look = ahead(DIAMOND, m2=5)
    look.runs("top")
    look.ended("top")
    for step in ("m1", "m2", "m3"):
        look.ready(step)
    look.started("m2")
    look.runs("m2")
    assert look.news() == ["m1", "m3", "bottom"]
    look = ahead(DIAMOND, m2=5)
    look.runs("top")
    assert look.news() == ["m2", "m1", "m3", "bottom"]


def test_a_step_whose_outputs_were_taken_over_ends_the_expectation():
    """After a step that was reused, those that wait for it may be reused too."""
    look = ahead(CHAIN, most=1)
    look.runs("a")
    look.ended("a")
    look.ready("b")
    assert look.news() == ["b"]
    look.started("b")
    look.ended("b")
    look.ready("c")
    assert look.news() == []


def test_a_step_that_also_waits_for_another_is_not_near():
    """A step is expected when all that it waits for has ended, runs or is expected itself."""
    look = ahead({"a": (), "b": (), "c": ("a", "b"), "d": ("a",)})
    look.runs("a")
    assert look.news() == ["d"]
    look.runs("b")
    assert look.news() == ["c"]


def test_a_step_that_is_not_to_run_is_not_expected():
    """What isn't chosen, or is skipped, is left out, and what waits for it too."""
    look = LookAhead(CHAIN, seconds_to_go(CHAIN, {}), may_run={"a", "b", "d"}, most=9)
    look.runs("a")
    assert look.news() == ["b"]

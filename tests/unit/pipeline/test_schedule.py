"""Which steps may start as others end, and which a run is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import contract

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.dag import PipelineDAG
from cursus_sandbox.pipeline.resolver import Resolver
from cursus_sandbox.pipeline.schedule import Schedule
from cursus_sandbox.pipeline.selection import Selection

DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}


def test_ready():
    """A step is offered once, in the given order, when all it waits for has succeeded."""
    schedule = Schedule(DIAMOND)
    assert schedule.ready() == ["a", "e"]
    assert schedule.ready() == []
    schedule.succeeded("a")
    assert schedule.ready() == ["b", "c"]
    schedule.succeeded("c")
    assert schedule.ready() == []
    schedule.succeeded("b")
    assert schedule.ready() == ["d"]
    assert schedule.pending == ["d", "e"]


def test_failure():
    """A failure loses all that waits for it, near and far, each once; the rest goes on."""
    schedule = Schedule(DIAMOND)
    schedule.ready()
    assert schedule.failed("a") == ["b", "c", "d"]
    assert schedule.pending == ["e"]
    schedule.succeeded("e")
    assert (schedule.pending, schedule.ready()) == ([], [])


def test_second_failure():
    """What one failure lost is not lost again by another."""
    schedule = Schedule(DIAMOND)
    schedule.ready()
    schedule.succeeded("a")
    assert schedule.ready() == ["b", "c"]
    assert schedule.failed("b") == ["d"]
    assert schedule.failed("c") == []


@given(st.data())
def test_any_walk(data):
    """However steps end, each is offered at most once, after its dependencies succeeded, and ends or is lost."""
    size = data.draw(st.integers(0, 9))
    names = [f"s{number}" for number in range(size)]
    waits = {
        name: tuple(data.draw(st.sets(st.sampled_from(names[:place])))) if place else ()
        for place, name in enumerate(names)
    }
    schedule = Schedule({name: waits[name] for name in data.draw(st.permutations(names))})
    running, offered, well, badly, lost = [], [], set(), set(), []
    while True:
        new = schedule.ready()
        assert all(set(waits[name]) <= well for name in new)
        offered += new
        running += new
        assert set(schedule.pending) == set(names) - well - badly - set(lost)
        if not running:
            break
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        if data.draw(st.booleans()):
            well.add(ended)
            schedule.succeeded(ended)
        else:
            badly.add(ended)
            lost += schedule.failed(ended)
    assert len(set(offered)) == len(offered)
    assert set(offered) == well | badly
    assert sorted([*offered, *lost]) == sorted(names)
    assert schedule.pending == []


def chain(edges=(("S_a", "S_b"), ("S_b", "S_c"), ("S_x", "S_c"), ("S_c", "S_d")), more=("S_y",)):
    """The plan of a small graph."""
    nodes = tuple(dict.fromkeys([*(name for edge in edges for name in edge), *more]))
    return Resolver(PipelineDAG(nodes=nodes, edges=edges), contracts={"S": contract("S")}).create_execution_plan()


@pytest.mark.parametrize(
    ("selection", "steps"),
    [
        (Selection(), "abcdxy"),
        (Selection(only=("S_b", "S_y")), "by"),
        (Selection(first="S_b"), "bcd"),
        (Selection(last="S_c"), "abcx"),
        (Selection(first="S_b", last="S_c"), "bc"),
        (Selection(first="S_c", last="S_c"), "c"),
        (Selection(only=("S_a", "S_c"), first="S_b"), "c"),
        (Selection(only=("S_a", "S_d"), last="S_c"), "a"),
    ],
)
def test_selections(selection, steps):
    """`only`, `first` and `last` each narrow the steps down; together they leave what all of them leave."""
    assert selection.steps(chain()) == {f"S_{letter}" for letter in steps}


@pytest.mark.parametrize("selection", [Selection(first="S_d", last="S_a"), Selection(only=("S_a",), first="S_b")])
def test_nothing_selected(selection):
    """A selection that leaves nothing is an error."""
    with pytest.raises(DocumentError, match="leaves no step to run"):
        selection.steps(chain())


def test_unknown_steps_in_a_selection():
    """Every unknown name is a problem with the nearest step."""
    with pytest.raises(DocumentError) as error:
        Selection(only=("S_aa", "S_b"), first="none", last="S_cc").steps(chain())
    assert [problem.what for problem in error.value.problems] == [
        "no step is called 'S_aa'",
        "no step is called 'none'",
        "no step is called 'S_cc'",
    ]
    assert error.value.problems[0].hint == "Did you mean 'S_a'?"


@given(st.data())
def test_until_is_closed(data):
    """Up to a step, all that any selected step waits for is selected; from a step on, all that waits for one is."""
    pairs = [(f"S_{low}", f"S_{high}") for high in range(1, 8) for low in range(high)]
    edges = data.draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=14, unique=True))
    plan = chain(tuple(edges))
    step = data.draw(st.sampled_from(plan.execution_order))
    until, after = Selection(last=step).steps(plan), Selection(first=step).steps(plan)
    assert all(set(plan.dependencies[name]) <= until for name in until)
    assert all(name in after for name in plan.execution_order if set(plan.dependencies[name]) & after)
    assert until & after == {step}

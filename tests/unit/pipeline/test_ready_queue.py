"""In which order ready steps start, and how many of them at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cursus_sandbox.pipeline.instances import Capacity
from cursus_sandbox.pipeline.ready_queue import Demand, ReadyQueue, seconds_to_go

GIB = 1024**3
MACHINE = Capacity(cpus=4, memory=8 * GIB, gpus=1)
ANYTHING = Capacity(cpus=1000, memory=1000 * GIB, gpus=0)


def queue(demands, *, capacity=MACHINE, jobs=10, to_go=None):
    made = ReadyQueue(demands, to_go=to_go or dict.fromkeys(demands, 1.0), capacity=capacity, jobs=jobs)
    made.offer(demands)
    return made


def started(queue):
    return list(iter(queue.start_next, None))


def test_the_longest_way_to_go():
    """The longest way is the slowest of all ways to the end; an untimed step counts one second."""
    dependencies = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "alone": ()}
    assert seconds_to_go(dependencies, {"c": 10.0, "alone": 3.0}) == {"a": 12, "b": 2, "c": 11, "d": 1, "alone": 3}


def test_the_critical_path_first():
    """Of the ready steps the one with the longest way to go starts first; of two alike, the document's first."""
    steps = dict.fromkeys(["short", "long", "other"], Demand())
    assert started(queue(steps, to_go={"short": 1, "long": 5, "other": 1})) == ["long", "short", "other"]


def test_once_more_with_more():
    """A step that pauses makes room, and one that is to have more memory then waits until there is so much."""
    line = queue({"a": Demand(memory=2 * GIB), "b": Demand(memory=5 * GIB)})
    assert started(line) == ["a", "b"]
    line.ended("a")
    line.offer(["a"], demand=Demand(memory=4 * GIB))
    assert started(line) == []
    line.ended("b")
    assert started(line) == ["a"]


def test_as_many_as_jobs():
    """No more than `jobs` run at once; one that ends makes room for another."""
    line = queue(dict.fromkeys("abc", Demand()), jobs=2)
    assert started(line) == ["a", "b"]
    line.ended("a")
    assert started(line) == ["c"]


@pytest.mark.parametrize(
    ("large", "small"),
    [
        (Demand(memory=6 * GIB), Demand(memory=2 * GIB)),
        (Demand(cpus=3), Demand(cpus=0.5)),
        (Demand(gpus=1), Demand()),
    ],
)
def test_no_more_than_there_is(large, small):
    """A step that doesn't fit beside those that run waits; a smaller one goes before it."""
    line = queue({"first": large, "second": large, "small": small})
    assert started(line) == ["first", "small"]
    line.ended("first")
    assert started(line) == ["second"]


def test_a_step_larger_than_the_machine():
    """A step that asks for more than the machine has runs when nothing else does."""
    line = queue({"small": Demand(memory=GIB), "huge": Demand(memory=9 * GIB)})
    assert started(line) == ["small"]
    line.ended("small")
    assert started(line) == ["huge"]


def test_what_is_looked_at_makes_room():
    """A step that has run makes room while it is looked at, but not as many of them as there are jobs."""
    line = queue(dict.fromkeys("abcd", Demand(memory=4 * GIB)), jobs=2)
    assert started(line) == ["a", "b"]
    line.ran("a")
    assert started(line) == ["c"]
    line.ran("b")
    assert started(line) == []
    line.ended("a")
    line.ran("c")
    assert started(line) == ["d"]


def test_one_job_alone():
    """With one job no step starts while another is looked at."""
    line = queue(dict.fromkeys("ab", Demand()), jobs=1)
    assert started(line) == ["a"]
    line.ran("a")
    assert started(line) == []
    line.ended("a")
    assert started(line) == ["b"]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 4), st.randoms(use_true_random=False))
def test_any_steps(sizes, jobs, random):
    """Whatever is asked for, all steps start once, and together they never have more than there is."""
    demands = {f"s{number}": Demand(memory=size * GIB) for number, size in enumerate(sizes)}
    line = queue(demands, jobs=jobs)
    running, seen = set(), []
    while len(seen) < len(demands) or running:
        running |= (now := set(started(line)))
        seen += now
        assert running
        assert len(running) <= jobs
        assert len(running) == 1 or sum(demands[step].memory for step in running) <= MACHINE.memory
        line.ended(ended := random.choice(sorted(running)))
        running.remove(ended)
    assert sorted(seen) == sorted(demands)


def test_many_steps():
    """Ten thousand steps that are ready at once are started in order."""
    steps = {f"s{number}": Demand() for number in range(10_000)}
    assert started(queue(steps, capacity=ANYTHING, jobs=10_000)) == list(steps)

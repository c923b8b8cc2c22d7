"""Where a graph's boxes and arrows go."""

import time

from hypothesis import given
from hypothesis import strategies as st

from cursus_sandbox.reports.graph import graph


@st.composite
def graphs(draw):
    """Steps in topological order, each with what it waits for."""
    names = [f"step-{number}" for number in range(draw(st.integers(0, 12)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        for place, name in enumerate(names)
    }


@given(graphs())
def test_no_two_boxes_overlap_and_arrows_go_down(dependencies):
    """Each step has one box inside the drawing, no two share a place, and what a step waits for stands above it."""
    drawn = graph(dependencies, {})
    boxes = {box.name: box for box in drawn.boxes}
    assert list(boxes) == list(dependencies)
    for box in drawn.boxes:
        assert box.x >= 0
        assert box.x + box.width <= drawn.width
        assert box.y + box.height <= drawn.height
        for other in drawn.boxes:
            apart = box.y != other.y or box.x + box.width <= other.x or other.x + other.width <= box.x
            assert apart or box is other
    assert {(arrow.before, arrow.after) for arrow in drawn.arrows} == {
        (one, name) for name, before in dependencies.items() for one in before
    }
    assert all(boxes[arrow.before].y < boxes[arrow.after].y for arrow in drawn.arrows)


def test_a_long_arrow_bends_round_the_boxes_it_passes():
    """An arrow over a layer goes between that layer's boxes, not through one."""
    drawn = graph({"a": [], "b": ["a"], "c": ["a", "b"]}, {("a", "c"): "model"})
    middle = next(box for box in drawn.boxes if box.name == "b")
    long = next(arrow for arrow in drawn.arrows if arrow.label)
    x = float(long.path.split(" V")[0].split()[-2])
    assert x < middle.x or x > middle.x + middle.width


def test_a_great_graph_is_drawn():
    """Five hundred steps that each wait for many take no noticeable time, and no bend for every crossing."""
    steps = {f"s{n}": [f"s{m}" for m in range(max(0, n - 40), n, 4)] for n in range(500)}
    started = time.process_time()
    drawn = graph(steps, {})
    assert len(drawn.boxes) == 500
    assert sum(len(arrow.path) for arrow in drawn.arrows) < 2_000_000
    assert time.process_time() - started < 20  # it would be minutes, were it not linear


def test_labels_do_not_cover_each_other():
    """What goes over an arrow stands beside it where there is room; two are never on top of each other."""
    dependencies = {"a": [], **{f"b{number}": ["a"] for number in range(12)}, "c": ["a", "b0", "b1", "b2"]}
    labels = {(before, after): f"{before}_output to input" for after, some in dependencies.items() for before in some}
    drawn = graph(dependencies, labels)
    placed = [(arrow.place, len(arrow.short)) for arrow in drawn.arrows if arrow.place]
    assert len(placed) > len(labels) / 2
    for number, ((x, y), letters) in enumerate(placed):
        for (other_x, other_y), other in placed[:number]:
            assert abs(y - other_y) > 8 or abs(x - other_x) > (letters + other) * 2.9
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for (x, y), _ in placed)
    assert not [arrow for arrow in graph({"a": [], "b": ["a"]}, {}).arrows if arrow.place]

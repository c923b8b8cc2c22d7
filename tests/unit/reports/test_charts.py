"""Lines on a page."""

from cursus_sandbox.reports.charts import chart

WORDS = {"said": lambda value: f"{value:g} MB", "place": lambda at: f"{at:g} s"}


def test_a_line_fills_its_room():
    """From left to right and from foot to head, with what is at its ends in words."""
    drawn = chart("memory", [(0, 10), (5, 30), (10, 20)], **WORDS)
    assert drawn.line == "M0 86L300 4L600 45"
    assert drawn.area == "M0 86L300 4L600 45V90H0Z"
    assert drawn.words == "memory, from 0 s to 10 s: between 10 MB and 30 MB"
    assert chart("memory", [(0, 15), (10, 30)], from_zero=True, **WORDS).line == "M0 45L600 4"


def test_of_many_points_no_peak_is_lost():
    """A line of a million points is drawn with as many as there is room for, its highest among them."""
    points = [(at, 7.0 if at == 77_777 else at % 5) for at in range(1_000_000)]
    drawn = chart("memory", points, most=100, **WORDS)
    assert drawn.line.count("L") < 100
    assert "47 4" in drawn.line
    assert drawn.high == "7 MB"


def test_what_is_no_line():
    """One value, or none, or always the same."""
    assert chart("memory", [], **WORDS) is None
    assert chart("memory", [(0, 1)], **WORDS) is None
    assert chart("memory", [(0, 1), (1, 2)], most=0, **WORDS) is None
    assert chart("memory", [(0, 5), (1, 5)], **WORDS).line == "M0 86L600 86"

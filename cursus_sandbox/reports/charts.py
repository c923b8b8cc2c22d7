"""Lines over time or place, as paths of an SVG that is stretched to the room there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 90
_ROOM = 4  # above and below a line


@dataclass(frozen=True, slots=True)
class Chart:
    """A line, and what is written at its ends: `low` and `high` of what it shows, `first` and `last` of where."""

    name: str
    line: str
    area: str
    low: str
    high: str
    first: str
    last: str

    @property
    def words(self) -> str:
        """What it shows, for who can't see it."""
        return f"{self.name}, from {self.first} to {self.last}: between {self.low} and {self.high}"


def chart(
    name: str,
    points: Sequence[tuple[float, float]],
    *,
    said: Callable[[float], str],
    place: Callable[[float], str],
    from_zero: bool = False,
    most: int = 300,
) -> Chart | None:
    """Draw points, given in the order of their places, as at most so many; None where there are less than two."""
    if min(len(points), most) < 2:  # noqa: PLR2004
        return None
    drawn = _thinned(points, most)
    low = 0.0 if from_zero else min(value for _, value in points)
    high = max(value for _, value in points)
    first, last = points[0][0], points[-1][0]
    along, up = (last - first) or 1.0, (high - low) or 1.0
    spots = [
        f"{(at - first) / along * WIDTH:.0f} {HEIGHT - _ROOM - (value - low) / up * (HEIGHT - 2 * _ROOM):.0f}"
        for at, value in drawn
    ]
    line = "M" + "L".join(spots)
    area = f"{line}V{HEIGHT}H0Z"
    return Chart(name, line, area, said(low), said(high), place(first), place(last))


def _thinned(points: Sequence[tuple[float, float]], most: int) -> Sequence[tuple[float, float]]:
    """Of each stretch its largest, so that no peak is lost; the first and the last stay."""
    if len(points) <= most:
        return points
    stretch = -(-len(points) // max(most - 2, 1))
    inner = points[1:-1]
    highest = [max(inner[at : at + stretch], key=lambda point: point[1]) for at in range(0, len(inner), stretch)]
    return [points[0], *highest, points[-1]]

"""Where the boxes and arrows of a pipeline's graph go on a page: in layers, from the top down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

BOX_HEIGHT = 46
LAYER_GAP = 64
BOX_GAP = 22
_LETTER = 8.0  # pixels of a letter at 13 px, about
_LEAST_WIDTH = 120
_SWEEPS = 8
_LABEL = 34  # letters
_SMALL_LETTER, _LABEL_HEIGHT = 6.2, 12  # pixels of a letter and a line of a label, about
_MOST_BENDS = 3000


@dataclass(frozen=True, slots=True)
class Box:
    """A step's place, in pixels from the top left corner."""

    name: str
    x: float
    y: float
    width: float
    height: float = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge as the path of an SVG, and what goes over it; where there is room for that, the place it stands at."""

    before: str
    after: str
    path: str
    label: str
    place: tuple[int, int] | None = None

    @property
    def short(self) -> str:
        """As much of the label as is written."""
        return self.label if len(self.label) <= _LABEL else self.label[: _LABEL - 1] + "…"


@dataclass(frozen=True, slots=True)
class Graph:
    """A drawing. `width` and `height` in pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def graph(dependencies: Mapping[str, Sequence[str]], labels: Mapping[tuple[str, str], str]) -> Graph:
    """Draw steps, given in topological order with what each waits for; `labels` by (before, after)."""
    depth: dict[str, int] = {}
    for name, before in dependencies.items():
        depth[name] = max((depth[one] + 1 for one in before), default=0)
    tied, ways = _with_bends(dependencies, depth)
    layers = _ordered(tied, depth)
    widest = {name: max(len(name) * _LETTER + 24, _LEAST_WIDTH) if name in dependencies else 0.0 for name in tied}
    widths = [sum(widest[name] for name in layer) + BOX_GAP * (len(layer) - 1) for layer in layers]
    total = max(widths, default=0) + 20
    places: dict[str, Box] = {}
    for row, (layer, width) in enumerate(zip(layers, widths, strict=True)):
        x = (total - width) / 2
        for name in layer:
            places[name] = Box(name, round(x, 1), 10 + row * (BOX_HEIGHT + LAYER_GAP), round(widest[name], 1))
            x += widest[name] + BOX_GAP
    stops = {ends: [places[one] for one in (ends[0], *way, ends[1])] for ends, way in ways.items()}
    arrows = tuple(_arrows(stops, labels))
    height = len(layers) * (BOX_HEIGHT + LAYER_GAP) - LAYER_GAP + 20
    return Graph(round(total, 1), height, tuple(places[name] for name in dependencies), arrows)


def _with_bends(
    dependencies: Mapping[str, Sequence[str]], depth: dict[str, int]
) -> tuple[dict[str, list[str]], dict[tuple[str, str], list[str]]]:
    """The graph with a bend in each layer that a longer arrow crosses, so that it goes between boxes; and those bends.

    Beyond _MOST_BENDS arrows go straight: a page of thousands of lines is read by nobody.
    """
    tied: dict[str, list[str]] = {name: [] for name in dependencies}
    ways: dict[tuple[str, str], list[str]] = {}
    bends = 0
    for name, before in dependencies.items():
        for one in before:
            crossed = range(depth[one] + 1, depth[name]) if bends < _MOST_BENDS else range(0)
            way = [f"\0{one}\0{name}\0{layer}" for layer in crossed]
            bends += len(way)
            depth |= dict(zip(way, crossed, strict=True))
            for above, below in pairwise((one, *way, name)):
                tied.setdefault(below, []).append(above)
            ways[one, name] = way
    return tied, ways


def _ordered(tied: Mapping[str, Sequence[str]], depth: Mapping[str, int]) -> list[list[str]]:
    """The layers; within each what is tied to the same stands near."""
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in tied:
        layers[depth[name]].append(name)
    below: dict[str, list[str]] = {name: [] for name in tied}
    for name, above in tied.items():
        for one in above:
            below[one].append(name)
    place = {name: (at + 0.5) / len(layer) for layer in layers for at, name in enumerate(layer)}
    for sweep in range(_SWEEPS):
        near: Mapping[str, Sequence[str]] = below if sweep % 2 else tied
        for layer in reversed(layers) if sweep % 2 else layers:
            middle = {name: _mean([place[one] for one in near[name]], place[name]) for name in layer}
            layer.sort(key=middle.__getitem__)
            place |= {name: (at + 0.5) / len(layer) for at, name in enumerate(layer)}
    return layers


def _mean(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _arrows(ways: Mapping[tuple[str, str], list[Box]], labels: Mapping[tuple[str, str], str]) -> Iterator[Arrow]:
    """Each arrow; its label along its last curve, where it is in the way of no other and of no box."""
    taken: list[tuple[float, float, float]] = []  # from, to, height
    for (before, after), stops in ways.items():
        arrow = Arrow(before, after, _way(stops), labels.get((before, after), ""))
        half = len(arrow.short) * _SMALL_LETTER / 2
        for x, y in _along(stops) if arrow.label else ():
            clear = all(x + half < left or x - half > right or abs(y - at) > _LABEL_HEIGHT for left, right, at in taken)
            if clear and x - half > 0:
                taken.append((x - half, x + half, y))
                arrow = replace(arrow, place=(round(x), round(y)))
                break
        yield arrow


def _along(stops: Sequence[Box]) -> Iterator[tuple[float, float]]:
    """Places between the last two stops, where arrows that begin or end together are apart; the best first."""
    above, below = stops[-2], stops[-1]
    x, y = above.x + above.width / 2, above.y + above.height
    to_x, to_y = below.x + below.width / 2, below.y
    for part in (0.6, 0.45, 0.72, 0.32):
        left = 1 - part
        across = x * (left**3 + 3 * left**2 * part) + to_x * (3 * left * part**2 + part**3)
        bend = (to_y - y) / 2
        down = y * left**3 + 3 * (y + bend) * left**2 * part + 3 * (to_y - bend) * left * part**2 + to_y * part**3
        yield across, down + _LABEL_HEIGHT / 3


def _way(stops: Sequence[Box]) -> str:
    """From the foot of the first box to the head of the last; through what is between them straight down."""
    first = stops[0]
    path = f"M{first.x + first.width / 2:.0f} {first.y + first.height:.0f}"
    for above, below in pairwise(stops):
        x, y = above.x + above.width / 2, above.y + above.height
        to_x, to_y = below.x + below.width / 2, below.y
        bend = (to_y - y) / 2
        path += f" C{x:.0f} {y + bend:.0f} {to_x:.0f} {to_y - bend:.0f} {to_x:.0f} {to_y:.0f}"
        if not below.width:
            path += f" V{to_y + below.height:.0f}"
    return path

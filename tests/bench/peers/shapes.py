"""The graphs that are timed: what each step waits for, and the line of shell that is its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASE = "cursus-sandbox-base:latest"


@dataclass(frozen=True)
class Shape:
    """A graph. `work` is shell: it reads `$IN/*/*` (nothing for a root) and writes into `$OUT`.

    Where `moves_data` the steps hand files on, which a peer that drops them can't be timed with. `image` is what
    the lines need: on this machine, this machine's own Python has to have it.
    """

    name: str
    steps: Mapping[str, tuple[str, ...]]
    work: str
    root_work: str | None = None
    moves_data: bool = False
    last_work: str | None = None
    image: str = BASE

    def work_of(self, step: str) -> str:
        """The shell line of a step."""
        if not self.steps[step]:
            return self.root_work or self.work
        return self.last_work if self.last_work and step == list(self.steps)[-1] else self.work

    def levels(self) -> list[list[str]]:
        """The steps, by how many lie before them: those of one level can run at the same time."""
        depth: dict[str, int] = {}
        for step, before in self.steps.items():
            depth[step] = 1 + max((depth[one] for one in before), default=-1)
        return [[step for step in self.steps if depth[step] == level] for level in range(max(depth.values()) + 1)]


def chain(length: int) -> dict[str, tuple[str, ...]]:
    """Steps that each wait for the one before."""
    return {f"Pass{n}": (f"Pass{n - 1}",) if n else () for n in range(length)}


def diamond(width: int) -> dict[str, tuple[str, ...]]:
    """One step, as many as the diamond is wide, and one that waits for all of those."""
    middle = {f"Middle{n}": ("Top",) for n in range(width)}
    return {"Top": (), **middle, "Bottom": tuple(middle)}


def pandas(program: str) -> str:
    """A line that runs a Python program with pandas, on the folders `given` and `out`."""
    head = "import os, glob, pandas as pd; given = glob.glob(os.environ['IN'] + '/*/*'); out = os.environ['OUT'];"
    return f'export IN OUT; python3 -c "{head} {program}"'


TRIVIAL = "echo 1 > $OUT/one.txt"
MEGABYTES = 50

SHAPES = {
    shape.name: shape
    for shape in (
        Shape("chain-10", chain(10), TRIVIAL),
        Shape(
            "pandas-3",
            chain(3),
            pandas("pd.read_csv(given[0]).query('x % 3 > 0').to_csv(out + '/kept.csv', index=False)"),
            root_work=pandas("pd.DataFrame({'x': range(300000)}).assign(y=1.5).to_csv(out + '/made.csv', index=False)"),
            last_work=pandas("pd.read_csv(given[0]).describe().to_csv(out + '/told.csv')"),
            moves_data=True,
            image="xgb:latest",
        ),
        Shape("diamond-1-8-1", diamond(8), TRIVIAL),
        Shape(
            "chain-10-50MB",
            chain(10),
            "cat $IN/*/* > $OUT/data.bin",
            root_work=f"head -c {MEGABYTES}000000 /dev/zero > $OUT/data.bin",
            moves_data=True,
        ),
        Shape("chain-10-1s", chain(10), f"sleep 1; {TRIVIAL}"),
    )
}

"""Writes docs/benchmarks.md and its drawings, from what `make bench` has put into docs/benchmarks.json.

python docs/benchmarks.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
DRAWINGS = DOCS / "benchmarks"
Rounds = Sequence[Mapping[str, float]]
SHAPES = {
    "chain-10": "Ten steps, one after the other, that each write one line",
    "diamond-1-8-1": "One step, eight beside each other, and one that waits for all of them",
    "chain-10-50MB": "Ten steps that each read 50 MB and write 50 MB",
    "chain-10-1s": "Ten steps of one second each",
    "pandas-3": "Three steps with pandas: made, filtered, described",
}
BASES = ("docker run", "SageMaker local mode", "bare bwrap")
SAID = {
    "subprocess": "a shell that runs `sh -c`, nothing around it",
    "bare bwrap": "a shell loop of bubblewrap over this machine's root",
    "docker run": "a shell loop of `docker run --rm`, as one types it: each gets a network",
    "docker run, no network": "the same with `--network none`, as our steps are run",
    "docker SDK": "docker's Python SDK by hand: create, start, wait, remove; no network",
    "ours, local": "`cursus-sandbox run --engine local`",
    "ours, docker": "`cursus-sandbox run --engine docker`",
    "ours, local, cached": "the same again: nothing has changed, nothing is started",
    "ours, docker, cached": "the same again: nothing has changed, nothing is started",
    "cwltool": "a CWL workflow, `--parallel`",
    "kfp.local": "the DockerRunner, container components, which hand on no files",
    "miniwdl": "a WDL workflow, on a docker swarm",
    "SageMaker local mode": "LocalPipelineSession with an S3 on the loopback",
}
HEAD = """\
# What it costs

Written by `make bench`, which takes the time of whole processes, in rounds: each round goes once through all ways, so
that what slows the machine slows them all. Shown are medians, and medians of the rounds' ratios. Every way runs the
same line of shell for each step, in the same image. The figures are in [benchmarks.json](benchmarks.json).
"""
TAIL = """
A wall clock says little on a busy machine: see what is said of the load above. Where a note tells processor time, that
is what the process itself took, whatever else was going on.

## Where the time goes

The page of a run says how long each step took, its container apart from work of our own, and `run --events FILE` has
the time of everything that happens. What importing costs is told by Python, what each thread does by a sampling
profiler such as py-spy: the work of steps is in threads called `step_…`, their order in `walk_…`, the reading of large
outputs in `read_…`.

<!-- not run: py-spy is none of ours -->
```sh
python -X importtime -m cursus_sandbox plan dag.yaml 2> imports.txt
py-spy record --threads --gil -o profile.svg -- python -m cursus_sandbox run dag.yaml
```\
"""
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.bar { fill: #a8b3c0 } .ours { fill: #0969da } .range { stroke: #57606a; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #d0d7de } .bar { fill: #57606a } .ours { fill: #4493f8 } .range { stroke: #afb8c1 }
}
"""
WIDTH, LABEL, VALUE, ROW = 760, 190, 120, 26


def main() -> None:
    """Write the page and a drawing for each shape."""
    kept = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))
    DRAWINGS.mkdir(exist_ok=True)
    for drawn in DRAWINGS.glob("*.svg"):
        drawn.unlink()
    for shape, rounds in kept["peers"]["rounds"].items():
        if rounds:
            (DRAWINGS / f"{shape}.svg").write_text(drawing(SHAPES[shape], rounds), encoding="utf-8")
    (DOCS / "benchmarks.md").write_text("\n".join(page(kept)) + "\n", encoding="utf-8")


def page(kept: Mapping[str, Any]) -> Iterator[str]:
    """The lines of the page."""
    peers, goals = kept["peers"], kept["goals"]
    yield HEAD
    yield from measured_on(peers)
    yield from ("", "## Beside others", "")
    for shape, rounds in peers["rounds"].items():
        if rounds:
            yield from (f"### {SHAPES[shape]}", "", f"![{SHAPES[shape]}](benchmarks/{shape}.svg)", "")
            yield from (*table(rounds), "")
    ways = dict.fromkeys(way for rounds in peers["rounds"].values() for one in rounds for way in one)
    yield from (f"- *{way}*: {SAID[way]}{_version(way, peers['peers'])}" for way in ways)
    yield from ("", *(f"Left out, {way}: {why}." for way, why in peers["left_out"].items()), "")
    yield from ("## By itself", "", *measured_on(goals), "")
    yield from ("| what | found | asked for | |", "| --- | ---: | ---: | --- |")
    yield from map(figure, goals["figures"])
    yield TAIL


def measured_on(part: Mapping[str, Any]) -> Iterator[str]:
    """When and where, and whether the machine had something else to do."""
    machine, (before, after) = part["machine"], part["load"]
    yield (
        f"{part['when']}: {machine['processors']} processors ({machine['model']}), {machine['memory']}, Linux"
        f" {machine['kernel']}, Python {machine['python']}, Docker {machine['docker']};"
        f" load average {before} when it began, {after} when it ended."
    )
    if before > machine["processors"] / 2:
        yield ""
        yield "**The machine was busy with other things: only the ratios mean something, and those roughly.**"


def table(rounds: Rounds) -> Iterator[str]:
    """Medians, and ratios to some of the ways."""
    bases = [base for base in BASES if any(base in one for one in rounds)]
    yield "| | median | " + " | ".join(f"/ {base}" for base in bases) + " |"
    yield "| --- | ---: |" + " ---: |" * len(bases)
    for way in by_time(rounds):
        ratios = " | ".join(_ratio(rounds, way, base) for base in bases)
        yield f"| {way} | {statistics.median(_seconds(rounds, way)):.2f} s | {ratios} |"


def figure(one: Mapping[str, Any]) -> str:
    """A row of what we cost by ourselves."""
    asked = "" if one["goal"] is None else f"≤ {one['goal']:g} {one['unit']}"
    missed = "**" if one["goal"] is not None and one["found"] > one["goal"] else ""
    return f"| {one['name']} | {missed}{one['found']:.3g} {one['unit']}{missed} | {asked} | {one['note']} |"


def drawing(title: str, rounds: Rounds) -> str:
    """A bar for each way, as long as its median, and a line from its least to its most."""
    ways = by_time(rounds)
    longest = max(max(_seconds(rounds, way)) for way in ways)
    scale = (WIDTH - LABEL - VALUE) / longest
    height = ROW * len(ways) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
    ]
    for number, way in enumerate(ways):
        seconds = _seconds(rounds, way)
        middle, top = statistics.median(seconds), 4 + ROW * number
        least, most = LABEL + min(seconds) * scale, LABEL + max(seconds) * scale
        kind = "ours" if way.startswith("ours") else "bar"
        parts += [
            f'<text x="{LABEL - 8}" y="{top + 16}" text-anchor="end">{escape(way)}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{top + 3}" width="{max(middle * scale, 1):.1f}" height="{ROW - 8}"/>',
            f'<path class="range" d="M{least:.1f} {top + ROW / 2 - 1}H{most:.1f}"/>',
            f'<text x="{most + 8:.1f}" y="{top + 16}">{middle:.2f} s</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def by_time(rounds: Rounds) -> list[str]:
    """The ways, the quickest first."""
    ways = dict.fromkeys(way for one in rounds for way in one)
    return sorted(ways, key=lambda way: statistics.median(_seconds(rounds, way)))


def _seconds(rounds: Rounds, way: str) -> list[float]:
    return [one[way] for one in rounds if way in one]


def _ratio(rounds: Rounds, way: str, base: str) -> str:
    both = [one[way] / one[base] for one in rounds if way in one and base in one]
    return f"{statistics.median(both):.2f}" if both else ""


def _version(way: str, versions: Mapping[str, str]) -> str:
    name = {"kfp.local": "kfp", "SageMaker local mode": "sagemaker"}.get(way, way)
    return f" ({name} {versions[name]})" if name in versions else ""


if __name__ == "__main__":
    main()

"""What cursus-sandbox itself costs, beside a floor that is measured in the same run, and the goals for that.

    python tests/bench/goals.py [--quick] [--json FILE] [--only NAME ...]

Whole processes, each round through all of them in turn; medians. Nothing here fails: it prints what was found beside
what is asked for. The shipped example needs this Python's `[example]` packages, the rest bubblewrap.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import machine

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/xgboost/dag.yaml"
ALONE = Path(__file__).with_name("alone.py")
COMMAND = (sys.executable, "-m", "cursus_sandbox")
GB = 10**9
CONTRACT = """
step_type: Pass
registry: {sagemaker_step_type: Processing}
contract:
  entry_point: pass.sh
  inputs: {given: {path: /opt/ml/processing/input/given, required: false}}
  outputs: {left: {path: /opt/ml/processing/output}}
spec: {outputs: {left: {type: processing_output, aliases: [given]}}, dependencies: {given: {type: processing_output}}}
"""
OUT = "/opt/ml/processing/output"
TRIVIAL = f"echo 1 > {OUT}/one.txt"


@dataclass(frozen=True)
class Figure:
    """What was found, and what is asked for: at most `goal`."""

    name: str
    found: float
    unit: str
    goal: float | None = None
    note: str = ""

    @property
    def words(self) -> str:
        """A line of the table."""
        asked = "" if self.goal is None else f"goal: {self.goal:g}  {'met' if self.found <= self.goal else 'MISSED'}"
        return f"{self.name:<44}{self.found:>9.3g} {self.unit:<5}{asked:<24}{self.note}"


@dataclass(frozen=True)
class Used:
    """What a whole process took: seconds, those of processors, and the most MB it held."""

    seconds: float
    cpu: float
    memory: float


def main() -> None:
    """Measure all, one part after the other, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, help="write every figure there, too")
    given = parser.parse_args()
    before, found = machine.load(), []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for part in given.only:
            for figure in PARTS[part](Path(name), 3 if given.quick else 7):
                print(figure.words, flush=True)
                found.append(figure)
    if given.json:
        machine.write(given.json, "goals", {"figures": [asdict(one) for one in found]}, load=(before, machine.load()))


def commands(folder: Path, rounds: int) -> Iterator[Figure]:
    """Commands that start nothing, as whole processes."""
    taken = in_turn(
        {
            "python alone": [sys.executable, "-c", "pass"],
            "--version": [*COMMAND, "--version"],
            "--help": [*COMMAND, "--help"],
            "plan of the example": [*COMMAND, "plan", str(EXAMPLE), "--workspace", str(folder / "none")],
        },
        rounds * 3,
    )
    for name, goal in {"python alone": None, "--version": 120, "--help": 120, "plan of the example": 400}.items():
        yield Figure(name, 1000 * median(one.seconds for one in taken[name]), "ms", goal, cpu_of(taken[name]))


def unchanged(folder: Path, rounds: int) -> Iterator[Figure]:
    """Runs that change nothing."""
    ways = {}
    for length in (10, 500):
        ways[length] = run_of(chain(folder / f"unchanged-{length}", length))
        used(ways[length])
    taken = in_turn({str(length): way for length, way in ways.items()}, rounds)
    for length, goal in ((10, 0.5), (500, 3.0)):
        seconds = median(one.seconds for one in taken[str(length)])
        yield Figure(f"nothing has changed, {length} steps", seconds, "s", goal, cpu_of(taken[str(length)]))


def a_step(folder: Path, rounds: int) -> Iterator[Figure]:
    """What one more step costs on the local engine: the slope between two lengths, beside bare bubblewrap."""
    few, many = 10, 110
    long, short = chain(folder / "many", many), chain(folder / "few", few)
    jobs = [sys.executable, str(ALONE)]
    taken = in_turn(
        {
            "run few": run_of(short, "--no-cache"),
            "run many": run_of(long, "--no-cache"),
            "engine few": [*jobs, "engine", str(few), str(folder)],
            "engine many": [*jobs, "engine", str(many), str(folder)],
            "bwrap few": [*jobs, "bwrap", str(few), str(folder)],
            "bwrap many": [*jobs, "bwrap", str(many), str(folder)],
        },
        rounds,
    )

    def slopes(way: str) -> list[float]:
        both = zip(taken[f"{way} many"], taken[f"{way} few"], strict=True)
        return [(more.seconds - less.seconds) / (many - few) * 1000 for more, less in both]

    bare, engine, run = slopes("bwrap"), slopes("engine"), slopes("run")
    yield Figure("bare bwrap, the same sandbox", median(bare), "ms", None, "a job")
    yield Figure("the local engine alone", median(engine), "ms", None, "a job")
    yield Figure("the local engine / bare bwrap", median(ratios(engine, bare)), "", 1.5)
    yield Figure("a step of a run, local", median(run), "ms", None, "with its checks, its record, its cleaning up")
    yield Figure("a step of a run / bare bwrap", median(ratios(run, bare)), "")


def flat(folder: Path, rounds: int) -> Iterator[Figure]:
    """Memory and cost per step, as runs get longer; and as a step writes more to its log."""
    imports = (
        "import cursus_sandbox.cli.main, cursus_sandbox.executor, rich.console, cursus_sandbox.tables.reading as r"
    )
    floor, ready = (used([sys.executable, "-c", f"{imports}{more}"]).memory for more in ("", "; r.get_ready()"))
    lengths = (10, 100, 1000)
    runs = {length: used(run_of(chain(folder / f"flat-{length}", length))) for length in lengths}
    for length in lengths:
        yield Figure(f"memory above imports, {length:,} steps", runs[length].memory - floor, "MB", 50)
    start = runs[10].seconds - 10 * (runs[100].seconds - runs[10].seconds) / 90
    for length in (100, 1000):
        yield Figure(f"seconds a step, {length:,} steps", (runs[length].seconds - start) / length * 1000, "ms")
    for size in (1, 200):
        work = f"sleep 1; head -c {size}000000 /dev/zero | tr '\\0' 'x' | fold -w 99; {TRIVIAL}"
        memory = used(run_of(chain(folder / f"log-{size}", 1, work=work))).memory
        note = "its table reader, loaded beside the step, is one of its imports"
        yield Figure(f"memory above imports, {size} MB logged", memory - ready, "MB", 50, note)


def handing_on(folder: Path, rounds: int) -> Iterator[Figure]:
    """From the last instruction of a step that left 10 GB to the first of the step that reads them."""
    gaps: dict[str, list[float]] = {"small": [], "large": []}
    moved = []
    for number in range(rounds):
        for name, size in (("small", 10), ("large", 10 * GB)):
            place = folder / f"hand-{name}-{number}"
            lines = f"stat -c %i {OUT}/data > {OUT}/inode; date +%s.%N > {OUT}/ended"
            document = chain(
                place, 2, work=f"truncate -s {size} {OUT}/data; {lines}", last=f"date +%s.%N > {OUT}/began"
            )
            used(run_of(document))
            steps = next((place / "runs/runs").iterdir()) / "steps"
            made, read = steps / "Pass_0/outputs/left", steps / "Pass_1/outputs/left"
            gaps[name].append(float((read / "began").read_text()) - float((made / "ended").read_text()))
            if name == "large":
                moved.append(sum(file.lstat().st_blocks for file in place.rglob("*")) * 512 / 1e6)
                same = int((made / "inode").read_text()) == (made / "data").stat().st_ino
            shutil.rmtree(place)
    yield Figure("handing on 10 bytes", 1000 * median(gaps["small"]), "ms", None, "end of a step to start of the next")
    yield Figure(
        "handing on 10 GB", 1000 * median(gaps["large"]), "ms", 50, "the same file" if same else "ANOTHER FILE"
    )
    yield Figure("disk taken by that run", median(moved), "MB", None, "its 10 GB have no blocks, a copy would")


def example(folder: Path, rounds: int) -> Iterator[Figure]:
    """The shipped example beside its scripts, run one after the other with nothing around them."""
    run = [*COMMAND, "run", str(EXAMPLE), "--engine", "local", "--jobs", "1", "--no-cache", "--quiet"]
    taken = in_turn(
        {
            "scripts": [sys.executable, str(ALONE), "example", "0", str(folder)],
            "run": [*run, "--workspace", str(folder / "example")],
        },
        max(rounds // 2, 1),
    )
    more = ratios([one.seconds for one in taken["run"]], [one.seconds for one in taken["scripts"]])
    yield Figure("the example's scripts alone", median(one.seconds for one in taken["scripts"]), "s")
    yield Figure("the example, one step at a time", median(one.seconds for one in taken["run"]), "s")
    yield Figure("what is added to the example", 100 * (median(more) - 1), "%", 5)


PARTS: Mapping[str, Callable[[Path, int], Iterator[Figure]]] = {
    "commands": commands,
    "unchanged": unchanged,
    "a-step": a_step,
    "handing-on": handing_on,
    "example": example,
    "flat": flat,
}


def chain(folder: Path, length: int, *, work: str = TRIVIAL, last: str | None = None) -> Path:
    """The document of a chain of steps that each do this line of shell."""
    folder.mkdir(parents=True)
    (folder / "pass.step.yaml").write_text(CONTRACT)
    other = f'case "$0" in *last.sh) {last};; *) {work};; esac' if last else work
    for name in ("pass.sh", "last.sh"):
        (folder / name).write_text(f"#!/bin/sh\n{other}\n")
    steps = [f"  Pass_{n}: {{depends_on: [{f'Pass_{n - 1}' if n else ''}]}}\n" for n in range(length)]
    if last:
        steps[-1] = f"  Pass_{length - 1}: {{depends_on: [Pass_{length - 2}], entry_point: last.sh}}\n"
    (folder / "dag.yaml").write_text(f"source_dir: .\ncontracts: .\nsteps:\n{''.join(steps)}")
    return folder / "dag.yaml"


def run_of(document: Path, *options: str) -> list[str]:
    """The command that runs a document on the local engine, in a workspace beside it."""
    return [*COMMAND, "run", str(document), "--engine", "local", "--workspace", str(document.parent / "runs"), *options]


def in_turn(ways: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Used]]:
    """What each command took, once in each round, after one that isn't counted."""
    taken: dict[str, list[Used]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, command in ways.items():
            one = used(command)
            if number:
                taken[way].append(one)
    return taken


def used(command: Sequence[str]) -> Used:
    """Run a command to its end; SystemExit with what it said when it fails."""
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        files = [(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)]
        process = os.posix_spawn(command[0], command, machine.variables(), file_actions=files)
        _, status, usage = os.wait4(process, 0)
        seconds = time.monotonic() - began
        if status:
            said.seek(0)
            sys.exit(
                f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}: {said.read()[-2000:].decode()}"
            )
    return Used(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def ratios(those: Sequence[float], these: Sequence[float]) -> list[float]:
    """Round by round."""
    return [one / other for one, other in zip(those, these, strict=True)]


def median(values: Iterator[float] | Sequence[float]) -> float:
    """The one in the middle."""
    return statistics.median(values)


def cpu_of(taken: Sequence[Used]) -> str:
    """What a process took of processors, which tells more where the machine is busy."""
    return f"{1000 * median([one.cpu for one in taken]):.0f} ms of processor time"


if __name__ == "__main__":
    main()

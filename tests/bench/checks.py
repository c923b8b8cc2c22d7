"""What the data checks cost, beside reading alone and beside their peers: CPU time of the same file, in turn.

    python tests/bench/checks.py [MB] [ROUNDS]

Ten columns of mixed types, 109 MB of CSV unless told otherwise; five rounds, frictionless over a tenth of it. Each
round goes once through all ways, and what is printed is the median of the rounds' ratios: what slows the machine slows
both sides. Memory is the largest resident set of a process of its own, above one that only imports. Nothing here fails,
it prints; a peer that isn't installed is left out, with a word. With all of them, in an environment of its own:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install -e . duckdb frictionless 'pandera[polars]'
    /tmp/peers/bin/python tests/bench/checks.py
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from cursus_sandbox.tables import DataCompatibilityValidator, TableSchema
from cursus_sandbox.tables.memo import Memo
from cursus_sandbox.tables.synthetic import Recipe, write_table

TYPES = ["integer"] * 2 + ["number"] * 3 + ["string"] * 2 + ["date", "boolean", "integer"]
READ_AS = {"integer": pa.int64(), "number": pa.float64(), "string": pa.string(), "date": pa.date32()}
ON_VALUES = {
    "integer": {"minimum": 0, "maximum": 10_000_000_000},
    "number": {"minimum": 0},
    "string": {"minLength": 1},
    "date": {"minimum": "2000-01-01"},
}


def schema(*, values: bool, end: str = "csv") -> TableSchema:
    """The ten columns: with their types and nulls alone, or with rules on their values."""
    fields = [
        {
            "name": f"c{number}",
            "type": kind,
            "constraints": {"required": True, **(ON_VALUES.get(kind, {}) if values else {})},
        }
        for number, kind in enumerate(TYPES)
    ]
    return TableSchema.model_validate({"fields": fields, "glob": f"*.{end}"})


def read_only(file: Path) -> None:
    """What pyarrow takes to read the file as these types."""
    kinds = {f"c{number}": READ_AS.get(kind, pa.bool_()) for number, kind in enumerate(TYPES)}
    options = pacsv.ConvertOptions(column_types=kinds)
    with pacsv.open_csv(
        file, convert_options=options, parse_options=pacsv.ParseOptions(newlines_in_values=True)
    ) as rows:
        for _ in rows:
            pass


def checked(path: Path, asked: TableSchema) -> None:
    """Our check; the file is what it should be."""
    report = DataCompatibilityValidator().check(path, asked, data="bench")
    if not report.compatible:
        sys.exit(str(report.findings[0]))


def with_duckdb(file: Path) -> None:
    """DuckDB reading the same types and asking for the same bounds."""
    import duckdb

    names = {"integer": "BIGINT", "number": "DOUBLE", "string": "VARCHAR", "date": "DATE", "boolean": "BOOLEAN"}
    columns = ", ".join(f"'c{number}': '{names[kind]}'" for number, kind in enumerate(TYPES))
    asked = ", ".join(f"count(c{number}), min(c{number}), max(c{number})" for number in range(len(TYPES)))
    duckdb.sql(f"SELECT {asked} FROM read_csv('{file}', header=true, columns={{{columns}}})").fetchall()


def with_frictionless(file: Path) -> None:
    """Frictionless validating the same schema."""
    from frictionless import Resource, Schema, validate

    fields = [{"name": f"c{number}", "type": kind} for number, kind in enumerate(TYPES)]
    resource = Resource(path=file.name, basepath=str(file.parent), schema=Schema.from_descriptor({"fields": fields}))
    validate(resource)


def with_pandera(file: Path) -> None:
    """Pandera over polars: read as the same types, and the same rules."""
    import pandera.polars as pa_polars
    import polars as pl

    kinds = {"integer": pl.Int64, "number": pl.Float64, "string": pl.String, "date": pl.Date, "boolean": pl.Boolean}
    rules = {
        "integer": [pa_polars.Check.in_range(0, 10_000_000_000)],
        "number": [pa_polars.Check.ge(0)],
        "string": [pa_polars.Check.str_length(min_value=1)],
        "date": [pa_polars.Check.ge(date(2000, 1, 1))],
    }
    columns = {
        f"c{number}": pa_polars.Column(kinds[kind], rules.get(kind, []), nullable=False)
        for number, kind in enumerate(TYPES)
    }
    read = pl.read_csv(file, schema={f"c{number}": kinds[kind] for number, kind in enumerate(TYPES)})
    pa_polars.DataFrameSchema(columns).validate(read, lazy=True)


def with_polars(file: Path) -> None:
    """Polars reading the same types, with no check."""
    import polars as pl

    kinds = {"integer": pl.Int64, "number": pl.Float64, "string": pl.String, "date": pl.Date, "boolean": pl.Boolean}
    pl.read_csv(file, schema={f"c{number}": kinds[kind] for number, kind in enumerate(TYPES)})


PEERS = {"duckdb": with_duckdb, "polars": with_polars, "pandera": with_pandera, "frictionless": with_frictionless}


def memory(file: Path, *, check: bool) -> float:
    """MB of a process that checks the file, or only imports: its own high water (VmHWM), not its parent's."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import checks; from pathlib import Path; "
        + (f"checks.checked(Path({str(file)!r}), checks.schema(values=True)); " if check else "")
        + "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def cpu(act: Callable[[], object]) -> float:
    """Seconds of this process's CPU time, in all of its threads."""
    began = time.process_time()
    act()
    return time.process_time() - began


def written(folder: Path, size: int) -> tuple[Path, Path, Path, int]:
    """A CSV file of so many MB, one of a tenth of its rows, one with a bad cell near its end; and how many rows."""
    probe = write_table(schema(values=True), folder / "probe", Recipe(rows=10_000, key="c0"))
    rows = round(size * 1e6 / probe.stat().st_size * 10_000)
    file = write_table(schema(values=True), folder / "all", Recipe(rows=rows, key="c0"))
    tenth = write_table(schema(values=True), folder / "tenth", Recipe(rows=rows // 10, key="c0"))
    bad = folder / "bad" / "bad.csv"
    bad.parent.mkdir()
    with file.open("rb") as whole, bad.open("wb") as broken:
        left = int(file.stat().st_size * 0.99)
        while content := whole.read(min(left, 1 << 24)):
            broken.write(content)
            left -= len(content)
        broken.write(whole.readline() + b"x")
        shutil.copyfileobj(whole, broken)
    return file, tenth, bad, rows


def of_csv(folder: Path, size: int, rounds: int) -> None:
    """Each way's MB/s, and its ratio to another beside the goal for it."""
    file, tenth, bad, rows = written(folder, size)
    ways: dict[str, tuple[Path, Callable[[], object]]] = {
        "pyarrow.csv alone": (file, lambda: read_only(file)),
        "types and nulls": (file, lambda: checked(file, schema(values=False))),
        "with value checks": (file, lambda: checked(file, schema(values=True))),
        "naming a bad cell": (
            bad,
            lambda: DataCompatibilityValidator().check(bad, schema(values=True), data="bench"),
        ),
    }
    for name, act in PEERS.items():
        if importlib.util.find_spec(name):
            its = tenth if name == "frictionless" else file
            ways[name] = (its, partial(act, its))
        else:
            print(f"{name} is left out: it is not installed here")
    for path, act in ways.values():  # the first time imports, and fills the page cache
        if path == tenth or path.stat().st_size < 200e6:
            act()
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (path, act) in ways.items():
            speeds[way].append(path.stat().st_size / 1e6 / cpu(act))
    print(f"\n{file.stat().st_size / 1e6:,.0f} MB of CSV, {rows:,} rows, {rounds} rounds\n")
    for way, found in speeds.items():
        print(f"{way:<20}{statistics.median(found):>8.0f} MB/s of CPU time  ({min(found):.0f} to {max(found):.0f})")
    print()
    _ratios(speeds)
    floor, peak = memory(file, check=False), memory(file, check=True)
    _say("memory above imports", f"{peak - floor:.0f} MB", "128 MB or less", well=peak - floor <= 128)


GOALS = (
    ("types and nulls", "pyarrow.csv alone", 0.8),
    ("with value checks", "pyarrow.csv alone", 0.6),
    ("naming a bad cell", "with value checks", 0.5),
    ("with value checks", "frictionless", 15),
    ("with value checks", "pandera", 1.5),
    ("with value checks", "duckdb", 1),
    ("pyarrow.csv alone", "polars", None),
    ("pyarrow.csv alone", "pandera", None),
)


def _ratios(speeds: dict[str, list[float]]) -> None:
    """Each way beside another, in the same rounds."""
    for way, beside, goal in GOALS:
        if beside not in speeds:
            continue
        ratio = statistics.median(one / other for one, other in zip(speeds[way], speeds[beside], strict=True))
        if goal is None:
            print(f"{f'{way} / {beside}':<40}{ratio:>10.2f}   no check on top of it can be quicker")
        else:
            _say(f"{way} / {beside}", f"{ratio:.2f}", f"{goal:.2f} or more", well=ratio >= goal)


def of_shards(folder: Path, rounds: int) -> None:
    """A thousand Parquet shards looked into, and looked at again when none has changed."""
    shards = folder / "shards"
    shards.mkdir()
    asked = schema(values=False, end="parquet")
    small = pq.read_table(write_table(asked, folder / "one", Recipe(rows=100)))
    for number in range(1000):
        pq.write_table(small, shards / f"{number:04}.parquet")
    first = [cpu(lambda: checked(shards, asked)) for _ in range(rounds)]
    remembering = DataCompatibilityValidator(memo=Memo(folder / "memo"))
    time.sleep(0.2)  # files that were just written are not remembered
    remembering.check(shards, asked, data="bench")
    again = [cpu(lambda: remembering.check(shards, asked, data="bench")) for _ in range(rounds)]
    seconds, milliseconds = statistics.median(first), statistics.median(again) * 1000
    _say("1,000 Parquet shards", f"{seconds:.2f} s", "0.5 s or less", well=seconds <= 0.5)
    _say("the same, unchanged", f"{milliseconds:.1f} ms", "20 ms or less", well=milliseconds <= 20)


def _say(what: str, found: str, goal: str, *, well: bool) -> None:
    print(f"{what:<40}{found:>10}   goal: {goal:<18}{'met' if well else 'MISSED'}")


def main() -> None:
    """Run all in turn, and print."""
    size, rounds = (int(one) for one in (*sys.argv[1:], *("109", "5")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as name:
        of_csv(Path(name), size, rounds)
        of_shards(Path(name), rounds)


if __name__ == "__main__":
    main()

"""What the data checks cost, beside reading alone and beside their peers: CPU time of the same file, in turn.

    python tests/bench/checks.py [MB]

Ten columns of mixed types, 109 MB of CSV unless told otherwise; the median of five rounds, frictionless over a tenth of
the rows. Peers that aren't installed are left out (`pip install duckdb frictionless`). Memory is the largest resident
set of a process of its own, above one that only imports. Nothing here fails: it prints.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from cursus_sandbox.tables import DataCompatibilityValidator, TableSchema
from cursus_sandbox.tables.synthetic import Recipe, write_table

ROUNDS = 5
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


def memory(file: Path, *, check: bool) -> float:
    """MB of a process that checks the file, or only imports: its own high water (VmHWM), not its parent's."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import checks; from pathlib import Path; "
        + (f"checks.checked(Path({str(file)!r}), checks.schema(values=True)); " if check else "")
        + "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def main() -> None:
    """Run all in turn, and print the medians."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 109
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        probe = write_table(schema(values=True), folder / "probe", Recipe(rows=10_000, key="c0"))
        rows = round(size * 1e6 / probe.stat().st_size * 10_000)
        file = write_table(schema(values=True), folder / "all", Recipe(rows=rows, key="c0"))
        tenth = write_table(schema(values=True), folder / "tenth", Recipe(rows=rows // 10, key="c0"))
        bad = folder / "bad" / "bad.csv"
        bad.parent.mkdir()
        lines = file.read_bytes()
        place = lines.rindex(b"\n", 0, int(len(lines) * 0.99)) + 1
        bad.write_bytes(lines[:place] + b"x" + lines[place:])
        del lines
        shards = folder / "shards"
        shards.mkdir()
        small = pq.read_table(write_table(schema(values=False, end="parquet"), folder / "one", Recipe(rows=100)))
        for number in range(1000):
            pq.write_table(small, shards / f"{number:04}.parquet")

        ways: dict[str, tuple[Path, Callable[[], object]]] = {
            "pyarrow.csv alone": (file, lambda: read_only(file)),
            "types and nulls": (file, lambda: checked(file, schema(values=False))),
            "with value checks": (file, lambda: checked(file, schema(values=True))),
            "naming a bad cell": (
                bad,
                lambda: DataCompatibilityValidator().check(bad, schema(values=True), data="bench"),
            ),
        }
        if importlib.util.find_spec("duckdb"):
            ways["duckdb"] = (file, lambda: with_duckdb(file))
        if importlib.util.find_spec("frictionless"):
            ways["frictionless"] = (tenth, lambda: with_frictionless(tenth))
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (_, act) in ways.items():
                began = time.process_time()
                act()
                taken[way].append(time.process_time() - began)
        began = time.monotonic()
        checked(shards, schema(values=False, end="parquet"))
        of_shards = time.monotonic() - began
        floor, peak = memory(file, check=False), memory(file, check=True)
        print(f"{file.stat().st_size / 1e6:.0f} MB of CSV, {rows:,} rows\n")
        speeds = {way: ways[way][0].stat().st_size / 1e6 / statistics.median(seconds) for way, seconds in taken.items()}
        print(f"{'':<20}{'MB/s of CPU time':>18}{'of pyarrow alone':>18}")
        for way, speed in speeds.items():
            print(f"{way:<20}{speed:>18.0f}{speed / speeds['pyarrow.csv alone']:>18.0%}")
        print(f"\n1,000 Parquet shards: {of_shards:.2f} s")
        print(f"memory above imports: {peak - floor:.0f} MB")


if __name__ == "__main__":
    main()

"""What made-up data cost: rows a second of CPU time, parquet and CSV, beside writing a table that is already there.

    python tests/bench/synthetic.py

Ten columns, a million rows, the median of five rounds in which the four take turns. Nothing here fails: it prints.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from cursus_sandbox.tables.schema import TableSchema
from cursus_sandbox.tables.synthetic import Recipe, batches, write_table

ROWS, ROUNDS = 1_000_000, 5
TYPES = ["integer"] * 2 + ["number"] * 2 + ["string"] * 2 + ["date", "datetime", "boolean", "integer"]


def main() -> None:
    """Run all in turn, and print the medians."""
    fields = [{"name": f"c{n}", "type": kind, "constraints": {"required": n % 2 == 0}} for n, kind in enumerate(TYPES)]
    schemas = {end: TableSchema.model_validate({"fields": fields, "glob": f"*.{end}"}) for end in ("parquet", "csv")}
    recipe = Recipe(rows=ROWS, label="c9", key="c0")
    made = pa.Table.from_batches(batches(schemas["csv"], recipe))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways: dict[str, Callable[[], object]] = {
            "make and write parquet": lambda: write_table(schemas["parquet"], folder, recipe),
            "write parquet only": lambda: pq.write_table(made, folder / "only.parquet"),
            "make and write CSV": lambda: write_table(schemas["csv"], folder, recipe),
            "write CSV only": lambda: pacsv.write_csv(made, folder / "only.csv"),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, act in ways.items():
                began = time.process_time()
                act()
                taken[way].append(time.process_time() - began)
    for way, seconds in taken.items():
        print(f"{way:<24}{ROWS / statistics.median(seconds) / 1e6:>6.2f} million rows/s of CPU time")


if __name__ == "__main__":
    main()

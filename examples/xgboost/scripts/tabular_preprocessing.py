"""Preprocess: join the shards, clean the label, and split.

A row's split follows from a hash of its id alone, so a row falls into the same split whatever else is in the data. The
first `HOLDOUT_RATIO` of the rows are kept from training and given to the other job types. With the default of 0 nothing
is kept back, and the other job types take every row.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

INPUT_PATHS = {
    "DATA": "/opt/ml/processing/input/data",
    "DATA_SECONDARY": "/opt/ml/processing/input/data_secondary",
    "SIGNATURE": "/opt/ml/processing/input/signature",
}
OUTPUT_PATHS = {"processed_data": "/opt/ml/processing/output"}
DEFAULTS = {
    "LABEL_FIELD": "",
    "ID_FIELD": "",
    "OUTPUT_FORMAT": "CSV",
    "HOLDOUT_RATIO": "0",
    "TRAIN_RATIO": "0.7",
    "TEST_VAL_RATIO": "0.5",
}
JOB_TYPES = ["training", "validation", "testing", "calibration"]


def shards(folder: Path) -> pd.DataFrame:
    """The `part-*` files of a folder as one table."""
    files = sorted(path for path in folder.glob("part-*") if path.suffix in {".csv", ".parquet"})
    if not files:
        raise FileNotFoundError(f"{folder} has no part-*.csv and no part-*.parquet file.")
    return pd.concat(
        [pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path) for path in files],
        ignore_index=True,
    )


def with_label(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """The rows that have a label; labels that aren't numbers become the index of their name in sorted order."""
    if label not in table:
        raise KeyError(f"LABEL_FIELD is {label!r}; the columns are {', '.join(table)}.")
    table = table.dropna(subset=label)
    if not pd.api.types.is_numeric_dtype(table[label]):
        table = table.assign(**{label: pd.Categorical(table[label]).codes})
    return table.astype({label: "int64"})


def spots(ids: pd.Series) -> np.ndarray:
    """Where each row falls in [0, 1): a hash of its id, the same on every machine."""
    return pd.util.hash_pandas_object(ids, index=False).to_numpy() / 2**64


def splits(spot: np.ndarray, job_type: str, *, holdout: float, train: float, test_val: float) -> dict[str, np.ndarray]:
    """For each split, which rows belong to it."""
    if job_type != "training":
        return {job_type: (spot < holdout) if holdout else np.ones(len(spot), dtype=bool)}
    rest = (spot - holdout) / (1 - holdout)  # rows that are held out come out below 0
    test_from = train + (1 - train) * (1 - test_val)
    return {
        "train": (rest >= 0) & (rest < train),
        "val": (rest >= train) & (rest < test_from),
        "test": rest >= test_from,
    }


def write_split(table: pd.DataFrame, folder: Path, split: str, file_format: str) -> None:
    path = folder / split / f"{split}_processed_data.{file_format.lower()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if file_format == "PARQUET":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if file_format == "TSV" else ",")


def main(
    input_paths: dict[str, str],
    output_paths: dict[str, str],
    environ_vars: dict[str, str],
    job_args: argparse.Namespace | None = None,
) -> dict[str, pd.DataFrame]:
    """Write each split as <split>/<split>_processed_data.<format>; give the splits."""
    env = DEFAULTS | environ_vars
    job_type = job_args.job_type if job_args else "training"
    file_format = env["OUTPUT_FORMAT"].upper()
    if file_format not in {"CSV", "TSV", "PARQUET"}:
        raise ValueError(f"OUTPUT_FORMAT is {env['OUTPUT_FORMAT']!r}; it can be CSV, TSV or PARQUET.")

    there = {name: Path(path) for name, path in input_paths.items() if Path(path).is_dir()}
    table = pd.concat([shards(there[name]) for name in ("DATA", "DATA_SECONDARY") if name in there], ignore_index=True)
    if "SIGNATURE" in there:
        table = table[(there["SIGNATURE"] / "signature").read_text().strip().split(",")]
    if label := env["LABEL_FIELD"]:
        table = with_label(table, label)

    ids = table[env["ID_FIELD"]] if env["ID_FIELD"] else pd.Series(table.index)
    masks = splits(
        spots(ids),
        job_type,
        holdout=float(env["HOLDOUT_RATIO"]),
        train=float(env["TRAIN_RATIO"]),
        test_val=float(env["TEST_VAL_RATIO"]),
    )
    parts = {split: table[mask] for split, mask in masks.items()}
    for split, part in parts.items():
        if part.empty:
            raise ValueError(f"The split {split!r} of job type {job_type!r} has no rows; look at the ratios.")
        write_split(part, Path(output_paths["processed_data"]), split, file_format)
        rate = f", {label} {part[label].mean():.1%}" if label else ""
        print(f"preprocess: {split} {len(part):,} rows{rate}")
    return parts


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job_type", choices=JOB_TYPES, required=True)
    main(
        INPUT_PATHS,
        OUTPUT_PATHS,
        {name: os.environ.get(name, value) for name, value in DEFAULTS.items()},
        parser.parse_args(),
    )

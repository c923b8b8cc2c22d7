"""Impute: fill the gaps with values learned from the training rows.

The training job learns one fill value per column and writes them to `impute_dict.json`; every other job type, and the
deployed model, fills with those same values. A column's strategy comes from `COLUMN_STRATEGY_<column>`, else from
the default for its kind.
"""

import argparse
import json
import os
from pathlib import Path

import pandas as pd
from pandas.api.types import is_integer_dtype, is_numeric_dtype

INPUT_PATHS = {
    "input_data": "/opt/ml/processing/input/data",
    "model_artifacts_input": "/opt/ml/processing/input/model_artifacts",
}
OUTPUT_PATHS = {
    "processed_data": "/opt/ml/processing/output/data",
    "model_artifacts_output": "/opt/ml/processing/output/model_artifacts",
}
DEFAULTS = {
    "LABEL_FIELD": "target",
    "EXCLUDE_COLUMNS": "",
    "DEFAULT_NUMERICAL_STRATEGY": "mean",
    "DEFAULT_CATEGORICAL_STRATEGY": "mode",
    "NUMERICAL_CONSTANT_VALUE": "0",
    "CATEGORICAL_CONSTANT_VALUE": "Unknown",
}
COLUMN_STRATEGY = "COLUMN_STRATEGY_"
ARTIFACT = "impute_dict.json"
JOB_TYPES = ["training", "validation", "testing", "calibration"]


def fill_value(column: pd.Series, env: dict[str, str]) -> float | str:
    """What stands in for a gap in this column."""
    numeric = is_numeric_dtype(column)
    kind = "NUMERICAL" if numeric else "CATEGORICAL"
    strategy = env.get(f"{COLUMN_STRATEGY}{column.name}", env[f"DEFAULT_{kind}_STRATEGY"])
    constant = env[f"{kind}_CONSTANT_VALUE"]
    match strategy:
        case "constant":
            value = float(constant) if numeric else constant
        case _ if column.isna().all():
            raise ValueError(f"Column {column.name!r} is empty: only the strategy 'constant' can fill it.")
        case "mode":
            value = column.mode().iloc[0]
        case "mean" if numeric:
            value = column.mean()
        case "median" if numeric:
            value = column.median()
        case _:
            raise ValueError(f"Strategy {strategy!r} doesn't suit the {kind.lower()} column {column.name!r}.")
    if not numeric:
        return str(value)
    return round(value) if is_integer_dtype(column) else float(value)


def learned(table: pd.DataFrame, env: dict[str, str]) -> dict[str, float | str]:
    """A fill value for every feature, also for those without a gap: a later table may have one."""
    skip = {env["LABEL_FIELD"], *env["EXCLUDE_COLUMNS"].split(",")}
    return {name: fill_value(table[name], env) for name in table if name not in skip}


def split_file(folder: Path, split: str) -> Path:
    found = sorted((folder / split).glob(f"{split}_processed_data.*"))
    if not found:
        raise FileNotFoundError(f"{folder} has no {split}/{split}_processed_data.<csv|tsv|parquet>.")
    return found[0]


def read_table(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",")


def write_table(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def main(
    input_paths: dict[str, str],
    output_paths: dict[str, str],
    environ_vars: dict[str, str],
    job_args: argparse.Namespace | None = None,
) -> dict[str, float | str]:
    """Write the filled splits and the fill values; give the fill values."""
    env = DEFAULTS | environ_vars
    job_type = job_args.job_type if job_args else "training"
    source = Path(input_paths["input_data"])

    if job_type == "training":
        names = ["train", "val", "test"]
        fills = learned(read_table(split_file(source, "train")), env)
        print(f"impute: learned {len(fills)} fill values from the train split")
    else:
        names = [job_type]
        fills = json.loads((Path(input_paths["model_artifacts_input"]) / ARTIFACT).read_text())
        print(f"impute: {len(fills)} fill values from the training job")

    for name in names:
        path = split_file(source, name)
        table = read_table(path)
        gaps = int(table.isna().sum().sum())
        table = table.fillna({column: value for column, value in fills.items() if column in table})
        write_table(table, Path(output_paths["processed_data"]) / name / path.name)
        print(f"impute: {name} {len(table):,} rows, {gaps:,} gaps filled")

    artifacts = Path(output_paths["model_artifacts_output"])
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / ARTIFACT).write_text(json.dumps(fills, indent=2, sort_keys=True) + "\n")
    return fills


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job_type", choices=JOB_TYPES, required=True)
    main(
        INPUT_PATHS,
        OUTPUT_PATHS,
        {name: os.environ.get(name, value) for name, value in DEFAULTS.items()}
        | {name: value for name, value in os.environ.items() if name.startswith(COLUMN_STRATEGY)},
        parser.parse_args(),
    )

"""Evaluate: score rows the model has never seen, and measure how well it ranks and how well it is calibrated."""

import argparse
import json
import os
import sys
import tarfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve

INPUT_PATHS = {
    "model_input": "/opt/ml/processing/input/model",
    "processed_data": "/opt/ml/processing/input/eval_data",
}
OUTPUT_PATHS = {
    "eval_output": "/opt/ml/processing/output/eval",
    "metrics_output": "/opt/ml/processing/output/metrics",
}
DEFAULTS = {"ID_FIELD": "id", "LABEL_FIELD": "label"}


def model_files(folder: Path) -> dict[str, bytes]:
    """The model's files by name: the members of model.tar.gz, or the folder's own."""
    archive = folder / "model.tar.gz"
    if archive.is_file():
        with tarfile.open(archive) as tar:
            return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def data_file(folder: Path, job_type: str) -> Path:
    """The table of the job type's split, or of the test split of a training job."""
    for split in (job_type, "test"):
        if found := sorted((folder / split).glob(f"{split}_processed_data.*")):
            return found[0]
    raise FileNotFoundError(
        f"{folder} has neither {job_type}/{job_type}_processed_data.* nor test/test_processed_data.*."
    )


def read_table(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",")


def write_table(table: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def probabilities(files: dict[str, bytes], table: pd.DataFrame) -> np.ndarray:
    """The probability of class 1 for each row."""
    booster = xgb.Booster(model_file=bytearray(files["xgboost_model.json"]))
    features, categories = files["feature_columns.txt"].decode().split("\n")[:-1], json.loads(files["categories.json"])
    missing = [name for name in features if name not in table]
    if missing:
        raise KeyError(f"The data lacks {', '.join(missing)}, which the model was trained on.")

    columns = []
    for name in features:
        if name in categories:
            codes = pd.Index(categories[name]).get_indexer(table[name].astype(str))
            columns.append(np.where(codes < 0, np.nan, codes))
        else:
            columns.append(table[name].to_numpy(dtype=float))
    data = xgb.DMatrix(
        np.column_stack(columns),
        feature_names=features,
        feature_types=["c" if name in categories else "q" for name in features],
        enable_categorical=True,
    )
    return booster.predict(data).astype(float)


def quality(label: pd.Series, probability: np.ndarray) -> dict[str, float]:
    metrics = {
        "auc_roc": roc_auc_score(label, probability),
        "average_precision": average_precision_score(label, probability),
        "brier": brier_score_loss(label, probability),
        "log_loss": log_loss(label, probability),
        "positive_rate": label.mean(),
        "mean_probability": probability.mean(),
    }
    return {"rows": len(label)} | {name: round(float(value), 6) for name, value in metrics.items()}


def main(
    input_paths: dict[str, str],
    output_paths: dict[str, str],
    environ_vars: dict[str, str],
    job_args: argparse.Namespace | None = None,
) -> dict[str, float]:
    """Write the scored rows and the metrics; give the metrics."""
    env = DEFAULTS | environ_vars
    identity, label = env["ID_FIELD"], env["LABEL_FIELD"]
    evaluation, metrics_folder = Path(output_paths["eval_output"]), Path(output_paths["metrics_output"])
    for folder in (evaluation, metrics_folder):
        folder.mkdir(parents=True, exist_ok=True)

    path = data_file(Path(input_paths["processed_data"]), job_args.job_type if job_args else "test")
    table = read_table(path)
    probability = probabilities(model_files(Path(input_paths["model_input"])), table)
    metrics = quality(table[label], probability)

    scored = table[[name for name in (identity, label) if name in table]]
    scored = scored.assign(prob_class_0=1 - probability, prob_class_1=probability)
    write_table(scored, evaluation / f"eval_predictions{path.suffix}")
    (metrics_folder / "metrics.json").write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
    false_positives, true_positives, _ = roc_curve(table[label], probability)
    curve = pd.DataFrame({"false_positive_rate": false_positives, "true_positive_rate": true_positives})
    curve.round(6).to_csv(metrics_folder / "roc_curve.csv", index=False)

    print(f"evaluate: {len(table):,} rows of {path.name}, {label} {metrics['positive_rate']:.1%}")
    print(f"evaluate: AUC {metrics['auc_roc']:.4f}, Brier {metrics['brier']:.4f}, log loss {metrics['log_loss']:.4f}")
    return metrics


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job_type", required=True)
    arguments = parser.parse_args()
    markers = Path(OUTPUT_PATHS["metrics_output"])
    try:
        main(
            INPUT_PATHS,
            OUTPUT_PATHS,
            {name: os.environ.get(name, value) for name, value in DEFAULTS.items()},
            arguments,
        )
    except Exception as error:  # noqa: BLE001  whoever watches the folder learns why
        traceback.print_exc()
        (markers / "_FAILURE").write_text(f"{type(error).__name__}: {error}\n")
        sys.exit(1)
    (markers / "_SUCCESS").touch()
    health = {"status": "healthy", "timestamp": datetime.now(UTC).isoformat(timespec="seconds")}
    (markers / "_HEALTH").write_text(json.dumps(health) + "\n")

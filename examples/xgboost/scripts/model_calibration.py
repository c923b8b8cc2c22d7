"""Calibrate: turn scores into probabilities that mean what they say.

A calibrator is a table of points, score to probability, with straight lines between them: exact for isotonic
regression, close for Platt's sigmoid. Whoever applies it needs `numpy.interp` and nothing else. The metrics are
measured out of fold, so that no row is judged by a calibrator that has seen it.
"""

import argparse
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

INPUT_PATHS = {"evaluation_data": "/opt/ml/processing/input/eval_data"}
OUTPUT_PATHS = {
    "calibration_output": "/opt/ml/processing/output/calibration",
    "metrics_output": "/opt/ml/processing/output/metrics",
    "calibrated_data": "/opt/ml/processing/output/calibrated_data",
}
DEFAULTS = {
    "SCORE_FIELD": "prob_class_1",
    "LABEL_FIELD": "label",
    "CALIBRATION_METHOD": "isotonic",
    "CALIBRATION_SAMPLE_POINTS": "1000",
}
FOLDS = 5
BINS = 10
SEED = 2013
EDGE = 1e-6  # a logarithm needs probabilities short of 0 and 1

Points = tuple[np.ndarray, np.ndarray]


def predictions(folder: Path) -> tuple[pd.DataFrame, str]:
    """The first predictions table of a folder and its suffix; from a training job's output.tar.gz, all of them."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    if archive := files.get("output.tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            inside = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
        names = sorted(name for name in inside if "predictions." in name)
        if names:
            tables = [table(inside[name], Path(name).suffix) for name in names]
            return pd.concat(tables, ignore_index=True), Path(names[0]).suffix
    for name in sorted(files):
        if (suffix := Path(name).suffix) in {".csv", ".tsv", ".parquet"}:
            return table(files[name], suffix), suffix
    raise FileNotFoundError(f"{folder} has no .csv, .tsv or .parquet file.")


def table(content: bytes, suffix: str) -> pd.DataFrame:
    if suffix == ".parquet":
        return pd.read_parquet(io.BytesIO(content))
    return pd.read_csv(io.BytesIO(content), sep="\t" if suffix == ".tsv" else ",")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def calibrator(score: np.ndarray, label: np.ndarray, method: str, points: int) -> Points:
    """The scores and probabilities between which to interpolate."""
    match method:
        case "isotonic":
            curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(score, label)
            return curve.X_thresholds_, curve.y_thresholds_
        case "platt":
            grid = np.linspace(0, 1, points)
            sigmoid = LogisticRegression(C=1e6).fit(log_odds(score), label)
            return grid, sigmoid.predict_proba(log_odds(grid))[:, 1]
        case _:
            raise ValueError(f"CALIBRATION_METHOD is {method!r}; it can be isotonic or platt.")


def log_odds(score: np.ndarray) -> np.ndarray:
    inside = np.clip(score, EDGE, 1 - EDGE)
    return np.log(inside / (1 - inside)).reshape(-1, 1)


def out_of_fold(score: np.ndarray, label: np.ndarray, method: str, points: int) -> np.ndarray:
    """Each row's probability from a calibrator fitted on the other folds."""
    probability = np.empty(len(score))
    for fit, rest in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(score, label):
        probability[rest] = np.interp(score[rest], *calibrator(score[fit], label[fit], method, points))
    return probability


def expected_calibration_error(label: np.ndarray, probability: np.ndarray) -> float:
    """How far, on average, the share of positives is from the probability, over bins of equal width."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=label - probability, minlength=BINS)
    return float(np.abs(gaps).sum() / len(label))


def quality(label: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    metrics = {
        "auc_roc": roc_auc_score(label, probability),
        "brier": brier_score_loss(label, probability),
        "log_loss": log_loss(label, np.clip(probability, EDGE, 1 - EDGE)),
        "calibration_error": expected_calibration_error(label, probability),
    }
    return {name: round(float(value), 6) for name, value in metrics.items()}


def main(
    input_paths: dict[str, str],
    output_paths: dict[str, str],
    environ_vars: dict[str, str],
    job_args: argparse.Namespace | None = None,
) -> dict[str, float]:
    """Write the calibrator, the calibrated rows and the metrics before and after; give the metrics."""
    env = DEFAULTS | environ_vars
    method, points = env["CALIBRATION_METHOD"], int(env["CALIBRATION_SAMPLE_POINTS"])
    rows, suffix = predictions(Path(input_paths["evaluation_data"]))
    for name in (env["SCORE_FIELD"], env["LABEL_FIELD"]):
        if name not in rows:
            raise KeyError(f"The predictions have no column {name!r}; they have {', '.join(rows)}.")
    score, label = rows[env["SCORE_FIELD"]].to_numpy(dtype=float), rows[env["LABEL_FIELD"]].to_numpy(dtype=float)

    before, after = quality(label, score), quality(label, out_of_fold(score, label, method, points))
    metrics = (
        {"rows": len(rows), "method": method} | after | {f"{name}_before": value for name, value in before.items()}
    )

    x, y = calibrator(score, label, method, points)
    probability = np.interp(score, x, y)
    rows = rows.assign(calibrated_prob_class_0=1 - probability, calibrated_prob_class_1=probability)

    folders = {name: Path(path) for name, path in output_paths.items()}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    curve = {"method": method, "score": x.tolist(), "probability": y.tolist()}
    (folders["calibration_output"] / "calibrator.json").write_text(json.dumps(curve) + "\n")
    (folders["metrics_output"] / "metrics.json").write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
    write_table(rows, folders["calibrated_data"] / f"calibrated_data{suffix}")

    for name in ("brier", "log_loss", "calibration_error"):
        print(f"calibrate: {name} {before[name]:.4f} -> {after[name]:.4f}")
    print(f"calibrate: {method}, {len(x)} points from {len(rows):,} rows")
    return metrics


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job_type", default="calibration")
    main(
        INPUT_PATHS,
        OUTPUT_PATHS,
        {name: os.environ.get(name, value) for name, value in DEFAULTS.items()},
        parser.parse_args(),
    )

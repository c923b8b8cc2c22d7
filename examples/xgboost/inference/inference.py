"""Answers requests with the packaged model: the four functions that SageMaker's model server calls.

`Package` puts this file into the archive's `code/` folder.
"""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb


@dataclass(frozen=True)
class Model:
    booster: xgb.Booster
    features: list[str]
    categories: dict[str, list[str]]
    fills: dict[str, float | str]
    calibration: tuple[list[float], list[float]]


def model_fn(model_dir: str) -> Model:
    folder = Path(model_dir)
    fills, curve = folder / "impute_dict.json", folder / "calibration" / "calibrator.json"
    points = json.loads(curve.read_text()) if curve.is_file() else {"score": [0, 1], "probability": [0, 1]}
    return Model(
        booster=xgb.Booster(model_file=folder / "xgboost_model.json"),
        features=(folder / "feature_columns.txt").read_text().splitlines(),
        categories=json.loads((folder / "categories.json").read_text()),
        fills=json.loads(fills.read_text()) if fills.is_file() else {},
        calibration=(points["score"], points["probability"]),
    )


def input_fn(request_body: str | bytes, request_content_type: str) -> list[dict] | list[list[str]]:
    """The rows of a request: JSON objects by name, or csv values in the model's order."""
    text = request_body.decode() if isinstance(request_body, bytes) else request_body
    match request_content_type:
        case "application/json":
            rows = json.loads(text)
            return rows if isinstance(rows, list) else [rows]
        case "text/csv":
            return list(csv.reader(io.StringIO(text)))
        case _:
            raise ValueError(f"Content type {request_content_type!r}: application/json and text/csv are understood.")


def predict_fn(rows: list[dict] | list[list[str]], model: Model) -> list[float]:
    """The calibrated probability of class 1 for each row."""
    table = pd.DataFrame(rows, columns=model.features, dtype=object).replace("", None)
    table = table.fillna({name: value for name, value in model.fills.items() if name in table})
    columns = []
    for name in model.features:
        if name in model.categories:
            codes = pd.Index(model.categories[name]).get_indexer(table[name].astype(str))
            columns.append(np.where(codes < 0, np.nan, codes))
        else:
            columns.append(pd.to_numeric(table[name]).to_numpy(dtype=float))
    data = xgb.DMatrix(
        np.column_stack(columns),
        feature_names=model.features,
        feature_types=["c" if name in model.categories else "q" for name in model.features],
        enable_categorical=True,
    )
    return np.interp(model.booster.predict(data), *model.calibration).tolist()


def output_fn(prediction: list[float], accept: str) -> str:
    if accept == "text/csv":
        return "".join(f"{probability}\n" for probability in prediction)
    return json.dumps({"predictions": [{"prob_class_1": probability} for probability in prediction]})

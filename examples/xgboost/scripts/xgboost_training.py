"""Train: boosted trees on the train split, stopped by the val split, scored on the test split.

A SageMaker training job: its settings are the strings of `hyperparameters.json`, on top of the optional file of that
name in the `hyperparameters_s3_uri` channel. Those named in `SETTINGS` are this script's own; every other one goes to
XGBoost.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

INPUT_PATHS = {
    "input_path": "/opt/ml/input/data",
    "hyperparameters_s3_uri": "/opt/ml/input/data/hyperparameters_s3_uri",
    "model_artifacts_input": "/opt/ml/input/data/model_artifacts_input",
}
OUTPUT_PATHS = {"model_output": "/opt/ml/model", "evaluation_output": "/opt/ml/output/data"}
HYPERPARAMETERS = "/opt/ml/input/config/hyperparameters.json"
DEFAULTS = {}

SETTINGS = {
    "label_name": "label",
    "id_name": "",
    "tab_field_list": [],  # numbers; with both lists empty every column but label and id is a feature
    "cat_field_list": [],  # categories
    "num_round": 300,
    "early_stopping_rounds": 20,
}
BOOSTER = {
    "objective": "binary:logistic",
    "eval_metric": "auc",
    "tree_method": "hist",
    "eta": 0.1,
    "max_depth": 6,
    "seed": 2013,
    "nthread": 1,  # sums of floats depend on their order: one thread gives the same trees each time
}
SPLITS = ("train", "val", "test")


def decoded(value: str) -> object:
    """SageMaker hands every hyperparameter over as a string: JSON, or plain text."""
    try:
        return json.loads(value)
    except (TypeError, json.JSONDecodeError):
        return value


def hyperparameters(*files: str | None) -> dict[str, object]:
    """The defaults, overlaid by each of the files that exists."""
    values = SETTINGS | BOOSTER
    for file in files:
        if file and Path(file).is_file():
            given = json.loads(Path(file).read_text())
            values |= {name: decoded(value) for name, value in given.items() if not name.startswith("sagemaker_")}
    return values


def read_split(folder: Path) -> tuple[pd.DataFrame, str]:
    """The first table of a channel, and its suffix."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".csv", ".tsv", ".parquet"})
    if not files:
        raise FileNotFoundError(f"{folder} has no .csv, .tsv or .parquet file.")
    path = files[0]
    if path.suffix == ".parquet":
        return pd.read_parquet(path), path.suffix
    return pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ","), path.suffix


def write_table(table: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def fields(train: pd.DataFrame, hp: dict[str, object]) -> tuple[list[str], list[str]]:
    """The names of the numbers and of the categories among the features."""
    numbers, categories = list(hp["tab_field_list"]), list(hp["cat_field_list"])
    if not numbers and not categories:
        features = train.drop(columns=[hp["label_name"], hp["id_name"]], errors="ignore")
        numbers = list(features.select_dtypes("number"))
        categories = [name for name in features if name not in numbers]
    return numbers, categories


def matrix(table: pd.DataFrame, features: list[str], categories: dict[str, list[str]]) -> xgb.DMatrix:
    """A row per row; a category is its index in the list of known ones, and missing if it isn't known."""
    columns = {}
    for name in features:
        if name in categories:
            codes = pd.Index(categories[name]).get_indexer(table[name].astype(str))
            columns[name] = np.where(codes < 0, np.nan, codes)
        else:
            columns[name] = table[name].to_numpy(dtype=float)
    return xgb.DMatrix(
        np.column_stack(list(columns.values())),
        feature_names=features,
        feature_types=["c" if name in categories else "q" for name in features],
        enable_categorical=True,
    )


def scores(label: pd.Series, probability: np.ndarray) -> dict[str, float]:
    return {
        "auc_roc": round(float(roc_auc_score(label, probability)), 6),
        "brier": round(float(brier_score_loss(label, probability)), 6),
        "log_loss": round(float(log_loss(label, probability)), 6),
    }


def main(
    input_paths: dict[str, str],
    output_paths: dict[str, str],
    environ_vars: dict[str, str],
    job_args: argparse.Namespace | None = None,
) -> dict[str, float]:
    """Write the model, and to the evaluation output the scored val and test splits; give their metrics."""
    channel = input_paths.get("hyperparameters_s3_uri")
    hp = hyperparameters(channel and f"{channel}/hyperparameters.json", input_paths.get("hyperparameters"))
    label, source = hp["label_name"], Path(input_paths["input_path"])
    tables, suffix = {}, ""
    for split in SPLITS:
        tables[split], suffix = read_split(source / split)

    train = tables["train"]
    hp["tab_field_list"], hp["cat_field_list"] = numbers, texts = fields(train, hp)
    features = [name for name in train if name in {*numbers, *texts}]
    categories = {name: sorted(train[name].dropna().astype(str).unique()) for name in texts}
    print(f"train: {len(train):,} rows, {label} {train[label].mean():.1%}")
    print(f"train: {len(numbers)} numbers, {len(texts)} categories: {', '.join(texts)}")

    data = {split: matrix(table, features, categories) for split, table in tables.items()}
    for split, table in tables.items():
        data[split].set_label(table[label])
    booster = xgb.train(
        {name: value for name, value in hp.items() if name not in SETTINGS},
        data["train"],
        num_boost_round=hp["num_round"],
        evals=[(data["val"], "val")],
        early_stopping_rounds=hp["early_stopping_rounds"],
        verbose_eval=25,
    )
    booster = booster[: booster.best_iteration + 1]

    model, evaluation = Path(output_paths["model_output"]), Path(output_paths["evaluation_output"])
    for folder in (model, evaluation):
        folder.mkdir(parents=True, exist_ok=True)

    metrics = {"trees": booster.num_boosted_rounds()}
    for split in ("val", "test"):
        probability = booster.predict(data[split]).astype(float)
        metrics |= {f"{split}_{name}": value for name, value in scores(tables[split][label], probability).items()}
        scored = tables[split][[name for name in (hp["id_name"], label) if name]]
        scored = scored.assign(prob_class_0=1 - probability, prob_class_1=probability)
        write_table(scored, evaluation / f"{split}_predictions{suffix}")
    write_json(metrics, evaluation / "metrics.json")

    gains = booster.get_score(importance_type="gain")
    booster.save_model(model / "xgboost_model.json")
    (model / "feature_columns.txt").write_text("".join(f"{name}\n" for name in features))
    write_json(hp, model / "hyperparameters.json")
    write_json(categories, model / "categories.json")
    write_json({name: round(gain, 4) for name, gain in gains.items()}, model / "feature_importance.json")
    write_json(json.loads(train[features].iloc[:1].to_json(orient="records"))[0], model / "input_example.json")
    artifacts = input_paths.get("model_artifacts_input")
    if artifacts and (fills := Path(artifacts) / "impute_dict.json").is_file():
        (model / fills.name).write_bytes(fills.read_bytes())  # so that the deployed model fills gaps as training did

    top = sorted(gains, key=gains.get, reverse=True)[:5]
    print(f"train: {metrics['trees']} trees, AUC val {metrics['val_auc_roc']:.4f}, test {metrics['test_auc_roc']:.4f}")
    print(f"train: what matters most: {', '.join(top)}")
    return metrics


def write_json(value: object, path: Path) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job_type")
    arguments, _ = parser.parse_known_args()  # SageMaker repeats every hyperparameter as an argument
    main(INPUT_PATHS | {"hyperparameters": HYPERPARAMETERS}, OUTPUT_PATHS, {}, arguments)

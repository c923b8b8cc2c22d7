"""A training job: its channels, its three JSON files, its model and its output data."""

import json
import tarfile

import pytest
from small_pipeline import SmallPipeline, said, statuses, succeeded

SPLITS = "for part in ('train', 'val', 'test'): (OUT / 'out' / part).mkdir(); say(part, name=part + '/data.txt')\n"
TRAINED = {"model": {"path": "/opt/ml/model"}, "evaluation": {"path": "/opt/ml/output/data"}}
LEAVES = """
(ML / 'model' / 'code').mkdir()
(ML / 'model' / 'model.json').write_text(json.dumps(seen))
(ML / 'model' / 'code' / 'inference.py').write_text('')
(ML / 'output' / 'data' / 'metrics.json').write_text(json.dumps({'auc': 0.75, 'rows': 12, 'fine': True, 'name': 'x'}))
"""


def training(small: SmallPipeline, script: str, **said: object) -> None:
    small.step("prepare", SPLITS)
    small.step(
        "train",
        script + LEAVES,
        reads={"data": "prepare:out"},
        inputs={"data": {"path": "/opt/ml/input/data", "channels": ["train", "val", "test"]}},
        outputs=TRAINED,
        kind="Training",
        **said,
    )


def archive(file) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_the_splits_become_channels(anywhere):
    """train, val and test of one input are three channels below /opt/ml/input/data; the code runs in /opt/ml/code."""
    training(anywhere, "seen = [tree(ML / 'input/data'), os.getcwd(), sorted(os.listdir('/opt/ml/code'))]")
    result = succeeded(anywhere.run()).step_results["train"]
    model = archive(result.outputs["model"] / "model.tar.gz")
    channels = ["test", "test/data.txt", "train", "train/data.txt", "val", "val/data.txt"]
    assert json.loads(model["model.json"]) == [channels, "/opt/ml/code", ["prepare.py", "train.py"]]


def test_the_three_files_of_a_training_job(anywhere):
    """Hyperparameters come as strings, in their file and on the command line; channels and hosts have their files."""
    read = "seen = [json.loads(file.read_text()) for file in sorted((ML / 'input/config').iterdir())]"
    training(anywhere, read + "; seen.append(sys.argv[1:])", hyperparameters={"eta": 0.1, "d": 6, "on": True, "l": [1]})
    result = succeeded(anywhere.run()).step_results["train"]
    given, channels, hosts, arguments = json.loads(archive(result.outputs["model"] / "model.tar.gz")["model.json"])
    assert given == {"eta": "0.1", "d": "6", "on": "True", "l": "[1]"}
    assert sorted(channels) == ["test", "train", "val"]
    assert (hosts["current_host"], hosts["hosts"]) == ("algo-1", ["algo-1"])
    assert arguments == ["-d", "6", "--eta", "0.1", "-l", "[1]", "--on", "True"]


def test_model_and_output_data_travel_as_archives(anywhere):
    """A consumer finds model.tar.gz and output.tar.gz, with plain member names."""
    training(anywhere, "seen = 1")
    anywhere.step(
        "evaluate",
        "import tarfile; names = {}\n"
        "for channel in ('model', 'data'):\n"
        "    (file,) = (IN / channel).iterdir(); names[file.name] = sorted(tarfile.open(file).getnames())\n"
        "say(json.dumps(names))",
        reads={"model": "train:model", "data": "train:evaluation"},
    )
    result = succeeded(anywhere.run()).step_results
    names = {"model.tar.gz": ["code/inference.py", "model.json"], "output.tar.gz": ["metrics.json"]}
    assert json.loads(said(result["evaluate"])) == names


def test_a_training_job_without_output_data(small):
    """A training contract that names no output data has /opt/ml/output/data all the same, and leaves none."""
    small.step(
        "train",
        "(ML / 'output/data/x').touch(); (ML / 'checkpoints/x').touch(); (ML / 'model/m').touch()",
        outputs={"model": {"path": "/opt/ml/model"}},
        kind="Training",
    )
    assert set(succeeded(small.run()).step_results["train"].outputs) == {"model"}


def test_metrics_are_read(small):
    """The numbers of a metrics.json are in the result; other values are no metrics."""
    training(small, "seen = 1")
    assert succeeded(small.run()).step_results["train"].metrics == {"auc": 0.75, "rows": 12.0}


@pytest.mark.parametrize("content", ["[1]", '{"a": NaN, "b": 1e999}', '{"a": ' + "1" * 400 + "}"])
def test_a_metrics_file_that_holds_no_numbers(small, content):
    """An odd metrics.json is no error and gives no metrics."""
    small.step("step", f"(OUT / 'out/metrics.json').write_bytes({content.encode(errors='surrogateescape')!r})")
    assert succeeded(small.run()).step_results["step"].metrics == {}


def test_a_missing_split_stops_the_training(small):
    """Without val, the training job is not started: its data break its contract, and the finding names the part."""
    training(small, "seen = 1")
    small.step("prepare", SPLITS.replace("'val', ", ""))
    result = small.run()
    train = result.step_results["train"]
    assert (result.exit_code, statuses(result)) == (3, {"prepare": "succeeded", "train": "failed"})
    assert (train.started_at, train.log) == (None, None)
    assert not (result.folder / "steps/train/log.txt").exists()
    assert [finding.file for report in train.reports for finding in report.findings] == ["val"]


def test_hyperparameters_as_json(small):
    """Where the step says so, every value in the file is JSON, texts too; the options are the same."""
    read = "seen = [json.loads((ML / 'input/config/hyperparameters.json').read_text()), sys.argv[1:]]"
    training(small, read, hyperparameters={"on": True, "name": "a"}, hyperparameter_encoding="json")
    result = succeeded(small.run()).step_results["train"]
    given, arguments = json.loads(archive(result.outputs["model"] / "model.tar.gz")["model.json"])
    assert given == {"on": "true", "name": '"a"'}
    assert arguments == ["--name", "a", "--on", "True"]


def test_the_requirements_of_a_source_folder(anywhere):
    """What requirements.txt asks for is installed before the script runs, as the toolkit does it."""
    anywhere.write("scripts/requirements.txt", "pip\n")
    training(anywhere, "seen = sys.argv[1:]", hyperparameters={"a": "b c *"})
    result = succeeded(anywhere.run()).step_results["train"]
    assert json.loads(archive(result.outputs["model"] / "model.tar.gz")["model.json"]) == ["-a", "b c *"]
    assert "Requirement already satisfied: pip" in result.log.read_text()
    anywhere.write("scripts/requirements.txt", "no-such-package-anywhere==1\n")
    assert "pip could not install no-such-package-anywhere==1" in anywhere.run().step_results["train"].why


def test_checkpoints_are_kept_over_a_retry(anywhere):
    """What a failed attempt left in /opt/ml/checkpoints is there in the next one; its model is not."""
    anywhere.step(
        "train",
        "kept = tree(ML / 'checkpoints') + tree(ML / 'model'); (ML / 'checkpoints/epoch-1').touch()\n"
        "(ML / 'checkpoints/best/b').touch(); (ML / 'model/m').write_text(json.dumps(kept)); sys.exit(not kept[1:])",
        outputs={"model": {"path": "/opt/ml/model"}, "best": {"path": "/opt/ml/checkpoints/best"}},
        kind="Training",
        retries=1,
    )
    result = succeeded(anywhere.run()).step_results["train"]
    assert result.attempts == 2
    kept = json.loads(archive(result.outputs["model"] / "model.tar.gz")["m"])
    assert kept == ["best", "best/b", "epoch-1"]
    assert [file.name for file in result.outputs["best"].iterdir()] == ["b"]


def test_outputs_below_the_model(anywhere):
    """Outputs below /opt/ml/model travel in one archive, with what lies beside them and with empty folders."""
    anywhere.step(
        "train",
        "(ML / 'model/m').touch(); (ML / 'model/weights/w').touch(); (ML / 'model/empty').mkdir()",
        outputs={"weights": {"path": "/opt/ml/model/weights"}},
        kind="Training",
    )
    result = succeeded(anywhere.run()).step_results["train"]
    with tarfile.open(result.outputs["weights"] / "model.tar.gz") as tar:
        assert sorted(tar.getnames()) == ["empty", "m", "weights/w"]

"""What a container shows, compared key by key with what AWS documents, on every engine."""

import json
import re
import tarfile
from pathlib import Path

import pytest
from small_pipeline import SmallPipeline, said, succeeded

PROBE = Path(__file__).with_name("probe.py").read_text()
JOB_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"

# Variables that are the image's, the engine's or the interpreter's own, not the job's. None of them is AWS's.
NOT_THE_JOB_S = {
    *("PATH", "HOME", "HOSTNAME", "PWD", "LANG", "LC_ALL", "LC_CTYPE", "GPG_KEY", "OMP_NUM_THREADS"),
    *(f"PYTHON{name}" for name in ("DONTWRITEBYTECODE", "UNBUFFERED", "IOENCODING", "_VERSION", "_SHA256")),
}


def probe(small: SmallPipeline, name: str, **said) -> None:
    small.step(name, **said)
    small.write(f"scripts/{name}.py", PROBE)


def processed(small: SmallPipeline, **more) -> dict:
    small.step("first", "say('x'); (OUT / 'out/sub').mkdir(); say('y', name='sub/y')")
    given = {"reads": {"data": "first:out"}, "outputs": {"out": {}, "report": {"required": False}}}
    probe(small, "probe", **given, **more)
    return json.loads(said(succeeded(small.run()).step_results["probe"], "out", "dump.json"))


def trained(small: SmallPipeline, **more) -> dict:
    small.step("first", "(OUT / 'out/train').mkdir(); say('x', name='train/x')")
    contract = {"inputs": {"train": {"path": "/opt/ml/input/data"}}, "outputs": {"model": {"path": "/opt/ml/model"}}}
    probe(small, "probe", reads={"train": "first:out"}, kind="Training", **contract, **more)
    step = succeeded(small.run()).step_results["probe"]
    with tarfile.open(step.outputs["model"] / "model.tar.gz") as tar:
        return json.load(tar.extractfile("dump.json"))


def variables(dump: dict) -> dict[str, str]:
    return {name: value for name, value in dump["environment"].items() if name not in NOT_THE_JOB_S}


def test_the_files_of_a_processing_job(anywhere):
    """Input, code, outputs that exist beforehand, settings and the folder of the message; nothing of a training job."""
    assert processed(anywhere)["tree"] == [
        *("/opt/ml/config/", "/opt/ml/config/processingjobconfig.json", "/opt/ml/config/resourceconfig.json"),
        *("/opt/ml/output/", "/opt/ml/processing/", "/opt/ml/processing/input/", "/opt/ml/processing/input/code/"),
        *("/opt/ml/processing/input/code/probe.py", "/opt/ml/processing/input/data/"),
        *("/opt/ml/processing/input/data/said", "/opt/ml/processing/input/data/sub/"),
        *("/opt/ml/processing/input/data/sub/y", "/opt/ml/processing/output/", "/opt/ml/processing/output/out/"),
        "/opt/ml/processing/output/report/",
    ]


def test_the_settings_of_a_processing_job(anywhere):
    """processingjobconfig.json has exactly AWS's keys at every level, resourceconfig.json the host and all hosts."""
    dump = processed(anywhere, arguments=["--a", "b c"], env={"MODE": "x"}, timeout="1h")
    assert dump["config"].keys() == {"processingjobconfig.json", "resourceconfig.json"}
    assert dump["config"]["resourceconfig.json"] == {"current_host": "algo-1", "hosts": ["algo-1"]}
    job = dump["config"]["processingjobconfig.json"]
    assert job.keys() == {
        *("ProcessingJobArn", "ProcessingJobName", "AppSpecification", "Environment", "ProcessingInputs"),
        *("ProcessingOutputConfig", "ProcessingResources", "RoleArn", "StoppingCondition"),
    }
    assert re.fullmatch(JOB_NAME, job["ProcessingJobName"])
    assert re.fullmatch(r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:processing-job/.*", job["ProcessingJobArn"])
    assert job["ProcessingJobArn"].endswith("/" + job["ProcessingJobName"])
    app = job["AppSpecification"]
    assert app.keys() == {"ImageUri", "ContainerEntrypoint", "ContainerArguments"}
    assert (app["ContainerEntrypoint"], app["ContainerArguments"]) == (
        ["python3", "/opt/ml/processing/input/code/probe.py"],
        ["--a", "b c"],
    )
    assert job["Environment"] == {"MODE": "x"}
    assert {one["InputName"]: one["S3Input"].pop("LocalPath") for one in job["ProcessingInputs"]} == {
        "data": "/opt/ml/processing/input/data",
        "code": "/opt/ml/processing/input/code",
    }
    for one in job["ProcessingInputs"]:
        assert one["S3Input"].pop("S3Uri").startswith("s3://")
        assert one["S3Input"] == {
            "S3DataDistributionType": "FullyReplicated",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3CompressionType": "None",
            "S3DownloadMode": "StartOfJob",
        }
    outputs = job["ProcessingOutputConfig"]
    assert (outputs.keys(), outputs["KmsKeyId"]) == ({"Outputs", "KmsKeyId"}, None)
    for one in outputs["Outputs"]:
        assert one.keys() == {"OutputName", "S3Output"}
        assert one["S3Output"].pop("S3Uri").startswith("s3://")
        path = f"/opt/ml/processing/output/{one['OutputName']}"
        assert one["S3Output"] == {"LocalPath": path, "S3UploadMode": "EndOfJob"}
    cluster = job["ProcessingResources"]["ClusterConfig"]
    assert cluster.keys() == {"InstanceCount", "InstanceType", "VolumeSizeInGB", "VolumeKmsKeyId"}
    assert (cluster["InstanceCount"], cluster["VolumeKmsKeyId"]) == (1, None)
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}


def test_what_was_not_given_to_a_processing_job(anywhere):
    """Arguments that nobody gave are null."""
    job = processed(anywhere)["config"]["processingjobconfig.json"]
    assert job["AppSpecification"]["ContainerArguments"] is None


def test_the_environment_of_a_processing_job(anywhere, monkeypatch):
    """Exactly the declared variables are there: none of the host's, of the toolkit's or of a training job's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "do-not-leak")
    monkeypatch.setenv("SM_MODEL_DIR", "do-not-leak")
    assert variables(processed(anywhere, env={"MODE": "x", "EMPTY": ""})) == {"MODE": "x", "EMPTY": ""}


def test_how_a_processing_job_starts(anywhere):
    """No shell reads the arguments; the host is algo-1, which has an address though there is no network."""
    dump = processed(anywhere, arguments=["*", "$HOME", ""])
    assert dump["arguments"] == ["/opt/ml/processing/input/code/probe.py", "*", "$HOME", ""]
    assert (dump["folder"], dump["host"], bool(dump["algo-1"])) == ("/", "algo-1", True)
    assert dump["writable"] == ["/opt/ml/output", "/tmp", "/opt/ml/processing/output/out"]


def test_the_files_of_a_training_job(anywhere):
    """One folder a channel, three settings, and the folders of code, model, output data and checkpoints."""
    tree = trained(anywhere)["tree"]
    code = {"/opt/ml/code/first.py", "/opt/ml/code/probe.py"}
    assert {one for one in tree if not one.endswith("/")} == code | {
        *(f"/opt/ml/input/config/{name}.json" for name in ("hyperparameters", "inputdataconfig", "resourceconfig")),
        "/opt/ml/input/data/train/train/x",
    }
    assert {one for one in tree if one.endswith("/")} == {
        *("/opt/ml/code/", "/opt/ml/input/", "/opt/ml/input/config/", "/opt/ml/input/data/"),
        *("/opt/ml/input/data/train/", "/opt/ml/input/data/train/train/", "/opt/ml/model/"),
        *("/opt/ml/output/", "/opt/ml/output/data/", "/opt/ml/checkpoints/"),
    }


def test_the_settings_of_a_training_job(anywhere):
    """The three files have AWS's keys, and every hyperparameter is a string."""
    dump = trained(anywhere, hyperparameters={"depth": 6, "eta": 0.2, "objective": "reg:squarederror"})
    assert dump["config"] is None
    assert dump["input_config"]["hyperparameters.json"] == {
        "depth": "6",
        "eta": "0.2",
        "objective": "reg:squarederror",
    }
    assert dump["input_config"]["inputdataconfig.json"] == {
        "train": {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    }
    hosts = dump["input_config"]["resourceconfig.json"]
    assert (hosts["current_host"], hosts["hosts"], hosts["network_interface_name"]) == ("algo-1", ["algo-1"], "eth0")


def test_the_environment_of_a_training_job(in_docker):
    """An image that starts itself has its name, its ARN and the declared variables, and no SM_*."""
    in_docker.write("data/probe.py", PROBE)
    in_docker.step(
        "probe",
        reads={"train": "./data"},
        inputs={"train": {"path": "/opt/ml/input/data/train"}},
        outputs={"model": {"path": "/opt/ml/model"}},
        kind="Training",
        start="image",
        env={"MODE": "x"},
        arguments=["python3", "/opt/ml/input/data/train/probe.py"],
    )
    step = succeeded(in_docker.run()).step_results["probe"]
    with tarfile.open(step.outputs["model"] / "model.tar.gz") as tar:
        found = variables(json.load(tar.extractfile("dump.json")))
    assert found.keys() == {"MODE", "TRAINING_JOB_NAME", "TRAINING_JOB_ARN"}
    are_name_and_arn(found)


def test_the_environment_of_script_mode(anywhere):
    """A script finds the variables of the toolkit besides, on every engine."""
    found = variables(trained(anywhere, env={"MODE": "x"}))
    assert {name for name in found if not name.startswith("SM_")} == {
        *("MODE", "TRAINING_JOB_NAME", "TRAINING_JOB_ARN"),
        *("CURRENT_HOST", "SAGEMAKER_JOB_NAME", "SAGEMAKER_REGION"),
    }
    are_name_and_arn(found)
    assert found["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert json.loads(found["SM_TRAINING_ENV"])["job_name"] == found["TRAINING_JOB_NAME"]


@pytest.mark.docker
@pytest.mark.images
@pytest.mark.parametrize("dump_of", [processed, trained])
def test_the_engines_agree(tmp_path, local, image, dump_of):
    """The same probe sees the same on the docker and the local engine, but for the image: its name and variables."""
    dumps = []
    for engine in ("docker", "local"):
        dump = dump_of(SmallPipeline(tmp_path / engine, engine, image if engine == "docker" else None))
        name = (
            dump["environment"].get("TRAINING_JOB_NAME")
            or (dump["config"]["processingjobconfig.json"]["ProcessingJobName"])
        )
        run = name.removeprefix("probe-")
        dump = json.loads(json.dumps(dump | {"environment": variables(dump)}).replace(run, "RUN"))
        if dump["config"]:
            named = dump["config"]["processingjobconfig.json"]["AppSpecification"].pop("ImageUri")
            assert named == (image if engine == "docker" else None)
        dumps.append(dump)
    assert dumps[0] == dumps[1]


def are_name_and_arn(found: dict[str, str]) -> None:
    assert re.fullmatch(JOB_NAME, found["TRAINING_JOB_NAME"])
    assert re.fullmatch(r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:training-job/.*", found["TRAINING_JOB_ARN"])
    assert found["TRAINING_JOB_ARN"].endswith("/" + found["TRAINING_JOB_NAME"])

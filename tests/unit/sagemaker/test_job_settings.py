"""The settings that a job's container is given, compared with what AWS documents, key by key."""

import json
import re
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedOutput, PlannedStep, Setting
from cursus_sandbox.pipeline.source import Located, StepOutput
from cursus_sandbox.sagemaker.configuration import processing_configuration, training_configuration
from cursus_sandbox.sagemaker.hosts import Host, hosts
from cursus_sandbox.sagemaker.identity import JobIdentity

IDENTITY = JobIdentity("prepare", "20261123-224042-387")


def planned(kind=StepKind.PROCESSING, **fields):
    return PlannedStep(**{"name": "prepare", "step_type": "Prepare", "kind": kind, **fields})


def bound(channel, path, source, parts=()):
    return PlannedInput(channel=channel, path=PurePosixPath(path), source=source, reason="pinned", parts=parts)


def processing(step, host=Host(), entrypoint=(), arguments=()):
    files = processing_configuration(step, IDENTITY, host, entrypoint=entrypoint, arguments=arguments)
    return {name: json.loads(text) for name, text in files.items()}


def training(step, host=Host()):
    return {name: json.loads(text) for name, text in training_configuration(step, host, step.hyperparameters).items()}


def test_a_processing_job():
    """All that AWS's example has is there, under the same keys, and nothing else."""
    step = planned(
        image="xgb:latest",
        environment={"KEY": Setting(value="VALUE", origin="step")},
        timeout=90.5,
        inputs=(bound("rows", "/opt/ml/processing/input/rows", StepOutput(step="load", channel="data")),),
        outputs=(
            PlannedOutput(channel="table", path=PurePosixPath("/opt/ml/processing/output/table")),
            PlannedOutput(channel="nowhere"),
        ),
    )
    assert processing(step, entrypoint=["python3", "a.py"], arguments=["--x"])["processingjobconfig.json"] == {
        "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:000000000000:processing-job/prepare-20261123-224042-387",
        "ProcessingJobName": "prepare-20261123-224042-387",
        "AppSpecification": {
            "ImageUri": "xgb:latest",
            "ContainerEntrypoint": ["python3", "a.py"],
            "ContainerArguments": ["--x"],
        },
        "Environment": {"KEY": "VALUE"},
        "ProcessingInputs": [
            {
                "InputName": "rows",
                "S3Input": {
                    "LocalPath": "/opt/ml/processing/input/rows",
                    "S3Uri": "s3://cursus-sandbox/20261123-224042-387/load/data",
                    "S3DataDistributionType": "FullyReplicated",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                    "S3CompressionType": "None",
                    "S3DownloadMode": "StartOfJob",
                },
            }
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "table",
                    "S3Output": {
                        "LocalPath": "/opt/ml/processing/output/table",
                        "S3Uri": "s3://cursus-sandbox/20261123-224042-387/prepare/table",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ],
            "KmsKeyId": None,
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.xlarge",
                "VolumeSizeInGB": 30,
                "VolumeKmsKeyId": None,
            }
        },
        "RoleArn": "arn:aws:iam::000000000000:role/cursus-sandbox",
        "StoppingCondition": {"MaxRuntimeInSeconds": 91},
    }


def test_what_was_not_given_is_null():
    """Without entry point and arguments both are null, and the longest run is AWS's day."""
    job = processing(planned())["processingjobconfig.json"]
    assert job["AppSpecification"] == {"ImageUri": None, "ContainerEntrypoint": None, "ContainerArguments": None}
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert (job["ProcessingInputs"], job["ProcessingOutputConfig"]["Outputs"]) == ([], [])


def test_the_disk_of_a_processing_job():
    """A job is told of a disk of the size that its configuration asks for."""
    job = processing(planned(volume_size=111))["processingjobconfig.json"]
    assert job["ProcessingResources"]["ClusterConfig"]["VolumeSizeInGB"] == 111


def test_the_hosts_of_a_processing_job():
    """Each host is told its own name and all names in order, and nothing else; the job knows how many there are."""
    files = [processing(planned(), host) for host in hosts(3, "ml.m5.large")]
    assert [one["resourceconfig.json"] for one in files] == [
        {"current_host": f"algo-{number}", "hosts": ["algo-1", "algo-2", "algo-3"]} for number in (1, 2, 3)
    ]
    cluster = files[0]["processingjobconfig.json"]["ProcessingResources"]["ClusterConfig"]
    assert (cluster["InstanceCount"], cluster["InstanceType"]) == (3, "ml.m5.large")


def test_the_hosts_of_a_training_job():
    """A training job's hosts know their instance type, their group and the network interface as well."""
    _, second = hosts(2, "ml.m5.large")
    assert training(planned(StepKind.TRAINING), second)["resourceconfig.json"] == {
        "current_host": "algo-2",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1", "algo-2"],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": "ml.m5.large",
                "hosts": ["algo-1", "algo-2"],
            }
        ],
        "network_interface_name": "eth0",
    }


def test_the_channels_of_a_training_job():
    """Each channel has AWS's keys; the one for the distribution is not called as in a processing job."""
    given = Located(path=Path("rows"))
    step = planned(
        StepKind.TRAINING,
        hyperparameters={"eta": "0.1"},
        inputs=(
            bound("input_path", "/opt/ml/input/data", given, ("train", "val")),
            bound("start", "/opt/ml/input/data/start/deep", given),
            bound("settings", "/opt/ml/code/hyperparams", given),
        ),
    )
    files = training(step)
    assert set(files) == {"hyperparameters.json", "inputdataconfig.json", "resourceconfig.json"}
    assert files["hyperparameters.json"] == {"eta": "0.1"}
    channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    assert files["inputdataconfig.json"] == dict.fromkeys(("train", "val", "start"), channel)


@pytest.mark.parametrize(
    ("step", "run", "name"),
    [
        ("XGBoostTraining", "20261123-224042-387", "XGBoostTraining-20261123-224042-387"),
        ("Model_Eval.v2__x", "20261123-224042-387-2", "Model-Eval-v2-x-20261123-224042-387-2"),
        ("s" * 100, "20261123-224042-387", "s" * 43 + "-20261123-224042-387"),
        ("s" * 42 + "_x", "20261123-224042-387", "s" * 42 + "-20261123-224042-387"),
        ("step", "r" * 100, "r" * 63),
    ],
)
def test_job_names(step, run, name):
    """A job's name is one that AWS takes: letters, digits and single hyphens, at most 63, and the run's is whole."""
    identity = JobIdentity(step, run)
    assert identity.name == name
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", identity.name)
    assert identity.arn(StepKind.TRAINING) == f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}"

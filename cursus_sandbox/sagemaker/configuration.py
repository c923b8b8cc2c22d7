"""The JSON files SageMaker leaves in a container: /opt/ml/config (Processing) and /opt/ml/input/config (Training).

Sources: "How Amazon SageMaker AI Configures Input and Output For Your Processing Container", "How Amazon SageMaker AI
Provides Training Information"; the keys of a training job's resourceconfig.json also as the sagemaker-training toolkit
reads them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Distribution
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep
from cursus_sandbox.pipeline.source import Located
from cursus_sandbox.sagemaker.hosts import Host
from cursus_sandbox.sagemaker.identity import ROLE, JobIdentity

_GROUP = "homogeneousCluster"
_DATA = PurePosixPath("/opt/ml/input/data")
_VOLUME = 30  # GB, when nobody says: as in AWS's example
_LONGEST_RUN = 86400  # seconds: StoppingCondition, when none is given


def processing_configuration(
    step: PlannedStep,
    identity: JobIdentity,
    host: Host,
    *,
    entrypoint: Sequence[str],
    arguments: Sequence[str],
    code: Iterable[tuple[str, PurePosixPath, str]] = (),
) -> dict[str, str]:
    """File name to content. `code` are the inputs that bring the code, besides the step's: name, path and S3 URI.

    What was not given is null, as in AWS's example, and not absent. The image is null where the step names none.
    """
    brought = [
        (one.channel, one.path, identity.source_uri(one.source), one.distribution, _data_type(one))
        for one in step.inputs
    ]
    brought += [(name, path, uri, Distribution.REPLICATED, "S3Prefix") for name, path, uri in code]
    return _written(
        {
            "processingjobconfig.json": {
                "ProcessingJobArn": identity.arn(StepKind.PROCESSING),
                "ProcessingJobName": identity.name,
                "AppSpecification": {
                    "ImageUri": step.image,
                    "ContainerEntrypoint": list(entrypoint) or None,
                    "ContainerArguments": list(arguments) or None,
                },
                "Environment": {name: setting.value for name, setting in step.environment.items()},
                "ProcessingInputs": [
                    {
                        "InputName": name,
                        "S3Input": {
                            "LocalPath": str(path),
                            "S3Uri": uri,
                            "S3DataDistributionType": distribution,
                            "S3DataType": data_type,
                            "S3InputMode": "File",
                            "S3CompressionType": "None",
                            "S3DownloadMode": "StartOfJob",
                        },
                    }
                    for name, path, uri, distribution, data_type in brought
                ],
                "ProcessingOutputConfig": {
                    "Outputs": [
                        {
                            "OutputName": one.channel,
                            "S3Output": {
                                "LocalPath": str(one.path),
                                "S3Uri": identity.output_uri(one.channel),
                                "S3UploadMode": one.upload_mode,
                            },
                        }
                        for one in step.outputs
                        if one.path is not None
                    ],
                    "KmsKeyId": None,
                },
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceCount": len(host.all),
                        "InstanceType": host.instance_type,
                        "VolumeSizeInGB": step.volume_size or _VOLUME,
                        "VolumeKmsKeyId": None,
                    }
                },
                "RoleArn": ROLE,
                "StoppingCondition": {"MaxRuntimeInSeconds": math.ceil(step.timeout or _LONGEST_RUN)},
            },
            "resourceconfig.json": {"current_host": host.name, "hosts": list(host.all)},
        }
    )


def training_configuration(step: PlannedStep, host: Host, hyperparameters: Mapping[str, str]) -> dict[str, str]:
    """File name to content; in hyperparameters.json every value is a string, as CreateTrainingJob takes them."""
    return _written(
        {
            "hyperparameters.json": hyperparameters,
            "inputdataconfig.json": input_data_config(step),
            "resourceconfig.json": resource_config(host),
        }
    )


def input_data_config(step: PlannedStep) -> dict[str, Any]:
    """Each training channel, and how it is brought."""
    return {
        channel: {
            "TrainingInputMode": "File",
            "S3DistributionType": one.distribution,
            "RecordWrapperType": "None",
        }
        for one in step.inputs
        for channel in training_channels(one)
    }


def resource_config(host: Host) -> dict[str, Any]:
    """The hosts of a training job, as one of them is told."""
    group = {"instance_group_name": _GROUP, "instance_type": host.instance_type, "hosts": list(host.all)}
    return {
        "current_host": host.name,
        "current_instance_type": host.instance_type,
        "current_group_name": _GROUP,
        "hosts": list(host.all),
        "instance_groups": [group],
        "network_interface_name": "eth0",
    }


def training_channels(one: PlannedInput) -> tuple[str, ...]:
    """The training channels an input becomes: its parts, else the folder below /opt/ml/input/data, else none."""
    if one.parts:
        return one.parts
    if one.path != _DATA and one.path.is_relative_to(_DATA):
        return (one.path.relative_to(_DATA).parts[0],)
    return ()


def _data_type(one: PlannedInput) -> str:
    return "ManifestFile" if isinstance(one.source, Located) and one.source.is_manifest else "S3Prefix"


def _written(contents: dict[str, Any]) -> dict[str, str]:
    return {name: json.dumps(content, indent=2, sort_keys=True) + "\n" for name, content in contents.items()}

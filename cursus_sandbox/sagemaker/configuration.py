"""The JSON files SageMaker leaves in /opt/ml/input/config of a training container."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep

HOST = "algo-1"
_INSTANCE_TYPE = "ml.m5.xlarge"
_GROUP = "homogeneousCluster"
_DATA = PurePosixPath("/opt/ml/input/data")


def training_configuration(step: PlannedStep) -> dict[str, str]:
    """File name to content; in hyperparameters.json every value is a string, as CreateTrainingJob takes them."""
    contents: dict[str, Any] = {
        "hyperparameters.json": step.hyperparameters,
        "inputdataconfig.json": {
            channel: {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            for one in step.inputs
            for channel in training_channels(one)
        },
        "resourceconfig.json": {
            "current_host": HOST,
            "current_instance_type": _INSTANCE_TYPE,
            "current_group_name": _GROUP,
            "hosts": [HOST],
            "instance_groups": [
                {"instance_group_name": _GROUP, "instance_type": _INSTANCE_TYPE, "hosts": [HOST]},
            ],
            "network_interface_name": "eth0",
        },
    }
    return {name: json.dumps(content, indent=2, sort_keys=True) + "\n" for name, content in contents.items()}


def training_channels(one: PlannedInput) -> tuple[str, ...]:
    """The training channels an input becomes: its parts, else the folder below /opt/ml/input/data, else none."""
    if one.parts:
        return one.parts
    if one.path != _DATA and one.path.is_relative_to(_DATA):
        return (one.path.relative_to(_DATA).parts[0],)
    return ()

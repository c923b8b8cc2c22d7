"""The variables of a script, as the sagemaker-training toolkit (5.1.4, `environment.py`) sets them to run it.

The platform itself sets none of them: an image without the toolkit has no script mode, and no such variables. Of the
toolkit's, PYTHONPATH alone is missing: it is the search path of the image's own Python, which isn't known here.
"""

from __future__ import annotations

import json
import os
from typing import Any

from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.configuration import input_data_config, resource_config, training_channels
from cursus_sandbox.sagemaker.hosts import Host
from cursus_sandbox.sagemaker.hyperparameters import decoded, framework_parameters, of_platform, options
from cursus_sandbox.sagemaker.identity import REGION

_ML = "/opt/ml"
_INSIDE = {  # said in SM_TRAINING_ENV alone
    *("channel_input_dirs", "distribution_hosts", "is_master", "is_modelparallel_enabled", "is_smddpmprun_installed"),
    *("is_smddprun_installed", "job_name", "master_hostname", "topology"),
}
_CALLED = {"hyperparameters": "hps", "additional_framework_parameters": "framework_params"}
_INFO = 20  # the level of the log


def toolkit_variables(step: PlannedStep, job_name: str, host: Host = Host()) -> dict[str, str]:
    """Name to text: SM_*, texts as they are, nothing for None, JSON for all else; and the three that have no SM_.

    Those are of what an SDK's estimator adds to the hyperparameters, where these don't say it themselves.
    """
    known = _training_environment(step, job_name, host)
    found = {_CALLED.get(name, name): value for name, value in known.items() if name not in _INSIDE}
    found |= {
        "training_env": known,
        "channels": sorted(known["channel_input_dirs"]),
        "user_args": list(options(step.hyperparameters)),
    }
    found |= {f"channel_{name}": path for name, path in known["channel_input_dirs"].items()}
    found |= {f"hp_{name}": value for name, value in known["hyperparameters"].items()}
    said = {"sagemaker_job_name": job_name, "sagemaker_region": REGION} | of_platform(step.hyperparameters)
    return {f"SM_{name.upper()}": _text(value) for name, value in found.items() if "=" not in name} | {
        "CURRENT_HOST": host.name,
        **{name.upper(): _text(said[name]) for name in ("sagemaker_job_name", "sagemaker_region")},
    }


def _training_environment(step: PlannedStep, job_name: str, host: Host) -> dict[str, Any]:
    """What the toolkit knows of the job, under its own names."""
    resources = resource_config(host)
    groups = {group["instance_group_name"]: group for group in resources["instance_groups"]}
    current = resources["current_group_name"]
    return {
        "additional_framework_parameters": framework_parameters(step.hyperparameters),
        "channel_input_dirs": {
            name: f"{_ML}/input/data/{name}" for one in step.inputs for name in training_channels(one)
        },
        "current_host": host.name,
        "current_instance_group": current,
        "current_instance_group_hosts": groups[current]["hosts"],
        "current_instance_type": host.instance_type,
        "distribution_hosts": [],
        "distribution_instance_groups": [],
        "framework_module": None,
        "hosts": list(host.all),
        "hyperparameters": decoded(step.hyperparameters),
        "input_config_dir": f"{_ML}/input/config",
        "input_data_config": input_data_config(step),
        "input_dir": f"{_ML}/input",
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": False,
        "is_master": host.name == host.all[0],
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": job_name,
        "log_level": _INFO,
        "master_hostname": host.all[0],
        "model_dir": f"{_ML}/model",
        "module_dir": f"{_ML}/code",
        "module_name": (step.entry_point or "").removesuffix(".py"),
        "network_interface_name": resources["network_interface_name"],
        "num_cpus": int(step.resources.cpus or os.cpu_count() or 1),
        "num_gpus": step.resources.gpus or 0,
        "num_neurons": 0,
        "output_data_dir": f"{_ML}/output/data",
        "output_dir": f"{_ML}/output",
        "output_intermediate_dir": f"{_ML}/output/intermediate",
        "resource_config": resources,
        "topology": [],
        "user_entry_point": step.entry_point,
    }


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, sort_keys=True, separators=(",", ":"))

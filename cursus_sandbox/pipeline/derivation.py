"""What a step's configuration makes of its environment, its job type and its script, as Cursus derives them.

The general rule is `BasePipelineConfig.get_environment_variables` (cursus/core/base/config_base.py): the variable NAME
is the value `name`, else `hyperparameters.name`. The exceptions are those of the classes in cursus/steps/configs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cursus_sandbox.pipeline.cursus_config import EffectiveConfig
from cursus_sandbox.pipeline.plan import Setting

_LABEL_FIELD_TYPES = frozenset({"ActiveSampleSelection", "ModelCalibration", "PseudoLabelMerge", "TSAModelCalibration"})
_RENAMED = {
    "AWS_DEFAULT_REGION": "aws_region",
    "BUCKET_NAME": "bucket",
    "CONTENT_TYPES": "source_model_inference_content_types",
    "EDX_DATASET_ARN": "edx_arn_base",
    "ID_FIELD": "id_name",
    "LABEL_FIELD": "label_name",
    "LABEL_FIELDS": "label_names",
    "MODEL_VERSION": "pipeline_version",
    "TASK1_LABEL_NAME": "label_name",
}
_AS_JSON = frozenset({"CURRENCY_CONVERSION_VARS", "EDX_OUTPUT_COLUMNS", "MULTICLASS_CATEGORIES"})
_WHILE_EMPTY_UNSET = frozenset({"EDX_MANIFEST_KEY_PARTS", "EDX_OUTPUT_COLUMNS", "FIELD_DEFAULTS"})
_EDX_PARTS = ("edx_provider", "edx_subject", "edx_dataset")
_EDX_ARN = re.compile(r'(arn:[^/]+/[^/]+/[^/]+/[^/]+)(?:/(?:\["([^"]+)"\]|(.+)))?')

# The `job_type` of Cursus' configuration classes when nobody sets it (cursus/steps/configs); all others have none.
_JOB_TYPES = {
    "ActiveSampleSelection": "ssl_selection",
    "TSAModelEval": "evaluation",
    **dict.fromkeys(
        (
            *("LightGBMMTModelEval", "LightGBMMTModelInference", "LightGBMModelEval", "LightGBMModelInference"),
            *("ModelCalibration", "ModelMetricsComputation", "PiperMetricGeneration", "TSAModelCalibration"),
            *("PyTorchModelEval", "PyTorchModelInference", "XGBoostModelEval", "XGBoostModelInference"),
            "XgboostMtModelEval",
        ),
        "calibration",
    ),
    **dict.fromkeys(
        (
            *("BedrockBatchProcessing", "BedrockProcessing", "CurrencyConversion", "DummyDataLoading"),
            *("FeatureSelection", "MissingValueImputation", "PseudoLabelMerge", "RiskTableMapping"),
            *("SlipboxKnowledgeRouting", "StratifiedSampling", "TemporalFeatureEngineering"),
            *("TemporalSequenceNormalization", "TokenizerTraining", "TSAPreprocessing"),
        ),
        "training",
    ),
}
_ENTRY_POINTS = ("processing_entry_point", "training_entry_point")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.py")
_ELSEWHERE = re.compile(r"(?:/(?!opt/ml(?:/|$))|~|[A-Za-z]:\\|[a-z][a-z0-9]*://).+")


def derived_environment(config: EffectiveConfig, step_type: str, declared: Iterable[str]) -> dict[str, Setting]:
    """The variables a configuration sets: of those declared, what the rules find; then its `env`.

    A value that names its variables itself (`environment_variables`, `bedrock_environment_variables`) is what Cursus
    has already derived with code that only Cursus has, and goes before the rules.
    """
    settings = {}
    for name in declared:
        found = _derived(config, step_type, name)
        if found is not None:
            settings[name] = found
    for key in sorted(config.values):
        if key.endswith("environment_variables"):
            settings |= _written(config, key)
    return settings | _written(config, "env")


def default_job_type(step_type: str) -> str | None:
    """The job type Cursus gives a step that has none."""
    return _JOB_TYPES.get(step_type)


def job_type_of(config: EffectiveConfig) -> str | None:
    """The job type a configuration is for."""
    value = config.values.get("job_type")
    return value if isinstance(value, str) and value else None


def entry_point_of(config: EffectiveConfig) -> tuple[str | None, str | None]:
    """The script a configuration names, if that is a file name and no path; else what to say of it."""
    for key in _ENTRY_POINTS:
        value = config.values.get(key)
        if not isinstance(value, str) or not value:
            continue
        if _FILE_NAME.fullmatch(value):
            return value, None
        return None, f"{config.origin(key)} is '{value}', no plain file name, and is not used"
    return None, None


def as_text(value: Any) -> str | None:
    """A value as Cursus writes it into an environment variable; None is none."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case list() | tuple():
            return ",".join(str(one) for one in value)
        case Mapping():
            return json.dumps(value)
        case _:
            return str(value)


def is_elsewhere(value: str) -> bool:
    """Whether a value looks like a path of the machine it was written on, or of a store that isn't here."""
    return _ELSEWHERE.fullmatch(value) is not None


def _derived(config: EffectiveConfig, step_type: str, name: str) -> Setting | None:
    values = config.values
    if name == "MULTICLASS_CATEGORIES" and values.get("is_binary", False):
        return None
    if name == "CA_REPOSITORY_ARN" and not values.get("use_secure_pypi", True):
        return None
    if name.startswith("EDX_") and (setting := _edx(config, name)) is not None:
        return setting
    own = name.lower()
    renamed = _RENAMED.get(name)
    names = [own] if renamed is None or (name == "LABEL_FIELD" and step_type in _LABEL_FIELD_TYPES) else [renamed, own]
    for key in names:
        if key in values and (key == own or values[key] is not None):
            return _setting(config, name, values[key], key)
    inner = values.get("hyperparameters")
    if isinstance(inner, Mapping):
        for key in names:
            if inner.get(key) is not None:
                return _setting(config, name, inner[key], "hyperparameters", key)
    return None


def _setting(config: EffectiveConfig, name: str, value: Any, *place: str) -> Setting | None:
    if name in _WHILE_EMPTY_UNSET and not value:
        return None
    text = json.dumps(value) if name in _AS_JSON and value is not None else as_text(value)
    return None if text is None else Setting(value=text, origin=config.origin(*place))


def _edx(config: EffectiveConfig, name: str) -> Setting | None:
    """A dataset's ARN and manifest key, which a configuration may keep in one text or in parts (EdxUploadingConfig)."""
    values = config.values
    arn = _EDX_ARN.fullmatch(str(values.get("edx_arn") or ""))
    match name:
        case "EDX_DATASET_ARN" if not values.get("edx_arn_base"):
            parts = [values.get(key) for key in _EDX_PARTS]
            if all(parts):
                text = f"arn:amazon:edx:iad::manifest/{'/'.join(map(str, parts))}"
                return Setting(value=text, origin=config.origin(_EDX_PARTS[0]))
            return Setting(value=arn[1], origin=config.origin("edx_arn")) if arn else None
        case "EDX_MANIFEST_KEY" if not values.get("edx_manifest_key") and arn and (arn[2] or arn[3]):
            return Setting(value=arn[2] or arn[3], origin=config.origin("edx_arn"))
        case _:
            return None


def _written(config: EffectiveConfig, key: str) -> dict[str, Setting]:
    """The variables that a mapping of the configuration names itself."""
    written = config.values.get(key)
    if not isinstance(written, Mapping):
        return {}
    texts = {name: as_text(value) for name, value in written.items()}
    return {
        name: Setting(value=text, origin=config.origin(key, name)) for name, text in texts.items() if text is not None
    }

"""How long a step may run, and how long it has to end: SageMaker's values, where nobody says otherwise."""

from __future__ import annotations

from cursus_sandbox.pipeline.cursus_config import EffectiveConfig

RUNTIME = 86_400.0  # StoppingCondition.MaxRuntimeInSeconds, when a job is created without
GRACE = 120.0  # from TERM to KILL of a training job ("StopTrainingJob"); nothing is documented for the other kinds


def configured_runtime(config: EffectiveConfig | None) -> float | None:
    """The seconds a Cursus configuration gives its step (`max_runtime_seconds`), if that is a number of seconds."""
    value = config.values.get("max_runtime_seconds") if config else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        return None
    return float(value)

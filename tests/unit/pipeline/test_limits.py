"""How long a step may run, and how long it has to end."""

import pytest
from small import LOAD, contract, pipeline, plan

from cursus_sandbox.pipeline.cursus_config import CursusConfigs
from cursus_sandbox.pipeline.resolver import Resolver


def configured(values, **step):
    """A step planned with a configuration."""
    configs = CursusConfigs.of({"Fit": values})
    resolver = Resolver(pipeline({"Fit": step}), contracts={"Fit": contract("Fit")}, available_configs=configs)
    return resolver.create_execution_plan().steps[0]


def test_sagemakers_limits_are_the_default():
    """A step that nobody gives a time has SageMaker's day, and a training job's two minutes to end."""
    (step,) = plan({"Load": {}}, [LOAD]).steps
    assert (step.timeout, step.grace) == (86_400, 120)


def test_the_nearest_word_holds():
    """The step's own words go before the pipeline's."""
    own = {"timeout": "5m", "grace": "3s"}
    first, second = plan({"Load_a": {}, "Load_b": own}, [LOAD], timeout="1h", grace="10s").steps
    assert [(step.timeout, step.grace) for step in (first, second)] == [(3600, 10), (300, 3)]


@pytest.mark.parametrize(
    ("value", "seconds"), [(172_800, 172_800), (90.5, 90.5), ("soon", 86_400), (True, 86_400), (-1, 86_400)]
)
def test_a_configuration_says_how_long(value, seconds):
    """Cursus' max_runtime_seconds is the step's limit if it is a number of seconds."""
    assert configured({"max_runtime_seconds": value}).timeout == seconds


def test_the_document_goes_before_the_configuration():
    """What the document says holds, whatever the configuration says."""
    assert configured({"max_runtime_seconds": 60}, timeout="2m").timeout == 120

"""What becomes of hyperparameters: options of a script, and what script mode adds to them."""

import pytest

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Encoding
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.hyperparameters import options, script_mode
from cursus_sandbox.sagemaker.identity import JobIdentity


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("6", "6"),
        ("0.10", "0.1"),
        ("late", "late"),
        ('"late"', "late"),
        ("true", "True"),
        ("True", "True"),
        ("null", ""),
        ('["a", 1]', "['a', 1]"),
        ('{"b": 1, "a": [2]}', "a=[2],b=1"),
        ("{broken", "{broken"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_words(text, word):
    """A value reaches the script as the toolkit writes it: JSON is read, and written as Python does."""
    assert list(options({"name": text})) == ["--name", word]


def test_options():
    """Options are sorted by name; one letter gets one dash; the platform's own are left out."""
    given = {
        "n": "1",
        "eta": "2",
        "batch-size": "3",
        "sagemaker_program": "x.py",
        "sagemaker_mpi_enabled": "true",
        "default_user_module_name": "x",
        "_tuning_objective_metric": "auc",
    }
    assert list(options(given)) == ["--batch-size", "3", "--eta", "2", "-n", "1"]


@pytest.mark.parametrize(
    ("encoding", "program", "level"), [(Encoding.PLAIN, "train.py", "20"), (Encoding.JSON, '"train.py"', "20")]
)
def test_script_mode(encoding, program, level):
    """The toolkit is told its script, the folder and the job, in the step's encoding; what the step says counts."""
    step = PlannedStep(
        name="train",
        step_type="Train",
        kind=StepKind.TRAINING,
        entry_point="train.py",
        hyperparameters={"eta": "1", "sagemaker_region": "mine"},
        encoding=encoding,
    )
    told = script_mode(step, JobIdentity("train", "run"), "/opt/ml/code")
    assert (told["sagemaker_program"], told["sagemaker_container_log_level"]) == (program, level)
    assert set(told) == {
        *("eta", "sagemaker_region", "sagemaker_program", "sagemaker_submit_directory"),
        *("sagemaker_container_log_level", "sagemaker_job_name"),
    }
    assert told["sagemaker_region"] == "mine"

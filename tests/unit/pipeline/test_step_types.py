"""How a node's name finds its contract and its job type."""

import pytest
from small import LOAD, contract, plan, problems

from cursus_sandbox.pipeline.resolver import step_type_of

KNOWN = ["Training", "XGBoostTraining", "Model", "Model_Eval", "Model_Eval_Slow"]


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ("Training", ("Training", None)),
        ("Training_calibration", ("Training", "calibration")),
        ("Model_Eval", ("Model_Eval", None)),
        ("Model_Eval_calibration", ("Model_Eval", "calibration")),
        ("Model_Eval_Slow_x_y", ("Model_Eval_Slow", "x_y")),
        ("Model_evaluation", ("Model", "evaluation")),
        ("Training_any-word.you_like", ("Training", "any-word.you_like")),
        ("Training_", ("Training", None)),
        ("TrainingX", None),
        ("training", None),
        ("_Training", None),
        ("", None),
    ],
)
def test_longest_known_type(node, found):
    """The longest known type that the name starts with, before a `_`, is its own; the rest, any word, the job type."""
    assert step_type_of(node, KNOWN) == found


def test_job_type_of_the_document_wins():
    """A step's own job_type stands over its name's suffix."""
    made = plan({"Load_training": {"job_type": "calibration"}, "Load_testing": {}, "Load": {}}, [LOAD])
    assert [step.job_type for step in made.steps] == ["calibration", "testing", None]


def test_named_contract():
    """A step of any name may say which contract it keeps to."""
    made = plan({"first": {"contract": "Load"}}, [LOAD])
    assert (made.steps[0].step_type, made.steps[0].job_type) == ("Load", None)


def test_unknown_types_are_all_named():
    """Every step without a contract is a problem with the nearest known type."""
    found = problems({"Lood_training": {}, "fine": {"contract": "Laod"}}, [LOAD, contract("Train")])
    assert [problem.at for problem in found] == [("steps", "Lood_training"), ("steps", "fine", "contract")]
    assert "'Laod' is no known step type" in found[1].what
    assert "Did you mean 'Load'?" in found[1].hint


def test_no_contract_at_all():
    """Without a single contract the hint says that none was found."""
    (found,) = problems({"Load": {}}, [])
    assert "No contract was found at all" in found.hint

"""How a node's name finds its contract and its job type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import LOAD, contract, plan, problems

from cursus_sandbox.pipeline.names import StepTypes, folded, pascal, snake

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
        ("training_calibration", ("Training", "calibration")),
        ("MODEL_EVAL_x", ("Model_Eval", "x")),
        ("ModelEvalSlow", ("Model_Eval_Slow", None)),
        ("xgboost_training", ("XGBoostTraining", None)),
        ("XgboostTraining_Late", ("XGBoostTraining", "Late")),
        ("XGBOOSTTraining", ("XGBoostTraining", None)),
        ("TrainingX", None),
        ("_", None),
        ("", None),
    ],
)
def test_longest_known_type(node, found):
    """The longest known type that the name starts with, before a `_`, is its own; the rest, any word, the job type."""
    named = StepTypes(KNOWN).of(node)
    assert (named.step_type, named.label) == (found or (None, None))


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
    """Without a single contract, the hint for one that is named says that none was found."""
    (found,) = problems({"first": {"contract": "Load"}}, [])
    assert "No contract was found at all" in found.hint


def test_types_that_fold_to_the_same():
    """Of two types with the same letters the one that is written exactly so is meant; else both are named."""
    types = [contract("XgboostFit"), contract("XGBoostFit")]
    assert plan({"XGBoostFit_a": {}}, types).steps[0].step_type == "XGBoostFit"
    (found,) = problems({"xgboost_fit_a": {}}, types)
    assert found.what == "step 'xgboost_fit_a': 'xgboost_fit_a' may stand for any of XgboostFit, XGBoostFit"
    assert found.hint == "Say which:  contract: XgboostFit"


def test_a_named_contract_is_found_like_a_node():
    """The contract that a step names may be written in any case, too."""
    assert plan({"first": {"contract": "load"}}, [LOAD]).steps[0].step_type == "Load"


@pytest.mark.parametrize(
    ("node", "meant"),
    [
        ("Lood_training", "Load"),
        ("Laod", "Load"),
        ("XGBoostTrainig_a_b", "XGBoostTraining"),
        ("xgbost_trainign", "XGBoostTraining"),
        ("CustomTraining", None),
        ("Lo", None),
        ("Unlike", None),
        ("Loadings", None),
    ],
)
def test_slips(node, meant):
    """A name that differs by one letter, or by one of each six, is taken for a slip; one that is merely alike isn't."""
    assert StepTypes(["Load", "XGBoostTraining", "DummyTraining"]).meant(node) == meant


WORDS = st.lists(st.sampled_from(["XGBoost", "PyTorch", "Model", "Training", "Eval", "TSA", "Mt", "A"]), min_size=1)


@given(WORDS)
def test_a_file_name_folds_to_its_step_type(words):
    """However a step type is made of words and acronyms, its files' name and the type made of that fold to the same."""
    step_type = "".join(words)
    assert folded(snake(step_type)) == folded(pascal(snake(step_type))) == folded(step_type)
    assert StepTypes([step_type]).of(f"{snake(step_type)}_late") == ((step_type,), "late")


@pytest.mark.parametrize(
    ("step_type", "stem"),
    [
        ("XGBoostModelEval", "xgboost_model_eval"),
        ("LightGBMMTTraining", "lightgbmmt_training"),
        ("PyTorchModel", "pytorch_model"),
        ("TSATraining", "tsa_training"),
        ("Load", "load"),
        ("MyStep2Go", "my_step2_go"),
    ],
)
def test_file_names(step_type, stem):
    """A step type's files are named as Cursus names them, compound acronyms in one word."""
    assert snake(step_type) == stem

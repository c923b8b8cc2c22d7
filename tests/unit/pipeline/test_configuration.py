"""What a step is told: environment, arguments, hyperparameters; and what the defaults say for it."""

from pathlib import Path

import pytest
from small import LOAD, contract, pipeline, plan, problems

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.resolver import Resolver
from cursus_sandbox.pipeline.values import WrittenFloat, WrittenInt

FLAGS = [
    {"flag": "--job_type", "source": "job_type"},
    {"flag": "--batch-size", "source": "bedrock_batch_size"},
    {"flag": "-v", "source": "verbosity"},
]


def written(number, text):
    number.text = text
    return number


def arguments(name="Load", *, job_arguments=(), described=None, **step):
    """The command line of one step."""
    made = contract("Load", job_arguments=job_arguments, arguments=described or {})
    return plan({name: step}, [made]).steps[0].arguments


def test_environment():
    """The contract's defaults, the pipeline's values over them and the step's over both, each with who said so."""
    step = contract("Load", optional_env_vars={"A": "1", "B": "1", "C": "1"}, required_env_vars=["D"])
    made = plan({"Load": {"env": {"C": "3", "D": "3"}}}, [step], env={"B": "2", "C": "2", "E": "2"})
    assert [(name, one.value, one.origin) for name, one in made.steps[0].environment.items()] == [
        ("A", "1", "contract"),
        ("B", "2", "pipeline"),
        ("C", "3", "step"),
        ("D", "3", "step"),
        ("E", "2", "pipeline"),
    ]


def test_empty_environment_value():
    """An empty text is a value: it satisfies a required variable and stands over a default."""
    step = contract("Load", optional_env_vars={"A": "1"}, required_env_vars=["D"])
    made = plan({"Load": {"env": {"A": "", "D": ""}}}, [step])
    assert {name: one.value for name, one in made.steps[0].environment.items()} == {"A": "", "D": ""}


def test_missing_environment():
    """All required variables that nothing sets are named in one problem, with how to set them."""
    step = contract("Load", required_env_vars=["ID_FIELD", "LABEL_FIELD", "MODE"])
    (problem,) = problems({"Load": {"env": {"MODE": "x"}}}, [step])
    assert problem.at == ("steps", "Load", "env")
    assert problem.what.endswith("environment variables ID_FIELD, LABEL_FIELD, and nothing sets them")
    assert "env: {ID_FIELD: …, LABEL_FIELD: …}" in problem.hint
    (problem,) = problems({"Load": {"env": {"MODE": "x", "LABLE_FIELD": "y"}}}, [step])
    assert problem.hint.endswith("Is it meant by LABLE_FIELD?")
    (problem,) = problems({"Load": {"env": {"MODE": "x"}, "secrets": {"LABLE_FIELD": "env:X"}}}, [step])
    assert problem.hint.endswith("Is it meant by LABLE_FIELD?")


def test_slips():
    """A variable or secret that is all but an optional one that nothing sets is noted; others may be anything."""
    load = contract("Load", optional_env_vars={"LABEL_FIELD": "late", "NUM_ROUNDS": "3", "A1": ""})
    other = contract("Other", optional_env_vars={"LABEL_FIELDS": ""})
    given = {"env": {"LABLE_FIELD": "x", "NUM_ROUND": "4", "NUM_ROUNDS": "5", "A2": "", "ELSE": ""}}
    said = "the variable LABLE_FIELD is not asked for by its contract. Did you mean 'LABEL_FIELD'?"
    assert plan({"Load": given}, [load]).steps[0].notes == (said,)
    steps = {"Load": {}, "Other": {"secrets": {"LABEL_FEILDS": "env:X"}}}
    first, second = plan(steps, [load, other], env={"NUM_ROUND": "1", "LABEL_FIELD": "y"}).steps
    assert first.notes == (
        "the variable NUM_ROUND is given to all steps, and no contract asks for it. Did you mean 'NUM_ROUNDS'?",
    )
    assert second.notes == ("the secret LABEL_FEILDS is not asked for by its contract. Did you mean 'LABEL_FIELDS'?",)


@pytest.mark.parametrize(
    ("name", "step", "words"),
    [
        ("Load", {}, ()),
        ("Load_training", {}, ("--job_type", "training")),
        ("Load_training", {"job_type": "x"}, ("--job_type", "x")),
        ("Load_training", {"arguments": {"job_type": "y"}}, ("--job_type", "y")),
        ("Load", {"arguments": {"batch-size": "5"}}, ("--batch-size", "5")),
        ("Load", {"arguments": {"--batch-size": "5"}}, ("--batch-size", "5")),
        ("Load", {"arguments": {"bedrock_batch_size": 5}}, ("--batch-size", "5")),
        ("Load", {"arguments": {"v": "2"}}, ("-v", "2")),
        ("Load", {"arguments": {"more": "1", "-m": "2"}}, ("--more", "1", "-m", "2")),
        ("Load_a", {"arguments": {"z": "1", "batch-size": "5"}}, ("--job_type", "a", "--batch-size", "5", "--z", "1")),
        ("Load_a", {"arguments": ["--more", "this"]}, ("--job_type", "a", "--more", "this")),
        ("Load_a", {"arguments": ["--job_type", "b", "x"]}, ("--job_type", "b", "x")),
        ("Load_a", {"arguments": ["--job_type=b"]}, ("--job_type=b",)),
        ("Load_a", {"arguments": ["job_type", "-1"]}, ("--job_type", "a", "job_type", "-1")),
        ("Load_a", {"arguments": []}, ()),
        ("Load_a", {"arguments": {}}, ("--job_type", "a")),
    ],
)
def test_job_arguments(name, step, words):
    """A contract's flag is there once it has a value: by flag, by source or from the job type.

    A list adds its words, with the flags in it in place of the contract's; an empty one leaves nothing.
    """
    assert arguments(name, job_arguments=FLAGS, **step) == words


def test_job_type_is_not_passed_unasked():
    """A script that declares no job type isn't given one."""
    assert arguments("Load_training") == ()


def test_contract_arguments():
    """A contract's other arguments come with their defaults, the step's values over them, with dashes or without."""
    described = {"epochs": "10", "batch-size": "how many at once (default: 10)", "lr": "0.1"}
    assert arguments(job_arguments=FLAGS, described=described) == ("--epochs", "10", "--lr", "0.1")
    given = {"--lr": "0.2", "seed": "7"}
    assert arguments(described={"epochs": "10", "lr": "0.1"}, arguments=given) == (
        *("--epochs", "10"),
        *("--lr", "0.2"),
        *("--seed", "7"),
    )
    assert arguments(described={"epochs": "10", "lr": "0.1"}, arguments=["--lr", "0.2", "--seed", "7"]) == (
        *("--epochs", "10"),
        *("--lr", "0.2"),
        *("--seed", "7"),
    )


def test_hyperparameters():
    """Each value becomes what Python's `str` makes of it, or its JSON if the step says so."""
    given = {
        "text": "a b",
        "digits": "010",
        "yes": True,
        "none": None,
        "list": [1, "a"],
        "mapping": {"a": [0.5]},
        "depth": written(WrittenInt(6), "6"),
        "eta": written(WrittenFloat(0.1), "0.10"),
        "nested": [written(WrittenFloat(0.001), "1.0e-3")],
    }
    fit = contract("Fit", sagemaker_step_type="Training")
    step = plan({"Fit": {"hyperparameters": given}}, [fit]).steps[0]
    assert step.hyperparameters == {
        "text": "a b",
        "digits": "010",
        "yes": "True",
        "none": "None",
        "list": "[1, 'a']",
        "mapping": "{'a': [0.5]}",
        "depth": "6",
        "eta": "0.1",
        "nested": "[0.001]",
    }
    step = plan({"Fit": {"hyperparameters": given, "hyperparameter_encoding": "json"}}, [fit]).steps[0]
    assert step.hyperparameters == {
        "text": '"a b"',
        "digits": '"010"',
        "yes": "true",
        "none": "null",
        "list": '[1, "a"]',
        "mapping": '{"a": [0.5]}',
        "depth": "6",
        "eta": "0.1",
        "nested": "[0.001]",
    }


@pytest.mark.parametrize(
    ("sdk_class", "said", "written"),
    [
        (None, None, ("plain", "True")),
        ("XGBoost", None, ("json", "true")),
        ("PyTorch", None, ("json", "true")),
        ("SKLearn", None, ("json", "true")),
        ("Estimator", None, ("plain", "True")),
        ("XGBoost", "plain", ("plain", "True")),
        (None, "json", ("json", "true")),
    ],
)
def test_the_encoding_is_the_sdk_s(sdk_class, said, written):
    """Hyperparameters are written as the SDK's class does it that the contract names, unless the step says how."""
    fit = contract("Fit", sagemaker_step_type="Training", sdk_class=sdk_class)
    step = plan({"Fit": {"hyperparameters": {"flag": True}, "hyperparameter_encoding": said}}, [fit]).steps[0]
    assert (step.encoding, step.hyperparameters["flag"]) == written


@pytest.mark.parametrize(
    ("verb", "said", "reader"),
    [
        ("Processing", {"hyperparameters": {"a": 1}}, "Training"),
        ("Processing", {"hyperparameter_encoding": "json"}, "Training"),
        ("Transform", {"hyperparameters": {"a": 1}}, "Training"),
        ("Processing", {"transform": {}}, "Transform"),
        ("Training", {"transform": {}}, "Transform"),
    ],
)
def test_what_a_step_never_reads(verb, said, reader):
    """Settings of another kind of job are a problem where they are written: nothing would come of them."""
    (problem,) = problems({"Fit": said}, [contract("Fit", sagemaker_step_type=verb)])
    [key] = said
    assert problem.at == ("steps", "Fit", key)
    assert problem.what == f"step 'Fit' has  {key}:, and contract 'Fit' is a {verb} step"
    assert problem.hint.startswith(f"Only the contract of a {reader} step reads it.")
    assert ("env:" in problem.hint) is (verb == "Processing" and reader == "Training")


def test_nothing_to_read():
    """Where nothing is said, nothing is misplaced."""
    assert problems({"Load": {"hyperparameters": {}, "transform": None}}, [LOAD]) == []


def transforming(values, **step):
    """A Transform step with a configuration."""
    return Resolver(
        pipeline({"Score": {"entry_point": "serve.py", **step}}),
        contracts={"Score": contract("Score", sagemaker_step_type="Transform")},
        available_configs={"Score": values},
    ).create_execution_plan()


LINES = {"content_type": "text/csv", "accept": "text/csv", "split_type": "Line", "assemble_with": "Line"}
WHOLE = {"input_filter": None, "join_source": None, "output_filter": "$"}


@pytest.mark.parametrize(
    ("values", "step", "told"),
    [
        (WHOLE, {}, LINES),
        (WHOLE | {"content_type": "application/json"}, {}, LINES | {"content_type": "application/json"}),
        (
            WHOLE | {"split_type": "None", "assemble_with": None},
            {},
            LINES | {"split_type": "None", "assemble_with": "None"},
        ),
        (
            WHOLE | {"accept": "a/b"},
            {"transform": {"accept": "c/d", "max_payload_in_mb": 1}},
            LINES | {"accept": "c/d", "max_payload_in_mb": 1},
        ),
    ],
)
def test_a_configuration_says_how_records_are_sent(values, step, told):
    """What a Transform step's configuration says counts, below it Cursus' defaults, above it the document."""
    planned = transforming(values, **step).steps[0]
    assert planned.transform.model_dump(mode="json", exclude_unset=True) == told
    assert planned.notes == ()


def test_without_a_configuration_records_are_sent_as_the_document_says():
    """Cursus' defaults are those of its configurations: without one, the container and the platform decide."""
    score = contract("Score", sagemaker_step_type="Transform")
    planned = plan({"Score": {"transform": {"accept": "a/b"}}}, [score]).steps[0]
    assert planned.transform.model_dump(mode="json", exclude_unset=True) == {"accept": "a/b"}


def test_data_processing_is_noted():
    """Filters and joins of a configuration, also Cursus' own where it says nothing of them, are not done, and noted."""
    [note] = transforming({"output_filter": "$[0]"}).notes
    assert note == (
        "Score: DataProcessing is not done here (input_filter=$[1:], join_source=Input, output_filter=$[0]): the model "
        "gets whole records, and its answers are kept as they are"
    )


def test_records_that_are_not_read_here():
    """A configuration's setting that can't be is a problem at its place, and the document may put another over it."""
    values = WHOLE | {"split_type": "RecordIO"}
    with pytest.raises(DocumentError) as raised:
        transforming(values)
    [problem] = raised.value.problems
    assert problem.at == ("config", "configuration", "specific", "Score", "split_type")
    assert problem.what.startswith("the configuration 'Score', split_type: RecordIO records are not read here")
    assert transforming(values, transform={"split_type": "Line"}).steps[0].transform.split_type == "Line"


def test_defaults_and_steps():
    """What the document says for all steps holds where a step doesn't say otherwise."""
    defaults = {"image": "base", "source_dir": "scripts", "timeout": "10m", "memory": "2g"}
    own = {"image": "own", "source_dir": "own", "timeout": "5s", "resources": {"memory": "1g"}, "entry_point": "own.py"}
    first, second = plan({"Load_a": {}, "Load_b": own}, [LOAD], **defaults).steps
    assert (first.image, first.source_dir, first.timeout, first.resources.memory, first.entry_point) == (
        *("base", Path("scripts"), 600, 2 * 1024**3),
        "script.py",
    )
    assert (second.image, second.source_dir, second.timeout, second.resources.memory, second.entry_point) == (
        *("own", Path("own"), 5, 1024**3),
        "own.py",
    )


def test_memory_default_beside_other_resources():
    """A step's other limits leave the default of memory alone."""
    (step,) = plan({"Load": {"resources": {"cpus": 2}}}, [LOAD], memory="1g").steps
    assert (step.resources.cpus, step.resources.memory) == (2, 1024**3)


def test_ways_to_ship_code():
    """Training and contracts with a source folder get the whole folder, any other step its one file."""
    contracts = [
        contract("Plain"),
        contract("Whole", source_dir=True),
        contract("Fit", sagemaker_step_type="Training"),
    ]
    made = plan({"Plain": {}, "Whole": {}, "Fit": {}}, contracts)
    assert [step.ships_source_dir for step in made.steps] == [False, True, True]


def test_an_entry_point_makes_a_step_runnable():
    """A step may bring the script that its contract doesn't name."""
    step = contract("Load", entry_point=None)
    assert plan({"Load": {"entry_point": "load.py"}}, [step]).steps[0].runs


def test_network_and_user():
    """There is no network and no other user unless the step asks."""
    first, second = plan({"Load_a": {}, "Load_b": {"network": True, "user": "image", "retries": 2}}, [LOAD]).steps
    assert (first.network, first.user, first.retries.count) == (False, None, 0)
    assert (second.network, second.user, second.retries.count) == (True, "image", 2)

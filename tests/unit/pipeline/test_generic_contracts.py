"""A step whose contract is not found: what is taken instead, what is said of it, and what stays an error."""

import pytest
from small import IN, OUT, contract, plan, problems

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.dag import Pipeline, PipelineDAG
from cursus_sandbox.pipeline.resolver import Resolver
from cursus_sandbox.pipeline.source import StepOutput

LOAD = contract("Load", outputs={"rows": OUT})
FIT = contract("Fit", {"table": f"{IN}/table"})


def only(made, name):
    """A step's inputs and outputs, with their paths."""
    step = made.step_configs[name]
    return {one.channel: str(one.path) for one in step.inputs}, {one.channel: str(one.path) for one in step.outputs}


def test_a_processing_step_between_known_ones():
    """A step without a contract reads `data`, leaves `processed_data`, runs the script of its name, and says so."""
    edges = [("Load_late", "CleanTables_late"), ("CleanTables_late", "Fit")]
    made = plan({"Load_late": {}, "CleanTables_late": {}, "Fit": {}}, [LOAD, FIT], edges=edges)
    step = made.step_configs["CleanTables_late"]

    assert (step.step_type, step.job_type, step.kind) == ("CleanTables", "late", "processing")
    assert step.entry_point == "clean_tables.py"
    assert only(made, "CleanTables_late") == ({"data": f"{IN}/data"}, {"processed_data": OUT})
    assert made.data_flow_map == {
        "Load_late": {},
        "CleanTables_late": {"data": "Load_late:rows"},
        "Fit": {"table": "CleanTables_late:processed_data"},
    }
    assert step.notes[0] == (
        "no contract for CleanTables was found, so generic channels are taken: data -> processed_data. "
        "Write contracts/clean_tables.step.yaml for others; `init --from-script` drafts one."
    )


@pytest.mark.parametrize("step", [{}, {"hyperparameters": {"eta": 1}}])
def test_a_training_step(step):
    """A name that ends in Training, or hyperparameters, make a training job with its three channels."""
    name = "CustomFitter_x" if step else "CustomTraining_x"
    made = plan({"Load": {}, name: step}, [LOAD], edges=[("Load", name)])
    assert only(made, name) == (
        {"input_path": "/opt/ml/input/data"},
        {"model_output": "/opt/ml/model", "evaluation_output": "/opt/ml/output/data"},
    )
    [planned] = made.step_configs[name].inputs
    assert (made.step_configs[name].kind, planned.parts) == ("training", ("train", "val", "test"))


def test_channels_that_the_document_names():
    """The channels are those that the document names: the step's own, and those others are pinned to."""
    steps = {
        "Load": {},
        "clean": {"inputs": {"left": "Load:rows", "right": "./right"}, "schemas": {"log": {"glob": "*.txt"}}},
        "Fit": {"inputs": {"table": "clean:table"}},
        "MyTraining": {"inputs": {"train": "clean:table"}},
    }
    made = plan(steps, [LOAD, FIT])
    assert only(made, "clean") == (
        {"left": f"{IN}/left", "right": f"{IN}/right"},
        {"table": f"{OUT}/table", "log": f"{OUT}/log"},
    )
    assert made.step_configs["clean"].job_type is None
    assert only(made, "MyTraining")[0] == {"train": "/opt/ml/input/data/train"}
    assert made.step_configs["Fit"].inputs[0].source == StepOutput(step="clean", channel="table")


def test_nothing_before_it():
    """A step with nothing before it asks for nothing, and need not leave anything."""
    step = plan({"Somewhere": {}}, [LOAD]).steps[0]
    assert (step.inputs, [one.required for one in step.outputs]) == ((), [False])


def test_a_folder_stands_for_it():
    """A folder can stand for what an unknown step leaves."""
    made = plan({"Source_x": {"outputs": {"table": "./t"}}, "Fit": {}}, [FIT], edges=[("Source_x", "Fit")])
    assert made.step_configs["Source_x"].skip == "its outputs are bound to folders"
    assert made.data_flow_map["Fit"] == {"table": "Source_x:table"}


def test_several_predecessors_are_a_question():
    """Where two outputs would do for the one generic input, the error says how to name channels."""
    edges = [("Load_a", "Joined"), ("Load_b", "Joined")]
    [found] = problems({"Load_a": {}, "Load_b": {}, "Joined": {}}, [LOAD], edges=edges)
    assert "several outputs fit it equally well: Load_a:rows, Load_b:rows" in found.what
    made = plan(
        {"Load_a": {}, "Load_b": {}, "Joined": {"inputs": {"a": "Load_a:rows", "b": "Load_b:rows"}}},
        [LOAD],
        edges=edges,
    )
    assert list(made.data_flow_map["Joined"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ({"Laod": {}}, "'Laod' is no known step type"),
        ({"Load_x": {}, "Laod_x": {}}, "'Laod_x' is no known step type"),
        ({"Clean": {"contract": "Unlike"}}, "'Unlike' is no known step type"),
        ({"Clean": {"inputs": {"../x": "./x"}}}, "can't be a channel's name"),
        ({"MyTraining": {"inputs": {"input_path": "./x", "val": "./y"}}}, "share the path /opt/ml/input/data/val"),
    ],
)
def test_what_stays_an_error(steps, what):
    """A slip, a contract that is named, and channels that can't be are errors, also where a generic one might do."""
    [found] = problems(steps, [LOAD])
    assert what in found.what


def test_in_a_graph_of_cursus_it_is_no_slip():
    """Cursus wrote the names of its own graphs: one that is like a known step type gets generic channels as well."""
    written = Pipeline(name="p", dag=PipelineDAG(nodes=("Load", "Laod_x")), form="cursus")
    notes = Resolver(written, contracts={"Load": LOAD}).create_execution_plan().notes
    assert notes[0].startswith("Laod_x: no contract for Laod was found, so generic channels are taken")
    assert notes[0].endswith("Did you mean 'Load'?")


def test_a_name_that_is_merely_alike_is_mentioned():
    """The note names the known step type that the unknown one is most like."""
    known = contract("XGBoostTraining", outputs={"model": "/opt/ml/model"}, sagemaker_step_type="Training")
    assert plan({"XGBTraining": {}}, [known]).notes[0].endswith("Did you mean 'XGBoostTraining'?")


def test_job_types_without_a_variant():
    """A job type that a contract with variants has none for is noted with those it has; the base holds."""
    variant = contract("Fit", {"table": f"{IN}/table"}).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    fit = contract("Fit", {"table?": f"{IN}/table"}, variants={"testing": variant})
    steps = {"Fit": {}, "Fit_a": {}, "Fit_b": {"job_type": "testing", "inputs": {"table": "./t"}}}
    made = plan(steps, [fit])
    assert [list(step.notes) for step in made.steps] == [
        [],
        ["contract Fit has no variant for job type 'a', so its base holds; it has testing"],
        [],
    ]
    [found] = problems({"Fit_a": {"job_type": "testing"}}, [fit])
    assert found.what.startswith("step 'Fit_a' needs its input 'table'")


def test_the_variant_of_a_configurations_job_type():
    """Where the document says no job type the configuration's chooses the variant, else Cursus' default."""
    table = {"table": f"{IN}/table"}
    variant = contract("RiskTableMapping", table).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    mapping = contract("RiskTableMapping", {"table?": f"{IN}/table"}, variants={"testing": variant})
    configs = {"RiskTableMapping": {"job_type": "testing"}}
    graph = PipelineDAG(nodes=("RiskTableMapping",))
    with pytest.raises(DocumentError, match="needs its input 'table'"):
        Resolver(graph, contracts={"RiskTableMapping": mapping}, available_configs=configs).create_execution_plan()
    [step] = Resolver(graph, contracts={"RiskTableMapping": mapping}).create_execution_plan().steps
    assert step.job_type == "training"

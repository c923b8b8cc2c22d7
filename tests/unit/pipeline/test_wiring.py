"""Which output fills which input."""

from pathlib import Path

import pytest
from small import IN, LOAD, OUT, TRAIN, contract, plan, problems

from cursus_sandbox.pipeline.contract import OutputChannel
from cursus_sandbox.pipeline.wiring import Candidate, wiring


def inputs_of(made, step):
    return {one.channel: (str(one.source), one.reason) for one in made.step_configs[step].inputs}


def test_same_name_beats_alias_beats_path():
    """The first rule that finds an output decides: same name, then alias, then the SageMaker path rule."""
    named = contract("Named", outputs={"rows": OUT})
    aliased = contract("Aliased", outputs={"table": {"path": OUT, "aliases": ["rows"]}})
    placed = contract("Placed", outputs={"data": OUT})
    contracts = [named, aliased, placed, TRAIN]

    def reader_of(*before):
        steps = {name: {} for name in before} | {"Train": {"depends_on": before}}
        return inputs_of(plan(steps, contracts), "Train")["rows"]

    assert reader_of("Placed", "Aliased", "Named") == ("Named:rows", "same name")
    assert reader_of("Placed", "Aliased") == ("Aliased:table", "alias")
    assert reader_of("Placed") == ("Placed:data", "path rule")


@pytest.mark.parametrize(
    ("output", "reader", "fits"),
    [
        ("/opt/ml/model", "/opt/ml/input/data/model", True),
        ("/opt/ml/model", "/opt/ml/model", True),
        ("/opt/ml/model", "/opt/ml/processing/input/model", True),
        ("/opt/ml/model", "/opt/ml/processing/input/data", False),
        ("/opt/ml/output/data", "/opt/ml/input/data", True),
        ("/opt/ml/output/data", "/opt/ml/processing/input/data", False),
        ("/opt/ml/processing/output/x", "/opt/ml/processing/input/y", True),
        ("/opt/ml/processing/output", "/opt/ml/input/data", True),
        ("/opt/ml/processing/output", "/opt/ml/code/x", False),
        ("/opt/ml/processing/outputs", "/opt/ml/processing/input/y", False),
        (None, "/opt/ml/processing/input/y", False),
    ],
)
def test_path_rules(output, reader, fits):
    """A path says where a later job finds it, by whole path components."""
    made = contract("Read", {"in": reader})
    found = wiring("in", made.inputs["in"], [Candidate("Write", "out", OutputChannel(path=output))])
    assert (found.binding is not None, found.reason) == ((True, "path rule") if fits else (False, "nothing fits"))


def test_a_path_alone_fills_no_optional_input():
    """An optional input is filled by a name or an alias, never by a path."""
    reader = contract("Read", {"rows?": f"{IN}/rows", "more?": f"{IN}/more"})
    made = plan({"Load": {}, "Read": {"depends_on": ["Load"]}}, [LOAD, reader])
    assert inputs_of(made, "Read") == {"rows": ("Load:rows", "same name")}
    assert made.step_configs["Read"].notes == ()


def test_only_predecessors_are_candidates():
    """An output is wired along an edge, not to whoever has a fitting input."""
    (problem,) = problems({"Load": {}, "Train": {}}, [LOAD, TRAIN])
    assert problem.at == ("steps", "Train", "inputs", "rows")
    assert "no step before it leaves anything" in problem.what


def test_ambiguous_required_input():
    """Several outputs that fit a required input are a problem that lists them and says how to pin one."""
    steps = {"Load_a": {}, "Load_b": {}, "Train": {"depends_on": ["Load_a", "Load_b"]}}
    (problem,) = problems(steps, [LOAD, TRAIN])
    assert "several outputs fit (same name): Load_a:rows, Load_b:rows" in problem.what
    assert "inputs: {rows: Load_a:rows}" in problem.hint


def test_ambiguous_optional_input():
    """Several outputs that fit an optional input leave it unbound, with a note."""
    reader = contract("Read", {"rows?": f"{IN}/rows"})
    steps = {"Load_a": {}, "Load_b": {}, "Read": {"depends_on": ["Load_a", "Load_b"]}}
    step = plan(steps, [LOAD, reader]).step_configs["Read"]
    assert step.inputs == ()
    assert step.notes == (
        "optional input 'rows' stays unbound: several outputs fit (Load_a:rows, Load_b:rows); pin one",
    )


def test_nothing_fits():
    """A required input that nothing fits is a problem that lists what its predecessors leave."""
    reader = contract("Read", {"settings": "/opt/ml/code/settings"})
    (problem,) = problems({"Load": {}, "Read": {"depends_on": ["Load"]}}, [LOAD, reader])
    assert problem.what.endswith("no output of its predecessors fits: Load:rows")
    assert "Bind it:" in problem.hint


def test_pins():
    """A pinned input is read from where the document says, and a pinned step comes first without being named twice."""
    steps = {"Train": {"inputs": {"rows": "Load_b:rows"}}, "Load_a": {}, "Load_b": {}}
    made = plan(steps, [LOAD, TRAIN], edges=[("Load_a", "Train")])
    assert inputs_of(made, "Train") == {"rows": ("Load_b:rows", "pinned")}
    assert made.dependencies["Train"] == ("Load_a", "Load_b")


def test_pinned_folder():
    """A pinned folder is bound as it is written and makes no edge."""
    made = plan({"Train": {"inputs": {"rows": "./rows"}}}, [TRAIN])
    assert made.step_configs["Train"].inputs[0].source.path == Path("rows")
    assert made.data_flow_map == {"Train": {}}


def test_unknown_names_in_pins():
    """An unknown channel, step or output in a pin is a problem with the nearest name."""
    (channel,) = problems({"Train": {"inputs": {"rows": "./r", "rowz": "./r"}}}, [TRAIN])
    assert channel.what == "step 'Train': contract 'Train' has no input 'rowz'"
    assert channel.hint == "Did you mean 'rows'?"
    (step,) = problems({"Load": {}, "Train": {"inputs": {"rows": "Laod:rows"}}}, [LOAD, TRAIN])
    assert (step.at, step.hint) == (("steps", "Train", "inputs", "rows"), "Did you mean 'Load'?")
    (output,) = problems({"Load": {}, "Train": {"inputs": {"rows": "Load:row"}}}, [LOAD, TRAIN])
    assert output.what == "step 'Train' reads 'Load:row', but 'Load' has no output 'row'"
    assert output.hint == "Did you mean 'rows'?"


def test_unknown_outputs_and_schemas():
    """Outputs and schemas of channels the contract doesn't have are problems too, all at once."""
    steps = {"Load": {"outputs": {"row": "./r"}, "schemas": {"rwos": {}}}}
    assert [problem.at[2:] for problem in problems(steps, [LOAD])] == [("outputs", "row"), ("schemas", "rwos")]


def test_local_inputs_are_never_wired():
    """An input of `input_source_overrides` comes from the user's folder, even where a predecessor has that name."""
    reader = contract("Read", {"rows": f"{IN}/rows"}, local_inputs=["rows"])
    (problem,) = problems({"Load": {}, "Read": {"depends_on": ["Load"]}}, [LOAD, reader])
    assert "needs its input 'rows'" in problem.what
    made = plan({"Load": {}, "Read": {"depends_on": ["Load"], "inputs": {"rows": "./rows"}}}, [LOAD, reader])
    assert inputs_of(made, "Read") == {"rows": ("rows", "pinned")}


def test_skipped_inputs_are_not_mounted():
    """An input of `skip_inputs` is resolved, and not mounted."""
    reader = contract("Read", {"rows": f"{IN}/rows"}, unmounted_inputs=["rows"])
    assert plan({"Load": {}, "Read": {"depends_on": ["Load"]}}, [LOAD, reader]).step_configs["Read"].inputs == ()


@pytest.mark.parametrize(
    ("load", "steps", "why"),
    [
        (contract("Load", outputs={"rows": OUT}), {"skip": True}, "the document says skip"),
        (
            contract("Load", outputs={"rows": OUT}, sagemaker_step_type="CradleDataLoading"),
            {},
            "CradleDataLoading has no script to run here",
        ),
        (contract("Load", outputs={"rows": OUT}, entry_point=None), {}, "its contract has no entry point"),
    ],
)
def test_a_producer_that_does_not_run(load, steps, why):
    """A step with nothing to run is skipped with the reason; a required reader of it is told to bind a folder."""
    assert plan({"Load": steps}, [load]).steps[0].skip == why
    (problem,) = problems({"Load": steps, "Train": {"depends_on": ["Load"]}}, [load, TRAIN])
    assert f"nothing runs for 'Load' ({why})" in problem.what
    assert problem.hint.endswith("steps: {Load: {outputs: {rows: ./folder}}}")


def test_a_producer_bound_to_a_folder():
    """Outputs bound to folders stand for the step: it doesn't run, needs nothing, and its readers are wired to it."""
    load = contract("Load", {"source": f"{IN}/source"}, {"rows": OUT}, required_env_vars=["KEY"])
    steps = {"Load": {"outputs": {"rows": "./rows"}}, "Train": {"depends_on": ["Load"]}}
    made = plan(steps, [load, TRAIN])
    assert (made.steps[0].runs, made.steps[0].skip) == (False, "its outputs are bound to folders")
    assert made.steps[0].outputs[0].bound == Path("rows")
    assert inputs_of(made, "Train") == {"rows": ("Load:rows", "same name")}


def test_an_unbound_output_of_a_bound_producer():
    """Of a step with only some outputs bound, the others can't be read."""
    load = contract("Load", outputs={"rows": f"{OUT}/rows", "notes": f"{OUT}/notes"})
    reader = contract("Read", {"notes": f"{IN}/notes"})
    steps = {"Load": {"outputs": {"rows": "./rows"}}, "Read": {"depends_on": ["Load"]}}
    (problem,) = problems(steps, [load, reader])
    assert "reads 'Load:notes', but nothing runs for 'Load'" in problem.what


def test_an_optional_reader_of_a_skipped_producer():
    """An optional input whose producer doesn't run stays unbound with a note; pinned, it is a problem."""
    reader = contract("Read", {"rows?": f"{IN}/rows"})
    steps = {"Load": {"skip": True}, "Read": {"depends_on": ["Load"]}}
    assert plan(steps, [LOAD, reader]).step_configs["Read"].notes == (
        "optional input 'rows' stays unbound: nothing runs for step 'Load'",
    )
    steps["Read"] = {"inputs": {"rows": "Load:rows"}}
    assert len(problems(steps, [LOAD, reader])) == 1


def test_a_skipped_step_needs_nothing():
    """What a skipped step would need is no problem."""
    step = contract("Train", {"rows": f"{IN}/rows"}, required_env_vars=["KEY"])
    assert plan({"Train": {"skip": True}}, [step]).steps[0].skip == "the document says skip"


def test_problems_come_all_at_once():
    """Problems of several steps come in one error."""
    step = contract("Train", {"rows": f"{IN}/rows"}, required_env_vars=["KEY"])
    found = problems({"Train_a": {}, "Train_b": {"inputs": {"nope": "./x"}}}, [step])
    assert [problem.at[1:3] for problem in found] == [
        ("Train_a", "inputs"),
        ("Train_a", "env"),
        ("Train_b", "inputs"),
        ("Train_b", "inputs"),
        ("Train_b", "env"),
    ]


@pytest.mark.parametrize(
    ("channel", "fields", "parts"),
    [
        ("input_path", {"channels": ["train", "test"]}, ("train", "test")),
        ("input_path", {}, ("train", "val", "test")),
        ("rows", {"channels": ["a"]}, ("a",)),
    ],
)
def test_training_fan_out(channel, fields, parts):
    """A training input at /opt/ml/input/data becomes the channels its contract names; `input_path` needs none named."""
    step = contract("Fit", {channel: {"path": "/opt/ml/input/data", **fields}}, sagemaker_step_type="Training")
    (bound,) = plan({"Fit": {"inputs": {channel: "./rows"}}}, [step]).steps[0].inputs
    assert bound.parts == parts
    assert bound.mounts()[0] == (bound.path / parts[0], f"rows/{parts[0]}")


def test_training_input_without_channels():
    """Any other training input at /opt/ml/input/data is the channel of its own name."""
    step = contract("Fit", {"rows": "/opt/ml/input/data"}, sagemaker_step_type="Training")
    (bound,) = plan({"Fit": {"inputs": {"rows": "./rows"}}}, [step]).steps[0].inputs
    assert (str(bound.path), bound.parts) == ("/opt/ml/input/data/rows", ())


def test_processing_does_not_fan_out():
    """Channels of a processing input mean nothing."""
    step = contract("Read", {"input_path": {"path": "/opt/ml/input/data", "channels": ["train"]}})
    (bound,) = plan({"Read": {"inputs": {"input_path": "./rows"}}}, [step]).steps[0].inputs
    assert (str(bound.path), bound.parts) == ("/opt/ml/input/data", ())

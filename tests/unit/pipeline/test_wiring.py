"""Which output fills which input."""

from pathlib import Path

import pytest
from small import IN, LOAD, OUT, TRAIN, contract, pipeline, plan, problems

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.contract import InputChannel, OutputChannel
from cursus_sandbox.pipeline.evidence import evidence
from cursus_sandbox.pipeline.resolver import Resolver
from cursus_sandbox.pipeline.source import S3Settings, Synthetic
from cursus_sandbox.pipeline.wiring import Candidate, wirings


def inputs_of(made, step):
    return {one.channel: (str(one.source), one.reason) for one in made.step_configs[step].inputs}


def test_same_name_beats_alias_beats_path():
    """What speaks most for an output decides: the same name, then an alias, then the SageMaker path rule."""
    named = contract("Named", outputs={"rows": OUT})
    aliased = contract("Aliased", outputs={"table": {"path": OUT, "aliases": ["rows"]}})
    placed = contract("Placed", outputs={"data": OUT})
    contracts = [named, aliased, placed, TRAIN]

    def reader_of(*before):
        steps = {name: {} for name in before} | {"Train": {"depends_on": before}}
        return inputs_of(plan(steps, contracts), "Train")["rows"]

    assert reader_of("Placed", "Aliased", "Named") == ("Named:rows", "path rule, same name")
    assert reader_of("Placed", "Aliased") == ("Aliased:table", "path rule, alias")
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
    found = wirings(made.inputs, [Candidate("Write", "out", OutputChannel(path=output), "Write")])["in"]
    assert (found.evidence is not None and "path rule" in found.evidence.reasons) is fits


@pytest.mark.parametrize(
    ("output", "reads", "meant"),
    [
        ("trained_model", "model_input", "both name the model"),
        ("data_out", "dataset", "both name the data"),
        ("tuned_hyperparams", "hyperparameters_s3_uri", "both name hyperparameters"),
        ("eval_output", "evaluation_path", "both name the evaluation"),
        ("model_evaluation", "model_input", None),
        ("trained_model", "dataset", None),
    ],
)
def test_names_that_mean_the_same(output, reads, meant):
    """Where contracts have no types and the paths say nothing, names that everyone uses say what is in a channel."""
    found = evidence(
        reads,
        InputChannel(path="/opt/ml/processing/elsewhere"),
        output=output,
        offered=OutputChannel(path="/opt/ml/processing/somewhere"),
        step_type="Make",
    )
    assert (found and found.reasons[0]) == meant


def test_a_path_alone_fills_no_optional_input():
    """An optional input is filled by a name or an alias, never by a path."""
    reader = contract("Read", {"rows?": f"{IN}/rows", "more?": f"{IN}/more"})
    made = plan({"Load": {}, "Read": {"depends_on": ["Load"]}}, [LOAD, reader])
    assert inputs_of(made, "Read") == {"rows": ("Load:rows", "path rule, same name")}
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
    assert "several outputs fit it equally well: Load_a:rows, Load_b:rows" in problem.what
    assert "inputs: {rows: Load_a:rows}" in problem.hint


def test_one_output_for_two_inputs():
    """An output that fits two inputs of a step alike is said to, and which of them it feeds has to be pinned."""
    reader = contract("Read", {"one": f"{IN}/one", "two": f"{IN}/two"})
    loader = contract("Load", outputs={"made": f"{OUT}/made"})
    found = problems({"Load": {}, "Read": {"depends_on": ["Load"]}}, [loader, reader])
    assert [one.what.partition(", and ")[2] for one in found] == [
        "Load:made fits it as well as another of its inputs"
    ] * 2


def test_ambiguous_optional_input():
    """Several outputs that fit an optional input leave it unbound, with a note."""
    reader = contract("Read", {"rows?": f"{IN}/rows"})
    steps = {"Load_a": {}, "Load_b": {}, "Read": {"depends_on": ["Load_a", "Load_b"]}}
    step = plan(steps, [LOAD, reader]).step_configs["Read"]
    assert step.inputs == ()
    assert step.notes == (
        "optional input 'rows' stays unbound: several outputs fit it equally well: Load_a:rows, Load_b:rows; pin one",
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
    reader = contract("Read", {"rows": f"{IN}/rows"}, local_inputs={"rows": "rows_source"})
    (problem,) = problems({"Load": {}, "Read": {"depends_on": ["Load"]}}, [LOAD, reader])
    why = "Cursus takes it from the configuration (rows_source), never from a step"
    assert problem.what == f"step 'Read' needs its input 'rows', and {why}"
    made = plan({"Load": {}, "Read": {"depends_on": ["Load"], "inputs": {"rows": "./rows"}}}, [LOAD, reader])
    assert inputs_of(made, "Read") == {"rows": ("rows", "pinned")}


@pytest.mark.parametrize(
    ("unfed", "source"),
    [
        (Synthetic(rows=5), "synthetic, 5 rows, seed 0"),
        (S3Settings(prefix="s3://bucket/all"), "s3://bucket/all/Read/rows"),
    ],
)
def test_local_inputs_have_a_data_source(unfed, source):
    """What feeds inputs that nothing feeds feeds those too that Cursus takes from the configuration, but for a pin."""
    schema = {"fields": [{"name": "id", "type": "integer"}]}
    reader = contract("Read", {"rows": {"path": f"{IN}/rows", "schema": schema}}, local_inputs={"rows": "rows_source"})
    for said, found in ({}, source), ({"inputs": {"rows": "./rows"}}, "rows"):
        resolver = Resolver(pipeline({"Read": said}), contracts={"Read": reader}, unfed=unfed)
        assert inputs_of(resolver.create_execution_plan(), "Read")["rows"][0] == found


def test_local_inputs_without_a_prefix():
    """A local input that is to come from S3, of which no prefix is known, is a problem that says so."""
    reader = contract("Read", {"rows": f"{IN}/rows"}, local_inputs={"rows": "rows_source"})
    with pytest.raises(DocumentError, match="no prefix of S3 is given"):
        Resolver(pipeline({"Read": {}}), contracts={"Read": reader}, unfed=S3Settings()).create_execution_plan()


@pytest.mark.parametrize("name", ["scripts", "scripts?"])
def test_the_source_folder_as_an_input(name):
    """The inference scripts are the source folder, as in Cursus, where there is one, required or not."""
    reader = contract("Read", {name: f"{IN}/script"}, local_inputs={"scripts": "inference_scripts_source"})
    made = plan({"Read": {}}, [reader], source_dir="code")
    assert inputs_of(made, "Read") == {"scripts": ("code", "the configuration's inference_scripts_source")}
    assert made.notes == ("Read: input 'scripts' is the source folder, as it is in Cursus unless it says otherwise",)
    made = plan({"Read": {"inputs": {"scripts": "./mine"}}}, [reader], source_dir="code")
    assert (inputs_of(made, "Read"), made.notes) == ({"scripts": ("mine", "pinned")}, ())


def test_another_folder_of_inference_scripts():
    """A folder that the configuration names is on another machine: the note says that it isn't read."""
    reader = contract("Read", {"scripts?": f"{IN}/script"}, local_inputs={"scripts": "inference_scripts_source"})
    made = Resolver(
        pipeline({"Read": {}}, source_dir="code"),
        contracts={"Read": reader},
        available_configs={"Read": {"inference_scripts_dir": "dockers/inference"}},
    ).create_execution_plan()
    assert inputs_of(made, "Read")["scripts"][0] == "code"
    why = "not inference_scripts_dir, dockers/inference: paths of a configuration aren't read"
    assert made.notes == (f"Read: input 'scripts' is the source folder, {why}",)


def test_a_local_input_that_nothing_brings():
    """Cursus always mounts such an input: a required one is asked for, and of an optional one a note tells."""
    local = {"scripts": "inference_scripts_source"}
    (problem,) = problems({"Read": {}}, [contract("Read", {"scripts": f"{IN}/script"}, local_inputs=local)])
    assert problem.at == ("steps", "Read", "inputs", "scripts")
    optional = contract("Read", {"scripts?": f"{IN}/script"}, local_inputs=local)
    [step] = plan({"Read": {}}, [optional]).steps
    why = "Cursus takes it from the configuration (inference_scripts_source), never from a step"
    assert (step.inputs, step.notes) == (
        (),
        (f"input 'scripts' stays unbound, which it never is in AWS: {why}. Bind it:  inputs: {{scripts: ./folder}}",),
    )


def test_skipped_inputs_are_not_mounted():
    """An input of `skip_inputs` is neither asked for nor mounted; one that is bound all the same is noted."""
    reader = contract("Read", {"rows": f"{IN}/rows"}, unmounted_inputs=["rows"])
    assert plan({"Load": {}, "Read": {"depends_on": ["Load"]}}, [LOAD, reader]).step_configs["Read"].inputs == ()
    [step] = plan({"Read": {"inputs": {"rows": "./rows"}}}, [reader]).steps
    assert (step.inputs, step.notes) == ((), ("input 'rows' is not mounted: its contract's skip_inputs names it",))


def test_what_an_sdk_does_is_not_run():
    """A step that Cursus delegates to an SDK is skipped with that reason, though its contract names a script."""
    uploading = contract("Upload", {"rows": f"{IN}/rows"}, delegated=True)
    step = plan({"Load": {}, "Upload": {"depends_on": ["Load"]}}, [LOAD, uploading]).step_configs["Upload"]
    assert (step.skip, step.kind) == (
        "Cursus leaves it to an SDK of its own: it has no script to run here",
        "nothing to run",
    )


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
    assert problem.hint.splitlines() == [
        "Bind it to a folder:  steps: {Load: {outputs: {rows: ./folder}}}",
        "Or have it made up from a schema:  --data-source synthetic",
    ]


def test_a_producer_bound_to_a_folder():
    """Outputs bound to folders stand for the step: it doesn't run, needs nothing, and its readers are wired to it."""
    load = contract("Load", {"source": f"{IN}/source"}, {"rows": OUT}, required_env_vars=["KEY"])
    steps = {"Load": {"outputs": {"rows": "./rows"}}, "Train": {"depends_on": ["Load"]}}
    made = plan(steps, [load, TRAIN])
    assert (made.steps[0].runs, made.steps[0].skip) == (False, "its outputs are bound to folders")
    assert made.steps[0].outputs[0].bound == Path("rows")
    assert inputs_of(made, "Train") == {"rows": ("Load:rows", "path rule, same name")}


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


@pytest.mark.parametrize(
    ("channel", "port", "shows"),
    [
        ("tuned", "/opt/ml/code/hyperparams/hyperparameters.json", ["/opt/ml/input/data/tuned <- x"]),
        ("tuned", "/opt/ml/input/data/deep/file.json", ["/opt/ml/input/data/deep <- x"]),
        ("graph", {"path": "/opt/ml/code/g", "channels": ["nodes"]}, ["/opt/ml/input/data/nodes <- x/nodes"]),
        (
            "input_path",
            "/opt/ml/input/data/rows",
            [f"/opt/ml/input/data/{one} <- x/{one}" for one in ("train", "val", "test")],
        ),
    ],
)
def test_inputs_of_a_training_job_are_channels(channel, port, shows):
    """Wherever its contract puts it, a training input is a channel, as Cursus names it; elsewhere nothing can be.

    Where that is another place than the contract's, a note says so.
    """
    step = contract("Fit", {channel: port}, sagemaker_step_type="Training")
    planned = plan({"Fit": {"inputs": {channel: "./x"}}}, [step]).steps[0]
    assert [f"{path} <- {source}" for path, source in planned.inputs[0].mounts()] == shows
    moved = f"input 'tuned' is at {shows[0].partition(' ')[0]}: a training job's inputs are channels"
    assert [note.partition(";")[0] for note in planned.notes] == ([moved] if channel == "tuned" else [])


@pytest.mark.parametrize(
    ("values", "verb", "why"),
    [
        ({"skip_hyperparameters_s3_uri": True}, "Training", "is true"),
        ({}, "Training", "is true unless it says otherwise"),
        ({"skip_hyperparameters_s3_uri": False}, "Training", None),
        ({"skip_hyperparameters_s3_uri": True}, "Processing", None),
        (None, "Training", None),
    ],
)
def test_hyperparameters_that_a_configuration_skips(values, verb, why):
    """A configuration keeps the file of hyperparameters from becoming a channel, as all of Cursus' do by default."""
    fit = contract("Fit", {"hyperparameters_s3_uri?": f"{IN}/h"}, sagemaker_step_type=verb)
    resolver = Resolver(
        pipeline({"Fit": {"inputs": {"hyperparameters_s3_uri": "./h.json"}}}),
        contracts={"Fit": fit},
        available_configs=None if values is None else {"Fit": values},
    )
    step = resolver.create_execution_plan().steps[0]
    assert [one.channel for one in step.inputs] == ([] if why else ["hyperparameters_s3_uri"])
    said = f"its configuration's skip_hyperparameters_s3_uri {why}, and the script has its own"
    assert (f"input 'hyperparameters_s3_uri' is not mounted: {said}" in step.notes) is bool(why)


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


def typed(step_type, inputs=None, outputs=None, **fields):
    """A contract whose channels say their type, as Cursus' do; a path comes from the name."""
    return contract(
        step_type,
        {name: {"path": f"{IN}/{name.strip('?')}", **port} for name, port in (inputs or {}).items()},
        {name: {"path": f"{OUT}/{name}", **port} for name, port in (outputs or {}).items()},
        **fields,
    )


DATA = {"type": "processing_output", "data_type": "S3Uri"}
MODEL = {"type": "model_artifacts", "data_type": "S3Uri"}
LOADING = typed("DummyDataLoading", outputs={"DATA": DATA, "METADATA": DATA, "SIGNATURE": DATA})
PREPROCESSING = typed(
    "TabularPreprocessing",
    {
        "DATA": {"type": "processing_output", "compatible_sources": ["DummyDataLoading"]},
        "DATA_SECONDARY?": {"type": "processing_output", "compatible_sources": ["DummyDataLoading"]},
        "SIGNATURE?": {"type": "processing_output", "compatible_sources": ["DummyDataLoading"]},
    },
    {"processed_data": {**DATA, "aliases": ["input_path", "input_data"]}},
)
MAPPING = typed(
    "RiskTableMapping",
    {
        "input_data": {"type": "processing_output", "compatible_sources": ["MissingValueImputation"]},
        "model_artifacts_input?": {"type": "processing_output", "compatible_sources": ["RiskTableMapping_Training"]},
    },
    {
        "processed_data": {**DATA, "aliases": ["input_data"]},
        "model_artifacts_output": {**DATA, "aliases": ["model_artifacts_input"]},
    },
)
IMPUTATION = typed(
    "MissingValueImputation",
    outputs={
        "processed_data": {**DATA, "aliases": ["input_data"]},
        "model_artifacts_output": {**DATA, "aliases": ["model_artifacts_input"]},
    },
)


def sources_of(made, step):
    return {one.channel: str(one.source) for one in made.step_configs[step].inputs}


def test_an_optional_input_takes_no_leftovers():
    """A second data input stays empty: what suits it best feeds the first, and the metadata are no second choice."""
    steps = {"DummyDataLoading": {}, "TabularPreprocessing_training": {"depends_on": ["DummyDataLoading"]}}
    assert sources_of(plan(steps, [LOADING, PREPROCESSING]), "TabularPreprocessing_training") == {
        "DATA": "DummyDataLoading:DATA",
        "SIGNATURE": "DummyDataLoading:SIGNATURE",
    }


def test_a_pin_leaves_no_leftovers_either():
    """An output that is pinned to one input is still what suits the other best, which then stays empty."""
    steps = {"DummyDataLoading": {}, "TabularPreprocessing": {"inputs": {"DATA": "DummyDataLoading:DATA"}}}
    found = sources_of(plan(steps, [LOADING, PREPROCESSING]), "TabularPreprocessing")
    assert found == {"DATA": "DummyDataLoading:DATA", "SIGNATURE": "DummyDataLoading:SIGNATURE"}


def test_every_edge_carries_something_where_it_can():
    """Fitted tables come from the step they were fitted in, though the step before offers the same alias."""
    before = ["MissingValueImputation_evaluation", "RiskTableMapping_training"]
    steps = {
        "MissingValueImputation_training": {},
        "RiskTableMapping_training": {"depends_on": ["MissingValueImputation_training"]},
        "MissingValueImputation_evaluation": {},
        "RiskTableMapping_evaluation": {"depends_on": before},
    }
    made = plan(steps, [MAPPING, IMPUTATION])
    assert sources_of(made, "RiskTableMapping_evaluation") == {
        "input_data": "MissingValueImputation_evaluation:processed_data",
        "model_artifacts_input": "RiskTableMapping_training:model_artifacts_output",
    }


def test_an_optional_input_wants_a_name_or_a_listed_source():
    """A training's evaluation is no custom payload, however well its type fits."""
    training = typed("XGBoostTraining", outputs={"model_output": {**MODEL, "aliases": ["model_input"]}, "eval": DATA})
    payload = typed(
        "Payload",
        {
            "model_input": {"type": "model_artifacts", "compatible_sources": ["XGBoostTraining"]},
            "custom_payload_input?": {"type": "processing_output", "compatible_sources": ["UserProvided"]},
        },
    )
    steps = {"XGBoostTraining": {}, "Payload": {"depends_on": ["XGBoostTraining"]}}
    assert sources_of(plan(steps, [training, payload]), "Payload") == {"model_input": "XGBoostTraining:model_output"}


def test_a_listed_source_feeds_a_required_input_whatever_its_name():
    """An output whose name says nothing still feeds a required input that lists its step."""
    inference = typed("PyTorchModelInference", outputs={"eval_output": DATA})
    training = typed(
        "XGBoostTraining", {"input_path": {"type": "training_data", "compatible_sources": ["PyTorchModelInference"]}}
    )
    steps = {
        "PyTorchModelInference_embedding": {},
        "XGBoostTraining": {"depends_on": ["PyTorchModelInference_embedding"]},
    }
    (one,) = plan(steps, [inference, training]).step_configs["XGBoostTraining"].inputs
    assert str(one.source) == "PyTorchModelInference_embedding:eval_output"
    assert one.score == pytest.approx(0.5)


def test_a_type_alone_feeds_nothing():
    """An output that has nothing in common with a required input but its type is not guessed to be meant."""
    evaluation = typed("ModelEval", outputs={"metrics_output": DATA})
    calibration = typed(
        "Calibration", {"preprocessor": {"type": "processing_output", "compatible_sources": ["Preprocessing"]}}
    )
    (problem,) = problems({"ModelEval": {}, "Calibration": {"depends_on": ["ModelEval"]}}, [evaluation, calibration])
    assert "no output of its predecessors fits: ModelEval:metrics_output" in problem.what


def test_a_guess_says_so():
    """A binding that neither a name nor a listed source speaks for is noted."""
    inference = typed("Inference", outputs={"eval_output": {**DATA, "aliases": ["inference_data"]}})
    scoring = typed("Scoring", {"processed_data": {"type": "processing_output", "compatible_sources": ["Tables"]}})
    step = plan({"Inference": {}, "Scoring": {"depends_on": ["Inference"]}}, [inference, scoring]).step_configs[
        "Scoring"
    ]
    assert step.inputs[0].score < 0.7
    assert "is a guess" in step.notes[0]


def test_an_edge_that_carries_nothing_is_noted():
    """An edge of a graph over which nothing goes is said, for what depends_on orders it is not."""
    reader = contract("Read", {"settings?": "/opt/ml/code/settings"})
    by_edge = plan({"Load": {}, "Read": {}}, [LOAD, reader], edges=[("Load", "Read")])
    assert by_edge.step_configs["Read"].notes == (
        "the edge from 'Load' carries nothing: no output of it feeds an input",
    )
    by_order = plan({"Load": {}, "Read": {"depends_on": ["Load"]}}, [LOAD, reader])
    assert by_order.step_configs["Read"].notes == ()


def test_wiring_does_not_depend_on_the_order_of_nodes():
    """The same graph written in another order is wired the same."""
    steps = {"DummyDataLoading": {}, "TabularPreprocessing_a": {"depends_on": ["DummyDataLoading"]}}
    turned = dict(reversed(steps.items()))
    one, other = (plan(these, [LOADING, PREPROCESSING]).data_flow_map for these in (steps, turned))
    assert one == other


def test_the_last_resort():
    """Only a lenient resolver feeds a required input that nothing fits, from the first output there is, and says so."""
    reader = contract("Read", {"table": "/opt/ml/code/table"})
    steps = {"Load": {}, "Read": {"depends_on": ["Load"]}}
    assert [one.what for one in problems(steps, [LOAD, reader])] == [
        "step 'Read' needs its input 'table', and no output of its predecessors fits: Load:rows"
    ]
    lenient = Resolver(pipeline(steps), contracts={"Load": LOAD, "Read": reader}, lenient=True)
    made = lenient.create_execution_plan()
    assert inputs_of(made, "Read") == {"table": ("Load:rows", "first available output (--lenient)")}
    assert made.notes == (
        "Read: input 'table' <- Load:rows: nothing fits it, and --lenient takes the first output there is",
    )


def test_the_last_resort_needs_an_output():
    """Where no step before leaves anything, a lenient resolver has nothing to take either."""
    lenient = Resolver(pipeline({"Train": {}}), contracts={"Train": TRAIN}, lenient=True)
    with pytest.raises(DocumentError, match="no step before it leaves anything"):
        lenient.create_execution_plan()


def test_synthetic_inputs():
    """What nothing feeds is made up where it has a schema: required inputs, and every input of a first step."""
    fields = {"fields": [{"name": "a"}]}
    given = {"path": f"{IN}/x", "required": False, "table_schema": fields}
    first = contract("First", {"maybe": given, "bare": {"path": f"{IN}/y", "required": False}}, {"rows": OUT})
    then = contract("Then", {"other": given, "must": {"path": f"{IN}/z", "table_schema": fields}}, {"t": f"{OUT}/t"})
    steps = {"First": {}, "Then": {"depends_on": "First", "inputs": {"other": {"synthetic": {"rows": 5}}}}}
    made = Resolver(
        pipeline(steps), contracts={"First": first, "Then": then}, unfed=Synthetic(rows=9, seed=2)
    ).create_execution_plan()
    nine = "synthetic, 9 rows, seed 2"
    assert inputs_of(made, "First") == {"maybe": (nine, "made up from its schema")}
    assert inputs_of(made, "Then") == {
        "other": ("synthetic, 5 rows, seed 0", "pinned"),
        "must": ("First:rows", "path rule"),
    }


@pytest.mark.parametrize(
    ("unfed", "source", "why"),
    [
        (Synthetic(rows=5), "synthetic, 5 rows, seed 0", "made up from its schema"),
        (S3Settings(prefix="s3://bucket/all"), "s3://bucket/all/Read/rows", "below the prefix of S3"),
    ],
)
@pytest.mark.parametrize("pinned", [{}, {"inputs": {"rows": "Load:rows"}}])
def test_what_reads_from_a_step_that_never_runs_has_a_data_source(unfed, source, why, pinned):
    """A Cursus graph begins with steps that only AWS has: what would read from them is fed from outside, if asked."""
    load = contract("Load", outputs={"rows": OUT}, sagemaker_step_type="CradleDataLoading")
    given = {"path": f"{IN}/rows", "table_schema": {"fields": [{"name": "a"}]}}
    reader = contract("Read", {"rows": given, "more?": f"{IN}/more"})
    steps = {"Load": {}, "Read": {"depends_on": ["Load"], **pinned}}
    made = Resolver(pipeline(steps), contracts={"Load": load, "Read": reader}, unfed=unfed).create_execution_plan()
    assert inputs_of(made, "Read") == {"rows": (source, f"{why}: nothing runs for Load")}
    assert not [note for note in made.notes if "carries nothing" in note]


def test_what_cannot_be_made_up_for_a_step_that_never_runs():
    """Without a schema nothing is made up: the error says both ways out."""
    load = contract("Load", outputs={"rows": OUT}, sagemaker_step_type="CradleDataLoading")
    reader = contract("Read", {"rows": f"{IN}/rows"})
    steps = {"Load": {}, "Read": {"depends_on": ["Load"]}}
    with pytest.raises(DocumentError) as error:
        Resolver(pipeline(steps), contracts={"Load": load, "Read": reader}, unfed=Synthetic()).create_execution_plan()
    (problem,) = error.value.problems
    assert problem.hint.splitlines() == [
        "Bind it to a folder:  steps: {Load: {outputs: {rows: ./folder}}}",
        "Or have it made up from a schema:  steps: {Read: {schemas: {rows: {fields: […]}}}}",
    ]

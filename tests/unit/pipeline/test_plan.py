"""The plan: its views, its schemas, its JSON."""

import json
from dataclasses import FrozenInstanceError, replace

import pytest
from small import IN, OUT, contract, plan, problems, resolver

from cursus_sandbox.pipeline.dag import PipelineDAG
from cursus_sandbox.pipeline.resolver import Resolver

LOAD = contract("Load", outputs={"rows": OUT})
SPLIT = contract("Split", {"rows": f"{IN}/rows"}, {"parts": OUT})
FIT = contract("Fit", {"parts": f"{IN}/parts", "extra?": f"{IN}/extra"}, {"model": OUT})
STEPS = {
    "Fit": {"depends_on": ["Split"], "inputs": {"extra": "./extra"}},
    "Split": {"depends_on": ["Load"]},
    "Load": {},
}


def schema(**types):
    return {"fields": [{"name": name, "type": kind} for name, kind in types.items()]}


def test_views():
    """The plan says in which order steps run, what each waits for, what it reads and who reads it."""
    made = plan(STEPS, [LOAD, SPLIT, FIT])
    assert made.execution_order == ("Load", "Split", "Fit")
    assert made.dependencies == {"Load": (), "Split": ("Load",), "Fit": ("Split",)}
    assert made.data_flow_map == {"Load": {}, "Split": {"rows": "Load:rows"}, "Fit": {"parts": "Split:parts"}}
    assert made.step_configs["Fit"] is made.steps[2]
    assert [(step.name, one.channel) for step, one in made.readers("Split", "parts")] == [("Fit", "parts")]
    assert made.readers("Fit", "model") == ()


def test_printed():
    """Printed, a plan is a line a step and a line an input, with its reason."""
    assert str(plan({**STEPS, "Load": {"outputs": {"rows": "./rows"}}}, [LOAD, SPLIT, FIT])) == (
        "small: 3 steps, 2 to run\n"
        "  Load (skipped: its outputs are bound to folders)\n"
        "  Split\n"
        "    rows <- Load:rows (path rule, same name)\n"
        "  Fit\n"
        "    parts <- Split:parts (path rule, same name)\n"
        "    extra <- extra (pinned)"
    )


def test_independent_steps_keep_the_documents_order():
    """Among steps that could run now, the one written first comes first."""
    made = plan({"Load_c": {}, "Load_a": {}, "Load_b": {}}, [LOAD], edges=[("Load_b", "Load_a")])
    assert made.execution_order == ("Load_c", "Load_b", "Load_a")


def test_neighbours():
    """The resolver names a step's neighbours in the document's order, each once."""
    edges = [("Load_a", "Split"), ("Load_b", "Split"), ("Load_a", "Split")]
    steps = {"Load_b": {}, "Load_a": {}, "Split": {"depends_on": ["Load_a"], "inputs": {"rows": "Load_b:rows"}}}
    made = resolver(steps, [LOAD, SPLIT], edges=edges)
    assert made.get_step_dependencies("Split") == ["Load_b", "Load_a"]
    assert made.get_dependent_steps("Load_a") == ["Split"]


def test_bare_graph():
    """A graph alone is a pipeline: its names are enough."""
    dag = PipelineDAG(nodes=("Load", "Split_x"), edges=(("Load", "Split_x"),))
    made = Resolver(dag, contracts={"Load": LOAD, "Split": SPLIT}).create_execution_plan()
    assert made.data_flow_map["Split_x"] == {"rows": "Load:rows"}


def test_frozen():
    """Nothing of a plan can be set anew."""
    made = plan(STEPS, [LOAD, SPLIT, FIT])
    for value, name in ((made, "steps"), (made.steps[0], "image"), (made.steps[2].inputs[0], "path")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)


def test_json():
    """A plan's JSON holds its views and each step without what is as always."""
    kept = json.loads(json.dumps(plan(STEPS, [LOAD, SPLIT, FIT]).as_json()))
    assert kept["execution_order"] == ["Load", "Split", "Fit"]
    assert kept["data_flow_map"]["Fit"] == {"parts": "Split:parts"}
    assert kept["steps"][1] == {
        "name": "Split",
        "step_type": "Split",
        "kind": "processing",
        "depends_on": ["Load"],
        "inputs": [
            {
                "channel": "rows",
                "path": f"{IN}/rows",
                "source": {"step": "Load", "channel": "rows"},
                "reason": "path rule, same name",
                "score": 0.9,
            }
        ],
        "outputs": [{"channel": "parts", "path": OUT}],
        "entry_point": "script.py",
        "timeout": 86400.0,
        "grace": 120.0,
    }


def test_schema_against_schema():
    """A promise that can't be enough for a reader is a problem of the plan, at the reader's input."""
    writer = contract("Load", outputs={"rows": {"path": OUT, "schema": schema(id="string", label="integer")}})
    reader = contract("Split", {"rows": {"path": f"{IN}/rows", "schema": schema(label="integer")}})
    steps = {"Load": {}, "Split": {"depends_on": ["Load"]}}
    assert plan(steps, [writer, reader]).steps[1].inputs[0].table_schema is not None
    steps["Split"]["schemas"] = {"rows": schema(id="integer")}
    (problem,) = problems(steps, [writer, reader])
    assert problem.at == ("steps", "Split", "inputs", "rows")
    assert problem.what.startswith("step 'Load' promises 'rows', and column 'id'")
    assert "input 'rows' of step 'Split'" in problem.what


def test_the_same_of_several_steps():
    """What is said of several steps alike is said once, with the first of them and how many more."""
    made = plan({"Load": {}}, [contract("Load")])
    steps = tuple(replace(made.steps[0], name=name, notes=("it is odd", name), warnings=("lost",)) for name in "abc")
    several = replace(made, steps=steps)
    assert several.notes == ("a and 2 more: it is odd", "a: a", "b: b", "c: c")
    assert several.warnings == ("a and 2 more: lost",)


def test_promises_that_might_not_be_enough():
    """What a reader asks for and its writer doesn't promise, though it may well deliver it, is a note of the plan."""
    names = [f"c{number}" for number in range(7)]
    promised = [{"name": name, "type": "integer"} for name in names]
    asked = [{"name": name, "type": "integer", "constraints": {"required": True}} for name in names]
    promised.append({"name": "grade", "optional": True, "constraints": {"enum": ["a", "b", "c"]}})
    asked.append({"name": "grade", "constraints": {"enum": ["a"]}})
    writer = contract("Load", outputs={"rows": {"path": OUT, "schema": {"fields": promised}}})
    reader = contract("Split", {"rows": {"path": f"{IN}/rows", "schema": {"fields": asked}}})
    (_, step) = plan({"Load": {}, "Split": {"depends_on": ["Load"]}}, [writer, reader]).steps
    assert step.notes == (
        "by its contract, Load:rows may hold gaps in c0, c1, c2, c3, c4 and 2 more, which input 'rows' does not allow",
        "by its contract, Load:rows may lack grade, which input 'rows' does not allow",
        (
            "of Load:rows, column 'grade' may hold 'b', 'c', which is promised; input 'rows' of step 'Split' allows "
            "none of these"
        ),
    )


@pytest.mark.parametrize("skipped", ["Load", "Split"])
def test_schemas_of_skipped_steps(skipped):
    """Where one side doesn't run, its schema promises and asks for nothing."""
    writer = contract("Load", outputs={"rows": {"path": OUT, "schema": schema(id="string")}})
    reader = contract("Split", {"rows": {"path": f"{IN}/rows", "schema": schema(id="integer")}})
    steps = {"Load": {}, "Split": {"depends_on": ["Load"]}}
    assert len(problems(steps, [writer, reader])) == 1
    steps[skipped] |= {"outputs": {"rows": "./rows"}} if skipped == "Load" else {"skip": True}
    assert problems(steps, [writer, reader]) == []


def test_step_schemas_refine_the_contracts():
    """A step's schema is laid over its contract's, field by field; a channel without one takes the step's."""
    rows = {"path": f"{OUT}/rows", "schema": schema(id="string", x="number")}
    both = contract("Both", outputs={"rows": rows, "bare": f"{OUT}/bare"})
    given = {"schemas": {"rows": {"glob": "*.csv", **schema(x="integer", y="any")}, "bare": schema(z="integer")}}
    rows, bare = plan({"Both": given}, [both]).steps[0].outputs
    assert {field.name: field.type.value for field in rows.table_schema.fields} == {
        "id": "string",
        "x": "integer",
        "y": "any",
    }
    assert rows.table_schema.glob == "*.csv"
    assert [field.name for field in bare.table_schema.fields] == ["z"]


PARTS = {"path": OUT, "schema": {**schema(id="integer", label="integer"), "primaryKey": "id", "rows": {"min": 9}}}


def test_schemas_like_another():
    """A schema like another channel's has its columns but for some, and refines them; files and rows are its own."""
    like = {"like": {"channel": "parts", "minus": ["label"]}, "glob": "*.csv", **schema(x="number")}
    both = contract("Both", {"rows": {"path": IN, "schema": like}}, {"parts": PARTS})
    (step,) = plan({"Both": {"inputs": {"rows": "./rows"}}}, [both]).steps
    found = step.inputs[0].table_schema
    assert [field.name for field in found.fields] == ["id", "x"]
    assert (found.like, found.primary_key, found.glob, found.rows.min) == (None, ("id",), "*.csv", None)


@pytest.mark.parametrize("named", ["First", "Writer"])
def test_schemas_like_those_of_other_steps(named):
    """The other channel may be of another step, by its name or by its type, and be like a third in turn."""
    more = {"path": f"{OUT}/more", "schema": {"like": {"channel": "parts"}}}
    writer = contract("Writer", outputs={"parts": {**PARTS, "path": f"{OUT}/parts"}, "more": more})
    reader = contract("Reader", {"rows": f"{IN}/rows"})
    schemas = {"rows": {"like": {"step": named, "channel": "more", "minus": "id"}}}
    steps = {"First": {"contract": "Writer"}, "Reader": {"inputs": {"rows": "First:parts"}, "schemas": schemas}}
    found = plan(steps, [writer, reader]).steps[1].inputs[0].table_schema
    assert [field.name for field in found.fields] == ["label"]
    assert found.primary_key == ()


@pytest.mark.parametrize(
    ("like", "said", "hint"),
    [
        ({"channel": "prts"}, "step 'Both' has no other channel 'prts'", "Did you mean 'parts'?"),
        ({"channel": "rows"}, "step 'Both' has no other channel 'rows'", ""),
        (
            {"channel": "parts", "step": "Bot"},
            "no step is called 'Bot', and none is of that type",
            "Did you mean 'Both'?",
        ),
        ({"channel": "parts", "minus": ["lable"]}, "minus: 'Both:parts' has no field 'lable'", "Did you mean 'label'?"),
        ({"channel": "bare"}, "'Both:bare' has no fields", "Write its `schema:` first."),
        ({"channel": "round"}, "in a circle: Both:rows -> Both:round -> Both:rows", "Write the fields in one of them."),
    ],
)
def test_schemas_like_nothing(like, said, hint):
    """A schema like one that isn't there is a problem where it is written."""
    back = {"path": f"{OUT}/round", "schema": {"like": {"channel": "rows"}}}
    outputs = {"parts": {**PARTS, "path": f"{OUT}/parts"}, "bare": f"{OUT}/bare", "round": back}
    both = contract("Both", {"rows": IN}, outputs)
    steps = {"Both": {"inputs": {"rows": "./rows"}, "schemas": {"rows": {"like": like}}}}
    found = next(one for one in problems(steps, [both]) if one.at)
    assert said in found.what
    assert hint in found.hint
    assert found.at in {("steps", "Both", "schemas", "rows", "like"), ("steps", "Both")}

"""What is wrong with a graph, by kind."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import contract

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.dag import Pipeline, PipelineDAG, StepConfiguration
from cursus_sandbox.pipeline.resolver import Resolver

STEP = {"S": contract("S")}


def resolver(nodes, edges=(), steps=None):
    """The resolver of a graph whose nodes are all of one type without channels."""
    dag = PipelineDAG(nodes=tuple(nodes), edges=tuple(edges))
    return Resolver(Pipeline(name="g", dag=dag, steps=steps or {}), contracts=STEP)


def found(nodes, edges=(), steps=None):
    """Each kind of problem with the places and sentences of its problems."""
    kinds = resolver(nodes, edges, steps).validate_dag_integrity()
    return {kind: [(problem.at, problem.what) for problem in problems] for kind, problems in kinds.items()}


def cycle_of(problem):
    """The steps of a cycle's path, the first of them again at the end."""
    return problem.what.partition(": ")[2].split(" -> ")


def test_sound_graph():
    """A graph without fault has no problems."""
    assert found(["S_a", "S_b"], [("S_a", "S_b")]) == {}


def test_empty():
    """A pipeline without steps is a problem and makes no plan."""
    assert found([]) == {"empty": [(("steps",), "the pipeline has no steps")]}
    with pytest.raises(DocumentError, match="has no steps"):
        resolver([]).create_execution_plan()


def test_duplicates():
    """A step that is there twice is named once, with how often it is there."""
    assert found(["S_a", "S_b", "S_a", "S_a"], [("S_a", "S_b")])["duplicate_steps"] == [
        (("steps", "S_a"), "step 'S_a' is there 3 times")
    ]


def test_isolated_steps():
    """Steps connected to nothing are reported and no error; a pipeline of one step has none."""
    assert found(["S_a", "S_b", "S_c"], [("S_a", "S_b")]) == {
        "isolated_nodes": [(("steps", "S_c"), "step 'S_c' is connected to nothing")]
    }
    assert resolver(["S_a", "S_b", "S_c"], [("S_a", "S_b")]).create_execution_plan().execution_order[-1] == "S_c"
    assert found(["S"]) == {}


def test_dangling_edge():
    """An edge with an unknown end is a problem at that edge, once for each unknown name."""
    kinds = resolver(["S_a", "S_b"], [("S_a", "S_b"), ("S_a", "S_bb"), ("x", "x")]).validate_dag_integrity()
    dangling = kinds["dangling_dependencies"]
    assert [problem.at for problem in dangling] == [("dag", "edges", 1), ("dag", "edges", 2)]
    assert dangling[0].what == "the edge S_a -> S_bb names 'S_bb', but no step is called that"
    assert dangling[0].hint == "Did you mean 'S_b'?"


def test_dangling_references():
    """An unknown step in depends_on or in an input is a problem at that place."""
    step = Pipeline.model_validate(
        {"name": "g", "dag": {}, "steps": {"S": {"depends_on": ["S_x"], "inputs": {"in": "S_y:out"}}}}
    ).steps
    assert found(["S"], steps=step)["dangling_dependencies"] == [
        (("steps", "S", "depends_on", 0), "step 'S' depends on 'S_x', but no step is called that"),
        (("steps", "S", "inputs", "in"), "step 'S' reads 'S_y:out', but no step is called 'S_y'"),
    ]


def test_self_loop():
    """A step that waits for itself is a cycle of one."""
    ((at, what),) = found(["S_a", "S_b"], [("S_a", "S_b"), ("S_b", "S_b")])["cycles"]
    assert (at, what) == (("steps", "S_b"), "the steps wait for each other in a circle: S_b -> S_b")


def test_reading_oneself():
    """A step pinned to its own output waits for itself."""
    steps = Pipeline.model_validate({"name": "g", "dag": {}, "steps": {"S": {"inputs": {"in": "S:out"}}}}).steps
    assert found(["S"], steps=steps)["cycles"][0][1].endswith("S -> S")


def test_separate_cycles():
    """Cycles that have nothing to do with each other are all reported."""
    edges = [("S_a", "S_b"), ("S_b", "S_a"), ("S_b", "S_c"), ("S_c", "S_d"), ("S_d", "S_c")]
    cycles = found(["S_a", "S_b", "S_c", "S_d"], edges)["cycles"]
    assert sorted(what.partition(": ")[2] for _, what in cycles) == ["S_a -> S_b -> S_a", "S_c -> S_d -> S_c"]


def test_cycle_path():
    """The path begins with the step written first and takes the shortest way round, whatever the edges' order."""
    edges = [("S_c", "S_a"), ("S_a", "S_b"), ("S_b", "S_c"), ("S_a", "S_c"), ("S_c", "S_d"), ("S_d", "S_a")]
    for order in itertools.islice(itertools.permutations(edges), 0, 720, 37):
        assert found(["S_d", "S_a", "S_b", "S_c"], order)["cycles"] == [
            (("steps", "S_d"), "the steps wait for each other in a circle: S_d -> S_a -> S_c -> S_d")
        ]


def test_all_problems_at_once():
    """A cycle, a dangling edge and an unknown type come in one error."""
    edges = [("S_a", "S_b"), ("S_b", "S_a"), ("S_a", "S_z")]
    with pytest.raises(DocumentError) as error:
        resolver(["S_a", "S_b", "T"], edges, {"T": StepConfiguration(contract="T")}).create_execution_plan()
    assert len(error.value.problems) == 3


@st.composite
def graphs(draw):
    """A graph without cycles: its nodes in a random order, and edges along another, hidden order."""
    size = draw(st.integers(1, 9))
    hidden = [f"S_{number}" for number in range(size)]
    pairs = list(itertools.combinations(hidden, 2))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    return draw(st.permutations(hidden)), edges


@given(graphs())
def test_execution_order(graph):
    """The order holds every node once, each after all it waits for, whatever the order they are written in."""
    nodes, edges = graph
    order = resolver(nodes, edges).create_execution_plan().execution_order
    assert sorted(order) == sorted(nodes)
    assert all(order.index(before) < order.index(after) for before, after in edges)


@given(graphs(), st.data())
def test_a_back_edge(graph, data):
    """An edge back along a path is always reported, with a path that is a cycle of the graph."""
    nodes, edges = graph
    first = last = data.draw(st.sampled_from(nodes))
    while data.draw(st.booleans()) and (onwards := [after for before, after in edges if before == last]):
        last = data.draw(st.sampled_from(onwards))
    edges = [*edges, (last, first)]
    (problem,) = resolver(nodes, edges).validate_dag_integrity()["cycles"]
    path = cycle_of(problem)
    assert path[0] == path[-1]
    assert len(set(path)) == len(path) - 1
    assert (last, first) in itertools.pairwise(path)
    assert set(itertools.pairwise(path)) <= set(edges)

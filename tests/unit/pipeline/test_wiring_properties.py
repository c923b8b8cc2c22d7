"""What holds of every wiring, whatever the graph and its contracts."""

from hypothesis import given
from hypothesis import strategies as st
from small import IN, OUT, contract, pipeline

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.resolver import Resolver

WORDS = st.sampled_from(["data", "model", "eval_output", "metrics", "input_path", "artifacts", "processed_data"])
TYPES = st.sampled_from([None, "processing_output", "training_data", "model_artifacts"])


@st.composite
def contracts(draw):
    """Some step types, with channels whose names, types, aliases and sources overlap."""
    made = []
    names = [f"T{number}" for number in range(draw(st.integers(1, 4)))]
    for name in names:
        inputs = {
            word + ("" if draw(st.booleans()) else "?"): {
                "path": f"{IN}/{word}",
                "type": draw(TYPES),
                "compatible_sources": draw(st.lists(st.sampled_from(names), max_size=2)),
            }
            for word in draw(st.lists(WORDS, max_size=4, unique=True))
        }
        outputs = {
            word: {"path": f"{OUT}/{word}", "type": draw(TYPES), "aliases": draw(st.lists(WORDS, max_size=2))}
            for word in draw(st.lists(WORDS, max_size=4, unique=True))
        }
        made.append(contract(name, inputs, outputs))
    return {one.step_type: one for one in made}


@st.composite
def cases(draw):
    """Contracts, nodes and edges without a cycle."""
    known = draw(contracts())
    nodes = [f"{draw(st.sampled_from(sorted(known)))}_{number}" for number in range(draw(st.integers(1, 6)))]
    pairs = [(one, other) for place, one in enumerate(nodes) for other in nodes[place + 1 :]]
    return known, nodes, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []


def resolved(known, nodes, edges):
    """The plan, or the problems."""
    written = pipeline({node: {} for node in nodes}, edges=tuple(edges))
    try:
        return Resolver(written, contracts=known).create_execution_plan(), []
    except DocumentError as error:
        return None, error.problems


@given(cases())
def test_every_required_input_is_bound_or_reported(case):
    """No required input is left unbound in silence."""
    known, nodes, edges = case
    made, problems = resolved(known, nodes, edges)
    wanted = {
        (node, channel)
        for node in nodes
        for channel, port in known[node.partition("_")[0]].inputs.items()
        if port.required
    }
    if made is None:
        assert {(problem.at[1], problem.at[3]) for problem in problems} <= wanted
    else:
        assert wanted <= {(step.name, one.channel) for step in made.steps for one in step.inputs}


@given(cases())
def test_inputs_are_fed_along_edges_once(case):
    """An input is fed by a predecessor, and no output feeds two inputs of one step."""
    made, _ = resolved(*case)
    for step in made.steps if made else ():
        sources = [str(one.source) for one in step.inputs]
        assert len(sources) == len(set(sources))
        assert {one.source.step for one in step.inputs} <= set(step.depends_on)


@given(cases(), st.randoms(use_true_random=False))
def test_wiring_is_independent_of_the_order_of_nodes(case, random):
    """The same graph with its nodes and edges in another order is wired the same, or wrong in the same places."""
    known, nodes, edges = case
    turned_nodes, turned_edges = random.sample(nodes, len(nodes)), random.sample(edges, len(edges))
    one, wrong = resolved(known, nodes, edges)
    other, also_wrong = resolved(known, turned_nodes, turned_edges)
    assert {problem.at for problem in wrong} == {problem.at for problem in also_wrong}
    if one is not None:
        assert one.data_flow_map == other.data_flow_map

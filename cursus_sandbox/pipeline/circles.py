"""The circles of a graph that has some: a step that waits for itself, by way of others or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import networkx as nx


def circles(dependencies: Mapping[str, Collection[str]]) -> Iterator[list[str]]:
    """One of each part of the graph in which every step leads to every other, from its first step back to that.

    `dependencies` gives what each step waits for, in the order of the document. The circle is the shortest there is
    through the first step of its part.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(dependencies)
    graph.add_edges_from((one, step) for step, before in dependencies.items() for one in before)
    place = {step: index for index, step in enumerate(dependencies)}
    for part in nx.strongly_connected_components(graph):
        first = min(part, key=place.__getitem__)
        if len(part) > 1 or graph.has_edge(first, first):
            back = nx.single_target_shortest_path(graph, first)
            inside = (step for step in graph.successors(first) if step in part)
            nearest = min(inside, key=lambda step: len(back[step]))
            yield [first, *back[nearest]]

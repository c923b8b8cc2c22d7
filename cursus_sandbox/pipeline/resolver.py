"""From a pipeline and its contracts to a plan, or to the list of all that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import networkx as nx

from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.config_assignment import ConfigAssignment, config_assignment, with_entry_points
from cursus_sandbox.pipeline.config_matching import ConfigResolution, Node
from cursus_sandbox.pipeline.contract import ScriptContract, StepKind
from cursus_sandbox.pipeline.cursus_config import CursusConfigs
from cursus_sandbox.pipeline.dag import Pipeline, PipelineDAG
from cursus_sandbox.pipeline.golden import GoldenSchemas, with_golden
from cursus_sandbox.pipeline.inputs import Contracts
from cursus_sandbox.pipeline.job_types import label_of
from cursus_sandbox.pipeline.likes import without_likes
from cursus_sandbox.pipeline.models import with_model
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.pipeline.promises import held_to_promises
from cursus_sandbox.pipeline.source import StepOutput, Unfed
from cursus_sandbox.pipeline.step_contracts import contract_notes, for_job_types, step_contracts
from cursus_sandbox.pipeline.steps import planned_step


class Resolver:
    """Decides a pipeline: order, wiring, configurations, environment, arguments.

    `contracts` is by step type. A step whose type is not among them gets a generic contract, and a note that says so.
    `available_configs` are Cursus' step configurations by key, as objects or mappings, and `metadata` what stands
    beside them; or CursusConfigs, which `documents.read_config` reads from a file. `lenient` feeds a required input
    that nothing fits from the first output there is. `unfed` feeds what nothing feeds: from
    a prefix of S3 required inputs; made up, where they have a schema, all inputs of a first step as well. `golden` are
    schemas that were seen and blessed.
    """

    def __init__(
        self,
        pipeline: Pipeline | PipelineDAG,
        *,
        contracts: Mapping[str, ScriptContract],
        available_configs: CursusConfigs | Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        lenient: bool = False,
        unfed: Unfed | None = None,
        golden: GoldenSchemas | None = None,
    ) -> None:
        self.pipeline = pipeline if isinstance(pipeline, Pipeline) else Pipeline(name="pipeline", dag=pipeline)
        self.contracts = contracts
        self.lenient = lenient
        self.unfed = unfed
        self.golden = golden or {}
        self.configs = (
            CursusConfigs.of(available_configs, metadata)
            if isinstance(available_configs, Mapping)
            else available_configs
        )
        self._place = {name: index for index, name in enumerate(self.pipeline.dag.nodes)}
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        self._graph.add_nodes_from(self.pipeline.dag.nodes)
        known = set(self.pipeline.dag.nodes)
        self._graph.add_edges_from(edge for edge in self._edges() if known.issuperset(edge))

    def get_step_dependencies(self, step: str) -> list[str]:
        """The steps it waits for, in the order of the document."""
        return self._ordered(self._graph.predecessors(step))

    def get_dependent_steps(self, step: str) -> list[str]:
        """The steps that wait for it, in the order of the document."""
        return self._ordered(self._graph.successors(step))

    def validate_dag_integrity(self) -> dict[str, list[Problem]]:
        """What is wrong with the graph, by kind: cycles, dangling_dependencies, duplicate_steps, empty.

        `isolated_nodes` are reported too, but are no error: published Cursus pipelines have them.
        """
        nodes = self.pipeline.dag.nodes
        found: dict[str, list[Problem]] = {
            "empty": [] if nodes else [Problem("the pipeline has no steps", ("steps",), "Write them below  steps:.")],
            "duplicate_steps": [
                Problem(f"step '{name}' is there {times} times", ("steps", name), "Keep one of them.")
                for name, times in Counter(nodes).items()
                if times > 1
            ],
            "dangling_dependencies": self._dangling(),
            "cycles": [_cycle_problem(self._graph, self._ordered(part)) for part in _cyclic_parts(self._graph)],
            "isolated_nodes": [
                Problem(f"step '{name}' is connected to nothing", ("steps", name))
                for name in nx.isolates(self._graph)
                if len(nodes) > 1
            ],
        }
        return {kind: problems for kind, problems in found.items() if problems}

    def preview_resolution(self) -> dict[str, ConfigResolution]:
        """Each step's configuration and all that else might be it; empty where there are no configurations."""
        chosen, _ = self._chosen_contracts()
        return {name: one.resolution for name, one in self._assignment(chosen, exhaustive=True).steps.items()}

    def create_execution_plan(self, *, explain_config: bool = False) -> PipelineExecutionPlan:
        """The plan; DocumentError with every problem when there can be none.

        With `explain_config` each step keeps all configurations that might be its own, not only the chosen one.
        """
        integrity = self.validate_dag_integrity()
        problems = [one for kind, some in integrity.items() if kind != "isolated_nodes" for one in some]
        chosen, unknown = self._chosen_contracts()
        assignment = self._assignment(chosen, exhaustive=explain_config)
        problems += [*unknown, *assignment.problems]
        if problems:
            raise DocumentError(problems)
        pipeline = with_entry_points(self.pipeline, assignment)
        pipeline, resolved, unlike = without_likes(pipeline, for_job_types(chosen, assignment))
        resolved, unknown = with_golden(resolved, self.golden)
        problems += [*unlike, *unknown]
        order = nx.lexicographical_topological_sort(self._graph, key=self._place.__getitem__)
        steps: dict[str, PlannedStep] = {}
        for name in order:
            step, wrong = planned_step(
                name,
                pipeline=pipeline,
                contracts=resolved,
                depends_on=self.get_step_dependencies(name),
                assigned=assignment.steps.get(name),
                lenient=self.lenient,
                unfed=self.unfed,
            )
            step = with_model(step, steps, pipeline.steps.get(name))
            notes = contract_notes(*resolved[name], known=self.contracts)
            steps[name] = replace(step, notes=(*notes, *step.notes)) if notes else step
            problems += wrong
        plan, broken = held_to_promises(PipelineExecutionPlan(name=self.pipeline.name, steps=tuple(steps.values())))
        problems += broken
        if problems:
            raise DocumentError(problems)
        return plan

    def _chosen_contracts(self) -> tuple[Contracts, list[Problem]]:
        return step_contracts(self.pipeline, self.contracts, self._graph.predecessors)

    def _assignment(self, chosen: Contracts, *, exhaustive: bool) -> ConfigAssignment:
        """Each step's configuration; of a step without a contract, what its name tells."""
        if self.configs is None:
            return ConfigAssignment({}, ())
        nodes = []
        for name in dict.fromkeys(self.pipeline.dag.nodes):
            contract, job_type = chosen.get(name, (None, None))
            step_type = contract.step_type if contract else name
            nodes.append(Node(name, step_type, label_of(name, step_type) or job_type))
        processing = {name for name, (contract, _) in chosen.items() if contract.kind is StepKind.PROCESSING}
        return config_assignment(
            self.configs,
            nodes,
            step_types=self.contracts,
            classes={one.config_class: name for name, one in self.contracts.items() if one.config_class},
            processing=frozenset(processing),
            exhaustive=exhaustive,
        )

    def _ordered(self, steps: Iterable[str]) -> list[str]:
        return sorted(steps, key=self._place.__getitem__)

    def _edges(self) -> list[tuple[str, str]]:
        """The document's edges, and those that follow from `depends_on` and from pinned inputs."""
        edges = list(self.pipeline.dag.edges)
        for name, step in self.pipeline.steps.items():
            edges += [(before, name) for before in step.depends_on]
            edges += [(source.step, name) for source in step.inputs.values() if isinstance(source, StepOutput)]
        return edges

    def _dangling(self) -> list[Problem]:
        known = set(self.pipeline.dag.nodes)
        problems = [
            Problem(
                f"the edge {before} -> {after} names '{name}', but no step is called that",
                ("dag", "edges", index),
                did_you_mean(name, known),
            )
            for index, (before, after) in enumerate(self.pipeline.dag.edges)
            for name in dict.fromkeys((before, after))
            if name not in known
        ]
        for name, step in self.pipeline.steps.items():
            problems += [
                Problem(
                    f"step '{name}' depends on '{before}', but no step is called that",
                    ("steps", name, "depends_on", index),
                    did_you_mean(before, known),
                )
                for index, before in enumerate(step.depends_on)
                if before not in known
            ]
            problems += [
                Problem(
                    f"step '{name}' reads '{source}', but no step is called '{source.step}'",
                    ("steps", name, "inputs", channel),
                    did_you_mean(source.step, known),
                )
                for channel, source in step.inputs.items()
                if isinstance(source, StepOutput) and source.step not in known
            ]
        return problems


def _cyclic_parts(graph: nx.DiGraph[str]) -> list[set[str]]:
    return [
        part
        for part in nx.strongly_connected_components(graph)
        if len(part) > 1 or any(graph.has_edge(node, node) for node in part)
    ]


def _cycle_problem(graph: nx.DiGraph[str], part: list[str]) -> Problem:
    """The shortest cycle through the first step of a part of the graph in which each step leads to every other."""
    first, inside = part[0], set(part)
    back = nx.single_target_shortest_path(graph, first)
    nearest = min((step for step in graph.successors(first) if step in inside), key=lambda step: len(back[step]))
    around = [first, *back[nearest]]
    return Problem(
        f"the steps wait for each other in a circle: {' -> '.join(around)}",
        ("steps", first),
        "Take one of these dependencies away.",
    )

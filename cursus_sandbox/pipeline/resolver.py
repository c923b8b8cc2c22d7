"""From a pipeline and its contracts to a plan, or to the list of all that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import Any

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
from cursus_sandbox.pipeline.slips import slips
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
        self._before: dict[str, dict[str, None]] = {name: {} for name in self._place}
        self._after: dict[str, dict[str, None]] = {name: {} for name in self._place}
        for before, after in self._edges():
            if before in self._place and after in self._place:
                self._before[after][before] = None
                self._after[before][after] = None

    def get_step_dependencies(self, step: str) -> list[str]:
        """The steps it waits for, in the order of the document."""
        return self._ordered(self._before[step])

    def get_dependent_steps(self, step: str) -> list[str]:
        """The steps that wait for it, in the order of the document."""
        return self._ordered(self._after[step])

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
            "cycles": self._circles(),
            "isolated_nodes": [
                Problem(f"step '{name}' is connected to nothing", ("steps", name))
                for name in self._place
                if len(nodes) > 1 and not self._before[name] and not self._after[name]
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
        return self._execution_plan(explain_config=explain_config)

    def _execution_plan(
        self,
        *,
        explain_config: bool,
        also_wrong: Callable[[PipelineExecutionPlan], Iterable[Problem]] = lambda _: (),
        known: Iterable[Problem] = (),
    ) -> PipelineExecutionPlan:
        """The plan; what is `also_wrong` is asked of one that can't be, too, and what was `known` is wrong with it.

        Where single steps are wrong, the others are decided all the same: what is wrong with them is told at once.
        """
        known, integrity = tuple(known), self.validate_dag_integrity()
        if known:  # what is wrong with them may be all the steps there are
            integrity.pop("empty", None)
        of_steps = [*known, *integrity.pop("dangling_dependencies", ())]
        problems = [one for kind, some in integrity.items() if kind != "isolated_nodes" for one in some]
        chosen, unknown = self._chosen_contracts()
        assignment = self._assignment(chosen, exhaustive=explain_config)
        problems += [*unknown, *assignment.problems]
        if problems or not all(one.at[1:2] and one.at[0] == "steps" for one in of_steps):
            raise DocumentError([*of_steps, *problems])
        problems = list(of_steps)
        pipeline = with_entry_points(self.pipeline, assignment)
        pipeline, resolved, unlike = without_likes(pipeline, for_job_types(chosen, assignment))
        resolved, unknown = with_golden(resolved, self.golden)
        problems += [*unlike, *unknown]
        steps, slipped = dict[str, PlannedStep](), slips(pipeline, resolved)
        wrong_steps = {one.at[1] for one in of_steps}
        for name in _in_order(self._before, self._place):
            if name in wrong_steps:
                continue
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
            notes = (*contract_notes(*resolved[name], known=self.contracts), *slipped.get(name, ()))
            steps[name] = replace(step, notes=(*notes, *step.notes)) if notes else step
            problems += wrong
        plan, broken = held_to_promises(PipelineExecutionPlan(name=self.pipeline.name, steps=tuple(steps.values())))
        problems += [*broken, *also_wrong(plan)]
        if problems:
            raise DocumentError(problems)
        return plan

    def _chosen_contracts(self) -> tuple[Contracts, list[Problem]]:
        return step_contracts(self.pipeline, self.contracts, self._before.__getitem__)

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

    def _circles(self) -> list[Problem]:
        try:
            TopologicalSorter(self._before).prepare()
        except CycleError:
            from cursus_sandbox.pipeline.circles import circles  # noqa: PLC0415 -- networkx takes a while, and few need it
        else:
            return []
        return [
            Problem(
                f"the steps wait for each other in a circle: {' -> '.join(around)}",
                ("steps", around[0]),
                "Take one of these dependencies away.",
            )
            for around in circles(self._before)
        ]

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


def _in_order(before: Mapping[str, Collection[str]], place: Mapping[str, int]) -> Iterator[str]:
    """Each step after those it waits for, and else as they stand in the document; CycleError where that can't be."""
    sorter = TopologicalSorter(before)
    sorter.prepare()
    names = list(place)
    waiting = [place[name] for name in sorter.get_ready()]
    heapify(waiting)
    while waiting:
        name = names[heappop(waiting)]
        yield name
        sorter.done(name)
        for ready in sorter.get_ready():
            heappush(waiting, place[ready])

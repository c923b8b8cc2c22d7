"""From a document, or a graph already in memory, to a plan: the contracts found, the problems with file and line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cursus_sandbox.documents import (
    ContractLibrary,
    Contracts,
    Written,
    WrittenConfigs,
    library_of,
    read_config,
    read_pipeline,
)
from cursus_sandbox.documents.golden import WrittenGolden, golden_file, read_golden
from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.overrides import AnyPath, Overrides, overridden
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.cursus_config import CursusConfigs
from cursus_sandbox.pipeline.dag import Pipeline, PipelineDAG, StepConfiguration
from cursus_sandbox.pipeline.names import StepTypes
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedInput, PlannedOutput, PlannedStep
from cursus_sandbox.pipeline.resolver import Resolver
from cursus_sandbox.pipeline.selection import Selection
from cursus_sandbox.pipeline.source import S3Settings, Synthetic, Unfed
from cursus_sandbox.pipeline.step_contracts import named_type
from cursus_sandbox.sagemaker.lint import linted
from cursus_sandbox.tables.schema import TableSchema

if TYPE_CHECKING:
    from cursus_sandbox.inputs.registry import S3OutputPathRegistry

Document = AnyPath | Pipeline | PipelineDAG
DataSource = Literal["local", "synthetic", "s3"] | Unfed


class PipelineDAGResolver(Resolver):
    """Decides the pipeline of a document or a graph, with the contracts and configurations that stand around it.

    `config_path` is Cursus' configuration file, instead of the document's. `available_configs`, configurations by key
    as mappings or objects with attributes (pydantic's, dataclasses, any), and `metadata` (`{"config_types": {key:
    class}}`) count before what it says of the same keys. `contracts` are contracts, or folders of them, or one, that
    come before all that are found: where the document says, beside it, in an installed Cursus, the shipped ones.
    (CURSUS_SANDBOX_CONTRACTS is for the command line and for `plan`, `check` and `run`.) `lenient` is Cursus' last
    resort: a required input that nothing fits takes the first output there is, and a note says so. `unfed` is what
    feeds the inputs that nothing feeds. Without `golden`, data are not held to the schemas that were blessed beside the
    document.

    Raises DocumentError with every problem, each with its file and line.
    """

    def __init__(  # noqa: PLR0913 -- options are many
        self,
        dag: Document,
        *,
        config_path: AnyPath | None = None,
        metadata: Mapping[str, Any] | None = None,
        available_configs: Mapping[str, Any] | None = None,
        contracts: Contracts = (),
        overrides: Overrides = Overrides(),
        lenient: bool = False,
        unfed: Unfed | None = None,
        golden: bool = True,
    ) -> None:
        written = _in_memory(dag) if isinstance(dag, Pipeline | PipelineDAG) else read_pipeline(_file(dag))
        pipeline, outside = overridden(written.pipeline, overrides)
        configs, wrong = _configs(written, Path(config_path) if config_path is not None else None)
        outside += wrong
        if configs:
            written = replace(written, places={**written.places, **configs.places})
        blessed, wrong = _blessed(written) if golden else (WrittenGolden({}), [])
        outside += wrong
        written = replace(written, places={**written.places, **blessed.places})
        self._written, self.overrides = written, overrides
        found: Mapping[str, ScriptContract] = {}
        try:
            beside = written.file.parent if written.file else None
            library = library_of(contracts, named=written.contract_folders, beside=beside)
            found = library.contracts(_step_types(pipeline, library))
        except DocumentError as error:
            outside += error.problems
        if outside:
            inside = [*written.problems, *_graph_problems(pipeline)]
            raise DocumentError([*outside, *self._located(inside)])
        unread = {name: ScriptContract(step_type=name) for name in library.step_types if name not in found}
        super().__init__(
            pipeline,
            contracts={**unread, **found},
            available_configs=_overlaid(configs.configs if configs else None, available_configs, metadata),
            lenient=lenient,
            unfed=unfed,
            golden=blessed.schemas,
        )
        if written.problems:
            try:
                self._execution_plan(explain_config=False, known=written.problems)
            except DocumentError as error:
                raise DocumentError(self._located(error.problems)) from None

    def create_execution_plan(
        self,
        *,
        explain_config: bool = False,
        runnable: bool = False,
        strict: bool = False,
        registry: S3OutputPathRegistry | None = None,
        selection: Selection = Selection(),
    ) -> PipelineExecutionPlan:
        """The plan; DocumentError with every problem when there can be none.

        With `runnable`, the scripts and files that the document names must be there as well; with `explain_config`,
        each step keeps all configurations that might be its own. With `strict`, what AWS would refuse or lose is wrong,
        and what is likely misspelt in a contract.
        With a `registry` the steps of the `selection` read what others have left in an earlier execution.
        """
        absent = _absent if runnable and registry is None else _nothing
        try:
            plan = linted(self._execution_plan(explain_config=explain_config, also_wrong=absent))
        except DocumentError as error:  # what is wrong may come of a slip in a contract
            found = [*error.problems, *self._slips()]
            raise DocumentError(self._located(found), hint=_where_to_write(self._written, error)) from None
        plan = self._with_places(plan)
        if registry is not None:
            plan = registry.rebound(plan, selection, self.pipeline.defaults.s3)
        if self.golden:
            file = golden_file(self._written.file) if self._written.file else "golden"
            plan = replace(plan, remarks=(*plan.remarks, f"{file}: data are held to the schemas blessed there, too"))
        if runnable and registry is not None and (missing := _absent(plan)):
            raise DocumentError(self._located(missing))
        if strict and (plan.warnings or self._slips()):
            refused = [
                Problem(f"step '{step.name}': {warning}", ("steps", step.name))
                for step in plan.steps
                for warning in step.warnings
            ]
            what = "what AWS would refuse or lose" if refused else "what is likely misspelt"
            raise DocumentError(self._located([*refused, *self._slips()]), hint=f"--strict: {what} is an error.")
        return self._with_slips(plan)

    @contextmanager
    def telling_lines(self) -> Iterator[None]:
        """Give problems of the document that are found later, when its plan runs, their file and line, too."""
        try:
            yield
        except DocumentError as error:
            if any(problem.file or not problem.at for problem in error.problems):
                raise
            raise DocumentError(self._located(error.problems)) from None

    def _slips(self) -> list[Problem]:
        """What is likely misspelt in the contracts."""
        return [slip for contract in self.contracts.values() for slip in contract.slips]

    def _with_slips(self, plan: PipelineExecutionPlan) -> PipelineExecutionPlan:
        """The plan with what is likely misspelt in a contract as warnings of the steps that keep to it."""
        steps = []
        for step in plan.steps:
            contract = self.contracts.get(step.step_type)
            said = [f"{one.file}:{one.line}: {one.what}. {one.hint}" for one in contract.slips] if contract else []
            steps.append(replace(step, warnings=(*said, *step.warnings)) if said else step)
        return replace(plan, steps=tuple(steps))

    def _with_places(self, plan: PipelineExecutionPlan) -> PipelineExecutionPlan:
        """The plan with the file and line that asks for each column of a channel, where that is known."""
        steps = []
        for step in plan.steps:
            schemas = [*(one.table_schema for one in step.inputs), *(one.table_schema for one in step.outputs)]
            if any(schemas):
                inputs = tuple(replace(one, asked_in=self._asked_in(step, "inputs", one)) for one in step.inputs)
                outputs = tuple(replace(one, asked_in=self._asked_in(step, "outputs", one)) for one in step.outputs)
                steps.append(replace(step, inputs=inputs, outputs=outputs))
            else:
                steps.append(step)
        return replace(plan, steps=tuple(steps))

    def _asked_in(self, step: PlannedStep, part: str, channel: PlannedInput | PlannedOutput) -> dict[str, str]:
        """Where a column's last word is: in the document, else in the contract, else in what was blessed."""
        if channel.table_schema is None:
            return {}
        name = channel.channel
        of_step = self._written.pipeline.steps.get(step.name, StepConfiguration()).schemas.get(name)
        contract = self.contracts.get(step.step_type)
        lines = contract.for_job_type(step.job_type).field_lines.get((part, name), {}) if contract else {}
        places = {
            **self._field_places(("golden", step.name, name), self.golden.get(step.name, {}).get(name)),
            **{column: f"{step.contract_file}:{line}" for column, line in lines.items()},
            **self._field_places(("steps", step.name, "schemas", name), of_step),
        }
        return {one.name: places[one.name] for one in channel.table_schema.fields if one.name in places}

    def _field_places(self, at: tuple[str, ...], schema: TableSchema | None) -> dict[str, str]:
        """The file and line of each field of a schema that is written there."""
        places = self._written.places
        fields = enumerate(schema.fields) if schema else ()
        found = {one.name: places.get((*at, "fields", index)) for index, one in fields}
        return {column: f"{place[0]}:{place[1]}" for column, place in found.items() if place}

    def _located(self, problems: Iterable[Problem]) -> list[Problem]:
        """All problems, each with its file and line, in the order of the lines."""
        overrides = self.overrides
        located = []
        for problem in problems:
            match () if problem.file else problem.at:
                case ("steps", step, "inputs", channel) if (given := f"{step}:{channel}") in overrides.inputs:
                    hint = problem.hint or f"It is bound from outside:  {given}=PATH."
                    located.append(replace(problem, hint=hint))
                case ("source_dir",) if overrides.source_dir is not None:
                    located.append(problem)
                case _:
                    located.append(self._written.located(problem))
        return sorted(dict.fromkeys(located), key=lambda one: (str(one.file or ""), one.line or 0))


def _absent(plan: PipelineExecutionPlan) -> list[Problem]:
    """What it names and this machine hasn't."""
    from cursus_sandbox.inputs.missing import missing_sources  # noqa: PLC0415 -- what a plan needs none of

    return missing_sources(plan)


def _nothing(_: PipelineExecutionPlan) -> list[Problem]:
    return []


def unfed_of(data_source: DataSource) -> Unfed | None:
    """What feeds the inputs that nothing feeds; DocumentError for a source that isn't known."""
    match data_source:
        case "local":
            return None
        case "synthetic":
            return Synthetic()
        case "s3":
            return S3Settings()
        case Synthetic() | S3Settings():
            return data_source
        case _:
            hint = "There is: local (files and folders), synthetic (made up from the schemas), s3 (below a prefix)."
            raise DocumentError([Problem(f"there is no data source '{data_source}'", hint=hint)])


def _blessed(written: Written) -> tuple[WrittenGolden, list[Problem]]:
    """The schemas that were blessed beside the document."""
    if written.file is None:
        return WrittenGolden({}), []
    try:
        return read_golden(written.file), []
    except DocumentError as error:
        return WrittenGolden({}), list(error.problems)


def _configs(written: Written, given: Path | None) -> tuple[WrittenConfigs | None, list[Problem]]:
    """The configurations of the file that the caller names, else the document."""
    file = given or written.config
    if file is None:
        return None, []
    try:
        return read_config(file), []
    except DocumentError as error:
        if given:
            return None, list(error.problems)
        named = [
            one if one.line else Problem(f"config: {file}: {one.what}", ("config",), one.hint) for one in error.problems
        ]
        return None, [written.located(one) for one in named]


def _overlaid(
    of_file: CursusConfigs | None, available: Mapping[str, Any] | None, metadata: Mapping[str, Any] | None
) -> CursusConfigs | None:
    """The configurations of a file with those the caller has over them."""
    if available is None and metadata is None:
        return of_file
    given = CursusConfigs.of(available or {}, metadata)
    if of_file is None:
        return given
    return replace(
        of_file,
        specific={**of_file.specific, **given.specific},
        config_types={**of_file.config_types, **given.config_types},
    )


def _graph_problems(pipeline: Pipeline) -> list[Problem]:
    """What is wrong with the graph, whatever the contracts are: said along with what keeps a plan from being made."""
    found = Resolver(pipeline, contracts={}).validate_dag_integrity()
    return [one for kind in ("duplicate_steps", "dangling_dependencies", "cycles") for one in found.get(kind, ())]


def _where_to_write(written: Written, error: DocumentError) -> str:
    """For a Cursus graph, which has no place for what it leaves open."""
    of_a_step = any(problem.at[:1] == ("steps",) and len(problem.at) > 2 for problem in error.problems)  # noqa: PLR2004 -- ("steps", name, …)
    if not (written.file and written.pipeline.form == "cursus" and of_a_step):
        return ""
    return (
        f"A Cursus graph has no place for inputs, outputs and env. Write them in a document that stands on it:\n"
        f"  dag: {written.file.name}\n  steps: {{STEP: {{inputs: …, outputs: …, env: …}}}}"
    )


def _file(document: object) -> Path:
    """The file that a document is; DocumentError for what is none, such as a graph of Cursus' own class."""
    if not isinstance(document, str | os.PathLike):
        hint = "Of another graph make one:  PipelineDAG(nodes=list(dag.nodes), edges=list(dag.edges))"
        raise DocumentError([Problem(f"a document is a file or a PipelineDAG, not {type(document)!r}", hint=hint)])
    return Path(document)


def _in_memory(dag: Pipeline | PipelineDAG) -> Written:
    pipeline = dag if isinstance(dag, Pipeline) else Pipeline(name="pipeline", dag=dag)
    return Written(None, pipeline, (), {})


def _step_types(pipeline: Pipeline, library: ContractLibrary) -> list[str]:
    """The step types a pipeline names, as far as the library knows them."""
    types = StepTypes(library.step_types)
    return [
        step_type
        for name in pipeline.dag.nodes
        if (step_type := named_type(name, pipeline.steps.get(name), types).step_type)
    ]

"""From a document, or a graph already in memory, to a plan: the contracts found, the problems with file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from cursus_sandbox.documents import ContractLibrary, Written, WrittenConfigs, read_config, read_pipeline
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.dag import Located, Pipeline, PipelineDAG, StepConfiguration
from cursus_sandbox.pipeline.names import StepTypes
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan
from cursus_sandbox.pipeline.resolver import PipelineDAGResolver
from cursus_sandbox.pipeline.step_contracts import named_type
from cursus_sandbox.sources import missing_sources


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the caller says over the document's defaults; what a step says for itself stays.

    `inputs` bind root inputs: `{"step:channel": file or folder}`.
    """

    image: str | None = None
    source_dir: Path | None = None
    timeout: float | None = None
    memory: int | None = None
    config: Path | None = None
    inputs: Mapping[str, Path] = field(default_factory=dict)


def shipped_contracts() -> Path:
    """The folder of the contracts that come with the package."""
    package = Path(__file__).parent
    installed = package / "contracts"
    return installed if installed.is_dir() else package.parent / "contracts"


def installed_cursus() -> Path | None:
    """The folder of the contracts of the Cursus that is installed here, if one is. Nothing of it is imported."""
    found = find_spec("cursus")
    for package in (found.submodule_search_locations or ()) if found else ():
        if (folder := Path(package) / "steps" / "interfaces").is_dir():
            return folder
    return None


def library_of(
    folders: Iterable[Path], *, beside: Path | None = None, given: Iterable[ScriptContract] = ()
) -> ContractLibrary:
    """The contracts there are: those given, in the folders, in the one `beside` and its `contracts/`, Cursus', shipped.

    DocumentError with every folder that can't be read.
    """
    near = [one for one in (beside, beside / "contracts") if one.is_dir()] if beside else []
    cursus = installed_cursus()
    return ContractLibrary([*folders, *near, *([cursus] if cursus else ()), shipped_contracts()], given)


def create_plan(
    dag: Path | Pipeline | PipelineDAG,
    *,
    contract_folders: Iterable[Path] = (),
    contracts: Iterable[ScriptContract] = (),
    overrides: Overrides = Overrides(),
    runnable: bool = False,
    explain_config: bool = False,
) -> PipelineExecutionPlan:
    """The plan of a document or graph; DocumentError with every problem.

    `contracts` come before all that are found: in `contract_folders`, then where the document says, then as
    `library_of` says. With `runnable`, the scripts and files that the document names must be there as well; with
    `explain_config`, each step keeps all configurations that might be its own.
    """
    written, resolver = _resolver(dag, contract_folders, contracts, overrides)
    try:
        plan = resolver.create_execution_plan(explain_config=explain_config)
    except DocumentError as error:
        raise DocumentError(
            _located(written, overrides, error.problems), hint=_where_to_write(written, error)
        ) from None
    if runnable and (missing := missing_sources(plan)):
        raise DocumentError(_located(written, overrides, missing))
    return plan


def create_resolver(
    dag: Path | Pipeline | PipelineDAG,
    *,
    contract_folders: Iterable[Path] = (),
    contracts: Iterable[ScriptContract] = (),
    overrides: Overrides = Overrides(),
) -> PipelineDAGResolver:
    """The resolver of a document or graph, with its contracts and configurations; DocumentError with every problem."""
    return _resolver(dag, contract_folders, contracts, overrides)[1]


def _resolver(
    dag: Path | Pipeline | PipelineDAG,
    contract_folders: Iterable[Path],
    contracts: Iterable[ScriptContract],
    overrides: Overrides,
) -> tuple[Written, PipelineDAGResolver]:
    written = read_pipeline(dag) if isinstance(dag, Path) else _in_memory(dag)
    pipeline, outside = _overridden(written.pipeline, overrides)
    configs, wrong = _configs(written, overrides)
    outside += wrong
    if configs:
        written = replace(written, places={**written.places, **configs.places})
    try:
        folders = [*contract_folders, *written.contract_folders]
        library = library_of(folders, beside=written.file.parent if written.file else None, given=contracts)
        found = library.contracts(_step_types(pipeline, library))
    except DocumentError as error:
        outside += error.problems
    if outside or written.problems:
        inside = [*written.problems, *_graph_problems(pipeline)]
        raise DocumentError([*outside, *_located(written, overrides, inside)])
    unread = {name: ScriptContract(step_type=name) for name in library.step_types if name not in found}
    resolver = PipelineDAGResolver(
        pipeline,
        contracts={**unread, **found},
        available_configs=configs.configs if configs else None,
    )
    return written, resolver


def _configs(written: Written, overrides: Overrides) -> tuple[WrittenConfigs | None, list[Problem]]:
    """The configurations of the file that the caller names, else the document."""
    file = overrides.config or written.config
    if file is None:
        return None, []
    try:
        return read_config(file), []
    except DocumentError as error:
        if overrides.config:
            return None, list(error.problems)
        named = [
            one if one.line else Problem(f"config: {file}: {one.what}", ("config",), one.hint) for one in error.problems
        ]
        return None, [written.located(one) for one in named]


def _graph_problems(pipeline: Pipeline) -> list[Problem]:
    """What is wrong with the graph, whatever the contracts are: said along with what keeps a plan from being made."""
    found = PipelineDAGResolver(pipeline, contracts={}).validate_dag_integrity()
    return [one for kind in ("duplicate_steps", "dangling_dependencies", "cycles") for one in found.get(kind, ())]


def _located(written: Written, overrides: Overrides, problems: Iterable[Problem]) -> list[Problem]:
    """All problems, each with its file and line, in the order of the lines."""
    located = []
    for problem in problems:
        match problem.at:
            case ("steps", step, "inputs", channel) if (given := f"{step}:{channel}") in overrides.inputs:
                located.append(replace(problem, hint=problem.hint or f"It is bound from outside:  {given}=PATH."))
            case ("source_dir",) if overrides.source_dir is not None:
                located.append(problem)
            case _:
                located.append(written.located(problem))
    return sorted(dict.fromkeys(located), key=lambda one: (str(one.file or ""), one.line or 0))


def _where_to_write(written: Written, error: DocumentError) -> str:
    """For a Cursus graph, which has no place for what it leaves open."""
    of_a_step = any(problem.at[:1] == ("steps",) and len(problem.at) > 2 for problem in error.problems)  # noqa: PLR2004 -- ("steps", name, …)
    if not (written.file and written.pipeline.form == "cursus" and of_a_step):
        return ""
    return (
        f"A Cursus graph has no place for inputs, outputs and env. Write them in a document that stands on it:\n"
        f"  dag: {written.file.name}\n  steps: {{STEP: {{inputs: …, outputs: …, env: …}}}}"
    )


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


def _overridden(pipeline: Pipeline, overrides: Overrides) -> tuple[Pipeline, list[Problem]]:
    given = {
        "image": overrides.image,
        "source_dir": overrides.source_dir,
        "timeout": overrides.timeout,
        "memory": overrides.memory,
    }
    defaults = pipeline.defaults.model_copy(update={key: value for key, value in given.items() if value is not None})
    steps = dict(pipeline.steps)
    problems = []
    for target, path in overrides.inputs.items():
        name, colon, channel = target.partition(":")
        if colon and channel and name in pipeline.dag.nodes:
            step = steps.get(name, StepConfiguration())
            steps[name] = step.model_copy(update={"inputs": {**step.inputs, channel: Located(path=path)}})
            continue
        what = (
            f"the input '{target}' names no step of the pipeline" if colon else f"the input '{target}' has no channel"
        )
        hint = (did_you_mean(name, pipeline.dag.nodes) if colon and channel else "") or "Write it as STEP:CHANNEL=PATH."
        problems.append(Problem(what, hint=hint))
    return pipeline.model_copy(update={"defaults": defaults, "steps": steps}), problems

"""`dag.yaml`, `dag.json` and Cursus' `*.dag.json`: three forms of one pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cursus_sandbox.documents.problems import problems_of
from cursus_sandbox.documents.tree import Place, Tree, read_tree
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.dag import Located, Pipeline, PipelineDAG, PipelineDefaults, StepConfiguration
from cursus_sandbox.pipeline.values import Duration, EnvironmentName, Size, StepName, Text


@dataclass(frozen=True, slots=True)
class Written:
    """A pipeline and where it was written: its contract folders, and the file and line of every part."""

    file: Path | None
    pipeline: Pipeline
    contract_folders: tuple[Path, ...]
    places: dict[Place, tuple[Path, int]]

    def located(self, problem: Problem) -> Problem:
        """The problem with the file and line of the place it speaks of, or of the nearest one around that."""
        if problem.file:
            return problem
        for length in range(len(problem.at), -1, -1):
            if found := self.places.get(problem.at[:length]):
                return replace(problem, file=found[0], line=found[1])
        return replace(problem, file=self.file) if self.file else problem


class _Document(BaseModel):
    """Our own form, and the keys that may stand beside a Cursus graph."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text | None = None
    description: Text | None = None
    dag: Text | None = None
    image: Text | None = None
    env: dict[EnvironmentName, Text] = Field(default_factory=dict)
    source_dir: Path | None = None
    contracts: tuple[Text, ...] | Text = ()
    config: Text | None = None
    timeout: Duration | None = None
    memory: Size | None = None
    steps: dict[StepName, StepConfiguration] = Field(default_factory=dict)


class _Graph(BaseModel):
    """Cursus' graph; what else stands in it has nothing to do with running it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    nodes: tuple[StepName, ...]
    edges: tuple[tuple[StepName, StepName], ...] = ()


def read_pipeline(file: Path) -> Written:
    """The pipeline of a file, in whichever form it is written; DocumentError with every problem in it."""
    tree = read_tree(file)
    content = tree.content
    if content is None:
        raise DocumentError([tree.problem("the document is empty", hint="It needs  steps:  or a Cursus  dag:.")])
    if not isinstance(content, dict):
        raise DocumentError([tree.problem("a pipeline is a mapping with  steps:  or  dag:")])
    if "nodes" in content:
        return _cursus(tree, content, ())
    if isinstance(content.get("dag"), dict):
        return _cursus(tree, content["dag"], ("dag",))
    return _ours(tree)


def _cursus(tree: Tree, graph: dict[str, Any], at: Place) -> Written:
    try:
        read = _Graph.model_validate(graph)
    except ValidationError as error:
        raise DocumentError(problems_of(error, tree, _Graph, lambda place: (*at, *place))) from error
    places: dict[Place, tuple[Path, int]] = {(): (tree.file, 1)}
    for index, node in enumerate(read.nodes):
        places["steps", node] = (tree.file, tree.line((*at, "nodes", index)) or 1)
    for index in range(len(read.edges)):
        places["dag", "edges", index] = (tree.file, tree.line((*at, "edges", index)) or 1)
    metadata = tree.content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    stem = tree.file.name.removesuffix(".json").removesuffix(".dag")
    pipeline = Pipeline(
        name=name if isinstance(name, str) else stem,
        dag=PipelineDAG(nodes=read.nodes, edges=read.edges),
        form="cursus",
    )
    return Written(tree.file, pipeline, (), places)


def _ours(tree: Tree) -> Written:
    try:
        document = _Document.model_validate({**tree.content, **_steps_given(tree.content)})
    except ValidationError as error:
        raise DocumentError(problems_of(error, tree, _Document, lambda place: place)) from error
    if "steps" not in tree.content and document.dag is None:
        raise DocumentError([tree.problem("the pipeline has no steps", hint="Write them below  steps:.")])
    folder = tree.file.parent
    graph = PipelineDAG()
    places: dict[Place, tuple[Path, int]] = {}
    if document.dag is not None:
        beneath = read_pipeline(folder / document.dag)
        if beneath.pipeline.form != "cursus":
            raise DocumentError([tree.problem(f"{document.dag} is no Cursus graph", ("dag",))])
        graph, places = beneath.pipeline.dag, dict(beneath.places)
    places |= {place: (tree.file, line) for place, line in tree.lines.items()}
    added = [name for name in document.steps if name not in graph.nodes]
    if problems := [_unattached(tree, name, graph) for name in added if graph.nodes and _alone(document.steps[name])]:
        raise DocumentError(problems)
    contracts = (document.contracts,) if isinstance(document.contracts, str) else document.contracts
    pipeline = Pipeline(
        name=document.name or tree.file.stem.removesuffix(".dag"),
        dag=PipelineDAG(nodes=(*graph.nodes, *added), edges=graph.edges),
        steps={name: _rooted(step, folder) for name, step in document.steps.items()},
        defaults=PipelineDefaults(
            image=document.image,
            env=document.env,
            source_dir=folder / document.source_dir if document.source_dir else None,
            timeout=document.timeout,
            memory=document.memory,
        ),
    )
    return Written(tree.file, pipeline, tuple(folder / one for one in contracts), places)


def _steps_given(content: dict[str, Any]) -> dict[str, Any]:
    """`steps:` with nothing below a step's name means a step without configuration of its own."""
    steps = content.get("steps")
    if not isinstance(steps, dict):
        return {"steps": steps} if steps is not None else {}
    return {"steps": {name: {} if step is None else step for name, step in steps.items()}}


def _alone(step: StepConfiguration) -> bool:
    return not (step.depends_on or step.inputs or step.contract)


def _unattached(tree: Tree, name: str, graph: PipelineDAG) -> Problem:
    hint = did_you_mean(name, graph.nodes) or "A step that is added says what it depends on."
    return tree.problem(f"'{name}' is no step of {tree.content['dag']}", ("steps", name), hint)


def _rooted(step: StepConfiguration, folder: Path) -> StepConfiguration:
    """The step with its paths taken from the document's folder."""
    return step.model_copy(
        update={
            "inputs": {
                name: _at(folder, one) if isinstance(one, Located) else one for name, one in step.inputs.items()
            },
            "outputs": {name: _at(folder, one) for name, one in step.outputs.items()},
            "source_dir": folder / step.source_dir if step.source_dir else None,
        }
    )


def _at(folder: Path, one: Located) -> Located:
    return Located(path=folder / one.path.expanduser())

"""`dag.yaml`, `dag.json` and Cursus' `*.dag.json`: three forms of one pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from cursus_sandbox.documents.library import no_folder
from cursus_sandbox.documents.problems import shown, validated
from cursus_sandbox.documents.reading import read_tree
from cursus_sandbox.documents.tree import Place, Tree
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.dag import (
    Network,
    Pipeline,
    PipelineDAG,
    PipelineDefaults,
    Resources,
    Runtime,
    StepConfiguration,
)
from cursus_sandbox.pipeline.secrets import SecretWritten
from cursus_sandbox.pipeline.source import Located, S3Settings
from cursus_sandbox.pipeline.values import Duration, EnvironmentName, HostPath, Size, StepName, Text, User


@dataclass(frozen=True, slots=True)
class Written:
    """A pipeline and where it was written: the file and line of every part, and what is wrong.

    With `problems`, the pipeline is what could be read, good for nothing but to find more of them.
    """

    file: Path | None
    pipeline: Pipeline
    contract_folders: tuple[Path, ...]
    places: dict[Place, tuple[Path, int]]
    problems: tuple[Problem, ...] = ()
    config: Path | None = None

    def located(self, problem: Problem) -> Problem:
        """The problem with the file and line of the place it speaks of, or of the nearest one around that."""
        if problem.file:
            return problem
        for length in range(len(problem.at), -1, -1):
            if found := self.places.get(problem.at[:length]):
                return replace(problem, file=found[0], line=found[1])
        return replace(problem, file=self.file) if self.file else problem


class Document(BaseModel):
    """Our own form, and the keys that may stand beside a Cursus graph."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    name: Text | None = None
    description: Text | None = None
    dag: HostPath | None = None
    image: Text | None = None
    env: dict[EnvironmentName, Text] = Field(default_factory=dict)
    secrets: dict[EnvironmentName, SecretWritten] = Field(default_factory=dict)
    source_dir: HostPath | None = None
    contracts: Annotated[
        tuple[HostPath, ...], WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}})
    ] = ()
    config: HostPath | None = None
    timeout: Duration | None = None
    grace: Duration | None = None
    memory: Size | None = None
    instance_type: Text | None = None
    instance_types: dict[Text, Resources] = Field(default_factory=dict)
    log_limit: Size | None = None
    network: Network | None = None
    read_only_root: bool | None = None
    runtime: Runtime | None = None
    pip_shim: bool | None = None
    user: User | None = None
    s3: S3Settings = S3Settings()
    steps: dict[StepName, StepConfiguration] = Field(default_factory=dict)


class _Graph(BaseModel):
    """Cursus' graph; what else stands in it has nothing to do with running it."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")

    nodes: tuple[StepName, ...]
    edges: tuple[tuple[StepName, StepName], ...] = ()


def read_pipeline(file: Path) -> Written:
    """The pipeline of a file, in whichever form it is written.

    Raises DocumentError if nothing can be made of it; else what is wrong is in `problems`, and left out.
    """
    for part in (PipelineDAG, StepConfiguration, PipelineDefaults):
        part.model_rebuild()  # pydantic would build it anew for each whole that has it
    tree = read_tree(file)
    content = tree.content
    if content is None:
        problem = tree.problem("the document is empty", hint="It needs  steps:  or a Cursus  dag:.")
        raise DocumentError([*tree.problems, problem])
    if not isinstance(content, dict):
        raise DocumentError([*tree.problems, tree.problem("a pipeline is a mapping with  steps:  or  dag:")])
    return _cursus(tree) if _is_cursus(content) else _ours(tree)


def _is_cursus(content: dict[str, Any]) -> bool:
    return "nodes" in content or isinstance(content.get("dag"), dict)


def _cursus(tree: Tree) -> Written:
    content = tree.content
    at: Place = () if "nodes" in content else ("dag",)
    read, wrong = validated(_Graph, content if not at else content["dag"], tree, lambda place: (*at, *place))
    problems = [*tree.problems, *wrong]
    problems += [
        tree.problem(
            f"'{key}' can't stand in the same document as a graph's nodes",
            (key,),
            "Keep the graph in a file of its own, and name that here:  dag: FILE.",
        )
        for key in content
        if key in _OUR_OWN
    ]
    version = content.get("version") if at else None
    if version is not None and str(version).partition(".")[0] != _MAJOR:
        what = f"version: this graph is of version {shown(version)}, and {_MAJOR}.x is what is read"
        hint = "Save it with a Cursus that writes that, or keep its nodes and edges alone:  {nodes: […], edges: […]}"
        problems.append(tree.problem(what, ("version",), hint))
    if read is None:
        raise DocumentError(problems)
    places: dict[Place, tuple[Path, int]] = {(): (tree.file, 1)}
    for index, node in enumerate(read.nodes):
        places["steps", node] = (tree.file, tree.line((*at, "nodes", index)) or 1)
    for index in range(len(read.edges)):
        places["dag", "edges", index] = (tree.file, tree.line((*at, "edges", index)) or 1)
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    pipeline = Pipeline(
        name=name if isinstance(name, str) else _stem(tree.file),
        dag=PipelineDAG(nodes=read.nodes, edges=read.edges),
        form="cursus",
    )
    return Written(tree.file, pipeline, (), places, tuple(problems))


_OUR_OWN = Document.model_fields.keys() - {"name", "description", "dag"}


_MAJOR = "1"  # of what Cursus' serializer writes; its reader refuses another (api/dag/pipeline_dag_serializer.py)


def _stem(file: Path) -> str:
    return file.stem.removesuffix(".dag")


def _ours(tree: Tree) -> Written:
    document, wrong = validated(Document, _unfolded(tree.content), tree, lambda place: place)
    problems = [*tree.problems, *wrong]
    if "steps" not in tree.content and "dag" not in tree.content:
        problems.append(tree.problem("the pipeline has no steps", hint="Write them below  steps:."))
    if document is None:
        raise DocumentError(problems)
    folder = tree.file.parent
    graph = PipelineDAG()
    places: dict[Place, tuple[Path, int]] = {}
    if document.dag is not None:
        beneath = _beneath(tree, folder / document.dag, problems)
        graph, places = beneath.pipeline.dag, dict(beneath.places)
        problems += beneath.problems
    places |= {place: (tree.file, line) for place, line in tree.lines.items()}
    added = [name for name in document.steps if name not in graph.nodes]
    problems += [_unattached(tree, name, graph) for name in added if graph.nodes and _alone(document.steps[name])]
    contracts = []
    for index, one in enumerate(document.contracts):
        if problem := no_folder(folder / one):
            problems.append(tree.problem(problem.what, ("contracts", index), problem.hint))
        else:
            contracts.append(folder / one)
    pipeline = Pipeline(
        name=document.name or _stem(tree.file),
        dag=PipelineDAG(nodes=(*graph.nodes, *added), edges=graph.edges),
        steps={name: _rooted(step, folder) for name, step in document.steps.items()},
        defaults=PipelineDefaults(
            image=document.image,
            env=document.env,
            secrets={name: one.below(folder) for name, one in document.secrets.items()},
            source_dir=folder / document.source_dir if document.source_dir else None,
            timeout=document.timeout,
            grace=document.grace,
            memory=document.memory,
            instance_type=document.instance_type,
            instance_types=document.instance_types,
            log_limit=document.log_limit,
            network=document.network,
            read_only_root=document.read_only_root,
            runtime=document.runtime,
            pip_shim=document.pip_shim,
            user=document.user,
            s3=document.s3,
        ),
    )
    config = folder / document.config if document.config else None
    return Written(tree.file, pipeline, tuple(contracts), places, tuple(problems), config)


def _beneath(tree: Tree, file: Path, problems: list[Problem]) -> Written:
    """The Cursus graph that a document of ours stands on."""
    try:
        graph = read_tree(file)
    except DocumentError as error:  # what has no line of its own is wrong with what names it
        found = [one if one.line else tree.problem(f"dag: {file}: {one.what}", ("dag",)) for one in error.problems]
        raise DocumentError([*problems, *found]) from error
    if not isinstance(graph.content, dict) or not _is_cursus(graph.content):
        what = f"dag: {file} is no Cursus graph: it has no  nodes:"
        raise DocumentError([*problems, *graph.problems, tree.problem(what, ("dag",))])
    return _cursus(graph)


def _unfolded(content: dict[str, Any]) -> dict[str, Any]:
    """The content with short forms written out: one contracts folder; a step, or all of them, with nothing below."""
    unfolded = dict(content)
    if not isinstance(content.get("contracts", []), list):
        unfolded["contracts"] = [content["contracts"]]
    if "steps" in content:
        steps = {} if content["steps"] is None else content["steps"]
        unfolded["steps"] = (
            {name: {} if step is None else step for name, step in steps.items()} if isinstance(steps, dict) else steps
        )
    return unfolded


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
            "secrets": {name: one.below(folder) for name, one in step.secrets.items()},
            "source_dir": folder / step.source_dir if step.source_dir else None,
        }
    )


def _at(folder: Path, one: Located) -> Located:
    return replace(one, path=folder / one.path)

"""A document drafted for a Cursus graph: it stands on the graph, and has a place for all that the graph leaves open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from cursus_sandbox.documents import library_of
from cursus_sandbox.drafts.draft import Draft, path_from
from cursus_sandbox.drafts.graphs import read_graph
from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.dag import Pipeline, PipelineDAG, StepConfiguration
from cursus_sandbox.pipeline.generic import generic_contract
from cursus_sandbox.pipeline.names import StepTypes, snake
from cursus_sandbox.planning import PipelineDAGResolver

_CONTRACTS = ("steps", "interfaces", "steps/interfaces")  # besides those that are looked for in any case
_CONFIGS = ("config.json", "pipeline_config/config.json")
_SCRIPTS = ("scripts", "dockers", "src")
_BOUND = re.compile(r"steps: \{(?P<step>[^:]+): \{(?P<said>outputs: \{.*?\})\}\}")


def from_graph(file: Path, folder: Path) -> Draft:
    """The document of a graph, and a contract for each step type that has none; DocumentError if it is no graph."""
    graph = read_graph(file)
    files: dict[PurePosixPath, bytes] = {}
    named = path_from(folder, file)
    if file.suffix == ".py":
        named = f"{file.stem}.dag.json"
        content = {"dag": {"nodes": graph.nodes, "edges": graph.edges}}
        files[PurePosixPath(named)] = f"{json.dumps(content, indent=2)}\n".encode()
    near = file.absolute().parent
    folders = [one for name in ("", "contracts", *_CONTRACTS) if _has_contracts(one := near / name)]
    beside = [one for one in folders if one not in (folder.absolute(), folder.absolute() / "contracts")]
    library = library_of(folders, beside=folder if folder.is_dir() else None)
    stubs = dict(_stubs(graph, StepTypes(library.step_types)))
    config = next((near / name for name in _CONFIGS if (near / name).is_file()), None)
    scripts = next((near / name for name in _SCRIPTS if (near / name).is_dir()), None)
    source_dir = path_from(folder, scripts) if scripts else "scripts"
    open_points = _open(graph, [*stubs.values(), *folders], config)
    head = [
        f"# A first draft for {path_from(folder, file)}: take the # from what you fill in, and check it again.",
        f"name: {file.name.split('.')[0]}",
        f"dag: {json.dumps(named)}",
        f"config: {json.dumps(path_from(folder, config))}"
        if config
        else "# config: config.json # Cursus' configuration, if there is one",
        *([f"contracts: {json.dumps([path_from(folder, one) for one in beside])}"] if beside else ()),
        f"source_dir: {json.dumps(source_dir)} # where the steps' scripts are",
        "# image: IMAGE # without one, steps run with this machine's own Python",
        "# env: {NAME: value} # for every step",
        "steps:",
    ]
    body = [line for node in graph.nodes for line in _step(node, open_points.get(node, ()))]
    files[PurePosixPath("dag.yaml")] = "\n".join([*head, *body, ""]).encode()
    for step_type, contract in stubs.items():
        files[PurePosixPath("contracts", f"{snake(step_type)}.step.yaml")] = _contract(contract).encode()
    remarks = [
        f"{step_type} has no contract: a stub of one is drafted, with channels that are guessed" for step_type in stubs
    ]
    return Draft(files, tuple(remarks))


def _has_contracts(folder: Path) -> bool:
    return any(folder.glob("*.step.yaml")) or any(folder.glob("*_contract.py"))


def _stubs(graph: PipelineDAG, types: StepTypes) -> Iterator[tuple[str, ScriptContract]]:
    """A contract for each step type that has none, with channels as its name lets one guess."""
    made = set()
    after = {name for _, name in graph.edges}
    for node in graph.nodes:
        if not types.of(node).step_types:
            contract, _ = generic_contract(node, StepConfiguration(), outputs=(), fed=node in after)
            if contract.step_type not in made:
                made.add(contract.step_type)
                yield contract.step_type, contract.model_copy(update={"generic": False})


def _open(
    graph: PipelineDAG, contracts: Iterable[ScriptContract | Path], config: Path | None
) -> Mapping[str, list[tuple[str, str]]]:
    """What the graph leaves open, by step: what is missing, and what would say it."""
    pipeline = Pipeline(name="draft", dag=graph)
    try:
        PipelineDAGResolver(pipeline, contracts=contracts, config_path=config).create_execution_plan()
    except DocumentError as error:
        return _by_step(error.problems)
    return {}


def _by_step(problems: Iterable[Problem]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for problem in problems:
        at = str(problem.at[1]) if problem.at[:1] == ("steps",) and len(problem.at) > 1 else ""
        hint = problem.hint
        if bound := _BOUND.search(hint):
            at, hint = bound["step"], bound["said"]
        elif added := re.search(r"(?:env|inputs): \{.*?\}", hint):
            hint = added[0]
        found.setdefault(at, []).append((problem.what, hint))
    return found


def _step(node: str, left: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"  {json.dumps(node) if not node.isidentifier() else node}:"
    for what, hint in dict.fromkeys(left):
        yield f"    # {' '.join(what.split())}"
        if hint:
            yield f"    # {' '.join(hint.split())}"


def _contract(contract: ScriptContract) -> str:
    lines = [
        "# A stub: its kind and channels are guessed from its name. Say what its script really reads and writes.",
        f"step_type: {contract.step_type}",
        f"registry: {{sagemaker_step_type: {contract.sagemaker_step_type}}}",
        "contract:",
        f"  entry_point: {contract.entry_point} # below source_dir",
    ]
    for title, channels in (("inputs", contract.inputs), ("outputs", contract.outputs)):
        lines.append(f"  {title}:" if channels else f"  {title}: {{}}")
        lines += [
            f"    {name}: {{path: {one.path}, required: {str(one.required).lower()}}}" for name, one in channels.items()
        ]
    lines.append("  env_vars: {required: [], optional: {}}")
    return "\n".join([*lines, ""])

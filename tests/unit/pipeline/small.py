"""Small pipelines and contracts, in a few words each."""

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.dag import Pipeline
from cursus_sandbox.pipeline.resolver import Resolver

IN = "/opt/ml/processing/input"
OUT = "/opt/ml/processing/output"


def contract(step_type, inputs=None, outputs=None, **fields):
    """A contract; a channel is its path or a mapping, and `?` after an input's name makes it optional."""
    return ScriptContract.model_validate(
        {
            "step_type": step_type,
            "entry_point": "script.py",
            "inputs": {
                name.removesuffix("?"): {"required": not name.endswith("?"), **_port(port)}
                for name, port in (inputs or {}).items()
            },
            "outputs": {name: _port(port) for name, port in (outputs or {}).items()},
            **fields,
        }
    )


def pipeline(steps, *, edges=(), **defaults):
    """A pipeline of steps, given by name with what a document would say of each."""
    return Pipeline.model_validate(
        {"name": "small", "dag": {"nodes": tuple(steps), "edges": edges}, "steps": steps, "defaults": defaults}
    )


def resolver(steps, contracts, *, edges=(), **defaults):
    """The resolver of such a pipeline."""
    return Resolver(pipeline(steps, edges=edges, **defaults), contracts={one.step_type: one for one in contracts})


def plan(steps, contracts, *, edges=(), **defaults):
    """The plan of such a pipeline."""
    return resolver(steps, contracts, edges=edges, **defaults).create_execution_plan()


def problems(steps, contracts, *, edges=(), **defaults):
    """What is wrong with it; empty when nothing is."""
    try:
        plan(steps, contracts, edges=edges, **defaults)
    except DocumentError as error:
        return list(error.problems)
    return []


def _port(port):
    return {"path": port} if isinstance(port, str) else port


LOAD = contract("Load", outputs={"rows": OUT})
TRAIN = contract("Train", {"rows": f"{IN}/rows"}, {"model": OUT})

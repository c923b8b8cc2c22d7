"""The plan drawn for Mermaid and Graphviz."""

from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.dag import Pipeline
from cursus_sandbox.pipeline.resolver import Resolver
from cursus_sandbox.reports.drawing import dot, mermaid

IN, OUT = "/opt/ml/processing/input", "/opt/ml/processing/output"
LOAD = ScriptContract(step_type="Load", entry_point="load.py", outputs={"rows": {"path": OUT}})
TRAIN = ScriptContract(step_type="Train", entry_point="train.py", inputs={"table": {"path": f"{IN}/table"}})
REGISTER = ScriptContract(step_type="Register", sagemaker_step_type="RegisterModel")
PLAN = Resolver(
    Pipeline.model_validate(
        {
            "name": 'a "b"',
            "dag": {"nodes": ("Load", "Train", "Register"), "edges": (("Load", "Train"), ("Train", "Register"))},
        }
    ),
    contracts={one.step_type: one for one in (LOAD, TRAIN, REGISTER)},
).create_execution_plan()


def test_mermaid():
    """A box a step, an arrow with the channels an edge carries, a dotted arrow for an edge that only orders."""
    assert mermaid(PLAN) == (
        "flowchart TD\n"
        '  s0["Load"]\n'
        '  s1["Train"]\n'
        '  s2(["Register"])\n'
        '  s0 -->|"rows to table"| s1\n'
        "  s1 -.-> s2\n"
        "  classDef skipped stroke-dasharray: 5 5\n"
        "  class s2 skipped\n"
    )


def test_dot():
    """Graphviz gets the same graph, its names quoted."""
    assert dot(PLAN) == (
        'digraph "a \\"b\\"" {\n'
        "  node [shape=box, style=rounded];\n"
        '  "Load";\n'
        '  "Train";\n'
        '  "Register" [style="rounded,dashed"];\n'
        '  "Load" -> "Train" [label="rows to table"];\n'
        '  "Train" -> "Register" [style=dotted];\n'
        "}\n"
    )

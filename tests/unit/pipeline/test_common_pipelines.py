"""Pipelines of the shapes people publish, wired with the shipped contracts: every binding stands in bindings.txt.

After a change that is meant, look at the difference and write the new table:

    python tests/unit/pipeline/test_common_pipelines.py > tests/unit/pipeline/bindings.txt
"""

from itertools import pairwise
from pathlib import Path

from cursus_sandbox.documents import ContractLibrary
from cursus_sandbox.pipeline.dag import Pipeline, PipelineDAG, StepConfiguration
from cursus_sandbox.pipeline.resolver import Resolver
from cursus_sandbox.shipped import shipped_contracts

SHAPES = {
    "training": """
        DummyDataLoading_training > TabularPreprocessing_training > XGBoostTraining
        DummyDataLoading_calibration > TabularPreprocessing_calibration
    """,
    "training with evaluation": """
        DummyDataLoading_training > TabularPreprocessing_training > XGBoostTraining > XGBoostModelEval_evaluation
        DummyDataLoading_evaluation > TabularPreprocessing_evaluation > XGBoostModelEval_evaluation
    """,
    "to a package": """
        DummyDataLoading_training > TabularPreprocessing_training > XGBoostTraining > XGBoostModelEval_calibration
        DummyDataLoading_calibration > TabularPreprocessing_calibration > XGBoostModelEval_calibration
        XGBoostModelEval_calibration > ModelCalibration_calibration > Package
        XGBoostTraining > Package
        XGBoostTraining > Payload
    """,
    "with imputation": """
        DummyDataLoading_training > TabularPreprocessing_training > MissingValueImputation_training > XGBoostTraining
        DummyDataLoading_calibration > TabularPreprocessing_calibration > MissingValueImputation_calibration
        MissingValueImputation_training > MissingValueImputation_calibration > XGBoostModelEval_calibration
        XGBoostTraining > XGBoostModelEval_calibration > ModelCalibration_calibration
    """,
}


def bindings(shape):
    """Every binding of a shape, and every note, a line each."""
    edges = []
    for line in shape.strip().splitlines():
        names = [name.strip() for name in line.split(">")]
        edges += pairwise(names)
    nodes = tuple(dict.fromkeys(name for edge in edges for name in edge))
    library = ContractLibrary([shipped_contracts()])
    steps = {name: StepConfiguration() for name in nodes}
    written = Pipeline(name="shape", dag=PipelineDAG(nodes=nodes, edges=tuple(dict.fromkeys(edges))), steps=steps)
    made = Resolver(written, contracts=library.contracts(library.files)).create_execution_plan()
    for step in made.steps:
        for one in step.inputs:
            yield f"{step.name}.{one.channel} <- {one.source}  {one.score:.2f} ({one.reason})"
        yield from (f"{step.name}: {note}" for note in step.notes)


def table():
    """The bindings of every shape."""
    return "".join(f"# {name}\n" + "".join(f"{line}\n" for line in bindings(shape)) for name, shape in SHAPES.items())


def test_bindings():
    """Every binding of the common shapes, its score and what speaks for it are as they were looked at."""
    assert table() == Path(__file__).with_name("bindings.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    print(table(), end="")

"""A draft is written whole or not at all; graphs are read in every form; channels come of paths."""

import json
import os
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox import check
from cursus_sandbox.drafts.channels import channels, kind_of
from cursus_sandbox.drafts.draft import Draft, write
from cursus_sandbox.drafts.from_dag import from_graph
from cursus_sandbox.drafts.from_script import from_scripts
from cursus_sandbox.drafts.graphs import read_graph
from cursus_sandbox.errors import DocumentError, MachineError
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.sagemaker.script_paths import PathUse, Use

DRAFT = Draft({PurePosixPath("dag.yaml"): b"new", PurePosixPath("contracts/a.step.yaml"): b"a"})


def test_files_that_are_there_are_kept(tmp_path):
    """What is there already is named and kept, and nothing else is written, unless it may be written over."""
    (tmp_path / "dag.yaml").write_text("old")
    with pytest.raises(DocumentError, match=r"dag.yaml is there already\n.*--force"):
        write(DRAFT, tmp_path, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["dag.yaml"]
    write(DRAFT, tmp_path, force=True)
    assert (tmp_path / "dag.yaml").read_text() == "new"


def test_a_link_to_nothing_is_there_too(tmp_path):
    """A link that leads nowhere is not written over, either."""
    (tmp_path / "dag.yaml").symlink_to("nowhere")
    with pytest.raises(DocumentError, match="is there already"):
        write(DRAFT, tmp_path, force=False)


def test_nothing_is_half_written(tmp_path):
    """Where a file can't be written, none of the others is left, nor a folder that was made for them."""
    (tmp_path / "contracts").write_text("a file where a folder is wanted")
    with pytest.raises(MachineError, match=r"can't be written: .*\nNothing was written"):
        write(DRAFT, tmp_path, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["contracts"]
    (tmp_path / "file").touch()
    with pytest.raises(DocumentError, match="is no folder"):
        write(DRAFT, tmp_path / "file", force=False)


def test_new_files_are_as_the_umask_says(tmp_path):
    """A file is readable for whom the umask lets it be."""
    before = os.umask(0o027)
    try:
        write(DRAFT, tmp_path / "deep/er", force=False)
    finally:
        os.umask(before)
    assert (tmp_path / "deep/er/dag.yaml").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.dag.json", '{"dag": {"nodes": ["A", "B"], "edges": [["A", "B"]]}}'),
        ("a.yaml", "nodes: [A, B]\nedges: [[A, B]]\n"),
        ("a.py", "dag = PipelineDAG()\ndag.add_node('A')\ndag.add_node('B')\ndag.add_edge('A', 'B')\n"),
        ("a.py", "dag = PipelineDAG(nodes=['A', 'B'], edges=[('A', 'B')])\n"),
        ("a.py", "def make():\n    dag = PipelineDAG()\n    dag.add_edge(src='A', dst='B')\n    return dag\n"),
    ],
)
def test_forms_of_a_graph(tmp_path, name, text):
    """A graph is the same in JSON, YAML, and a module, which is not run."""
    (tmp_path / name).write_text(text + ("raise SystemExit('it was run')\n" if name.endswith("py") else ""))
    graph = read_graph(tmp_path / name)
    assert (graph.nodes, graph.edges) == (("A", "B"), (("A", "B"),))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.py", "x = (", "this is not Python"),
        ("a.py", "x = 1\n", "the module makes no graph"),
        ("a.py", "for n in x:\n    dag.add_node(n)\n", r"a.py:2: add_node: a name here is computed"),
        ("a.py", "dag.add_edge('A')\n", "add_edge: a name here is computed"),
        ("a.py", "dag.add_node('../x')\n", "can't be a step name"),
        ("a.yaml", "steps: {A: {}}\n", r"a whole document already|it can be run as it is"),
        ("a.json", "[]", "a pipeline is a mapping"),
    ],
)
def test_no_graph(tmp_path, name, text, said):
    """What is no graph is said to be none, with file and line."""
    (tmp_path / name).write_text(text)
    with pytest.raises(DocumentError, match=said):
        read_graph(tmp_path / name)


def test_steps_that_only_aws_has(tmp_path):
    """CradleDataLoading and Registration are known: no stub is drafted, and only steps with a script want a folder."""
    line = ["CradleDataLoading_training", "TabularPreprocessing_training", "XGBoostTraining", "Package", "Registration"]
    edges = [*pairwise(line), ("XGBoostTraining", "Payload"), ("Payload", "Registration")]
    (tmp_path / "a.dag.json").write_text(json.dumps({"dag": {"nodes": [*line, "Payload"], "edges": edges}}))
    draft = from_graph(tmp_path / "a.dag.json", tmp_path)
    assert ([str(path) for path in draft.files], draft.remarks) == (["dag.yaml"], ())
    assert (
        b"CradleDataLoading_training:\n    # step 'TabularPreprocessing_training' reads" in draft.files[draft.document]
    )
    write(draft, tmp_path, force=False)
    (tmp_path / "rows").mkdir()
    document = tmp_path / "dag.yaml"
    document.write_text(document.read_text().replace("    # outputs: {DATA: ./folder}", "    outputs: {DATA: ./rows}"))
    with pytest.raises(DocumentError, match="the scripts of 4 steps are looked for in"):
        check(document)


def use(path, how=Use.NAMED, key=None, *, whole=True):
    return PathUse(path, 1, how, whole, key)


@pytest.mark.parametrize(
    ("uses", "kind"),
    [
        ([use("/opt/ml/processing/input/a")], StepKind.PROCESSING),
        ([use("/opt/ml/input/data/train"), use("/opt/ml/model")], StepKind.TRAINING),
        ([use("/opt/ml/model")], StepKind.TRAINING),
        ([use("/opt/ml/processing/model"), use("/opt/ml/model")], StepKind.PROCESSING),
        ([], StepKind.PROCESSING),
    ],
)
def test_kinds(uses, kind):
    """The paths of a script tell what kind of job it is for."""
    assert kind_of(uses)[0] is kind


@pytest.mark.parametrize(
    ("uses", "found"),
    [
        ([use("/opt/ml/processing/input/a/x.csv", Use.READ)], [("a", "/opt/ml/processing/input/a", False)]),
        ([use("/opt/ml/processing/input/x.csv", Use.READ)], [("input", "/opt/ml/processing/input", False)]),
        ([use("/opt/ml/processing/train/x.csv", Use.WRITTEN)], [("train", "/opt/ml/processing/train", True)]),
        ([use("/opt/ml/processing/input/a", key="DATA")], [("DATA", "/opt/ml/processing/input/a", False)]),
        (
            [use("/opt/ml/processing/output/x.csv"), use("/opt/ml/processing/output/a/y.csv")],
            [("output", "/opt/ml/processing/output", True)],
        ),
        (
            [use("/opt/ml/processing/input/a"), use("/opt/ml/processing/output/a")],
            [("a", "/opt/ml/processing/input/a", False), ("a_output", "/opt/ml/processing/output/a", True)],
        ),
        ([use("/opt/ml/code/x.json"), use("/opt/ml/processing/input/code/x.py")], []),
    ],
)
def test_channels(uses, found):
    """Paths lie in channels: inputs first, each name once, no output in another, none of the platform's own."""
    some, _ = channels(uses, StepKind.PROCESSING)
    assert [(one.name, str(one.path), one.is_output) for one in some] == found


def test_two_scripts_of_one_step(tmp_path):
    """Two scripts that would be the same step are refused, with all else that is wrong."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "score.py").write_text("")
    (tmp_path / "broken.py").write_text("(\n")
    files = [tmp_path / "a/score.py", tmp_path / "b/score.py", tmp_path / "broken.py", tmp_path / "gone.py"]
    with pytest.raises(DocumentError) as caught:
        from_scripts(files, Path())
    said = str(caught.value)
    assert [what in said for what in ("would be the step Score", "not Python", "does not exist")] == [True] * 3


def test_a_script_that_no_document_can_name(tmp_path):
    """A script in a folder whose name is not UTF-8 is refused, for its path can't be written in a document."""
    script = Path(os.fsdecode(bytes(tmp_path / "odd") + b"\xff")) / "score.py"
    script.parent.mkdir()
    script.write_text("print('no path')")
    with pytest.raises(DocumentError, match="is not UTF-8"):
        from_scripts([script], tmp_path)

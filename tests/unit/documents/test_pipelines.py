"""The three forms of a pipeline, and what is said of each mistake in them."""

import json
from pathlib import Path

import pytest

from cursus_sandbox.documents import read_pipeline
from cursus_sandbox.errors import DocumentError
from cursus_sandbox.overrides import Overrides
from cursus_sandbox.pipeline.source import Located, StepOutput
from cursus_sandbox.planning import PipelineDAGResolver

GRAPH = {"nodes": ["Load", "Train_a"], "edges": [["Load", "Train_a"]]}
METADATA = {"name": "published", "constraints": {"requires_gpu": False}, "decision_tree": {"volume > 100K?": [1, None]}}
LOAD = """\
step_type: Load
contract:
  entry_point: load.py
  outputs: {rows: {path: /opt/ml/processing/output}}
"""
TRAIN = """\
step_type: Train
contract:
  entry_point: train.py
  inputs: {rows: {path: /opt/ml/processing/input/rows}}
  outputs: {model: {path: /opt/ml/processing/output}}
  env_vars: {required: [LABEL], optional: {ROUNDS: "10"}}
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with two contracts and their scripts."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "scripts").mkdir()
    for name, content in (("load", LOAD), ("train", TRAIN)):
        (tmp_path / "contracts" / f"{name}.step.yaml").write_text(content)
        (tmp_path / "scripts" / f"{name}.py").touch()
    return tmp_path


@pytest.fixture
def document(folder):
    """Write a document into the folder; text as it is, anything else as JSON."""

    def document_of(content, name="dag.yaml"):
        file = folder / name
        file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return file

    return document_of


@pytest.fixture
def problems(document):
    """What is wrong with a document, as `line: what`, its hints left out."""

    def problems_of(content, name="dag.yaml", **overrides):
        file = document(content, name)
        with pytest.raises(DocumentError) as caught:
            PipelineDAGResolver(
                file, contracts=[file.parent / "contracts"], overrides=Overrides(**overrides)
            ).create_execution_plan(runnable=True)
        return [f"{one.line}: {one.what}".replace(f"{file.parent}/", "") for one in caught.value.problems]

    return problems_of


def test_our_own_form(document, folder):
    """A document of ours gives its steps in the order written, with every path taken from the document's folder."""
    file = document(
        "name: mine\nsource_dir: scripts\ncontracts: contracts\nimage: xgb\ntimeout: 15m\nmemory: 2g\nenv: {A: 1}\n"
        "steps:\n  Load:\n  Train_a:\n    depends_on: Load\n    inputs: {rows: 'Load:rows', more: ./a:b}\n"
        "    outputs: {model: there}\n    source_dir: ~\n"
    )
    written = read_pipeline(file)
    pipeline, train = written.pipeline, written.pipeline.steps["Train_a"]

    assert not written.problems
    assert (pipeline.name, pipeline.form, pipeline.dag.nodes) == ("mine", "ours", ("Load", "Train_a"))
    assert train.inputs == {"rows": StepOutput(step="Load", channel="rows"), "more": Located(path=folder / "a:b")}
    assert (train.outputs["model"].path, train.depends_on) == (folder / "there", ("Load",))
    defaults = pipeline.defaults
    assert (defaults.source_dir, defaults.timeout, defaults.memory) == (folder / "scripts", 900, 2 * 1024**3)
    assert (defaults.env, written.contract_folders) == ({"A": "1"}, (folder / "contracts",))


@pytest.mark.parametrize("name", ["x.dag.json", "x.dag.yaml", "x.json"])
@pytest.mark.parametrize(
    "content",
    [{"dag": {"description": "…", **GRAPH}, "metadata": METADATA}, GRAPH, {**GRAPH, "metadata": METADATA}],
    ids=["published", "bare", "bare with metadata"],
)
def test_cursus_forms(document, name, content):
    """A Cursus graph is read unchanged, whatever its metadata holds, and the lines of its nodes are known."""
    written = read_pipeline(document(content, name))

    assert not written.problems
    assert (written.pipeline.dag.nodes, written.pipeline.dag.edges) == (("Load", "Train_a"), (("Load", "Train_a"),))
    assert (written.pipeline.form, written.pipeline.name) == ("cursus", "published" if "metadata" in content else "x")
    assert written.places["steps", "Train_a"][1] == written.places["steps", "Load"][1] + 1


def test_serialized_form(document):
    """What Cursus' own serializer writes is read as well."""
    content = {"version": "1.0.0", "created_at": "…", "metadata": {}, "dag": GRAPH, "statistics": {"node_count": 2}}
    assert read_pipeline(document(content, "x.json")).pipeline.dag.nodes == ("Load", "Train_a")


def test_ours_over_a_cursus_file(document, folder):
    """A document of ours adds to the steps of a Cursus graph, and steps of its own; the graph stays as it is."""
    (folder / "graphs").mkdir()
    document({"dag": GRAPH, "metadata": METADATA}, "graphs/x.dag.json")
    written = read_pipeline(
        document(
            "dag: graphs/x.dag.json\nsteps:\n  Train_a: {env: {LABEL: late}}\n"
            "  Train_b:\n    depends_on: [Load]\n  Report: {contract: Train}\n"
        )
    )
    pipeline = written.pipeline

    assert not written.problems
    assert pipeline.dag.nodes == ("Load", "Train_a", "Train_b", "Report")
    assert pipeline.dag.edges == (("Load", "Train_a"),)
    assert pipeline.steps["Train_a"].env == {"LABEL": "late"}
    assert (pipeline.name, pipeline.form) == ("dag", "ours")
    assert {name: written.places["steps", name][0].name for name in ("Load", "Train_a")} == {
        "Load": "x.dag.json",
        "Train_a": "dag.yaml",
    }


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("dag: no.json\nsteps: {}", 1, "dag: no.json: the document does not exist"),
        ("name: a\ndag: dag.yaml\n", 2, "dag: dag.yaml is no Cursus graph"),
        ("dag: contracts\n", 1, "dag: contracts: the document is a folder"),
        ("dag: [a]\n", 1, "dag: text is meant here, not a list"),
        ("dag: ''\n", 1, "dag: a path is meant here, and the text is empty"),
        ("dag: {edges: []}\n", 1, "dag.nodes: this is required"),
        ("dag: x.dag.json\nsteps:\n  Trian_a: {env: {A: b}}", 3, "'Trian_a' is no step of x.dag.json"),
        ("nodes: [Load]\nsteps: {Load: {}}\n", 2, "'steps' can't stand in the same document as a graph's nodes"),
        ("dag: {nodes: [Load]}\nimage: x\n", 2, "'image' can't stand in the same document as a graph's nodes"),
        ("nodes: [Load, Load]\n", 1, "step 'Load' is there 2 times"),
        ("nodes: [Load]\nedges: [[Load, Laod]]\n", 2, "names 'Laod', but no step is called that"),
        ("nodes: [Load]\nedges:\n  - [Load, Load]\n", 1, "Load -> Load"),
        ("nodes: Load\n", 1, "nodes: a list is meant here, not 'Load'"),
        ("nodes: [Load]\nedges: [[Load]]\n", 2, "edges.0"),
        ("nodes: [Load]\nedges: [Load]\n", 2, "edges.0"),
        ("nodes: [Load]\nedges: [[Load, Load, Load]]\n", 2, "edges.0"),
        ("nodes: [Load, no]\n", 1, "nodes.1: text is meant here, and this is read as false"),
        ("nodes: []\n", 1, "the pipeline has no steps"),
        ("steps: {}\n", 1, "the pipeline has no steps"),
        ("steps:\n", 1, "the pipeline has no steps"),
        ("name: x\n", 1, "the pipeline has no steps"),
        ("{}\n", 1, "the pipeline has no steps"),
        ("", None, "the document is empty"),
        ("~\n", 1, "the document is empty"),
        ("- Load\n", 1, "a pipeline is a mapping"),
        ("Load\n", 1, "a pipeline is a mapping"),
        ("steps: [Load]\n", 1, "steps: a mapping is meant here, not a list"),
        ("steps: {Load: Load}\n", 1, "steps.Load: a mapping is meant here, not 'Load'"),
    ],
)
def test_graphs_that_are_none(problems, document, content, line, words):
    """What is wrong with a graph, or with the document around it, is said with its line."""
    document({"dag": GRAPH}, "x.dag.json")
    found = problems(content)
    assert any(one.startswith(f"{line}: ") and words in one for one in found), found


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("imge: x", "steps.Load: 'imge' is not known here\n  Did you mean 'image'?"),
        ("env: {A=B: x}", "steps.Load.env.A=B: 'A=B' can't name an environment variable"),
        ("env: {1A: x}", "'1A' can't name an environment variable"),
        ("env: {A: no}", "steps.Load.env.A: text is meant here, and this is read as false; put it in quotes"),
        ("env: {A: ~}", 'nothing is written; write "" for empty text'),
        ("env: {A: 1.10}", "1.10 is read as 1.1; put it in quotes"),
        ("env: {A: 010}", "010 is read as different numbers"),
        ("env: [A]", "steps.Load.env: a mapping is meant here, not a list"),
        (r'env: {A: "\0"}', "text may not hold a NUL character"),
        ("timeout: soon", "steps.Load.timeout: a duration looks like 90, 15m or 2h"),
        ("timeout: -5", "a duration looks like"),
        ("timeout: 0", "a duration looks like"),
        ("timeout: 1e9", "a duration looks like"),
        (f"timeout: '{'9' * 400}'", "a duration looks like"),
        ("timeout: .inf", "a duration looks like"),
        ("timeout: yes", "a duration looks like 90, 15m or 2h, is more than 0 and at most a year, not True"),
        ("retries: -1", "steps.Load.retries"),
        ("retries: 1.5", "steps.Load.retries: a whole number is meant here, not 1.5"),
        ("retries: {on: [oom]}", "steps.Load.retries.count: this is required"),
        ("retries: {count: 1, on: [oon]}", "steps.Load.retries.on.0: 'oon' is none of 'oom', 'timeout' or 'exit'"),
        ("retries: {count: 1, memory_factor: 0.5}", "steps.Load.retries.memory_factor"),
        ("retries: {count: 1, backof: 1s}", "'backof' is not known here\n  Did you mean 'backoff'?"),
        ("retries: many", "a whole number is meant here, not 'many'"),
        ("skip: perhaps", "steps.Load.skip: true or false is meant here, not 'perhaps'"),
        ("resources: {memory: 2x}", "steps.Load.resources.memory: a size looks like 512m or 2g, not '2x'"),
        (f"resources: {{memory: {'9' * 400}g}}", "a size looks like"),
        ("resources: {memroy: 2g}", "'memroy' is not known here\n  Did you mean 'memory'?"),
        ("memory: 2g", "'memory' is not known here\n  It belongs in 'resources':  resources: {memory: …}"),
        ("resources: {cpus: 0}", "steps.Load.resources.cpus"),
        ("resources: {cpus: .inf}", "steps.Load.resources.cpus: a number is meant here, not inf"),
        ("resources: {gpus: -1}", "steps.Load.resources.gpus"),
        ("source_dir: ''", "steps.Load.source_dir: a path is meant here, and the text is empty"),
        ("source_dir: 5.50", "5.50 is read as 5.5"),
        ("source_dir: ~nobody-is-called-that/x", "there is no such home folder"),
        ("source_dir: nowhere", "the scripts of step 'Load' are looked for in nowhere, and there is no such folder"),
        (f"source_dir: {'x' * 300}", "there is no such folder"),
        ("entry_point: /load.py", "an entry point is a file name relative to its source folder"),
        ("entry_point: ../load.py", "an entry point is a file name relative to its source folder"),
        ("entry_point: lod.py", "runs the script scripts/lod.py, which does not exist\n  Did you mean 'load.py'?"),
        ("entry_point: .", "an entry point is a file name"),
        (f"entry_point: {'x' * 300}", "File name too long"),
        ("inputs: {rows: {from: Load}}", "an input is STEP:CHANNEL, a path or s3://"),
        ("inputs: {rows: gs://bucket/key}", "only files and folders of this machine and s3:// can be bound"),
        ("inputs: {rows: s3://b/key}", "steps.Load.inputs.rows: s3://b/key: 'b' can't be a bucket's name"),
        ("inputs: {rows: s3://bucket/a//b}", "a key with an empty part, '.' or '..' can't become a file's name"),
        (
            "inputs: {more: {s3: s3://bucket, max_object: 3}}",
            "'max_object' is not known here\n  Did you mean 'max_objects'?",
        ),
        ("inputs: {rows: {s3: s3://bucket, max_bytes: 2x}}", "a size looks like 512m or 2g, not '2x'"),
        ("inputs: {rows: ''}", "a path is meant here, and the text is empty"),
        ("inputs: {rows: x}", "contract 'Load' has no input 'rows'"),
        ("outputs: {row: .}", "contract 'Load' has no output 'row'\n  Did you mean 'rows'?"),
        ("outputs: {rows: nowhere}", "is nowhere, and there is no such file or folder"),
        ("outputs: {rows: script}", "there is no such file or folder\n  Did you mean 'scripts'?"),
        ("depends_on: [Laod]", "no step is called that\n  Did you mean 'Load'?"),
        ("depends_on: [a/b]", "'a/b' can't be a step name"),
        ("depends_on: [Load]", "Load -> Load"),
        ("depends_on: {Load: x}", "steps.Load.depends_on: a list is meant here, not a mapping"),
        ("contract: Laod", "'Laod' is no known step type\n  Did you mean 'Load'?"),
        ("schemas: {rows: {fields: [{name: x, nme: x}]}}", "steps.Load.schemas.rows.fields.0: 'nme' is not known here"),
        ("schemas: {row: {}}", "has no channel 'row'\n  Did you mean 'rows'?"),
        ("hyperparameters: [x]", "steps.Load.hyperparameters: a mapping is meant here, not a list"),
        (r'hyperparameters: {x: "\0"}', "steps.Load.hyperparameters.x: text may not hold a NUL character"),
        ("arguments: {a: [b]}", "text is meant here, not a list"),
        ("arguments: [a, no]", "steps.Load.arguments.1: text is meant here, and this is read as false"),
        ("arguments: 5", "steps.Load.arguments: a mapping is meant here, not 5"),
        ("env: {str: no}", "steps.Load.env.str: text is meant here"),
    ],
)
def test_steps_that_are_wrong(document, folder, step, words):
    """What is wrong with a step is one problem with its file and line, its place and what is meant instead."""
    file = document(f"source_dir: scripts\nsteps:\n  Load:\n    # here\n    {step}\n")
    with pytest.raises(DocumentError) as caught:
        PipelineDAGResolver(file, contracts=[folder / "contracts"]).create_execution_plan(runnable=True)
    [problem] = {str(one).replace(f"{folder}/", "") for one in caught.value.problems}
    assert problem.startswith(("dag.yaml:5: ", "dag.yaml:3: "))
    assert words in problem


def test_scripts_that_are_missing_are_told_with_wiring_that_is_wrong(document, folder):
    """What one step is wired to hides nothing of another's script."""
    steps = "  Load: {inputs: {rows: x}}\n  Other: {contract: Load, entry_point: lod.py}\n"
    file = document(f"source_dir: scripts\nsteps:\n{steps}")
    with pytest.raises(DocumentError) as caught:
        PipelineDAGResolver(file, contracts=[folder / "contracts"]).create_execution_plan(runnable=True)
    said = [str(one).replace(f"{folder}/", "") for one in caught.value.problems]
    assert ["has no input 'rows'" in said[0], "scripts/lod.py, which does not exist" in said[1]] == [True, True]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a/b", "can't be a step name"),
        ("..", "can't be a step name"),
        ("Load..x", "can't be a step name"),
        ("-Load", "can't be a step name"),
        ("'Load '", "can't be a step name"),
        ("''", "can't be a step name"),
        ("Löad", "can't be a step name"),
        (r'"Lo\0ad"', "NUL"),
        ("L" * 129, "at most 128 characters, this one has 129"),
        ("no", "YAML reads this one as false"),
        ("~", "YAML reads this one as null"),
        ("010", "'010' in quotes"),
    ],
)
def test_step_names_that_are_none(document, folder, name, words):
    """A step name that couldn't name a folder, or isn't text, is refused in our form and in a graph."""
    for content in (f"steps:\n  {name}: {{}}\n", f"edges: []\nnodes: [{name}]\n"):
        with pytest.raises(DocumentError) as caught:
            PipelineDAGResolver(document(content), contracts=[folder / "contracts"]).create_execution_plan()
        assert str(caught.value.problems[0]).startswith(f"{folder}/dag.yaml:2: ")
        assert words in str(caught.value).replace("this is read as", "YAML reads this one as").replace(
            "nothing is written", "YAML reads this one as null"
        )


def test_all_problems_of_a_document_at_once(problems):
    """What YAML, the document's form and the graph make of a document is said at one go, in the order of its lines."""
    found = problems(
        "imge: x\ncontracts: [nowhere]\nsource_dir: scripts\nsource_dir: scripts\nenv: {A: 010}\nsteps:\n"
        "  Load: {timeout: soon, retries: many}\n  Train_a: {depends_on: [Laod]}\n"
        "  Train_b: 5\n  Train_c: {depends_on: [Train_d]}\n  Train_d: {depends_on: [Train_c]}\n  a/b: {}\n",
        inputs={"Laod:rows": Path("x")},
    )
    assert [one[:47] for one in found] == [
        "None: the input 'Laod:rows' names no step of the pipeline"[:47],
        "1: 'imge' is not known here",
        "2: the contracts folder nowhere does not exist"[:47],
        "4: 'source_dir' is written twice; it stands in line 3"[:47],
        "5: 010 is read as different numbers by different"[:47],
        "7: steps.Load.timeout: a duration looks like 90, 15m"[:47],
        "7: steps.Load.retries: a whole number is meant here"[:47],
        "8: step 'Train_a' depends on 'Laod', but no step is"[:47],
        "9: steps.Train_b: a mapping is meant here, not 5"[:47],
        "10: the steps wait for each other in a circle: Train_c"[:47],
        "12: steps.a/b: 'a/b' can't be a step name: letters"[:47],
    ]


def test_all_problems_of_a_plan_at_once(problems):
    """What each step lacks is said at one go, each at the line of the step or of what it says."""
    found = problems(
        "source_dir: scripts\nsteps:\n  Load: {outputs: {row: .}}\n  Train_a: {}\n  Train_b:\n"
        "    inputs: {rows: 'Load:row'}\n    env: {LABEL: a}\n"
    )
    assert [one.partition(",")[0] for one in found] == [
        "3: step 'Load': contract 'Load' has no output 'row'",
        "4: step 'Train_a' needs its input 'rows'",
        "4: step 'Train_a' needs the environment variable LABEL",
        "6: step 'Train_b' reads 'Load:row'",
    ]


def test_a_source_folder_that_is_missing_is_said_once(problems):
    """However many steps run scripts from a folder that isn't there, that is one problem."""
    content = "source_dir: script\nsteps:\n  Load: {}\n  Train_a: {inputs: {rows: 'Load:rows'}, env: {LABEL: a}}\n"
    assert problems(content) == ["1: the scripts of 2 steps are looked for in script, and there is no such folder"]


def test_what_comes_from_outside_has_no_line(problems, tmp_path):
    """What an option says wrong is not blamed on a line of the document."""
    content = "source_dir: scripts\nsteps:\n  Train_a: {env: {LABEL: a}}\n"
    assert problems(content, inputs={"Train_a:rows": tmp_path / "nowhere"}) == [
        "None: input 'rows' of step 'Train_a' is nowhere, and there is no such file or folder"
    ]
    assert problems(content, inputs={"Train_a:row": tmp_path})[0].startswith("None: step 'Train_a': contract 'Train'")
    assert problems(content, inputs={"Train_a": tmp_path})[0] == "None: the input 'Train_a' has no channel"


def test_what_a_cursus_graph_leaves_open_has_a_place(document, folder):
    """A Cursus graph can't hold inputs and env, so the error says where to write them."""
    file = document({"dag": GRAPH}, "x.dag.json")
    with pytest.raises(DocumentError, match="needs the environment variable LABEL") as caught:
        PipelineDAGResolver(file, contracts=[folder / "contracts"]).create_execution_plan()
    assert "dag: x.dag.json" in str(caught.value).splitlines()[-2]


def test_problems_of_two_files_name_each(document, folder):
    """A document of ours over a broken graph says which file each problem is in."""
    document('{"nodes": ["Load",\n"Lo/ad"], "edges": [["Load",\n"Laod"]]}', "x.dag.json")
    with pytest.raises(DocumentError) as caught:
        PipelineDAGResolver(
            document("dag: x.dag.json\nimge: y\n"), contracts=[folder / "contracts"]
        ).create_execution_plan()
    assert [(one.file.name, one.line) for one in caught.value.problems] == [
        ("dag.yaml", 2),
        ("x.dag.json", 2),
        ("x.dag.json", 2),
    ]


def test_a_document_in_json(document, folder):
    """Our own form may be written in JSON, and numbers there are text as they are written."""
    content = {"steps": {"Load": {"env": {"ROUNDS": 10, "RATE": 0.5}, "hyperparameters": {"eta": 1e-3}}}}
    written = read_pipeline(document(content, "dag.json"))
    assert written.pipeline.steps["Load"].env == {"ROUNDS": "10", "RATE": "0.5"}
    assert written.pipeline.name == "dag"


@pytest.mark.parametrize(
    ("version", "shown"), [('"2.0.0"', "'2.0.0'"), ('"0.9"', "'0.9'"), ("2", "2"), ('"10.0"', "'10.0'"), ('""', "''")]
)
def test_graph_of_another_major_version(tmp_path, version, shown):
    """A graph that Cursus wrote in another major version of its format is refused, with the line that says it."""
    file = tmp_path / "a.dag.json"
    file.write_text(f'{{\n"version": {version},\n"dag": {{"nodes": ["A"], "edges": []}}}}')
    (problem,) = read_pipeline(file).problems
    assert (problem.line, problem.what) == (2, f"version: this graph is of version {shown}, and 1.x is what is read")


@pytest.mark.parametrize("said", ['"version": "1.0.0",', '"version": "1.7",', '"version": 1,', '"version": null,', ""])
def test_graph_of_this_major_version(tmp_path, said):
    """One of the same major version is read, as is one that says none."""
    file = tmp_path / "a.dag.json"
    file.write_text(f'{{{said} "dag": {{"nodes": ["A"], "edges": []}}}}')
    assert read_pipeline(file).problems == ()

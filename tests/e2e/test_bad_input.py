"""The installed command and every kind of bad input: one clear message, the right exit code, and nothing started."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lacking import lacking

from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.errors import EngineError

DAG = """\
source_dir: scripts
contracts: contracts
steps:
  Load: {outputs: {rows: data}}
  Train:
    inputs: {rows: "Load:rows"}
    env: {LABEL: late}
"""
GRAPH = '{"nodes": ["Load",\n"NODE"],\n"edges": []}\n'
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
  outputs: {model: {path: /opt/ml/processing/output/model}, report: {path: /opt/ml/processing/output/report}}
  env_vars: {required: [LABEL], optional: {}}
"""
LAUGHS = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@dataclass
class Place:
    """A folder with a small pipeline that is well, and the command run in it."""

    folder: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {
            name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ
        }
    )

    def write(self, name: str, content: str | bytes) -> None:
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def listing(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}

    def refused(self, *words: str, code: int = 2, **environment: str) -> str:
        """What the command says when it refuses: it does so quickly, without a traceback, and leaves nothing."""
        before = self.listing()
        started = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "cursus_sandbox", *words],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            timeout=30,
            check=False,
        )
        seconds = time.monotonic() - started
        said = ended.stderr.decode()
        assert ended.returncode == code, said
        assert "Traceback" not in said
        assert "bug" not in said
        assert ended.stdout == b""
        assert self.listing() == before
        assert seconds < 10
        return said


@pytest.fixture
def place(tmp_path):
    for folder in ("contracts", "scripts", "data"):
        (tmp_path / folder).mkdir()
    place = Place(tmp_path)
    place.write("dag.yaml", DAG)
    place.write("data/rows.csv", "a\n1\n")
    place.write("contracts/load.step.yaml", LOAD)
    place.write("contracts/train.step.yaml", TRAIN)
    for script in ("load.py", "train.py"):
        place.write(f"scripts/{script}", "raise SystemExit('this must not run')\n")
    return place


def steps(more):
    """The small pipeline with more steps; they begin in line 8."""
    return DAG + more


@pytest.mark.parametrize(
    ("document", "where", "what", "remedy"),
    [
        pytest.param(
            steps(
                "  Train_a: {depends_on: Train_c}\n  Train_b: {depends_on: Train_a}\n  Train_c: {depends_on: Train_b}\n"
            ),
            "dag.yaml:8:",
            "wait for each other in a circle: Train_a -> Train_b -> Train_c -> Train_a",
            "Take one of these dependencies away.",
            id="cycle",
        ),
        pytest.param(
            steps("  Train_a: {depends_on: Train_a}\n"),
            "dag.yaml:8:",
            "in a circle: Train_a -> Train_a",
            "Take one",
            id="self-loop",
        ),
        pytest.param(
            steps("  Train_a: {depends_on: Load, outputs: {model: s3://bucket/x}}\n"),
            "dag.yaml:8:",
            "outputs.model: a path of this machine is meant here, not s3://bucket/x",
            "",
            id="outputs on S3",
        ),
        *(
            pytest.param(
                steps(f"  Train_a: {{env: {{LABEL: a}}, depends_on: Load, inputs: {{rows: {written}}}}}\n"),
                "dag.yaml:8:",
                f"input 'rows' of step 'Train_a' is {written}, and there is no such file or folder",
                "What a step leaves is STEP:CHANNEL in the document: Load:rows.",
                id=f"output written {written}",
            )
            for written in ("Load", "Load.rows")
        ),
        pytest.param(
            steps("  Train_a:\n    depends_on: [Laod]\n"),
            "dag.yaml:9:",
            "step 'Train_a' depends on 'Laod', but no step is called that",
            "Did you mean 'Load'?",
            id="dangling step",
        ),
        pytest.param(
            steps("  Train: {}\n"),
            "dag.yaml:8:",
            "'Train' is written twice; it stands in line 5 already",
            "Keep one of them.",
            id="duplicate step",
        ),
        pytest.param("steps: {}\n", "dag.yaml:1:", "the pipeline has no steps", "below  steps:", id="empty DAG"),
        pytest.param("", "dag.yaml:", "the document is empty", "It needs  steps:", id="empty file"),
        pytest.param(
            steps("  Trian_a: {}\n"),
            "dag.yaml:8:",
            "'Trian_a' is no known step type",
            "--contracts adds a folder",
            id="unknown step type",
        ),
        pytest.param(steps("  a/b: {}\n"), "dag.yaml:8:", "'a/b' can't be a step name", "letters, digits", id="slash"),
        pytest.param(steps("  ..: {}\n"), "dag.yaml:8:", "'..' can't be a step name", "single '.'", id="dots"),
        pytest.param(steps('  "a\\0b": {}\n'), "dag.yaml:8:", "may not hold a NUL", "", id="NUL in a step name"),
        pytest.param(steps("  -a: {}\n"), "dag.yaml:8:", "'-a' can't be a step name", "the first a letter", id="dash"),
        pytest.param(
            steps(f"  {'a' * 129}: {{}}\n"),
            "dag.yaml:8:",
            "at most 128 characters, this one has 129",
            "",
            id="long name",
        ),
        pytest.param(LAUGHS, "dag.yaml:", "unfolds to more than 500,000 nodes", "Are its aliases", id="YAML bomb"),
        pytest.param("[" * 100_000, "dag.yaml:1:", "nested deeper than 64 levels", "", id="deep nesting"),
        pytest.param(
            steps("  Train_a: !!python/object/apply:os.system [touch x]\n"),
            "dag.yaml:8:",
            "the tag !!python/object/apply:os.system is not allowed",
            "Write the plain value.",
            id="tag",
        ),
        pytest.param(
            DAG + "---\n" + DAG, "dag.yaml:8:", "several documents", "Keep one, without a '---'", id="several documents"
        ),
        pytest.param(steps("  a\0b: {}\n"), "dag.yaml:8:", "NUL character", "saved as UTF-8?", id="NUL"),
        pytest.param(
            DAG.encode() + b"  caf\xe9: {}\n",
            "dag.yaml:8:",
            "not UTF-8 (byte 0xe9)",
            "Save it as UTF-8.",
            id="not UTF-8",
        ),
        pytest.param(
            DAG.replace("late", "no"),
            "dag.yaml:7:",
            "text is meant here, and this is read as false",
            "in quotes",
            id="no",
        ),
        pytest.param(
            DAG.replace("late", "010"), "dag.yaml:7:", "010 is read as different numbers", "'010' in quotes", id="010"
        ),
        pytest.param(
            DAG.replace("LABEL:", "LABEL=A:"),
            "dag.yaml:7:",
            "'LABEL=A' can't name an environment variable",
            "letters, digits and '_'",
            id="env name with =",
        ),
        pytest.param(
            DAG.replace("LABEL", "LABLE"),
            "dag.yaml:7:",
            "step 'Train' needs the environment variable LABEL, and nothing sets it",
            "add  env: {LABEL: …}  to the step",
            id="required env",
        ),
        pytest.param(
            DAG.replace("  Train:\n", "  Train:\n    entry_point: trian.py\n"),
            "dag.yaml:5:",
            "runs the script scripts/trian.py, which does not exist",
            "Did you mean 'train.py'?",
            id="missing script",
        ),
        pytest.param(
            DAG.replace("source_dir: scripts\n", ""),
            "dag.yaml:4:",
            "step 'Train' runs train.py, and no source folder says where that is",
            "--source-dir DIR, or  source_dir:",
            id="no source folder",
        ),
        pytest.param(
            DAG.replace("Load:rows", "./dta"),
            "dag.yaml:6:",
            "input 'rows' of step 'Train' is dta, and there is no such file or folder",
            "Did you mean 'data'?",
            id="missing input",
        ),
        pytest.param(
            DAG.replace("Load:rows", "./line"),
            "dag.yaml:6:",
            "input 'rows' of step 'Train' is line, which is no file or folder",
            "Sockets, pipes and devices can't be read.",
            id="socket as input",
        ),
        pytest.param(
            DAG.replace("contracts: contracts", "contracts: contract"),
            "dag.yaml:2:",
            "the contracts folder contract does not exist",
            "Did you mean 'contracts'?",
            id="contracts folder",
        ),
        pytest.param(
            DAG.replace("    env:", "    evn:"),
            "dag.yaml:7:",
            "steps.Train: 'evn' is not known here",
            "Did you mean 'env'?",
            id="unknown key",
        ),
    ],
)
def test_documents(place, document, where, what, remedy):
    """A wrong document ends the command with 2: what is wrong, in which file and line, and what to do."""
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(place.folder, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/line")  # a socket's path has at most 107 bytes
        os.close(here)
        place.write("dag.yaml", document)
        said = place.refused("run", "dag.yaml")

    assert where in said
    assert what in said
    assert remedy in said


@pytest.mark.parametrize(
    ("node", "where", "what"),
    [
        pytest.param("Load", "x.dag.json:2:", "step 'Load' is there 2 times", id="duplicate"),
        pytest.param(r"a\u0000b", "x.dag.json:2:", "may not hold a NUL character", id="NUL"),
        pytest.param("a/b", "x.dag.json:2:", "'a/b' can't be a step name", id="slash"),
        pytest.param('Load", "', "x.dag.json:2:", "'' can't be a step name", id="empty"),
        pytest.param('b",', "x.dag.json:2:", "this is not JSON", id="syntax"),
        pytest.param("A" * 129, "x.dag.json:2:", "at most 128 characters", id="long"),
    ],
)
def test_cursus_graphs(place, node, where, what):
    """A wrong node of a Cursus graph is named with the line in its file."""
    place.write("x.dag.json", GRAPH.replace("NODE", node))
    said = place.refused("run", "x.dag.json", "--contracts", "contracts")
    assert where in said
    assert what in said


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        pytest.param("/opt/ml/processing/input/rows", "/data/rows", 4, "lies below /opt/ml/", id="outside /opt/ml"),
        pytest.param("/opt/ml/processing/input/rows", "input/rows", 4, "this one is relative", id="relative"),
        pytest.param("/opt/ml/processing/input/rows", "/opt/ml/../rows", 4, "has no '..'", id="dots"),
        pytest.param("output/report", "output/model", 5, "share the path", id="equal outputs"),
        pytest.param("output/report", "output/model/report", 5, "holds output 'report'", id="overlapping outputs"),
        pytest.param("report:", "../report:", 5, "can't be a channel's name", id="channel name"),
        pytest.param("[LABEL]", "[LABEL=A]", 6, "can't name an environment variable", id="env name with ="),
        pytest.param("optional: {}", "optional: {A: no}", 6, "this is read as false", id="no as text"),
        pytest.param(
            "entry_point: train.py", "entry_point: ../train.py", 3, "relative to its source folder", id="script"
        ),
        pytest.param("{model: {", "{model: {schema: {fields: [{type: x}]}, ", 5, "fields.0.name: this is", id="schema"),
        pytest.param(
            "{model: {",
            "{model: {schema: {fields: [{name: a, type: integer, constraints: {minimum: zero}}]}, ",
            5,
            "minimum: a number or a date is meant here, not 'zero'",
            id="bound",
        ),
        pytest.param("  outputs:", "   outputs:", 5, "this is not YAML", id="indentation"),
    ],
)
def test_contracts(place, old, new, line, what):
    """A wrong contract is refused with the line in its file."""
    place.write("contracts/train.step.yaml", TRAIN.replace(old, new))
    said = place.refused("run", "dag.yaml")
    assert f"contracts/train.step.yaml:{line}: " in said
    assert what in said


def test_all_problems_come_at_once(place):
    """Every problem of a document is in one answer, in the order of its lines."""
    document = steps("  Train_a: {depends_on: Laod, timeout: soon}\n  a/b:\n  Train_b: {imge: x, env: {A: no}}\n")
    place.write("dag.yaml", document.replace("contracts: contracts", "contract: x"))
    said = place.refused("run", "dag.yaml")
    lines = [line.partition("dag.yaml:")[2].partition(":")[0] for line in said.splitlines() if "dag.yaml:" in line]
    assert lines == ["2", "8", "8", "9", "10", "10"]


def test_a_workspace_that_is_a_file(place):
    """A workspace that is a file is left as it is, and the command ends with 4."""
    place.write("runs", "precious")
    said = place.refused("run", "dag.yaml", "--engine", "local", "--workspace", "runs", code=4)
    assert "runs is a file, not a folder" in said
    assert "Choose another folder:  --workspace DIR" in said
    assert (place.folder / "runs").read_text() == "precious"


def test_a_workspace_that_is_read_only(place):
    """A workspace that can't be written to ends the command with 4 and the system's reason."""
    closed = place.folder / "closed"
    closed.mkdir(mode=0o555)
    workspace = "/sys/cursus-sandbox" if os.geteuid() == 0 else "closed/runs"  # root writes to closed folders, too
    said = place.refused("run", "dag.yaml", "--engine", "local", "--workspace", workspace, code=4)
    assert "can't be written to" in said
    assert "Choose another folder:  --workspace DIR" in said


@pytest.mark.parametrize("engine", ["auto", "docker"])
def test_an_image_without_a_daemon(place, engine):
    """An image that can't be run ends the command with 4, and the way to do without is named."""
    words = ("run", "dag.yaml", "--image", "some:image", "--engine", engine)
    said = place.refused(*words, code=4, DOCKER_HOST="unix:///nonexistent")
    assert "no Docker daemon answers at unix:///nonexistent" in said
    assert "--engine local" in said


@pytest.mark.parametrize("given", ["demo/dag.yml", "demo/dga.yaml", "demo"])
def test_a_document_that_is_called_otherwise(place, given):
    """A path that is no document is answered with the whole path that was probably meant."""
    (place.folder / "demo").mkdir()
    (place.folder / "dag.yaml").rename(place.folder / "demo/dag.yaml")
    said = place.refused("run", given)
    assert "Did you mean 'demo/dag.yaml'?" in said


@pytest.mark.docker
def test_a_missing_image(place):
    """An image that isn't there is named before the first step, and no workspace is made."""
    try:
        with DockerEngine.connect():
            pass
    except EngineError as error:
        lacking("docker", error)
    place.environment |= {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    said = place.refused("run", "dag.yaml", "--image", "no-such-image:1", "--workspace", "runs", code=4)
    assert "has no image 'no-such-image:1'" in said
    assert "--pull" in said
    said = place.refused("run", "dag.yaml", "--image", "nosuchatall", "--pull", code=4)
    assert "or load them with `docker load`.\n" in said


@pytest.mark.parametrize(
    ("options", "what", "remedy"),
    [
        (["--only", "Trian"], "no step is called 'Trian'", "Did you mean 'Train'?"),
        (["--from", "train"], "no step is called 'train'", "Did you mean 'Train'?"),
        (["--until", "x"], "no step is called 'x'", "There is: Load, Train."),
        (["--from", "Train", "--until", "Load"], "the selection leaves no step", "--from must come before --until"),
        (["--only", "Train", "--until", "Load"], "the selection leaves no step", "--only names steps of its own"),
        (["--data-source", "sythetic"], "'--data-source'", "is not one of 'local', 'synthetic', 's3'"),
        (["--data-source", "sythetic"], "sythetic", "Did you mean 'synthetic'?"),
        (["--network", "brige"], "'brige' is not one of 'none', 'bridge'", "Did you mean 'bridge'?"),
        (["--data-source", "synthetic", "--rows", "9" * 20], "'--rows': Input should be less than or equal to", ""),
        (["--rows", "7"], "--rows", "it is for --data-source synthetic"),
        (["--input", "Trian:rows=data"], "'Trian:rows' names no step of the pipeline", "Did you mean 'Train'?"),
        (["--input", "Train:row=data"], "contract 'Train' has no input 'row'", "Did you mean 'rows'?"),
        (["--input", "Train:rows=dta"], "is dta, and there is no such file or folder", "Did you mean 'data'?"),
        (["--s3", "regoin=x"], "regoin: there is no such setting", "Did you mean 'region'?"),
        (["--registry", "dga.yaml"], "the registry dga.yaml can't be read", "Did you mean 'dag.yaml'?"),
        (["--s3", "bucket=x"], "bucket: there is no such setting, but endpoint_url", "--s3"),
        (["--s3", "region"], "'region' is not KEY=VALUE", "--s3"),
        (["--image", ""], "--image: it is empty: is a variable not set?", ""),
        (["--from="], "--from: it is empty", ""),
        (["--s3", "endpoint_url=x"], "looks like http://localhost:8333, not 'x'", "--s3"),
        (["--input", "Train:rows=gs://x"], "gs://x: only files and folders of this machine and s3://", ""),
        (["--input", "Train:rows=data/*.json"], "nothing there matches", ""),
        (["--registry", "nowhere"], "the registry nowhere can't be read", ""),
        (["--contracts", "contract"], "the contracts folder contract does not exist", "Did you mean 'contracts'?"),
        (["--contracts", "dag.yaml"], "the contracts folder dag.yaml is a file, not a folder", ""),
        (["--timeout", "soon"], "a duration looks like 90, 15m or 2h", "--timeout"),
        (["--memory", "much"], "a size looks like 512m or 2g", "--memory"),
        (["--memory", "0"], "a size looks like 512m or 2g", "--memory"),
        (["--input", "Train"], "'Train' is not STEP:CHANNEL=PATH", "--input"),
        (["--input", "Train:rows=a", "--input", "Train:rows=b"], "Train:rows is bound twice", "--input"),
        (["--jobs", "0"], "--jobs", "--help"),
        (["--jobs", "many"], "--jobs", "--help"),
        (["--engine", "podman"], "'auto', 'docker', 'local'", "--help"),
        (["--imge", "x"], "No such option: --imge. Did you mean '--image'?", "Help: cursus-sandbox run -"),
        (["second.yaml"], "unexpected extra argument", "--help"),
    ],
    ids=" ".join,
)
def test_options(place, options, what, remedy):
    """A wrong option ends the command with 2, and says what is meant."""
    said = place.refused("run", "dag.yaml", *options)
    assert what in said
    assert remedy.replace("--help", "-h") in said


@pytest.mark.parametrize(
    "words",
    [
        "schema infer NAME",
        "register NAME",
        "init NAME",
        "runs list --workspace NAME",
        "clean --workspace NAME",
    ],
)
def test_a_name_that_no_file_can_have(place, words):
    """A name that is too long for a file is said in a line, wherever it is typed."""
    (place.folder / ".cursus-sandbox/runs/20260102-030405-678").mkdir(parents=True)
    said = place.refused(*words.replace("NAME", "x" * 300).split(), code=4)
    assert "can't be used: File name too long" in said


@pytest.mark.parametrize(
    "words", [["run"], ["frobnicate"], ["run", "no.yaml"], ["run", "data"], ["run", "line"]], ids=" ".join
)
def test_no_document(place, words):
    """A command without a document, or with what is none, ends with 2."""
    os.mkfifo(place.folder / "line")
    said = place.refused(*words)
    assert any(
        one in said
        for one in (
            "Missing argument",
            "No such command 'frobnicate'",
            "no.yaml: the document does not exist",
            "data: the document is a folder",
            "line: the document is no regular file",
        )
    )


def test_a_contracts_folder_of_the_environment(place):
    """A folder of CURSUS_SANDBOX_CONTRACTS that doesn't exist is named."""
    said = place.refused("plan", "dag.yaml", CURSUS_SANDBOX_CONTRACTS=f"contracts{os.pathsep}nowhere")
    assert "the contracts folder nowhere does not exist" in said


def test_names_that_would_command_a_terminal(place):
    """Control characters of a document are shown, never sent to the terminal."""
    place.write("dag.yaml", steps('  "\\e[31mred\\a": {}\n'))
    said = place.refused("run", "dag.yaml")
    assert "\x1b" not in said
    assert "\\x1b[31mred" in said


def test_a_bad_document_in_a_terminal_that_knows_ascii_only(place):
    """A message that this stream can't write is written with escapes."""
    place.write("dag.yaml", steps("  Löad: {}\n"))
    said = place.refused("run", "dag.yaml", PYTHONIOENCODING="ascii")
    assert "L\\xf6ad" in said

"""What AWS would refuse or lose is said before anything runs, each with the API's field and limit."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Start
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedInput, PlannedOutput, PlannedStep, Setting
from cursus_sandbox.pipeline.source import Located
from cursus_sandbox.sagemaker.limits import refusals
from cursus_sandbox.sagemaker.lint import linted
from cursus_sandbox.sagemaker.script import habits

IN = "/opt/ml/processing/input"
OUT = "/opt/ml/processing/output"
CHANNEL = "/opt/ml/input/data"


def step(kind=StepKind.PROCESSING, *, inputs=(), outputs=(), env=None, **fields):
    """A step that reads and writes at these paths."""
    settings = {name: Setting(value=value, origin="step") for name, value in (env or {}).items()}
    return PlannedStep(
        **{"name": "Step", "step_type": "Step", "entry_point": "script.py", **fields},
        kind=kind,
        inputs=tuple(
            PlannedInput(channel=str(number), path=PurePosixPath(path), source=Located(path=Path("x")), reason="")
            for number, path in enumerate(inputs)
        ),
        outputs=tuple(
            PlannedOutput(channel=str(number), path=PurePosixPath(path)) for number, path in enumerate(outputs)
        ),
        environment=settings,
    )


TRAINING, MODEL, TRANSFORM = StepKind.TRAINING, StepKind.MODEL, StepKind.TRANSFORM


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        (step(name="s" * 64), "its name has 64 characters; a job's name has at most 63"),
        (step(image="i" * 256), "ImageUri takes 255"),
        (step(timeout=777_601.0), "StoppingCondition.MaxRuntimeInSeconds takes at most 777600"),
        (step(TRAINING, timeout=2_419_201.0), "takes at most 2419200"),
        (step(env={f"V{n}": "" for n in range(101)}), "101 variables; Environment takes 100"),
        (step(env={"V": "x" * 257}), "V has 257 characters; a value of Environment has at most 256"),
        (step(TRAINING, env={"V": "x" * 513}), "V has 513 characters; a value of Environment has at most 512"),
        (step(env={"2V": ""}), "'2V' can't be a variable's name"),
        (step(env={"V" * 257: ""}), "can't be a variable's name; Environment takes [a-zA-Z_][a-zA-Z0-9_]*, up to 256"),
        (step(MODEL, env={"V": "x" * 1025}), "V has 1,025 characters; a value of Environment has at most 1,024"),
        (step(MODEL, env={f"V{n}": "x" * 1000 for n in range(33)}), "names and values of a model's Environment"),
        (step(TRANSFORM, env={f"V{n}": "" for n in range(17)}), "17 variables; Environment takes 16"),
        (step(TRANSFORM, name="s" * 64), "a job's name has at most 63"),
        (step(TRAINING, arguments=("--job_type", "a")), "'--job_type a' are not passed to a training script"),
        (step(TRAINING, start=Start.IMAGE, arguments=("a" * 257,)), "one of ContainerArguments has at most 256"),
        (step(arguments=("a" * 257,)), "has 257 characters; one of ContainerArguments has at most 256"),
        (step(arguments=("a",) * 101), "AppSpecification.ContainerArguments takes 100"),
        (step(inputs=[f"{IN}/{n}" for n in range(10)]), "inputs: 11 with its code's; ProcessingInputs takes 10"),
        (step(outputs=[f"{OUT}/{n}" for n in range(11)]), "outputs: 11; ProcessingOutputConfig.Outputs takes 10"),
        (step(inputs=["/opt/ml/code/x.json"]), "S3Input.LocalPath begins with /opt/ml/processing/"),
        (step(outputs=["/opt/ml/output/x"]), "S3Output.LocalPath begins with /opt/ml/processing/"),
        (step(outputs=[f"{OUT}/{'x' * 250}"]), "S3Output.LocalPath has at most 256 characters"),
        (step(TRAINING, inputs=[f"{CHANNEL}/{n}" for n in range(21)]), "21 channels; InputDataConfig takes 20"),
        (step(TRAINING, inputs=[f"{CHANNEL}/a b"]), "ChannelName takes letters"),
        (step(TRAINING, outputs=["/opt/ml/models"]), "a training job keeps what lies in /opt/ml/model,"),
        (step(TRAINING, hyperparameters={"a": "x" * 2501}), "a has 2,501 characters; a value has at most 2,500"),
        (step(TRAINING, hyperparameters={"a" * 257: "x"}), "a key of HyperParameters has at most 256"),
        (step(TRAINING, hyperparameters={str(n): "x" for n in range(101)}), "HyperParameters takes 100"),
    ],
)
def test_limits(planned, said):
    """Each limit of the API that a step breaks is one sentence with the field's name."""
    (found,) = refusals(planned)
    assert said in found


@pytest.mark.parametrize(
    "planned",
    [
        step(
            name="s" * 63,
            inputs=[f"{IN}/{n}" for n in range(9)],
            outputs=[f"{OUT}/{n}" for n in range(10)],
            env={"V": "x" * 256},
            arguments=("a" * 256,) * 100,
            timeout=86_400.0,
        ),
        step(
            TRAINING,
            inputs=[f"{CHANNEL}/{n}" for n in range(20)],
            outputs=["/opt/ml/model", "/opt/ml/output/data/x", "/opt/ml/checkpoints"],
            env={"V": "x" * 512},
            hyperparameters={"a" * 256: "x" * 2500},
        ),
        step(TRAINING, start=Start.IMAGE, arguments=("a" * 256,) * 100),
        step(TRANSFORM, env={f"V{n}": "x" * 10_240 for n in range(16)}),
        step(StepKind.NOTHING_TO_RUN, inputs=["/elsewhere"]),
        step(inputs=["/elsewhere"], skip="the document says skip"),
    ],
)
def test_what_just_fits(planned):
    """At its limits, and where nothing runs, nothing is said."""
    assert list(refusals(planned)) == []


@pytest.fixture
def warned(tmp_path):
    """The warnings and notes of a step that runs a script of this text."""

    def warnings_of(text, kind=StepKind.PROCESSING, **fields):
        (tmp_path / "script.py").write_text(text)
        (one,) = linted(PipelineExecutionPlan(name="p", steps=(step(kind, source_dir=tmp_path, **fields),))).steps
        return one.warnings, one.notes

    return warnings_of


@pytest.mark.parametrize(
    "reads", ["os.environ['SM_MODEL_DIR']", "os.environ.get('SM_MODEL_DIR', 'x')", "environ['SM_MODEL_DIR']"]
)
def test_variables_of_the_toolkit(warned, reads):
    """A processing script that reads SM_* is told, with its line; a training script, and who sets the variable, not."""
    text = f"import os\nfrom os import environ\n{reads}\n"
    said = "script.py:3 reads SM_MODEL_DIR: a processing job has none but those in its Environment"
    assert warned(text) == ((said,), ())
    assert warned(text, TRAINING) == ((), ())
    assert warned(text, env={"SM_MODEL_DIR": "x"}) == ((), ())
    assert "and 1 more SM_* variables" in warned(text + "os.getenv('SM_HOSTS')")[0][0]


def test_the_code_folder_of_training(warned):
    """A processing script that names /opt/ml/code in its code, not in what it says about itself, is told."""
    said = "script.py:1 names /opt/ml/code: a processing job's code lies in /opt/ml/processing/input/code"
    assert warned("PATH = '/opt/ml/code/x.json'") == ((said,), ())
    assert warned('"""Not /opt/ml/code."""\nPATH = "/opt/ml/codes"') == ((), ())
    assert warned("PATH = '/opt/ml/code/x'", inputs=["/opt/ml/code/x"])[0] == (
        "input at /opt/ml/code/x: S3Input.LocalPath begins with /opt/ml/processing/",
    )


def test_the_folders_of_training(warned):
    """A processing script that names a folder of training jobs, in none of its channels, is asked whether it is one."""
    said = (
        "script.py:1 names {}, which only a training job has. If it is one, its contract says:  "
        "registry: {{sagemaker_step_type: Training}}"
    )
    assert warned("PATH = '/opt/ml/model/m'") == ((), (said.format("/opt/ml/model"),))
    assert warned("PATH = '/opt/ml/input/data/train'") == ((), (said.format("/opt/ml/input/data"),))
    assert warned("PATH = '/opt/ml/model/m'", TRAINING) == ((), ())
    assert warned("PATH = '/opt/ml/processing/input/model', '/opt/ml/models'") == ((), ())


@pytest.mark.parametrize(
    "call",
    [
        "subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])",
        "os.system('pip install x')",
        "subprocess.run('python -m pip install x', shell=True)",
    ],
)
def test_installing(warned, call):
    """A script that installs packages is warned of where the step has no network, whatever its kind."""
    said = (
        "script.py:1 installs packages, and the step has no network: only what its image has is there, as with "
        "NetworkConfig.EnableNetworkIsolation (--network bridge)"
    )
    assert warned(call) == warned(call, TRAINING) == ((said,), ())
    assert warned(call, network=True) == ((), ())


@pytest.mark.parametrize(
    "call", ["os.symlink('a', 'b')", "Path('a').symlink_to('b')", "from os import symlink; symlink"]
)
def test_links(warned, call):
    """A script that makes links is noted: they are not uploaded, but may lie elsewhere."""
    (warnings, notes) = warned(call)
    assert warnings == ()
    assert notes == (
        ("script.py:1 makes links; one that is left in an output is not uploaded (S3Output)",) if "(" in call else ()
    )


def test_variables_that_script_mode_does_not_set(warned):
    """A training script that reads an SM_* variable that is not among the toolkit's is told the nearest."""
    text = "import os\nos.environ['SM_CHANNEL_TRAINING']\nos.getenv('SM_MODEL_DIR')\nos.getenv('SM_HP_ETA')\n"
    given = {"inputs": [f"{CHANNEL}/train"], "hyperparameters": {"eta": "1"}}
    said = "script.py:2 reads SM_CHANNEL_TRAINING, which the job doesn't have. Did you mean 'SM_CHANNEL_TRAIN'?"
    assert warned(text, TRAINING, **given) == ((), (said,))
    assert warned(text, TRAINING, env={"SM_CHANNEL_TRAINING": "x"}, **given) == ((), ())
    assert warned(text, TRAINING, start=Start.IMAGE, **given) == ((), ())


def test_channels_that_a_script_can_do_without(warned):
    """A channel that is asked for with `get` may be away; it is noted where it looks like a slip for one that isn't."""
    text = "import os\nos.environ.get('SM_CHANNEL_{}')\n"
    assert warned(text.format("VALIDATION"), TRAINING, inputs=[f"{CHANNEL}/train"]) == ((), ())
    said = "script.py:2 reads SM_CHANNEL_TRIAN, which the job doesn't have. Did you mean 'SM_CHANNEL_TRAIN'?"
    assert warned(text.format("TRIAN"), TRAINING, inputs=[f"{CHANNEL}/train"]) == ((), (said,))
    must = warned(text.replace(".get(", "[").replace(")", "]").format("VALIDATION"), TRAINING)
    assert must == ((), ("script.py:2 reads SM_CHANNEL_VALIDATION, which the job doesn't have.",))


def test_hyperparameters_that_are_no_options(warned):
    """A hyperparameter that is all but an option of a script-mode script is noted: the script would refuse it."""
    text = "parser.add_argument('-d', '--max-depth')\nparser.add_argument('--eta')\n"
    given = {"inputs": [f"{CHANNEL}/train"], "hyperparameters": {"max_depth": "6", "eta": "1", "rounds": "3"}}
    said = "script.py has no option --max_depth, which a hyperparameter sets. Did you mean '--max-depth'?"
    assert warned(text, TRAINING, **given) == ((), (said,))
    assert warned(text, TRAINING, start=Start.IMAGE, **given) == ((), ())


def test_script_mode_needs_the_toolkit(tmp_path):
    """That SM_* variables are there only in an image with the toolkit is remarked once, for all steps."""
    (tmp_path / "script.py").write_text("import os\nos.environ['SM_MODEL_DIR']")
    trainings = (step(TRAINING, name="a", source_dir=tmp_path), step(TRAINING, name="b", source_dir=tmp_path))
    (said,) = linted(PipelineExecutionPlan(name="p", steps=trainings)).remarks
    assert said.startswith("'a' and 1 more: the SM_* variables that it reads are the sagemaker-training toolkit's")


def test_folders_that_no_prefix_is_like(tmp_path):
    """An empty folder and a link, bound to an input or in place of an output, are warned of; other files are not."""
    empty, links, well = (tmp_path / name for name in ("empty", "links", "well"))
    for folder in (empty / "in", links / "in", well / "in"):
        folder.mkdir(parents=True)
    (links / "in/file").symlink_to("nowhere")
    (links / "folder").symlink_to(well)
    (well / "in/file").touch()
    planned = [
        replace(
            step(), inputs=(PlannedInput(channel="x", path=PurePosixPath(IN), source=Located(path=path), reason=""),)
        )
        for path in (empty, links, well, tmp_path / "absent", well / "in/file")
    ]
    planned.append(replace(step(skip="not here"), outputs=(PlannedOutput(channel="y", bound=empty),)))
    steps = linted(PipelineExecutionPlan(name="p", steps=tuple(planned))).steps
    assert [one.warnings for one in steps] == [
        (f"input 'x': {empty} is empty: S3 has no empty folders, an S3Uri like it would name no object",),
        (f"input 'x': {links / 'folder'} and 1 more: a symbolic link is no object in S3",),
        (),
        (),
        (),
        (f"output 'y': {empty} is empty: S3 has no empty folders, an S3Uri like it would name no object",),
    ]


def beside(folder, text, kind=StepKind.PROCESSING, **fields):
    """The warnings of a step whose script has a module and a package beside it."""
    (folder / "tools").mkdir(exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    for name in ("helper.py", "json.py", "tools/__init__.py"):
        (folder / name).touch()
    (folder / "script.py").write_text(text)
    planned = step(kind, source_dir=folder, **fields)
    return linted(PipelineExecutionPlan(name="p", steps=(planned,))).steps[0].warnings


@pytest.mark.parametrize("text", ["import os, helper", "from helper import x", "def main():\n    import helper.part"])
def test_modules_beside_a_script(tmp_path, text):
    """A script that imports what lies beside it is warned of, where it goes along alone, with the remedy."""
    line = text.count("\n") + 1
    said = (
        f"script.py:{line} imports helper, which lies beside it, and of its folder only the script goes along: its "
        "contract ships all with  contract: {source_dir: true}"
    )
    assert beside(tmp_path, text) == (said,)
    assert beside(tmp_path, text, ships_source_dir=True) == ()
    assert beside(tmp_path, text, start=Start.IMAGE) == ()
    assert beside(tmp_path, text, inputs=["/opt/ml/processing/input/code"]) == ()


@pytest.mark.parametrize(
    "text",
    [
        "import json, data, pandas",
        "try:\n    import helper\nexcept ImportError:\n    helper = None",
        "import sys\nsys.path.append('/opt/ml/processing/input/lib')\nimport helper",
        "# import helper\n'import helper'",
    ],
)
def test_modules_that_a_script_has_from_elsewhere(tmp_path, text):
    """Nothing is said of Python's own, of folders that are no packages, and of what a script tries or looks for."""
    assert beside(tmp_path, text) == ()


def test_scripts_that_cannot_be_read(tmp_path):
    """Nothing is said of a script that isn't there, isn't Python or is no text."""
    for name, content in (
        ("a.py", b"def pip"),
        ("b.py", b"\xff\xfe pip"),
        ("c.sh", b"pip install x"),
        ("d.py", b"pip\0"),
    ):
        (tmp_path / name).write_bytes(content)
        assert habits(tmp_path / name) is None
    assert habits(tmp_path / "none.py") is None


def test_names_with_underscores():
    """Names that a job can't have are remarked once, for all steps."""
    plan = linted(PipelineExecutionPlan(name="p", steps=(step(name="a_b"), step(name="c"), step(name="d_e"))))
    assert plan.warnings == ()
    (said,) = plan.remarks
    assert said.startswith("'a_b' and 1 more: SageMaker Pipelines takes underscores in a step's name")

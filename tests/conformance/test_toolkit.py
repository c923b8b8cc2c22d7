"""The sagemaker-training toolkit of PyPI, unmodified, takes our container for SageMaker's.

Its `train` reads our files, exports its SM_* variables, and runs the user's script as on the platform.
"""

import json
import tarfile

import pytest
from small_pipeline import SmallPipeline, succeeded

from cursus_sandbox import StepExecutionResult

pytestmark = [pytest.mark.docker, pytest.mark.images]

CHANNELS = ["test", "train", "val"]
SPLITS = "for part in ('train', 'val', 'test'): (OUT / 'out' / part).mkdir(); say(part, name=part + '/data.txt')\n"
DUMP = """
(ML / "model/dump.json").write_text(json.dumps({"env": dict(os.environ), "argv": sys.argv, "cwd": os.getcwd()}))
"""


def trains(toolkit: SmallPipeline, script: str, **said) -> None:
    toolkit.step("prepare", SPLITS)
    toolkit.step(
        "train",
        script,
        reads={"input_path": "prepare:out"},
        inputs={"input_path": {"path": "/opt/ml/input/data"}},
        outputs={"model": {"path": "/opt/ml/model"}},
        kind="Training",
        start="image",
        **said,
    )


def dumped(toolkit: SmallPipeline) -> tuple[dict, str]:
    step = succeeded(toolkit.run()).step_results["train"]
    with tarfile.open(step.outputs["model"] / "model.tar.gz") as tar:
        return json.load(tar.extractfile("dump.json")), step.log.read_text()


@pytest.mark.parametrize("encoding", ["plain", "json"])
def test_it_reads_our_files_and_runs_the_script(toolkit, encoding):
    """Hosts, channels and hyperparameters arrive in SM_* variables and options, the same for both encodings."""
    given = {"eta": 0.1, "n": 3, "name": "late", "on": True, "batch-size": 8}
    trains(toolkit, DUMP, hyperparameters=given, hyperparameter_encoding=encoding, env={"MINE": "1"})
    dump, log = dumped(toolkit)
    env = dump["env"]
    on = True if encoding == "json" else "True"  # a plain True is no JSON, and stays text
    assert json.loads(env["SM_HPS"]) == {**given, "on": on}
    assert env["SM_HP_BATCH-SIZE"] == "8"
    options = ["--batch-size", "8", "--eta", "0.1", "-n", "3", "--name", "late", "--on", "True"]
    assert dump["argv"][1:] == sorted_as_given(options)
    assert json.loads(env["SM_USER_ARGS"]) == dump["argv"][1:]
    assert json.loads(env["SM_CHANNELS"]) == CHANNELS
    assert [env[f"SM_CHANNEL_{name.upper()}"] for name in CHANNELS] == [
        f"/opt/ml/input/data/{name}" for name in CHANNELS
    ]
    assert (env["SM_CURRENT_HOST"], json.loads(env["SM_HOSTS"])) == ("algo-1", ["algo-1"])
    assert (env["SM_CURRENT_INSTANCE_TYPE"], env["SM_CURRENT_INSTANCE_GROUP"]) == ("ml.m5.xlarge", "homogeneousCluster")
    assert env["SM_NETWORK_INTERFACE_NAME"] == "eth0"
    assert (env["SM_MODEL_DIR"], env["SM_OUTPUT_DATA_DIR"]) == ("/opt/ml/model", "/opt/ml/output/data")
    assert (env["SM_USER_ENTRY_POINT"], env["SM_MODULE_DIR"]) == ("train.py", "/opt/ml/code")
    assert json.loads(env["SM_FRAMEWORK_PARAMS"]) == {}
    assert (env["MINE"], env["TRAINING_JOB_NAME"]) == ("1", json.loads(env["SM_TRAINING_ENV"])["job_name"])
    assert dump["cwd"] == "/opt/ml/code"
    assert "Reporting training SUCCESS" in log


def sorted_as_given(options: list[str]) -> list[str]:
    """Options in the order of their names, as the toolkit sorts them."""
    pairs = sorted(zip(options[::2], options[1::2], strict=True), key=lambda pair: pair[0].lstrip("-"))
    return [word for pair in pairs for word in pair]


@pytest.mark.parametrize("encoding", ["plain", "json"])
def test_the_sandbox_does_script_mode_alike(toolkit, encoding):
    """Started by the sandbox itself, a script gets the toolkit's options, SM_* variables and requirements."""
    given = {"eta": 0.1, "n": 3, "on": True, "none": None, "l": ["a", 1], "map": {"b": 1, "a": [2]}, "s": "x é\n"}
    given |= {"batch-size": 8, "sagemaker_mine": 1}
    toolkit.write("scripts/requirements.txt", "numpy\n")
    trains(toolkit, DUMP, hyperparameters=given, hyperparameter_encoding=encoding)
    theirs, their_log = dumped(toolkit)
    toolkit.steps["train"]["start"] = "script"
    ours, our_log = dumped(toolkit)
    assert ours["argv"][1:] == theirs["argv"][1:]
    assert ours["cwd"] == theirs["cwd"]
    found, expected = (variables_of_toolkit(one["env"]) for one in (ours, theirs))
    assert len(expected) > 40
    assert found == expected
    assert all("Requirement already satisfied: numpy" in log for log in (their_log, our_log))


def variables_of_toolkit(env: dict[str, str]) -> dict[str, object]:
    """The SM_* variables and those beside them, without the run's name, which is another one in each run."""
    found: dict[str, object] = {name: value for name, value in env.items() if name.startswith("SM_")}
    found |= {name: env[name] for name in ("CURRENT_HOST", "SAGEMAKER_REGION")}
    known = json.loads(env["SM_TRAINING_ENV"])
    assert env["SAGEMAKER_JOB_NAME"] == env["TRAINING_JOB_NAME"] == known["job_name"]
    return found | {"SM_TRAINING_ENV": {name: value for name, value in known.items() if name != "job_name"}}


def test_it_finds_its_host_at_once(toolkit):
    """With no network, algo-1 is resolved without the toolkit's retries, which may take a quarter of an hour."""
    trains(toolkit, DUMP, timeout="60s")
    _, log = dumped(toolkit)
    assert "Retrying" not in log


def test_two_hosts(toolkit):
    """On two hosts the toolkit resolves both at once, and each script learns which of them it is on."""
    script = DUMP.replace('"model/dump.json"', "f\"model/{os.environ['SM_CURRENT_HOST']}.json\"")
    trains(toolkit, script, instance_count=2, timeout="90s")
    step = succeeded(toolkit.run()).step_results["train"]
    env = environments(step)
    assert {name: (one["SM_CURRENT_HOST"], json.loads(one["SM_HOSTS"])) for name, one in env.items()} == {
        f"{host}.json": (host, ["algo-1", "algo-2"]) for host in ("algo-1", "algo-2")
    }
    assert "Retrying" not in step.log.read_text()
    toolkit.steps["train"]["start"] = "script"
    ours = environments(succeeded(toolkit.run()).step_results["train"])
    for name, theirs in env.items():
        assert variables_of_toolkit(ours[name]) == variables_of_toolkit(theirs)


def environments(step: StepExecutionResult) -> dict[str, dict[str, str]]:
    """Each host's variables."""
    with tarfile.open(step.outputs["model"] / "model.tar.gz") as tar:
        return {name: json.load(tar.extractfile(name))["env"] for name in tar.getnames()}


def test_a_failing_script(toolkit):
    """The container ends with 1 whatever the script ended with, whose code is in the failure that the result shows."""
    trains(toolkit, "print('about to fail'); sys.exit(7)")
    train = toolkit.run().step_results["train"]
    assert (str(train.status), train.exit_code) == ("failed", 1)
    assert train.message.startswith("ExecuteUserScriptError:\nExitCode 7")
    assert "train.py" in train.message
    assert "about to fail" in train.log.read_text()

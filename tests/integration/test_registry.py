"""One step run again on what those before it have left in an earlier execution, here or in AWS."""

import json
import subprocess

import pytest
import yaml
from s3_server import KEYS, s3_server
from small_pipeline import COMMAND, said, statuses, succeeded

import cursus_sandbox
from cursus_sandbox import DocumentError, PipelineExecutor, S3OutputPathRegistry
from cursus_sandbox.pipeline.selection import Selection

READS = "say((IN / 'rows' / 'said').read_text() + ' was read')"


@pytest.fixture
def two(small):
    """A step that says something, and one that reads it."""
    small.step("Prepare_training", "say('here')")
    small.step("Train", READS, reads={"rows": "Prepare_training:out"})
    return small


def registry_of(two, content, name="registry.json"):
    return two.write(name, json.dumps(content))


def test_a_run_registered(two, tmp_path):
    """What `register` prints of a run feeds a step of another workspace."""
    succeeded(two.run())
    printed = subprocess.run(
        [COMMAND, "register", "last", "--workspace", two.workspace], capture_output=True, text=True, check=True
    ).stdout
    assert set(json.loads(printed)) == {"Prepare_training:out", "Train:out"}
    registry = two.write("registry.json", printed)
    elsewhere = tmp_path / "elsewhere"
    command = two.command("--only", "Train", "--registry", str(registry), "--workspace", str(elsewhere))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    [left] = elsewhere.glob("runs/*/steps/Train/outputs/out/said")
    assert left.read_text() == "here was read"


@pytest.mark.parametrize(
    "content",
    [
        {"prepare-training:out": "there"},
        {"Prepare_training:/opt/ml/processing/output/out": "there"},
        {"step_outputs": {"Prepare_training": {"out": {"logical_name": "out", "s3_uri": "there"}}}},
        {"Train:/opt/ml/processing/input/rows": "there", "Prepare_training:out": "elsewhere"},
    ],
)
def test_what_a_registry_may_say(two, content):
    """An output by its name or path, in Cursus' own form too; what the step itself has read counts most."""
    two.write("an odd folder/said", "there")
    there = (two.folder / "an odd folder").as_uri()
    registry = registry_of(two, json.loads(json.dumps(content).replace('"there"', f'"{there}"')))
    result = succeeded(two.run(only=["Train"], registry=registry))
    assert said(result.step_results["Train"]) == "there was read"
    assert statuses(result) == {"Prepare_training": "skipped", "Train": "succeeded"}


def test_what_aws_says_of_an_execution(two, tmp_path, monkeypatch):
    """A folder with what AWS said of an execution is a registry, too: a step runs on what was written to S3."""
    arn = "arn:aws:sagemaker:us-east-1:000000000000:processing-job/p-1"
    step = {"StepName": "Prepare-Training", "Metadata": {"ProcessingJob": {"Arn": arn}}}
    output = {"OutputName": "out", "S3Output": {"S3Uri": "s3://open/p-1/out", "LocalPath": "/opt/ml/processing/output"}}
    job = {"ProcessingJobName": "p-1", "ProcessingJobArn": arn, "ProcessingJobStatus": "Completed"}
    two.write("execution/steps.json", json.dumps({"PipelineExecutionSteps": [step]}))
    two.write("execution/job.json", json.dumps({**job, "ProcessingOutputConfig": {"Outputs": [output]}}))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["reader"][0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["reader"][1])
    (tmp_path / "server").mkdir()
    with s3_server(tmp_path / "server") as server:
        server.put("open/p-1/out/said", b"in AWS")
        options = {"only": ["Train"], "registry": two.folder / "execution", "s3": {"endpoint_url": server.url}}
        result = succeeded(two.run(**options))
    assert said(result.step_results["Train"]) == "in AWS was read"


def test_what_a_transform_read_and_wrote(small):
    """A step that reads a transform's answers, and the transform itself, read what they did in the execution."""
    contract = {
        "step_type": "Score",
        "registry": {"sagemaker_step_type": "Transform"},
        "contract": {
            "inputs": {"model": {"path": None}, "data": {"path": None}},
            "outputs": {"scores": {"path": None}},
        },
    }
    small.write("contracts/score.step.yaml", yaml.safe_dump(contract, sort_keys=False))
    small.step("Prepare", outputs={"rows": {}})
    small.steps["Score"] = {"inputs": {"model": "./model", "data": "Prepare:rows"}, "entry_point": "serve.py"}
    small.step("Read", reads={"rows": "Score:scores"})
    small.write("scripts/serve.py", "")
    small.write("model/weights", "")
    job = {"TransformJobName": "Score", "TransformJobArn": "arn:aws:sagemaker:us-east-1:000000000000:transform-job/s"}
    said = {"TransformInput": {"DataSource": {"S3DataSource": {"S3Uri": "s3://mine/rows"}}}}
    file = small.write(
        "registry/Score.json", json.dumps({**job, **said, "TransformOutput": {"S3OutputPath": "s3://mine/scores"}})
    )
    planned = cursus_sandbox.check(small.document)
    rebound = S3OutputPathRegistry.read(file.parent).rebound(planned, Selection())
    sources = {f"{step.name}:{one.channel}": str(one.source) for step in rebound.steps for one in step.inputs}
    assert (sources["Score:data"], sources["Read:rows"]) == ("s3://mine/rows", "s3://mine/scores")


def test_after_an_execution(two):
    """An executor in the mode post_execution runs each step on what those before it have left there, not here."""
    two.write("there/said", "there")
    registry = S3OutputPathRegistry()
    registry.register_step_output("Prepare_training", "out", str(two.folder / "there"))
    assert registry.get_step_output_path("prepare-training", "out") == str(two.folder / "there")
    options = {"contracts": [two.folder / "contracts"], "testing_mode": "post_execution", "registry": registry}
    executor = PipelineExecutor(two.workspace, **options)
    result = succeeded(executor.execute_pipeline(two.document))
    assert said(result.step_results["Prepare_training"]) == "here"
    assert said(result.step_results["Train"]) == "there was read"
    result = succeeded(executor.execute_pipeline(two.document, selection=Selection(first="Prepare_training")))
    assert said(result.step_results["Train"]) == "there was read"
    with pytest.raises(DocumentError, match=r"post_execution, and no registry(.|\n)*S3OutputPathRegistry.read"):
        PipelineExecutor(two.workspace, testing_mode="post_execution")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            {"Prepare_training:uot": "/tmp"},
            r"the registry doesn't know where that is\n  Did you mean 'Prepare_training:uot'",
        ),
        ({"Prepare_training:out": "nowhere"}, r"is nowhere, and there is no such file or folder"),
        ({"Prepare_training:out": "gs://x"}, r"'Prepare_training:out': gs://x: only files and folders"),
        ({"out": "x"}, r"'out' is not of the form {\"step:channel\""),
        ({}, r"is empty\n  It is of the form"),
        ([1], "is not of the form"),
        ([{"a:b": "x"}, {"c:d": "x"}], "'registry' is no description of a job that AWS gives"),
    ],
)
def test_a_registry_that_is_wrong(two, content, problem):
    """What is wrong with a registry is said before anything is started."""
    with pytest.raises(DocumentError, match=problem):
        two.run(only=["Train"], registry=registry_of(two, content))
    assert not two.workspace.exists()


def test_no_registry(two):
    """A file that isn't there, or is no JSON, is named."""
    with pytest.raises(DocumentError, match=r"nowhere.json can't be read: No such file"):
        two.run(registry=two.folder / "nowhere.json")
    two.write("broken.json", "{")
    with pytest.raises(DocumentError, match=r"broken.json is no JSON"):
        two.run(registry=two.folder / "broken.json")

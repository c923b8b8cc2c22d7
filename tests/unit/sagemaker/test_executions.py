"""What AWS says of jobs, as its API documents the answers."""

import pytest

from cursus_sandbox.sagemaker.executions import uris_of

ARN = "arn:aws:sagemaker:us-east-1:000000000000"
STEPS = {
    "PipelineExecutionSteps": [
        {"StepName": "Train", "StepStatus": "Failed", "Metadata": {"TrainingJob": {"Arn": f"{ARN}:training-job/t-1"}}},
        {
            "StepName": "Preprocess-Training",
            "StepStatus": "Succeeded",
            "CacheHitResult": {"SourcePipelineExecutionArn": f"{ARN}:pipeline/x/execution/y"},
            "Metadata": {"ProcessingJob": {"Arn": f"{ARN}:processing-job/p-1"}},
        },
        {"StepName": "IsGood", "StepStatus": "Succeeded", "Metadata": {"Condition": {"Outcome": "True"}}},
        {"StepName": "Waiting"},
    ]
}
PROCESSING = {
    "ProcessingJobName": "p-1",
    "ProcessingJobArn": f"{ARN}:processing-job/p-1",
    "ProcessingJobStatus": "Completed",
    "ProcessingInputs": [
        {"InputName": "DATA", "S3Input": {"S3Uri": "s3://raw/data", "LocalPath": "/opt/ml/processing/input/data"}},
        {"InputName": "feature", "DatasetDefinition": {"LocalPath": "/opt/ml/processing/feature"}},
    ],
    "ProcessingOutputConfig": {
        "Outputs": [
            {"OutputName": "rows", "S3Output": {"S3Uri": "s3://mine/rows", "LocalPath": "/opt/ml/processing/output"}}
        ]
    },
}
TRAINING = {
    "TrainingJobName": "t-1",
    "TrainingJobArn": f"{ARN}:training-job/t-1",
    "TrainingJobStatus": "Completed",
    "ModelArtifacts": {"S3ModelArtifacts": "s3://mine/t/t-1/output/model.tar.gz"},
    "OutputDataConfig": {"S3OutputPath": "s3://mine/t/"},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://mine/rows/train"}},
        }
    ],
}
TRANSFORM = {
    "TransformJobName": "s-1",
    "TransformJobArn": f"{ARN}:transform-job/s-1",
    "TransformJobStatus": "Completed",
    "ModelName": "m-1",
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://mine/rows/test"}},
        "ContentType": "text/csv",
    },
    "TransformOutput": {"S3OutputPath": "s3://mine/scores", "AssembleWith": "Line"},
}
READ = {"Preprocess-Training:/opt/ml/processing/input/data": "s3://raw/data"}
WROTE = {
    "Preprocess-Training:rows": "s3://mine/rows",
    "Preprocess-Training:/opt/ml/processing/output": "s3://mine/rows",
}


def test_processing():
    """A job's outputs are known by name and by path, its inputs by path, all under the step's name."""
    assert uris_of([("steps", STEPS), ("job", PROCESSING)]) == READ | WROTE


def test_a_job_that_failed():
    """What a failed job read is known, what it may have written is not."""
    assert uris_of([("steps", STEPS), ("job", PROCESSING | {"ProcessingJobStatus": "Failed"})]) == READ


def test_training():
    """A training job's archives lie below its output path; without a list of steps the file names the step."""
    assert uris_of([("Train", TRAINING)]) == {
        "Train:/opt/ml/input/data/train": "s3://mine/rows/train",
        "Train:/opt/ml/model": "s3://mine/t/t-1/output/model.tar.gz",
        "Train:/opt/ml/output/data": "s3://mine/t/t-1/output/output.tar.gz",
    }


def test_transform():
    """A transform's records lie nowhere in its container; they are known by what AWS calls them."""
    assert uris_of([("Score", TRANSFORM)]) == {
        "Score:TransformInput": "s3://mine/rows/test",
        "Score:TransformOutput": "s3://mine/scores",
    }
    assert uris_of([("Score", TRANSFORM | {"TransformJobStatus": "Stopped"})]) == {
        "Score:TransformInput": "s3://mine/rows/test"
    }


def test_steps_alone():
    """A list of steps says nothing of where they wrote; one of the jobs to ask for is named."""
    with pytest.raises(ValueError, match="save what describe-…-job says of t-1"):
        uris_of([("steps", STEPS)])

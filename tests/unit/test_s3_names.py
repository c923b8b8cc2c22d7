"""Names of S3 that are refused: keys that can't all be files of a folder, buckets that can't be."""

import json

import pytest

from cursus_sandbox import DocumentError, S3OutputPathRegistry
from cursus_sandbox.inputs.s3 import StoredObject, unfit
from cursus_sandbox.pipeline.source import s3_uri

JOB = {
    "TrainingJobName": "train",
    "TrainingJobStatus": "Completed",
    "ModelArtifacts": {"S3ModelArtifacts": "s3://b/x/model.tar.gz"},
}


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (["a", "b/c", "b/d", "b.c"], None),
        (["a", "a/b"], "s3://bucket/a and s3://bucket/a/b can't both be files of a folder"),
        (["a/b/c", "a/b"], "s3://bucket/a/b and s3://bucket/a/b/c can't both be files of a folder"),
        (["a/../../b"], "the key s3://bucket/a/../../b can't become a file's name"),
        (["./a"], "the key s3://bucket/./a can't become a file's name"),
        (["/etc/passwd"], "the key s3:///etc/passwd can't become a file's name"),
    ],
)
def test_names(names, wrong):
    """A key in the way of another, or one that leads out of the folder, is named."""
    assert unfit([StoredObject(f"bucket/{name}".replace("bucket//", "/"), 1, name) for name in names]) == wrong


@pytest.mark.parametrize("bucket", ["b", "ab", "-abc", "a b c", "x" * 256])
def test_a_bucket_that_can_not_be(bucket):
    """An address whose bucket can't be one is refused for that, not for its form."""
    with pytest.raises(ValueError, match=r"can't be a bucket's name: 3 to 255 letters, digits, '\.', '_' and '-'"):
        s3_uri(f"s3://{bucket}/x/model.tar.gz")
    with pytest.raises(ValueError, match="is not of the form s3://bucket/prefix"):
        s3_uri("s3:///x/model.tar.gz")


@pytest.mark.parametrize("content", [JOB, {"train:/opt/ml/model": JOB["ModelArtifacts"]["S3ModelArtifacts"]}])
def test_a_registry_with_such_a_bucket(tmp_path, content):
    """What AWS said of a job and a registry that was written are refused alike."""
    file = tmp_path / "train.json"
    file.write_text(json.dumps(content))
    with pytest.raises(DocumentError) as caught:
        S3OutputPathRegistry.read(file)
    (problem,) = caught.value.problems
    assert problem.what.startswith(f"the registry {file}: 'train:/opt/ml/model': s3://b/x/model.tar.gz: 'b' can't be a")

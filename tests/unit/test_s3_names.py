"""Keys of S3 that can't all be files of a folder."""

import pytest

from cursus_sandbox.inputs.s3 import StoredObject, unfit


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

"""Objects that are brought to this machine, from a folder that stands for a bucket."""

import os
from dataclasses import replace

import pytest
from pyarrow import fs

from cursus_sandbox.errors import SandboxError
from cursus_sandbox.inputs.s3 import Listing, StoredObject, absent, fetched, taken
from cursus_sandbox.pipeline.source import S3Objects

MB = 1024 * 1024


@pytest.fixture
def listed(tmp_path):
    """Two sources that have the same three objects: a folder of keys, and the keys that begin with an `a`."""
    objects = []
    for number in range(3):
        file = tmp_path / f"bucket/a{number}.bin"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(os.urandom(9 * MB))  # more than is asked for at once
        objects.append(StoredObject(str(file), 9 * MB, file.name))
    sources = [S3Objects(uri=uri, endpoint_url="http://x") for uri in ("s3://bucket/data/", "s3://bucket/data/a")]
    return [Listing(one, fs.LocalFileSystem(), tuple(objects), 3, 27 * MB) for one in sources]


def test_an_object_of_two_sources(listed, tmp_path):
    """It is brought once, whole, and is in the files of both; once its bytes are counted, too."""
    heard = []
    assert (len(taken(listed)), absent(listed, tmp_path / "downloads")) == (3, 27 * MB)
    files = fetched(listed, tmp_path / "downloads", heard.append)
    assert sum(heard) == 27 * MB
    first, second = (files[one.source] for one in listed)
    assert first == second
    assert {name: file.read_bytes() for name, file in first.items()} == {
        f"a{number}.bin": (tmp_path / f"bucket/a{number}.bin").read_bytes() for number in range(3)
    }
    assert absent(listed, tmp_path / "downloads") == 0


def test_more_than_there_is(listed, tmp_path):
    """What arrived is taken for the object only if it has its size; else that is said, and nothing of it is kept."""
    one = replace(listed[0], taken=listed[0].taken[:1])
    (file,) = fetched([one], tmp_path / "downloads")[one.source].values()
    file.rename(file.with_suffix(".part"))
    with file.with_suffix(".part").open("ab") as part:
        part.write(b"more")
    with pytest.raises(SandboxError, match=r"a0\.bin has 9,437,184 bytes, and 9,437,188 arrived"):
        fetched([one], tmp_path / "downloads")
    (file,) = fetched([one], tmp_path / "downloads")[one.source].values()
    assert file.read_bytes() == (tmp_path / "bucket/a0.bin").read_bytes()

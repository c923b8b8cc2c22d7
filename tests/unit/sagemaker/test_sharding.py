"""Which objects each host gets."""

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Distribution
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep
from cursus_sandbox.pipeline.source import Located
from cursus_sandbox.sagemaker.hosts import hosts
from cursus_sandbox.sagemaker.sharding import shards, share_of


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def step(source, **said):
    path = PurePosixPath("/opt/ml/processing/input/data")
    one = PlannedInput(channel="data", path=path, source=Located(path=source), reason="pinned", **said)
    return PlannedStep(name="s", step_type="S", kind=StepKind.PROCESSING, inputs=(one,), instance_count=2)


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 20))
def test_each_object_goes_to_one_host(keys, count):
    """Together the hosts have every object once, and no host has two more than another."""
    shares = [share_of(keys, host) for host in hosts(count)]
    assert sorted(key for share in shares for key in share) == sorted(keys)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_share_keeps_the_objects_keys(tmp_path):
    """The files of a host are where they were below the folder; other inputs are whole; a link is no object."""
    source = tmp_path / "data"
    for name in ("b/1.csv", "a.csv", "b/2.csv"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / "link").symlink_to("a.csv")
    planned = step(source, distribution=Distribution.SHARDED)
    first, second = (shards(planned, {"data": source}, host, tmp_path / host.name) for host in hosts(2))
    assert tree(first["data"]) == ["a.csv", "b/2.csv"]
    assert tree(second["data"]) == ["b/1.csv"]
    assert (second["data"] / "b/1.csv").read_text() == "b/1.csv"
    assert shards(step(source), {"data": source}, hosts(2)[1], tmp_path / "x") == {"data": source}


def test_a_single_object_goes_to_the_first_host(tmp_path):
    """The other hosts find an empty folder."""
    file = tmp_path / "one.csv"
    file.write_text("n")
    planned = step(file, distribution=Distribution.SHARDED)
    first, second = (shards(planned, {"data": file}, host, tmp_path / host.name)["data"] for host in hosts(2))
    assert (tree(first), tree(second)) == (["one.csv"], [])


def test_each_channel_of_a_training_input_is_divided_by_itself(tmp_path):
    """Its parts, train and val, are channels of their own: a host gets its share of each."""
    for name in ("train/1", "train/2", "val/1", "val/2"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    planned = step(tmp_path / "data", distribution=Distribution.SHARDED, parts=("train", "val"))
    second = shards(planned, {"data": tmp_path / "data"}, hosts(2)[1], tmp_path / "own")["data"]
    assert tree(second) == ["train/2", "val/2"]

"""model.tar.gz and output.tar.gz."""

import os
import tarfile
from pathlib import PurePosixPath

import pytest

from cursus_sandbox.leaves import leaves
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedOutput, PlannedStep
from cursus_sandbox.sagemaker.artifacts import archive, archive_name, pack
from cursus_sandbox.sagemaker.layout import StepFolders


@pytest.fixture
def model(tmp_path):
    """A model folder."""
    folder = tmp_path / "model"
    (folder / "code/deep").mkdir(parents=True)
    for name in ("z.json", "a.json", "code/inference.py", "code/deep/x", "code.txt"):
        (folder / name).write_text(name)
    return folder


def members(archive):
    """Each member of an archive by its name."""
    with tarfile.open(archive) as tar:
        return {member.name: (member, tar.extractfile(member).read()) for member in tar if member.isreg()}


def test_members(model, tmp_path):
    """Members have plain names relative to the folder, and the files' bytes."""
    pack(leaves(model), tmp_path / "out/model.tar.gz")
    packed = members(tmp_path / "out/model.tar.gz")
    assert list(packed) == ["a.json", "code.txt", "z.json", "code/inference.py", "code/deep/x"]
    assert all(content.decode() == name for name, (_, content) in packed.items())


def test_order(tmp_path):
    """A folder's files come in order, then its folders in order, in whatever order they were made."""
    for name in "hbfdagce":
        (tmp_path / "model" / name).mkdir(parents=True)
        (tmp_path / "model" / name / "x").touch()
        (tmp_path / "model" / f"{name}.json").touch()
    pack(leaves(tmp_path / "model"), tmp_path / "model.tar.gz")
    names = list(members(tmp_path / "model.tar.gz"))
    assert names == [f"{name}.json" for name in "abcdefgh"] + [f"{name}/x" for name in "abcdefgh"]


def test_only_regular_files(model, tmp_path):
    """Links and pipes are no members, and folders only where they are empty."""
    (model / "link").symlink_to("a.json")
    (model / "folder-link").symlink_to("code")
    os.mkfifo(model / "pipe")
    (model / "empty").mkdir()
    pack(leaves(model), tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        assert len(tar.getnames()) == 6
        assert [member.name for member in tar if member.isdir()] == ["empty"]


def test_same_files_same_bytes(model, tmp_path):
    """The same files give the same bytes, whenever they were written and whoever may read them."""
    pack(leaves(model), tmp_path / "first.tar.gz")
    for file in model.rglob("*.json"):
        os.utime(file, (0, 0))
        file.chmod(0o600)
    pack(leaves(model), tmp_path / "second.tar.gz")
    first = (tmp_path / "first.tar.gz").read_bytes()
    assert first == (tmp_path / "second.tar.gz").read_bytes()
    assert first[4:8] == bytes(4)  # gzip's own time
    assert {(member.mtime, member.uid) for member, _ in members(tmp_path / "first.tar.gz").values()} == {(0, 0)}


def test_executable(model, tmp_path):
    """A file that may be executed still may be."""
    (model / "code/inference.py").chmod(0o700)
    pack(leaves(model), tmp_path / "model.tar.gz")
    modes = {name: member.mode for name, (member, _) in members(tmp_path / "model.tar.gz").items()}
    assert (modes["code/inference.py"], modes["a.json"]) == (0o755, 0o644)


def test_empty_folder(tmp_path):
    """An empty folder is an archive without members."""
    (tmp_path / "model").mkdir()
    pack(leaves(tmp_path / "model"), tmp_path / "model.tar.gz")
    assert members(tmp_path / "model.tar.gz") == {}


def test_odd_names(tmp_path):
    """Long names, accents and bytes that are no UTF-8 keep their names."""
    folder = tmp_path / "model"
    names = ["é.json", "n" * 200, os.fsdecode(b"\xff.bin"), "a b\nc"]
    (folder / ("d" * 120)).mkdir(parents=True)
    for name in names:
        (folder / ("d" * 120) / name).write_text("x")
    pack(leaves(folder), tmp_path / "model.tar.gz")
    assert sorted(members(tmp_path / "model.tar.gz")) == sorted(f"{'d' * 120}/{name}" for name in names)


def names(archive):
    with tarfile.open(archive) as tar:
        return sorted(tar.getnames())


def test_one_archive_of_what_lies_below(tmp_path):
    """Outputs below /opt/ml/model get one and the same archive, of all that is in it; so with the output data."""
    folders = StepFolders(outputs=tmp_path / "outputs", staged=tmp_path / "staged", scratch=tmp_path / "scratch")
    paths = {"weights": "/opt/ml/model/weights", "deep": "/opt/ml/model/a/deep", "data": "/opt/ml/output/data"}
    for channel in (*paths, "other"):
        (folders.outputs / channel).mkdir(parents=True)
        (folders.outputs / channel / f"{channel}.txt").write_text(channel)
    (folders.staged / "model/weights").mkdir(parents=True)  # where one of them was mounted
    (folders.staged / "model/beside.txt").write_text("beside")
    outputs = [PlannedOutput(channel=name, path=PurePosixPath(path)) for name, path in paths.items()]
    outputs += [
        PlannedOutput(channel="absent", path=PurePosixPath("/opt/ml/model/absent"), required=False),
        PlannedOutput(channel="other", path=PurePosixPath("/opt/ml/checkpoints/other")),
    ]
    archive(PlannedStep(name="s", step_type="S", kind=StepKind.TRAINING, outputs=tuple(outputs)), folders)
    assert {path.name: [one.name for one in path.iterdir()] for path in folders.outputs.iterdir()} == {
        "weights": ["model.tar.gz"],
        "deep": ["model.tar.gz"],
        "data": ["output.tar.gz"],
        "other": ["other.txt"],
    }
    for channel in ("weights", "deep"):
        assert names(folders.outputs / channel / "model.tar.gz") == [
            "a/deep/deep.txt",
            "beside.txt",
            "weights/weights.txt",
        ]
    assert names(folders.outputs / "data/output.tar.gz") == ["data.txt"]


@pytest.mark.parametrize(
    ("kind", "path", "name"),
    [
        (StepKind.TRAINING, "/opt/ml/model", "model.tar.gz"),
        (StepKind.TRAINING, "/opt/ml/output/data", "output.tar.gz"),
        (StepKind.TRAINING, "/opt/ml/checkpoints", None),
        (StepKind.TRAINING, "/opt/ml/models", None),
        (StepKind.TRAINING, None, None),
        (StepKind.PROCESSING, "/opt/ml/model", None),
        (StepKind.PROCESSING, "/opt/ml/processing/output", None),
    ],
)
def test_archive_names(kind, path, name):
    """A training job's model and output data travel as archives, everything else as it is."""
    step = PlannedStep(name="s", step_type="S", kind=kind)
    assert archive_name(step, PlannedOutput(channel="out", path=path and PurePosixPath(path))) == name

"""The first look at what a step left."""

import os

import pytest

from cursus_sandbox.sagemaker.layout import StepFolders
from cursus_sandbox.sagemaker.survey import surveyed


@pytest.fixture
def folders(tmp_path):
    """The folders of an attempt, with one output and what stands beside it."""
    made = StepFolders(tmp_path / "outputs", tmp_path / "staged", tmp_path / "scratch")
    for folder in (made.outputs / "out", made.messages, made.staged / "model", made.scratch):
        folder.mkdir(parents=True)
    return made


def test_what_is_well(folders):
    """Files and folders, links and pipes too, are for others to judge."""
    (folders.outputs / "out/file").write_text("x")
    (folders.outputs / "out/link").symlink_to("file")
    os.mkfifo(folders.outputs / "out/pipe")
    assert surveyed(folders) is None


@pytest.mark.parametrize("place", ["outputs/out", "staged/output", "staged/model"])
def test_too_many_files(folders, tmp_path, place):
    """One file more than a step may leave is too much, wherever it is."""
    for number in range(5):
        (tmp_path / place / str(number)).touch()
    assert surveyed(folders, files=7) is None
    assert surveyed(folders, files=5) == ("it left more than 5 files: pack them, or allow more:  resources: {files: …}")


def test_folders_too_deep(folders):
    """Nobody has to walk through folders nested without end."""
    (folders.outputs / "out" / "/".join("d" * 300)).mkdir(parents=True)
    assert surveyed(folders) == "it left folders nested more than 200 deep"


def test_a_file_that_is_a_hole(folders):
    """A file of a terabyte of which nothing was written is refused before anybody reads it."""
    (folders.outputs / "out/file").touch()
    os.truncate(folders.outputs / "out/file", 1 << 40)
    assert surveyed(folders) == "it left files that are holes: 1,024 GB that nobody wrote"


def test_modes_are_made_harmless(folders):
    """No file runs as another user any more, and whoever owns what was left may read it."""
    program, closed = folders.outputs / "out/program", folders.outputs / "out/closed"
    program.touch()
    program.chmod(0o6755)
    closed.mkdir()
    (closed / "file").touch()
    (closed / "file").chmod(0)
    closed.chmod(0)
    assert surveyed(folders) is None
    assert [one.stat().st_mode & 0o7777 for one in (program, closed, closed / "file")] == [0o755, 0o700, 0o400]


def test_links_are_not_followed(folders, tmp_path):
    """What a link leads to is neither counted nor changed, not even where the link stands for an output itself."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for number in range(5):
        (outside / str(number)).touch()
    outside.chmod(0)
    (folders.outputs / "out").rmdir()
    (folders.outputs / "out").symlink_to(outside)
    (folders.outputs / "link").symlink_to(outside)
    assert surveyed(folders, files=4) is None
    assert outside.stat().st_mode & 0o777 == 0
    outside.chmod(0o700)

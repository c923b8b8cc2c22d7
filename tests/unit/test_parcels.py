"""Folders as values, and laid out again elsewhere."""

import os
import shutil
from pathlib import Path

import pytest

from cursus_sandbox.cluster.parcels import one_file, packed, unpacked
from cursus_sandbox.runs.contents import Content, sha256_of


def content(file: Path) -> Content:
    return Content(file.stat().st_size, sha256_of(str(file)))


def laid_out(parcel, top, source):
    """Have its files copied from where they were."""
    by_sha = {content(file).sha256: file for file in source.rglob("*") if file.is_file() and not file.is_symlink()}

    def bring(one, target):
        shutil.copyfile(by_sha[one.content.sha256], target)
        target.chmod(one.mode)

    unpacked(parcel, top, bring, lambda do, ones: [do(one) for one in ones])


@pytest.fixture
def folder(tmp_path):
    """A folder with what a step may leave: odd names, links, modes, nothing."""
    top = tmp_path / "there"
    (top / "a/deep").mkdir(parents=True)
    (top / "-first").mkdir()
    (top / "empty").mkdir()
    (top / "a/deep/file").write_text("one")
    (top / "a/run.sh").write_text("two")
    (top / "a/run.sh").chmod(0o750)
    (top / "-first/nothing").touch()
    (top / "link").symlink_to("../elsewhere")
    Path(os.fsdecode(os.fsencode(top) + b"/\xff")).write_text("three")
    (top / "a").chmod(0o555)
    os.mkfifo(top / "pipe")
    return top


def test_a_folder_is_the_same_elsewhere(folder, tmp_path):
    """Files, empty folders, links, modes and names in any bytes are as they were; pipes and the like stay behind."""
    parcel = packed(folder, content)
    laid_out(parcel, tmp_path / "here/below", folder)
    assert packed(tmp_path / "here/below", content) == parcel
    assert not (tmp_path / "here/below/pipe").exists()
    assert (parcel.size, parcel.behind) == (11, ())


def test_a_file_alone(folder, tmp_path):
    """A file is a parcel, too, and one file of a folder is a folder with nothing else in it."""
    laid_out(packed(folder / "a/run.sh", content), tmp_path / "alone", folder)
    assert (tmp_path / "alone").read_text() == "two"
    laid_out(one_file("a/run.sh", folder / "a/run.sh", content), tmp_path / "code", folder)
    assert [path.name for path in (tmp_path / "code").rglob("*") if path.is_file()] == ["run.sh"]


def test_what_is_left_out(folder):
    """Folders by their name or by their place don't count."""
    parcel = packed(folder, content, leave_out=["deep"], but_not=folder / "-first")
    assert not any("deep" in name or "first" in name for name in (*parcel.files, *parcel.folders))


def test_what_can_not_be_read(folder):
    """A file that can't be read stays behind, by its name."""

    def closed(file):
        if file.name == "file":
            raise PermissionError(file)
        return content(file)

    assert packed(folder, closed).behind == ("a/deep/file",)

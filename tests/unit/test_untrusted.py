"""What a step has made is opened, unpacked and removed without trusting it."""

import io
import os
import tarfile
import zlib
from pathlib import Path

import pytest

from cursus_sandbox.untrusted import empty, folder_at, opened, remove, tar


def deep(folder, levels):
    """Folders within one another, deeper than any path may be long."""
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        for _ in range(levels):
            Path("d" * 100).mkdir()
            os.chdir("d" * 100)
        os.close(os.open("file", os.O_CREAT))
    finally:
        os.fchdir(before)
        os.close(before)


def test_only_regular_files_are_opened(tmp_path):
    """A file is read; a link, a pipe without a writer, a folder and a device are errors at once."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    with opened(tmp_path / "file") as content:
        assert content.read() == b"x"
    for other in (tmp_path / "link", tmp_path / "pipe", tmp_path, "/dev/null", tmp_path / "gone"):
        with pytest.raises(OSError):  # noqa: PT011 -- that it is one is all there is to say
            opened(other)


def test_folders_are_emptied_however_deep_and_closed(tmp_path):
    """Deeper than Python recurses, closed, with links that lead out: all that is in a folder goes, and only that."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    folder = tmp_path / "folder"
    (folder / "a/b/closed").mkdir(parents=True)
    (folder / "a/b/closed/file").touch()
    (folder / "a/b/closed").chmod(0)
    (folder / "a").chmod(0o500)
    (folder / ".removing-0").touch()
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    deep(folder, 3000)
    empty(folder)
    assert list(folder.iterdir()) == []
    assert (outside / "file").exists()


def test_removing(tmp_path):
    """Whatever stands there is removed: nothing, a file, a full folder, a link but not what it leads to."""
    (tmp_path / "full/x").mkdir(parents=True)
    (tmp_path / "link").symlink_to("full")
    (tmp_path / "file").touch()
    for name in ("gone", "file", "link"):
        remove(tmp_path / name)
    assert [one.name for one in tmp_path.iterdir()] == ["full"]
    remove(tmp_path / "full")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_a_link_was(tmp_path):
    """A link on the way to a new folder gives way to a folder, and where it led to nothing is made."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "top").mkdir()
    (tmp_path / "top/a").symlink_to(tmp_path / "outside")
    folder_at(tmp_path / "top", tmp_path / "top/a/b/c")
    assert (tmp_path / "top/a/b/c").is_dir()
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_archives_are_read(tmp_path, mode):
    """The members of a tar, gzipped or not, come in their order."""
    with tarfile.open(tmp_path / "a.tar", mode) as written:
        for name in ("x" * 300, "b"):
            written.addfile(tarfile.TarInfo(name), io.BytesIO())
    with tar(tmp_path / "a.tar") as read:
        assert [member.name for member in read] == ["x" * 300, "b"]


def test_a_header_that_fills_the_memory(tmp_path):
    """A name of a gigabyte, a megabyte when packed, is refused before it is read."""
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    packer = zlib.compressobj(wbits=31)
    with (tmp_path / "a.tar.gz").open("wb") as file:
        file.write(packer.compress(header.tobuf()))
        for _ in range(64):
            file.write(packer.compress(bytes(1 << 20)))
        file.write(packer.flush())
    with pytest.raises(tarfile.ReadError, match="larger than a megabyte"), tar(tmp_path / "a.tar.gz") as read:
        list(read)

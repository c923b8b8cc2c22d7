"""What a host keeps of what it fetched: used while it is what it was, fetched anew where it isn't."""

import hashlib
import os

import pytest

from cursus_sandbox.cluster import host_files
from cursus_sandbox.cluster.host_files import HostFiles
from cursus_sandbox.cluster.parcels import Packed
from cursus_sandbox.runs.contents import Content

DATA = b"n\n1\n"
ONE = Packed(Content(len(DATA), hashlib.sha256(DATA).hexdigest()), 0o644)


class Shelf:
    """Where files are fetched from: it notes how often."""

    def __init__(self):
        self.fetched = 0

    def fetch(self, content, target, heard):
        self.fetched += 1
        target.write_bytes(DATA)
        heard(content.size)


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def link(tmp_path, shelf):
    """Has a file brought once more; gives the bytes that an errand sees."""
    files = HostFiles(tmp_path / "host")
    (tmp_path / "host").mkdir()
    (tmp_path / "errands").mkdir()

    def linked(one=ONE):
        target = tmp_path / "errands" / str(len([*(tmp_path / "errands").iterdir()]))
        files.link(one, target, store=shelf, go_on=lambda: True, heard=lambda _: None)
        assert target.stat().st_mode & 0o777 == one.mode
        return target.read_bytes()

    linked.file = tmp_path / "host/files" / ONE.content.sha256 / "644"
    return linked


def test_a_file_is_fetched_once(link, shelf, monkeypatch):
    """However many errands read a file it is fetched once, and its bytes are not read again while it is what it was."""
    monkeypatch.setattr(host_files, "sha256_of", None)
    assert [link() for _ in range(3)] == [DATA] * 3
    assert shelf.fetched == 1


def test_another_mode_is_a_copy(link, shelf):
    """A file that is wanted with another mode is copied from the one there is."""
    assert link() == link(Packed(ONE.content, 0o755)) == DATA
    assert shelf.fetched == 1


@pytest.mark.parametrize("damage", [b"n\n2\n", b"n\n", b""])
def test_a_damaged_file(link, shelf, damage):
    """What was changed behind our back is neither used nor copied: it is fetched anew, once."""
    link()
    link.file.write_bytes(damage)
    os.utime(link.file, (1, 1))
    other = Packed(ONE.content, 0o755)
    assert [link(other), link(), link()] == [DATA] * 3
    assert shelf.fetched == 2


def test_a_file_that_was_only_touched(link, shelf):
    """A file of which only the time has changed, or of which nothing is noted, is read again, and used."""
    link()
    os.utime(link.file, (1, 1))
    assert link() == DATA
    link.file.with_name("644.seen").unlink()
    assert link() == DATA
    assert shelf.fetched == 1

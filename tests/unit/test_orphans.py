"""The word of a task at work on a host, by which what a killed worker left is found."""

import fcntl
import tempfile

import pytest

from cursus_sandbox.cluster.orphans import at_work, reap_orphans
from cursus_sandbox.runs.folders import RunFolder


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Gives the names of the words on this host, none of them yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: sorted(file.name for file in tmp_path.glob("*/*"))


class Reaper:
    """An engine that is asked to remove what the dead left, and how often that was."""

    def __init__(self):
        self.reaped = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def reap(self, labels, *, below):
        self.reaped.append((labels, below))


def test_who_works_is_not_taken_for_dead(words, tmp_path):
    """While a task runs its word is there and nobody reaps what it is at; then nothing of it is left."""
    reaper = Reaper()
    with at_work(RunFolder(tmp_path / "run", {}, task="1-"), "docker"):
        reap_orphans(lambda _: reaper)
        assert words() == ["1-.json"]
    assert words() == []
    assert reaper.reaped == []


def test_who_begins_is_not_taken_for_dead(words, tmp_path, monkeypatch):
    """A worker that looks for the dead just before the word is locked leaves it where it is."""
    lock = fcntl.flock

    def after_a_look(file, how):
        if how == fcntl.LOCK_EX:
            reap_orphans(lambda _: Reaper())
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", after_a_look)
    with at_work(RunFolder(tmp_path / "run", {}, task="1-"), "docker"):
        assert words() == ["1-.json"]


def test_what_the_dead_left_is_reaped(words, tmp_path):
    """A word that nobody has locked is a dead worker's: its engine removes what has its labels, and the word goes."""
    reaper = Reaper()
    with at_work(RunFolder(tmp_path / "run", {"run": "x"}, task="1-"), "docker"):
        (word,) = tmp_path.glob("*/*")
        text = word.read_text()
    word.write_text(text)
    reap_orphans({"docker": reaper}.__getitem__)
    assert (reaper.reaped, words()) == ([({"run": "x"}, tmp_path / "run")], [])

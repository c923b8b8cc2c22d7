"""How far a work is, told now and then."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import pytest

from cursus_sandbox import amount
from cursus_sandbox.amount import Amount
from cursus_sandbox.bytes_done import add, expect, heard
from cursus_sandbox.engines import mounts
from cursus_sandbox.engines.travel import Parcel, packed
from cursus_sandbox.pipeline.events import Progress
from cursus_sandbox.runs.contents import Contents
from cursus_sandbox.sagemaker import staging


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when told."""
    now = [0.0]
    monkeypatch.setattr(amount.time, "monotonic", lambda: now[0])
    return now


def test_it_is_told_now_and_then(clock):
    """What many threads have done is added up, and told when some time has gone by: a quick work is not told at all."""
    told = []
    work = Amount(told.append, "fetching", step="a", total=1000)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work.add, [1] * 500))
    assert told == []
    clock[0] = 1.0
    work.add(100)
    work.add(100)
    assert told == [Progress(what="fetching", step="a", done=600, total=1000, in_bytes=True)]


def test_who_listens_hears_what_is_read(tmp_path, clock):
    """The bytes of files that are read are heard in the thread that waits for them, and not those that are known."""
    file = tmp_path / "data"
    file.write_bytes(b"x" * 5000)
    contents, listened = Contents(tmp_path / "memo"), []
    work = Amount(listened.append, "reading")
    with heard(work):
        contents.file(file)
    contents.file(file)
    add(7)
    clock[0] = 1.0
    work.add(0)
    assert [(one.done, one.total) for one in listened] == [(5000, None)]


@pytest.mark.parametrize("copied", [staging.copy, mounts.copy])
def test_copies_are_heard(tmp_path, clock, copied):
    """Of files that are copied the bytes are heard, and how many there will be; a link is none of them."""
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/some").write_bytes(b"x" * 3_000_000)
    (tmp_path / "in/deep/more").write_bytes(b"y" * 1000)
    (tmp_path / "in/link").symlink_to("some")
    told = []
    work = Amount(told.append, "copying")
    with heard(work):
        expect(tmp_path / "in")
        copied(tmp_path / "in", tmp_path / "out")
    clock[0] = 1.0
    work.add(0)
    assert told == [Progress(what="copying", done=3_001_000, total=3_001_000, in_bytes=True)]
    assert (tmp_path / "out/some").read_bytes() == (tmp_path / "in/some").read_bytes()


def test_what_is_sent_is_heard(tmp_path, clock):
    """Of files that are sent to a daemon the bytes are heard, and how many there will be."""
    (tmp_path / "data").write_bytes(b"x" * 2_000_000)
    told = []
    with heard(Amount(told.append, "copying")):
        for _ in packed(Parcel(tmp_path, PurePosixPath("in"), owner=None)):
            clock[0] += 1.0
    assert [(one.done, one.total) for one in told] == [(1_048_576, 2_000_000), (2_000_000, 2_000_000)]

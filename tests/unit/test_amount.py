"""How far a work is, told now and then."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cursus_sandbox import amount
from cursus_sandbox.amount import Amount
from cursus_sandbox.pipeline.events import Progress
from cursus_sandbox.runs.contents import Contents, heard


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


def test_who_listens_hears_what_is_read(tmp_path):
    """The bytes of files that are read are heard in the thread that waits for them, and not those that are known."""
    file = tmp_path / "data"
    file.write_bytes(b"x" * 5000)
    contents, listened = Contents(tmp_path / "memo"), []
    with heard(listened.append):
        contents.file(file)
    contents.file(file)
    assert sum(listened) == 5000

"""Files that were looked at and have not changed are not looked into again."""

import os
import time

import pytest

from cursus_sandbox.tables import DataCompatibilityValidator, TableSchema, validator
from cursus_sandbox.tables.memo import Memo

SCHEMA = TableSchema.model_validate({"fields": [{"name": "a", "type": "integer"}]})


@pytest.fixture
def looks(monkeypatch):
    """How often a file was really looked into."""
    seen = []
    observe = validator.observe

    def observed(path, **words):
        seen.append(path.name)
        return observe(path, **words)

    monkeypatch.setattr(validator, "observe", observed)
    return seen


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("a\n1\n")
    return folder


@pytest.fixture
def check(tmp_path, data, monkeypatch):
    """Check the folder as one that nobody has written to for an hour: a fresh file is never remembered."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)

    def checked(schema=SCHEMA, **options):
        memo = Memo(tmp_path / "memo")
        return DataCompatibilityValidator(memo=memo, **options).check(data, schema, data="a:b", schema_from="A")

    return checked


def test_unchanged_files(check, looks):
    """A second check finds the same, and says when the files were looked at."""
    first, second = check(), check()
    assert looks == ["a.csv"]
    assert second.depth.startswith("every row of CSV (20")
    assert second.depth.endswith(", unchanged since)")
    assert second.model_copy(update={"depth": first.depth}) == first


def same_size(data):
    (data / "a.csv").write_text("a\n2\n")


def same_size_and_time(data):
    before = (data / "a.csv").stat()
    (data / "a.csv").write_text("a\n2\n")
    os.utime(data / "a.csv", ns=(before.st_atime_ns, before.st_mtime_ns))


def another_file(data):
    (data / "b.csv").write_text("a\n2\n")


def replaced(data):
    (data / "new").write_text("a\n2\n")
    (data / "new").replace(data / "a.csv")


def renamed(data):
    (data / "a.csv").rename(data / "b.csv")


@pytest.mark.parametrize("change", [same_size, same_size_and_time, another_file, replaced, renamed])
def test_changed_files(check, looks, data, change):
    """Whatever changes, the files are looked into again."""
    check()
    del looks[:]
    change(data)
    check()
    assert looks


def test_another_question(check, looks):
    """Another schema, or a report without values, is another check."""
    check()
    for again in (lambda: check(None), lambda: check(values=False)):
        del looks[:]
        again()
        assert looks == ["a.csv"]


def test_what_is_broken_is_told_again(check, looks, data):
    """Files with an error are looked into each time."""
    (data / "a.csv").write_text("a\nx\n")
    assert [check().compatible, check().compatible] == [False, False]
    assert looks == ["a.csv", "a.csv"]


def test_fresh_files(tmp_path, data, looks):
    """What was written a moment ago may be written again in the same tick, so it is not remembered."""
    memo = Memo(tmp_path / "memo")
    (data / "a.csv").touch()
    assert memo.key(data, SCHEMA) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"data": 1}'])
def test_a_damaged_memo(check, looks, tmp_path, content):
    """A memo that can't be read is none."""
    check()
    (kept,) = (tmp_path / "memo").iterdir()
    kept.write_bytes(content)
    assert check().compatible
    assert looks == ["a.csv", "a.csv"]


def test_a_memo_that_cannot_be_written(check, tmp_path):
    """Where nothing can be remembered, the check goes on without."""
    (tmp_path / "memo").write_text("a file in its place")
    assert check().compatible


def test_forgetting(check, tmp_path):
    """What is older than a month goes."""
    check()
    memo = Memo(tmp_path / "memo")
    memo.forget()
    (kept,) = memo.folder.iterdir()
    os.utime(kept, (0, time.time() - 31 * 24 * 3600))
    memo.forget()
    assert list(memo.folder.iterdir()) == []

"""A look into what a step has packed."""

import io
import tarfile

import pytest

from cursus_sandbox.tables.metrics import metrics_files
from cursus_sandbox.tables.unpacked import unpacked


def packed(folder, **members):
    with tarfile.open(folder / "output.tar.gz", "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_metrics_in_an_archive(tmp_path):
    """Of a folder that is one archive its tables and JSON are looked at, and nothing else of it."""
    packed(tmp_path, **{"eval/metrics.json": b'{"auc": 0.5}', "model.bin": b"x", "a.csv": b"n\n1\n"})
    with unpacked(tmp_path) as folder:
        assert sorted(file.name for file in folder.rglob("*.*")) == ["a.csv", "metrics.json"]
        assert [one.numbers for one in metrics_files(folder)] == [{"auc": 0.5}]
    assert not folder.exists()


def test_a_folder_of_files_is_looked_at_as_it_is(tmp_path):
    """What is not packed needs no copy; nor does an archive beside other files."""
    packed(tmp_path, **{"a.csv": b"n\n"})
    (tmp_path / "metrics.json").write_text("{}")
    with unpacked(tmp_path) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize("name", ["../out.json", "/tmp/out.json"])
def test_nothing_is_written_elsewhere(tmp_path, name):
    """A member that would be written outside is not taken."""
    inside = tmp_path / "inside"
    inside.mkdir()
    packed(inside, **{name: b"{}"})
    with unpacked(inside) as folder:
        assert list(folder.rglob("*")) == []


def test_a_damaged_archive_is_no_error(tmp_path):
    """What can't be read is not shown."""
    (tmp_path / "output.tar.gz").write_bytes(b"\x1f\x8bno")
    with unpacked(tmp_path) as folder:
        assert list(folder.iterdir()) == []

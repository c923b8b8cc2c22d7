"""The examples in the docstrings of the Python API."""

import doctest
from pathlib import Path

from places import local_engine

from cursus_sandbox import api

ROOT = Path(__file__).parents[2]


def test_the_examples_are_true(tmp_path, monkeypatch):
    """Each example, run in a clone of the repository, gives what it says it does."""
    local_engine()
    for name in ("examples", "contracts"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    api.run("examples/xgboost/dag.yaml", engine="local", until="DummyDataLoading")  # of which `clean` tells
    done = doctest.testmod(api, optionflags=doctest.REPORT_NDIFF)
    assert done.failed == 0
    assert done.attempted >= 10

"""What a run was asked for, written and read again."""

import json
from pathlib import Path

import pytest

from cursus_sandbox.pipeline.dag import PipelineDAG
from cursus_sandbox.pipeline.source import S3Settings, Synthetic
from cursus_sandbox.runs.request import read_request, request_of


def test_one_name_by_itself_is_kept_whole():
    """One step or folder that is given by itself is not kept letter by letter."""
    kept = request_of("dag.yaml", {"contracts": "there", "only": "train", "force": "load"})
    assert kept["options"] == {"contracts": ["there"], "only": ["train"], "force": ["load"]}


def test_what_is_written_is_read(tmp_path, monkeypatch):
    """Paths lead there from wherever it is read, places of secrets are kept, what is of one time is not."""
    monkeypatch.chdir(tmp_path)
    options = {
        "image": "xgb:latest",
        "config": Path("config.json"),
        "source_dir": None,
        "contracts": ["a", Path("/b")],
        "inputs": {"x:y": "data/*.csv", "x:z": "s3://bucket/prefix"},
        "secrets": {"A": "env:A", "B": "file:b"},
        "s3": S3Settings(region="eu-west-1"),
        "data_source": Synthetic(rows=7),
        "only": ("x",),
        "observer": print,
        "pdb": True,
    }
    (tmp_path / "request.json").write_text(json.dumps(request_of("dag.yaml", options)))
    unchanged = {
        "image": "xgb:latest",
        "s3": {"region": "eu-west-1"},
        "data_source": {"rows": 7},
        "only": ["x"],
    }

    def as_seen_from(folder):
        return unchanged | {
            "config": str(folder / "config.json"),
            "contracts": [str(folder / "a"), "/b"],
            "inputs": {"x:y": str(folder / "data/*.csv"), "x:z": "s3://bucket/prefix"},
            "secrets": {"A": "env:A", "B": f"file:{folder / 'b'}"},
        }

    assert read_request(tmp_path) == (Path("dag.yaml"), as_seen_from(Path()))
    monkeypatch.chdir("/")
    assert read_request(tmp_path) == (tmp_path / "dag.yaml", as_seen_from(tmp_path))


@pytest.mark.parametrize(
    ("document", "options"), [(PipelineDAG(nodes=["a"]), {}), ("dag.yaml", {"registry": object()})]
)
def test_objects_are_not_kept(document, options):
    """What holds objects of the caller's can't be asked for again."""
    assert request_of(document, options) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"document": 1}', '{"document": "x", "options": 3}'])
def test_what_cannot_be_read(tmp_path, text):
    """A request that was damaged is none."""
    (tmp_path / "request.json").write_text(text)
    assert read_request(tmp_path) is None
    assert read_request(tmp_path / "elsewhere") is None

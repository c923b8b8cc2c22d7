"""Metrics that a step left in files."""

import json

import pytest

from cursus_sandbox.tables.metrics import metrics_files


def found(folder):
    return {one.file: (dict(one.numbers), dict(one.series)) for one in metrics_files(folder)}


def test_a_channel_of_metrics(tmp_path):
    """In a channel whose name says that it holds metrics every small CSV does."""
    (tmp_path / "roc.csv").write_text("fpr,tpr\n0,0\n0.5,0.8\n1,1\n")
    assert found(tmp_path) == {}
    assert [one.file for one in metrics_files(tmp_path, "metrics_output")] == ["roc.csv"]


def test_json_by_the_way_to_each_number(tmp_path):
    """Numbers and lists of numbers, however deep; what is no number is no metric."""
    content = {
        "auc": 0.5,
        "ok": True,
        "name": "x",
        "nan": float("nan"),
        "huge": 10**400,
        "eval": {"loss": [3, 2, 1.5], "n": 7},
        "one": [1],
    }
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    assert found(tmp_path) == {"metrics.json": ({"auc": 0.5, "eval.n": 7.0}, {"eval.loss": (3.0, 2.0, 1.5)})}


@pytest.mark.parametrize(
    ("text", "numbers", "series"),
    [
        ("epoch,loss,who\n1,0.5,a\n2,,b\n3,0.25,c\n", {}, {"loss": (0.5, 0.25)}),
        ("auc,loss\n0.5,2\n", {"auc": 0.5, "loss": 2.0}, {}),
        ("metric,value\nauc,0.5\nloss,2\n", {"auc": 0.5, "loss": 2.0}, {}),
    ],
)
def test_csv_by_its_shape(tmp_path, text, numbers, series):
    """A column a series, beside what counts its rows; one row, or names beside numbers, are numbers."""
    (tmp_path / "val").mkdir()
    (tmp_path / "val/eval_metrics.csv").write_text(text)
    assert found(tmp_path) == {"val/eval_metrics.csv": (numbers, series)}


def test_what_is_no_file_of_metrics_is_passed_over(tmp_path):
    """Broken, empty, large, of another name or of another kind: nothing is said of it."""
    (tmp_path / "metrics.json").write_text("{")
    (tmp_path / "metrics_2.json").write_text("[" * 100_000)
    (tmp_path / "metrics.csv").write_text("")
    (tmp_path / "data.csv").write_text("a\n1\n2\n")
    (tmp_path / "metrics.bin").write_text("1")
    (tmp_path / "metrics_large.json").write_text(json.dumps({"a": 1, "b": "x" * (1 << 20)}))
    assert found(tmp_path) == {}


def test_of_many_numbers_some_are_shown(tmp_path):
    """A page has room for so many; how many more there are is said."""
    (tmp_path / "metrics.json").write_text(json.dumps({str(number): number for number in range(100)}))
    [one] = metrics_files(tmp_path)
    assert (len(one.numbers), one.left_out) == (60, 40)

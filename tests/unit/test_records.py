"""The record of what a step left."""

import time

from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.runs.contents import Contents
from cursus_sandbox.runs.records import Manifest, manifest_of, record_of

RESULT = StepExecutionResult(step="s", status=StepStatus.SUCCEEDED)


def test_a_channel(tmp_path):
    """A record knows of an output what a look into its folder would give: files, links, and folders that are empty."""
    for name in ("out/a/b/file", "out/top", "other/file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("out/empty", "out/a/empty", "out/only/empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "out/linked").mkdir()
    (tmp_path / "out/linked/link").symlink_to("../top")
    record = record_of(manifest_of(tmp_path), run="1", key="", ingredients={}, result=RESULT)
    found = record.channel("out")
    assert found == Contents(tmp_path / "memo").tree(tmp_path / "out")
    assert sorted(name for name, content in found.items() if content == "folder") == [
        "a/empty/",
        "empty/",
        "only/empty/",
    ]


def test_many_folders():
    """To look for the empty ones takes no longer for each folder the more there are."""

    def seconds(count: int) -> float:
        folders = tuple(f"out/{number}" for number in range(count))
        links = {f"{folder}/link": "x" for folder in folders}
        record = record_of(Manifest({}, ("out", *folders), links), run="1", key="", ingredients={}, result=RESULT)
        begun = time.perf_counter()
        assert len(record.channel("out")) == count
        return time.perf_counter() - begun

    assert seconds(20_000) < 5 * min(seconds(4_000) for _ in range(3)) + 2

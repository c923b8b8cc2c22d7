"""What is got ready for a step before it is its turn serves it only while all is as it was."""

from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep
from cursus_sandbox.pipeline.source import Located
from cursus_sandbox.runs.folders import RunFolder
from cursus_sandbox.steps.ahead import Ahead

# An engine that has images, and containers only when it is their turn.
ENGINE = SimpleNamespace(runs_images=True, makes_mounts=True, prepare=lambda _: None)


@pytest.fixture
def files(tmp_path):
    """A script, its helper, and a single file that the step reads, each behind a symbolic link."""
    for name in ("step.py", "rows.csv"):
        (tmp_path / "real").mkdir(exist_ok=True)
        (tmp_path / "real" / name).write_text("old")
        (tmp_path / name).symlink_to(f"real/{name}")
    return tmp_path


@pytest.fixture
def serves(files):
    """Whether what was got ready serves the step after something has happened."""
    runs = iter("123")

    def answer(happens, **fields) -> bool:
        rows = PlannedInput(
            channel="rows",
            path=PurePosixPath("/opt/ml/processing/input/rows"),
            source=Located(path=Path("x")),
            reason="",
        )
        step = PlannedStep(
            name="step",
            step_type="Step",
            kind=StepKind.PROCESSING,
            source_dir=files,
            entry_point="step.py",
            inputs=(rows,),
            **fields,
        )
        run, sources = RunFolder(files / "workspace/runs" / next(runs)), {"rows": files / "rows.csv"}
        ahead = Ahead(ENGINE)
        ahead.expect(step, sources, run)
        with ahead.reserved("step") as reserved:
            assert reserved._ready.result()
            happens()
            ready = reserved.serving(step, sources, run)
        ahead.end()
        return ready is not None

    return answer


@pytest.mark.parametrize(("name", "still"), [("other.py", False), (".git/HEAD", True), ("workspace/x", True)])
def test_what_is_made_in_a_source_folder(files, serves, name, still):
    """A new file in a source folder that is shipped is noticed, unless it is no code."""
    (files / name).parent.mkdir(exist_ok=True)
    assert serves(lambda: (files / name).write_text("new"), ships_source_dir=True) is still


@pytest.mark.parametrize("name", ["step.py", "rows.csv"])
def test_what_is_replaced(files, serves, name):
    """Another file in the place of the script, or of a single file it reads, is noticed; also behind a link."""

    def replaced() -> None:
        (files / "new").write_text("new")
        (files / "new").rename(files / "real" / name)

    assert serves(lambda: None)
    assert not serves(replaced)

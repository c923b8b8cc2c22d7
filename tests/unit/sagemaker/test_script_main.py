"""A planned step becomes a call of its script's own main."""

import json
import os
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedOutput, PlannedStep, Setting
from cursus_sandbox.pipeline.source import Located
from cursus_sandbox.sagemaker.layout import Staging, StepFolders
from cursus_sandbox.sagemaker.script_main import arguments_as_parsed, main_job
from cursus_sandbox.sagemaker.staging import stage


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ((), {}),
        (("--job_type", "training"), {"job_type": "training"}),
        (("--job-type=testing",), {"job_type": "testing"}),
        (("-n", "3", "--verbose"), {"n": "3", "verbose": True}),
        (("--low", "-1", "--sum=a=b", "--none="), {"low": "-1", "sum": "a=b", "none": ""}),
        (("--names", "a", "b", "--x", "1", "--x", "2"), {"names": ["a", "b"], "x": "2"}),
        (("first", "--x", "1"), {"arguments": ["first"], "x": "1"}),
        (("--arguments", "1"), {"arguments": "1"}),
    ],
)
def test_arguments(arguments, parsed):
    """Options become what argparse makes of them without being told more, and `job_type` is always there."""
    assert arguments_as_parsed(arguments) == {"job_type": None} | parsed


def test_a_call(tmp_path):
    """The call names host folders for channels, and nothing of a container; nothing is done yet."""
    folders = StepFolders(outputs=tmp_path / "outputs", staged=tmp_path / "staged", scratch=tmp_path / "scratch")
    (tmp_path / "data").mkdir()
    (tmp_path / "settings.json").write_text("{}")
    inputs = [
        ("data", "/opt/ml/processing/input/data", ()),
        ("splits", "/opt/ml/processing/input/splits", ("train", "val")),
        ("settings", "/opt/ml/code/hyperparams/hyperparameters.json", ()),
        ("alone", "/opt/ml/processing/input/alone", ()),
    ]
    sources = {
        "data": tmp_path / "data",
        "splits": tmp_path / "splits",
        "settings": tmp_path / "settings.json",
        "alone": tmp_path / "settings.json",
    }
    step = PlannedStep(
        name="step",
        step_type="Step",
        kind=StepKind.PROCESSING,
        source_dir=tmp_path,
        entry_point="more/script.py",
        inputs=tuple(
            PlannedInput(
                channel=name, path=PurePosixPath(path), parts=parts, source=Located(path=sources[name]), reason=""
            )
            for name, path, parts in inputs
        ),
        outputs=(
            PlannedOutput(channel="out", path=PurePosixPath("/opt/ml/processing/output/out")),
            PlannedOutput(channel="none"),
        ),
        environment={"MODE": Setting(value="fast", origin="the document")},
        timeout=7,
    )
    job, staging = main_job(step, sources=sources, folders=folders)
    (file,) = staging.texts
    assert (job.entrypoint[0], job.argv[-1], job.mounts, job.working_dir) == ("python3", str(file), (), None)
    assert (job.environment, job.limits.timeout) == ({"MODE": "fast"}, 7)
    arrives = folders.staged / "inputs"
    assert json.loads(staging.texts[file]) == {
        "script": str(tmp_path / "more/script.py"),
        "input_paths": {
            "data": str(arrives / "data"),
            "splits": str(arrives / "splits"),
            "settings": str(arrives / "settings/hyperparameters.json"),
            "alone": str(arrives / "alone"),
        },
        "absent": str(folders.staged / "absent"),
        "output_paths": {"out": str(folders.outputs / "out")},
        "environ_vars": {"MODE": "fast"},
        "secrets": [],
        "job_args": {"job_type": None},
    }
    assert staging.copies == (
        (tmp_path / "data", arrives / "data"),
        (tmp_path / "splits/train", arrives / "splits/train"),
        (tmp_path / "splits/val", arrives / "splits/val"),
        (tmp_path / "settings.json", arrives / "settings/hyperparameters.json"),
        (tmp_path / "settings.json", arrives / "alone/settings.json"),
    )
    assert not folders.staged.exists()


class TestCopies:
    """What is copied for a step is its own."""

    def test_a_folder(self, tmp_path):
        """Every file and folder is there, can be written whatever the source's rights, and a link stays a link."""
        source = tmp_path / "source"
        (source / "sub").mkdir(parents=True)
        (source / "sub/file").write_text("x" * 100_000)
        (source / "sub/file").chmod(0o555)
        (source / "link").symlink_to("sub/file")
        (source / "sub").chmod(0o555)
        target = tmp_path / "to/target"
        stage(Staging(copies=((source, target),)))
        (source / "sub").chmod(0o755)
        assert (target / "link").readlink() == Path("sub/file")
        assert (target / "sub/file").read_text() == "x" * 100_000
        assert os.access(target / "sub/file", os.X_OK)
        assert (target / "sub/file").stat().st_mode & 0o600 == 0o600
        assert (target / "sub").stat().st_mode & 0o700 == 0o700
        (target / "sub/file").write_text("changed")
        assert (source / "sub/file").read_text() == "x" * 100_000

    def test_what_is_no_file(self, tmp_path):
        """A pipe in a folder is an error that names it; nobody waits for it to be written."""
        (tmp_path / "source").mkdir()
        os.mkfifo(tmp_path / "source/pipe")
        with pytest.raises(OSError, match="source/pipe is no regular file"):
            stage(Staging(copies=((tmp_path / "source", tmp_path / "target"),)))

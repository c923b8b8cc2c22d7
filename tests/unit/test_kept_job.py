"""The job of a failed step, written and read again."""

import os
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox.engines.engine import Job, Limits, Mount, MountMode
from cursus_sandbox.pipeline.secrets import secret
from cursus_sandbox.runs.folders import StepFolder
from cursus_sandbox.sagemaker.layout import Staging
from cursus_sandbox.steps.kept_job import KeptJob, keep, kept_job

ODD = Path(os.fsdecode(b"/data/\xff, \xfe"))


def test_what_is_kept_is_read(tmp_path):
    """The whole job comes back, whatever bytes its paths are of, with where its secrets are kept."""
    job = Job(
        name="train",
        scratch=ODD,
        entrypoint=("python3", "x.py"),
        argv=("--a", "b c"),
        image="xgb:latest",
        environment={"A": "1"},
        mounts=(Mount(ODD, PurePosixPath("/opt/ml"), MountMode.PRIVATE),),
        working_dir=PurePosixPath("/opt"),
        limits=Limits(cpus=1.5, memory=1 << 30, timeout=5.0),
        user="7:8",
        labels={"l": "x"},
        read_only_root=True,
    )
    staging = Staging((ODD,), {Path("/x"): "text"}, links=((ODD, ODD),), copies=((ODD, ODD),), archives=((ODD, ODD),))
    kept = KeptJob(engine="docker", job=job, staging=staging, secrets={"T": secret("env:T")})
    keep(kept, StepFolder(tmp_path))
    assert kept_job(StepFolder(tmp_path)) == kept


def test_what_cannot_be_written(tmp_path):
    """A text that is laid out under a name that isn't UTF-8 keeps the job from being kept, and nothing else."""
    staging = Staging(texts={ODD: "text"})
    keep(KeptJob(engine="local", job=Job("x", ODD), staging=staging, secrets={}), StepFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"engine": "x"}', "[" * 100_000])
def test_what_cannot_be_read(tmp_path, text):
    """A job that was damaged, or isn't there, is none."""
    assert kept_job(StepFolder(tmp_path)) is None
    (tmp_path / "job.json").write_text(text)
    assert kept_job(StepFolder(tmp_path)) is None

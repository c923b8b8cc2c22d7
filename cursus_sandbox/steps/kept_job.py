"""The job of a failed step, kept beside its log: what it ran and saw, for a script or a shell to be the same.

No secret is in it: of each it says where that is kept.
"""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict

from cursus_sandbox.engines.engine import Job
from cursus_sandbox.pipeline.secrets import Secret
from cursus_sandbox.runs.folders import StepFolder
from cursus_sandbox.sagemaker.layout import Staging


class KeptJob(BaseModel):
    """A job as its last attempt ran it, and what was put on disk for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    engine: str
    job: Job
    staging: Staging
    secrets: dict[str, Secret]


def keep(kept: KeptJob, folder: StepFolder) -> None:
    """Write it down; a name that isn't text may be what can't be, and then there is none."""
    try:
        text = json.dumps(kept.model_dump(mode="json"), indent=2)
    except ValueError:  # UnicodeEncodeError, or pydantic's own
        return
    folder.job.write_text(f"{text}\n", encoding="utf-8")


def kept_job(folder: StepFolder) -> KeptJob | None:
    """What was kept of a step's job; None where nothing was, or it can't be read."""
    try:
        return KeptJob.model_validate(json.loads(folder.job.read_bytes()))  # which knows names that aren't UTF-8
    except (OSError, ValueError, RecursionError):
        return None

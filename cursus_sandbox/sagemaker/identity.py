"""What AWS would call a job and what belongs to it. No account is behind these names; they only look the part."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.source import Located, S3Objects, Source, StepOutput, Synthetic

REGION = "us-east-1"
_ACCOUNT = "000000000000"
_STORE = "s3://cursus-sandbox"
_NAME_LENGTH = 63  # CreateProcessingJob, CreateTrainingJob: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")

ROLE = f"arn:aws:iam::{_ACCOUNT}:role/cursus-sandbox"


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """One step in one run, as a job of AWS's."""

    step: str
    run: str

    @property
    def name(self) -> str:
        """A name that AWS would take: of a long step name the beginning, and all of the run's."""
        run = _plain(self.run)[-_NAME_LENGTH:]
        step = _plain(self.step)[: max(_NAME_LENGTH - 1 - len(run), 0)]
        return f"{step}-{run}".replace("--", "-").strip("-")

    def arn(self, kind: StepKind) -> str:
        """The ARN of the job."""
        return f"arn:aws:sagemaker:{REGION}:{_ACCOUNT}:{kind.value}-job/{self.name}"

    def output_uri(self, channel: str, *, step: str | None = None) -> str:
        """Where in S3 an output would go, of this step or of another one in the run."""
        return f"{_STORE}/{self.run}/{step or self.step}/{channel}"

    def source_uri(self, source: Source) -> str:
        """Where in S3 an input would come from."""
        match source:
            case StepOutput():
                return self.output_uri(source.channel, step=source.step)
            case Located():
                return self.file_uri(source.path)
            case S3Objects():
                return source.uri
            case Synthetic():
                return f"{_STORE}/synthetic/{self.step}"

    def file_uri(self, path: PurePath) -> str:
        """Where in S3 a file or folder of this machine would have been put."""
        return f"{_STORE}/given/{path.name}"


def _plain(name: str) -> str:
    return _NOT_IN_NAMES.sub("-", name).strip("-")

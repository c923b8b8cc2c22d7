"""Puts on disk what a job finds when it starts, and reads the word it leaves when it ends."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from cursus_sandbox.sagemaker.layout import Staging, StepFolders

_MESSAGE_LENGTH = 1024  # DescribeProcessingJob ExitMessage, DescribeTrainingJob FailureReason


def stage(staging: Staging) -> None:
    """Make the folders, write the texts, link or copy the files."""
    for folder in staging.folders:
        folder.mkdir(parents=True, exist_ok=True)
    for file, text in staging.texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for source, target in staging.links:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source.resolve(), target)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, target)
    for source, target in staging.copies:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def exit_message(folders: StepFolders) -> str:
    """What the step left in /opt/ml/output: message (processing) or failure (training), cut as AWS does."""
    for name in ("message", "failure"):
        if (found := _small_file(folders.messages / name)) is not None:
            return found.decode("utf-8", "replace")[:_MESSAGE_LENGTH].strip()
    return ""


def _small_file(file: Path) -> bytes | None:
    """A regular file's first bytes; never waits on a FIFO and follows no link: the step made it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return os.read(descriptor, 4 * _MESSAGE_LENGTH) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)

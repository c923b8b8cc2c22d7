"""Puts on disk what a job finds when it starts, and reads the word it leaves when it ends."""

from __future__ import annotations

import codecs
import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cursus_sandbox.bytes_done import copy_bytes, expect
from cursus_sandbox.leaves import code
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.artifacts import pack
from cursus_sandbox.sagemaker.layout import Staging, StepFolders, checkpoint_folders
from cursus_sandbox.untrusted import opened

MESSAGE = "message"
_MESSAGE_LENGTH = 1024  # DescribeProcessingJob ExitMessage, DescribeTrainingJob FailureReason


def stage(staging: Staging) -> None:
    """Make the folders, write the texts, link, copy or pack the files. Copies can be written to; links stay links.

    Again, it lays out what has been taken away since.
    """
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
            expect(source)
            copy_bytes(source, target)
    for folder, file in staging.archives:
        pack(code(folder, staging.workspace), file)
    for folder, target in staging.sources:
        copy_code(folder, target, staging.workspace)
    for source, _ in staging.copies:
        expect(source)
    for source, target in staging.copies:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy(source, target)


@dataclass(frozen=True, slots=True)
class ExitMessage:
    """The word a job left, and whether it can be read at all: if not, SageMaker fails a Processing job for that."""

    text: str = ""
    readable: bool = True


def exit_message(kind: StepKind, folders: StepFolders, *, failed: bool) -> ExitMessage:
    """What the step left in /opt/ml/output, as far as AWS keeps it, without the blanks around.

    Of a Processing job the first 1024 bytes of `message`, however it ended; they must be UTF-8 ("How Amazon SageMaker
    AI Processing Runs Your Processing Container Image"). Of a Training job the first 1024 characters of `failure`, if
    it failed ("How Amazon SageMaker AI Runs Your Training Image").
    """
    if kind is StepKind.TRAINING:
        found = _small_file(folders.messages / "failure", 4 * _MESSAGE_LENGTH) if failed else b""
        return ExitMessage(found.decode("utf-8", "replace")[:_MESSAGE_LENGTH].strip())
    found = _small_file(folders.messages / MESSAGE, _MESSAGE_LENGTH)
    cut = len(found) == _MESSAGE_LENGTH  # perhaps inside of a character
    try:
        text, _ = codecs.utf_8_decode(found, "strict", not cut)
    except UnicodeDecodeError:
        return ExitMessage(found.decode("utf-8", "replace").strip(), readable=False)
    return ExitMessage(text.strip())


def joined_message(hosts: Iterable[StepFolders]) -> bytes:
    """The one message of a Processing job on several hosts: theirs one behind the other, to be cut as a whole.

    That they are joined is AWS's word ("How Amazon SageMaker AI Processing Configures Input and Output"), their order
    is not.
    """
    return b"".join(_small_file(host.messages / MESSAGE, _MESSAGE_LENGTH) for host in hosts)


def keep_checkpoints(step: PlannedStep, before: StepFolders, after: StepFolders) -> None:
    """Move what an attempt left in /opt/ml/checkpoints to the next one, as SageMaker restores it: files and folders."""
    for old, new in zip(checkpoint_folders(step, before), checkpoint_folders(step, after), strict=True):
        if not old.is_dir():
            continue
        for parent, folders, files in os.walk(old):
            for path in (Path(parent, name) for name in (*folders, *files)):
                if not stat.S_ISREG(mode := path.lstat().st_mode) and not stat.S_ISDIR(mode):
                    path.unlink()
        old.rename(new)


def copy(source: Path, target: Path) -> None:
    """A file or folder that can be written to; links stay links."""
    if not source.is_dir():
        _copy_file(source, target)
        return

    def not_itself(folder: str, _: list[str]) -> set[str]:
        return {target.name} if target.parent.samefile(folder) else set()

    shutil.copytree(source, target, symlinks=True, ignore=not_itself, copy_function=_copy_file)
    for path in (target, *target.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o777 | 0o700)


def copy_code(source_dir: Path, target: Path, workspace: Path | None) -> None:
    """A copy of what is code in a source folder: it can be written to, and links stay links."""
    found = list(code(source_dir, workspace))  # before there is a copy, which may lie in the folder
    for _, entry in found:
        if entry and not entry.is_symlink():
            expect(Path(entry.path))
    target.mkdir(parents=True, exist_ok=True)
    for name, entry in found:
        there = target / name
        (there if entry is None else there.parent).mkdir(parents=True, exist_ok=True)
        if entry and entry.is_symlink():
            if not os.path.lexists(there):
                there.symlink_to(os.readlink(entry.path))  # noqa: PTH115 -- as it is written
        elif entry and entry.is_file():
            _copy_file(entry.path, there)


def _copy_file(source: str | Path, target: str | Path) -> None:
    """A copy that can be executed if the source can."""
    copy_bytes(source, target)
    if (mode := Path(source).stat().st_mode) & 0o111:
        Path(target).chmod(Path(target).stat().st_mode | mode & 0o111)


def _small_file(file: Path, length: int) -> bytes:
    """A regular file's first bytes; never waits on a FIFO and follows no link: the step made it."""
    try:
        with opened(file) as content:
            return content.read(length)
    except OSError:
        return b""

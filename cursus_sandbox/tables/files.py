"""The files below a folder, in a stable order, with nothing opened and no link followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.observed import special_file


@dataclass(frozen=True, slots=True)
class DataFile:
    """A regular file: where it is, and its path relative to the data, in text that any report can hold."""

    path: Path
    relative: PurePosixPath


def data_files(folder: Path) -> tuple[list[DataFile], list[Mismatch]]:
    """Give the regular files of a folder, and the findings about what is neither a file nor a folder."""
    files: list[DataFile] = []
    findings: list[Mismatch] = []
    for path in _walk(folder, findings):
        relative = text_path(path.relative_to(folder))
        if special := special_file(path, file=relative):
            findings.append(special)
        else:
            files.append(DataFile(path, PurePosixPath(relative)))
    return files, findings


def is_marker(relative: PurePosixPath) -> bool:
    """Say whether a file, or a folder it is in, says something about data (`_SUCCESS`, `.crc`) rather than being it."""
    return any(part.startswith(("_", ".")) for part in relative.parts)


def text_path(path: Path) -> str:
    """Give a path as text; bytes that aren't UTF-8 are shown as escapes, so that it can be written anywhere."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _walk(top: Path, findings: list[Mismatch]) -> Iterator[Path]:
    """Yield all that is no folder, sorted by name, folder by folder; no recursion, however deep it is."""
    waiting = [top]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            findings.append(_closed(here.relative_to(top), error))
            continue
        waiting += [here / entry.name for entry in reversed(found) if entry.is_dir(follow_symlinks=False)]
        yield from (here / entry.name for entry in found if not entry.is_dir(follow_symlinks=False))


def _closed(folder: Path, error: OSError) -> Mismatch:
    return Mismatch(
        kind=Kind.UNREADABLE,
        severity=Severity.ERROR,
        file=text_path(folder),
        expected="a folder that can be listed",
        found=error.strerror or str(error),
        message=f"this folder can't be listed: {error.strerror or error}",
        hint="give everyone the right to read it: chmod -R a+rX",
    )

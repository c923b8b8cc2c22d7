"""A draft, and how it is written: all of its files or none, and none that is there already unless it may be."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cursus_sandbox.errors import DocumentError, MachineError, Problem


@dataclass(frozen=True, slots=True)
class Draft:
    """The files of a project, by their paths in its folder; what is worth a look; what to type next."""

    files: Mapping[PurePosixPath, bytes]
    remarks: tuple[str, ...] = ()
    options: tuple[str, ...] = field(default=())  # of the commands that come next

    @property
    def document(self) -> PurePosixPath:
        """The pipeline of the project."""
        return PurePosixPath("dag.yaml")


def write(draft: Draft, folder: Path, *, force: bool) -> None:
    """Write a draft into a folder, which is made.

    DocumentError names every file that is there already, MachineError what could not be written: then nothing is.
    """
    taken = [path for path in draft.files if os.path.lexists(folder / path)]
    if folder.exists() and not folder.is_dir():
        raise DocumentError([Problem(f"{folder} is no folder", hint="Name another:  cursus-sandbox init FOLDER …")])
    if taken and not force:
        hint = "Name another folder:  cursus-sandbox init FOLDER …, or write over what is there:  --force"
        raise DocumentError([Problem(f"{folder / path} is there already") for path in taken], hint=hint)
    written: list[tuple[Path, Path]] = []
    made: list[Path] = []
    try:
        for path, content in draft.files.items():
            file = folder / path
            made += _folders(file.parent)
            handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
            written.append((Path(name), file))
            with os.fdopen(handle, "wb") as opened:
                opened.write(content)
            Path(name).chmod(0o666 & ~_umask())
        for new, file in written:
            new.replace(file)
    except OSError as error:
        for new, _ in written:
            with suppress(OSError):
                new.unlink()
        for one in reversed(made):
            with suppress(OSError):
                one.rmdir()
        what = f"{error.filename or folder} can't be written: {error.strerror or error}"
        raise MachineError(
            what, hint="Nothing was written. Name another folder:  cursus-sandbox init FOLDER …"
        ) from error


def path_from(folder: Path, other: Path) -> str:
    """A path as a document in a folder names it; DocumentError where no document can."""
    path = os.path.relpath(other.absolute(), folder.absolute())
    try:
        path.encode()
    except UnicodeEncodeError:
        problem = Problem(f"the path {path} is not UTF-8", hint="Rename it: no document can name it.")
        raise DocumentError([problem]) from None
    return path


def _folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; gives the new ones, the outermost first."""
    new: list[Path] = []
    while not folder.exists():
        new.append(folder)
        folder = folder.parent
    for one in reversed(new):
        one.mkdir()
    return new[::-1]


def _umask() -> int:
    """The mask of new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""The record that lies beside a step's published outputs: what they are, byte for byte, and what they came of.

It is written before the outputs are published, by one rename, so that outputs with a record are whole. Of large ones it
says then which files they are, and once those were read what is in them: whoever needs the files has them meanwhile.
"""

from __future__ import annotations

import math
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cursus_sandbox.pipeline.result import StepExecutionResult
from cursus_sandbox.runs.contents import printable, sha256_of, this_boot
from cursus_sandbox.runs.folders import StepFolder

RECORD = "record.json"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeptFile(_Value):
    """A published file. While its size, time and inode are these, within one boot, its bytes need not be read.

    `sha256` is "" until they have been read a first time.
    """

    size: int
    sha256: str
    mtime_ns: int
    inode: int


class Record(_Value):
    """What a step left and why: `files`, `folders` and `links` lie below its outputs, channel first.

    `run` is the one it ran in, `key` one word for its `ingredients`, "" for those that are not to be looked for.
    """

    format: Literal[1] = 1
    boot: str
    run: str
    key: str
    ingredients: dict[str, dict[str, str]]
    files: dict[str, KeptFile]
    folders: tuple[str, ...]
    links: dict[str, str]
    result: StepExecutionResult

    @field_validator("files", "folders", "links")
    @classmethod
    def _inside(cls, names: Mapping[str, object] | tuple[str, ...]) -> Mapping[str, object] | tuple[str, ...]:
        for name in names:
            if name.startswith("/") or ".." in name.split("/"):
                raise ValueError(f"{name} leads out of the outputs")
        return names

    def channel(self, channel: str) -> dict[str, str]:
        """The content of one output: each file's, and what links lead to, as `Contents.tree` has it."""
        begins = f"{channel}/"
        inside = {name.removeprefix(begins): one.sha256 for name, one in self.files.items() if name.startswith(begins)}
        inside |= {name.removeprefix(begins): f"-> {to}" for name, to in self.links.items() if name.startswith(begins)}
        full = {name.rpartition("/")[0] for name in (*self.files, *self.links, *self.folders)}
        empty = [one for one in self.folders if one.startswith(begins) and one not in full]
        return inside | {f"{one.removeprefix(begins)}/": "folder" for one in empty}


class Damaged(Exception):  # noqa: N818 -- what it is
    """What is kept is not what was kept; the text says in what."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What lies in a folder, as a Record has it."""

    files: Mapping[str, KeptFile]
    folders: tuple[str, ...]
    links: Mapping[str, str]


def manifest_of(outputs: Path, *, at_once: float = math.inf) -> Manifest:
    """What finished outputs are; each file is read once. Damaged where one is no file, or can't be read.

    Of more than `at_once` bytes the rest is not read yet.
    """
    files: dict[str, KeptFile] = {}
    folders: list[str] = []
    links: dict[str, str] = {}
    waiting = [outputs]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                name = os.path.relpath(entry.path, outputs)
                if name != printable(name):
                    raise Damaged(f"{printable(name)} is a name that isn't text")
                if entry.is_symlink():
                    links[name] = os.readlink(entry.path)  # noqa: PTH115
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    at_once -= entry.stat(follow_symlinks=False).st_size
                    files[name] = _read(name, entry.path) if at_once >= 0 else _kept(entry.path, "")
                else:
                    raise Damaged(f"{name} is neither a file nor a folder")
    return Manifest(files, tuple(sorted(folders)), links)


def as_they_are(manifest: Manifest, outputs: Path) -> Manifest:
    """The manifest of a copy of these outputs, in another folder."""
    return Manifest(
        {name: _kept(f"{outputs}/{name}", one.sha256) for name, one in manifest.files.items()},
        manifest.folders,
        manifest.links,
    )


def record_of(
    manifest: Manifest, *, run: str, key: str, ingredients: Mapping[str, Mapping[str, str]], result: StepExecutionResult
) -> Record:
    """The record of finished outputs."""
    return Record(
        boot=this_boot(),
        run=run,
        key=key,
        ingredients={name: dict(one) for name, one in ingredients.items()},
        files=dict(manifest.files),
        folders=manifest.folders,
        links=dict(manifest.links),
        result=result,
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A step's folder with whole outputs, and their record; `as_written` is whether that is on disk just so."""

    folder: StepFolder
    record: Record
    as_written: bool = True

    @property
    def is_read(self) -> bool:
        """Whether the bytes of each file are known."""
        return all(one.sha256 for one in self.record.files.values())


def kept_in(folder: StepFolder) -> Kept | None:
    """What a step's folder keeps; None where there are no outputs, or no record. Damaged if that can't be read."""
    if not folder.outputs.is_dir():
        return None
    try:
        return Kept(folder, Record.model_validate_json((folder.path / RECORD).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else f"{error.error_count()} things in it are wrong"
        raise Damaged(f"its record can't be read: {why}") from error


def verified(kept: Kept, *, go_on: Callable[[], bool] = lambda: True) -> Kept:
    """The same, after a look at each file; where a look isn't enough, its bytes are read. Damaged says what differs.

    The record remembers files that had to be read as they are now. Damaged, too, where reading is not to go on.
    """
    record = kept.record
    same_boot = record.boot == this_boot() != ""
    again: dict[str, KeptFile] = {}
    for name, one in record.files.items():
        path = f"{kept.folder.outputs}/{name}"
        try:
            status = os.lstat(path)
            if status.st_size != one.size or not stat.S_ISREG(status.st_mode):
                raise Damaged(f"{name} is another file")
            unchanged = same_boot and (status.st_mtime_ns, status.st_ino) == (one.mtime_ns, one.inode)
            if unchanged and one.sha256:
                continue
            if not unchanged and not one.sha256:
                raise Damaged(f"{name} may have other bytes")
            sha256 = sha256_of(path, go_on=go_on)
            if one.sha256 not in ("", sha256):
                raise Damaged(f"{name} has other bytes")
        except FileNotFoundError as error:
            raise Damaged(f"{name} is missing") from error
        except OSError as error:
            raise Damaged(f"{name} can't be read: {error.strerror}") from error
        again[name] = _kept(path, sha256)
        if not one.sha256 and again[name] != one.model_copy(update={"sha256": sha256}):
            raise Damaged(f"{name} was changed while it was read")
    if not again and same_boot:
        return kept
    return Kept(
        kept.folder, record.model_copy(update={"boot": this_boot(), "files": record.files | again}), as_written=False
    )


def unchanged(kept: Kept) -> Iterator[tuple[str, KeptFile]]:
    """The files, by their names, of which the record still says what is in them."""
    if kept.record.boot == this_boot() != "":
        for name, one in kept.record.files.items():
            with suppress(OSError):
                if one.sha256 and _kept(f"{kept.folder.outputs}/{name}", one.sha256) == one:
                    yield name, one


def carried_over(kept: Kept, target: StepFolder) -> Kept:
    """Publish what is kept in another step's folder, with record and log: hard links, copies where there can be none.

    Each of the two is whole by itself, and may be deleted. OSError if it can't be done.
    """
    partial = target.partial()
    for name in kept.record.folders:
        os.mkdir(f"{partial}/{name}")  # noqa: PTH102 -- a run may have thousands of them
    copied: dict[str, KeptFile] = {}
    for name, one in kept.record.files.items():
        there, here = f"{kept.folder.outputs}/{name}", f"{partial}/{name}"
        try:
            os.link(there, here, follow_symlinks=False)
        except OSError:  # another file system, too many links, or another user's file
            shutil.copy2(there, here, follow_symlinks=False)
            copied[name] = _kept(here, one.sha256)
    for name, leads_to in kept.record.links.items():
        os.symlink(leads_to, f"{partial}/{name}")  # noqa: PTH211
    record, as_written = kept.record, kept.as_written and not copied
    if copied:
        record = record.model_copy(update={"files": record.files | copied})
    if as_written:
        os.link(kept.folder.path / RECORD, target.path / RECORD)
    else:
        write_record(target, record)
    with suppress(OSError):
        os.link(kept.folder.log, target.log)
    os.rename(partial, target.outputs)  # noqa: PTH104 -- os names what is promised
    return Kept(target, record)


def write_record(folder: StepFolder, record: Record) -> None:
    """Write a record into a step's folder, whole or not at all.

    What a power failure makes of it is found out when it is read: no need to wait for the disk.
    """
    file = folder.path / RECORD
    written = file.with_name(f".{RECORD}.tmp")
    written.write_text(record.model_dump_json(), encoding="utf-8")
    written.replace(file)


def set_aside(folder: StepFolder) -> None:
    """Take a record that isn't true out of the way; it can be looked at."""
    with suppress(OSError):
        (folder.path / RECORD).rename(folder.path / f"record.corrupt-{time.strftime('%Y%m%d-%H%M%S')}.json")


def _read(name: str, path: str) -> KeptFile:
    try:
        return _kept(path, sha256_of(path))
    except OSError as error:
        raise Damaged(f"{name} can't be read: {error.strerror}") from error


def _kept(path: str, sha256: str) -> KeptFile:
    status = os.lstat(path)
    return KeptFile(size=status.st_size, sha256=sha256, mtime_ns=status.st_mtime_ns, inode=status.st_ino)

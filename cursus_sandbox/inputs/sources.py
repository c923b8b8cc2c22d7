"""Brings a root input to where a step can read it: files that are here, or from S3, or made up from a schema."""

from __future__ import annotations

import glob
import json
import os
import shutil
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from cursus_sandbox.amount import Amount
from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.inputs.manifests import listed
from cursus_sandbox.leaves import leaves
from cursus_sandbox.pipeline.dag import Encoding
from cursus_sandbox.pipeline.events import Observer, Progress
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedInput, PlannedStep
from cursus_sandbox.pipeline.source import Located, S3Objects, Synthetic
from cursus_sandbox.tables.schema import TableSchema

_LABELS = ("LABEL_FIELD", "LABEL_NAME", "label_name")
_KEYS = ("ID_FIELD", "id_name")

Files = Mapping[str, Path]  # where below an input's folder each file or folder shows, and where it is


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was brought from S3, how many bytes of it were not here before, and what to say of it."""

    files: Mapping[S3Objects, Files] = field(default_factory=dict)
    size: int = 0
    notes: tuple[str, ...] = ()


def fetch(plan: PipelineExecutionPlan, chosen: Container[str], folder: Path, tell: Observer) -> Fetched:
    """All that the chosen steps read from S3, kept below the folder. `tell` hears what is being done.

    DocumentError for sources with nothing there; MachineError where S3 can't be asked or the disk is too small.
    """
    readers = {
        one.source: (step.name, one.channel)
        for step in plan.steps
        if step.runs and step.name in chosen
        for one in step.inputs
        if isinstance(one.source, S3Objects)
    }
    if not readers:
        return Fetched()
    from cursus_sandbox.inputs.s3 import absent, fetched, listing, taken  # noqa: PLC0415 -- where there is any to fetch
    from cursus_sandbox.inputs.s3_access import NoSuchObjectsError  # noqa: PLC0415

    listings, problems = [], []
    for source, (step, channel) in readers.items():
        tell(Progress(what=f"listing {source.uri}"))
        try:
            listings.append(listing(source))
        except NoSuchObjectsError as error:
            what = f"input '{channel}' of step '{step}': {error}"
            problems.append(Problem(what, ("steps", step, "inputs", channel), error.hint))
    if problems:
        raise DocumentError(problems)
    notes = [f"{':'.join(readers[one.source])} is {one.note}" for one in listings if one.note]
    sizes = [one.size for one in taken(listings)]
    what = f"fetching {len(sizes):,} objects from S3"
    tell(Progress(what=what, done=0, total=sum(sizes), in_bytes=True))
    new = absent(listings, folder)
    return Fetched(fetched(listings, folder, Amount(tell, what, total=sum(sizes)).add), new, tuple(notes))


def brought(
    step: PlannedStep,
    one: PlannedInput,
    source: Located | Synthetic | S3Objects,
    folder: Path,
    *,
    fetched: Fetched,
    workspace: Path,
) -> Path:
    """The file or folder that an input reads: its own, or `folder`, with what is made for it."""
    if isinstance(source, Synthetic):
        return _made_up(step, one, source, folder)
    files = named(source, fetched)
    return files[""].resolve() if "" in files else _linked(files, folder, workspace)


def at_once(source: Located | Synthetic | S3Objects, fetched: Fetched) -> Path | None:
    """The file or folder that an input reads where it has one of its own, for which nothing is to be made."""
    if isinstance(source, Synthetic):
        return None
    own = named(source, fetched).get("")
    return own.resolve() if own else None


def named(source: Located | S3Objects, fetched: Fetched) -> Files:
    """The files and folders that a source names, by where they show; the input's own file or folder has no name."""
    match source:
        case Located(is_manifest=True):
            return listed(source.path)
        case Located():
            whole = itself(source)
            return {"": whole} if whole else matches(source)
        case S3Objects():
            return fetched.files[source]
        case _:
            assert_never(source)


def itself(source: Located) -> Path | None:
    """The file or folder that is named, there or not; None where a pattern has to be matched.

    A file that has a name with `*`, `?` or `[` in it is meant by that.
    """
    plain = source.path / (source.pattern or "")
    return plain if source.pattern is None or os.path.lexists(plain) else None


def matches(source: Located) -> dict[str, Path]:
    """What a pattern matches, by its path below the source's folder; as in a shell, `*` leaves hidden files alone."""
    found = glob.glob(source.pattern or "", root_dir=source.path, recursive=True)  # noqa: PTH207 -- Path.glob sees them
    return {name: source.path / name for name in sorted(found)}


def laid_out(files: Files, workspace: Path) -> Iterator[tuple[str, Path]]:
    """Each file that shows, by its path, and where its bytes are; an empty folder by its path with a slash.

    Folders are gone through, and links followed, but for those to what they lie in. The workspace is nobody's input.
    """
    for name, file in files.items():
        whole = file.resolve()
        if not whole.is_dir():
            yield name, whole
        elif whole != workspace.resolve():
            for below, entry in leaves(whole, but_not=workspace, follow=True):
                real = whole / below if entry is None else Path(entry.path)
                yield f"{name}/{below}", real.resolve() if entry and entry.is_symlink() else real


def _linked(files: Files, folder: Path, workspace: Path) -> Path:
    """The folder, with links to all the files in it, or copies where there can be no links."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in laid_out(files, workspace):
        target = folder / name
        if name.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # `**` matches a folder and what is in it
            continue
        try:
            os.link(file, target)
        except OSError:  # another file system
            shutil.copyfile(file, target)
    return folder


def _made_up(step: PlannedStep, one: PlannedInput, source: Synthetic, folder: Path) -> Path:
    """The folder, with data for the input in it: of each of its parts a table."""
    from cursus_sandbox.tables.synthetic import Recipe, write_table  # noqa: PLC0415 -- numpy, only where data are made

    told: dict[str, str] = {name: setting.value for name, setting in step.environment.items()}
    for name, text in step.hyperparameters.items():
        told[name] = str(json.loads(text)) if step.encoding is Encoding.JSON else text
    label = next((told[name] for name in _LABELS if name in told), None)
    key = next((told[name] for name in _KEYS if name in told), None)
    schema = one.table_schema or TableSchema()
    for part in one.parts or schema.splits or ("",):
        place = f"{step.name}:{one.channel}/{part}"
        recipe = Recipe(source.rows, source.seed, place, label=label, key=key, nasty=source.nasty)
        try:
            write_table(schema, folder / part, recipe)
        except ValueError as error:  # for what is seen only in later rows
            what = f"input '{one.channel}' of step '{step.name}' can't be made up: {error}"
            raise DocumentError([Problem(what, ("steps", step.name, "inputs", one.channel))]) from error
    return folder

"""The channels of a script, from the paths that it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.sagemaker.script_paths import PathUse, Use

_PROCESSING = PurePosixPath("/opt/ml/processing")
_DATA = PurePosixPath("/opt/ml/input/data")
_TRAINED = {
    PurePosixPath("/opt/ml/model"): "model_output",
    PurePosixPath("/opt/ml/output/data"): "evaluation_output",
    PurePosixPath("/opt/ml/checkpoints"): "checkpoints",
}
_PLATFORM = ("/opt/ml/input/config", "/opt/ml/config", "/opt/ml/output/failure", "/opt/ml/code", "/opt/ml/output")
_CODE = (PurePosixPath("/opt/ml/processing/input/code"), PurePosixPath("/opt/ml/code"))


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a draft: where it lies, whether it is left behind, the files named in it, where that was seen."""

    name: str
    path: PurePosixPath
    is_output: bool
    lines: tuple[int, ...]
    files: tuple[str, ...] = field(default=())
    is_sure: bool = True


def kind_of(uses: Iterable[PathUse]) -> tuple[StepKind, str]:
    """What kind of job a script is for, and why it is taken for that."""
    paths = [(PurePosixPath(one.path), one.line) for one in uses]
    trains = [(path, line) for path, line in paths if _within(path, (_DATA, *_TRAINED))]
    processes = [(path, line) for path, line in paths if path.is_relative_to(_PROCESSING)]
    if processes and len(processes) >= len(trains):
        return StepKind.PROCESSING, f"line {processes[0][1]} names {processes[0][0]}"
    if trains:
        return StepKind.TRAINING, f"line {trains[0][1]} names {trains[0][0]}"
    return StepKind.PROCESSING, "no path of a training job is named"


def channels(uses: Iterable[PathUse], kind: StepKind) -> tuple[list[Channel], list[str]]:
    """The channels that the paths lie in, inputs first, and what should be looked at."""
    remarks = []
    found: dict[tuple[bool, PurePosixPath], Channel] = {}
    for use in uses:
        path = PurePosixPath(use.path)
        if _is_the_platforms(path, kind):
            remarks.append(f"{use.line}: {path} is the platform's own: no channel")
            continue
        one = _channel(use, path, kind)
        if one is None:
            remarks.append(f"{use.line}: {path} is no path that a job's data can lie at")
            continue
        known = found.get((one.is_output, one.path))
        found[one.is_output, one.path] = _both(known, one) if known else one
    outputs, more = _apart([one for (is_output, _), one in found.items() if is_output])
    inputs = [
        one for (is_output, path), one in found.items() if not is_output and path not in [o.path for o in outputs]
    ]
    remarks += [
        f"{one.lines[0]}: {one.path} may be an output: what is done there is not told"
        for one in inputs
        if not one.is_sure
    ]
    return list(_named_apart([*inputs, *outputs])), [*remarks, *more]


def _within(path: PurePosixPath, folders: Iterable[PurePosixPath]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _is_the_platforms(path: PurePosixPath, kind: StepKind) -> bool:
    if kind is StepKind.TRAINING and path in _TRAINED:
        return False
    if _within(path, _TRAINED):
        return False
    return (
        str(path) in _PLATFORM or _within(path, [PurePosixPath(one) for one in _PLATFORM[:4]]) or _within(path, _CODE)
    )


def _channel(use: PathUse, path: PurePosixPath, kind: StepKind) -> Channel | None:
    """The channel that a path lies in."""
    is_file = use.whole and "." in path.name
    folder = path.parent if is_file else path
    file = (path.name,) if is_file else ()
    if path.is_relative_to(_DATA) and path != _DATA:
        name = path.relative_to(_DATA).parts[0]
        return Channel(name, _DATA / name, False, (use.line,), file)
    if path == _DATA:
        return Channel(use.key or "input_path", _DATA, False, (use.line,))
    for trained, name in _TRAINED.items():
        if path.is_relative_to(trained):
            reads = kind is StepKind.PROCESSING and use.use is Use.READ
            return Channel(use.key or name, trained, not reads, (use.line,), file)
    if not path.is_relative_to(_PROCESSING):
        return None
    parts = folder.relative_to(_PROCESSING).parts
    if not parts:
        return None
    side, rest = (parts[0], parts[1:]) if parts[0] in ("input", "output") else ("", parts)
    base = (_PROCESSING / side / rest[0] if rest else _PROCESSING / side) if side else _PROCESSING / rest[0]
    is_output = side == "output" or (not side and use.use is Use.WRITTEN)
    word = use.key if use.key and folder == base and not is_file else (rest[0] if rest else side)
    return Channel(word, base, is_output, (use.line,), file, bool(side) or use.use is not Use.NAMED)


def _both(one: Channel, other: Channel) -> Channel:
    """One channel that was seen twice."""
    return replace(
        one,
        lines=tuple(dict.fromkeys((*one.lines, *other.lines))),
        files=tuple(dict.fromkeys((*one.files, *other.files))),
        is_sure=one.is_sure or other.is_sure,
    )


def _apart(outputs: list[Channel]) -> tuple[list[Channel], list[str]]:
    """The outputs that lie in no other: one that holds others holds their files, too."""
    kept, remarks = [], []
    for one in outputs:
        outer = next((other for other in outputs if other is not one and one.path.is_relative_to(other.path)), None)
        if outer is None:
            kept.append(one)
        else:
            remarks.append(f"{one.lines[0]}: {one.path} lies in the output at {outer.path}, and comes with that")
    return kept, remarks


def _named_apart(found: Iterable[Channel]) -> Iterator[Channel]:
    """Each with a name that a channel can have, and no other has."""
    taken: set[str] = set()
    for one in found:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", one.name).lstrip("_-") or "data"
        while name in taken:
            name += "_output" if one.is_output and not name.endswith("_output") else "_2"
        taken.add(name)
        yield replace(one, name=name)

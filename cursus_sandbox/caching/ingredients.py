"""What comes of a step depends on these: its code, settings, surroundings and the content of its inputs.

Two runs of a step with the same ingredients have the same outcome, as far as that can be told from outside of it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cursus_sandbox import __version__
from cursus_sandbox.inputs.sources import Fetched, Files, laid_out, named
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedStep, step_as_json
from cursus_sandbox.pipeline.source import Located, S3Objects, StepOutput, Synthetic
from cursus_sandbox.runs.contents import Contents, printable

Ingredients = Mapping[str, Mapping[str, str]]

# What of a planned step says nothing of what comes of it: whose idea it was, how long it may take and how much it may
# hold (it ends well or it doesn't), and what stands among the ingredients in its own way.
_WITHOUT = {
    *("contract_file", "config", "depends_on", "notes", "warnings", "skip"),
    *("timeout", "grace", "retries", "cache", "log_limit"),
    *("image", "source_dir", "inputs", "environment", "hyperparameters"),
}
_LIMITS = ("cpus", "memory", "shm_size", "files")
_MOST_NAMED = 1000  # files of one input; of more, the whole alone can be compared
_NAMED = 2
_PARQUET = ".parquet"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step would run in: the engine, the digests of images as far as they are known, the workspace, the Python.

    `secrets` gives of each step that has any what changes with them.
    """

    engine: str
    runs_images: bool
    makes_mounts: bool
    images: Mapping[str, str]
    workspace: Path
    python: str
    secrets: Mapping[str, str] = field(default_factory=dict)
    fetched: Fetched = field(default_factory=Fetched)


@dataclass(frozen=True, slots=True)
class Cook:
    """Gathers the ingredients of steps. `left` gives the folder of another step's output, and its files' contents.

    A content that nobody has read yet is "", and so is the ingredient.
    """

    around: Surroundings
    contents: Contents
    left: Callable[[StepOutput], tuple[Path, Mapping[str, str]]]

    def ingredients(self, step: PlannedStep, *, linked: bool = False) -> Ingredients:
        """All of them, by what they are in a user's words. OSError and ValueError where something can't be read.

        `linked` says that its inputs may have been given other names in the meantime, by us.
        """
        written = step_as_json(step)
        settings = {name: _digest(value) for name, value in written.items() if name not in _WITHOUT | {"resources"}}
        resources = {name: one for name, one in written.get("resources", {}).items() if name not in _LIMITS}
        if resources:
            settings["resources"] = _digest(resources)
        found = {
            "cursus-sandbox": {"version": __version__},
            "engine": {"name": self.around.engine},
            "settings": settings,
            "code": self._code(step, linked=linked),
            "environment": {name: _digest(one.value) for name, one in step.environment.items()},
            "hyperparameters": {name: _digest(value) for name, value in step.hyperparameters.items()},
        }
        if secrets := self.around.secrets.get(step.name):
            found["secrets"] = {"values": secrets}
        if not self.around.runs_images:
            found["python"] = {"packages": self.around.python}
        elif step.image:
            found["image"] = {step.image: self.around.images.get(step.image, "")}
        for one, said in zip(step.inputs, written.get("inputs", ()), strict=True):
            how = {name: value for name, value in said.items() if name not in ("source", "reason", "score")}
            found[f"input {one.channel}"] = {"": _digest(how), **self._files(step, one, linked=linked)}
        return found

    def _code(self, step: PlannedStep, *, linked: bool) -> Mapping[str, str]:
        """The files that are the step's code: those that are shipped, and without a sandbox those it may import.

        Without a sandbox a script is read where it lies, and what links lead to with it.
        """
        if step.source_dir is None or step.entry_point is None:
            return {}
        sandbox = self.around.makes_mounts
        script = step.source_dir / step.entry_point
        alone = {step.entry_point: self.contents.file(script, linked=linked).sha256}
        if step.ships_source_dir:
            found = self.contents.code(step.source_dir, self.around.workspace, follow=not sandbox)
        else:
            found = alone if sandbox else self._modules(step.source_dir) | alone
        if not sandbox and not (home := script.resolve().parent).is_relative_to(step.source_dir.resolve()):
            beside = self._modules(home)  # where Python looks for them
            found |= {str(home / name): content for name, content in beside.items()}
        return _shortened(found)

    def _modules(self, folder: Path) -> dict[str, str]:
        return self.contents.code(folder, self.around.workspace, follow=True, suffix=".py", modes=False)

    def _files(self, step: PlannedStep, one: PlannedInput, *, linked: bool) -> Mapping[str, str]:
        match one.source:
            case StepOutput():
                folder, left = self.left(one.source)
                return _shortened({name: self.as_table(folder / name, content) for name, content in left.items()})
            case Located() | S3Objects():
                files = named(one.source, self.around.fetched)
                whole = files.get("")
                read = self._whole(whole, linked=linked) if whole else self._named(files, linked=linked)
                return _shortened(dict(read))
            case Synthetic():
                # What is made depends on the channel's schema and on these, besides our version.
                recipe = [one.source.model_dump(mode="json"), step.name, one.channel, step.hyperparameters]
                return {"recipe": _digest(recipe)}

    def _whole(self, path: Path, *, linked: bool) -> Iterator[tuple[str, str]]:
        """What is in a file or folder that is read as it lies: links in it stay links."""
        whole = path.resolve()
        if not whole.is_dir():
            yield path.name, self.as_table(whole, self.contents.file(whole, linked=linked).sha256)
            return
        for name, content in self.contents.tree(whole, but_not=self.around.workspace, linked=linked).items():
            yield name, self.as_table(whole / name, content)

    def _named(self, files: Files, *, linked: bool) -> Iterator[tuple[str, str]]:
        """What is in files and folders that are laid out by their names."""
        for name, file in laid_out(files, self.around.workspace):
            content = "folder" if name.endswith("/") else self.contents.file(file, linked=linked).sha256
            yield printable(name), self.as_table(file, content)

    def as_table(self, file: Path, content: str) -> str:
        """A file's content, or of a Parquet file its table's: what it is, not how it was written."""
        table = self.contents.table(file, content) if file.name.lower().endswith(_PARQUET) else None
        return table or content


def key_of(ingredients: Ingredients) -> str:
    """One word for all of them."""
    return _digest(ingredients)


def what_changed(before: Ingredients, now: Ingredients) -> str:
    """What differs between the ingredients of two runs of a step, in words; empty if nothing does."""
    return "; ".join(_changes(before, now))


def filled_in(known: Ingredients, others: Ingredients) -> Ingredients:
    """Ingredients in which what nobody has read yet, which is "", is taken to be as in others."""
    return {
        name: {file: content or others.get(name, {}).get(file, "") for file, content in files.items()}
        for name, files in known.items()
    }


def are_known(ingredients: Ingredients) -> bool:
    """Whether all that is read of other steps' outputs has been read."""
    return not any("" in files.values() for name, files in ingredients.items() if name.startswith("input "))


def _changes(before: Ingredients, now: Ingredients) -> Iterator[str]:
    for name in dict.fromkeys((*now, *before)):
        old, new = before.get(name, {}), now.get(name, {})
        told_by_image = name == "python" and "image" in {*before, *now} and not (old and new)
        if old != new and not told_by_image:
            yield _change(name, old, new)


def _change(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    names = {*old, *new} - {""}
    others = [one for one in sorted(names) if old.get(one) != new.get(one)]
    match name:
        case "cursus-sandbox" | "engine":
            return f"another {name}: {_listed(sorted(new.values()))}, not {_listed(sorted(old.values()))}"
        case "python" | "image" if old and old.keys() == new.keys():
            return "this machine's Python or its packages changed" if name == "python" else f"{_listed([*new])} changed"
        case "python" | "image":
            own = "this machine's Python"
            return f"another image: {_listed([*new]) or own}, not {_listed([*old]) or own}"
        case "settings" | "code" | "environment" | "hyperparameters" | "secrets":
            return f"{name} changed: {_listed(others)}"
    if not old or not new:
        return f"{name} is {'gone' if old else 'new'}"
    many = f"{len(others)} of {len(names)} files"
    return (
        f"{name} changed: {_listed(others) if len(others) <= _NAMED else many}"
        if others
        else f"{name} is read otherwise"
    )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _shortened(files: Mapping[str, str]) -> Mapping[str, str]:
    if len(files) <= _MOST_NAMED:
        return files
    return {f"its {len(files):,} files": "" if "" in files.values() else _digest(files)}


def _digest(value: object) -> str:
    written = json.dumps(value, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()


@cache
def this_python() -> str:
    """What tells this interpreter, and what is installed for it, from another: names and versions."""
    folders = dict.fromkeys((*sysconfig.get_paths().values(), *sys.path))
    installed: set[str] = set()
    for folder in folders:
        with suppress(OSError):
            installed |= {one.name for one in Path(folder).iterdir() if one.suffix in (".dist-info", ".egg-info")}
    return _digest([sys.version, sys.platform, *sorted(installed)])

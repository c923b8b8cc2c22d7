"""The library that finds the contract of a step type, in the folders where contracts may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cursus_sandbox.documents.contracts import read_contract
from cursus_sandbox.documents.older_contracts import read_older_contract
from cursus_sandbox.errors import DocumentError, Problem, nearest_path
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.names import folded, pascal

_STEP_TYPE = re.compile(
    rb"^(?:\xef\xbb\xbf)?[\"']?step_type[\"']?\s*:\s*[\"']?([A-Za-z0-9][A-Za-z0-9_.-]*)", re.MULTILINE
)
_OLDER = "_contract.py"


class ContractLibrary:
    """The contracts of some folders; where two have the same step type, the earlier folder's counts.

    `given` are contracts that are there already, which come before all folders. A folder's contracts are its
    `*.step.yaml` and, of the step types that these are not for, its `*_contract.py`. Only those that are asked for are
    read: the others need not even be well-formed.
    """

    def __init__(self, folders: Iterable[Path], given: Iterable[ScriptContract] = ()) -> None:
        self.folders = tuple({folder.absolute(): folder for folder in folders}.values())
        self.given: dict[str, ScriptContract] = {one.step_type: one for one in given}
        self.files: Mapping[str, Path] = {}
        self._twice: dict[str, list[Path]] = {}
        self._older: dict[str, Path] = {}  # by its folded name: how the step type is written, the file's name can't say
        problems: list[Problem] = []
        for folder in self.folders:
            try:
                self._add(folder)
            except DocumentError as error:
                problems += error.problems
        if problems:
            raise DocumentError(problems)
        self.files = {**self.files, **{pascal(file.name.removesuffix(_OLDER)): file for file in self._older.values()}}
        self._spell_as_files_do()

    @property
    def step_types(self) -> tuple[str, ...]:
        """The step types there are contracts of."""
        return (*self.given, *(name for name in self.files if name not in self.given))

    def _add(self, folder: Path) -> None:
        if problem := no_folder(folder):
            raise DocumentError([problem])
        found: dict[str, list[Path]] = {}
        for file in sorted([*folder.glob("*.step.yaml"), *folder.glob("*.step.yml")]):
            if step_type := _step_type(file):
                found.setdefault(step_type, []).append(file)
        new = {step_type: files for step_type, files in found.items() if step_type not in self.files}
        for step_type in list(new):
            if older := self._older.pop(folded(step_type), None):
                new[step_type] = [older]
        self.files = {**self.files, **{step_type: files[0] for step_type, files in new.items()}}
        self._twice |= {step_type: files for step_type, files in new.items() if len(files) > 1}
        known = {folded(step_type) for step_type in (*self.given, *self.files)}
        for file in sorted(folder.glob(f"*{_OLDER}")):
            name = folded(file.name.removesuffix(_OLDER))
            if name and name not in known:
                self._older.setdefault(name, file)

    def _spell_as_files_do(self) -> None:
        """Let a given contract stand for the step type it is of, though its name was only told by its entry point."""
        spelled = {folded(name): name for name in self.files}
        for name in [name for name in self.given if name not in self.files and folded(name) in spelled]:
            other = spelled[folded(name)]
            self.given[other] = self.given.pop(name).model_copy(update={"step_type": other})

    def contracts(self, step_types: Iterable[str]) -> dict[str, ScriptContract]:
        """The contracts of these step types that there are; DocumentError with the problems of all of them."""
        read: dict[str, ScriptContract] = {}
        problems: list[Problem] = []
        for step_type in dict.fromkeys(step_types):
            if step_type in self.given:
                read[step_type] = self.given[step_type]
            elif step_type in self._twice:
                first, second, *_ = self._twice[step_type]
                what = f"the step type '{step_type}' has two contracts in one folder; the other is {first.name}"
                problems.append(Problem(what, file=second, hint="Keep one of them."))
            elif file := self.files.get(step_type):
                try:
                    read[step_type] = (
                        read_older_contract(file, step_type) if file.name.endswith(_OLDER) else read_contract(file)
                    )
                except DocumentError as error:
                    problems += error.problems
        if problems:
            raise DocumentError(problems)
        return read


def no_folder(folder: Path) -> Problem | None:
    """What is wrong with a contracts folder that can't be one."""
    try:
        if folder.is_dir():
            return None
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        hint = nearest_path(folder)
    except OSError as error:
        what, hint = f"can't be used: {error.strerror}", ""
    return Problem(f"the contracts folder {folder} {what}", hint=hint)


def _step_type(file: Path) -> str | None:
    """The step type a contract file is for, without reading the file as YAML; None if none is written in it."""
    try:
        found = _STEP_TYPE.search(file.read_bytes()) if file.is_file() else None
    except OSError as error:
        raise DocumentError([Problem(f"the contract can't be read: {error.strerror}", file=file)]) from error
    if found is None:
        raise DocumentError([Problem("the contract has no step_type", file=file, hint="Write it at the top.")])
    return found[1].decode()

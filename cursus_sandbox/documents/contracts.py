"""Contract files, and the library that finds the one for a step type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cursus_sandbox.documents.problems import shown, validated
from cursus_sandbox.documents.reading import read_tree
from cursus_sandbox.documents.tree import Place, Tree
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.contract import CONTRACT_PLACES, ScriptContract, contract_fields

_STEP_TYPE = re.compile(
    rb"^(?:\xef\xbb\xbf)?[\"']?step_type[\"']?\s*:\s*[\"']?([A-Za-z0-9][A-Za-z0-9_.-]*)", re.MULTILINE
)
_MAPPINGS: tuple[Place, ...] = (
    ("contract",),
    ("contract", "inputs"),
    ("contract", "outputs"),
    ("contract", "env_vars"),
    ("contract", "input_source_overrides"),
    ("registry",),
    ("spec",),
    ("spec", "dependencies"),
    ("spec", "outputs"),
)


def read_contract(file: Path) -> ScriptContract:
    """One `*.step.yaml`; DocumentError with every problem in it."""
    tree = read_tree(file)
    if not isinstance(tree.content, dict):
        what = "a contract is a mapping with step_type, registry, contract and spec"
        raise DocumentError([*tree.problems, tree.problem(what)])
    problems = [*tree.problems, *_sections(tree)]
    contract, wrong = validated(ScriptContract, contract_fields(tree.content), tree, _place)
    if contract is None or problems or wrong:
        raise DocumentError(sorted([*problems, *wrong], key=lambda one: one.line or 0))
    return contract


def _sections(tree: Tree) -> list[Problem]:
    """A section that is no mapping, or no contract at all."""
    problems = []
    if tree.content.get("contract") is None:
        problems.append(tree.problem("contract: this is required", hint="It says the paths of inputs and outputs."))
    for place in _MAPPINGS:
        value = tree.content
        for part in place:
            value = value.get(part) if isinstance(value, dict) else None
        if not isinstance(value, dict | None):
            problems.append(
                tree.problem(f"{'.'.join(map(str, place))}: a mapping is meant here, not {shown(value)}", place)
            )
    return problems


def _place(place: Place) -> Place:
    if not place:
        return ("contract",)
    head, *rest = place
    return (*CONTRACT_PLACES.get(str(head), ("contract", str(head))), *rest)


class ContractLibrary:
    """The contracts of some folders; where two have the same step type, the earlier folder's counts.

    Only the contracts that are asked for are read: the others need not even be well-formed.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(folders)
        self.files: Mapping[str, Path] = {}
        self._twice: dict[str, list[Path]] = {}
        problems: list[Problem] = []
        for folder in self.folders:
            try:
                self._add(folder)
            except DocumentError as error:
                problems += error.problems
        if problems:
            raise DocumentError(problems)

    def _add(self, folder: Path) -> None:
        if problem := no_folder(folder):
            raise DocumentError([problem])
        found: dict[str, list[Path]] = {}
        for file in sorted([*folder.glob("*.step.yaml"), *folder.glob("*.step.yml")]):
            if step_type := _step_type(file):
                found.setdefault(step_type, []).append(file)
        new = {step_type: files for step_type, files in found.items() if step_type not in self.files}
        self.files = {**self.files, **{step_type: files[0] for step_type, files in new.items()}}
        self._twice |= {step_type: files for step_type, files in new.items() if len(files) > 1}

    def contracts(self, step_types: Iterable[str]) -> dict[str, ScriptContract]:
        """The contracts of these step types that there are; DocumentError with the problems of all of them."""
        read: dict[str, ScriptContract] = {}
        problems: list[Problem] = []
        for step_type in dict.fromkeys(step_types):
            if step_type in self._twice:
                first, second, *_ = self._twice[step_type]
                what = f"the step type '{step_type}' has two contracts in one folder; the other is {first.name}"
                problems.append(Problem(what, file=second, hint="Keep one of them."))
            elif file := self.files.get(step_type):
                try:
                    read[step_type] = read_contract(file)
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
        hint = did_you_mean(folder.name, [one.name for one in folder.parent.glob("*/")])
    except OSError as error:
        what, hint = f"can't be used: {error.strerror}", ""
    return Problem(f"the contracts folder {folder} {what}", hint=hint if hint.startswith("Did") else "")


def _step_type(file: Path) -> str | None:
    """The step type a contract file is for, without reading the file as YAML; None if none is written in it."""
    try:
        found = _STEP_TYPE.search(file.read_bytes()) if file.is_file() else None
    except OSError as error:
        raise DocumentError([Problem(f"the contract can't be read: {error.strerror}", file=file)]) from error
    if found is None:
        raise DocumentError([Problem("the contract has no step_type", file=file, hint="Write it at the top.")])
    return found[1].decode()

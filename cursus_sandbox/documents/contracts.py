"""Contract files, and the library that finds the one for a step type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from cursus_sandbox.documents.problems import problems_of
from cursus_sandbox.documents.tree import Place, read_tree
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.pipeline.contract import CONTRACT_PLACES, ScriptContract, contract_fields

_STEP_TYPE = re.compile(rb"^[\"']?step_type[\"']?\s*:\s*[\"']?([A-Za-z0-9][A-Za-z0-9_.-]*)", re.MULTILINE)


def read_contract(file: Path) -> ScriptContract:
    """One `*.step.yaml`; DocumentError with every problem in it."""
    tree = read_tree(file)
    if not isinstance(tree.content, dict):
        raise DocumentError([tree.problem("a contract is a mapping with step_type, contract and spec")])
    try:
        return ScriptContract.model_validate(contract_fields(tree.content))
    except ValidationError as error:
        raise DocumentError(problems_of(error, tree, ScriptContract, _place)) from error


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
        self.files: Mapping[str, Path] = self._files()

    def _files(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        problems = []
        for folder in self.folders:
            if not folder.is_dir():
                hint = did_you_mean(folder.name, [one.name for one in folder.parent.glob("*/")])
                problems.append(Problem(f"the contracts folder {folder} does not exist", hint=hint))
                continue
            for file in sorted([*folder.glob("*.step.yaml"), *folder.glob("*.step.yml")]):
                try:
                    named = _STEP_TYPE.search(file.read_bytes())
                except OSError as error:
                    problems.append(Problem(f"the contract can't be read: {error.strerror}", file=file))
                    continue
                if named is None:
                    problems.append(Problem("the contract has no step_type", file=file))
                else:
                    found.setdefault(named[1].decode(), file)
        if problems:
            raise DocumentError(problems)
        return found

    def contracts(self, step_types: Iterable[str]) -> dict[str, ScriptContract]:
        """The contracts of these step types that there are; DocumentError with the problems of all of them."""
        read: dict[str, ScriptContract] = {}
        problems: list[Problem] = []
        for step_type in dict.fromkeys(step_types):
            if file := self.files.get(step_type):
                try:
                    read[step_type] = read_contract(file)
                except DocumentError as error:
                    problems += error.problems
        if problems:
            raise DocumentError(problems)
        return read

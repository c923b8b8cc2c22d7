"""Where contracts are looked for, and in which order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from cursus_sandbox.documents.library import ContractLibrary
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.values import several
from cursus_sandbox.shipped import shipped_contracts


class OlderContract(Protocol):
    """A contract in Cursus' older shape. Its step type is its `step_type`, else what its entry point is named after."""

    @property
    def entry_point(self) -> str:
        """The script's file name."""

    @property
    def expected_input_paths(self) -> Mapping[str, str]:
        """Where each input shows."""


_Contract = str | os.PathLike[str] | ScriptContract | OlderContract
Contracts = _Contract | Iterable[_Contract]


def library_of(contracts: Contracts = (), *, named: Iterable[Path] = (), beside: Path | None = None) -> ContractLibrary:
    """The contracts there are: those given, in the folders given, `named` by a document, beside it, Cursus', shipped.

    `contracts` are contracts, or folders of `*.step.yaml` and `*_contract.py`, or one of them; `beside` is the
    document's folder, where and in whose `contracts/` they are looked for, too. DocumentError with every folder that
    can't be read.
    """
    folders: list[Path] = []
    given: list[ScriptContract] = []
    for one in several(contracts):
        if isinstance(one, str | os.PathLike):
            folders.append(Path(one))
        else:
            given.append(one if isinstance(one, ScriptContract) else ScriptContract.from_script_contract(one))
    near = [one for one in (beside, beside / "contracts") if one.is_dir()] if beside else []
    cursus = installed_cursus()
    return ContractLibrary([*folders, *named, *near, *([cursus] if cursus else ()), shipped_contracts()], given)


def installed_cursus() -> Path | None:
    """The folder of the contracts of the Cursus that is installed here, if one is. Nothing of it is imported."""
    found = find_spec("cursus")
    for package in (found.submodule_search_locations or ()) if found else ():
        if (folder := Path(package) / "steps" / "interfaces").is_dir():
            return folder
    return None

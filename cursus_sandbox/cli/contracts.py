"""`cursus-sandbox contracts list | show | search`, and `schema-json`: what is known, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cursus_sandbox.cli import completion
from cursus_sandbox.cli.options import AsJson, Contracts, print_json
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.shipped import shipped_contracts

if TYPE_CHECKING:
    from cursus_sandbox.documents import ContractLibrary
    from cursus_sandbox.pipeline.contract import ScriptContract

LIST_EXAMPLE = """\b
Example:
  cursus-sandbox contracts list --contracts steps/
"""
SHOW_EXAMPLE = """\b
Examples:
  cursus-sandbox contracts show XGBoostTraining
  cursus-sandbox contracts show RiskTableMapping_testing
"""
SEARCH_EXAMPLE = """\b
Example:
  cursus-sandbox contracts search model_input
"""

contracts_app = typer.Typer(help="Look at the contracts there are.", no_args_is_help=True)


class Documented(StrEnum):
    """The documents that have a JSON Schema."""

    DAG = "dag"
    CONTRACT = "contract"


@contracts_app.command("list", epilog=LIST_EXAMPLE)
def list_contracts(contracts: Contracts = None, as_json: AsJson = False) -> None:
    """List the contracts that are known.

    Each with its step type, its kind, how many inputs and outputs it has, and where it is from. Those of the folders
    given and of CURSUS_SANDBOX_CONTRACTS, of this folder and its contracts/, of an installed Cursus, and the
    shipped ones.
    """
    from cursus_sandbox.reports.contracts import contract_lines, contract_row

    found, problems = _read(_library(contracts))
    if as_json:
        print_json([contract_row(one) for one in found])
    else:
        _print(contract_lines(found, _origins(), columns=_columns()))
    _end(problems)


@contracts_app.command("show", epilog=SHOW_EXAMPLE)
def show_contract(
    step_type: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help="A step type; or a node, for its job type.",
            show_default=False,
            autocompletion=completion.contracts,
        ),
    ],
    contracts: Contracts = None,
    as_json: AsJson = False,
) -> None:
    """Show a contract in full.

    Its channels with paths and aliases, its environment, arguments, variants and file. The name may be written as in a
    pipeline: in any case, with a job type after it.
    """
    from cursus_sandbox.pipeline.names import StepTypes
    from cursus_sandbox.reports.contracts import contract_details

    library = _library(contracts)
    types = StepTypes(library.step_types)
    found = types.of(step_type)
    if found.step_type is None:
        meant = types.meant(step_type)
        hint = f"Did you mean '{meant}'?" if meant else did_you_mean(step_type, types.names)
        what = f"'{step_type}' may stand for any of {', '.join(found.step_types)}" if found.step_types else ""
        raise DocumentError([Problem(what or f"there is no contract for '{step_type}'", hint="" if what else hint)])
    contract = library.contracts([found.step_type])[found.step_type].for_job_type(found.label)
    if as_json:
        print_json({"kind": contract.kind, **contract.model_dump(mode="json", by_alias=True, exclude={"generic"})})
    else:
        _print(contract_details(contract, columns=_columns()))


@contracts_app.command("search", epilog=SEARCH_EXAMPLE)
def search_contracts(
    word: Annotated[str, typer.Argument(metavar="WORD", help="In any case.", show_default=False)],
    contracts: Contracts = None,
    as_json: AsJson = False,
) -> None:
    """Find contracts by a word.

    In their step type, channels, aliases and description.
    """
    from cursus_sandbox.reports.contracts import contract_row, matches, search_lines

    everything, problems = _read(_library(contracts))
    found = [(one, where) for one in everything if (where := matches(one, word))]
    if as_json:
        print_json([{**contract_row(one), "matches": where} for one, where in found])
    elif found:
        _print(search_lines(found, columns=_columns()))
    else:
        typer.echo(f"no contract speaks of '{word}'", err=True)
    _end(problems)


def schema_json(document: Annotated[Documented, typer.Argument(metavar="dag|contract", show_default=False)]) -> None:
    """Print the JSON Schema of a document.

    An editor that is given it completes and checks dag.yaml, or contracts.
    """
    from cursus_sandbox.documents.json_schemas import contract_schema, dag_schema

    print_json(dag_schema() if document is Documented.DAG else contract_schema())


def _library(folders: Iterable[Path] | None) -> ContractLibrary:
    from cursus_sandbox import api, documents

    return documents.library_of(api.with_environment(folders or ()), beside=Path())


def _read(library: ContractLibrary) -> tuple[list[ScriptContract], list[Problem]]:
    """All contracts that can be read, by step type, and what is wrong with the others."""
    found: list[ScriptContract] = []
    problems: list[Problem] = []
    for step_type in sorted(library.step_types, key=str.lower):
        try:
            found += library.contracts([step_type]).values()
        except DocumentError as error:
            problems += error.problems
    return found, problems


def _origins() -> dict[Path, str]:
    """The folders whose contracts are known by a word."""
    from cursus_sandbox import documents

    cursus = documents.installed_cursus()
    return {shipped_contracts(): "shipped", **({cursus: "Cursus"} if cursus else {})}


def _columns() -> int:
    from rich.console import Console

    return Console().width


def _print(lines: Iterable[str]) -> None:
    typer.echo("\n".join(lines))


def _end(problems: list[Problem]) -> None:
    """Say what could not be read, after what could."""
    if problems:
        raise DocumentError(problems)

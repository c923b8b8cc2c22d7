"""Contracts in Cursus' older shape: `<step_type>_contract.py`, which calls ScriptContract with literal values.

The module is read, never imported: planning runs none of the user's code.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from cursus_sandbox.documents.contract_keys import slip
from cursus_sandbox.documents.problems import validated
from cursus_sandbox.documents.reading import read_text
from cursus_sandbox.documents.tree import Place, Tree
from cursus_sandbox.errors import DocumentError, Problem, nearly
from cursus_sandbox.pipeline.contract import ScriptContract
from cursus_sandbox.pipeline.interface import OLDER_NAMES, older_fields

_PLACES = {"inputs": "expected_input_paths", "outputs": "expected_output_paths", "arguments": "expected_arguments"}


def read_older_contract(file: Path, step_type: str) -> ScriptContract:
    """The one contract a module makes, as one of that step type; DocumentError with every problem in it."""
    call = _call(file)
    tree = _tree(file, call)
    missing = [
        tree.problem(f"{name}: this is required")
        for name in ("entry_point", _PLACES["inputs"])
        if name not in tree.content
    ]
    contract, wrong = validated(ScriptContract, older_fields(tree.content, step_type), tree, _place)
    problems = [*tree.problems, *(missing if not tree.problems else ()), *wrong]
    given = {keyword.arg: keyword.value.lineno for keyword in call.keywords if keyword.arg}
    likely = tuple(
        slip(replace(tree, lines={(name,): line}), name, near, (name,))
        for name, line in given.items()
        if name not in OLDER_NAMES and (near := nearly(name, set(OLDER_NAMES) - given.keys()))
    )
    if contract is None or problems:
        raise DocumentError(sorted([*problems, *likely], key=lambda one: one.line or 0))
    return contract.model_copy(update={"file": file, "slips": likely})


def _call(file: Path) -> ast.Call:
    """The call that makes the module's contract."""
    try:
        with warnings.catch_warnings(action="ignore"):
            module = ast.parse(read_text(file))
    except SyntaxError as error:
        raise DocumentError([Problem(f"this is not Python: {error.msg}", file=file, line=error.lineno)]) from error
    except (RecursionError, MemoryError) as error:
        raise DocumentError([Problem("the module is nested too deeply", file=file)]) from error
    calls = [
        statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and isinstance(statement.value, ast.Call)
        and _name(statement.value.func).endswith("Contract")
    ]
    if len(calls) == 1:
        return calls[0]
    what = "the module makes two contracts" if calls else "the module makes no contract"
    hint = "Keep one of them." if calls else "Write  NAME = ScriptContract(entry_point=…, expected_input_paths={…}, …)."
    raise DocumentError([Problem(what, file=file, line=calls[1].lineno if calls else None, hint=hint)])


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _tree(file: Path, call: ast.Call) -> Tree:
    """What the call is given, as far as it is literal; what is not is a problem."""
    content: dict[str, Any] = {}
    lines: dict[Place, int] = {(): call.lineno}
    problems = []
    for keyword in call.keywords:
        if keyword.arg is None:
            problems.append(_not_literal(file, keyword.value, "**"))
        elif keyword.arg in OLDER_NAMES:
            lines |= _lines((keyword.arg,), keyword.value)
            try:
                content[keyword.arg] = ast.literal_eval(keyword.value)
            except (ValueError, TypeError, RecursionError, MemoryError):
                problems.append(_not_literal(file, keyword.value, keyword.arg))
    return Tree(file, content, lines, tuple(problems))


def _not_literal(file: Path, value: ast.expr, name: str) -> Problem:
    odd = next((one for one in ast.walk(value) if isinstance(one, ast.Name | ast.Call | ast.JoinedStr)), value)
    what = f"{name}: this is computed, and a contract's module is read without being run"
    hint = "Write the value itself, or a *.step.yaml; in Python, pass the contract to plan(contracts=[…])."
    return Problem(what, file=file, line=getattr(odd, "lineno", value.lineno), hint=hint)


def _lines(place: Place, value: ast.expr) -> dict[Place, int]:
    lines: dict[Place, int] = {place: value.lineno}
    if isinstance(value, ast.Dict):
        for key, one in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                lines |= _lines((*place, key.value), one)
    elif isinstance(value, ast.List | ast.Tuple):
        for index, one in enumerate(value.elts):
            lines |= _lines((*place, index), one)
    return lines


def _place(place: Place) -> Place:
    """Where in the call a field of ScriptContract stands."""
    if not place:
        return ()
    head, *rest = place
    return (_PLACES.get(str(head), head), *(part for part in rest if part != "path"))

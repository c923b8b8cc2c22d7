"""A Cursus graph in whatever form it is kept: `*.dag.json`, YAML, or a Python module, which is read and never run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cursus_sandbox.documents import read_pipeline
from cursus_sandbox.documents.reading import read_text
from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.dag import PipelineDAG


def read_graph(file: Path) -> PipelineDAG:
    """The graph of a file; DocumentError for what is none, or is a whole document already."""
    if file.suffix == ".py":
        return _of_module(file)
    written = read_pipeline(file)
    if written.problems:
        raise DocumentError(written.problems)
    if written.pipeline.form == "ours":
        what = "this is no graph but a whole document: it can be run as it is"
        raise DocumentError([Problem(what, file=file, hint=f"Look at it:  cursus-sandbox check {file}")])
    return written.pipeline.dag


def _of_module(file: Path) -> PipelineDAG:
    """`dag.add_node("A")`, `dag.add_edge("A", "B")` and `PipelineDAG(nodes=[…], edges=[…])`, wherever in a module."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(read_text(file))
    except SyntaxError as error:
        raise DocumentError([Problem(f"this is not Python: {error.msg}", file=file, line=error.lineno)]) from error
    except (RecursionError, MemoryError) as error:
        raise DocumentError([Problem("the module is nested too deeply", file=file)]) from error
    nodes: dict[str, None] = {}
    edges: list[tuple[str, str]] = []
    problems = []
    for call, word in _calls(tree):
        try:
            for name, value in _said(call, word):
                if name == "nodes":
                    nodes |= dict.fromkeys(value)
                else:
                    edges += [(before, after) for before, after in value]
        except (ValueError, TypeError):
            what = f"{word}: a name here is computed, and a module is read without being run"
            hint = "Write the names themselves, or save the graph as JSON and name that file."
            problems.append(Problem(what, file=file, line=call.lineno, hint=hint))
    nodes |= dict.fromkeys(name for edge in edges for name in edge)
    if not nodes and not problems:
        hint = 'It is made by  dag.add_node("A"), dag.add_edge("A", "B")  or  PipelineDAG(nodes=[…], edges=[…]).'
        problems.append(Problem("the module makes no graph", file=file, hint=hint))
    if problems:
        raise DocumentError(problems)
    try:
        return PipelineDAG(nodes=tuple(nodes), edges=tuple(dict.fromkeys(edges)))
    except ValidationError as error:
        said = [one["msg"].removeprefix("Value error, ") for one in error.errors()]
        raise DocumentError([Problem(one, file=file) for one in said]) from error


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for node in sorted(found, key=lambda one: (one.lineno, one.col_offset)):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("add_node", "add_edge", "PipelineDAG"):
            yield node, name


def _said(call: ast.Call, word: str) -> Iterator[tuple[str, Any]]:
    """What a call adds, as literals; ValueError where it is computed."""
    if word == "PipelineDAG":
        given = [*zip(("nodes", "edges"), call.args, strict=False), *((one.arg, one.value) for one in call.keywords)]
        for name, value in given:
            if name in ("nodes", "edges"):
                yield name, ast.literal_eval(value)
        return
    names = [ast.literal_eval(one) for one in (*call.args, *(one.value for one in call.keywords))]
    yield ("nodes", names[:1]) if word == "add_node" else ("edges", [tuple(names)])

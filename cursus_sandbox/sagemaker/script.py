"""What a script does that SageMaker would not let it do, or not here, read off its text. Nothing is run."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_INSTALLERS = ("install", "download")
_CODE = "/opt/ml/code"
_OF_TRAINING = ("/opt/ml/model", "/opt/ml/input/data")
_LARGEST = 2 * 1024 * 1024
_NOT_FOUND = re.compile(rb"ModuleNotFoundError: No module named '(\w+)'")
_IMPORTING = re.compile(rb"^[ \t]*(?:import|from)[ \t]([\w.,\t ]+)", re.MULTILINE)
_TELLING = (b"SM_", b"/opt/ml/", b"pip", b"symlink", b"add_argument")  # without any a text has no habits: no parsing


@dataclass(frozen=True, slots=True)
class Habits:
    """Line numbers in a script: where it reads `SM_*` variables, names /opt/ml/code, installs packages, makes links.

    Without those of the variables that are `sm_needed` it raises. `training_folders` are training jobs' alone.
    `options` are those of argparse that it has. `beside` are the modules beside it that it can't do without.
    """

    sm_variables: dict[str, int]
    sm_needed: frozenset[str] = frozenset()
    code_folder: int | None = None
    training_folders: Mapping[str, int] = field(default_factory=dict)
    installs: int | None = None
    links: int | None = None
    options: frozenset[str] = frozenset()
    beside: Mapping[str, int] = field(default_factory=dict)


def habits(script: Path) -> Habits | None:
    """What is told by its text; None if it can't be read or isn't Python of this version."""
    try:
        if script.suffix != ".py" or script.stat().st_size > _LARGEST:
            return None
        text = script.read_bytes()
        beside = _modules_beside(script, text)
        if not beside and not any(word in text for word in _TELLING):
            return Habits({})
        nodes = list(ast.walk(ast.parse(text)))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        (node.value, node.lineno)
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    read = [one for one in variables_read(nodes) if one.name.startswith("SM_")]
    return Habits(
        sm_variables={one.name: one.line for one in sorted(read, key=lambda one: -one.line)},
        sm_needed=frozenset(one.name for one in read if one.must_be),
        code_folder=_first(_CODE, texts),
        training_folders={folder: line for folder in _OF_TRAINING if (line := _first(folder, texts))},
        installs=min(_installs(nodes), default=None),
        links=min(_links(nodes), default=None),
        options=frozenset(_options(nodes)),
        beside={name: line for name, line in _imports(nodes) if name in beside} if beside else {},
    )


def left_behind(script: Path, end: bytes) -> str | None:
    """The module that a script did not find, as the end of its log says, though it lies beside it; None if none does.

    A folder is one without an `__init__.py`, too.
    """
    for found in reversed(_NOT_FOUND.findall(end)):
        name: str = found.decode()
        if script.with_name(f"{name}.py").is_file() or script.with_name(name).is_dir():
            return name
    return None


def _modules_beside(script: Path, text: bytes) -> frozenset[str]:
    """The modules and packages beside a script that its lines of imports have words of, and Python has none of."""
    words = {word.decode() for line in _IMPORTING.findall(text) for word in re.findall(rb"\w+", line)}
    there = (script.parent / name for name in words - sys.stdlib_module_names - {script.stem})
    return frozenset(
        one.name for one in there if one.with_name(f"{one.name}.py").is_file() or (one / "__init__.py").is_file()
    )


def _imports(nodes: list[ast.AST]) -> Iterator[tuple[str, int]]:
    """What must be found where the script lies, or in its image: it looks nowhere else, and does not try it."""
    if any(isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path" for node in nodes):
        return
    tried = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.Try) and node.handlers
        for one in node.body
        for inner in ast.walk(one)
    }
    for node in nodes:
        match node:
            case _ if id(node) in tried:
                continue
            case ast.Import(names=names):
                yield from ((one.name.partition(".")[0], node.lineno) for one in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0], node.lineno


def _first(folder: str, texts: Iterable[tuple[str, int]]) -> int | None:
    """The line in which a folder, or what is in it, is named first."""
    return next((line for text, line in texts if text == folder or text.startswith(f"{folder}/")), None)


class VariableRead(NamedTuple):
    """Where a script reads a variable of its environment; `must_be` it raises without it, `default` it takes then."""

    name: str
    node: ast.expr
    must_be: bool
    default: ast.expr | None = None

    @property
    def line(self) -> int:
        """The line it stands in."""
        return self.node.lineno


def variables_read(nodes: Iterable[ast.AST]) -> Iterator[VariableRead]:
    """`os.environ["X"]`, `os.environ.get("X")`, `os.getenv("X")`, wherever `environ` comes from."""
    for node in nodes:
        match node:
            case ast.Subscript(value=read, slice=ast.Constant(value=str(name)), ctx=ast.Load()) if _is_environ(read):
                yield VariableRead(name, node, must_be=True)
            case ast.Call(func=ast.Attribute(value=read, attr="get"), args=[ast.Constant(value=str(name)), *rest]) if (
                _is_environ(read)
            ):
                yield VariableRead(name, node, must_be=False, default=rest[0] if rest else None)
            case ast.Call(
                func=ast.Attribute(attr="getenv") | ast.Name(id="getenv"), args=[ast.Constant(value=str(name)), *rest]
            ):
                yield VariableRead(name, node, must_be=False, default=rest[0] if rest else None)


def _is_environ(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="environ") | ast.Name(id="environ"):
            return True
    return False


def _installs(nodes: list[ast.AST]) -> Iterator[int]:
    """Calls that are given `pip` and `install`, as words of a list or in one text."""
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        words: list[str] = []
        for argument in node.args:
            for part in ast.walk(argument):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    words += part.value.split()
        if "pip" in words and any(word in words for word in _INSTALLERS):
            yield node.lineno


def _options(nodes: list[ast.AST]) -> Iterator[str]:
    """What calls of `add_argument` begin with a dash."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="add_argument"), args=words):
                values = (word.value for word in words if isinstance(word, ast.Constant))
                yield from (one for one in values if isinstance(one, str) and one.startswith("-"))


def _links(nodes: list[ast.AST]) -> Iterator[int]:
    """`os.symlink(…)` and `path.symlink_to(…)`, however they are reached."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="symlink" | "symlink_to") | ast.Name(id="symlink")):
                yield node.lineno

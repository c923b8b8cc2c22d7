"""Which paths of the container a script names, and what it does there, read off its text. Nothing is run.

A path may be put together from constants: `os.path.join`, `Path(…) / …`, f-strings, `+`, names that are assigned once,
and keys of such mappings. Where a part can't be told, the folder before it is what is known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

PREFIX = "/opt/ml"
_DEEPEST = 40
_LONGEST = 4096  # characters of a path

# What the sagemaker-training toolkit puts into the environment, as far as it is a path.
_TOOLKIT = {
    "SM_MODEL_DIR": "/opt/ml/model",
    "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
    "SM_OUTPUT_DIR": "/opt/ml/output",
    "SM_INPUT_DIR": "/opt/ml/input",
    "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
}
CHANNEL = "SM_CHANNEL_"

_WRITING = ("to_", "write", "save", "dump", "mkdir", "makedirs", "touch", "copy2", "make_archive")
_READING = ("read_", "load", "iterdir", "glob", "rglob", "listdir", "walk", "scandir", "exists", "is_file", "is_dir")
_READING_TOO = ("read", "isfile", "isdir", "DMatrix", "ParquetFile", "dataset", "stat", "extractall", "fromfile")
_WRITE_MODES = ("w", "a", "x")


class Use(StrEnum):
    """What a script does at a path."""

    READ = "read"
    WRITTEN = "written"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class PathUse:
    """A path that a script names; `key` is the word it stands behind in a mapping, `whole` whether all was told."""

    path: str
    line: int
    use: Use
    whole: bool
    key: str | None = None


class Told(NamedTuple):
    """A text that an expression gives, as far as it can be told."""

    text: str
    whole: bool = True


class Constants:
    """The texts that a module's expressions give."""

    def __init__(self, module: ast.Module) -> None:
        self._module = module
        self._known: dict[ast.expr, Told | None] = {}  # each is told once, or names of names of names take for ever

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """The names that are assigned to once in the whole module, each with what it is given."""
        found: dict[str, list[ast.expr | None]] = {}
        for node in ast.walk(self._module):
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=value)
                ):
                    found.setdefault(name, []).append(value)
                case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                    found.setdefault(name, [])
        stored = [node.id for node in ast.walk(self._module) if isinstance(node, ast.Name) and _is_stored(node)]
        parameters = {node.arg for node in ast.walk(self._module) if isinstance(node, ast.arg)}
        return {
            name: values[0]
            for name, values in found.items()
            if len(values) == 1 and values[0] is not None and stored.count(name) == 1 and name not in parameters
        }

    def told(self, node: ast.expr, depth: int = 0) -> Told | None:
        """What an expression gives; None where not even its beginning can be told."""
        if depth > _DEEPEST:
            return None
        if node not in self._known:
            self._known[node] = None  # while it is looked at: what is made of itself can't be told
            told = self._looked_at(node, depth)
            self._known[node] = told if told and len(told.text) <= _LONGEST else None
        return self._known[node]

    def _looked_at(self, node: ast.expr, depth: int) -> Told | None:
        match node:
            case ast.Constant(value=str(value)):
                return Told(value)
            case ast.Name(id=name) if name in self.assigned:
                return self.told(self.assigned[name], depth + 1)
            case ast.JoinedStr(values=parts):
                return self._run_on(
                    [part.value if isinstance(part, ast.FormattedValue) else part for part in parts], depth
                )
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._run_on([left, right], depth)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._joined([left, right], depth)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)) if isinstance(
                mapping := self.assigned.get(name), ast.Dict
            ):
                return next(
                    (
                        self.told(value, depth + 1)
                        for one, value in zip(mapping.keys, mapping.values, strict=True)
                        if isinstance(one, ast.Constant) and one.value == key
                    ),
                    None,
                )
            case _:
                return self._called(node, depth)

    def _called(self, node: ast.expr, depth: int) -> Told | None:
        match node:
            case ast.Call(
                func=ast.Attribute(attr="join", value=ast.Attribute(attr="path") | ast.Name(id="path" | "osp"))
            ):
                return self._joined(node.args, depth)
            case ast.Call(func=ast.Name(id="join"), args=[_, _, *_]):
                return self._joined(node.args, depth)
            case ast.Call(func=ast.Name(id="Path" | "PurePosixPath") | ast.Attribute(attr="Path" | "PurePosixPath")):
                return self._joined(node.args, depth)
            case ast.Call(func=ast.Name(id="str") | ast.Attribute(attr="fspath"), args=[one]):
                return self.told(one, depth + 1)
            case ast.Call(func=ast.Attribute(attr="joinpath", value=base)):
                return self._joined([base, *node.args], depth)
            case ast.Call(func=ast.Attribute(attr="get" | "getenv"), args=[ast.Constant(value=str(name)), *rest]):
                return _of_toolkit(name) or (self.told(rest[0], depth + 1) if rest else None)
            case ast.Subscript(
                value=ast.Attribute(attr="environ") | ast.Name(id="environ"), slice=ast.Constant(value=str(name))
            ):
                return _of_toolkit(name)
        return None

    def _joined(self, parts: list[ast.expr], depth: int) -> Told | None:
        path = ""
        for part in parts:
            told = self.told(part, depth + 1)
            if told is None:
                return Told(path, whole=False) if path else None
            path = told.text if told.text.startswith("/") or not path else f"{path.rstrip('/')}/{told.text}"
            if not told.whole:
                return Told(path, whole=False)
        return Told(path) if path else None

    def _run_on(self, parts: list[ast.expr], depth: int) -> Told | None:
        text = ""
        for part in parts:
            told = self.told(part, depth + 1)
            if told is None:
                return Told(text, whole=False) if text else None
            text += told.text
            if not told.whole:
                return Told(text, whole=False)
        return Told(text)


def paths_used(module: ast.Module, constants: Constants) -> Iterator[PathUse]:
    """Each path below /opt/ml that a module names outside of docstrings, where it is used: as whole as it can be told.

    A constant that is only there to be used by its name is told where it is.
    """
    nodes = list(ast.walk(module))
    by_key = [
        node.value.id
        for node in nodes
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Constant)
    ]
    loaded = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    elsewhere = {
        name
        for name, value in constants.assigned.items()
        if name in loaded and (constants.told(value) or loaded.count(name) == by_key.count(name))
    }
    yield from _below(module, constants, elsewhere, outer=(), key=None)


def _below(
    node: ast.AST, constants: Constants, elsewhere: set[str], *, outer: tuple[ast.AST, ...], key: str | None
) -> Iterator[PathUse]:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if name in elsewhere:
            return
        case ast.Dict():
            for name_of, value in zip(node.keys, node.values, strict=True):
                word = name_of.value if isinstance(name_of, ast.Constant) and isinstance(name_of.value, str) else None
                yield from _below(value, constants, elsewhere, outer=(*outer, node), key=word)
            return
    if isinstance(node, ast.expr) and (told := constants.told(node)):
        if told.text.startswith(f"{PREFIX}/") and told.text != f"{PREFIX}/":
            yield PathUse(told.text.rstrip("/"), node.lineno, _use(outer), told.whole, key)
        return
    for child in ast.iter_child_nodes(node):
        yield from _below(child, constants, elsewhere, outer=(*outer, node), key=key)


def _use(outer: tuple[ast.AST, ...]) -> Use:
    """What is done at a path, by the call that it is given to, or that is made of it."""
    for one in reversed(outer):
        if isinstance(one, ast.Call):
            return _use_of_call(one)
        if isinstance(one, ast.stmt):
            break
    return Use.NAMED


def _use_of_call(call: ast.Call) -> Use:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "open":
        words = [*call.args, *(one.value for one in call.keywords if one.arg == "mode")]
        modes = [one.value for one in words if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return Use.WRITTEN if any(mode[:1] in _WRITE_MODES and len(mode) <= len("wb+t") for mode in modes) else Use.READ
    if name.startswith(_WRITING):
        return Use.WRITTEN
    return Use.READ if name.startswith(_READING) or name in _READING_TOO else Use.NAMED


def _of_toolkit(variable: str) -> Told | None:
    if variable.startswith(CHANNEL) and len(variable) > len(CHANNEL):
        return Told(f"{PREFIX}/input/data/{variable.removeprefix(CHANNEL).lower()}")
    return Told(_TOOLKIT[variable]) if variable in _TOOLKIT else None


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)

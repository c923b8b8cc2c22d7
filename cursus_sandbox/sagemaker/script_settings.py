"""What a script wants to be told: variables of its environment, arguments, columns; read off its text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from cursus_sandbox.sagemaker.script import variables_read
from cursus_sandbox.sagemaker.script_paths import Constants


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a script reads: `required`, or with the text it takes when it isn't there; the type it is for."""

    name: str
    line: int
    required: bool
    default: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of argparse: its flag, or its name alone where it has a place instead."""

    flag: str
    line: int
    required: bool
    default: str | None
    kind: str
    choices: tuple[str, ...] = ()
    is_switch: bool = False

    @property
    def has_place(self) -> bool:
        """Whether it is told by its place on the command line."""
        return not self.flag.startswith("-")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a script wants to be told, and the lines where that could not be read off its text."""

    variables: tuple[Variable, ...]
    arguments: tuple[Argument, ...]
    columns: dict[str, str] = field(default_factory=dict)
    untold: tuple[tuple[int, str], ...] = ()


def settings_read(module: ast.Module, constants: Constants) -> Settings:
    """What a module wants to be told. A variable that is required anywhere is; `columns` are words in `x["word"]`."""
    nodes = list(ast.walk(module))
    kinds = _kinds(nodes)
    found: dict[str, Variable] = {}
    for one in _variables(nodes, constants, kinds):
        known = found.get(one.name)
        if known is None or (one.required and not known.required):
            found[one.name] = one
    return Settings(
        variables=tuple(sorted(found.values(), key=lambda one: one.line)),
        arguments=tuple(_arguments(nodes, constants)),
        columns=_columns(nodes, constants, kinds),
        untold=tuple(_untold(nodes, constants)),
    )


def _variables(nodes: list[ast.AST], constants: Constants, kinds: dict[int, str]) -> Iterator[Variable]:
    for one in variables_read(nodes):
        default = _text(one.default, constants) if one.default else None
        kind = kinds.get(id(one.node), "str")
        yield Variable(one.name, one.line, one.must_be, default, kind)
    for name, default, line in _named_in_turn(nodes, constants):
        yield Variable(name, line, default is None, default, "str")


def _named_in_turn(nodes: list[ast.AST], constants: Constants) -> Iterator[tuple[str, str | None, int]]:
    """`os.environ[n] for n in NAMES`, `os.environ.get(n, v) for n, v in DEFAULTS.items()`."""
    for node in nodes:
        if not isinstance(node, ast.comprehension | ast.For):
            continue
        names, values = _in_turn(node, constants)
        body = next((one for one in nodes if node in getattr(one, "generators", ())), node)
        for variable, line, must_be in _computed(ast.walk(body)):
            if variable in names:
                for name, default in values:
                    yield name, None if must_be else default, line


def _in_turn(node: ast.comprehension | ast.For, constants: Constants) -> tuple[set[str], list[tuple[str, str | None]]]:
    """The names of a loop that stand for a variable's name, and what these are in turn, each with a default."""
    over, target = node.iter, node.target
    if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute) and over.func.attr == "items":
        over = over.func.value
        target = target.elts[0] if isinstance(target, ast.Tuple) else target
    if isinstance(over, ast.Name):
        over = constants.assigned.get(over.id, over)
    names = {target.id} if isinstance(target, ast.Name) else set()
    if isinstance(over, ast.Dict):
        pairs = zip(over.keys, over.values, strict=True)
        return names, [(key.value, _text(value, constants)) for key, value in pairs if _is_text(key)]  # type: ignore[union-attr]
    if isinstance(over, ast.List | ast.Tuple | ast.Set):
        return names, [(one.value, None) for one in over.elts if _is_text(one)]  # type: ignore[attr-defined]
    return names, []


def _computed(nodes: Iterator[ast.AST] | list[ast.AST]) -> Iterator[tuple[str, int, bool]]:
    """Where a variable is read whose name is in a name: that, the line, and whether it must be there."""
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Name(id=name), ctx=ast.Load()):
                yield name, node.lineno, True
            case ast.Call(
                func=ast.Attribute(attr="get", value=ast.Attribute(attr="environ"))
                | ast.Attribute(attr="getenv")
                | ast.Name(id="getenv"),
                args=[ast.Name(id=name), *_],
            ):
                yield name, node.lineno, False


def _untold(nodes: list[ast.AST], constants: Constants) -> Iterator[tuple[int, str]]:
    """Variables whose names, and flags whose words, are computed."""
    in_turn = {
        name
        for node in nodes
        if isinstance(node, ast.comprehension | ast.For)
        for names, values in [_in_turn(node, constants)]
        if values
        for name in names
    }
    for name, line, _ in _computed(nodes):
        if name not in in_turn and not (name in constants.assigned and constants.told(constants.assigned[name])):
            yield line, "reads a variable whose name is computed"
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=said, ctx=ast.Load()) if not (
                isinstance(said, ast.Constant | ast.Name)
            ):
                yield node.lineno, "reads a variable whose name is computed"
        if isinstance(node, ast.Call) and _is_add_argument(node) and not (node.args and _is_text(node.args[0])):
            yield node.lineno, "has an argument whose flag is computed"


def _arguments(nodes: list[ast.AST], constants: Constants) -> Iterator[Argument]:
    for node in sorted((one for one in nodes if isinstance(one, ast.Call)), key=lambda one: one.lineno):
        flags = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if not _is_add_argument(node) or not flags:
            continue
        said = {one.arg: one.value for one in node.keywords if one.arg}
        action = _text(said.get("action"), constants) or ""
        flag = next((one for one in flags if one.startswith("--")), flags[0])
        nargs = _text(said.get("nargs"), constants)
        default = _text(said.get("default"), constants)
        placed = not flag.startswith("-")
        yield Argument(
            flag=flag,
            line=node.lineno,
            required=(placed and nargs not in ("?", "*") and default is None)
            or _literal(said.get("required"), constants) is True,
            default=default,
            kind=said["type"].id if isinstance(said.get("type"), ast.Name) else "str",  # type: ignore[attr-defined]
            choices=_listed(said.get("choices"), constants),
            is_switch=action.startswith("store_") or action in ("count", "version", "help"),
        )


def _listed(node: ast.expr | None, constants: Constants) -> tuple[str, ...]:
    value = _literal(node, constants)
    return tuple(str(one) for one in value) if isinstance(value, list | tuple | set) else ()


def _is_add_argument(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"


def _columns(nodes: list[ast.AST], constants: Constants, kinds: dict[int, str]) -> dict[str, str]:
    """The words that something is asked for that is no mapping of the module's own, with the type they are taken for.

    `row["age"]`, `table[["age", "sex"]]`, but not what the script puts there itself.
    """
    found: dict[str, str] = {}
    made = set()
    for node in sorted((one for one in nodes if isinstance(one, ast.Subscript)), key=lambda one: one.lineno):
        if not isinstance(node.value, ast.Name | ast.Attribute | ast.Call):
            continue
        of = node.value
        if isinstance(of, ast.Attribute) and of.attr == "environ":
            continue
        if isinstance(of, ast.Name) and (
            of.id in constants.assigned and isinstance(constants.assigned[of.id], ast.Dict)
        ):
            continue
        words = node.slice.elts if isinstance(node.slice, ast.List) else [node.slice]
        for word in words:
            if _is_text(word) and word.value.isidentifier():  # type: ignore[attr-defined]
                name = word.value  # type: ignore[attr-defined]
                if isinstance(node.ctx, ast.Load):
                    found[name] = found.get(name) or kinds.get(id(node), "")
                else:
                    made.add(name)
    return {name: kind for name, kind in found.items() if name not in made}


def _kinds(nodes: list[ast.AST]) -> dict[int, str]:
    """The expressions that are given to `int` or `float`, by their identity."""
    return {
        id(node.args[0]): node.func.id
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("int", "float")
        and node.args
    }


def _is_text(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _literal(node: ast.expr | None, constants: Constants) -> object:
    if isinstance(node, ast.Name):
        node = constants.assigned.get(node.id, node)
    try:
        return ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None


def _text(node: ast.expr | None, constants: Constants) -> str | None:
    """A value as the text that it would be told as; None where that is computed, or nothing."""
    if node is None:
        return None
    value = _literal(node, constants)
    if value is not None and isinstance(value, str | int | float):
        return str(value)
    told = constants.told(node)
    return told.text if told and told.whole else None

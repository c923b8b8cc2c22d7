"""Arrow types as values of our own, read from their text: `int64`, `timestamp[us, tz=UTC]`, `list<item: string>`.

pyarrow takes a fifth of a second to import and this takes none, so schemas can be read and compared at plan time.
The texts are the ones `str(pyarrow.DataType)` gives, plus the usual short names (`double`, `list<string>`, `date32`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from cursus_sandbox.errors import did_you_mean

INTEGER_BITS = {f"{sign}int{bits}": bits for sign in ("", "u") for bits in (8, 16, 32, 64)}
FLOAT_BITS = {"float16": 16, "float32": 32, "float64": 64}
DECIMAL_DIGITS = {"decimal32": 9, "decimal64": 18, "decimal128": 38, "decimal256": 76}

_ALIASES = {
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
    "boolean": "bool",
    "utf8": "string",
    "large_utf8": "large_string",
    "date32[day]": "date32",
    "date64[ms]": "date64",
    "decimal": "decimal128",
}
_PLAIN = {
    *INTEGER_BITS,
    *FLOAT_BITS,
    *("bool", "string", "large_string", "string_view", "binary", "large_binary", "binary_view", "date32", "date64"),
    *("null", "month_day_nano_interval"),
}
_UNITS = {
    "time32": ("s", "ms"),
    "time64": ("us", "ns"),
    "timestamp": ("s", "ms", "us", "ns"),
    "duration": ("s", "ms", "us", "ns"),
}
_LISTS = ("list", "large_list", "list_view", "large_list_view")
_PARTS = re.compile(r"(?P<name>[a-z_]\w*)(?:\[(?P<square>[^][]*)\]|\((?P<round>[^()]*)\)|<(?P<angle>.*)>(?P<tail>.*))?")


class Family(StrEnum):
    """A kind of value of any width: Frictionless Table Schema's `type`."""

    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    ARRAY = "array"
    OBJECT = "object"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class ArrowType:
    """One Arrow type: its canonical name, its parameters in the order they are written, and the types inside it."""

    name: str
    parameters: tuple[str | int, ...] = ()
    children: tuple[tuple[str, ArrowType], ...] = ()

    def __str__(self) -> str:
        match self.name:
            case "timestamp":
                unit, zone = self.parameters
                return f"timestamp[{unit}, tz={zone}]" if zone else f"timestamp[{unit}]"
            case "struct":
                return f"struct<{', '.join(f'{name}: {child}' for name, child in self.children)}>"
            case "dictionary" | "map" | "list" | "large_list" | "list_view" | "large_list_view" | "fixed_size_list":
                size = f"[{self.parameters[0]}]" if self.parameters else ""
                return f"{self.name}<{', '.join(str(child) for _, child in self.children)}>{size}"
            case name if name.startswith("decimal"):
                return f"{name}({self.parameters[0]}, {self.parameters[1]})"
            case _:
                return f"{self.name}[{self.parameters[0]}]" if self.parameters else self.name


@lru_cache(maxsize=4096)
def arrow_type(text: str) -> ArrowType:
    """Give the type a text names; ValueError, with a did-you-mean, if it names none."""
    text = text.strip()
    plain = _ALIASES.get(text, text)
    if plain in _PLAIN:
        return ArrowType(plain)
    parts = _PARTS.fullmatch(text)
    if not parts:
        raise _unknown(text)
    name = _ALIASES.get(parts["name"], parts["name"])
    if parts["angle"] is not None:
        return _nested(name, parts["angle"], parts["tail"].strip(), text)
    if parts["round"] is not None and name in DECIMAL_DIGITS:
        return _decimal(name, parts["round"], text)
    square = parts["square"]
    if square is None:
        if name in _UNITS:
            raise ValueError(f"{text!r} needs a unit, for example {name}[{_UNITS[name][-1]}]")
        raise _unknown(text)
    if name == "fixed_size_binary" and square.strip().isdecimal():
        return ArrowType(name, (int(square),))
    if name in _UNITS:
        return _with_unit(name, square, text)
    raise _unknown(text)


def observed_type(text: str) -> ArrowType:
    """Give the type a file's column has; one whose text we can't read stands for itself, equal only to its like."""
    try:
        return arrow_type(text)
    except ValueError:
        return ArrowType(text)


def family_of(kind: ArrowType) -> Family | None:
    """Give the family a type belongs to; None for types that are in none of them (binary, duration, null)."""
    name = kind.name
    if name in INTEGER_BITS:
        return Family.INTEGER
    if name in FLOAT_BITS or name in DECIMAL_DIGITS:
        return Family.NUMBER
    if name == "dictionary":
        return family_of(kind.children[0][1])
    if name.partition("<")[0] in _LISTS:
        return Family.ARRAY
    return _FAMILIES.get(name.partition("<")[0])  # a type whose text we could not read is known by its first word


_FAMILIES = {
    "bool": Family.BOOLEAN,
    "string": Family.STRING,
    "large_string": Family.STRING,
    "string_view": Family.STRING,
    "date32": Family.DATE,
    "date64": Family.DATE,
    "time32": Family.TIME,
    "time64": Family.TIME,
    "timestamp": Family.DATETIME,
    "fixed_size_list": Family.ARRAY,
    "struct": Family.OBJECT,
    "map": Family.OBJECT,
}


def _with_unit(name: str, square: str, text: str) -> ArrowType:
    unit, _, rest = (part.strip() for part in square.partition(","))
    if unit not in _UNITS[name]:
        raise ValueError(f"{text!r} has no such unit: {name} knows {', '.join(_UNITS[name])}")
    if name != "timestamp":
        if rest:
            raise _unknown(text)
        return ArrowType(name, (unit,))
    if rest and not re.fullmatch(r"tz=\S+", rest):
        raise ValueError(f"{text!r} isn't a timestamp: write timestamp[{unit}, tz=UTC]")
    return ArrowType(name, (unit, rest.removeprefix("tz=")))


def _decimal(name: str, inside: str, text: str) -> ArrowType:
    numbers = re.fullmatch(r"\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?", inside)
    if not numbers or not 1 <= int(numbers[1]) <= DECIMAL_DIGITS[name]:
        raise ValueError(
            f"{text!r} isn't a decimal: write {name}(precision, scale), precision 1 to {DECIMAL_DIGITS[name]}"
        )
    return ArrowType(name, (int(numbers[1]), int(numbers[2] or 0)))


def _nested(name: str, inside: str, tail: str, text: str) -> ArrowType:
    parts = _split(inside)
    if name == "fixed_size_list" and len(parts) == 1 and re.fullmatch(r"\[\d+\]", tail):
        return ArrowType(name, (int(tail[1:-1]),), (_child(parts[0], "item"),))
    if tail:
        raise _unknown(text)
    if name in _LISTS and len(parts) == 1:
        return ArrowType(name, (), (_child(parts[0], "item"),))
    if name == "map" and len(parts) == 2:  # noqa: PLR2004
        return ArrowType(name, (), (_child(parts[0], "key"), _child(parts[1], "value")))
    if name == "dictionary":
        values = next((part for part in parts if part.startswith("values=")), parts[0]).removeprefix("values=")
        return ArrowType(name, (), (("values", arrow_type(values)),))
    if name == "struct":
        return ArrowType(name, (), tuple(_child(part, "") for part in parts))
    raise _unknown(text)


def _child(text: str, name: str) -> tuple[str, ArrowType]:
    """Read `item: int64 not null`; a struct's child must be named, another's name says nothing and is dropped."""
    text = re.sub(r" ('[^']*'\)?|\('[^']*'\))$", "", text.strip())
    named = re.match(r"([^:<]*): (.*)", text, re.DOTALL)
    if not named and not name:
        raise ValueError(f"{text!r} inside struct<> has no name: write struct<name: type>")
    kind = named[2] if named else text
    return name or (named[1] if named else ""), arrow_type(kind.removesuffix(" not null"))


def _split(text: str) -> list[str]:
    """Split at the commas that are inside no bracket."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "<[(") - (character in ">])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _unknown(text: str) -> ValueError:
    known = [*_PLAIN, *_ALIASES, *_UNITS, *DECIMAL_DIGITS, *_LISTS, "fixed_size_list", "struct", "map", "dictionary"]
    near = did_you_mean(re.split(r"[\[(<]", text)[0], known, or_list=False)
    return ValueError(f"{text!r} is no Arrow type" + (f". {near}" if near else ""))

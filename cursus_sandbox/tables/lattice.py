"""What may stand where: a type that is there against a type that is asked for.

Reader-writer resolution in the manner of Iceberg and Avro, and stricter than `pyarrow.unify_schemas`, which lets
uint64 pass for int64 and decimal for float16: widening is well, losing digits is a warning, changing meaning an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cursus_sandbox.tables.arrow_types import DECIMAL_DIGITS, FLOAT_BITS, INTEGER_BITS, ArrowType, Family, family_of
from cursus_sandbox.tables.mismatch import Kind, Severity

_MANTISSA = {"float16": 11, "float32": 24, "float64": 53}
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}
_UNITS = ("s", "ms", "us", "ns")
_UTC = {"UTC", "Etc/UTC", "Z", "+00:00", "GMT", "Etc/GMT"}
_SAME = {
    "large_string": "string",
    "string_view": "string",
    "large_binary": "binary",
    "binary_view": "binary",
    "date64": "date32",
    "large_list": "list",
    "list_view": "list",
    "large_list_view": "list",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Why a type can't stand, or can't stand safely, for another. `path` leads into nested types: `.address.zip`."""

    severity: Severity
    kind: Kind
    found: str
    asked: str
    path: str = ""
    hint: str = ""


def stripped(kind: ArrowType) -> ArrowType:
    """Give the type without what no reader minds: dictionary encoding, offset width, seconds (Parquet has none)."""
    if kind.name == "dictionary":
        return stripped(kind.children[0][1])
    name = _SAME.get(kind.name, kind.name)
    parameters = () if name == "binary" else kind.parameters
    if name in {"time32", "time64", "timestamp", "duration"}:
        parameters = ("ms" if kind.parameters[0] == "s" else kind.parameters[0], *kind.parameters[1:])
        name = "time" if name in {"time32", "time64"} else name
    if name in DECIMAL_DIGITS:
        name = "decimal"
    return ArrowType(name, parameters, tuple((label, stripped(child)) for label, child in kind.children))


def difference(found: ArrowType, asked: ArrowType) -> Difference | None:
    """Give what is wrong when a `found` column is read where `asked` was promised; None when all is well."""
    if found == asked or found.name == "null":
        return None
    have, want = stripped(found), stripped(asked)
    gap = None if have == want else _gap(have, want)
    if gap is None or gap.path:
        return gap
    return replace(gap, found=str(found), asked=str(asked))


def family_difference(found: ArrowType, asked: Family) -> Difference | None:
    """Give what is wrong when a `found` column is read where any type of a family was promised."""
    kind = stripped(found)
    have = family_of(found)
    if asked is Family.ANY or have is asked or kind.name == "null":
        return None
    if asked is Family.NUMBER and have is Family.INTEGER:
        return None
    severity, code, hint = Severity.ERROR, Kind.TYPE, _hint(kind, asked)
    if {have, asked} in ({Family.BOOLEAN, Family.INTEGER}, {Family.BOOLEAN, Family.NUMBER}) and _whole(kind):
        severity = Severity.WARNING
    if (have, asked) == (Family.DATE, Family.DATETIME):
        severity, code = Severity.WARNING, Kind.DATE_TO_TIMESTAMP
    if asked is Family.INTEGER and kind.name == "decimal" and _whole(kind):
        severity = Severity.WARNING
    return Difference(severity, code, str(found), asked.value, hint=hint)


def families_conflict(found: Family, asked: Family) -> Severity | None:
    """Give how badly a promised family fails an asked one; None when it fits or nothing can be proved."""
    if found is asked or Family.ANY in {found, asked} or (found, asked) == (Family.INTEGER, Family.NUMBER):
        return None
    gentle = {
        (Family.BOOLEAN, Family.INTEGER),
        (Family.BOOLEAN, Family.NUMBER),
        (Family.INTEGER, Family.BOOLEAN),
        (Family.DATE, Family.DATETIME),
    }
    return Severity.WARNING if (found, asked) in gentle else Severity.ERROR


def _gap(have: ArrowType, want: ArrowType) -> Difference | None:  # noqa: C901, PLR0911 - a table
    """Compare two stripped types that differ; what holds nothing (an empty list's items) may stand for anything."""
    if have.name == "null":
        return None
    if have.name in INTEGER_BITS and want.name in INTEGER_BITS:
        return None if _integer_fits(have.name, want.name) else _error(have, want)
    if have.name in INTEGER_BITS or have.name in FLOAT_BITS or have.name == "decimal":
        return _number_gap(have, want)
    match have.name, want.name:
        case ("bool", name) if name in INTEGER_BITS:
            return _warning(have, want, Kind.TYPE)
        case ("date32", "timestamp") if not want.parameters[1]:
            return _warning(have, want, Kind.DATE_TO_TIMESTAMP)
        case ("timestamp", "timestamp"):
            return _timestamp_gap(have, want)
        case ("time", "time") | ("duration", "duration"):
            return _unit_gap(have, want)
        case ("fixed_size_binary", "binary"):
            return None
        case ("list", "list") | ("fixed_size_list", "list") | ("map", "map"):
            return _children_gap(have, want)
        case ("fixed_size_list", "fixed_size_list") if have.parameters == want.parameters:
            return _children_gap(have, want)
        case ("struct", "struct"):
            return _struct_gap(have, want)
        case _:
            return _error(have, want)


def _integer_fits(have: str, want: str) -> bool:
    signs = have.startswith("u"), want.startswith("u")
    if signs[0] == signs[1]:
        return INTEGER_BITS[have] <= INTEGER_BITS[want]
    return signs == (True, False) and INTEGER_BITS[have] < INTEGER_BITS[want]


def _number_gap(have: ArrowType, want: ArrowType) -> Difference | None:
    """Compare a number with what isn't the same number: the order of the cases matters."""
    bits = INTEGER_BITS.get(have.name)
    if want.name in FLOAT_BITS:
        if have.name in FLOAT_BITS:
            return None if FLOAT_BITS[have.name] <= FLOAT_BITS[want.name] else _warning(have, want, Kind.LOSSY)
        exact = bits is not None and bits - (not have.name.startswith("u")) <= _MANTISSA[want.name]
        if exact:
            return None
        return _error(have, want) if bits and want.name == "float16" else _warning(have, want, Kind.LOSSY)
    if want.name == "decimal":
        precision, scale = (int(number) for number in want.parameters)
        if bits:
            digits = 20 if have.name == "uint64" else _DIGITS[bits]
            return None if digits <= precision - scale else _error(have, want)
        if have.name == "decimal":
            own_precision, own_scale = (int(number) for number in have.parameters)
            fits = scale >= own_scale and precision - scale >= own_precision - own_scale
            return None if fits else _error(have, want)
    if bits and want.name == "bool":
        return _warning(have, want, Kind.TYPE)
    return _error(have, want)


def _timestamp_gap(have: ArrowType, want: ArrowType) -> Difference | None:
    here, there = str(have.parameters[1]), str(want.parameters[1])
    if bool(here) != bool(there):
        gap = _error(have, want)
        return replace(gap, kind=Kind.TIMEZONE, hint="give both a time zone, or neither: dt.tz_localize('UTC')")
    unit = _unit_gap(have, want)
    if unit is None and here != there and not {here, there} <= _UTC:
        return _warning(have, want, Kind.TIMEZONE)
    return unit


def _unit_gap(have: ArrowType, want: ArrowType) -> Difference | None:
    finer = _UNITS.index(str(have.parameters[0])) > _UNITS.index(str(want.parameters[0]))
    return _warning(have, want, Kind.LOSSY) if finer else None


def _children_gap(have: ArrowType, want: ArrowType) -> Difference | None:
    gaps = [
        replace(gap, path=f".{label}{gap.path}")
        for (label, child), (_, asked) in zip(have.children, want.children, strict=True)
        if child != asked and (gap := _gap(child, asked))
    ]
    return _worst(gaps)


def _struct_gap(have: ArrowType, want: ArrowType) -> Difference | None:
    there = dict(have.children)
    gaps = []
    for label, asked in want.children:
        child = there.get(label)
        if child is None:
            gaps.append(Difference(Severity.ERROR, Kind.MISSING_COLUMN, "nothing", str(asked), path=f".{label}"))
        elif child != asked and (gap := _gap(child, asked)):
            gaps.append(replace(gap, path=f".{label}{gap.path}"))
    return _worst(gaps)


def _worst(gaps: list[Difference]) -> Difference | None:
    return min(gaps, key=lambda gap: gap.severity is not Severity.ERROR, default=None)


def _error(have: ArrowType, want: ArrowType) -> Difference:
    return Difference(Severity.ERROR, Kind.TYPE, str(have), str(want), hint=_hint(have, family_of(want)))


def _warning(have: ArrowType, want: ArrowType, kind: Kind) -> Difference:
    return Difference(Severity.WARNING, kind, str(have), str(want))


def _whole(kind: ArrowType) -> bool:
    """Say whether the type holds whole numbers only (a decimal without a fraction is one)."""
    return kind.name in INTEGER_BITS or kind.name == "bool" or (kind.name == "decimal" and int(kind.parameters[1]) <= 0)


def _hint(have: ArrowType, asked: Family | None) -> str:
    if asked is Family.INTEGER and have.name in FLOAT_BITS:
        return FLOAT_FOR_INTEGER
    if asked is Family.STRING and have.name in {"binary", "fixed_size_binary"}:
        return "decode the bytes to text where the column is written"
    if asked in {Family.DATE, Family.DATETIME} and family_of(have) is Family.STRING:
        return "parse the text into dates where the column is written, or ask for `type: string`"
    return ""


FLOAT_FOR_INTEGER = (
    'pandas turns an integer column with gaps into float: use astype("Int64"), or ask for `type: number`'
)

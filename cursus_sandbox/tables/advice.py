"""What to change, judged by how text fails to be the value it should be."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.lattice import FLOAT_FOR_INTEGER

_NUMBERS = (Family.INTEGER, Family.NUMBER)
_DAYS = (Family.DATE, Family.DATETIME)
_LOOKS = (  # the first that all of the values look like
    (
        tuple(Family),
        r"(?i:n/?a|nan|null|none|nil|missing|-|\?|\\n)",
        "write gaps as empty cells, or say which texts are gaps:  missingValues: ['', {!r}]",
    ),
    ((Family.INTEGER,), r"[+-]?\d+\.0*", FLOAT_FOR_INTEGER),
    (
        (Family.INTEGER,),
        r"[+-]?\d+\.\d+|[+-]?\d+(?:\.\d*)?[eE][+-]?\d+",
        "round it where it is written, or ask for `type: number`",
    ),
    (
        (Family.INTEGER,),
        r"[+-]?\d{19,}",
        "64 bits don't hold it: if it is a name rather than a number, ask for `type: string`",
    ),
    (
        _NUMBERS,
        r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d{1,3}(?:[. ']\d{3})+",
        "write numbers without separators of thousands",
    ),
    (_NUMBERS, r"[+-]?\d*,\d+", "write decimal points, not commas: to_csv(..., decimal='.')"),
    (
        _NUMBERS,
        r"[+-]?0[xX][0-9a-fA-F]+",
        "write numbers in decimals; if it is a name rather than a number, ask for `type: string`",
    ),
    ((Family.BOOLEAN,), r"(?i:y|n|t|f|yes|no|on|off)", "write true and false, or 1 and 0"),
    (_DAYS, r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}.*|\d{8}|\d{4}/.*", "write dates as 2024-12-31: dt.strftime('%Y-%m-%d')"),
    ((Family.DATE,), r"\d{4}-\d\d-\d\d[T ].*", "write the day alone, or ask for `type: datetime`"),
)


def advice(family: Family | None, values: Sequence[str]) -> str:
    """What to do about values that no column of this family holds; "" where their looks don't tell."""
    if not values:
        return ""
    return next(
        (
            said.format(values[0])
            for families, look, said in _LOOKS
            if family in families and all(re.fullmatch(look, value.strip()) for value in values)
        ),
        "",
    )

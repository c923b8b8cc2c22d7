"""Column names that look alike, so that a rename is told as one thing and not as two."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_NEAR = 0.75


def look_alikes(missing: Iterable[str], there: Iterable[str]) -> dict[str, str]:
    """Pair each missing name with the name it was probably given, one to one.

    The same words in another case or style (`customer_id`, `CustomerId`, ` customer id`) come first, then spelling.
    """
    wanted, left = list(missing), list(there)
    pairs: dict[str, str] = {}
    for name in wanted:
        twin = next((other for other in left if _folded(other) == _folded(name)), None)
        if twin is not None:
            pairs[name] = twin
            left.remove(twin)
    close = sorted(
        (
            (-difflib.SequenceMatcher(None, name, other).ratio(), name, other)
            for name in wanted
            if name not in pairs
            for other in left
            if difflib.SequenceMatcher(None, name, other).quick_ratio() >= _NEAR
        ),
    )
    for ratio, name, other in close:
        if -ratio >= _NEAR and name not in pairs and other in left:
            pairs[name] = other
            left.remove(other)
    return pairs


def _folded(name: str) -> str:
    return re.sub(r"[\s_.\-]+", "", name).casefold()

"""Step types by the names Cursus takes for theirs: with a label after a `_`, in any case, with or without acronyms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

# cursus/step_catalog/naming.py, COMPOUND_ACRONYMS: the words that a file's name writes as one.
_ACRONYMS = {
    name.lower(): name
    for name in ("LightGBMMT", "LightGBM", "XGBoost", "PyTorch", "TensorFlow", "SageMaker", "MLFlow", "AutoML")
}
_LETTERS_PER_TYPO = 6
_SHORTEST = 3  # a shorter name is one letter away from too many others


class Named(NamedTuple):
    """What a name stands for: one step type, none, or several that it can't be told apart from; and its label."""

    step_types: tuple[str, ...] = ()
    label: str | None = None

    @property
    def step_type(self) -> str | None:
        """The one there is, if there is one."""
        return self.step_types[0] if len(self.step_types) == 1 else None


class StepTypes:
    """The step types there are, found by any name for them."""

    def __init__(self, known: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(known))
        self._exact = frozenset(self.names)
        self._folded: dict[str, tuple[str, ...]] = {}
        for name in self.names:
            key = folded(name)
            self._folded[key] = (*self._folded.get(key, ()), name)

    def of(self, node: str) -> Named:
        """A node's step type and label.

        As in Cursus, `_x` is taken away from the right until what is left is a known type; what was taken away is the
        label, any word. Of two types with the same letters, the one that is written exactly so is meant.
        """
        head, tail = node, ""
        while head:
            if found := self.called(head):
                return Named(found, tail or None)
            head, _, last = head.rpartition("_")
            tail = f"{last}_{tail}" if tail else last
        return Named()

    def called(self, name: str) -> tuple[str, ...]:
        """The step types a whole name may stand for; one, if there is one that is written exactly so."""
        return (name,) if name in self._exact else self._folded.get(folded(name), ())

    def meant(self, node: str) -> str | None:
        """The step type that an unknown node's name is most likely a slip for; None if it is like none of them."""
        for head in _heads(node):
            key = folded(head)
            for other, names in self._folded.items():
                if _is_slip(key, other):
                    return names[0]
        return None


def folded(name: str) -> str:
    """The letters and digits of a name, in lower case: what Cursus compares (`naming.canonical_key`)."""
    return "".join(filter(str.isalnum, name.lower()))


def pascal(stem: str) -> str:
    """The step type a file's name speaks of: `xgboost_training` is XGBoostTraining (`naming.parts_to_pascal`)."""
    return "".join(_ACRONYMS.get(part.lower(), part.capitalize()) for part in stem.split("_"))


def snake(step_type: str) -> str:
    """The name of a step type's files: XGBoostTraining's is `xgboost_training` (`naming.canonical_to_snake`)."""
    for acronym in _ACRONYMS.values():
        step_type = step_type.replace(acronym, acronym.capitalize())
    words = ""
    for index, char in enumerate(step_type):
        before, after = step_type[index - 1 : index], step_type[index + 1 : index + 2]
        starts = char.isupper() and before and (not before.isupper() or after.islower()) and before.isalnum()
        words += f"_{char}" if starts else char
    return words.lower()


def _heads(node: str) -> list[str]:
    """The node's name with ever less of its label, the whole name first."""
    parts = node.split("_")
    return ["_".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _is_slip(name: str, other: str) -> bool:
    """Whether two names differ by a typo: in one place, or in one for each six letters."""
    length = min(len(name), len(other))
    most = max(1, length // _LETTERS_PER_TYPO)
    if length < _SHORTEST or abs(len(name) - len(other)) > most:
        return False
    if (Counter(name) - Counter(other)).total() > most:
        return False
    return _distance(name, other) <= most


def _distance(one: str, other: str) -> int:
    """How many letters must be changed, added, left out or swapped with the next to make one name the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for index, char in enumerate(one, start=1):
        before, last, row = row, before, [index]
        for at, letter in enumerate(other, start=1):
            cost = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (char != letter))
            if last and at > 1 and char == other[at - 2] and one[index - 2] == letter:
                cost = min(cost, last[at - 2] + 1)
            row.append(cost)
    return row[-1]

"""Job types and what they mean: the label in a name, the family of a label, how alike two are, which come near one."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence

from cursus_sandbox.pipeline.cursus_config import canonical

_KEYWORDS = {
    "training": ("training", "train"),
    "calibration": ("calibration", "calib"),
    "evaluation": ("evaluation", "eval", "test"),
    "inference": ("inference", "infer", "predict"),
}
_COMPARED = 50  # of more job types than this, those beside a label in the alphabet are compared with it
_BESIDE = 10


class JobTypes:
    """Configurations of one step type by job type, in lower case; without one, under the empty text.

    Those of one job type are in alphabetical order, but for those that come `first`.
    """

    def __init__(self, keys: Iterable[tuple[str, str]], *, first: Container[str] = ()) -> None:
        self.keys: dict[str, list[str]] = {}
        families: dict[str, list[str]] = {}
        for key, job_type in sorted(keys, key=lambda one: (one[0] not in first, one)):
            self.keys.setdefault(job_type, []).append(key)
        self._all = sorted(filter(None, self.keys))
        for job_type in self._all:
            families.setdefault(family(job_type) or "", []).append(job_type)
        self._families = families
        self._length = sum(map(len, self.keys.values()))

    def __len__(self) -> int:
        return self._length

    def near(self, label: str) -> list[str]:
        """The job types a label is compared with: itself, those of its family, none, others."""
        meant = self._families.get(family(label) or "", [])
        found = [label, *_beside(meant, label), "", *_beside(self._all, label)]
        return [one for one in dict.fromkeys(found) if one in self.keys]


def label_of(name: str, step_type: str) -> str | None:
    """What stands behind the step type in the name of a step or of a configuration: `calibration`."""
    head, tail, folded = name, "", canonical(step_type)
    while head and canonical(head) != folded:
        head, _, last = head.rpartition("_")
        tail = f"{last}_{tail}" if tail else last
    return tail if head and tail else None


def family(job_type: str) -> str | None:
    """The job type that a label means, by its keywords."""
    folded = job_type.lower()
    return next((name for name, words in _KEYWORDS.items() if any(word in folded for word in words)), None)


def without_job_type(name: str, label: str | None) -> str:
    """A name without the label at its end."""
    head, _, last = name.rpartition("_")
    return head if head and (last == label or family(last)) else name


def likeness(one: str, other: str) -> float:
    """How alike two labels are, from 0 to 1, whichever comes first."""
    first, second = sorted((one, other))  # the ratio depends on their order
    return difflib.SequenceMatcher(None, first, second).ratio()


def _beside(names: Sequence[str], label: str) -> Sequence[str]:
    if len(names) <= _COMPARED:
        return names
    place = bisect_left(names, label)
    return names[max(0, place - _BESIDE) : place + _BESIDE]

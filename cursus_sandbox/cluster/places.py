"""Paths of a run on a host that shares no folder with it, and what is said there with the run's own again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Places:
    """Where paths of the run are here. A place that lies in another one comes before it."""

    here: Mapping[Path, Path]

    def at(self, path: Path) -> Path:
        """Where a path is that is one of them, or below one."""
        there = next(one for one in (path, *path.parents) if one in self.here)
        return self.here[there] / path.relative_to(there)

    def text(self, text: str) -> str:
        """A text about files here, as the run has them."""
        return self._back(text, str)

    def json(self, text: str) -> str:
        """The same of JSON."""
        return self._back(text, lambda path: json.dumps(path)[1:-1])

    def script(self, text: str) -> str:
        """The same of a shell's script, in which each path from here stands in single quotes: see `guest`."""
        return self._back(text, lambda path: path.replace("'", "'\"'\"'"))

    def value(self, value: Value) -> Value:
        """A value with all its paths, and texts, as the run has them: of models, lists and mappings too."""
        back: Any = value
        match value:
            case Enum():
                pass
            case Path():
                back = Path(self.text(str(value)))
            case str():
                back = self.text(value)
            case BaseModel():
                fields = {name: self.value(getattr(value, name)) for name in type(value).model_fields}
                back = value.model_copy(update=fields)
            case tuple() | list():
                back = type(value)(self.value(one) for one in value)
            case dict():
                back = {self.value(key): self.value(one) for key, one in value.items()}
        return back  # type: ignore[no-any-return]

    def _back(self, text: str, written: Any) -> str:
        there = {written(str(here)): written(str(path)) for path, here in self.here.items()}
        if not any(here in text for here in there):
            return text
        return re.sub("|".join(map(re.escape, there)), lambda found: there[found[0]], text)

"""A secret of a step, by where it is kept: a plan and all that is printed or stored know no more of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

SECRETS = PurePosixPath("/run/secrets")
_FORMS = "a secret is env:VARIABLE or file:PATH, or {from: …, as: file}: where it is kept, never what it is"


class Handed(StrEnum):
    """How a step gets a secret: as a variable of its environment, or as the file /run/secrets/NAME."""

    ENVIRONMENT = "environment"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret is kept, a variable or a file of this machine, and how the step gets it."""

    variable: str | None = None
    path: Path | None = None
    handed: Handed = Handed.ENVIRONMENT

    def __str__(self) -> str:
        return f"env:{self.variable}" if self.path is None else f"file:{self.path}"

    def below(self, folder: Path) -> Secret:
        """The same, its path taken from a folder."""
        return self if self.path is None else replace(self, path=folder / self.path)


def secret(value: Any) -> Secret:
    """The secret that is written; ValueError, which never quotes what is written: it may be the secret itself."""
    match value:
        case Secret():
            return value
        case str():
            kind, _, place = value.partition(":")
            if place and "\0" not in place and kind == "env":
                return Secret(variable=place)
            if place and "\0" not in place and kind == "file":
                return Secret(path=Path(place).expanduser())
        case {"from": str() as kept, "as": "environment" | "file" as handed} if len(value) == 2:  # noqa: PLR2004
            return replace(secret(kept), handed=Handed(handed))
        case {"from": str() as kept} if len(value) == 1:
            return secret(kept)
    raise ValueError(_FORMS)


_KEPT = {"type": "string", "pattern": "^(env|file):."}
_WRITTEN = {
    "anyOf": [
        _KEPT,
        {
            "type": "object",
            "properties": {"from": _KEPT, "as": {"enum": [str(one) for one in Handed]}},
            "required": ["from"],
            "additionalProperties": False,
        },
    ]
}
SecretWritten = Annotated[Secret, BeforeValidator(secret), WithJsonSchema(_WRITTEN)]

"""What a run was asked for, kept in its folder so that it can be asked for again: a document, and options of `api.run`.

request.json  the document and every path in the options are absolute; of a secret it says where that is kept
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

REQUEST = "request.json"
_PATHS = ("config", "source_dir", "registry")
_OF_ONE_TIME = ("observer", "workspace", "pdb", "update_schemas", "again")


def request_of(document: object, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is to be kept; None where the document or an option is an object of the caller's, which can't be."""
    try:
        said = {name: value for name, value in options.items() if value is not None and name not in _OF_ONE_TIME}
        given = {name: _kept(name, value) for name, value in said.items()}
        request = {"document": _absolute(document), "options": given}
        json.dumps(request)
    except TypeError:
        return None
    return request


def read_request(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The document and the options of the run in a folder; None where they weren't kept, or can't be read."""
    try:
        read = json.loads((folder / REQUEST).read_bytes())
        return Path(read["document"]), dict(read["options"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _kept(name: str, value: Any) -> Any:
    match name:
        case "contracts":
            return [_absolute(one) for one in value]
        case "inputs":
            return {port: path if _is_uri(path) else _absolute(path) for port, path in value.items()}
        case "secrets":
            return {secret: _place(str(kept)) for secret, kept in value.items()}
        case "engine":
            return value if isinstance(value, str) else value.name
        case "only" | "force":
            return list(value)
        case _ if name in _PATHS:
            return _absolute(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    return value


def _absolute(path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        raise TypeError
    return str(Path(path).expanduser().absolute())


def _is_uri(path: object) -> bool:
    return "://" in str(path)


def _place(kept: str) -> str:
    kind, _, place = kept.partition(":")
    return f"file:{_absolute(place)}" if kind == "file" else kept

"""What a run was asked for, kept in its folder so that it can be asked for again: a document, and options of `api.run`.

request.json  with the folder that relative paths count from; of a secret it says where that is kept
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cursus_sandbox.errors import DocumentError, Problem
from cursus_sandbox.pipeline.values import several

REQUEST = "request.json"
_PATHS = ("config", "source_dir", "registry")
_OF_ONE_TIME = ("observer", "workspace", "pdb", "update_schemas", "again")


def request_of(document: object, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is to be kept; None where the document or an option is an object of the caller's, which can't be."""
    try:
        said = {name: value for name, value in options.items() if value is not None and name not in _OF_ONE_TIME}
        given = {name: _kept(name, value) for name, value in said.items()}
        request = {"folder": str(Path.cwd()), "document": _path(document), "options": given}
        json.dumps(request)
    except (TypeError, AttributeError):
        return None
    return request


def read_request(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The document and the options of the run in a folder, their paths such that they lead there from here.

    None where they weren't kept, or can't be read.
    """
    try:
        read = json.loads((folder / REQUEST).read_bytes())
        there, options = Path(read["folder"]), dict(read["options"])
        there = Path() if there == Path.cwd() else there
        return there / read["document"], {name: _from(there, name, value) for name, value in options.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def refuse_other_than_text(kept: object) -> None:
    """DocumentError for a name in what is to be kept that no JSON can hold: a file's whose bytes are not UTF-8."""
    text = json.dumps(kept, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        name = text[text.rindex('"', 0, error.start) + 1 : text.index('"', error.start)]
        hint = "Rename it, or use what is elsewhere: the records of a run can't hold such a name."
        raise DocumentError([Problem(f"the name '{name}' is not UTF-8", hint=hint)]) from None


def _kept(name: str, value: Any) -> Any:
    match name:
        case "contracts":
            return [_path(one) for one in several(value)]
        case "inputs" | "secrets":
            return {key: str(one) for key, one in value.items()}
        case "engine":
            return value if isinstance(value, str) else value.name
        case "only" | "force":
            return list(several(value))
        case _ if name in _PATHS:
            return _path(value)
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, BaseModel) else value


def _from(folder: Path, name: str, value: Any) -> Any:
    """An option whose relative paths count from a folder."""
    match name:
        case "contracts":
            return [str(folder / one) for one in value]
        case "inputs":
            return {port: path if "://" in path else str(folder / path) for port, path in value.items()}
        case "secrets":
            return {secret: _place(folder, kept) for secret, kept in value.items()}
    return str(folder / value) if name in _PATHS else value


def _place(folder: Path, kept: str) -> str:
    kind, _, place = kept.partition(":")
    return f"file:{folder / Path(place).expanduser()}" if kind == "file" else kept


def _path(path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        raise TypeError
    return os.fspath(path)

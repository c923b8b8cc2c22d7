"""An input of single objects: what a manifest lists, as `S3DataType: ManifestFile` has it.

`[{"prefix": "./data/"}, "a.csv", "2026/b.csv"]`: each object is the prefix with a key behind it, and arrives under its
key (ProcessingS3Input.S3DataType, S3DataSource.S3DataType). Here the prefix is a folder beside the manifest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

_SHAPE = '[{"prefix": "./data/"}, "a.csv", "b.csv"]'
_LARGEST = 64 * 1024 * 1024  # bytes
_NAMED = 3
_LONGEST = 300  # characters of a name that are shown


def listed(manifest: Path) -> dict[str, Path]:
    """Each key and its file. ValueError says what is wrong with the manifest, or which of its files are not there."""
    first, *keys = _content(manifest)
    prefix = first.get("prefix") if isinstance(first, dict) else None
    if not isinstance(prefix, str) or not keys or not all(isinstance(key, str) for key in keys):
        raise ValueError(f"it is not of the form {_SHAPE}")
    if "://" in prefix:
        raise ValueError(f"its prefix is {prefix}, and here it can only be a folder: {_SHAPE}")
    outside = [key for key in keys if not key or key.startswith("/") or ".." in PurePosixPath(key).parts]
    if outside:
        raise ValueError(f"its key {_short(outside[0])!r} leads out of the prefix")
    found = {key: manifest.parent / f"{prefix}{key}" for key in keys}
    missing = [_short(str(file)) for file in found.values() if not os.path.isfile(file)]  # noqa: PTH113 -- of any length
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise ValueError(f"it lists {', '.join(missing[:_NAMED])}{more}, and there is no such file")
    return found


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def _content(manifest: Path) -> Sequence[Any]:
    if manifest.stat().st_size > _LARGEST:
        raise ValueError("it is larger than 64 MB")
    try:
        content = json.loads(manifest.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from error
    if not isinstance(content, list) or not content:
        raise ValueError(f"it is not of the form {_SHAPE}")
    return content

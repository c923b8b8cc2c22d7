"""From a file to a tree: one plain, unambiguous document in YAML or JSON, or a DocumentError."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from cursus_sandbox.documents.from_json import json_tree
from cursus_sandbox.documents.tree import Tree
from cursus_sandbox.errors import DocumentError, Problem, nearest_path

_LARGEST = 10 * 1024 * 1024  # bytes; the largest published Cursus document has 30 KB


def read_tree(file: Path) -> Tree:
    """The tree of a file: JSON if its name ends in .json, else YAML.

    Raises DocumentError for anything that can't be read at all; what else is wrong is in the tree's `problems`.
    """
    text = read_text(file)
    if file.suffix.lower() == ".json":
        return json_tree(file, text)
    from cursus_sandbox.documents.from_yaml import yaml_tree  # noqa: PLC0415 -- a pipeline in JSON needs no YAML

    return yaml_tree(file, text)


def read_json(file: Path) -> Tree:
    """The tree of a file that is JSON whatever it is called; raises as `read_tree` does."""
    return json_tree(file, read_text(file))


def read_text(file: Path) -> str:
    """A file of text, of a size that a document may have; DocumentError if it is none."""
    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "is no regular file" if file.exists() else "does not exist"
            _refuse(file, None, f"the document {what}", _nearest(file))
        if file.stat().st_size > _LARGEST:
            _refuse(file, None, f"the document is larger than {_LARGEST // 1024 // 1024} MB")
        data = file.read_bytes()
    except OSError as error:
        _refuse(file, None, f"the document can't be read: {error.strerror}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(file, line, f"the document is not UTF-8 (byte 0x{data[error.start]:02x})", "Save it as UTF-8.")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        _refuse(file, line, "the document holds a NUL character", "Is it a text file, saved as UTF-8?")
    return text


def _nearest(file: Path) -> str:
    """What was likely meant by a path that is no file."""
    if file.is_dir():
        document = file / "dag.yaml"
        return f"Did you mean '{document}'?" if document.is_file() else ""
    return "" if file.exists() else nearest_path(file, whole=True)


def _refuse(file: Path, line: int | None, what: str, hint: str = "") -> NoReturn:
    raise DocumentError([Problem(what, hint=hint, file=file, line=line)])

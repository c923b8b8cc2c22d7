"""A shipped example as a project of one's own."""

from __future__ import annotations

from pathlib import PurePosixPath

from cursus_sandbox.drafts.draft import Draft
from cursus_sandbox.errors import DocumentError, Problem, did_you_mean
from cursus_sandbox.shipped import shipped_examples

_LEFT_OUT = ("README.md", "__pycache__", ".cursus-sandbox")  # the first speaks of the repository's folders


def examples() -> tuple[str, ...]:
    """The examples there are."""
    return tuple(sorted(file.parent.name for file in shipped_examples().glob("*/dag.yaml")))


def from_example(name: str) -> Draft:
    """The files of an example; DocumentError where there is none of that name."""
    if name not in examples():
        raise DocumentError([Problem(f"there is no example '{name}'", hint=did_you_mean(name, examples()))])
    folder = shipped_examples() / name
    found = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    files = {PurePosixPath(file.relative_to(folder)): file.read_bytes() for file in found}
    return Draft({path: content for path, content in files.items() if not set(path.parts) & set(_LEFT_OUT)})

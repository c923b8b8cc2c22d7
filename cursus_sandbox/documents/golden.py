"""The schemas that were seen and blessed: `dag.schemas.yaml` beside `dag.yaml`, a file of the command's own.

It is written whole, so nothing of anybody's is in it: what is said by hand is said in the document and in contracts,
which it gives way to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent

from pydantic import BaseModel, ConfigDict, Field

from cursus_sandbox.documents.problems import validated
from cursus_sandbox.documents.reading import read_tree
from cursus_sandbox.documents.schemas import schema_text
from cursus_sandbox.documents.tree import Place
from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.golden import SUFFIX, GoldenSchemas
from cursus_sandbox.pipeline.values import ChannelName, StepName
from cursus_sandbox.tables.schema import TableSchema


@dataclass(frozen=True, slots=True)
class WrittenGolden:
    """The schemas by step and channel, and the file and line of each."""

    schemas: GoldenSchemas
    places: dict[Place, tuple[Path, int]] = field(default_factory=dict)


class _Golden(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    golden: dict[StepName, dict[ChannelName, TableSchema]] = Field(default_factory=dict)


def golden_file(document: Path) -> Path:
    """Where the blessed schemas of a document are."""
    return document.with_name(f"{document.stem}{SUFFIX}")


def read_golden(document: Path) -> WrittenGolden:
    """The blessed schemas of a document, none if there is no file; DocumentError with every problem in it."""
    file = golden_file(document)
    if not file.exists():
        return WrittenGolden({})
    tree = read_tree(file)
    content = {} if tree.content is None else tree.content
    read, problems = validated(_Golden, content, tree, lambda place: place)
    if read is None or problems or tree.problems:
        raise DocumentError([*tree.problems, *problems])
    return WrittenGolden(read.golden, {place: (file, line) for place, line in tree.lines.items() if place})


def golden_text(document: Path, schemas: Mapping[str, Mapping[str, TableSchema]], *, when: str) -> str:
    """The text of such a file."""
    lines = [
        f"# What `cursus-sandbox run {document.name} --update-schemas` saw on {when}; later runs are held to it.",
        f"# It is written anew each time: say what you mean yourself in {document.name} (schemas:) or in a contract.",
        "golden:" if any(schemas.values()) else "golden: {}",
    ]
    for step, channels in schemas.items():
        if channels:
            lines.append(f"  {step}:")
        for channel, schema in channels.items():
            lines += [f"    {channel}:", indent(schema_text(schema).removeprefix("schema:\n"), " " * 4).rstrip("\n")]
    return "\n".join(lines) + "\n"

"""What commands have in common: the options of several, and how JSON is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Contracts = Annotated[
    list[Path] | None,
    typer.Option(
        "--contracts",
        metavar="DIR",
        help="A folder of *.step.yaml, searched first. Repeatable. Also: CURSUS_SANDBOX_CONTRACTS.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def print_json(content: Any) -> None:
    """Print a value as JSON on stdout."""
    sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")

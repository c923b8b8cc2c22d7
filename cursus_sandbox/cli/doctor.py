"""`cursus-sandbox doctor`: what this machine has to run steps with, and what to do about what it lacks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cursus_sandbox.cli.options import KEPT, AsJson, print_json
from cursus_sandbox.cli.output import put
from cursus_sandbox.errors import ExitCode

if TYPE_CHECKING:
    from cursus_sandbox.doctor.findings import Finding

DOCTOR_EXAMPLES = """\b
Examples:
  cursus-sandbox doctor
  cursus-sandbox doctor --json

\b
Exit codes:
  0 an engine that isolates steps can run here, 4 none can.
"""


def doctor(
    workspace: Annotated[
        Path, typer.Option(metavar="DIR", parser=Path, help="Where runs are kept, or will be.")
    ] = KEPT,
    as_json: AsJson = False,
) -> None:
    """Look at this machine: engines, disks, images, registry, credentials; a line each, with the remedy.

    Changes nothing and tells in three seconds at most. What is a warning can be lived with.
    """
    from cursus_sandbox.doctor.examination import examined
    from cursus_sandbox.doctor.findings import can_run
    from cursus_sandbox.doctor.probes import let_end

    found = examined(workspace, os.environ, Path(os.path.expanduser("~")))  # noqa: PTH111 -- a home that isn't known is no error
    ok = can_run(found)
    if as_json:
        print_json({"ok": ok, "findings": [_told(one) for one in found]})
    else:
        from rich.console import Console

        console = Console()
        for line in lines(found, columns=console.width, colour=console.is_terminal and not console.no_color):
            put(f"{line}\n", sys.stdout)
        if not ok:
            put("no engine that isolates steps can run here; --engine process isolates nothing\n", sys.stdout)
    sys.stdout.flush()
    let_end("local", "sees")
    os._exit(ExitCode.OK if ok else ExitCode.MACHINE)  # whatever still looks would be waited for


def lines(found: Iterable[Finding], *, columns: int, colour: bool) -> Iterator[str]:
    """The findings as they are shown: a state, a name, what is, and below it what to do."""
    from cursus_sandbox.reports.text import folded

    every = list(found)
    width = max((len(one.name) for one in every), default=0)
    codes = {"ok": "32", "warn": "33", "fail": "31"}
    for one in every:
        head = f"{one.state:<4}  {one.name:<{width}}  "
        indent = " " * (len(head) if columns >= len(head) + 30 else 2)
        text = folded(f"{head}{one.what}", indent, columns)
        yield f"\x1b[{codes[one.state]}m{text[:4]}\x1b[0m{text[4:]}" if colour else text
        if one.remedy:
            yield folded(f"{indent}{one.remedy}", indent, columns)


def _told(one: Finding) -> dict[str, str]:
    return {"name": one.name, "state": str(one.state), "what": one.what, "remedy": one.remedy}

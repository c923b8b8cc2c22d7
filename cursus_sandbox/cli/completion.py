"""What a shell may complete: runs, steps and contracts, glimpsed from names alone, for a keystroke can't wait.

Nothing is parsed or validated here: a document that can't be read, a workspace that isn't there give no names.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import typer

from cursus_sandbox.pipeline.names import pascal
from cursus_sandbox.shipped import shipped_contracts, shipped_examples

VARIABLE = "_CURSUS_SANDBOX_COMPLETE"
_SECONDS = 5.0  # a workspace on a disk that is away must not hold the prompt for ever
_LARGEST = 1 << 20
_YAML_STEPS = re.compile(r"^steps:[ \t]*(?:#.*)?\n(?P<block>(?:[ \t]+.*\n|[ \t]*#.*\n|[ \t]*\n)*)", re.MULTILINE)
_YAML_KEY = re.compile(r"^([ \t]+)[\"']?([A-Za-z0-9][\w.-]*)[\"']?[ \t]*:", re.MULTILINE)
_YAML_GRAPH = re.compile(r"^dag:[ \t]*[\"']?([^\"'#\n]+)", re.MULTILINE)
_FAMILIAR = 1_000


def is_asked_for() -> bool:
    """Whether a shell asks what may come next, not for a command to be run."""
    return VARIABLE in os.environ


def answer(ask: Callable[[], object]) -> int:
    """Let typer answer the shell; what goes wrong, or takes long, is an answer without words.

    bash takes `RUN:STEP` for three words and completes the last: here it is one again, and the answer is the last part.
    """
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    before = _join_words() if os.environ[VARIABLE] == "complete_bash" else ""
    said, code = StringIO(), 0
    with suppress(Exception), redirect_stdout(said):
        try:
            ask()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    lines = said.getvalue().splitlines()
    sys.stdout.write("".join(f"{line.removeprefix(before)}\n" for line in lines))
    return code


def _join_words() -> str:
    """Join what bash took apart at colons in its own variables; gives what of the last word it keeps as it is."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    at = os.environ.get("COMP_CWORD", "")
    if not at.isdigit():
        return ""
    typed = words[: int(at) + 1]
    joined: list[str] = []
    for index, word in enumerate(typed):
        if joined and (word.startswith(":") or (index and typed[index - 1].endswith(":"))):
            joined[-1] += word
        else:
            joined.append(word)
    os.environ["COMP_WORDS"] = "\n".join(joined)
    os.environ["COMP_CWORD"] = str(len(joined) - 1)
    head, colon, _ = joined[-1].rpartition(":")
    return head + colon


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The runs of the workspace, the newest first."""
    return _beginning(incomplete, ["last", *_runs(ctx)])


def runs_and_steps(ctx: typer.Context, incomplete: str) -> list[str]:
    """The steps of the newest run, `RUN:` for others, and the steps of the run that is named."""
    run, colon, _ = incomplete.rpartition(":")
    if colon:
        return _beginning(incomplete, [f"{run}:{step}" for step in _steps_of(ctx, run or "last")])
    return _beginning(incomplete, [*_steps_of(ctx, "last"), *(f"{one}:" for one in ["last", *_runs(ctx)])])


def steps(ctx: typer.Context, incomplete: str) -> list[str]:
    """The steps of the document that is named already."""
    words = [*([ctx.params["document"]] if ctx.params.get("document") else ()), *ctx.args]  # before `--only` ends
    document = next((Path(word) for word in words if Path(word).is_file()), None)
    return _beginning(incomplete, dict.fromkeys(_of_document(document))) if document else []


def examples(incomplete: str) -> list[str]:
    """The examples that are shipped."""
    return _beginning(incomplete, _names(shipped_examples()))


def contracts(ctx: typer.Context, incomplete: str) -> list[str]:
    """The step types that there are contracts of, as the names of their files tell."""
    given = [Path(one) for one in ctx.params.get("contracts") or ()]
    folders = [*given, Path(), Path("contracts"), shipped_contracts()]
    files = (file for folder in folders for file in folder.glob("*.step.y*ml"))
    return _beginning(incomplete, sorted({pascal(file.name.partition(".")[0]) for file in files}))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)][:_FAMILIAR]


def _runs(ctx: typer.Context) -> list[str]:
    return _names(_workspace(ctx) / "runs")[::-1]


def _steps_of(ctx: typer.Context, run: str) -> list[str]:
    found = [one for one in _runs(ctx) if run == "last" or one.startswith(run)]
    return _names(_workspace(ctx) / "runs" / found[0] / "steps") if found else []


def _workspace(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("workspace") or ".cursus-sandbox")


def _names(folder: Path) -> list[str]:
    with suppress(OSError), os.scandir(folder) as found:
        return sorted(one.name for one in found if one.is_dir())
    return []


def _of_document(file: Path, *, stand_on: bool = True) -> Iterator[str]:
    """The steps that a document names, in whichever of its forms."""
    with suppress(OSError, ValueError, RecursionError):
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            import json

            yield from _of_json(json.loads(text))
            return
        if block := _YAML_STEPS.search(f"{text}\n"):
            keys = _YAML_KEY.findall(block["block"])
            nearest = min((len(indent) for indent, _ in keys), default=0)
            yield from (name for indent, name in keys if len(indent) == nearest)
        if stand_on and (graph := _YAML_GRAPH.search(text)):
            yield from _of_document(file.parent / graph[1].strip(), stand_on=False)


def _of_json(content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        return
    graph = content.get("dag", content)
    for found in (graph.get("nodes") if isinstance(graph, dict) else None, content.get("steps")):
        if isinstance(found, list | dict):
            yield from (name for name in found if isinstance(name, str))
